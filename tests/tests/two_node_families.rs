//! `containerlab/two-node` and `two-node-frr` in both families, in one session for both, and in
//! each family alone.

mod common;

use std::net::IpAddr;

use anyhow::{Result, ensure};
use common::family::{BOTH, Family, V4_ONLY, V6_ONLY, first_packet, no_ipv4, no_ipv6};
use common::paths::wait_next_hops;
use common::{
    add_pod, fetch_on, in_lab, in_lab_without_ipv6, in_patched_lab, serve_on, wait_established,
};
use rcni_tests::status::Status;
use rcni_tests::{Lab, Pod};

/// node1 and node2 with the last part of their addresses.
const NODES: [(u8, u8); 2] = [(1, 11), (2, 12)];

fn tor(family: Family, node: u8) -> String {
    family.pick(format!("10.0.{node}.1"), format!("fd00:10:0:{node}::1"))
}

fn address(family: Family, (node, last): (u8, u8)) -> String {
    family.pick(
        format!("10.0.{node}.{last}"),
        format!("fd00:10:0:{node}::{last}"),
    )
}

fn wait_fabric(lab: &Lab, families: &[Family]) -> Result<()> {
    for number in NODES {
        let node = lab.node(&format!("node{}", number.0))?;
        wait_established(node, "tor")?;
        for &family in families {
            let via = tor(family, number.0);
            wait_next_hops(node, &family.block(3 - number.0), &[&via])?;
            wait_next_hops(node, family.default(), &[&via])?;
            let via = address(family, number);
            wait_next_hops(lab.node("tor")?, &family.block(number.0), &[&via])?;
        }
    }
    Ok(())
}

/// The network model, by what arrives; pods alice on node1 and bob on node2.
fn model(lab: &Lab, families: &[Family]) -> Result<(Pod, Pod)> {
    let (node1, node2) = (lab.node("node1")?, lab.node("node2")?);
    let alice = add_pod(lab, "node1", "alice")?;
    let anna = add_pod(lab, "node1", "anna")?;
    let bob = add_pod(lab, "node2", "bob")?;
    wait_fabric(lab, families)?;
    assert_eq!(alice.ips()?.len(), families.len());
    for &family in families {
        // Nobody has talked to anybody yet: the way there and the way back.
        first_packet(&alice, &family.ip(&bob)?.to_string())?;
        first_packet(&bob, &family.ip(&anna)?.to_string())?;
        let at_anna = family.serve(&anna)?;
        let at_bob = family.serve(&bob)?;
        assert_eq!(family.seen(&alice, at_anna)?, family.ip(&alice)?);
        assert_eq!(family.seen(&alice, at_bob)?, family.ip(&alice)?);
        assert_eq!(family.seen(&bob, at_anna)?, family.ip(&bob)?);
        // Node to pod, pod to node, here and there.
        for server in [at_anna, at_bob] {
            let asked = fetch_on(node1, server, 1)?;
            ensure!(asked.is_untranslated(), "{asked:?}");
        }
        for (node, number) in [(node1, NODES[0]), (node2, NODES[1])] {
            let server = serve_on(node, &address(family, number))?;
            assert_eq!(family.seen(&alice, server)?, family.ip(&alice)?);
        }
    }
    Ok((alice, bob))
}

/// Who `internet` sees.
fn out(lab: &Lab, family: Family, pod: &Pod) -> Result<IpAddr> {
    first_packet(pod, family.internet())?;
    family.seen(pod, serve_on(lab.node("internet")?, family.internet())?)
}

/// In a session for both, what either brings is counted by itself.
fn one_session(lab: &Lab, families: &[Family]) -> Result<()> {
    for name in ["node1", "node2"] {
        let status = Status::of(lab.node(name)?)?;
        ensure!(status.peers.len() == 1, "{:?}", status.peers);
        let peer = status.peer("tor")?;
        for family in families {
            let wanted = family.pick("ipv4 unicast", "ipv6 unicast").to_owned();
            ensure!(peer.families.contains(&wanted), "{:?}", peer.families);
            // The other node's block and the default; one's own.
            let counts = &peer.prefixes_by_family[family.pick("ipv4", "ipv6")];
            ensure!(counts.accepted == 2 && counts.advertised == 1, "{counts:?}");
        }
    }
    Ok(())
}

fn both_families(topology: &str) -> Result<()> {
    in_lab(topology, |lab| {
        let (alice, bob) = model(lab, BOTH)?;
        one_session(lab, BOTH)?;
        assert_eq!(out(lab, Family::V4, &alice)?.to_string(), "10.0.1.11");
        // Nothing is translated in IPv6: the pod's address is as good as the node's.
        assert_eq!(out(lab, Family::V6, &alice)?, Family::V6.ip(&alice)?);
        // And the internet may begin: its first packet arrives too.
        let target = Family::V6.ip(&bob)?.to_string();
        lab.node("internet")?
            .check(&["ping", "-n", "-c", "1", "-W", "1", &target])?;
        Ok(())
    })
}

#[test]
fn one_session_carries_both_families() -> Result<()> {
    both_families("two-node")
}

#[test]
fn one_session_with_frr_carries_both_families() -> Result<()> {
    both_families("two-node-frr")
}

fn without_ipv4(topology: &str) -> Result<()> {
    in_lab(topology, |lab| {
        let (alice, bob) = model(lab, V6_ONLY)?;
        one_session(lab, V6_ONLY)?;
        assert_eq!(out(lab, Family::V6, &bob)?, Family::V6.ip(&bob)?);
        for (name, pod) in [("node1", &alice), ("node2", &bob)] {
            no_ipv4(lab.node(name)?, None)?;
            no_ipv4(lab.node(name)?, Some(pod))?;
        }
        no_ipv4(lab.node("tor")?, None)
    })
}

#[test]
fn all_of_it_works_without_ipv4() -> Result<()> {
    without_ipv4("two-node/ipv6-only")
}

#[test]
fn all_of_it_works_without_ipv4_behind_frr() -> Result<()> {
    without_ipv4("two-node-frr/ipv6-only")
}

fn without_ipv6(topology: &str) -> Result<()> {
    in_lab_without_ipv6(topology, |lab| {
        let (alice, bob) = model(lab, V4_ONLY)?;
        assert_eq!(out(lab, Family::V4, &bob)?.to_string(), "10.0.2.12");
        for (name, pod) in [("node1", &alice), ("node2", &bob)] {
            no_ipv6(lab.node(name)?, None)?;
            no_ipv6(lab.node(name)?, Some(pod))?;
        }
        Ok(())
    })
}

#[test]
fn all_of_it_works_without_ipv6() -> Result<()> {
    without_ipv6("two-node")
}

#[test]
fn all_of_it_works_without_ipv6_behind_frr() -> Result<()> {
    without_ipv6("two-node-frr")
}

#[test]
fn what_leaves_the_cluster_is_translated_in_ipv6_if_asked_for() -> Result<()> {
    let (old, new) = ("masqueradeIPv6: false", "masqueradeIPv6: true");
    let patches: &[_] = &[("configs-ipv6/node1/felix.yaml", old, new)];
    in_patched_lab("two-node/ipv6-only", patches, |lab| {
        let (alice, bob) = model(lab, V6_ONLY)?;
        assert_eq!(out(lab, Family::V6, &alice)?.to_string(), "fd00:10:0:1::11");
        assert_eq!(out(lab, Family::V6, &bob)?, Family::V6.ip(&bob)?);
        Ok(())
    })
}
