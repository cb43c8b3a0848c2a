//! What an operator or a router can have wrong, and what status then says: the mistake by name, and
//! that the rest goes on.

mod common;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use common::{
    DEADLINE, add_pod, fetch_in, in_patched_lab, routes, serve, wait_established,
    wait_established_within, wait_route,
};
use rcni_tests::status::{ESTABLISHED, Status};
use rcni_tests::{Lab, Node, Options, wait_until};

/// A TCP dial that nobody answers is given up after some seconds, and only then known.
const SILENCE: Duration = Duration::from_secs(120);
/// Longer than a speaker may wait after errors in a row, twice.
const BACK_OFF: Duration = Duration::from_secs(180);
const NODE1_BGP: &str = "../two-node/configs/node1/bgp.yaml";
const NODE2_BGP: &str = "../two-node/configs/node2/bgp.yaml";
const FRR_CONF: &str = "configs/tor/frr.conf";

/// Waits until `rcni-bgp status` on `node` shows a session that is down, for a reason with all of
/// `words` in its class and text.
fn wait_down(node: &Node, peer: &str, words: &[&str]) -> Result<()> {
    let what = format!(
        "{}: the session with {peer} is down with {words:?}",
        node.name()
    );
    wait_until(SILENCE, &what, || -> Result<()> {
        let status = Status::of(node)?;
        let found = status.peer(peer)?;
        let error = found.last_error.as_ref().context("no error yet")?;
        let said = format!("{}: {} {:?}", error.class, error.text, found.notes);
        ensure!(found.state != ESTABLISHED, "it is up");
        for word in words {
            ensure!(said.contains(word), "{said}");
        }
        Ok(())
    })?;
    // What the JSON says is what people see.
    let shown = node.exec(&["rcni-bgp", "status"])?;
    ensure!(shown.status.code() == Some(1), "{shown:?}");
    Ok(())
}

/// The other node is not concerned.
fn node2_is_well(lab: &Lab) -> Result<()> {
    wait_established(lab.node("node2")?, "tor")
}

fn wait_conflict(node: &Node, prefix: &str, words: &[&str]) -> Result<()> {
    let what = format!("{} says that {prefix} is on two nodes", node.name());
    wait_until(DEADLINE, &what, || -> Result<()> {
        let status = Status::of(node)?;
        let found = status
            .conflicts
            .iter()
            .find(|conflict| conflict.prefix == prefix);
        let found = found.with_context(|| format!("only {:?}", status.conflicts))?;
        for word in words {
            ensure!(found.text.contains(word), "{}", found.text);
        }
        Ok(())
    })?;
    let shown = node.exec(&["rcni-bgp", "status"])?.stdout;
    ensure!(shown.contains(prefix), "{shown}");
    Ok(())
}

#[test]
fn one_pod_cidr_on_two_nodes_is_said_by_who_hears_of_it() -> Result<()> {
    // Node 2's files are node 1's with another address and AS.
    let patches = [
        (NODE2_BGP, "10.244.2.0/24", "10.244.1.0/24"),
        (NODE2_BGP, "fd00:10:244:2::/64", "fd00:10:244:1::/64"),
    ];
    in_patched_lab("two-node-frr", &patches, |lab| {
        let (node1, node2) = (lab.node("node1")?, lab.node("node2")?);
        for prefix in ["10.244.1.0/24", "fd00:10:244:1::/64"] {
            // The router keeps the better in its eyes, by family the older one, and tells the other
            // node of it.
            let heard = |node: &Node| {
                let status = Status::of(node);
                status.is_ok_and(|status| status.conflicts.iter().any(|it| it.prefix == prefix))
            };
            wait_until(
                DEADLINE,
                &format!("a node that says so of {prefix}"),
                || {
                    if heard(node1) || heard(node2) {
                        Ok(())
                    } else {
                        Err("none does")
                    }
                },
            )?;
            let (node, other) = match heard(node2) {
                true => (node2, "65001"),
                false => (node1, "65002"),
            };
            wait_conflict(node, prefix, &["tor", other, "two nodes", "podCIDR"])?;
            let routes = routes(node, prefix)?;
            ensure!(!routes.contains("via"), "own pods are elsewhere: {routes}");
        }
        // Sessions are not to blame and stay.
        wait_established(node1, "tor")?;
        wait_established(node2, "tor")
    })
}

