//! `spec.nodeAddresses`: what others know a node by is announced while the node has it, and is where
//! sessions to far peers come from.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, also in its helpers"
)]

mod common;

use common::{Daemon, Namespace, PROGRAM, pair, wait};

const NODE: &str = "
apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {name: default}
spec:
  asNumber: 65001
  routerID: 10.0.0.1
  networks: [{cidr: 10.244.1.0/24}]
  nodeAddresses: [10.9.9.9, 'fd09::9']
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {name: near}
spec: {peerIP: 10.0.0.2, asNumber: 65002, connectRetrySeconds: 1, filters: [all]}
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {name: far}
spec: {peerIP: 10.8.8.8, asNumber: 65002, multihop: 2, connectRetrySeconds: 1, families: [ipv6]}
---
apiVersion: rcni.io/v1alpha1
kind: BGPFilter
metadata: {name: all}
spec: {importV4: [{action: Accept}], importV6: [{action: Accept}]}
";

/// It takes `far` from the node's own address only, and routes from `near`.
const ROUTER: &str = "
apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {name: default}
spec: {asNumber: 65002, routerID: 10.0.0.2, kernel: {install: false}}
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {name: near}
spec: {peerIP: 10.0.0.1, asNumber: 65001, connectRetrySeconds: 1, filters: [all]}
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {name: far}
spec: {peerIP: 10.9.9.9, asNumber: 65001, multihop: 2, passive: true, families: [ipv6]}
---
apiVersion: rcni.io/v1alpha1
kind: BGPFilter
metadata: {name: all}
spec: {importV4: [{action: Accept}], importV6: [{action: Accept}]}
";

/// What each prefix has: `own network`, or from whom.
fn routes(daemon: &Daemon) -> Vec<String> {
    let output = std::process::Command::new(PROGRAM)
        .args(["routes", "--socket"])
        .arg(&daemon.socket)
        .output()
        .unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| line.trim().to_owned())
        .collect()
}

fn has(daemon: &Daemon, lines: &[&str]) -> Option<()> {
    let shown = routes(daemon);
    let there = |line: &&str| shown.iter().any(|shown| shown == line);
    lines.iter().all(there).then_some(())
}

fn state(daemon: &Daemon, peer: &str) -> Option<String> {
    let json = daemon.json()?;
    let peers = json["peers"].as_array()?.clone();
    let peer = peers.iter().find(|found| found["name"] == peer)?.clone();
    Some(peer["state"].as_str()?.to_owned())
}

fn lab() -> (Namespace, Namespace) {
    let (node, router) = pair();
    for (namespace, last, far, near) in [
        (&node, 1, "10.8.8.8", "10.0.0.2"),
        (&router, 2, "10.9.9.9", "10.0.0.1"),
    ] {
        namespace.ip(&format!("address add fd00::{last}/64 dev eth0 nodad"));
        namespace.ip(&format!("route add {far}/32 via {near}"));
    }
    router.ip("address add 10.8.8.8/32 dev lo");
    (node, router)
}

#[test]
fn an_address_is_announced_and_dialled_from_while_the_node_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let (node, router) = lab();
    node.ip("address add fd09::9/128 dev lo nodad");
    let second = Daemon::start(&router, folder.path(), "router", ROUTER);
    let first = Daemon::start(&node, folder.path(), "node", NODE);
    wait("the pods and the address that is there", || {
        has(&second, &["10.244.1.0/24", "fd09::9/128"])
    });
    has(&first, &["fd09::9/128", "best      own network"]).unwrap();
    // Not from another address, at which the router knows another peer.
    assert_eq!(has(&second, &["10.9.9.9/32"]), None);
    wait("why there is no far session", || {
        let shown = String::from_utf8(first.status(&[]).stdout).unwrap();
        let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        words
            .contains("source address is not on this node")
            .then_some(())
    });
    assert_eq!(state(&second, "near").as_deref(), Some("Established"));

    node.ip("address add 10.9.9.9/32 dev lo");
    wait("it is announced", || {
        has(&second, &["10.9.9.9/32", "fd09::9/128"])
    });
    has(&first, &["10.9.9.9/32"]).unwrap();
    wait("the far session is up", || {
        (state(&first, "far")? == "Established").then_some(())
    });
    // Another configuration does not take it away.
    let more = NODE.replace(
        "{cidr: 10.244.1.0/24}",
        "{cidr: 10.244.1.0/24}, {cidr: 10.244.2.0/24}",
    );
    std::fs::write(folder.path().join("node.yaml"), more).unwrap();
    wait("another network", || has(&second, &["10.244.2.0/24"]));
    has(&second, &["10.9.9.9/32", "fd09::9/128"]).unwrap();

    node.ip("address del 10.9.9.9/32 dev lo");
    wait("it is withdrawn", || {
        has(&second, &["10.9.9.9/32"]).is_none().then_some(())
    });
    has(&second, &["10.244.1.0/24", "fd09::9/128"]).unwrap();
    assert_eq!(state(&first, "near").as_deref(), Some("Established"));
    assert!(first.log().contains("spec.nodeAddresses"));
}
