//! What podman's and containerd's tests share: a node that can run containers, a root file
//! system for them, what a container and its node are asked, and what the plugin was called with.
//!
//! Nothing of a container is on the host: storage, sockets, namespaces and mounts are in the
//! node's own mount and PID namespaces and end with it. Containers have no cgroups: those are
//! the machine's, and would outlive a crash.
#![allow(dead_code, reason = "every test file uses another part")]

mod calls;
mod traces;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipnetwork::IpNetwork;
use rcni_tests::lab::node::ExecOptions;
use rcni_tests::traffic::Transfer;
use rcni_tests::{Node, Output, Pod, ready, wait_until};
use serde_json::{Value, json};

pub(crate) use calls::Calls;
pub(crate) use traces::Traces;

use crate::common::{DEADLINE, add_pod, fetch_in, in_patched_lab, wait_established};

/// With both families, and without IPv4.
pub(crate) const DUAL: &str = "two-node";
pub(crate) const IPV6: &str = "two-node/ipv6-only";

/// node1 can run containers; all else is as everywhere, the plugin list also.
const NODE1: &str = "    node1:\n      group: nodes\n";
const CAPABLE: &str = "    node1:\n      group: nodes\n      image: rcni/node-runtimes\n";
/// A root file system for containers, in the node.
pub(crate) const ROOT: &str = "/image";
/// Where the server in a container listens.
const PORT: u16 = 8080;
/// Runtimes are slow to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// crun asks what is mounted there. In an empty memory file system it finds cgroups of version 1
/// without any controller. Programs for containers come with the libraries that they need.
const PREPARE: &str = r"
set -eu
mount -t tmpfs -o ro none /sys/fs/cgroup
mkdir -p /image/bin /image/proc /image/sys /image/dev /image/etc /image/tmp /image/run
cd /
for program in sh ip sleep rcni-lab; do
    path=$(command -v $program)
    cp -L $path /image/bin/
    ldd $path | tr ' \t' '\n\n' | grep '^/' | while read -r library; do
        cp -L --parents $library /image/
    done
done
";

/// Runs a test in a lab whose node1 runs containers; bob is a pod on node2 that serves.
pub(crate) fn in_container_lab(
    topology: &str,
    test: impl FnOnce(&Node, &Pod) -> Result<()>,
) -> Result<()> {
    let file = if topology == IPV6 {
        "ipv6-only.clab.yml"
    } else {
        "topology.clab.yml"
    };
    in_patched_lab(topology, &[(file, NODE1, CAPABLE)], |lab| {
        let node = lab.node("node1")?;
        node.shell(PREPARE)?;
        ready::plugin_lists(lab.nodes(), DEADLINE, &|_| ())?;
        let bob = add_pod(lab, "node2", "bob")?;
        bob.spawn("serve", &["rcni-lab", "serve"])?;
        wait_established(node, "tor")?;
        wait_established(lab.node("node2")?, "tor")?;
        test(node, &bob)
    })
}

/// Runs a program in the node that must succeed; its standard output.
pub(crate) fn run(node: &Node, argv: &[&str]) -> Result<String> {
    try_run(node, argv)?.ok()
}

/// The same for one that may fail.
pub(crate) fn try_run(node: &Node, argv: &[&str]) -> Result<Output> {
    let options = ExecOptions {
        deadline: Some(PATIENCE),
        ..Default::default()
    };
    node.exec_with(argv, &options)
}

/// A running container.
pub(crate) struct Container {
    node: Node,
    /// What executes a command in it.
    enter: Box<dyn Fn() -> Vec<String>>,
}

impl Container {
    /// One that `enter` followed by a command executes that command in.
    pub(crate) fn new(node: &Node, enter: impl Fn() -> Vec<String> + 'static) -> Self {
        Self {
            node: node.clone(),
            enter: Box::new(enter),
        }
    }

    pub(crate) fn exec(&self, argv: &[&str]) -> Result<String> {
        let enter = (self.enter)();
        let words: Vec<&str> = enter.iter().map(String::as_str).collect();
        run(&self.node, &[&words, argv].concat())
    }

    fn json(&self, argv: &[&str]) -> Result<Value> {
        let said = self.exec(argv)?;
        serde_json::from_str(&said).with_context(|| format!("{argv:?}: {said:?}"))
    }

