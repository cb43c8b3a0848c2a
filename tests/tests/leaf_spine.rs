//! `containerlab/leaf-spine`: what arrives, which way it goes, and what happens without a spine.

mod common;

use anyhow::{Result, ensure};
use common::family::{BOTH, Family, V6_ONLY, first_packet, no_ipv4};
use common::paths::{hops, next_hops, wait_as_paths, wait_frr_next_hops, wait_next_hops};
use common::{
    DEADLINE, add_pod, in_lab, in_patched_lab, routes, serve_on, wait_established, wait_no_route,
};
use rcni_tests::status::Status;
use rcni_tests::{Lab, Pod, wait_until};

/// The nodes by their numbers, which are in all of their addresses, and the rack of each.
const NODES: [(u8, u8); 3] = [(11, 1), (12, 1), (21, 2)];
const ROUTERS: [&str; 5] = ["spine1", "spine2", "border", "leaf1", "leaf2"];
/// The border's place at a spine, where a leaf has the number of its rack.
const BORDER: u8 = 3;

fn gateway(family: Family, rack: u8) -> String {
    family.pick(format!("10.1.{rack}.1"), format!("fd00:10:0:{rack}::1"))
}

fn node_address(family: Family, node: u8, rack: u8) -> String {
    family.pick(
        format!("10.1.{rack}.{node}"),
        format!("fd00:10:0:{rack}::{node}"),
    )
}

/// The lower router's address on its link to a spine.
fn below(family: Family, spine: u8, place: u8) -> String {
    family.pick(
        format!("10.0.{spine}{place}.1"),
        format!("fd00:10:f:{spine}{place}::1"),
    )
}

/// Both spines' addresses on their links to the router at that place.
fn spines(family: Family, place: u8) -> [String; 2] {
    [1, 2].map(|spine| {
        family.pick(
            format!("10.0.{spine}{place}.0"),
            format!("fd00:10:f:{spine}{place}::"),
        )
    })
}

/// Next hop on a node for another node's block. In the rack's own subnet the leaf names the node
/// itself; but FRR names itself for IPv6 in a session over IPv4.
fn next_hop(family: Family, dual: bool, rack: u8, other: (u8, u8)) -> String {
    if other.1 == rack && !(dual && family == Family::V6) {
        node_address(family, other.0, rack)
    } else {
        gateway(family, rack)
    }
}

/// Waits for every route that must be in any kernel, with all of its next hops.
fn wait_fabric(lab: &Lab, families: &[Family]) -> Result<()> {
    for (number, _) in NODES {
        wait_established(lab.node(&format!("node{number}"))?, "leaf")?;
    }
    let dual = families.len() > 1;
    for &family in families {
        for (number, rack) in NODES {
            wait_node(lab, family, dual, (number, rack))?;
            wait_routers(lab, family, number, rack)?;
        }
    }
    Ok(())
}

fn wait_node(lab: &Lab, family: Family, dual: bool, (number, rack): (u8, u8)) -> Result<()> {
    let node = lab.node(&format!("node{number}"))?;
    wait_next_hops(node, family.default(), &[&gateway(family, rack)])?;
    for other in NODES.into_iter().filter(|(other, _)| *other != number) {
        let via = next_hop(family, dual, rack, other);
        wait_next_hops(node, &family.block(other.0), &[&via])?;
    }
    Ok(())
}

fn wait_routers(lab: &Lab, family: Family, number: u8, rack: u8) -> Result<()> {
    let block = family.block(number);
    for spine in [1, 2] {
        let leaf = below(family, spine, rack);
        wait_frr_next_hops(lab.node(&format!("spine{spine}"))?, &block, &[&leaf])?;
    }
    let [one, two] = spines(family, BORDER);
    wait_frr_next_hops(lab.node("border")?, &block, &[&one, &two])?;
    for leaf in [1, 2] {
        let router = lab.node(&format!("leaf{leaf}"))?;
        if leaf == rack {
            wait_next_hops(router, &block, &[&node_address(family, number, rack)])?;
        } else {
            let [one, two] = spines(family, leaf);
            wait_frr_next_hops(router, &block, &[&one, &two])?;
        }
    }
    Ok(())
}

#[test]
fn what_arrives_and_which_way_it_goes() -> Result<()> {
    in_lab("leaf-spine", |lab| everything(lab, BOTH))
}

#[test]
fn what_arrives_without_ipv4_and_which_way_it_goes() -> Result<()> {
    in_lab("leaf-spine/ipv6-only", |lab| {
        everything(lab, V6_ONLY)?;
        for (number, _) in NODES {
            let node = lab.node(&format!("node{number}"))?;
            no_ipv4(node, None)?;
            no_ipv4(node, Some(&Pod::find(node, &format!("p{number}"))?))?;
        }
        Ok(())
    })
}

