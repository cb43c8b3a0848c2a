//! `containerlab/two-node-frr`: a router that is not ours.

mod common;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use common::{
    DEADLINE, add_pod, in_lab, routes, wait_established, wait_frr_settled, wait_no_route,
    wait_route,
};
use rcni_tests::status::Status;
use rcni_tests::{Lab, wait_until};

/// A prefix of the pod range that no node has: a block behind the router itself.
const EXTRA: &str = "10.244.7.0/24";
/// How soon a withdrawal must be in the other kernel.
const WITHDRAWN_WITHIN: Duration = Duration::from_secs(1);

fn wait_fabric(lab: &Lab) -> Result<()> {
    let (tor, node1, node2) = (lab.node("tor")?, lab.node("node1")?, lab.node("node2")?);
    wait_established(node1, "tor")?;
    wait_established(node2, "tor")?;
    wait_route(tor, "10.244.1.0/24", "10.0.1.11")?;
    wait_route(tor, "10.244.2.0/24", "10.0.2.12")?;
    wait_route(node1, "10.244.2.0/24", "10.0.1.1")?;
    wait_route(node2, "10.244.1.0/24", "10.0.2.1")?;
    wait_route(node1, "default", "10.0.1.1")
}

#[test]
fn routes_travel_both_ways_into_both_kernels() -> Result<()> {
    in_lab("two-node-frr", |lab| {
        wait_fabric(lab)?;
        let (tor, node1) = (lab.node("tor")?, lab.node("node1")?);
        ensure!(
            routes(tor, "10.244.1.0/24")?.contains("proto bgp"),
            "FRR's own protocol"
        );
        ensure!(
            routes(node1, "10.244.2.0/24")?.contains("proto rcni"),
            "ours by name"
        );
        // FRR negotiated what we offered.
        let session = tor.check(&["vtysh", "-c", "show bgp neighbors 10.0.1.11"])?;
        for wanted in ["4 Byte AS", "Graceful Restart Capability", "IPv4 Unicast"] {
            ensure!(session.contains(wanted), "{wanted}: {session}");
        }
        let alice = add_pod(lab, "node1", "alice")?;
        let bob = add_pod(lab, "node2", "bob")?;
        alice
            .exec(&[
                "ping",
                "-c",
                "3",
                "-i",
                "0.2",
                "-W",
                "2",
                &bob.ip()?.to_string(),
            ])?
            .ok()?;
        Ok(())
    })
}

#[test]
fn a_withdrawal_is_in_the_kernel_within_a_second() -> Result<()> {
    in_lab("two-node-frr", |lab| {
        wait_fabric(lab)?;
        let (tor, node1) = (lab.node("tor")?, lab.node("node1")?);
        let route = format!("ip route {EXTRA} blackhole");
        let network = format!("network {EXTRA}");
        let configure = |lines: &[&str]| {
            let mut argv = vec!["vtysh", "-c", "configure terminal"];
            lines.iter().for_each(|line| argv.extend(["-c", line]));
            tor.check(&argv)
        };
        configure(&[
            &route,
            "router bgp 65000",
            "address-family ipv4 unicast",
            &network,
        ])?;
        wait_route(node1, EXTRA, "10.0.1.1")?;
        let no = format!("no {network}");
        configure(&["router bgp 65000", "address-family ipv4 unicast", &no])?;
        // From the command's end on; it returns when FRR has taken it.
        let start = Instant::now();
        wait_no_route(node1, EXTRA)?;
        let took = start.elapsed();
        ensure!(took <= WITHDRAWN_WITHIN, "it took {took:?}");
        // Nothing else went with it.
        wait_fabric(lab)
    })
}

#[test]
fn a_killed_router_comes_back_by_itself() -> Result<()> {
    in_lab("two-node-frr", |lab| {
        wait_fabric(lab)?;
        let (tor, node1) = (lab.node("tor")?, lab.node("node1")?);
        let before = Status::of(node1)?.pid;
        let killed = tor.kill("bgpd")?;
        wait_until(
            DEADLINE,
            "node1 sees that the router is gone",
            || -> Result<()> {
                let status = Status::of(node1)?;
                let peer = status.peer("tor")?;
                ensure!(peer.state != "Established", "{}", peer.describe());
                let error = peer.describe();
                ensure!(peer.last_error.is_some(), "no cause: {error}");
                Ok(())
            },
        )?;
        tor.start_again(&killed)?;
        wait_fabric(lab)?;
        ensure!(
            Status::of(node1)?.pid == before,
            "rcni-bgp itself was restarted"
        );
        Ok(())
    })
}

