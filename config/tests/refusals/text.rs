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
           routerID? Known here: asNumber, routerID, listenPort, networks, maximumPaths, \
           gracefulRestart, kernel",
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
            r#"bgp.yaml:9: kind (BGPpeer tor-a): unknown kind "BGPpeer"; did you mean BGPPeer? There are BGPConfiguration, BGPPeer, BGPFilter"#,
        ],
    );
    speaker_refuses(
        &format!("{NODE}{}", object("IPPool", "a", "  cidr: 10.0.0.0/8\n")),
        &[
            r#"bgp.yaml:9: kind (IPPool a): unknown kind "IPPool"; write one of BGPConfiguration, BGPPeer, BGPFilter"#,
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
        ],
    );
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
        &["bgp.yaml:1: kind: is required; write one of BGPConfiguration, BGPPeer, BGPFilter"],
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
        &["bgp.yaml:12: spec.peerIP (BGPPeer tor-a): is required; add peerIP"],
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
