//! `containerlab/leaf-spine`: what arrives, which way it goes, and what happens without a spine.

mod common;

use std::net::IpAddr;

use anyhow::{Result, ensure};
use common::flow::Flow;
use common::paths::{hops, wait_as_paths, wait_next_hops};
use common::{
    DEADLINE, add_pod, fetch_in, in_lab, in_patched_lab, routes, serve, serve_on, wait_established,
    wait_no_route,
};
use rcni_tests::status::Status;
use rcni_tests::{Lab, Pod, wait_until};

/// The nodes by their numbers, which are in all of their addresses, and the rack of each.
const NODES: [(u8, u8); 3] = [(11, 1), (12, 1), (21, 2)];
const ROUTERS: [&str; 5] = ["spine1", "spine2", "border", "leaf1", "leaf2"];
const INTERNET: &str = "203.0.113.10";

fn block(node: u8) -> String {
    format!("10.244.{node}.0/24")
}

/// Next hop of a spine towards a rack's leaf; both spines count alike.
fn leaf_of(spine: u8, rack: u8) -> String {
    format!("10.0.{spine}{rack}.1")
}

fn spines_of(rack: u8) -> [String; 2] {
    [1, 2].map(|spine| format!("10.0.{spine}{rack}.0"))
}

/// Waits for every route that must be in any kernel, with all of its next hops.
fn wait_fabric(lab: &Lab) -> Result<()> {
    for (number, rack) in NODES {
        let name = format!("node{number}");
        wait_established(lab.node(&name)?, "leaf")?;
        let leaf = format!("10.1.{rack}.1");
        wait_next_hops(lab.node(&name)?, "default", &[&leaf])?;
        for (other, other_rack) in NODES.into_iter().filter(|(other, _)| *other != number) {
            // In the rack's own subnet the leaf names the node itself as next hop.
            let via = if other_rack == rack {
                format!("10.1.{rack}.{other}")
            } else {
                leaf.clone()
            };
            wait_next_hops(lab.node(&name)?, &block(other), &[&via])?;
        }
        for spine in [1, 2] {
            let router = lab.node(&format!("spine{spine}"))?;
            wait_next_hops(router, &block(number), &[&leaf_of(spine, rack)])?;
        }
        wait_next_hops(
            lab.node("border")?,
            &block(number),
            &["10.0.13.0", "10.0.23.0"],
        )?;
        for leaf in [1, 2] {
            let spines = spines_of(leaf);
            let own = format!("10.1.{rack}.{number}");
            let via: Vec<&str> = if leaf == rack {
                vec![&own]
            } else {
                spines.iter().map(String::as_str).collect()
            };
            wait_next_hops(lab.node(&format!("leaf{leaf}"))?, &block(number), &via)?;
        }
    }
    Ok(())
}

fn seen(from: &Pod, server: std::net::SocketAddr) -> Result<IpAddr> {
    Ok(fetch_in(from, server, 1)?.seen_ip())
}

#[test]
fn what_arrives_and_which_way_it_goes() -> Result<()> {
    in_lab("leaf-spine", |lab| {
        let pods = NODES.map(|(node, _)| add_pod(lab, &format!("node{node}"), &format!("p{node}")));
        let [one, two, far] = pods;
        let (one, two, far) = (one?, two?, far?);
        wait_fabric(lab)?;
        let (at_one, at_two, at_far) = (serve(&one)?, serve(&two)?, serve(&far)?);
        // In the rack and across racks, both directions, with the pod's own address.
        assert_eq!(seen(&one, at_two)?, one.ip()?);
        assert_eq!(seen(&two, at_one)?, two.ip()?);
        assert_eq!(seen(&one, at_far)?, one.ip()?);
        assert_eq!(seen(&far, at_two)?, far.ip()?);
        // Beyond the border with the node's.
        let internet = serve_on(lab.node("internet")?, INTERNET)?;
        assert_eq!(seen(&one, internet)?.to_string(), "10.1.1.11");
        assert_eq!(seen(&far, internet)?.to_string(), "10.1.2.21");
        // The way: in the rack from node to node, else leaf - spine - leaf.
        assert_eq!(hops(&one, two.ip()?)?, ["10.1.1.11", "10.1.1.12"]);
        let far_way = hops(&one, far.ip()?)?;
        let [node, leaf, spine, leaf2, node2] = &far_way[..] else {
            panic!("{far_way:?}");
        };
        assert_eq!((node.as_str(), leaf.as_str()), ("10.1.1.11", "10.1.1.1"));
        assert!(spines_of(1).contains(spine), "{far_way:?}");
        // The address of a router towards the asking one, on either spine's link.
        assert!([1, 2].map(|s| leaf_of(s, 2)).contains(leaf2), "{far_way:?}");
        assert_eq!(node2, "10.1.2.21");
        as_paths(lab)
    })
}

