//! `containerlab/dual-tor`: both uplinks of a node in use, and life with one of them.

#[path = "dual/address.rs"]
mod address;
mod common;
#[path = "dual/drain.rs"]
mod drain;
#[path = "dual/explained.rs"]
mod explained;

use std::net::IpAddr;

use anyhow::{Result, ensure};
use common::family::{BOTH, Family, V6_ONLY, first_packet, no_ipv4};
use common::flow::Flow;
use common::paths::{next_hops, wait_as_paths, wait_next_hops};
use common::two_nodes::{node, pods, spread};
use common::{DEADLINE, fetch_in, fetch_on, in_lab, serve_on, wait_established};
use rcni_tests::status::{ESTABLISHED, Status};
use rcni_tests::{Lab, Node, Pod, wait_until};

/// The ToRs by their numbers, which are in the addresses of their links.
const TORS: [(&str, u8); 2] = [("tor-a", 1), ("tor-b", 2)];
const NODES: [u8; 2] = [1, 2];

/// A ToR's (`end` 0) or a node's (`end` 1) address on their link.
fn link(family: Family, tor: u8, node: u8, end: u8) -> String {
    let last = if end == 0 {
        String::new()
    } else {
        end.to_string()
    };
    family.pick(
        format!("10.{tor}.{node}.{end}"),
        format!("fd00:10:{tor}:{node}::{last}"),
    )
}

/// A ToR's address on its link to the core.
fn at_core(family: Family, tor: u8) -> String {
    family.pick(format!("10.0.{tor}0.1"), format!("fd00:10:f:{tor}0::1"))
}

/// The address that a node has on `lo`, as it is reached through either ToR.
fn stable(family: Family, node: u8) -> String {
    family.pick(format!("10.255.1.{node}"), format!("fd00:10:255::{node}"))
}

fn stable_prefix(family: Family, node: u8) -> String {
    format!("{}/{}", stable(family, node), family.pick(32, 128))
}

/// Waits until both ToRs are next hops of each node, and of the core towards each node.
fn wait_fabric(lab: &Lab, families: &[Family]) -> Result<()> {
    for number in NODES {
        for (tor, _) in TORS {
            wait_established(node(lab, number)?, tor)?;
        }
    }
    for &family in families {
        for number in NODES {
            let tors = TORS.map(|(_, tor)| link(family, tor, number, 0));
            let tors = [tors[0].as_str(), tors[1].as_str()];
            let other = 3 - number;
            for prefix in [
                &family.block(other),
                family.default(),
                &stable_prefix(family, other),
            ] {
                wait_next_hops(node(lab, number)?, prefix, &tors)?;
            }
            let [a, b] = TORS.map(|(_, tor)| at_core(family, tor));
            for prefix in [family.block(number), stable_prefix(family, number)] {
                wait_next_hops(lab.node("core")?, &prefix, &[&a, &b])?;
            }
            for (name, tor) in TORS {
                let via = link(family, tor, number, 1);
                wait_next_hops(lab.node(name)?, &family.block(number), &[&via])?;
            }
        }
        // A ToR that comes back announces the default route before its own kernel has it.
        for (name, _) in TORS {
            wait_until(DEADLINE, "the ToR's own default route", || -> Result<()> {
                let seen = next_hops(lab.node(name)?, family.default())?;
                ensure!(!seen.is_empty(), "{name} has no default route");
                Ok(())
            })?;
        }
    }
    Ok(())
}

#[test]
fn both_uplinks_are_used() -> Result<()> {
    in_lab("dual-tor", |lab| everything(lab, BOTH))
}

#[test]
fn both_uplinks_are_used_without_ipv4() -> Result<()> {
    in_lab("dual-tor/ipv6-only", |lab| {
        everything(lab, V6_ONLY)?;
        for (number, pod) in [(1, "alice"), (2, "bob")] {
            no_ipv4(node(lab, number)?, None)?;
            no_ipv4(
                node(lab, number)?,
                Some(&Pod::find(node(lab, number)?, pod)?),
            )?;
        }
        Ok(())
    })
}