fn everything(lab: &Lab, families: &[Family]) -> Result<()> {
    let mut pods = Vec::new();
    for (number, _) in NODES {
        pods.push(add_pod(
            lab,
            &format!("node{number}"),
            &format!("p{number}"),
        )?);
    }
    wait_fabric(lab, families)?;
    for &family in families {
        arrives(lab, family, &pods)?;
        ways(family, families.len() > 1, &pods)?;
        as_paths(lab, family)?;
    }
    Ok(())
}

fn arrives(lab: &Lab, family: Family, pods: &[Pod]) -> Result<()> {
    let [one, two, far] = pods else {
        anyhow::bail!("{} pods", pods.len());
    };
    first_packet(one, &family.ip(far)?.to_string())?;
    first_packet(two, &family.ip(one)?.to_string())?;
    let at = |pod: &Pod| family.serve(pod);
    let (at_one, at_two, at_far) = (at(one)?, at(two)?, at(far)?);
    // In the rack and across racks, both directions, with the pod's own address.
    assert_eq!(family.seen(one, at_two)?, family.ip(one)?);
    assert_eq!(family.seen(two, at_one)?, family.ip(two)?);
    assert_eq!(family.seen(one, at_far)?, family.ip(one)?);
    assert_eq!(family.seen(far, at_two)?, family.ip(far)?);
    // Beyond the border with the node's in IPv4, with its own in IPv6.
    let internet = serve_on(lab.node("internet")?, family.internet())?;
    let wanted = match family {
        Family::V4 => [node_address(family, 11, 1), node_address(family, 21, 2)],
        Family::V6 => [family.ip(one)?.to_string(), family.ip(far)?.to_string()],
    };
    assert_eq!(family.seen(one, internet)?.to_string(), wanted[0]);
    assert_eq!(family.seen(far, internet)?.to_string(), wanted[1]);
    Ok(())
}

/// By the routers that answer for packets which die there: a router answers with its address on
/// the way back.
fn ways(family: Family, dual: bool, pods: &[Pod]) -> Result<()> {
    let own = node_address(family, 11, 1);
    let mut wanted = vec![own.clone()];
    let via = next_hop(family, dual, 1, (12, 1));
    if via == gateway(family, 1) {
        wanted.push(via);
    }
    wanted.push(node_address(family, 12, 1));
    assert_eq!(hops(&pods[0], family.ip(&pods[1])?)?, wanted, "in the rack");
    let far = hops(&pods[0], family.ip(&pods[2])?)?;
    let [node, leaf, spine, leaf2, node2] = &far[..] else {
        anyhow::bail!("not node, leaf, spine, leaf, node: {far:?}");
    };
    assert_eq!((node, leaf), (&own, &gateway(family, 1)));
    assert!(spines(family, 1).contains(spine), "{far:?}");
    // On either spine's link, whichever the answer takes.
    let links = [1, 2].map(|spine| below(family, spine, 2));
    assert!(links.contains(leaf2), "{far:?}");
    assert_eq!(node2, &node_address(family, 21, 2));
    Ok(())
}

/// One AS for the spines, one for each rack, one for each node.
fn as_paths(lab: &Lab, family: Family) -> Result<()> {
    let (far, block) = ("4200000021", family.block(21));
    wait_as_paths(lab.node("leaf2")?, &block, &[far])?;
    wait_as_paths(lab.node("spine1")?, &block, &[&format!("65102 {far}")])?;
    let across = format!("65100 65102 {far}");
    wait_as_paths(lab.node("leaf1")?, &block, &[&across, &across])?;
    wait_as_paths(lab.node("border")?, &block, &[&across, &across])?;
    wait_as_paths(lab.node("leaf1")?, family.default(), &["65100 65200"; 2])
}

/// node12 with a restart time of 4 s, and with networks that it must not announce.
const GREEDY: &[(&str, &str, &str)] = &[
    (
        "configs/node12/bgp.yaml",
        "    - {cidr: 10.244.12.0/24}",
        "    - {cidr: 10.244.12.0/24}\n    - {cidr: 10.244.99.7/32}\n    - {cidr: 192.0.2.0/24}\n    \
         - {cidr: fd00:10:244:99::7/128}",
    ),
    (
        "configs/node12/bgp.yaml",
        "routerID: 10.1.1.12",
        "routerID: 10.1.1.12\n  gracefulRestart: {restartTimeSeconds: 4}",
    ),
];

