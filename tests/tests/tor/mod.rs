//! `tests/topologies/tor`: one node behind each router, in every Debian suite that has a tree.
#![allow(
    dead_code,
    unused_macros,
    unused_imports,
    reason = "every test file uses another part"
)]

pub(crate) mod beside;
pub(crate) mod cases;
pub(crate) mod drain;
pub(crate) mod features;
pub(crate) mod limits;
pub(crate) mod long_lived;
pub(crate) mod policies;
pub(crate) mod reflection;
pub(crate) mod reload;
pub(crate) mod suites;
pub(crate) mod third_party;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use rcni_tests::lab::node::Daemon;
use rcni_tests::lab::process::check;
use rcni_tests::{Lab, Node, Options, wait_until};

use crate::common::DEADLINE;

/// What the router announces when it is told to, and what the edge announces; IPv4 and IPv6.
pub(crate) const OF_ROUTER: [&str; 2] = ["198.18.0.0/24", "2001:db8:18::/48"];
pub(crate) const OF_EDGE: [&str; 2] = ["198.19.0.0/24", "2001:db8:19::/48"];
/// The networks of the host behind the router, which the router always announces.
pub(crate) const HOSTS: [&str; 2] = ["198.51.100.0/24", "2001:db8:100::/64"];
pub(crate) const HOST: [&str; 2] = ["198.51.100.10", "2001:db8:100::10"];
/// What the node announces.
pub(crate) const PODS: [&str; 2] = ["10.244.1.0/24", "fd00:10:244:1::/64"];

/// The sessions are IPv4; next hops are of the prefix's own family.
pub(crate) const NODE: &str = "10.0.1.11";
const NODE6: &str = "fd00:10:0:1::11";
const TOR: &str = "10.0.1.1";
const TOR6: &str = "fd00:10:0:1::1";
const EDGE6: &str = "fd00:10:0:3::1";

fn is_ipv6(prefix: &str) -> bool {
    prefix.contains(':')
}

/// Where the node sends what the router announces.
pub(crate) fn tor_for(prefix: &str) -> &'static str {
    if is_ipv6(prefix) { TOR6 } else { TOR }
}

fn node_for(prefix: &str) -> &'static str {
    if is_ipv6(prefix) { NODE6 } else { NODE }
}

/// Arguments of `gobgp` to originate a prefix, or not any more. Without an IPv6 next hop it would
/// write its IPv4 address as one (`::ffff:…`), which is nobody's.
fn gobgp(verb: &str, prefix: &str, next_hop6: &str) -> Vec<String> {
    let mut argv = vec!["gobgp", "global", "rib", verb, prefix];
    if is_ipv6(prefix) {
        argv.extend(["-a", "ipv6", "nexthop", next_hop6]);
    }
    argv.into_iter().map(str::to_owned).collect()
}

/// All in one command, since each takes a tenth of a second.
fn announce_frr(tor: &Node, announce: bool) -> Result<()> {
    let mut lines = vec!["configure terminal".to_owned()];
    let no = if announce { "" } else { "no " };
    for (prefix, family) in OF_ROUTER.into_iter().zip(["ip", "ipv6"]) {
        lines.push(format!("{family} route {prefix} blackhole"));
    }
    for (prefix, family) in OF_ROUTER.into_iter().zip(["ipv4", "ipv6"]) {
        lines.push("router bgp 65000".to_owned());
        lines.push(format!("address-family {family} unicast"));
        lines.push(format!("{no}network {prefix}"));
        lines.extend(["exit", "exit"].map(str::to_owned));
    }
    let words = lines.iter().flat_map(|line| ["-c", line]);
    let argv: Vec<&str> = ["vtysh"].into_iter().chain(words).collect();
    tor.check(&argv).map(drop)
}

/// Announces [`OF_EDGE`], or withdraws it.
pub(crate) fn edge_announces(edge: &Node, announce: bool) -> Result<()> {
    let verb = if announce { "add" } else { "del" };
    OF_EDGE
        .iter()
        .try_for_each(|prefix| edge.check(&gobgp(verb, prefix, EDGE6)).map(drop))
}

/// Who is the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Router {
    pub(crate) kind: Kind,
    pub(crate) suite: Suite,
}

