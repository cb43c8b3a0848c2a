//! Routes through networks of speakers.

use super::net::Net;
use super::{only, peer, prefix, speaker, transit};
use crate::fsm::State;
use crate::iana::Family;
use crate::policy::{DecidedBy, Policy};
use crate::rib::{PathStatus, Step};
use crate::speaker::{EventKind, PeerConfig, RouteStatus};

const N1: &str = "10.0.1.11";
const T1: &str = "10.0.1.1";
const N2: &str = "10.0.2.12";
const T2: &str = "10.0.2.1";

/// node1 - tor - node2, the ToR originating the default route.
pub(super) fn fabric() -> Net {
    let mut net = Net::new();
    let mut config = speaker(65001, 11, &["10.244.1.0/24"]);
    let import = only("10.244.0.0/16", 24, 24);
    config.peers = vec![PeerConfig {
        import: import.clone(),
        ..peer(T1, 65000)
    }];
    let node1 = net.add(config);
    let mut config = speaker(65000, 1, &["0.0.0.0/0"]);
    config.peers = vec![
        PeerConfig {
            import: import.clone(),
            passive: true,
            ..transit(N1, 65001)
        },
        PeerConfig {
            import,
            passive: true,
            ..transit(N2, 65002)
        },
    ];
    let tor = net.add(config);
    let mut config = speaker(65002, 12, &["10.244.2.0/24"]);
    config.peers = vec![peer(T2, 65000)];
    let node2 = net.add(config);
    net.link((node1, N1), (tor, T1));
    net.link((tor, T2), (node2, N2));
    net
}

fn routes(net: &Net, node: usize, text: &str) -> Vec<RouteStatus> {
    net.speaker(node)
        .routes()
        .filter(|route| route.prefix == prefix(text))
        .collect()
}

#[test]
fn routes_pass_the_router_and_its_filters() {
    let mut net = fabric();
    net.start_all();
    net.run_secs(10);
    assert_eq!(
        net.fib(0),
        ["10.244.2.0/24 via 10.0.1.1"],
        "the default route is filtered"
    );
    assert_eq!(
        net.fib(1),
        ["10.244.1.0/24 via 10.0.1.11", "10.244.2.0/24 via 10.0.2.12"]
    );
    assert_eq!(
        net.fib(2),
        ["0.0.0.0/0 via 10.0.2.1", "10.244.1.0/24 via 10.0.2.1"]
    );
    let route = &routes(&net, 2, "10.244.1.0/24")[0];
    assert_eq!(route.attributes.as_path.to_string(), "65000 65001");
    let refused = &routes(&net, 0, "0.0.0.0/0")[0];
    assert_eq!(refused.status, PathStatus::Rejected(DecidedBy::NoMatch));
    let counts = net.peer(0, 0).prefixes;
    assert_eq!(
        (counts.received, counts.accepted, counts.rejected),
        (2, 1, 1)
    );
    assert_eq!((counts.best, counts.advertised), (1, 1));
    // A node passes nothing on; the ToR tells each node the other's network and the default.
    assert_eq!(net.peer(1, 0).prefixes.advertised, 2);
    assert_eq!(net.peer(1, 0).prefixes.received, 1);
}

#[test]
fn losing_a_peer_withdraws_its_routes_everywhere() {
    let mut net = fabric();
    net.start_all();
    net.run_secs(10);
    net.input(
        2,
        crate::speaker::Input::Stop(crate::speaker::StopMode::Shutdown(String::new())),
    );
    net.run_secs(1);
    assert!(net.fib(0).is_empty());
    assert_eq!(net.fib(1), ["10.244.1.0/24 via 10.0.1.11"]);
    assert_eq!(net.fib(2).len(), 2, "what stops leaves its kernel routes");
    net.input(2, crate::speaker::Input::Start);
    net.run_secs(30);
    assert_eq!(net.fib(0), ["10.244.2.0/24 via 10.0.1.1"]);
    assert_eq!(net.fib(2).len(), 2);
}

/// A leaf with two ways to the same network.
fn diamond(maximum_paths: usize, second_asn: u32) -> Net {
    let mut net = Net::new();
    let mut config = speaker(65001, 11, &["10.244.1.0/24"]);
    config.maximum_paths = maximum_paths;
    config.peers = vec![peer("10.1.0.1", 65100), peer("10.2.0.1", second_asn)];
    let leaf = net.add(config);
    for (id, asn, near, far, down) in [
        (101, 65100, "10.1.0.1", "10.1.9.1", "10.1.0.11"),
        (102, second_asn, "10.2.0.1", "10.2.9.1", "10.2.0.11"),
    ] {
        let mut config = speaker(asn, id, &[]);
        let far_peer = if far == "10.1.9.1" {
            "10.1.9.12"
        } else {
            "10.2.9.12"
        };
        config.peers = vec![transit(down, 65001), transit(far_peer, 65009)];
        let spine = net.add(config);
        net.link((leaf, down), (spine, near));
    }
    let mut config = speaker(65009, 12, &["10.244.9.0/24"]);
    config.peers = vec![peer("10.1.9.1", 65100), peer("10.2.9.1", second_asn)];
    let other = net.add(config);
    net.link((1, "10.1.9.1"), (other, "10.1.9.12"));
    net.link((2, "10.2.9.1"), (other, "10.2.9.12"));
    net
}

