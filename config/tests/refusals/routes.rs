//! What is done with a neighbour's routes beside the filters.

use rcni_config::{LimitAction, NextHopMode, RemovePrivateAs};

use super::*;

/// One object, whose spec is in line 12.
#[track_caller]
fn refuses(fields: &str, expected: &[&str]) {
    let expected: Vec<String> = expected
        .iter()
        .map(|text| format!("bgp.yaml:12: spec.{text}"))
        .collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    speaker_refuses(&with_peer(&format!("  {{{fields}}}\n")), &expected);
}

#[track_caller]
fn accepted(fields: &str) -> rcni_config::RouteHandling {
    let text = with_peer(&format!("  {{{fields}}}\n"));
    let config = parse_speaker("bgp.yaml", &text).unwrap_or_else(|errors| panic!("{errors}"));
    config.peers[0].routes
}

const EXTERNAL: &str = "peerIP: 10.0.1.1, asNumber: 65000";
const INTERNAL: &str = "peerIP: 10.0.1.1, asNumber: internal";

#[test]
fn own_and_private_ases() {
    let only = "is for eBGP, and this neighbour has this side's AS: paths between such are not \
                changed; remove it";
    refuses(
        &format!("{INTERNAL}, asOverride: true, removePrivateAS: replace"),
        &[
            &format!("asOverride (BGPPeer tor-a): {only}"),
            &format!("removePrivateAS (BGPPeer tor-a): {only}"),
        ],
    );
    refuses(
        &format!("{EXTERNAL}, localASNumber: 65000, asOverride: true"),
        &[&format!("asOverride (BGPPeer tor-a): {only}")],
    );
    refuses(
        &format!("{EXTERNAL}, numAllowedLocalASNumbers: 11, removePrivateAS: all"),
        &[
            "numAllowedLocalASNumbers (BGPPeer tor-a): 11 is out of range; write 0 to 10",
            "removePrivateAS (BGPPeer tor-a): unknown value \"all\"; write one of remove, replace",
        ],
    );
    let default = accepted(INTERNAL);
    assert_eq!(default, accepted(&format!("{INTERNAL}, asOverride: false")));
    assert_eq!(
        (default.allowed_own_as, default.remove_private_as),
        (0, None)
    );
    assert!(default.honor_graceful_shutdown && default.maximum_prefixes.is_none());
    let all = accepted(&format!(
        "{EXTERNAL}, numAllowedLocalASNumbers: 10, asOverride: true, removePrivateAS: remove, \
         nextHopMode: Keep, honorGracefulShutdown: false"
    ));
    assert_eq!((all.allowed_own_as, all.as_override), (10, true));
    assert_eq!(all.remove_private_as, Some(RemovePrivateAs::Remove));
    assert_eq!(all.next_hop, NextHopMode::Keep);
    assert!(!all.honor_graceful_shutdown);
}

#[test]
fn clients_are_internal() {
    for external in [EXTERNAL, "peerRange: 10.0.1.0/24, asNumber: external"] {
        refuses(
            &format!("{external}, routeReflectorClient: true"),
            &[
                "routeReflectorClient (BGPPeer tor-a): is for iBGP, and this neighbour has another \
                 AS than this side: it gets all best routes anyway; remove it",
            ],
        );
        assert!(!accepted(&format!("{external}, routeReflectorClient: false")).reflector_client);
    }
    let range = "peerRange: 10.0.1.0/24, asNumber: internal, routeReflectorClient: true";
    assert!(accepted(range).reflector_client);
    refuses(
        &format!("{INTERNAL}, nextHopMode: self"),
        &[
            "nextHopMode (BGPPeer tor-a): unknown value \"self\"; did you mean Self? Write one of \
             Auto, Self, Keep",
        ],
    );
}

