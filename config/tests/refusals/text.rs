//! Not YAML, or not of the right shape.

use super::*;

#[test]
fn wrong_type() {
    speaker_refuses(
        &NODE.replace("65001", "abc"),
        &[
            r#"bgp.yaml:5: spec.asNumber (BGPConfiguration default): wrong type: string "abc"; write a whole number"#,
        ],
    );
    speaker_refuses(
        &NODE.replace("65001", "\"65001\""),
        &[
            r#"bgp.yaml:5: spec.asNumber (BGPConfiguration default): wrong type: string "65001"; write a whole number"#,
        ],
    );
    speaker_refuses(
        &with_peer("  peerIP: 10.0.1.1\n  asNumber: 65000\n  filters: from-fabric\n"),
        &[
            "bgp.yaml:14: spec.filters (BGPPeer tor-a): wrong type: string \"from-fabric\"; write a list ([a, b], or lines that begin with -)",
        ],
    );
    speaker_refuses(
        &format!("{NODE}  kernel: {{install: yes}}\n"),
        &[
            "bgp.yaml:7: spec.kernel.install (BGPConfiguration default): wrong type: string \"yes\"; write true or false",
        ],
    );
    speaker_refuses(
        &with_filter("  importV4:\n    - {action: accept}\n"),
        &[
            r#"bgp.yaml:13: spec.importV4[0].action (BGPFilter from-fabric): unknown value "accept"; did you mean Accept? Write one of Accept, Reject"#,
        ],
    );
}

#[test]
fn no_value() {
    speaker_refuses(
        &NODE.replace(" 65001", ""),
        &[
            "bgp.yaml:5: spec.asNumber (BGPConfiguration default): has no value; write a whole number",
        ],
    );
    speaker_refuses(
        &NODE.replace(" 10.0.1.11", ""),
        &["bgp.yaml:6: spec.routerID (BGPConfiguration default): has no value; write a text"],
    );
}

#[test]
fn unknown_field() {
    speaker_refuses(
        &NODE.replace("routerID", "routerId"),
        &[
            "bgp.yaml:6: spec.routerId (BGPConfiguration default): unknown field; did you mean \
           routerID? Known here: asNumber, routerID, clusterID, listenPort, bindAddresses, networks, maximumPaths, multipathRelax, \
           gracefulRestart, nodeAddresses, kernel",
        ],
    );
    speaker_refuses(
        &format!("{NODE}  networks:\n    - cidr: 10.0.0.0/24\n      community: 5\n"),
        &[
            "bgp.yaml:9: spec.networks[0].community (BGPConfiguration default): unknown field; known here: cidr",
        ],
    );
}

#[test]
fn unknown_kind() {
    speaker_refuses(
        &format!(
            "{NODE}{}",
            object("BGPpeer", "tor-a", "  peerIP: 10.0.1.1\n")
        ),
        &[
            r#"bgp.yaml:9: kind (BGPpeer tor-a): unknown kind "BGPpeer"; did you mean BGPPeer? There are BGPConfiguration, BGPPeer, BGPFilter, BFDProfile"#,
            "bgp.yaml:12: spec.asNumber (BGPPeer tor-a): is required; add asNumber",
        ],
    );
    speaker_refuses(
        &format!("{NODE}{}", object("IPPool", "a", "  cidr: 10.0.0.0/8\n")),
        &[
            r#"bgp.yaml:9: kind (IPPool a): unknown kind "IPPool"; write one of BGPConfiguration, BGPPeer, BGPFilter, BFDProfile"#,
        ],
    );
    speaker_refuses(
        &format!(
            "{NODE}{}",
            object("FelixConfiguration", "default", "  podCIDRs: []\n")
        ),
        &[
            "bgp.yaml:9: kind (FelixConfiguration default): a FelixConfiguration does not belong \
           into this file; move it to the other program's (/etc/rcni/felix.yaml)",
            "bgp.yaml:12: spec.podCIDRs (FelixConfiguration default): is empty; list the node's own \
           pod ranges, such as [10.244.1.0/24]",
        ],
    );
}