fn everything(lab: &Lab, families: &[Family]) -> Result<()> {
    let (alice, bob) = pods(lab)?;
    wait_fabric(lab, families)?;
    for &family in families {
        first_packet(&alice, &family.ip(&bob)?.to_string())?;
        let (at_alice, at_bob) = (family.serve(&alice)?, family.serve(&bob)?);
        assert_eq!(family.seen(&alice, at_bob)?, family.ip(&alice)?);
        assert_eq!(family.seen(&bob, at_alice)?, family.ip(&bob)?);
        // A node is reached at its stable address, from a node and from a pod.
        let at_node2 = serve_on(node(lab, 2)?, &stable(family, 2))?;
        ensure!(fetch_on(node(lab, 1)?, at_node2, 1)?.is_untranslated());
        assert_eq!(family.seen(&alice, at_node2)?, family.ip(&alice)?);
        // Beyond the core with the node's own address, whatever uplink is taken; in IPv6 with its own.
        let internet = serve_on(lab.node("internet")?, family.internet())?;
        let wanted: IpAddr = match family {
            Family::V4 => stable(family, 1).parse()?,
            Family::V6 => family.ip(&alice)?,
        };
        for _ in 0..8 {
            assert_eq!(family.seen(&alice, internet)?, wanted);
        }
        // What the node itself sends there has its address in both families.
        let seen = fetch_on(node(lab, 1)?, internet, 0)?.seen_ip();
        assert_eq!(seen, stable(family, 1).parse::<IpAddr>()?);
        spread(&alice, at_bob)?;
        // The ways differ in their first AS and are equal nevertheless.
        let paths = ["65001 4200000001", "65002 4200000001"];
        wait_as_paths(lab.node("core")?, &family.block(1), &paths)?;
    }
    Ok(())
}

/// Waits until node1 and what leads to it use tor-b only.
fn wait_tor_b_only(lab: &Lab, families: &[Family]) -> Result<()> {
    for &family in families {
        for prefix in [family.block(2), family.default().to_owned()] {
            wait_next_hops(node(lab, 1)?, &prefix, &[&link(family, 2, 1, 0)])?;
        }
        wait_next_hops(lab.node("core")?, &family.block(1), &[&at_core(family, 2)])?;
    }
    Ok(())
}

/// Everything that alice talks to is reached, on every path that a connection may take.
fn all_is_reached(lab: &Lab, families: &[Family], alice: &Pod, bob: &Pod) -> Result<()> {
    for &family in families {
        let at_bob = family.serve(bob)?;
        for _ in 0..8 {
            assert_eq!(family.seen(alice, at_bob)?, family.ip(alice)?);
        }
        let at_alice = family.serve(alice)?;
        assert_eq!(family.seen(bob, at_alice)?, family.ip(bob)?);
        let internet = serve_on(lab.node("internet")?, family.internet())?;
        family.seen(alice, internet)?;
    }
    Ok(())
}

fn a_link_goes(topology: &str, families: &[Family]) -> Result<()> {
    in_lab(topology, |lab| {
        let (alice, bob) = pods(lab)?;
        wait_fabric(lab, families)?;
        let tor = lab.node("tor-a")?;
        tor.check(&["ip", "link", "set", "dev", "eth2", "down"])?;
        // Before BGP notices: the kernel leaves a dead link out (ignore_routes_with_linkdown), and
        // the ToR's own way is gone with its route.
        wait_tor_b_only(lab, families)?;
        all_is_reached(lab, families, &alice, &bob)?;
        let other = Status::of(node(lab, 1)?)?;
        ensure!(other.peer("tor-b")?.state == ESTABLISHED, "{other:?}");
        tor.check(&["ip", "link", "set", "dev", "eth2", "up"])?;
        wait_fabric(lab, families)?;
        all_is_reached(lab, families, &alice, &bob)
    })
}

#[test]
fn a_link_goes_and_comes_back() -> Result<()> {
    a_link_goes("dual-tor", BOTH)
}

#[test]
fn a_link_goes_and_comes_back_without_ipv4() -> Result<()> {
    a_link_goes("dual-tor/ipv6-only", V6_ONLY)
}