#[test]
fn two_nodes_that_are_peers_of_each_other_both_say_it() -> Result<()> {
    let (_folder, lab) = neighbours()?;
    for (name, other) in [("node1", "65002"), ("node2", "65001")] {
        wait_conflict(lab.node(name)?, "10.244.1.0/24", &[other, "two nodes"])?;
    }
    Ok(())
}

/// Two nodes on one link, each the other's peer, with one pod CIDR.
fn neighbours() -> Result<(tempfile::TempDir, Lab)> {
    let folder = tempfile::tempdir()?;
    let nodes = [("node1", 65001, 1, 2, 65002), ("node2", 65002, 2, 1, 65001)];
    let mut text = "name: neighbours\ntopology:\n  defaults: {kind: linux, network-mode: none}\n  \
                    links: [{endpoints: [\"node1:eth1\", \"node2:eth1\"], mtu: 1500}]\n  nodes:\n"
        .to_owned();
    for (name, asn, own, other, remote_asn) in nodes {
        text += &format!(
            "    {name}:\n      image: rcni/node\n      env: {{RCNI_WAIT_FOR: eth1}}\n      \
             binds: [\"{name}.yaml:/etc/rcni/bgp.yaml:ro\"]\n      \
             exec: [\"ip address add 10.0.0.{own}/24 dev eth1\"]\n"
        );
        let config = format!(
            "apiVersion: rcni.io/v1alpha1\nkind: BGPConfiguration\nmetadata: {{name: default}}\n\
             spec: {{asNumber: {asn}, routerID: 10.0.0.{own}, networks: [{{cidr: 10.244.1.0/24}}]}}\n\
             ---\napiVersion: rcni.io/v1alpha1\nkind: BGPPeer\nmetadata: {{name: other}}\n\
             spec: {{peerIP: 10.0.0.{other}, asNumber: {remote_asn}}}\n"
        );
        std::fs::write(folder.path().join(format!("{name}.yaml")), config)?;
    }
    let file = folder.path().join("neighbours.clab.yml");
    std::fs::write(&file, text)?;
    let lab = Lab::deploy(&file, &Options::default())?;
    Ok((folder, lab))
}

#[test]
fn an_as_that_the_router_does_not_have() -> Result<()> {
    let patches = [(NODE1_BGP, "asNumber: 65000", "asNumber: 65009")];
    in_patched_lab("two-node-frr", &patches, |lab| {
        let node1 = lab.node("node1")?;
        wait_down(node1, "tor", &["wrong-as", "65000", "65009"])?;
        ensure!(
            Status::of(node1)?.kernel.installed == 0,
            "routes of a peer that is not ours"
        );
        node2_is_well(lab)
    })
}

#[test]
fn a_router_that_expects_another_as_of_us() -> Result<()> {
    let patches = [(
        FRR_CONF,
        "10.0.1.11 remote-as 65001",
        "10.0.1.11 remote-as 65077",
    )];
    in_patched_lab("two-node-frr", &patches, |lab| {
        let node1 = lab.node("node1")?;
        wait_down(node1, "tor", &["wrong-as", "2/2"])?;
        node2_is_well(lab)?;
        // Put right at the router: nothing is to be done on the node.
        router(
            lab,
            &[
                "no neighbor 10.0.1.11 remote-as 65077",
                "neighbor 10.0.1.11 remote-as 65001",
            ],
        )?;
        router(lab, &["neighbor 10.0.1.11 peer-group NODES"])?;
        wait_established_within(BACK_OFF, node1, "tor")
    })
}