/// One AS for the spines, one for each rack, one for each node.
fn as_paths(lab: &Lab) -> Result<()> {
    let far = "4200000021";
    wait_as_paths(lab.node("leaf2")?, &block(21), &[far])?;
    wait_as_paths(lab.node("spine1")?, &block(21), &[&format!("65102 {far}")])?;
    let across = format!("65100 65102 {far}");
    wait_as_paths(lab.node("leaf1")?, &block(21), &[&across, &across])?;
    wait_as_paths(lab.node("border")?, &block(21), &[&across, &across])?;
    wait_as_paths(lab.node("leaf1")?, "0.0.0.0/0", &["65100 65200"; 2])
}

/// node12 with a restart time of 4 s, and with networks that it must not announce.
const GREEDY: &[(&str, &str, &str)] = &[
    (
        "configs/node12/bgp.yaml",
        "    - {cidr: 10.244.12.0/24}",
        "    - {cidr: 10.244.12.0/24}\n    - {cidr: 10.244.99.7/32}\n    - {cidr: 192.0.2.0/24}",
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
        wait_fabric(lab)?;
        let node = lab.node("node12")?;
        wait_until(DEADLINE, "node12 has announced all", || -> Result<()> {
            let advertised = Status::of(node)?.peer("leaf")?.prefixes.advertised;
            ensure!(advertised == 3, "{advertised}");
            Ok(())
        })?;
        // The leaf has them all in one message or none; what it took, it has passed on.
        for router in ROUTERS {
            for prefix in ["10.244.99.7/32", "192.0.2.0/24"] {
                assert_eq!(routes(lab.node(router)?, prefix)?, "", "{router}");
            }
        }
        let killed = node.kill("rcni-bgp")?;
        let others = ["node11", "node21"];
        for name in ROUTERS.into_iter().chain(others) {
            wait_no_route(lab.node(name)?, &block(12))?;
        }
        node.start_again(&killed)?;
        wait_fabric(lab)
    })
}

#[test]
fn without_one_spine_all_goes_through_the_other() -> Result<()> {
    in_lab("leaf-spine", |lab| {
        let one = add_pod(lab, "node11", "one")?;
        let far = add_pod(lab, "node21", "far")?;
        wait_fabric(lab)?;
        let spine = lab.node("spine1")?;
        let links = ["eth1", "eth2", "eth3"];
        let set = |state: &str| -> Result<()> {
            for link in links {
                spine.check(&["ip", "link", "set", "dev", link, state])?;
            }
            Ok(())
        };
        set("down")?;
        wait_next_hops(lab.node("leaf1")?, &block(21), &["10.0.21.0"])?;
        wait_next_hops(lab.node("leaf2")?, &block(11), &["10.0.22.0"])?;
        wait_next_hops(lab.node("border")?, &block(11), &["10.0.23.0"])?;
        let at_far = serve(&far)?;
        assert_eq!(seen(&one, at_far)?, one.ip()?);
        assert_eq!(hops(&one, far.ip()?)?[2..4], ["10.0.21.0", "10.0.22.1"]);
        let internet = serve_on(lab.node("internet")?, INTERNET)?;
        assert_eq!(seen(&one, internet)?.to_string(), "10.1.1.11");
        set("up")?;
        wait_fabric(lab)
    })
}

/// A spine's BGP daemon dies: its kernel goes on forwarding, and the leaves leave it in use.
#[test]
fn a_spine_s_daemon_dies_and_no_packet_is_lost() -> Result<()> {
    in_lab("leaf-spine", |lab| {
        let one = add_pod(lab, "node11", "one")?;
        let far = add_pod(lab, "node21", "far")?;
        wait_fabric(lab)?;
        let flow = Flow::start(&one, far.ip()?)?;
        let spine = lab.node("spine1")?;
        let killed = spine.kill("bgpd")?;
        spine.start_again(&killed)?;
        wait_fabric(lab)?;
        wait_until(DEADLINE, "nothing stale on leaf1", || -> Result<()> {
            let said = lab
                .node("leaf1")?
                .check(&["vtysh", "-c", "show bgp ipv4 unicast"])?;
            let stale = said
                .lines()
                .any(|line| line.starts_with("S> ") || line.starts_with("S= "));
            ensure!(!stale, "{said}");
            Ok(())
        })?;
        ensure!(flow.runs(), "the flow was over before: it shows nothing");
        let (sent, received) = flow.finish()?;
        ensure!(sent == received, "{sent} sent, {received} received");
        Ok(())
    })
}