#[test]
fn a_node_may_announce_its_block_only_and_is_forgotten_everywhere() -> Result<()> {
    in_patched_lab("leaf-spine", GREEDY, |lab| {
        wait_fabric(lab, BOTH)?;
        let node = lab.node("node12")?;
        wait_until(DEADLINE, "node12 has announced all", || -> Result<()> {
            let advertised = Status::of(node)?.peer("leaf")?.prefixes.advertised;
            ensure!(advertised == 5, "{advertised}");
            Ok(())
        })?;
        // What the leaf lets in, it has passed on with the block, for which was waited.
        for router in ROUTERS {
            for prefix in ["10.244.99.7/32", "192.0.2.0/24", "fd00:10:244:99::7/128"] {
                assert_eq!(routes(lab.node(router)?, prefix)?, "", "{router}");
            }
        }
        let killed = node.kill("rcni-bgp")?;
        for name in ROUTERS.into_iter().chain(["node11", "node21"]) {
            for family in BOTH {
                wait_no_route(lab.node(name)?, &family.block(12))?;
            }
        }
        node.start_again(&killed)?;
        wait_fabric(lab, BOTH)
    })
}

#[test]
fn without_one_spine_all_goes_through_the_other() -> Result<()> {
    without_spine1("leaf-spine", BOTH)
}

#[test]
fn without_one_spine_and_without_ipv4_all_goes_through_the_other() -> Result<()> {
    without_spine1("leaf-spine/ipv6-only", V6_ONLY)
}

fn without_spine1(topology: &str, families: &[Family]) -> Result<()> {
    in_lab(topology, |lab| {
        let one = add_pod(lab, "node11", "one")?;
        let far = add_pod(lab, "node21", "far")?;
        wait_fabric(lab, families)?;
        let spine = lab.node("spine1")?;
        for link in ["eth1", "eth2", "eth3"] {
            spine.check(&["ip", "link", "set", "dev", link, "down"])?;
        }
        for &family in families {
            let [_, leaf1] = spines(family, 1);
            let [_, leaf2] = spines(family, 2);
            let [_, border] = spines(family, BORDER);
            wait_frr_next_hops(lab.node("leaf1")?, &family.block(21), &[&leaf1])?;
            wait_frr_next_hops(lab.node("leaf2")?, &family.block(11), &[&leaf2])?;
            wait_frr_next_hops(lab.node("border")?, &family.block(11), &[&border])?;
            let at_far = family.serve(&far)?;
            assert_eq!(family.seen(&one, at_far)?, family.ip(&one)?);
            let way = hops(&one, family.ip(&far)?)?;
            assert_eq!(way[2..4], [leaf1, below(family, 2, 2)]);
            let internet = serve_on(lab.node("internet")?, family.internet())?;
            family.seen(&one, internet)?;
        }
        for link in ["eth1", "eth2", "eth3"] {
            spine.check(&["ip", "link", "set", "dev", link, "up"])?;
        }
        // Through both again. FRR may say a link-local next hop now: what it says for IPv6 in a
        // session over IPv4 is what the interface had when the session came up.
        for &family in families {
            for (router, node) in [("leaf1", 21), ("leaf2", 11), ("border", 11)] {
                wait_until(DEADLINE, "both spines in use", || -> Result<()> {
                    let seen = next_hops(lab.node(router)?, &family.block(node))?;
                    ensure!(seen.len() == 2, "{router}: {seen:?}");
                    Ok(())
                })?;
            }
            // Not the first packet: the spine's new link-local addresses are tentative for a while.
            let target = family.ip(&far)?.to_string();
            wait_until(DEADLINE, "an answer", || first_packet(&one, &target))?;
        }
        Ok(())
    })
}

/// A spine's BGP daemon dies and comes back: the nodes, two sessions away, do not notice.
#[test]
fn a_spine_s_daemon_dies_and_comes_back() -> Result<()> {
    in_lab("leaf-spine", |lab| {
        let one = add_pod(lab, "node11", "one")?;
        let far = add_pod(lab, "node21", "far")?;
        wait_fabric(lab, BOTH)?;
        let spine = lab.node("spine1")?;
        let killed = spine.kill("bgpd")?;
        spine.start_again(&killed)?;
        for family in ["ipv4", "ipv6"] {
            wait_until(DEADLINE, "nothing stale on leaf1", || -> Result<()> {
                let question = format!("show bgp {family} unicast");
                let said = lab.node("leaf1")?.check(&["vtysh", "-c", &question])?;
                let stale = |line: &str| line.starts_with("S>") || line.starts_with("S=");
                ensure!(!said.lines().any(stale), "{said}");
                ensure!(said.contains("*="), "not through both: {said}");
                Ok(())
            })?;
        }
        wait_fabric(lab, BOTH)?;
        for &family in BOTH {
            first_packet(&one, &family.ip(&far)?.to_string())?;
        }
        Ok(())
    })
}
