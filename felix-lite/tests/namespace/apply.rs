//! What a start does to a node, and what a further start does not.

use std::fs;
use std::time::Duration;

use crate::node::Node;

const BLACKHOLE: &str = "blackhole 10.244.1.0/24 proto 77 metric 4278198272";

/// The own rules, without the hashes.
pub(crate) fn bare(rules: &[String]) -> Vec<String> {
    let rules = rules.iter().map(|line| {
        let words = line.split(' ').filter(|word| !word.starts_with("\"rcni:"));
        words
            .collect::<Vec<_>>()
            .join(" ")
            .replace("-m comment --comment ", "")
    });
    rules.collect()
}

pub(crate) const OWN: [&str; 9] = [
    ":RCNI-FORWARD - [0:0]",
    "-A FORWARD -j RCNI-FORWARD",
    "-A RCNI-FORWARD -s 10.244.1.0/24 -i rcni+ -j ACCEPT",
    "-A RCNI-FORWARD -o rcni+ -j ACCEPT",
    ":RCNI-POSTROUTING - [0:0]",
    "-A POSTROUTING -j RCNI-POSTROUTING",
    "-A RCNI-POSTROUTING -d 10.244.0.0/16 -j RETURN",
    "-A RCNI-POSTROUTING -d 10.0.0.0/16 -j RETURN",
    "-A RCNI-POSTROUTING -s 10.244.1.0/24 -j MASQUERADE --random-fully",
];

/// The order of tables and of lines is not the same in both backends.
pub(crate) fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[track_caller]
pub(crate) fn assert_in_place(node: &Node, backend: &str) {
    let own = sorted(bare(&node.own_rules(backend)));
    assert_eq!(own, sorted(OWN.map(str::to_owned).to_vec()));
    assert_eq!(node.routes(), BLACKHOLE);
    let settings = node.sh("cat /proc/sys/net/ipv4/ip_forward \
                            /proc/sys/net/ipv4/fib_multipath_hash_policy");
    assert_eq!(settings, "1\n1\n");
    assert!(node.conflist().exists());
}

#[test]
fn a_bare_node_becomes_ready() {
    let node = Node::new();
    node.oneshot();
    assert_in_place(&node, "iptables-nft");
    assert_eq!(
        node.saved("iptables-legacy"),
        "",
        "nothing of ours in the other backend"
    );
    let conflist = fs::read_to_string(node.conflist()).unwrap();
    let conflist: serde_json::Value = serde_json::from_str(&conflist).unwrap();
    assert_eq!(conflist["name"], "rcni");
    assert_eq!(conflist["plugins"][0]["type"], "rcni");
    assert_eq!(
        conflist["plugins"][0]["ipam"]["ranges"][0][0]["subnet"],
        "10.244.1.0/24"
    );
}

