//! The speaker itself, and what concerns objects of all kinds.

use super::*;

#[test]
fn as_numbers() {
    speaker_refuses(
        &NODE.replace("65001", "0"),
        &[
            "bgp.yaml:5: spec.asNumber (BGPConfiguration default): AS 0 is reserved (RFC 7607); write 1 to 4294967295",
        ],
    );
    for (given, peer) in [(-1_i64, "-1"), (4_294_967_296, "4294967296")] {
        speaker_refuses(
            &with_peer(&format!("  peerIP: 10.0.1.1\n  asNumber: {given}\n")),
            &[&format!(
                "bgp.yaml:13: spec.asNumber (BGPPeer tor-a): {peer} is out of range; write 1 to 4294967295"
            )],
        );
    }
}

#[test]
fn router_id() {
    speaker_refuses(
        &NODE.replace("10.0.1.11", "0.0.0.0"),
        &[
            "bgp.yaml:6: spec.routerID (BGPConfiguration default): 0.0.0.0 is not a BGP identifier \
           (RFC 6286); write four numbers such as 10.0.1.11, unique in the network",
        ],
    );
    speaker_refuses(
        &NODE.replace("10.0.1.11", "fd00::1"),
        &[
            r#"bgp.yaml:6: spec.routerID (BGPConfiguration default): "fd00::1" does not have the form of an IPv4 address; write four numbers such as 10.0.1.11, unique in the network"#,
        ],
    );
}

#[test]
fn ports_and_other_numbers_out_of_range() {
    speaker_refuses(
        &format!("{NODE}  listenPort: 0\n  maximumPaths: 256\n"),
        &[
            "bgp.yaml:7: spec.listenPort (BGPConfiguration default): 0 is out of range; write 1 to 65535",
            "bgp.yaml:8: spec.maximumPaths (BGPConfiguration default): 256 is out of range; write 1 to 255",
        ],
    );
    speaker_refuses(
        &format!(
            "{NODE}  gracefulRestart:\n    restartTimeSeconds: 4096\n    stalePathTimeSeconds: 0\n"
        ),
        &[
            "bgp.yaml:8: spec.gracefulRestart.restartTimeSeconds (BGPConfiguration default): 4096 is out of range; write 0 to 4095",
            "bgp.yaml:9: spec.gracefulRestart.stalePathTimeSeconds (BGPConfiguration default): 0 is out of range; write 1 to 65535",
        ],
    );
    speaker_refuses(
        &with_peer(
            "  peerIP: 10.0.1.1\n  asNumber: 65000\n  peerPort: 70000\n  connectRetrySeconds: 0\n",
        ),
        &[
            "bgp.yaml:14: spec.peerPort (BGPPeer tor-a): 70000 is out of range; write 1 to 65535",
            "bgp.yaml:15: spec.connectRetrySeconds (BGPPeer tor-a): 0 is out of range; write 1 to 65535",
        ],
    );
}

#[test]
fn networks() {
    let refuses = |cidr: &str, reason: &str| {
        speaker_refuses(
            &format!("{NODE}  networks:\n    - cidr: {cidr}\n"),
            &[&format!(
                "bgp.yaml:8: spec.networks[0].cidr (BGPConfiguration default): {reason}"
            )],
        );
    };
    refuses(
        "10.244.1.5/24",
        "10.244.1.5/24 has host bits set; the network is 10.244.1.0/24",
    );
    refuses(
        "fd00::1/64",
        "fd00::1/64 has host bits set; the network is fd00::/64",
    );
    refuses(
        "10.244.1.0",
        "10.244.1.0 has no prefix length; write 10.244.1.0/32 for the one address",
    );
    refuses(
        "10.0.0.0/255.0.0.0",
        "10.0.0.0/255.0.0.0 has no valid prefix length; write /0 to /32",
    );
    refuses(
        "10.0.0.0/33",
        "10.0.0.0/33 has no valid prefix length; write /0 to /32",
    );
    refuses(
        "fd00::/129",
        "fd00::/129 has no valid prefix length; write /0 to /128",
    );
    refuses(
        "pods",
        r#""pods" is not an IP prefix; write one such as 10.244.1.0/24 or fd00:10::/64"#,
    );
    refuses(
        "224.0.0.0/4",
        "224.0.0.0/4 is multicast and is never routed; remove it",
    );
    for (network, what) in [
        ("0.0.0.0/8", "of this network (RFC 1122)"),
        ("127.1.0.0/16", "loopback"),
        ("255.255.255.255/32", "reserved (RFC 1112)"),
        ("::ffff:10.0.0.0/104", "IPv4-mapped"),
    ] {
        let reason = format!("{network} is {what} and is never routed; remove it");
        refuses(network, &reason);
    }
    refuses(
        "fe80::/10",
        "fe80::/10 is link-local and is never routed; remove it",
    );
}