#[test]
fn a_password_at_the_router_only() -> Result<()> {
    let patches = [(
        FRR_CONF,
        "neighbor 10.0.1.11 remote-as 65001",
        "neighbor 10.0.1.11 remote-as 65001\n neighbor 10.0.1.11 password hardly-secret",
    )];
    in_patched_lab("two-node-frr", &patches, |lab| {
        let node1 = lab.node("node1")?;
        wait_down(node1, "tor", &["MD5", "password"])?;
        node2_is_well(lab)?;
        router(lab, &["no neighbor 10.0.1.11 password"])?;
        wait_established_within(BACK_OFF, node1, "tor")
    })
}

#[test]
fn a_password_at_the_node_only() -> Result<()> {
    let patches = [(
        NODE1_BGP,
        "asNumber: 65000",
        "asNumber: 65000\n  password: hardly-secret",
    )];
    in_patched_lab("two-node-frr", &patches, |lab| {
        let node1 = lab.node("node1")?;
        wait_down(node1, "tor", &["MD5", "password"])?;
        let logs = std::fs::read_to_string(node1.log_folder().join("rcni/rcni-bgp.log"))?;
        ensure!(
            !logs.contains("hardly-secret"),
            "the log tells the password"
        );
        node2_is_well(lab)?;
        router(lab, &["neighbor 10.0.1.11 password hardly-secret"])?;
        wait_established_within(BACK_OFF, node1, "tor")
    })
}

#[test]
fn two_passwords_that_differ() -> Result<()> {
    let patches = [
        (
            NODE1_BGP,
            "asNumber: 65000",
            "asNumber: 65000\n  password: hardly-secret",
        ),
        (
            FRR_CONF,
            "neighbor 10.0.1.11 remote-as 65001",
            "neighbor 10.0.1.11 remote-as 65001\n neighbor 10.0.1.11 password another",
        ),
    ];
    in_patched_lab("two-node-frr", &patches, |lab| {
        wait_down(lab.node("node1")?, "tor", &["MD5", "password"])?;
        node2_is_well(lab)
    })
}

#[test]
fn a_next_hop_on_no_network_is_said_and_used_once_it_is_there() -> Result<()> {
    // In IPv6 FRR adds its link-local address where it knows it, and that one can be used:
    // bgp/tests/families.rs has a peer that does not.
    in_patched_lab("two-node-frr", &[], |lab| {
        let (node1, tor) = (lab.node("node1")?, lab.node("tor")?);
        wait_established(node1, "tor")?;
        let (prefix, next_hop) = ("10.244.7.0/24", "192.0.2.77");
        vtysh(tor, &["ip prefix-list LOST seq 5 permit 10.244.7.0/24"])?;
        vtysh(tor, &["ip route 10.244.7.0/24 blackhole"])?;
        let lines = [
            "match ip address prefix-list LOST",
            "set ip next-hop 192.0.2.77",
        ];
        vtysh(tor, &["route-map TO-NODES permit 1", lines[0], lines[1]])?;
        router(
            lab,
            &["address-family ipv4 unicast", "network 10.244.7.0/24"],
        )?;
        wait_failed(node1, prefix, next_hop)?;
        // Nothing else suffers.
        wait_route(node1, "10.244.2.0/24", "10.0.1.1")?;
        node1.check(&["ip", "address", "add", "192.0.2.1/24", "dev", "eth1"])?;
        wait_route(node1, prefix, next_hop)?;
        wait_until(DEADLINE, "nothing is amiss any more", || -> Result<()> {
            let failed = Status::of(node1)?.kernel.failed;
            ensure!(failed.is_empty(), "{failed:?}");
            Ok(())
        })
    })
}

fn wait_failed(node: &Node, prefix: &str, next_hop: &str) -> Result<()> {
    let what = format!("status names {prefix} and {next_hop}");
    wait_until(DEADLINE, &what, || -> Result<()> {
        let failed = Status::of(node)?.kernel.failed;
        let found = failed.iter().find(|failed| failed.prefix == prefix);
        let found = found.with_context(|| format!("only {failed:?}"))?;
        ensure!(found.reason.contains(next_hop), "{}", found.reason);
        Ok(())
    })?;
    let shown = node.exec(&["rcni-bgp", "status"])?.stdout;
    ensure!(shown.contains(next_hop), "{shown}");
    Ok(())
}