#[test]
fn what_render_prints_is_what_is_applied() {
    let node = Node::new();
    let rendered = node.sh("$FELIX render --config $DIR/felix.yaml");
    assert_eq!(node.saved("iptables-nft"), "", "render changes nothing");
    node.oneshot();
    let rules = node.own_rules("iptables-nft");
    let hashes = |text: &str| {
        let words = text.split(['"', '\n']);
        words
            .filter(|word| word.starts_with("rcni:"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(sorted(hashes(&rendered)), sorted(hashes(&rules.join("\n"))));
}

/// Foreign rules in both tables, in front of which ours have to come.
pub(crate) const FOREIGN: &str = "
    $T -P FORWARD DROP
    $T -N USER
    $T -A FORWARD -s 192.0.2.0/24 -m comment --comment 'a user: -j RCNI-FORWARD' -j USER
    $T -A USER -j DROP
    $T -A INPUT -m conntrack --ctstate NEW -j ACCEPT
    $T -t nat -A POSTROUTING -o lo -j ACCEPT
    $T -t mangle -A PREROUTING -j ACCEPT
";

#[test]
fn foreign_rules_and_their_counters_stay() {
    let node = Node::new();
    node.sh(&format!("T=iptables-nft; {FOREIGN}"));
    node.sh("ping -c 3 -i 0.01 -q 127.0.0.1");
    let before = node.counted("iptables-nft");
    assert!(before.contains("-o lo -j ACCEPT"));
    assert!(
        !before.contains("[0:0] -A POSTROUTING"),
        "packets were counted: {before}"
    );
    node.oneshot();
    let after = node.counted("iptables-nft");
    let is_foreign = |line: &&str| {
        let chain = line.split_once("-A ").map_or(*line, |(_, rule)| rule);
        let jump = line.contains("\"rcni:");
        !(jump || chain.starts_with("RCNI-") || chain.starts_with(":RCNI-"))
    };
    let foreign = after.lines().filter(is_foreign);
    let foreign: String = foreign.map(|line| format!("{line}\n")).collect();
    assert_eq!(foreign, before);
    let saved = node.saved("iptables-nft");
    for hook in ["FORWARD", "POSTROUTING"] {
        let first = saved
            .lines()
            .find(|line| line.starts_with(&format!("-A {hook} ")));
        assert!(
            first.unwrap().ends_with(&format!("-j RCNI-{hook}")),
            "{saved}"
        );
    }
}

#[test]
fn a_restart_adopts_everything_and_writes_nothing() {
    let node = Node::new();
    let first = node.run();
    node.sh("ping -c 2 -i 0.01 -q 127.0.0.1");
    first.stop();
    let stopped = node.counted("iptables-nft");
    assert!(
        !stopped.contains("[0:0] -A POSTROUTING"),
        "packets were counted: {stopped}"
    );
    let conflist = fs::metadata(node.conflist()).unwrap().modified().unwrap();
    // A rule that is written again has another handle.
    let handles = "nft --handle --stateless list ruleset; ip route";
    let before = node.sh(handles);
    let second = node.run();
    second.kill();
    let third = node.run();
    assert!(!third.log().contains("applied"), "{}", third.log());
    third.stop();
    assert_eq!(node.counted("iptables-nft"), stopped);
    assert_eq!(node.sh(handles), before);
    assert_eq!(
        fs::metadata(node.conflist()).unwrap().modified().unwrap(),
        conflist
    );
}

#[test]
fn a_changed_configuration_changes_only_the_difference() {
    let node = Node::new();
    node.oneshot();
    node.configure("  masquerade: false");
    let (code, said) = node.felix("run --oneshot");
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains("table filter"), "{said}");
    let own = bare(&node.own_rules("iptables-nft"));
    assert_eq!(own, OWN[..4]);
}

#[test]
fn legacy_rules_go_where_the_other_legacy_rules_are() {
    let node = Node::new();
    node.sh(&format!("T=iptables-legacy; {FOREIGN}"));
    node.oneshot();
    assert_in_place(&node, "iptables-legacy");
    assert_eq!(node.saved("iptables-nft"), "");
}

#[test]
fn another_backend_is_switched_to_and_the_first_one_is_left_clean() {
    let node = Node::new();
    node.configure("  iptablesBackend: legacy");
    node.oneshot();
    assert_in_place(&node, "iptables-legacy");
    node.configure("  iptablesBackend: nft");
    node.oneshot();
    assert_in_place(&node, "iptables-nft");
    assert_eq!(node.own_rules("iptables-legacy"), Vec::<String>::new());
}

#[test]
fn two_backends_with_foreign_rules_are_reported() {
    let node = Node::new();
    node.sh(&format!("T=iptables-legacy; {FOREIGN}"));
    node.sh("iptables-nft -A FORWARD -j ACCEPT");
    let (code, said) = node.felix("run --oneshot");
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("both iptables-nft and iptables-legacy have rules"),
        "{said}"
    );
    assert_in_place(&node, "iptables-legacy");
}

#[test]
fn a_configuration_that_a_runtime_would_prefer_is_reported() {
    let node = Node::new();
    node.sh("mkdir $DIR/net.d; echo {} > $DIR/net.d/05-other.conflist");
    let (code, said) = node.felix("run --oneshot");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("05-other.conflist sorts before"), "{said}");
}

#[test]
fn it_waits_for_the_lock_that_another_program_holds() {
    let node = Node::new();
    node.configure("  iptablesBackend: legacy");
    node.sh("iptables-legacy -S > /dev/null");
    let running = {
        // In the background, so that the shell ends before the lock is free again.
        node.sh("flock /run/xtables.lock sleep 2 > /dev/null 2>&1 &");
        std::thread::sleep(Duration::from_millis(200));
        node.run()
    };
    assert!(!running.log().contains("ERROR"), "{}", running.log());
    assert_in_place(&node, "iptables-legacy");
}

#[test]
fn what_is_translated_gets_the_nodes_address_while_the_node_has_it() {
    let node = Node::new();
    node.configure("  nodeAddresses: [10.255.1.1]\n  refreshIntervalSeconds: 1");
    let masquerade = sorted(OWN.map(str::to_owned).to_vec());
    let translated = sorted(
        OWN.map(|line| line.replace("MASQUERADE", "SNAT --to-source 10.255.1.1"))
            .to_vec(),
    );
    let rules = || sorted(bare(&node.own_rules("iptables-nft")));
    // Nobody would get answers at an address that is not there.
    let running = node.run();
    node.wait_until("the rules are there", || rules() == masquerade);
    running.wait_for_log("does not have 10.255.1.1 of nodeAddresses");
    node.sh("ip address add 10.255.1.1/32 dev lo");
    node.wait_until("the address is used", || rules() == translated);
    node.sh("ip address del 10.255.1.1/32 dev lo");
    node.wait_until("it is not any more", || rules() == masquerade);
    node.sh("ip address add 10.255.1.1/32 dev lo");
    node.wait_until("and is again", || rules() == translated);
    running.stop();
    // The other backend says the same.
    node.configure("  nodeAddresses: [10.255.1.1]\n  iptablesBackend: legacy");
    node.oneshot();
    assert_eq!(sorted(bare(&node.own_rules("iptables-legacy"))), translated);
}