/// The fields tell what a document is; where they do not, what all documents have is looked at.
#[test]
fn a_wrong_kind_hides_nothing() {
    let peer = "  peerIP: 10.0.1.0/24\n  asNumber: 0\n  families: [ipv5]\n";
    let errors = [
        r#"bgp.yaml:12: spec.peerIP (BGPPeer tor-a): "10.0.1.0/24" is not an IP address; write one such as 10.0.1.1 or fd00::1"#,
        "bgp.yaml:13: spec.asNumber (BGPPeer tor-a): AS 0 is reserved (RFC 7607); write 1 to 4294967295",
        r#"bgp.yaml:14: spec.families[0] (BGPPeer tor-a): unknown value "ipv5"; did you mean ipv4? Write one of ipv4, ipv6"#,
    ];
    for kind in ["BGPPeers", "Neighbour", "5"] {
        let text = format!("{NODE}{}", object(kind, "tor-a", peer));
        let shown = parse_speaker("bgp.yaml", &text).unwrap_err().to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(
            lines[0].starts_with("bgp.yaml:9: kind (")
                && lines[0].contains("did you mean BGPPeer?"),
            "{shown}"
        );
        assert_eq!(lines[1..], errors, "{shown}");
    }
    let stranger =
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: A, labels: {}}\ndata: {}\n";
    speaker_refuses(
        &format!("{NODE}{stranger}"),
        &[
            r#"bgp.yaml:8: apiVersion (ConfigMap A): unknown version "v1"; write rcni.io/v1alpha1"#,
            r#"bgp.yaml:9: kind (ConfigMap A): unknown kind "ConfigMap"; write one of BGPConfiguration, BGPPeer, BGPFilter, BFDProfile"#,
            "bgp.yaml:10: metadata.name (ConfigMap A): an object's name has only a-z, 0-9, - and ., \
             and begins and ends with a letter or digit; write one such as tor-a",
            "bgp.yaml:10: metadata.labels (ConfigMap A): unknown field; known here: name",
            "bgp.yaml:11: data (ConfigMap A): unknown field; known here: apiVersion, kind, metadata, spec",
        ],
    );
}

/// Two objects without a name are two objects.
#[test]
fn objects_without_a_name_are_told_apart() {
    let nameless =
        "---\napiVersion: rcni.io/v1alpha1\nkind: BGPPeer\nmetadata: {}\nspec: {asNumber: 1}\n";
    let shown = parse_speaker("bgp.yaml", &format!("{NODE}{nameless}{nameless}")).unwrap_err();
    let lines: Vec<usize> = shown.iter().filter_map(|error| error.line).collect();
    assert_eq!(lines, [10, 11, 15, 16], "{shown}");
}

#[test]
fn wrong_or_missing_api_version() {
    speaker_refuses(
        &NODE.replace("rcni.io/v1alpha1", "projectcalico.org/v3"),
        &[
            r#"bgp.yaml:1: apiVersion (BGPConfiguration default): unknown version "projectcalico.org/v3"; write rcni.io/v1alpha1"#,
        ],
    );
    speaker_refuses(
        &NODE.replace("apiVersion: rcni.io/v1alpha1\n", "# mine\n"),
        &["bgp.yaml:2: apiVersion (BGPConfiguration default): is required; write rcni.io/v1alpha1"],
    );
    speaker_refuses(
        &NODE.replace("kind: BGPConfiguration\n", ""),
        &[
            "bgp.yaml:1: kind (default): is required; did you mean BGPConfiguration? There are \
           BGPConfiguration, BGPPeer, BGPFilter, BFDProfile",
        ],
    );
}

#[test]
fn missing_required_field() {
    speaker_refuses(
        &NODE.replace("  routerID: 10.0.1.11\n", ""),
        &["bgp.yaml:5: spec.routerID (BGPConfiguration default): is required; add routerID"],
    );
    speaker_refuses(
        &with_peer("  asNumber: 65000\n"),
        &[
            "bgp.yaml:12: spec.peerIP (BGPPeer tor-a): is required; add peerIP, or peerRange for all that connect from a prefix, or peerInterface for whoever is on a link",
        ],
    );
    speaker_refuses(
        &NODE.replace("metadata: {name: default}\n", ""),
        &["bgp.yaml:1: metadata (BGPConfiguration without a name): is required; add metadata"],
    );
}

#[test]
fn duplicate_key() {
    speaker_refuses(
        &format!("{NODE}  asNumber: 65002\n"),
        &["bgp.yaml:7: spec.asNumber (BGPConfiguration default): is given twice; keep one of them"],
    );
    speaker_refuses(
        &format!("{NODE}  kernel:\n    metric: 5\n    metric: 5\n"),
        &[
            "bgp.yaml:9: spec.kernel.metric (BGPConfiguration default): is given twice; keep one of them",
        ],
    );
}