#[test]
fn equal_paths_share_and_the_paths_as_numbers_may_differ() {
    for second_asn in [65100, 65200] {
        let mut net = diamond(8, second_asn);
        net.start_all();
        net.run_secs(10);
        assert_eq!(net.fib(0), ["10.244.9.0/24 via 10.1.0.1 10.2.0.1"]);
        let statuses: Vec<_> = routes(&net, 0, "10.244.9.0/24")
            .iter()
            .map(|route| route.status)
            .collect();
        assert_eq!(statuses, [PathStatus::Best, PathStatus::Multipath]);
        net.kill(1);
        net.run_secs(121);
        assert_eq!(
            net.fib(0),
            ["10.244.9.0/24 via 10.2.0.1"],
            "after the restart time"
        );
    }
    let mut net = diamond(1, 65200);
    net.start_all();
    net.run_secs(10);
    assert_eq!(net.fib(0), ["10.244.9.0/24 via 10.1.0.1"]);
    let losers = routes(&net, 0, "10.244.9.0/24");
    let lost = losers
        .iter()
        .find(|route| route.status != PathStatus::Best)
        .unwrap();
    assert_eq!(lost.status, PathStatus::Lost(Step::BgpId));
}

#[test]
fn an_own_network_never_goes_to_the_fib_and_an_own_as_is_a_loop() {
    let mut net = Net::new();
    // Both originate the same; the middle sends everything back to the AS it came from, as the
    // ends have different AS numbers than it thinks only in the second case.
    let mut config = speaker(65001, 1, &["10.244.1.0/24"]);
    config.peers = vec![peer("10.0.0.2", 65002)];
    let a = net.add(config);
    let mut config = speaker(65002, 2, &["10.244.1.0/24", "10.244.2.0/24"]);
    config.peers = vec![transit("10.0.0.1", 65001), transit("10.0.1.3", 65001)];
    let b = net.add(config);
    let mut config = speaker(65001, 3, &["10.244.3.0/24"]);
    config.peers = vec![peer("10.0.1.2", 65002)];
    let c = net.add(config);
    net.link((a, "10.0.0.1"), (b, "10.0.0.2"));
    net.link((b, "10.0.1.2"), (c, "10.0.1.3"));
    net.start_all();
    net.run_secs(10);
    assert_eq!(
        net.fib(a),
        ["10.244.2.0/24 via 10.0.0.2"],
        "10.244.1.0/24 is own"
    );
    let own = routes(&net, a, "10.244.1.0/24");
    assert_eq!(own.len(), 2);
    assert_eq!(own[1].status, PathStatus::Lost(Step::OwnNetwork));
    // The sender suppresses what the receiver would have to drop (same AS on both sides).
    assert!(routes(&net, a, "10.244.3.0/24").is_empty());
    assert_eq!(net.state(c, 0), State::Established);
}

#[test]
fn internal_peers_get_next_hop_unchanged_local_pref_and_no_reflection() {
    let mut net = Net::new();
    // outside (65009) - r1 - r2 - r3, r1..r3 in one AS, r1-r2 and r2-r3 only.
    let mut config = speaker(65009, 9, &["192.0.2.0/24"]);
    config.peers = vec![transit("10.9.0.1", 65000)];
    let outside = net.add(config);
    let mut config = speaker(65000, 1, &["10.1.0.0/24"]);
    config.peers = vec![transit("10.9.0.9", 65009), transit("10.12.0.2", 65000)];
    let r1 = net.add(config);
    let mut config = speaker(65000, 2, &["10.2.0.0/24"]);
    config.peers = vec![transit("10.12.0.1", 65000), transit("10.23.0.3", 65000)];
    let r2 = net.add(config);
    let mut config = speaker(65000, 3, &[]);
    // Import from iBGP without any policy: everything.
    config.peers = vec![PeerConfig {
        import: Policy::default(),
        ..transit("10.23.0.2", 65000)
    }];
    let r3 = net.add(config);
    net.link((outside, "10.9.0.9"), (r1, "10.9.0.1"));
    net.link((r1, "10.12.0.1"), (r2, "10.12.0.2"));
    net.link((r2, "10.23.0.2"), (r3, "10.23.0.3"));
    net.start_all();
    net.run_secs(10);
    assert_eq!(
        net.fib(r2),
        ["10.1.0.0/24 via 10.12.0.1", "192.0.2.0/24 via 10.9.0.9"]
    );
    let route = &routes(&net, r2, "192.0.2.0/24")[0];
    assert_eq!(route.attributes.local_pref, Some(100));
    assert_eq!(route.attributes.as_path.to_string(), "65009");
    assert_eq!(
        net.fib(r3),
        ["10.2.0.0/24 via 10.23.0.2"],
        "no iBGP to iBGP"
    );
    // Learned inside, told outside with the AS prepended once and without LOCAL_PREF.
    let route = &routes(&net, outside, "10.1.0.0/24")[0];
    assert_eq!(route.attributes.as_path.to_string(), "65000");
    assert_eq!(route.attributes.local_pref, None);
    let passed_on = &routes(&net, outside, "10.2.0.0/24")[0];
    assert_eq!(
        passed_on.attributes.next_hop.as_ref().unwrap().address(),
        super::ip("10.9.0.1")
    );
}

