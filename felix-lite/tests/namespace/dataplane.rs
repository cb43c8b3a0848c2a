//! What arrives where, and with which source, on a node that drops what nobody accepts.

use crate::node::Node;

/// A pod behind `rcni…` and, behind `eth0`, one host that is another node, a pod on it, and a host
/// outside, and counts what arrives by source and destination.
const WIRES: &str = "
    ip netns add pod; ip netns add far
    ip link add rcni0123456789a type veth peer name eth0 netns pod
    ip link add eth0 type veth peer name eth0 netns far
    ip addr add 10.0.1.11/24 dev eth0; ip link set eth0 up; ip link set rcni0123456789a up
    ip addr add 169.254.1.1/32 dev rcni0123456789a
    ip route add 10.244.1.2/32 dev rcni0123456789a proto 77
    ip -n pod addr add 10.244.1.2/32 dev eth0; ip -n pod link set eth0 up
    ip -n pod route add 169.254.1.1 dev eth0; ip -n pod route add default via 169.254.1.1
    ip -n far addr add 10.0.1.12/24 dev eth0; ip -n far link set eth0 up; ip -n far link set lo up
    ip -n far addr add 10.244.2.9/32 dev lo; ip -n far addr add 203.0.113.10/32 dev lo
    ip -n far route add 10.244.1.0/24 via 10.0.1.11
    ip route add 10.244.2.0/24 via 10.0.1.12; ip route add 203.0.113.0/24 via 10.0.1.12
    iptables-nft -P FORWARD DROP
";

/// Where the pings of `far` were answered from, by source.
fn seen(node: &Node, destination: &str) -> String {
    let rule = |source: &str| {
        format!("ip netns exec far iptables-nft -A INPUT -s {source} -d {destination} -p icmp")
    };
    node.sh("ip netns exec far iptables-nft -F");
    node.sh(&format!("{}; {}", rule("10.244.1.2"), rule("10.0.1.11")));
    node.sh(&format!(
        "ip netns exec pod ping -c 1 -W 5 -q {destination}"
    ));
    let counted = node.sh("ip netns exec far iptables-nft-save -c");
    let arrived = counted.lines().find(|line| line.starts_with("[1:"));
    let arrived = arrived.unwrap_or_else(|| panic!("one packet: {counted}"));
    arrived
        .split(' ')
        .skip_while(|word| *word != "-s")
        .nth(1)
        .unwrap()
        .to_owned()
}

#[test]
fn only_what_leaves_the_cluster_is_translated() {
    let node = Node::new();
    node.sh(WIRES);
    let blocked = node.try_sh("ip netns exec pod ping -c 1 -W 1 -q 10.244.2.9");
    assert!(!blocked.status.success(), "nothing is forwarded yet");
    let running = node.run();
    assert_eq!(
        seen(&node, "10.244.2.9"),
        "10.244.1.2/32",
        "a pod on another node"
    );
    assert_eq!(seen(&node, "10.0.1.12"), "10.244.1.2/32", "another node");
    assert_eq!(seen(&node, "203.0.113.10"), "10.0.1.11/32", "outside");
    // Towards the pod, from a node and from a pod elsewhere.
    for source in ["10.0.1.12", "10.244.2.9"] {
        node.sh(&format!(
            "ip netns exec far ping -c 1 -W 5 -q -I {source} 10.244.1.2"
        ));
    }
    // The own node, in both directions.
    node.sh("ping -c 1 -W 5 -q 10.244.1.2; ip netns exec pod ping -c 1 -W 5 -q 10.0.1.11");
    // An address that no pod has goes nowhere, and does not come back to who sent it.
    let refused = node.try_sh("ip netns exec far ping -c 1 -W 1 -q 10.244.1.77");
    assert!(!refused.status.success());
    // A foreign source out of a pod is not ours to accept, and the policy drops it.
    node.sh("ip -n pod addr add 192.0.2.5/32 dev eth0");
    let spoofed = node.try_sh("ip netns exec pod ping -c 1 -W 1 -q -I 192.0.2.5 10.0.1.12");
    assert!(!spoofed.status.success());
    running.stop();
    assert_eq!(
        seen(&node, "203.0.113.10"),
        "10.0.1.11/32",
        "stopping changes nothing"
    );
}

#[test]
fn without_masquerade_the_outside_sees_the_pod() {
    let node = Node::new();
    node.sh(WIRES);
    node.configure("  masquerade: false");
    node.oneshot();
    assert_eq!(seen(&node, "203.0.113.10"), "10.244.1.2/32");
}