#[test]
fn frr_stops_and_starts_beside_a_route_of_ours_and_leaves_it_alone() -> Result<()> {
    in_lab("two-node-frr", |lab| {
        wait_fabric(lab)?;
        let (tor, node1) = (lab.node("tor")?, lab.node("node1")?);
        // On the router, with our protocol number: zebra sweeps what it takes for its own.
        let route = "ip route add 198.51.100.0/24 via 10.0.1.11 proto 77 metric 77";
        tor.shell(route)?;
        let stopped = ["bgpd", "staticd", "zebra"].map(|name| tor.kill(name));
        for daemon in stopped.into_iter().rev() {
            tor.start_again(&daemon?)?;
        }
        wait_fabric(lab)?;
        let kept = tor.check(&["ip", "route", "show", "198.51.100.0/24"])?;
        ensure!(
            kept.contains("via 10.0.1.11"),
            "zebra removed our route: {kept:?}"
        );
        ensure!(
            routes(node1, "10.244.1.0/24")?.contains("blackhole"),
            "node1 lost its blackhole"
        );
        Ok(())
    })
}

/// Writes down what happens to a kernel's routes from now on.
const WATCH: &str = "ip monitor route >/run/routes 2>&1 </dev/null &";

/// How often this kernel has lost a route since then.
fn losses(node: &rcni_tests::Node, prefix: &str) -> Result<usize> {
    let seen = node.check(&["cat", "/run/routes"])?;
    Ok(seen.matches(&format!("Deleted {prefix} ")).count())
}

/// RFC 8538: a reset costs no route on either side, whoever resets; a shutdown takes all with it
/// at once, long before the restart time (120 s).
#[test]
fn a_reset_keeps_routes_and_a_shutdown_does_not() -> Result<()> {
    in_lab("two-node-frr", |lab| {
        wait_fabric(lab)?;
        let (tor, node1, node2) = (lab.node("tor")?, lab.node("node1")?, lab.node("node2")?);
        let (own, other) = ("10.244.1.0/24", "10.244.2.0/24");
        wait_frr_settled(tor)?;
        for node in [tor, node1, node2] {
            node.shell(WATCH)?;
        }
        let clear = |lines: &[&str]| {
            let mut argv = vec!["vtysh"];
            lines.iter().for_each(|line| argv.extend(["-c", line]));
            tor.check(&argv)
        };
        let times = |count: u64| {
            wait_until(DEADLINE, "another session", || -> Result<()> {
                let peer = Status::of(node1)?.peer("tor")?.clone();
                ensure!(peer.established >= count, "{}", peer.describe());
                Ok(())
            })?;
            wait_fabric(lab)
        };
        node1.check(&["rcni-bgp", "peer", "reset", "tor"])?;
        times(2)?;
        for node in [tor, node2] {
            ensure!(losses(node, own)? == 0, "node1's block was lost");
        }
        // FRR sends this as a hard reset unless it is told otherwise.
        let soft = "no bgp hard-administrative-reset";
        clear(&["configure terminal", "router bgp 65000", soft])?;
        clear(&["clear bgp 10.0.1.11"])?;
        times(3)?;
        // 8.4 itself keeps nothing then, but we do.
        ensure!(losses(node1, other)? == 0, "node1 has lost node2's block");

        let start = Instant::now();
        node1.check(&["rcni-bgp", "peer", "shutdown", "tor"])?;
        wait_no_route(tor, own)?;
        wait_no_route(node1, other)?;
        wait_no_route(node2, own)?;
        let took = start.elapsed();
        ensure!(took < Duration::from_secs(30), "it took {took:?}");
        let shown = tor.check(&["vtysh", "-c", "show bgp neighbors 10.0.1.11"])?;
        ensure!(shown.contains("Hard Reset"), "{shown}");
        node1.check(&["rcni-bgp", "peer", "start", "tor"])?;
        times(4)?;

        // A hard reset of the router's.
        clear(&["configure terminal", "router bgp 65000", &soft[3..]])?;
        let before = losses(node1, other)?;
        clear(&["clear bgp 10.0.1.11"])?;
        times(5)?;
        let after = losses(node1, other)?;
        ensure!(after == before + 1, "{before} losses, then {after}");
        Ok(())
    })
}