#[test]
fn an_external_peer_without_policy_is_not_believed() {
    let mut net = fabric();
    let mut config = speaker(65003, 13, &["10.244.3.0/24"]);
    config.peers = vec![PeerConfig {
        import: Policy::default(),
        ..peer("10.0.3.1", 65000)
    }];
    let node = net.add(config);
    let mut tor = speaker(65000, 200, &["0.0.0.0/0"]);
    tor.peers = vec![transit("10.0.3.13", 65003)];
    let tor = net.add(tor);
    net.link((node, "10.0.3.13"), (tor, "10.0.3.1"));
    net.start_all();
    net.run_secs(10);
    assert!(net.fib(node).is_empty());
    let refused = &routes(&net, node, "0.0.0.0/0")[0];
    assert_eq!(refused.status, PathStatus::Rejected(DecidedBy::NoPolicy));
    assert_eq!(
        net.peer(node, 0).prefixes.advertised,
        1,
        "own networks go out by default"
    );
}

#[test]
fn a_slow_reader_gets_the_newest_state_and_not_the_history() {
    let mut net = fabric();
    net.start_all();
    net.run_secs(10);
    // The ToR's writes to node1 stall while node2's network comes and goes.
    net.nodes[1].slow = true;
    for _ in 0..10 {
        let stop = crate::speaker::StopMode::Shutdown(String::new());
        net.input(2, crate::speaker::Input::Stop(stop));
        net.run_secs(1);
        net.input(2, crate::speaker::Input::Start);
        net.run_secs(1);
    }
    net.input(
        2,
        crate::speaker::Input::Stop(crate::speaker::StopMode::Shutdown(String::new())),
    );
    net.run_secs(1);
    assert_eq!(
        net.fib(0),
        ["10.244.2.0/24 via 10.0.1.1"],
        "nothing has been written"
    );
    let sent = net.nodes[1].sent;
    net.unblock(1);
    net.run_secs(1);
    assert!(net.fib(0).is_empty());
    assert_eq!(net.peer(0, 0).established_count, 1);
    // One keepalive and one withdrawal of one prefix.
    assert!(
        net.nodes[1].sent - sent < 64,
        "{} bytes",
        net.nodes[1].sent - sent
    );
}

#[test]
fn both_families_flow_over_an_ipv6_session_and_ipv6_has_no_next_hop_on_an_ipv4_one() {
    let both = vec![Family::IPV4_UNICAST, Family::IPV6_UNICAST];
    for (left, right) in [("2001:db8::1", "2001:db8::2"), ("10.0.0.1", "10.0.0.2")] {
        let mut net = Net::new();
        let mut config = speaker(65001, 1, &["2001:db8:1::/48", "10.1.0.0/24"]);
        config.peers = vec![PeerConfig {
            families: both.clone(),
            ..peer(right, 65002)
        }];
        let a = net.add(config);
        let mut config = speaker(65002, 2, &[]);
        config.peers = vec![PeerConfig {
            families: both.clone(),
            ..peer(left, 65001)
        }];
        let b = net.add(config);
        net.link((a, left), (b, right));
        net.start_all();
        net.run_secs(5);
        // IPv4 over IPv6 is RFC 8950; the other way round there is nothing.
        let expected = if left.contains(':') {
            vec![
                "10.1.0.0/24 via 2001:db8::1",
                "2001:db8:1::/48 via 2001:db8::1",
            ]
        } else {
            vec!["10.1.0.0/24 via 10.0.0.1"]
        };
        assert_eq!(net.fib(b), expected);
        let ended = |wanted| {
            let is = |event: &EventKind| matches!(event, EventKind::EndOfRib { family, .. } if *family == wanted);
            net.nodes[b].events.iter().any(is)
        };
        assert!(
            both.iter().all(|family| ended(*family)),
            "End-of-RIB of both"
        );
        net.kill(a);
        net.restart(a);
        net.run_secs(5);
        assert_eq!(net.fib(b), expected);
        assert_eq!(net.peer(b, 0).prefixes.stale, 0);
    }
}
