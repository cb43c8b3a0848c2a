//! What others undo is done again. The periodic check is an hour away (see `Node::configure`), so
//! that each of these is found by its event.

use std::fs;

use crate::apply::{OWN, assert_in_place, bare, sorted};
use crate::node::Node;

/// Runs each script in turn, and waits after each until the rules are whole again.
fn rules_are_repaired(node: &Node, backend: &str, scripts: &[&str]) {
    let running = node.run();
    for script in scripts {
        let repairs = running.log().matches("repaired").count();
        node.sh(&script.replace("$T", backend));
        node.wait_until(&format!("repaired after {script}"), || {
            running.log().matches("repaired").count() > repairs
                && sorted(bare(&node.own_rules(backend))) == sorted(OWN.map(str::to_owned).to_vec())
        });
        let saved = node.saved(backend);
        for hook in ["FORWARD", "POSTROUTING"] {
            let first = saved
                .lines()
                .find(|line| line.starts_with(&format!("-A {hook} ")));
            assert!(
                first.unwrap().ends_with(&format!("-j RCNI-{hook}")),
                "{script}\n{saved}"
            );
        }
    }
    assert_in_place(node, backend);
    running.stop();
}

const UNDOING: [&str; 9] = [
    "$T -F",
    "$T -t nat -F",
    "$T -F RCNI-FORWARD",
    "$T -D FORWARD 1; $T -F RCNI-FORWARD; $T -X RCNI-FORWARD",
    "$T -t nat -D POSTROUTING 1",
    "$T -I FORWARD 1 -s 192.0.2.9/32 -j DROP",
    "$T -t nat -I POSTROUTING 1 -s 192.0.2.9/32 -j ACCEPT",
    "$T -A RCNI-FORWARD -j DROP",
    "$T -t nat -D RCNI-POSTROUTING 2",
];

#[test]
fn nft_rules_that_were_removed_come_back() {
    let node = Node::new();
    rules_are_repaired(&node, "iptables-nft", &UNDOING);
}

#[test]
fn a_flushed_ruleset_comes_back() {
    let node = Node::new();
    rules_are_repaired(
        &node,
        "iptables-nft",
        &["nft flush ruleset", "nft delete table ip nat"],
    );
}

#[test]
fn legacy_rules_that_were_removed_come_back() {
    let node = Node::new();
    node.configure("  iptablesBackend: legacy");
    rules_are_repaired(&node, "iptables-legacy", &UNDOING);
}

#[test]
fn a_repair_keeps_foreign_rules_and_counters() {
    let node = Node::new();
    node.sh("iptables-nft -A INPUT -m conntrack --ctstate NEW; iptables-nft -t nat -A POSTROUTING -o lo -j ACCEPT");
    let running = node.run();
    node.sh("ping -c 3 -i 0.01 -q 127.0.0.1");
    let foreign = || {
        let counted = node.counted("iptables-nft");
        let lines = counted.lines().filter(|line| !line.contains("RCNI-"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let before = foreign();
    assert!(
        !before.iter().any(|line| line.contains("[0:0] -A")),
        "counted: {before:?}"
    );
    node.sh("iptables-nft -D FORWARD 1; iptables-nft -t nat -F RCNI-POSTROUTING");
    running.wait_for_log("repaired: table nat");
    running.wait_for_log("repaired: table filter");
    assert_in_place(&node, "iptables-nft");
    assert_eq!(foreign(), before);
}

#[test]
fn concurrent_writers_lose_nothing() {
    for backend in ["iptables-nft", "iptables-legacy"] {
        let node = Node::new();
        let store = backend.trim_start_matches("iptables-");
        node.configure(&format!("  iptablesBackend: {store}"));
        let running = node.run();
        node.sh(&format!("{backend} -w -N USER"));
        let writer = "for i in $(seq 1 150); do $T -w -A USER -s 192.0.2.$i -j DROP; done";
        let undoer = "for i in 1 2 3 4 5 6 7 8; do \
                      $T -w -F RCNI-FORWARD; $T -w -t nat -F POSTROUTING; sleep 0.15; done";
        std::thread::scope(|scope| {
            scope.spawn(|| node.sh(&writer.replace("$T", backend)));
            scope.spawn(|| node.sh(&undoer.replace("$T", backend)));
        });
        node.wait_until("everything is whole", || {
            sorted(bare(&node.own_rules(backend))) == sorted(OWN.map(str::to_owned).to_vec())
        });
        let saved = node.saved(backend);
        assert_eq!(saved.matches("-A USER").count(), 150, "{saved}");
        running.stop();
    }
}

#[test]
fn foreign_changes_elsewhere_cause_no_work() {
    let node = Node::new();
    let running = node.run();
    node.sh("for i in 1 2 3 4 5; do iptables-nft -N K$i; iptables-nft -A K$i -j ACCEPT; done");
    node.sh("iptables-nft -t nat -D POSTROUTING 1");
    running.wait_for_log("repaired: table nat");
    let saved = node.saved("iptables-nft");
    assert_eq!(saved.matches(":K").count(), 5, "{saved}");
    assert_eq!(
        running.log().matches("repaired").count(),
        1,
        "{}",
        running.log()
    );
}

#[test]
fn the_blackhole_comes_back_and_other_routes_do_not_matter() {
    let node = Node::new();
    let running = node.run();
    node.sh("ip route add blackhole 192.0.2.0/24 proto 77 metric 5; \
             ip route del blackhole 192.0.2.0/24 metric 5; \
             ip route del blackhole 10.244.1.0/24");
    node.wait_until("the blackhole is back", || {
        node.routes().starts_with("blackhole 10.244")
    });
    assert_in_place(&node, "iptables-nft");
    running.stop();
}

#[test]
fn forwarding_comes_back_at_once() {
    let node = Node::new();
    let running = node.run();
    node.sh("sysctl -qw net.ipv4.ip_forward=0");
    running.wait_for_log("repaired: net/ipv4/ip_forward was 0");
    assert_in_place(&node, "iptables-nft");
}

#[test]
fn the_hash_policy_comes_back_with_the_periodic_check() {
    let node = Node::new();
    node.configure("  refreshIntervalSeconds: 1");
    let running = node.run();
    node.sh("sysctl -qw net.ipv4.fib_multipath_hash_policy=0");
    running.wait_for_log("repaired: net/ipv4/fib_multipath_hash_policy was 0");
    assert_in_place(&node, "iptables-nft");
}

#[test]
fn the_conflist_comes_back() {
    let node = Node::new();
    let running = node.run();
    let right = fs::read_to_string(node.conflist()).unwrap();
    for script in [
        "rm $DIR/net.d/10-rcni.conflist",
        "echo broken > $DIR/net.d/10-rcni.conflist",
        "rm -r $DIR/net.d",
        "rm $DIR/net.d/10-rcni.conflist",
    ] {
        node.sh(script);
        node.wait_until(script, || {
            fs::read_to_string(node.conflist()).is_ok_and(|text| text == right)
        });
    }
    assert_eq!(node.sh("ls -A $DIR/net.d"), "10-rcni.conflist\n");
    running.stop();
    assert!(node.conflist().exists(), "stopping leaves it");
}
