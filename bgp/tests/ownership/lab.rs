//! The node, its two routers and their daemons.

use std::fmt::Write;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::common::{Daemon, Namespace, wait};
use crate::kernel::{FAMILIES, Routes, others, ours};

/// Dumps that hints lead to are a second apart.
const LATE: Duration = Duration::from_millis(1500);

/// Announced by a alone, and by both: IPv4 and IPv6.
pub(crate) const ONE: [&str; 2] = ["10.128.1.0/24", "fd00:128:1::/64"];
pub(crate) const TWO: [&str; 2] = ["10.128.2.0/24", "fd00:128:2::/64"];

pub(crate) struct Lab {
    pub(crate) node: Namespace,
    pub(crate) routers: [Namespace; 2],
    pub(crate) daemon: Daemon,
    expected: Routes,
    router_daemons: Vec<Daemon>,
    _folder: TempDir,
}

/// With `spec` for the node, and what the routers announce beside the usual.
pub(crate) struct Options {
    /// Further lines of the node's `spec`.
    pub(crate) spec: &'static str,
    /// Default routes of both families, by both routers.
    pub(crate) defaults: bool,
    /// The networks of the links, by the routers on them.
    pub(crate) links: bool,
    /// `nexthop_compat_mode`. With 1 `ip route flush` ends at the first route that names a nexthop
    /// object: it asks for a delete with the object and what it expands to, which is refused.
    pub(crate) compat: bool,
    /// Run on the node before its daemon starts.
    pub(crate) before: &'static [&'static str],
}

impl Default for Options {
    fn default() -> Self {
        Self {
            spec: "{}",
            defaults: false,
            links: false,
            // As felix-lite has it.
            compat: false,
            before: &[],
        }
    }
}

impl Lab {
    /// All is announced, installed and told.
    pub(crate) fn new(options: &Options) -> Self {
        let lab = Self::begin(options);
        lab.complete("at the start");
        // Links have just come up, and the dump for that would find what a test is about to do.
        lab.stays();
        lab
    }

    /// The daemons run.
    pub(crate) fn begin(options: &Options) -> Self {
        let node = Namespace::new();
        // As felix-lite has it. With 1 `ip route flush` does nothing to routes with nexthop objects: it
        // says the object and what is behind it, and the kernel takes one of the two (EINVAL).
        let compat = node
            .command("sysctl")
            .args(["-qw", "net.ipv4.nexthop_compat_mode=0"])
            .status();
        assert!(compat.unwrap().success());
        let routers = [Namespace::new(), Namespace::new()];
        for (router, number) in routers.iter().zip(1..) {
            connect(&node, router, number);
        }
        node.ip("link add eth9 type veth peer name far9");
        for link in ["eth9", "far9"] {
            node.ip(&format!("link set {link} up"));
        }
        node.ip("address add 10.0.9.2/24 dev eth9");
        node.ip("address add fd00:9::2/64 dev eth9 nodad");
        node.set("net.ipv4.nexthop_compat_mode", u8::from(options.compat));
        for command in options.before {
            node.ip(command);
        }
        let folder = tempfile::tempdir().unwrap();
        let start = |number: usize| {
            let config = router_config(number, options);
            let name = format!("router{number}");
            Daemon::start(&routers[number - 1], folder.path(), &name, &config)
        };
        let router_daemons = vec![start(1), start(2)];
        let config = node_config(options.spec);
        let daemon = Daemon::start(&node, folder.path(), "node", &config);
        Self {
            expected: expected(options),
            node,
            routers,
            daemon,
            router_daemons,
            _folder: folder,
        }
    }

    /// Waits until every route is there with all its next hops, and status says so.
    pub(crate) fn complete(&self, when: &str) -> Value {
        self.all_but(&[], when)
    }

    /// The same but for these, which others keep us from.
    pub(crate) fn all_but(&self, missing: &[&str], when: &str) -> Value {
        let mut expected = self.expected.clone();
        expected.retain(|prefix, _| !missing.contains(&prefix.as_str()));
        let mut found = Routes::new();
        let settled = || {
            found = ours(&self.node);
            let json = self.daemon.json()?;
            let kernel = &json["kernel"];
            let told = kernel["installed"] == expected.len()
                && kernel["pending"] == 0
                && kernel["degradedCount"] == 0
                && kernel["failedCount"] == missing.len();
            (found == expected && told).then_some(json)
        };
        wait(
            &format!("all routes but {missing:?} are there {when}"),
            settled,
        )
    }

    /// What comes late, a dump that a hint led to, changes nothing any more.
    pub(crate) fn stays(&self) {
        std::thread::sleep(LATE);
        self.complete("also a little later");
    }

    /// Does `what` and waits until all is back; what others have is as it was.
    pub(crate) fn survives(&self, commands: &[&str]) {
        let before = others(&self.node);
        for command in commands {
            self.node.ip(command);
        }
        self.complete(&format!("after {commands:?}"));
        assert_eq!(others(&self.node), before, "{commands:?}");
    }

