//! What the designs with two racks, two leaves and a spine have in common. Their topologies differ
//! in configurations only.

mod as_per_node;
mod as_per_rack;
mod node_mesh;
mod one_as;
mod tor_reflector;

use anyhow::{Result, ensure};
use rcni_tests::status::Status;
use rcni_tests::{Lab, Node, Pod, wait_until};
use serde_json::Value;

use crate::common::family::{BOTH, Family, first_packet};
use crate::common::paths::wait_next_hops;
use crate::common::watch::Watch;
use crate::common::{DEADLINE, add_pod, routes, wait_established, wait_no_route};

/// The nodes by their numbers, which are in all of their addresses, and the rack of each.
const NODES: [(u8, u8); 4] = [(11, 1), (12, 1), (21, 2), (22, 2)];

/// Whether a rack's ToR leaves a node as next hop of its block when it tells the rack's others.
type Keeps = fn(Family, u8) -> bool;

fn node(lab: &Lab, number: u8) -> Result<&Node> {
    lab.node(&format!("node{number}"))
}

fn gateway(family: Family, rack: u8) -> String {
    family.pick(format!("10.1.{rack}.1"), format!("fd00:10:0:{rack}::1"))
}

fn node_address(family: Family, (node, rack): (u8, u8)) -> String {
    family.pick(
        format!("10.1.{rack}.{node}"),
        format!("fd00:10:0:{rack}::{node}"),
    )
}

/// Waits until each node's kernel has each other's block, with the right next hop.
fn wait_fabric(lab: &Lab, keeps: Keeps) -> Result<()> {
    for (number, rack) in NODES {
        let here = node(lab, number)?;
        wait_established(here, "leaf")?;
        for &family in BOTH {
            for other in NODES.into_iter().filter(|(other, _)| *other != number) {
                let via = if other.1 == rack && keeps(family, rack) {
                    node_address(family, other)
                } else {
                    gateway(family, rack)
                };
                wait_next_hops(here, &family.block(other.0), &[&via])?;
            }
        }
    }
    Ok(())
}

/// A pod on each node, and what becomes of the node's own block meanwhile.
struct Racks<'l> {
    lab: &'l Lab,
    pods: Vec<Pod>,
    watches: Vec<(u8, Watch)>,
}

impl<'l> Racks<'l> {
    fn new(lab: &'l Lab) -> Result<Self> {
        let (mut pods, mut watches) = (Vec::new(), Vec::new());
        for (number, _) in NODES {
            pods.push(add_pod(
                lab,
                &format!("node{number}"),
                &format!("p{number}"),
            )?);
            watches.push((number, Watch::start(node(lab, number)?)?));
        }
        Ok(Self { lab, pods, watches })
    }

    /// Every pod reaches every other: by a packet, and the first of each node by a connection with
    /// its own address.
    fn all_reach_all(&self) -> Result<()> {
        for &family in BOTH {
            for to in &self.pods {
                let target = family.ip(to)?.to_string();
                for from in &self.pods {
                    if from.name() != to.name() {
                        first_packet(from, &target)?;
                    }
                }
            }
            let server = family.serve(&self.pods[3])?;
            for from in &self.pods[..3] {
                assert_eq!(family.seen(from, server)?, family.ip(from)?);
            }
        }
        Ok(())
    }

    /// The route of a node's own block is felix-lite's blackhole and was never anything else,
    /// whatever came back from the ToR.
    fn own_blocks_are_untouched(&self) -> Result<()> {
        for (number, watch) in &self.watches {
            for &family in BOTH {
                let block = family.block(*number);
                let seen = routes(node(self.lab, *number)?, &block)?;
                let lines: Vec<&str> = seen.lines().collect();
                ensure!(
                    matches!(lines[..], [line] if line.starts_with("blackhole ")),
                    "node{number}: {seen}"
                );
                let events = watch.events(&block)?;
                ensure!(events.is_empty(), "node{number}: {events:#?}");
            }
        }
        Ok(())
    }