#[test]
fn duplicate_and_overlapping_networks() {
    speaker_refuses(
        &format!(
            "{NODE}  networks:\n    - cidr: 10.244.1.0/24\n    - cidr: 10.244.1.0/24\n    - cidr: 10.244.0.0/16\n"
        ),
        &[
            "bgp.yaml:9: spec.networks[1].cidr (BGPConfiguration default): 10.244.1.0/24 is listed twice (line 8); remove one of them",
            "bgp.yaml:10: spec.networks[2].cidr (BGPConfiguration default): 10.244.0.0/16 overlaps \
             10.244.1.0/24 (line 8); list disjoint prefixes, or 10.244.0.0/16 alone",
        ],
    );
    // A default route lies around everything: a router may originate both.
    let text = format!("{NODE}  networks: [{{cidr: 0.0.0.0/0}}, {{cidr: 203.0.113.0/24}}]\n");
    assert_eq!(parse_speaker("bgp.yaml", &text).unwrap().networks.len(), 2);
}

#[test]
fn kernel_numbers_that_are_not_ours() {
    let owners = [
        (0, "the kernel and administrators (0 to 4)"),
        (4, "the kernel and administrators (0 to 4)"),
        (11, "zebra"),
        (12, "BIRD"),
        (80, "Calico"),
        (186, "FRR, whose zebra deletes 186 to 199 when it starts"),
        (199, "FRR, whose zebra deletes 186 to 199 when it starts"),
    ];
    for (protocol, owner) in owners {
        speaker_refuses(
            &format!("{NODE}  kernel: {{protocol: {protocol}}}\n"),
            &[&format!(
                "bgp.yaml:7: spec.kernel.protocol (BGPConfiguration default): route protocol \
                 {protocol} belongs to {owner}; leave it out for 77, or write 5 to 255 without \
                 11, 12, 80 and 186 to 199"
            )],
        );
    }
    speaker_refuses(
        &format!(
            "{NODE}  kernel:\n    table: 0\n    metric: 0\n    defaultRouteMetric: 0\n    protocol: 256\n"
        ),
        &[
            "bgp.yaml:8: spec.kernel.table (BGPConfiguration default): 0 is out of range; write 1 to 4294967295",
            "bgp.yaml:9: spec.kernel.metric (BGPConfiguration default): 0 is out of range; write 1 to 4294967295",
            "bgp.yaml:10: spec.kernel.defaultRouteMetric (BGPConfiguration default): 0 is out of range; write 1 to 4294967295",
            "bgp.yaml:11: spec.kernel.protocol (BGPConfiguration default): 256 is out of range; write 0 to 255",
        ],
    );
    speaker_refuses(
        &format!("{NODE}  kernel:\n    table: 255\n    metric: 4278198272\n"),
        &[
            "bgp.yaml:8: spec.kernel.table (BGPConfiguration default): table 255 (local) is filled \
             by the kernel itself; write 254 (main) or another number",
            "bgp.yaml:9: spec.kernel.metric (BGPConfiguration default): metric 4278198272 marks \
             felix-lite's blackhole routes; write any other",
        ],
    );
}

#[test]
fn next_hop_groups() {
    speaker_refuses(
        &format!("{NODE}  kernel: {{nextHopGroups: resilient, resilientGroups: {{buckets: 0}}}}\n"),
        &[
            "bgp.yaml:7: spec.kernel.nextHopGroups (BGPConfiguration default): unknown value \
             \"resilient\"; did you mean Resilient? Write one of Auto, Resilient, Never",
            "bgp.yaml:7: spec.kernel.resilientGroups.buckets (BGPConfiguration default): 0 is out \
             of range; write 1 to 65535",
        ],
    );
    for mode in [
        "",
        "    nextHopGroups: Auto\n",
        "    nextHopGroups: Never\n",
    ] {
        let line = if mode.is_empty() { 8 } else { 9 };
        speaker_refuses(
            &format!("{NODE}  kernel:\n{mode}    resilientGroups: {{buckets: 64}}\n"),
            &[&format!(
                "bgp.yaml:{line}: spec.kernel.resilientGroups (BGPConfiguration default): has no \
                 effect without nextHopGroups: Resilient; write nextHopGroups: Resilient, or \
                 remove it"
            )],
        );
    }
    speaker_refuses(
        &format!(
            "{NODE}  kernel:\n    nextHopGroups: Resilient\n    resilientGroups:\n      \
             buckets: 65536\n      idleTimeSeconds: 604801\n      unbalancedTimeSeconds: -1\n      \
             idle: 5\n"
        ),
        &[
            "bgp.yaml:10: spec.kernel.resilientGroups.buckets (BGPConfiguration default): 65536 is out of range; write 1 to 65535",
            "bgp.yaml:11: spec.kernel.resilientGroups.idleTimeSeconds (BGPConfiguration default): 604801 is out of range; write 0 to 604800",
            "bgp.yaml:12: spec.kernel.resilientGroups.unbalancedTimeSeconds (BGPConfiguration default): -1 is out of range; write 0 to 604800",
            "bgp.yaml:13: spec.kernel.resilientGroups.idle (BGPConfiguration default): unknown field; known here: buckets, idleTimeSeconds, unbalancedTimeSeconds",
        ],
    );
    speaker_refuses(
        &format!(
            "{NODE}  maximumPaths: 16\n  kernel: {{nextHopGroups: Resilient, resilientGroups: {{buckets: 15}}}}\n"
        ),
        &[
            "bgp.yaml:8: spec.kernel.resilientGroups.buckets (BGPConfiguration default): 15 is less \
             than spec.maximumPaths (16), and some next hops would get nothing; write 16 to 65535, \
             better many times as many",
        ],
    );
}