#[test]
fn clusters() {
    for (given, reason) in [
        (
            "0.0.0.0",
            "0.0.0.0 is not a cluster's identifier; write four numbers such as 10.0.1.11, or leave \
             it out for routerID",
        ),
        (
            "'1'",
            r#""1" does not have the form of an IPv4 address; write four numbers such as 10.0.1.11, or leave it out for routerID"#,
        ),
    ] {
        speaker_refuses(
            &format!("{NODE}  clusterID: {given}\n"),
            &[&format!(
                "bgp.yaml:7: spec.clusterID (BGPConfiguration default): {reason}"
            )],
        );
    }
    let id = |text: &str| {
        parse_speaker("bgp.yaml", text)
            .unwrap()
            .cluster_id
            .to_string()
    };
    assert_eq!(id(NODE), "10.0.1.11");
    assert_eq!(id(&format!("{NODE}  clusterID: 0.0.0.5\n")), "0.0.0.5");
}

#[test]
fn long_lived_restarts() {
    let text =
        |secs: &str| format!("{NODE}  gracefulRestart: {{longLivedStaleTimeSeconds: {secs}}}\n");
    speaker_refuses(
        &text("16777216"),
        &[
            "bgp.yaml:7: spec.gracefulRestart.longLivedStaleTimeSeconds (BGPConfiguration default): \
             16777216 is out of range; write 0 to 16777215",
        ],
    );
    let config = parse_speaker("bgp.yaml", &text("16777215")).unwrap();
    assert_eq!(config.graceful_restart.long_lived_secs, 16_777_215);
}

#[test]
fn maximum_prefixes() {
    let limits = |fields: &str| format!("{EXTERNAL}, maximumPrefixes: {{{fields}}}");
    refuses(
        &limits("action: Warn"),
        &[
            "maximumPrefixes (BGPPeer tor-a): limits no family; add ipv4, ipv6 or both, each with a \
             number of prefixes; or remove it",
        ],
    );
    refuses(
        &limits("ipv4: 0, ipv6: 4294967296, warningPercent: 101, restartSeconds: 0"),
        &[
            "maximumPrefixes.ipv4 (BGPPeer tor-a): 0 is out of range; write 1 to 4294967295",
            "maximumPrefixes.ipv6 (BGPPeer tor-a): 4294967296 is out of range; write 1 to 4294967295",
            "maximumPrefixes.warningPercent (BGPPeer tor-a): 101 is out of range; write 1 to 100",
            "maximumPrefixes.restartSeconds (BGPPeer tor-a): 0 is out of range; write 1 to 65535",
        ],
    );
    for action in ["Shutdown", "Drop", "Warn"] {
        refuses(
            &limits(&format!("ipv4: 1, action: {action}, restartSeconds: 1")),
            &[
                "maximumPrefixes.restartSeconds (BGPPeer tor-a): has no meaning with this action: \
                 only Restart lets the session come back; remove it, or write action: Restart",
            ],
        );
    }
    refuses(
        &format!("{}, families: [ipv6]", limits("ipv4: 1, ipv6: 1")),
        &[
            "maximumPrefixes.ipv4 (BGPPeer tor-a): limits IPv4 routes, and families has no ipv4; \
             remove it, or add ipv4 to families",
        ],
    );
    // Only what is the cause is refused.
    refuses(
        &limits("ipv4: 1, restartSeconds: 1, action: restart"),
        &[
            "maximumPrefixes.action (BGPPeer tor-a): unknown value \"restart\"; did you mean Restart? \
             Write one of Restart, Shutdown, Drop, Warn",
        ],
    );
    let found = accepted(&limits("ipv4: 4294967295"))
        .maximum_prefixes
        .unwrap();
    assert_eq!(found.ipv4.unwrap().get(), u32::MAX);
    assert_eq!((found.ipv6, found.warning_percent), (None, 75));
    assert_eq!(found.action, LimitAction::Restart(60));
    let found = accepted(&limits("ipv6: 1, action: Drop, warningPercent: 100"));
    assert_eq!(found.maximum_prefixes.unwrap().action, LimitAction::Drop);
}