    /// All sessions are made anew, so that each ToR tells everything once more.
    fn learn_anew(&self, keeps: Keeps) -> Result<()> {
        let sessions = |number| -> Result<u64> {
            let status = Status::of(node(self.lab, number)?)?;
            Ok(status.peer("leaf")?.established)
        };
        for (number, _) in NODES {
            let before = sessions(number)?;
            node(self.lab, number)?.check(&["rcni-bgp", "peer", "reset", "leaf"])?;
            wait_until(DEADLINE, "another session", || -> Result<()> {
                ensure!(sessions(number)? > before, "node{number} has none");
                Ok(())
            })?;
        }
        wait_fabric(self.lab, keeps)
    }

    /// Leaf 1 without its spine: the rack goes on, the other rack is gone and not a black hole;
    /// then everything is there again.
    fn without_the_spine(&self, keeps: Keeps) -> Result<()> {
        let leaf = self.lab.node("leaf1")?;
        leaf.check(&["ip", "link", "set", "dev", "eth1", "down"])?;
        for &family in BOTH {
            wait_no_route(node(self.lab, 11)?, &family.block(21))?;
            wait_no_route(node(self.lab, 22)?, &family.block(12))?;
            first_packet(&self.pods[0], &family.ip(&self.pods[1])?.to_string())?;
            first_packet(&self.pods[2], &family.ip(&self.pods[3])?.to_string())?;
        }
        leaf.check(&["ip", "link", "set", "dev", "eth1", "up"])?;
        wait_fabric(self.lab, keeps)?;
        // Not the first packet: the leaf's new link-local address is tentative for a while.
        for &family in BOTH {
            let target = family.ip(&self.pods[3])?.to_string();
            wait_until(DEADLINE, "an answer from the other rack", || {
                first_packet(&self.pods[0], &target)
            })?;
        }
        Ok(())
    }
}
/// The node's own block comes back from its ToR with that AS path, is kept with its reason, is not
/// used and not taken for a conflict.
fn echo_is_unused(lab: &Lab, number: u8, path: &str) -> Result<()> {
    let here = node(lab, number)?;
    for &family in BOTH {
        let argv = ["rcni-bgp", "routes", &family.block(number), "-o", "json"];
        let said: Value = serde_json::from_str(&here.check(&argv)?)?;
        let routes = said.get("routes").and_then(Value::as_array);
        let routes: Vec<&Value> = routes.into_iter().flatten().collect();
        let word = |route: &Value, key: &str| route.get(key)?.as_str().map(str::to_owned);
        let [own, echo] = routes[..] else {
            anyhow::bail!("not the own network and its echo: {said}");
        };
        ensure!(word(own, "state").as_deref() == Some("best"), "{own}");
        ensure!(own.get("peer") == Some(&Value::Null), "{own}");
        ensure!(word(echo, "asPath").as_deref() == Some(path), "{echo}");
        // FRR leaves us as next hop in the subnet of the session, and names itself in IPv6.
        let wanted = family.pick(
            ["unusable", "next hop is an own address"],
            ["lost", "an own network is preferred"],
        );
        let seen = ["state", "reason"].map(|key| word(echo, key).unwrap_or_default());
        ensure!(seen == wanted, "{echo}");
    }
    let conflicts = Status::of(here)?.conflicts;
    ensure!(conflicts.is_empty(), "{conflicts:?}");
    Ok(())
}

/// `as-override` towards the nodes of an FRR, or not.
fn override_as(leaf: &Node, on: bool) -> Result<()> {
    let asn = if leaf.name() == "leaf1" { 65101 } else { 65102 };
    let router = format!("router bgp {asn}");
    let line = format!("{}neighbor NODES as-override", if on { "" } else { "no " });
    for family in ["ipv4", "ipv6"] {
        let family = format!("address-family {family} unicast");
        let lines = ["configure terminal", &router, &family, &line];
        let mut argv = vec!["vtysh"];
        lines.iter().for_each(|line| argv.extend(["-c", line]));
        leaf.check(&argv)?;
    }
    Ok(())
}