    /// The addresses of `eth0`, without those of the link itself.
    pub(crate) fn addresses(&self) -> Result<Vec<IpNetwork>> {
        let links = self.json(&[
            "ip", "-j", "address", "show", "dev", "eth0", "scope", "global",
        ])?;
        let infos = links.pointer("/0/addr_info").and_then(Value::as_array);
        let infos = infos.with_context(|| format!("no eth0: {links}"))?;
        let parse = |info: &Value| {
            let length = u8::try_from(info.get("prefixlen")?.as_u64()?).ok()?;
            IpNetwork::new(info.get("local")?.as_str()?.parse().ok()?, length).ok()
        };
        // What is of another scope is an empty object.
        let infos = infos.iter().filter(|info| **info != json!({}));
        let found: Option<Vec<IpNetwork>> = infos.map(parse).collect();
        found.with_context(|| format!("addresses of the container: {links}"))
    }

    /// The same without lengths, sorted: IPv4 first.
    pub(crate) fn ips(&self) -> Result<Vec<IpAddr>> {
        let mut ips: Vec<IpAddr> = self.addresses()?.iter().map(IpNetwork::ip).collect();
        ips.sort();
        Ok(ips)
    }

    pub(crate) fn mac(&self) -> Result<String> {
        let links = self.json(&["ip", "-j", "link", "show", "dev", "eth0"])?;
        let mac = links.pointer("/0/address").and_then(Value::as_str);
        mac.map(str::to_owned).with_context(|| links.to_string())
    }

    /// Whether it has what the plugin list of its node says: one address of each range set, and
    /// a default route through the gateway that is nobody's.
    pub(crate) fn check_attached(&self) -> Result<()> {
        let subnets = subnets(&self.node)?;
        let addresses = self.addresses()?;
        ensure!(
            addresses.len() == subnets.len(),
            "{addresses:?}, {subnets:?}"
        );
        for subnet in &subnets {
            let own = addresses.iter().find(|one| subnet.contains(one.ip()));
            let own = own.with_context(|| format!("none of {addresses:?} is in {subnet}"))?;
            let (family, gateway, length) = match own {
                IpNetwork::V4(_) => ("-4", "169.254.1.1", 32),
                IpNetwork::V6(_) => ("-6", "fe80::ecee:eeff:feee:eeee", 128),
            };
            ensure!(own.prefix() == length, "{own}");
            let routes = self.json(&["ip", family, "-j", "route", "show", "default"])?;
            let routes = routes.as_array().context("routes")?;
            let found: Vec<_> = routes.iter().filter_map(|one| one.get("gateway")).collect();
            ensure!(found == [gateway], "default routes: {routes:?}");
        }
        Ok(())
    }

    /// Traffic in both directions, container and bob on the other node, in each family that both
    /// have: each sees the other's own address.
    pub(crate) fn check_traffic(&self, bob: &Pod) -> Result<()> {
        for address in self.addresses()? {
            let own = address.ip();
            let of_family = |ip: &IpAddr| ip.is_ipv4() == own.is_ipv4();
            let bobs = bob.ips()?.into_iter().find(of_family);
            let bobs = bobs.with_context(|| format!("bob has nothing like {own}"))?;
            let there = SocketAddr::new(own, PORT);
            let transfer = wait_until(DEADLINE, "the server in the container", || {
                fetch_in(bob, there, 1)
            })?;
            ensure!(transfer.seen_ip() == bobs, "bob was seen as {transfer:?}");
            let out = self.fetch(SocketAddr::new(bobs, PORT))?;
            ensure!(out.seen_ip() == own, "{own} was seen as {out:?}");
            ensure!(out.bytes == 4 << 20, "{out:?}");
        }
        Ok(())
    }

    fn fetch(&self, server: SocketAddr) -> Result<Transfer> {
        let server = server.to_string();
        let argv = ["rcni-lab", "fetch", &server, "--mib", "4", "--json"];
        let said = self.exec(&argv)?;
        serde_json::from_str(&said).with_context(|| said)
    }
}

/// The pod subnets in the node's plugin list, one of each range set.
fn subnets(node: &Node) -> Result<Vec<IpNetwork>> {
    let text = std::fs::read(node.path("/etc/cni/net.d/10-rcni.conflist"))?;
    let list: Value = serde_json::from_slice(&text)?;
    let sets = list.pointer("/plugins/0/ipam/ranges");
    let sets = sets.and_then(Value::as_array).context("ranges")?;
    let subnet = |set: &Value| set.pointer("/0/subnet")?.as_str()?.parse().ok();
    let found: Option<Vec<IpNetwork>> = sets.iter().map(subnet).collect();
    found.filter(|all| !all.is_empty()).context("no subnets")
}