    /// What they announced is withdrawn.
    pub(crate) fn stop_routers(&mut self) {
        for peer in ["a", "b"] {
            self.daemon.orders(&["shutdown", peer]);
        }
        self.router_daemons.clear();
    }

    /// A link that is gone, once more.
    pub(crate) fn connect(&self, number: usize) {
        connect(&self.node, &self.routers[number - 1], number);
    }

    /// How often routes were put back for these causes, of all.
    pub(crate) fn repaired(&self, causes: &[&str]) -> u64 {
        let kernel = self.kernel();
        let by = kernel["repairedBy"].as_object().unwrap();
        let all: u64 = by.values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(kernel["repaired"], all, "{kernel}");
        let counts = causes.iter().map(|cause| by[*cause].as_u64().unwrap());
        counts.sum()
    }

    pub(crate) fn kernel(&self) -> Value {
        wait("status answers", || self.daemon.json())["kernel"].clone()
    }

    /// The user's routes that lead to eth9: one of each family for `prefixes`.
    pub(crate) fn user(&self, verb: &str, prefixes: [&str; 2], rest: &str) {
        let gateways = ["10.0.9.7", "fd00:9::7"];
        for ((family, prefix), gateway) in FAMILIES.iter().zip(prefixes).zip(gateways) {
            let to = format!("via {gateway} dev eth9 proto static");
            self.node
                .ip(&format!("{family} route {verb} {prefix} {to} {rest}"));
        }
    }
}

/// `ethN` on the node, `eth0` on the router.
fn connect(node: &Namespace, router: &Namespace, number: usize) {
    node.ip(&format!(
        "link add eth{number} type veth peer name eth0 netns {}",
        router.pid()
    ));
    let near = format!("eth{number}");
    for (namespace, link, last) in [(node, near.as_str(), 2), (router, "eth0", 1)] {
        namespace.ip(&format!("address add 10.0.{number}.{last}/24 dev {link}"));
        namespace.ip(&format!(
            "address add fd00:{number}::{last}/64 dev {link} nodad"
        ));
        namespace.ip(&format!("link set {link} up"));
    }
}

fn expected(options: &Options) -> Routes {
    let gateways = [["10.0.1.1", "10.0.2.1"], ["fd00:1::1", "fd00:2::1"]];
    let mut all = Routes::new();
    for (index, both) in gateways.iter().enumerate() {
        let both = both.map(str::to_owned);
        all.insert(ONE[index].to_owned(), [both[0].clone()].into());
        all.insert(TWO[index].to_owned(), both.clone().into());
        if options.defaults {
            all.insert(format!("default {}", FAMILIES[index]), both.into());
        }
    }
    if options.links {
        // Behind the kernel's own. IPv6's would hide those, and are not there.
        for number in [1, 2] {
            let gateway = format!("10.0.{number}.1");
            all.insert(format!("10.0.{number}.0/24"), [gateway].into());
        }
    }
    all
}

fn router_config(number: usize, options: &Options) -> String {
    let mut networks = String::new();
    let alone: &[&str] = if number == 1 { &ONE } else { &[] };
    let everywhere: &[&str] = if options.defaults {
        &["0.0.0.0/0", "::/0"]
    } else {
        &[]
    };
    if options.links {
        let _ = write!(
            networks,
            "{{cidr: 10.0.{number}.0/24}}, {{cidr: 'fd00:{number}::/64'}}, "
        );
    }
    for prefix in alone.iter().chain(&TWO).chain(everywhere) {
        let _ = write!(networks, "{{cidr: '{prefix}'}}, ");
    }
    format!(
        "apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {{name: default}}
spec:
  asNumber: {}
  routerID: 10.0.{number}.1
  networks: [{networks}]
  kernel: {{install: false}}
---
{}",
        65_000 + number,
        peer("node", &format!("10.0.{number}.2"), 65_010)
    )
}

fn node_config(kernel: &str) -> String {
    format!(
        "apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {{name: default}}
spec: {{asNumber: 65010, routerID: 10.0.9.2, kernel: {kernel}}}
---
{}---
{}---
apiVersion: rcni.io/v1alpha1
kind: BGPFilter
metadata: {{name: all}}
spec:
  importV4: [{{action: Accept}}]
  importV6: [{{action: Accept}}]
",
        peer("a", "10.0.1.1", 65_001).replace("1}", "1, filters: [all]}"),
        peer("b", "10.0.2.1", 65_002).replace("1}", "1, filters: [all]}"),
    )
}

fn peer(name: &str, address: &str, asn: u32) -> String {
    format!(
        "apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {{name: {name}}}
spec: {{peerIP: {address}, asNumber: {asn}, connectRetrySeconds: 1}}
"
    )
}