#[test]
fn syntax_error() {
    speaker_refuses(
        &NODE.replace("65001", "[65001"),
        &[
            "bgp.yaml:6: (BGPConfiguration default): is not valid YAML: illegal placement of ':' indicator; correct the syntax",
        ],
    );
}

#[test]
fn merge_keys_tags_and_lost_aliases() {
    speaker_refuses(
        &format!("{NODE}  <<: {{listenPort: 1}}\n"),
        &[
            "bgp.yaml:7: (BGPConfiguration default): merge keys (<<) are not supported; write the fields out",
        ],
    );
    speaker_refuses(
        &format!("{NODE}  listenPort: *port\n"),
        &[
            "bgp.yaml:7: (BGPConfiguration default): the alias (*name) has no anchor (&name) \
           in this document; write the value out",
        ],
    );
    speaker_refuses(
        &format!("{NODE}  listenPort: !port 5\n"),
        &[
            "bgp.yaml:7: (BGPConfiguration default): is not valid YAML: unsupported tag `!port`; correct the syntax",
        ],
    );
}

#[test]
fn nothing_in_it() {
    for text in ["", "\n", "# only a comment\n", "---\n---\n", "\u{feff}"] {
        speaker_refuses(
            text,
            &["bgp.yaml: is empty; write at least a BGPConfiguration; see config/samples"],
        );
    }
}

#[test]
fn no_object_at_all() {
    for text in ["5\n", "hello\n", "[1]\n"] {
        speaker_refuses(
            text,
            &["bgp.yaml:1: wrong type; write fields (name: value)"],
        );
    }
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let text = NODE.replace("10.0.1.11", "\"\\e[2Jx\\n\"");
    let shown = parse_speaker("bgp.yaml", &text).unwrap_err().to_string();
    assert!(!shown.contains(['\u{1b}', '\n']), "{shown:?}");
    let text = format!("{NODE}  \"a\\e[2Jb\": 1\n");
    let shown = parse_speaker("bgp.yaml", &text).unwrap_err().to_string();
    assert!(
        shown.contains("a\\u{1b}[2Jb") && !shown.contains('\u{1b}'),
        "{shown:?}"
    );
}

#[test]
fn signs_that_turn_the_text_around_are_shown_as_numbers() {
    let peer = object(
        "BGPPeer",
        "\"tor\u{202e}a\u{200b}\"",
        "  \"b\u{2066}c\": 1\n",
    );
    let shown = parse_speaker("bgp.yaml", &format!("{NODE}{peer}"))
        .unwrap_err()
        .to_string();
    assert!(
        shown.contains(r"(BGPPeer tor\u{202e}a\u{200b})"),
        "{shown:?}"
    );
    assert!(shown.contains(r"spec.b\u{2066}c (BGPPeer"), "{shown:?}");
    assert!(
        !shown.contains(['\u{202e}', '\u{200b}', '\u{2066}']),
        "{shown:?}"
    );
}

#[test]
fn numbers_are_shown_as_they_are_written() {
    for (number, reason) in [
        (
            "017",
            "wrong type: number `017`; write a whole number without leading zeros: `17`",
        ),
        (
            "-00",
            "wrong type: number `-00`; write a whole number without leading zeros: `-0`",
        ),
        (
            "65001.0",
            "wrong type: number `65001.0`; write a whole number in plain digits, without point and exponent",
        ),
        (
            "1e3",
            "wrong type: number `1e3`; write a whole number in plain digits, without point and exponent",
        ),
        (
            "99999999999999999999999",
            "number `99999999999999999999999` is out of range; write a smaller one",
        ),
        (
            "-18446744073709551615",
            "number `-18446744073709551615` is out of range; write a greater one",
        ),
    ] {
        let error = format!("bgp.yaml:5: spec.asNumber (BGPConfiguration default): {reason}");
        speaker_refuses(&NODE.replace("65001", number), &[&error]);
        let flow = NODE.replace(
            "  asNumber: 65001\n  routerID: 10.0.1.11\n",
            "  {routerID: 10.0.1.11,\n  asNumber: ",
        ) + number
            + "}\n";
        speaker_refuses(&flow, &[&error.replace(":5:", ":6:")]);
    }
}
