//! The speaker dies and comes back while pods talk: no packet of theirs is lost.

mod common;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use common::flow::Flow;
use common::{DEADLINE, add_pod, in_lab, wait_established, wait_route};
use rcni_tests::lab::node::{ExecOptions, Node};
use rcni_tests::status::{ESTABLISHED, Status};
use rcni_tests::{Lab, wait_until};

fn wait_fabric(lab: &Lab) -> Result<()> {
    let (tor, node1, node2) = (lab.node("tor")?, lab.node("node1")?, lab.node("node2")?);
    wait_established(node1, "tor")?;
    wait_established(node2, "tor")?;
    wait_route(tor, "10.244.1.0/24", "10.0.1.11")?;
    wait_route(node1, "10.244.2.0/24", "10.0.1.1")?;
    wait_route(node2, "10.244.1.0/24", "10.0.2.1")
}

/// Kills `rcni-bgp` on `node`, waits, starts it again, and waits for the session.
fn kill_and_restart(node: &Node, pause: Duration) -> Result<()> {
    let old = Status::of(node)?.pid;
    let killed = node.kill("rcni-bgp")?;
    std::thread::sleep(pause);
    node.start_again(&killed)?;
    wait_until(DEADLINE, "the new speaker", || -> Result<()> {
        ensure!(Status::of(node)?.pid != old, "still the old one");
        Ok(())
    })?;
    wait_established(node, "tor")
}

fn no_packet_is_lost(topology: &str) -> Result<()> {
    in_lab(topology, |lab| {
        let alice = add_pod(lab, "node1", "alice")?;
        let bob = add_pod(lab, "node2", "bob")?;
        wait_fabric(lab)?;
        let target = bob.ip()?.to_string();
        wait_until(DEADLINE, "the first answer", || {
            alice.exec(&["ping", "-c", "1", "-W", "1", &target])?.ok()
        })?;
        let flow = Flow::start(&alice, bob.ip()?)?;
        let node = lab.node("node1")?;
        kill_and_restart(node, Duration::from_secs(2))?;
        let (sent, received) = flow.finish()?;
        ensure!(received == sent, "{sent} sent, {received} received");
        // And what was swept or adopted in the end is right.
        wait_fabric(lab)
    })
}

#[test]
fn no_packet_is_lost_with_frr_as_helper() -> Result<()> {
    no_packet_is_lost("two-node-frr")
}

#[test]
fn no_packet_is_lost_with_ourselves_as_helper() -> Result<()> {
    no_packet_is_lost("two-node")
}

/// Everything that happens to routes on a node, from its kernel.
struct Monitor<'l> {
    node: &'l Node,
    log: PathBuf,
}

impl<'l> Monitor<'l> {
    fn start(node: &'l Node) -> Result<Self> {
        node.spawn(
            "monitor",
            &["ip", "monitor", "route"],
            &ExecOptions::default(),
        )?;
        let log = node.log_folder().join("monitor.log");
        let monitor = Self { node, log };
        monitor.mark("198.51.100.1")?;
        Ok(monitor)
    }

    /// Makes a change and waits until it was seen: all that came before it was seen too.
    fn mark(&self, marker: &str) -> Result<()> {
        wait_until(DEADLINE, "the monitor", || -> Result<()> {
            // Away first: adding what is there would be no event for a monitor that began late.
            let add = format!("ip route add blackhole {marker}");
            self.node.shell(&format!(
                "ip route del blackhole {marker} 2>/dev/null; {add}"
            ))?;
            let text = std::fs::read_to_string(&self.log)?;
            ensure!(text.contains(marker), "{marker} is not in {text:?}");
            Ok(())
        })
    }

    /// What happened to routes of `rcni-bgp`.
    fn finish(self) -> Result<Vec<String>> {
        self.mark("198.51.100.2")?;
        let text = std::fs::read_to_string(&self.log)?;
        let ours = text.lines().filter(|line| line.contains("proto rcni"));
        Ok(ours.map(str::to_owned).collect())
    }
}

/// The other way round: the router's BGP daemon dies and comes back, and the nodes keep what they
/// have learned from it, untouched (RFC 4724 §4.2).
#[test]
fn no_route_of_a_node_changes_while_frr_restarts() -> Result<()> {
    in_lab("two-node-frr", |lab| {
        wait_fabric(lab)?;
        let tor = lab.node("tor")?;
        let nodes = [lab.node("node1")?, lab.node("node2")?];
        wait_route(nodes[0], "default", "10.0.1.1")?;
        wait_route(nodes[1], "default", "10.0.2.1")?;
        let monitors = [Monitor::start(nodes[0])?, Monitor::start(nodes[1])?];
        let killed = tor.kill("bgpd")?;
        wait_until(DEADLINE, "the nodes to notice", || -> Result<()> {
            for node in nodes {
                let peer = Status::of(node)?.peer("tor")?.state.clone();
                ensure!(peer != ESTABLISHED, "{} is still {peer}", node.name());
            }
            Ok(())
        })?;
        tor.start_again(&killed)?;
        wait_fabric(lab)?;
        // End-of-RIB, after which stale routes would go, has been there when nothing is stale.
        for node in nodes {
            wait_until(DEADLINE, "the end of the restart", || -> Result<()> {
                let peer = Status::of(node)?.peer("tor")?.prefixes.clone();
                ensure!(peer.accepted >= 2, "{peer:?}");
                Ok(())
            })?;
        }
        for monitor in monitors {
            let name = monitor.node.name().to_owned();
            let changes = monitor.finish()?;
            ensure!(changes.is_empty(), "{name}: {changes:#?}");
        }
        Ok(())
    })
}

/// That the flow would show a loss: without it the tests above could not fail.
#[test]
fn a_flow_notices_a_missing_route() -> Result<()> {
    in_lab("two-node", |lab| {
        let alice = add_pod(lab, "node1", "alice")?;
        let bob = add_pod(lab, "node2", "bob")?;
        wait_fabric(lab)?;
        let flow = Flow::start(&alice, bob.ip()?)?;
        let tor = lab.node("tor")?;
        tor.shell("echo 0 > /proc/sys/net/ipv4/ip_forward")?;
        std::thread::sleep(Duration::from_millis(500));
        tor.shell("echo 1 > /proc/sys/net/ipv4/ip_forward")?;
        let (sent, received) = flow.finish()?;
        ensure!(
            received < sent && received > 0,
            "{sent} sent, {received} received"
        );
        Ok(())
    })
}