/// The programs that play it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Frr,
    Bird,
    Gobgp,
    Openbgpd,
}

/// Where their packages are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    Bookworm,
    Trixie,
    Sid,
}

impl Suite {
    /// The name of its tree.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Suite::Bookworm => "bookworm",
            Suite::Trixie => "trixie",
            Suite::Sid => "sid",
        }
    }
}

use Kind::{Bird, Frr, Gobgp, Openbgpd};

impl Router {
    pub(crate) fn name(self) -> &'static str {
        match self.kind {
            Frr => "frr",
            Bird => "bird",
            Gobgp => "gobgp",
            Openbgpd => "openbgpd",
        }
    }

    fn repository(self) -> &'static str {
        match self.kind {
            Frr => "frrouting/frr",
            Bird => "bird",
            Gobgp => "osrg/gobgp",
            Openbgpd => "openbgpd/openbgpd",
        }
    }

    /// Major and minor number that the suite has, or had when it was last looked at.
    fn version(self) -> (u32, u32) {
        let versions = match self.kind {
            Frr => [(8, 4), (10, 3), (10, 7)],
            Bird => [(2, 0), (3, 1), (3, 4)],
            Gobgp => [(3, 10), (3, 36), (4, 8)],
            Openbgpd => [(7, 7), (8, 8), (9, 3)],
        };
        versions[self.suite as usize]
    }

    fn topology(self) -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("topologies/tor");
        folder.join(format!("{}.clab.yml", self.name()))
    }

    /// The protocol of its kernel routes, as `ip route` names it; none if it writes no routes.
    pub(crate) fn kernel_protocol(self) -> Option<&'static str> {
        match (self.kind, self.suite) {
            (Frr, _) => Some("bgp"),
            (Bird, _) => Some("bird"),
            // On Linux since version 8, and with FRR's number.
            (Openbgpd, Suite::Trixie | Suite::Sid) => Some("bgp"),
            (Openbgpd, Suite::Bookworm) | (Gobgp, _) => None,
        }
    }

    /// Those of its prefixes that it can announce over a session of IPv4: OpenBGPD 7.7 gives all
    /// of IPv6 the next hop `::1`, which is refused.
    pub(crate) fn announces<T>(self, prefixes: &[T; 2]) -> &[T] {
        let ipv4_only = self.kind == Openbgpd && self.suite == Suite::Bookworm;
        &prefixes[..if ipv4_only { 1 } else { 2 }]
    }

    /// Deploys the topology with the router of that suite. If the test fails, logs and routes are
    /// shown before the lab is gone.
    pub(crate) fn in_lab(self, test: impl FnOnce(&Lab) -> Result<()>) -> Result<()> {
        let file = self.topology();
        let folder = file.parent().context("the topology's folder")?.join(".");
        let copy = tempfile::tempdir()?;
        check(
            "cp",
            &[
                "-r",
                &folder.to_string_lossy(),
                &copy.path().to_string_lossy(),
            ],
        )?;
        let file = copy.path().join(file.file_name().context("a name")?);
        let text = std::fs::read_to_string(&file)?;
        let mut text = self.chosen_in(&text)?;
        if self.kernel_protocol().is_some() {
            // What the router writes itself must not be there before.
            let by_hand = [format!("via {NODE}"), format!("via {NODE6}")];
            let own = |line: &&str| !by_hand.iter().any(|via| line.contains(via));
            text = text.lines().filter(own).collect::<Vec<_>>().join("\n");
        }
        std::fs::write(&file, text)?;
        let lab = Lab::deploy(&file, &Options::default())?;
        self.check_version(lab.node("tor")?)
            .and_then(|()| test(&lab))
            .inspect_err(|_| show(&lab.report()))
    }

    /// The topology with the image of that suite.
    fn chosen_in(self, topology: &str) -> Result<String> {
        let wanted = format!("image: {}:", self.repository());
        let line = topology.lines().find(|line| line.contains(&wanted));
        let line = line.with_context(|| format!("no image {}", self.repository()))?;
        let (major, minor) = self.version();
        let image = format!("      image: {}:{major}.{minor}", self.repository());
        Ok(topology.replacen(line, &image, 1))
    }

    /// That what runs is what was asked for. Debian's stable suites stay at one version.
    fn check_version(self, tor: &Node) -> Result<()> {
        let argv = match self.kind {
            Frr => ["/usr/lib/frr/bgpd", "--version"],
            Bird => ["/usr/sbin/bird", "--version"],
            Gobgp => ["/usr/bin/gobgpd", "--version"],
            Openbgpd => ["/usr/sbin/bgpd", "-V"],
        };
        let said = tor.exec(&argv)?;
        let text = format!("{}{}", said.stdout, said.stderr);
        let digits = text.split(|c: char| !c.is_ascii_digit() && c != '.');
        let found = digits.filter(|word| word.contains('.')).find_map(|word| {
            let mut numbers = word.split('.').map(str::parse::<u32>);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        });
        let found = found.with_context(|| format!("no version in {text}"))?;
        let wanted = self.version();
        let right = match self.suite {
            Suite::Sid => found >= wanted,
            Suite::Bookworm | Suite::Trixie => found == wanted,
        };
        ensure!(right, "{found:?} runs, not {wanted:?}: {text}");
        Ok(())
    }

    /// What the router itself says of its session with the node.
    fn session(self, tor: &Node) -> Result<String> {
        let said = match self.kind {
            Frr => tor.check(&["vtysh", "-c", &format!("show bgp neighbors {NODE}")])?,
            Bird => tor.check(&["birdc", "show", "protocols", "all", "node1"])?,
            Gobgp => tor.check(&["gobgp", "neighbor", NODE])?,
            Openbgpd => tor.check(&["bgpctl", "show", "neighbor", NODE])?,
        };
        let state = said.lines().find(|line| line.contains("BGP state"));
        let state = state.with_context(|| format!("no state in {said}"))?;
        Ok(state.trim().to_lowercase())
    }

    /// Waits until the router itself says that its session with the node is up, or is not.
    pub(crate) fn wait_session(self, tor: &Node, up: bool) -> Result<()> {
        let what = format!("{}'s session with the node up: {up}", self.name());
        wait_until(DEADLINE, &what, || -> Result<()> {
            let state = self.session(tor)?;
            ensure!(state.contains("established") == up, "{state}");
            Ok(())
        })
    }

    /// What the router's RIB says of exactly that prefix; nothing if it does not have it.
    fn rib(self, tor: &Node, prefix: &str) -> Result<String> {
        let said = match self.kind {
            Frr => {
                let family = if is_ipv6(prefix) { "ipv6" } else { "ipv4" };
                let command = format!("show bgp {family} unicast {prefix}");
                tor.exec(&["vtysh", "-c", &command])?
            }
            Bird => tor.exec(&["birdc", "show", "route", prefix])?,
            Gobgp => {
                let family = if is_ipv6(prefix) { "ipv6" } else { "ipv4" };
                tor.exec(&["gobgp", "global", "rib", prefix, "-a", family])?
            }
            Openbgpd => tor.exec(&["bgpctl", "show", "rib", prefix])?,
        };
        let text = format!("{}{}", said.stdout, said.stderr);
        // Nothing is said differently by each; that the router answers at all is said alike.
        let (nothing, something) = match self.kind {
            Frr => ("Network not in table", "BGP routing table entry for"),
            Bird => ("Network not found", prefix),
            Gobgp => ("Network not in table", prefix),
            Openbgpd => ("vs destination", prefix),
        };
        if text.contains(something) {
            Ok(text)
        } else if text.contains(nothing) {
            Ok(String::new())
        } else {
            bail!("neither {something:?} nor {nothing:?}: {text}")
        }
    }

    /// Whether the prefix is where the router puts what it learns: its kernel, or else its RIB.
    /// An error says what is there instead.
    pub(crate) fn has(self, tor: &Node, prefix: &str) -> Result<()> {
        let rib = self.rib(tor, prefix)?;
        ensure!(rib.contains(node_for(prefix)), "RIB for {prefix}: {rib:?}");
        if let Some(protocol) = self.kernel_protocol() {
            let routes = crate::common::routes(tor, prefix)?;
            // FRR takes the link-local one of the two next hops (RFC 2545 §3).
            let global = routes.contains(&format!("via {} ", node_for(prefix)));
            let link_local = routes.contains("via fe80::") && routes.contains("dev eth1 ");
            ensure!(
                (global || is_ipv6(prefix) && link_local)
                    && routes.contains(&format!("proto {protocol} ")),
                "kernel for {prefix}: {routes:?}; RIB: {rib}"
            );
        }
        Ok(())
    }

    /// Whether it is neither in the kernel nor in the RIB.
    pub(crate) fn lacks(self, tor: &Node, prefix: &str) -> Result<()> {
        if self.kernel_protocol().is_some() {
            let routes = crate::common::routes(tor, prefix)?;
            ensure!(routes.trim().is_empty(), "kernel for {prefix}: {routes:?}");
        }
        let rib = self.rib(tor, prefix)?;
        ensure!(rib.is_empty(), "RIB for {prefix}: {rib}");
        Ok(())
    }

    /// Announces [`OF_ROUTER`], or withdraws it.
    pub(crate) fn announce(self, tor: &Node, announce: bool) -> Result<()> {
        let [verb, birds, openbgpds] = if announce {
            ["add", "enable", "add"]
        } else {
            ["del", "disable", "delete"]
        };
        if self.kind == Frr {
            return announce_frr(tor, announce);
        }
        for prefix in OF_ROUTER {
            let said = match self.kind {
                Bird => {
                    let name = if is_ipv6(prefix) { "extra6" } else { "extra4" };
                    tor.check(&["birdc", birds, name])?
                }
                Gobgp => tor.check(&gobgp(verb, prefix, TOR6))?,
                Openbgpd | Frr => tor.check(&["bgpctl", "network", openbgpds, prefix])?,
            };
            ensure!(!said.contains("error"), "{said}");
        }
        Ok(())
    }

    /// Tells a router that has no file for it what it originates.
    pub(crate) fn originate(self, tor: &Node) -> Result<()> {
        if self.kind != Gobgp {
            return Ok(());
        }
        HOSTS.iter().try_for_each(|prefix| {
            wait_until(DEADLINE, "gobgpd", || {
                tor.check(&gobgp("add", prefix, TOR6)).map(drop)
            })
        })
    }

    /// Programs that it consists of, in the order in which they start; not every version has all.
    fn programs(self) -> &'static [&'static str] {
        match self.kind {
            Frr => &["mgmtd", "zebra", "staticd", "bgpd"],
            Bird => &["bird"],
            Gobgp => &["gobgpd"],
            Openbgpd => &["bgpd"],
        }
    }

    /// Ends all of it with SIGKILL; what must be started to have it again.
    pub(crate) fn kill(self, tor: &Node) -> Result<Vec<Daemon>> {
        let mut killed = Vec::new();
        for name in self.programs() {
            let daemons = tor.daemons(name)?;
            daemons
                .iter()
                .try_for_each(|daemon| daemon.id.signal_kill())?;
            daemons
                .iter()
                .try_for_each(|daemon| daemon.id.wait_gone())?;
            // OpenBGPD's parent starts the others; it is the one that reads a file.
            let is_first = |daemon: &Daemon| {
                self.kind != Openbgpd || daemon.argv.iter().any(|word| word.ends_with(".conf"))
            };
            killed.extend(daemons.into_iter().filter(is_first));
        }
        ensure!(!killed.is_empty(), "{} did not run", self.name());
        Ok(killed)
    }

    /// Starts again what [`Router::kill`] has ended.
    pub(crate) fn start(self, tor: &Node, killed: &[Daemon]) -> Result<()> {
        for daemon in killed {
            tor.start_again(daemon)?;
            if daemon.name == "zebra" {
                // A bgpd that comes first tries again after ten seconds, knows no interface until
                // then, and announces IPv6 with next hops that no node can use.
                wait_until(DEADLINE, "zebra answers", || {
                    tor.check(&["vtysh", "-d", "zebra", "-c", "show interface brief"])
                })?;
            }
        }
        self.originate(tor)
    }
}

#[expect(
    clippy::print_stderr,
    reason = "shown by the test runner, with the test that failed"
)]
fn show(text: &str) {
    eprintln!("{text}");
}