#[test]
fn node_addresses() {
    let refuses = |address: &str, reason: &str| {
        speaker_refuses(
            &format!("{NODE}  nodeAddresses:\n    - \"{address}\"\n"),
            &[&format!(
                "bgp.yaml:8: spec.nodeAddresses[0] (BGPConfiguration default): {reason}"
            )],
        );
    };
    for (address, what) in [
        ("0.0.0.0", "no host's address"),
        ("::", "no host's address"),
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("0.1.2.3", "of this network (RFC 1122)"),
        ("224.0.0.5", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "reserved (RFC 1112)"),
        ("fe80::1", "link-local"),
    ] {
        let reason = format!(
            "{address} is {what}, and others could not answer it; write an address of this node \
             that others can reach, such as 10.0.9.11"
        );
        refuses(address, &reason);
    }
    refuses(
        "fe80::1%eth0",
        "fe80::1 is link-local, and others could not answer it; write an address of this node \
         that others can reach, such as 10.0.9.11",
    );
    refuses(
        "169.254.0.9",
        "169.254.0.9 is link-local, as the pods' gateway 169.254.1.1, and others could not answer \
         it; write an address of this node that others can reach, such as 10.0.9.11",
    );
    refuses(
        "::ffff:10.0.9.11",
        "::ffff:10.0.9.11 is an IPv4 address in IPv6 form; write 10.0.9.11",
    );
    refuses(
        "10.0.9.11/32",
        "\"10.0.9.11/32\" is not an IP address; write 10.0.9.11",
    );
    for word in ["node1", "10.0.9", "fd00::1%eth0", "", "10.0.9.11/lo/"] {
        let hint = if word.contains('/') {
            "10.0.9.11"
        } else {
            "one such as 10.0.9.11 or fd00:9::11"
        };
        refuses(
            word,
            &format!("{word:?} is not an IP address; write {hint}"),
        );
    }
}

#[test]
fn one_node_address_of_each_family() {
    speaker_refuses(
        &format!(
            "{NODE}  nodeAddresses:\n    - 10.0.9.11\n    - fd00:9::11\n    - 10.0.9.11\n    - \
             10.0.9.12\n    - fd00:9::12\n"
        ),
        &[
            "bgp.yaml:10: spec.nodeAddresses[2] (BGPConfiguration default): 10.0.9.11 is listed \
             twice (line 8); remove one of them",
            "bgp.yaml:11: spec.nodeAddresses[3] (BGPConfiguration default): 10.0.9.12 is a second \
             IPv4 address beside 10.0.9.11 (line 8), and a node is known by one; keep the one that \
             other nodes know this node by",
            "bgp.yaml:12: spec.nodeAddresses[4] (BGPConfiguration default): fd00:9::12 is a second \
             IPv6 address beside fd00:9::11 (line 9), and a node is known by one; keep the one that \
             other nodes know this node by",
        ],
    );
    speaker_refuses(
        &format!("{NODE}  nodeAddresses: 10.0.9.11\n"),
        &[
            "bgp.yaml:7: spec.nodeAddresses (BGPConfiguration default): wrong type: string \
             \"10.0.9.11\"; write a list ([a, b], or lines that begin with -)",
        ],
    );
}

#[test]
fn objects_that_there_must_be_one_of() {
    speaker_refuses(
        &object(
            "BGPPeer",
            "tor-a",
            "  peerIP: 10.0.1.1\n  asNumber: 65000\n",
        ),
        &[
            "bgp.yaml: there is no BGPConfiguration; add one, with apiVersion rcni.io/v1alpha1; see config/samples",
        ],
    );
    let second = object(
        "BGPConfiguration",
        "other",
        "  asNumber: 65001\n  routerID: 10.0.1.11\n",
    );
    speaker_refuses(
        &format!("{NODE}{second}"),
        &[
            "bgp.yaml:10: metadata.name (BGPConfiguration other): there is more than one BGPConfiguration; keep exactly one",
        ],
    );
}

#[test]
fn names() {
    let spec = "  peerIP: 10.0.1.1\n  asNumber: 65000\n";
    let other = "  peerIP: 10.0.1.2\n  asNumber: 65000\n";
    speaker_refuses(
        &format!("{}{}", with_peer(spec), object("BGPPeer", "tor-a", other)),
        &[
            "bgp.yaml:17: metadata.name (BGPPeer tor-a): there is already a BGPPeer with this name \
           (the first is in line 10); give each its own name",
        ],
    );
    speaker_refuses(
        &format!("{NODE}{}", object("BGPPeer", "Tor_A", spec)),
        &[
            "bgp.yaml:10: metadata.name (BGPPeer Tor_A): an object's name has only a-z, 0-9, - and \
           ., and begins and ends with a letter or digit; write one such as tor-a",
        ],
    );
}
