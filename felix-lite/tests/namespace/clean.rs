//! `felix-lite clean` leaves a node as it was found.

use crate::apply::FOREIGN;
use crate::node::Node;

/// Everything that could be different afterwards.
fn everything(node: &Node) -> String {
    let ruleset = node.sh("nft list ruleset 2> /dev/null");
    let rules = node.saved("iptables-nft") + &node.saved("iptables-legacy");
    ruleset + &rules + &node.routes() + &node.sysctls()
}

#[track_caller]
fn clean(node: &Node) -> String {
    let (code, said) = node.felix("clean");
    assert_eq!(code, 0, "{said}");
    said
}

#[test]
fn a_bare_node_is_bare_again() {
    let node = Node::new();
    // Exactly this cannot be told by ip_forward's value alone.
    node.sh("sysctl -qw net.ipv4.conf.all.accept_redirects=0 net.ipv4.conf.lo.forwarding=1");
    let before = everything(&node);
    node.run().stop();
    assert_ne!(everything(&node), before);
    clean(&node);
    assert_eq!(everything(&node), before);
    assert!(!node.conflist().exists());
    assert!(!node.path("state").exists());
    assert_eq!(clean(&node).lines().last(), Some("nothing to clean"));
    assert_eq!(everything(&node), before);
}

#[test]
fn foreign_things_stay_with_either_backend() {
    for backend in ["iptables-nft", "iptables-legacy"] {
        let node = Node::new();
        node.sh(&format!("T={backend}; {FOREIGN}"));
        node.sh("ip route add blackhole 192.0.2.0/24 proto 77 metric 77; \
                 ip route add blackhole 10.244.1.0/24 proto 4 metric 9; \
                 mkdir $DIR/net.d; echo '{}' > $DIR/net.d/99-other.conflist");
        let before = everything(&node);
        node.run().kill();
        assert_ne!(everything(&node), before);
        clean(&node);
        assert_eq!(everything(&node), before);
        assert_eq!(node.sh("ls -A $DIR/net.d"), "99-other.conflist\n");
    }
}

#[test]
fn tables_that_somebody_uses_by_now_stay() {
    let node = Node::new();
    node.oneshot();
    node.sh(
        "iptables-nft -A FORWARD -s 192.0.2.1/32 -j DROP; iptables-nft -t nat -P OUTPUT ACCEPT",
    );
    clean(&node);
    let saved = node.saved("iptables-nft");
    assert!(
        saved.contains("-A FORWARD -s 192.0.2.1/32 -j DROP"),
        "{saved}"
    );
    assert!(!saved.contains("RCNI"), "{saved}");
    // When they are no longer used, they can still be removed.
    node.sh("iptables-nft -F FORWARD");
    let said = clean(&node);
    assert!(said.contains("table filter: removed"), "{said}");
    assert!(!node.sh("nft list tables").contains("table ip filter"));
    assert!(!node.path("state").exists());
}

#[test]
fn tables_that_somebody_removed_are_forgotten() {
    let node = Node::new();
    node.oneshot();
    node.sh("nft flush ruleset");
    clean(&node);
    assert!(!node.path("state").exists());
}

#[test]
fn a_setting_that_somebody_changed_since_stays() {
    let node = Node::new();
    node.oneshot();
    node.sh("sysctl -qw net.ipv4.fib_multipath_hash_policy=2");
    let said = clean(&node);
    assert!(
        said.contains("fib_multipath_hash_policy is 2 and not 1: left"),
        "{said}"
    );
    let now =
        node.sh("cat /proc/sys/net/ipv4/fib_multipath_hash_policy /proc/sys/net/ipv4/ip_forward");
    assert_eq!(now, "2\n0\n");
}

#[test]
fn it_works_without_the_configuration_file() {
    let node = Node::new();
    let before = everything(&node);
    node.oneshot();
    node.sh("rm $DIR/felix.yaml");
    clean(&node);
    assert_eq!(everything(&node), before);
    assert!(!node.conflist().exists());
}

#[test]
fn a_chain_that_a_foreign_rule_enters_is_named_and_the_rest_is_cleaned() {
    let node = Node::new();
    node.oneshot();
    node.sh("iptables-nft -N USER; iptables-nft -A USER -j RCNI-FORWARD");
    let (code, said) = node.felix("clean");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("-t filter -A USER -j RCNI-FORWARD"), "{said}");
    assert_eq!(
        node.own_rules("iptables-nft"),
        [":RCNI-FORWARD - [0:0]", "-A USER -j RCNI-FORWARD"]
    );
    assert!(!node.conflist().exists());
    node.sh("iptables-nft -F USER");
    clean(&node);
    assert_eq!(node.own_rules("iptables-nft"), Vec::<String>::new());
}

#[test]
fn it_does_not_work_against_a_running_agent() {
    let node = Node::new();
    let running = node.run();
    let (code, said) = node.felix("clean");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("another felix-lite is running"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    running.stop();
    clean(&node);
}
