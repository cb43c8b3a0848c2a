//! Sessions that not everybody can have: signed ones, neighbours by range, TTL security, with FRR at the
//! other end.

mod common;

use std::time::Duration;

use anyhow::{Result, ensure};
use common::{
    DEADLINE, add_pod, fetch_in, in_patched_lab, serve, wait_established, wait_established_within,
    wait_route,
};
use rcni_tests::status::Status;
use rcni_tests::{Node, wait_until};

/// FRR tries again after 5 s, and after some errors less often.
const PATIENCE: Duration = Duration::from_secs(120);
const NODE1_BGP: &str = "../two-node/configs/node1/bgp.yaml";
const FRR_CONF: &str = "configs/tor/frr.conf";
const PEER: &str = "peerIP: 10.0.1.1\n  asNumber: 65000";
const NEIGHBOR: &str = "neighbor 10.0.1.11 remote-as 65001";

const SIGNED_NEIGHBOR: &str =
    "neighbor 10.0.1.11 remote-as 65001\n neighbor 10.0.1.11 password hardly-secret";

fn neighbors_password(node: &Node) -> Result<()> {
    let shown = node.check(&["rcni-bgp", "status", "-o", "json"])?;
    ensure!(!shown.contains("hardly-secret"), "{shown}");
    let log = std::fs::read_to_string(node.log_folder().join("rcni/rcni-bgp.log"))?;
    ensure!(!log.contains("hardly-secret"), "{log}");
    Ok(())
}

/// The router dials; the node knows it only as one of a range, by whose password its kernel checks the
/// signature before the node could know who it is.
#[test]
fn a_router_out_of_a_range_with_a_password() -> Result<()> {
    let range = "peerRange: 10.0.1.0/24\n  asNumber: external\n  password: hardly-secret";
    let patches = [
        (NODE1_BGP, PEER, range),
        (FRR_CONF, NEIGHBOR, SIGNED_NEIGHBOR),
    ];
    in_patched_lab("two-node-frr", &patches, |lab| {
        let (node1, node2) = (lab.node("node1")?, lab.node("node2")?);
        wait_established_within(PATIENCE, node1, "tor/10.0.1.1")?;
        wait_established(node2, "tor")?;
        wait_route(node1, "10.244.2.0/24", "10.0.1.1")?;
        wait_route(node2, "10.244.1.0/24", "10.0.2.1")?;
        neighbors_password(node1)?;
        let (web, client) = (
            add_pod(lab, "node1", "web")?,
            add_pod(lab, "node2", "client")?,
        );
        let server = serve(&web)?;
        fetch_in(&client, server, 1).map(|_| ())
    })
}

/// The password of a range is wanted from whoever is in it, and what is missing is said although there is
/// no peer yet that it could be said of.
#[test]
fn a_router_without_the_password_of_its_range() -> Result<()> {
    let range = "peerRange: 10.0.1.0/24\n  asNumber: external\n  password: hardly-secret";
    in_patched_lab("two-node-frr", &[(NODE1_BGP, PEER, range)], |lab| {
        let node1 = lab.node("node1")?;
        wait_established(lab.node("node2")?, "tor")?;
        wait_until(PATIENCE, "a note about the range", || -> Result<()> {
            let status = node1.exec(&["rcni-bgp", "status"])?.stdout;
            let said = status.split_whitespace().collect::<Vec<_>>().join(" ");
            for words in ["tor (10.0.1.0/24)", "TCPMD5NotFound", "spec.password"] {
                ensure!(said.contains(words), "{status}");
            }
            Ok(())
        })?;
        ensure!(
            Status::of(node1)?.peers.is_empty(),
            "{:?}",
            Status::of(node1)?
        );
        let lines = ["neighbor 10.0.1.11 password hardly-secret"];
        let mut argv = vec![
            "vtysh",
            "-c",
            "configure terminal",
            "-c",
            "router bgp 65000",
        ];
        lines.iter().for_each(|line| argv.extend(["-c", line]));
        lab.node("tor")?.check(&argv)?;
        wait_established_within(PATIENCE, node1, "tor/10.0.1.1")
    })
}

/// The other way round: the router takes all of a range that have the password.
#[test]
fn a_node_out_of_the_router_s_range() -> Result<()> {
    let signed = "peerIP: 10.0.1.1\n  asNumber: 65000\n  profile: dc\n  password: hardly-secret";
    let listen = "neighbor RACK peer-group\n neighbor RACK remote-as external\n \
                  neighbor RACK password hardly-secret\n \
                  bgp listen range 10.0.1.0/24 peer-group RACK";
    let patches = [
        (NODE1_BGP, PEER, signed),
        (FRR_CONF, NEIGHBOR, listen),
        (FRR_CONF, " neighbor 10.0.1.11 peer-group NODES\n", ""),
        (
            FRR_CONF,
            "  neighbor NODES activate\n  neighbor NODES default-originate\n",
            "  neighbor RACK activate\n  neighbor RACK route-map FROM-NODES in\n  neighbor RACK \
             route-map TO-NODES out\n  neighbor NODES activate\n  neighbor NODES \
             default-originate\n",
        ),
    ];
    in_patched_lab("two-node-frr", &patches, |lab| {
        let (node1, node2) = (lab.node("node1")?, lab.node("node2")?);
        wait_established_within(PATIENCE, node1, "tor")?;
        wait_route(node1, "10.244.2.0/24", "10.0.1.1")?;
        wait_route(node2, "10.244.1.0/24", "10.0.2.1")?;
        neighbors_password(node1)
    })
}

/// RFC 5082 on both sides of one link, whoever dials; and a router that is further away than it may be.
#[test]
fn ttl_security_as_the_router_has_it() -> Result<()> {
    let near = "peerIP: 10.0.1.1\n  asNumber: 65000\n  ttlSecurity: 1";
    let guarded = "neighbor 10.0.1.11 remote-as 65001\n neighbor 10.0.1.11 ttl-security hops 1";
    let patches = [(NODE1_BGP, PEER, near), (FRR_CONF, NEIGHBOR, guarded)];
    in_patched_lab("two-node-frr", &patches, |lab| {
        let node1 = lab.node("node1")?;
        wait_established_within(PATIENCE, node1, "tor")?;
        wait_route(node1, "10.244.2.0/24", "10.0.1.1")
    })?;
    // FRR sends with TTL 1, as eBGP does without it.
    in_patched_lab("two-node-frr", &[(NODE1_BGP, PEER, near)], |lab| {
        let node1 = lab.node("node1")?;
        wait_until(PATIENCE, "why it is down", || -> Result<()> {
            let status = Status::of(node1)?;
            let said = format!("{:?}", status.peer("tor")?);
            ensure!(
                said.contains("TCPMinTTLDrop") && said.contains("GTSM"),
                "{said}"
            );
            Ok(())
        })?;
        wait_established_within(DEADLINE, lab.node("node2")?, "tor")
    })
}