#[test]
fn an_uplink_that_is_larger_than_the_routers_end_is_said() -> Result<()> {
    // Jumbo frames at the server and not at the switch. TCP agrees on the smaller size, so that the
    // session says nothing of what happens to the pods' large packets.
    in_patched_lab("two-node-frr", &[], |lab| {
        let (node1, tor) = (lab.node("node1")?, lab.node("tor")?);
        wait_established(node1, "tor")?;
        ensure!(notes(node1)?.is_empty(), "{}", notes(node1)?);
        node1.check(&["ip", "link", "set", "eth1", "mtu", "9000"])?;
        // Seen when a connection is made.
        tor.kill("bgpd")
            .and_then(|daemon| tor.start_again(&daemon))?;
        wait_until(DEADLINE, "the note", || -> Result<()> {
            let said = notes(node1)?;
            for word in ["MTU", "eth1", "9000", "1500"] {
                ensure!(said.contains(word), "{said:?}");
            }
            Ok(())
        })?;
        wait_established(node1, "tor")?;
        // Mended without a new session.
        node1.check(&["ip", "link", "set", "eth1", "mtu", "1500"])?;
        wait_until(DEADLINE, "no note any more", || -> Result<()> {
            let said = notes(node1)?;
            ensure!(said.is_empty(), "{said}");
            Ok(())
        })
    })
}

fn notes(node: &Node) -> Result<String> {
    Ok(Status::of(node)?.peer("tor")?.notes.join("\n"))
}

#[test]
fn a_smaller_mtu_further_on_is_found_by_the_pods() -> Result<()> {
    // Node 1 is on a link with jumbo frames, node 2 is not.
    let patches = [(
        "topology.clab.yml",
        "\"node1:eth1\"], mtu: 1500",
        "\"node1:eth1\"], mtu: 9000",
    )];
    in_patched_lab("two-node", &patches, |lab| {
        wait_established(lab.node("node1")?, "tor")?;
        wait_established(lab.node("node2")?, "tor")?;
        let large = add_pod(lab, "node1", "large")?;
        let small = add_pod(lab, "node2", "small")?;
        for (pod, mtu) in [(&large, "9000"), (&small, "1500")] {
            let link = pod.exec(&["ip", "link", "show", "dev", "eth0"])?.ok()?;
            ensure!(link.contains(&format!("mtu {mtu} ")), "{link}");
        }
        // A packet of node 1's size says so instead of vanishing.
        let target = small.ip()?.to_string();
        wait_until(DEADLINE, "a packet through the fabric", || {
            large.exec(&["ping", "-c", "1", "-W", "2", &target])?.ok()
        })?;
        let ping = large.exec(&[
            "ping", "-c", "3", "-W", "2", "-M", "do", "-s", "8000", &target,
        ])?;
        let said = format!("{}{}", ping.stdout, ping.stderr);
        ensure!(
            said.contains("mtu=1500") || said.contains("mtu = 1500"),
            "{said}"
        );
        let (from_small, from_large) = (serve(&small)?, serve(&large)?);
        for (pod, server) in [(&large, from_small), (&small, from_large)] {
            let transfer = fetch_in(pod, server, 4)?;
            ensure!(transfer.is_untranslated(), "{transfer:?}");
        }
        Ok(())
    })
}

/// Lines below `router bgp 65000`.
fn router(lab: &Lab, lines: &[&str]) -> Result<()> {
    let lines: Vec<&str> = ["router bgp 65000"].iter().chain(lines).copied().collect();
    vtysh(lab.node("tor")?, &lines)
}

fn vtysh(tor: &Node, lines: &[&str]) -> Result<()> {
    let mut argv = vec!["vtysh", "-c", "configure terminal"];
    lines.iter().for_each(|line| argv.extend(["-c", line]));
    tor.check(&argv).map(|_| ())
}