#[test]
fn a_session_is_shut_down_and_comes_back() -> Result<()> {
    in_lab("dual-tor", |lab| {
        let (alice, bob) = pods(lab)?;
        wait_fabric(lab, BOTH)?;
        let flows = BOTH
            .iter()
            .map(|family| Flow::start(&alice, family.ip(&bob)?));
        let flows = flows.collect::<Result<Vec<_>>>()?;
        let shut = |no: &str| {
            let line = format!("{no} neighbor 10.1.1.1 shutdown");
            let argv = [
                "vtysh",
                "-c",
                "configure terminal",
                "-c",
                "router bgp 65001",
                "-c",
                &line,
            ];
            lab.node("tor-a")?.check(&argv)
        };
        shut("")?;
        wait_tor_b_only(lab, BOTH)?;
        let peer = Status::of(node(lab, 1)?)?.peer("tor-a")?.clone();
        let why = peer.describe();
        ensure!(why.contains("Cease/Administrative Shutdown"), "{why}");
        all_is_reached(lab, BOTH, &alice, &bob)?;
        shut("no")?;
        wait_fabric(lab, BOTH)?;
        // The link was there all the time, and so was the other way: nothing was lost on either.
        for flow in flows {
            let (sent, received) = flow.finish()?;
            ensure!(sent == received, "{sent} sent, {received} received");
        }
        Ok(())
    })
}

/// A router that restarts still forwards, by its own words (RFC 4724): both next hops stay.
/// (FRR 8.4 does not keep them: its zebra forgets bgpd's routes for about half a second.)
#[test]
fn a_tor_s_daemon_is_killed_and_the_nodes_keep_both_next_hops() -> Result<()> {
    in_lab("dual-tor", |lab| {
        let (alice, bob) = pods(lab)?;
        wait_fabric(lab, BOTH)?;
        let tor = lab.node("tor-a")?;
        let killed = tor.kill("bgpd")?;
        wait_until(DEADLINE, "node1 has noticed", || -> Result<()> {
            let peer = Status::of(node(lab, 1)?)?.peer("tor-a")?.clone();
            ensure!(peer.state != ESTABLISHED, "{}", peer.describe());
            Ok(())
        })?;
        for &family in BOTH {
            let both = [link(family, 1, 1, 0), link(family, 2, 1, 0)];
            let seen = next_hops(node(lab, 1)?, &family.block(2))?;
            ensure!(seen == both.into(), "{seen:?}");
        }
        tor.start_again(&killed)?;
        wait_fabric(lab, BOTH)?;
        all_is_reached(lab, BOTH, &alice, &bob)
    })
}

/// The link stays up and nothing comes through any more: the hold time (9 s) is what notices.
#[test]
fn a_tor_that_falls_silent_is_left_out_after_the_hold_time() -> Result<()> {
    in_lab("dual-tor", |lab| {
        let (alice, bob) = pods(lab)?;
        wait_fabric(lab, BOTH)?;
        let one = node(lab, 1)?;
        for table in ["iptables", "ip6tables"] {
            one.check(&[table, "-I", "INPUT", "-i", "eth1", "-j", "DROP"])?;
            one.check(&[table, "-I", "FORWARD", "-i", "eth1", "-j", "DROP"])?;
        }
        wait_tor_b_only(lab, BOTH)?;
        let peer = Status::of(one)?.peer("tor-a")?.clone();
        ensure!(peer.state != ESTABLISHED, "{}", peer.describe());
        wait_around_tor_a(lab)?;
        all_is_reached(lab, BOTH, &alice, &bob)?;
        for table in ["iptables", "ip6tables"] {
            one.check(&[table, "-D", "INPUT", "-i", "eth1", "-j", "DROP"])?;
            one.check(&[table, "-D", "FORWARD", "-i", "eth1", "-j", "DROP"])?;
        }
        wait_fabric(lab, BOTH)
    })
}

/// tor-a itself knows node1's block through the core, which has it from tor-b.
fn wait_around_tor_a(lab: &Lab) -> Result<()> {
    wait_next_hops(lab.node("tor-a")?, &Family::V4.block(1), &["10.0.10.0"])
}
