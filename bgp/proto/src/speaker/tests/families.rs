//! Both families on one session: what is negotiated, which next hops are said and understood, and
//! what is said of one network on two nodes.

mod echo;

use super::net::Net;
use super::{peer, speaker, transit};
use crate::fsm::{CauseClass, State};
use crate::iana::Family;
use crate::rib::{PathStatus, Unusable};
use crate::speaker::{Conflict, EventKind, PeerConfig, StopMode};

const BOTH: [Family; 2] = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];
const A: &str = "10.0.1.11";
const B: &str = "10.0.1.12";
const A6: &str = "fd00:10:0:1::11";
const B6: &str = "fd00:10:0:1::12";
const A_OWN: [&str; 3] = ["10.0.1.11/24", "fd00:10:0:1::11/64", "fe80::11/64"];
const B_OWN: [&str; 3] = ["10.0.1.12/24", "fd00:10:0:1::12/64", "fe80::12/64"];

fn dual(address: &str, asn: u32) -> PeerConfig {
    PeerConfig {
        families: BOTH.to_vec(),
        ..transit(address, asn)
    }
}

/// Two nodes with both families, joined at these addresses; 65001 and `asn`.
fn pair(a: &str, b: &str, asn: u32) -> Net {
    let mut net = Net::new();
    let mut config = speaker(65001, 11, &["10.244.1.0/24", "fd00:10:244:1::/64"]);
    config.peers = vec![dual(b, asn)];
    let node_a = net.add(config);
    let mut config = speaker(asn, 12, &["10.244.2.0/24", "fd00:10:244:2::/64"]);
    config.peers = vec![PeerConfig {
        passive: true,
        ..dual(a, 65001)
    }];
    let node_b = net.add(config);
    net.link((node_a, a), (node_b, b));
    net
}

fn first<'a>(list: [&'a str; 3], address: &str) -> Vec<&'a str> {
    let mut list = list.to_vec();
    list.sort_by_key(|text| !text.starts_with(&format!("{address}/")));
    list
}

#[test]
fn one_session_carries_both_families_over_either() {
    for (a, b) in [(A, B), (A6, B6)] {
        for asn in [65002, 65001] {
            let mut net = pair(a, b, asn);
            net.set_own(2, &first(A_OWN, a));
            net.set_own(3, &first(B_OWN, b));
            net.start_all();
            net.run_secs(10);
            assert_eq!(
                net.fib(0),
                [
                    "10.244.2.0/24 via 10.0.1.12",
                    "fd00:10:244:2::/64 via fd00:10:0:1::12"
                ],
                "over {a} with AS {asn}"
            );
            assert_eq!(
                net.fib(1),
                [
                    "10.244.1.0/24 via 10.0.1.11",
                    "fd00:10:244:1::/64 via fd00:10:0:1::11"
                ]
            );
            let status = net.peer(0, 0);
            let session = status.session.unwrap();
            assert_eq!(session.families, BOTH);
            assert_eq!(session.notes, [""; 0]);
            for (family, counts) in status.prefixes.by_family {
                assert_eq!((counts.received, counts.best), (1, 1), "{family}");
                assert_eq!(counts.advertised, 1, "{family}");
            }
            assert_eq!(
                (status.prefixes.received, status.prefixes.advertised),
                (2, 2)
            );
            let ended = |family| {
                let event = EventKind::EndOfRib {
                    family,
                    received: 1,
                    rejected: 0,
                };
                let is = |found: &&EventKind| **found == event;
                net.nodes[0].events.iter().filter(is).count()
            };
            assert_eq!(BOTH.map(ended), [1, 1], "End-of-RIB of each family, once");
        }
    }
}

#[test]
fn a_restart_keeps_both_families_and_sweeps_each_after_its_end_of_rib() {
    let mut net = pair(A, B, 65002);
    net.set_own(2, &A_OWN);
    net.set_own(3, &B_OWN);
    net.start_all();
    net.run_secs(10);
    let (before, kept) = (net.fib(0), net.fib(1));
    net.nodes[0].fib_log.clear();
    net.nodes[1].fib_log.clear();
    net.kill(0);
    net.run_secs(3);
    assert_eq!(net.peer(1, 0).prefixes.stale, 2);
    net.restart(0);
    net.run_secs(30);
    assert_eq!(net.peer(1, 0).prefixes.stale, 0);
    assert_eq!((net.fib(0), net.fib(1)), (before, kept));
    assert_eq!(net.nodes[1].fib_log, [], "no route was gone for a moment");
    assert_eq!(net.nodes[0].synced.len(), 1);
}

#[test]
fn the_families_are_those_that_both_offer() {
    let mut net = Net::new();
    let mut config = speaker(65001, 11, &["10.244.1.0/24", "fd00:10:244:1::/64"]);
    config.peers = vec![dual(B, 65002)];
    let a = net.add(config);
    let mut config = speaker(65002, 12, &["10.244.2.0/24", "fd00:10:244:2::/64"]);
    config.peers = vec![transit(A, 65001)];
    let b = net.add(config);
    net.link((a, A), (b, B));
    net.set_own(2, &A_OWN);
    net.set_own(3, &B_OWN);
    net.start_all();
    net.run_secs(10);
    assert_eq!(net.fib(a), ["10.244.2.0/24 via 10.0.1.12"]);
    assert_eq!(net.fib(b), ["10.244.1.0/24 via 10.0.1.11"]);
    let session = net.peer(a, 0).session.unwrap();
    assert_eq!(session.families, [Family::IPV4_UNICAST]);
    assert_eq!(
        session.notes,
        ["ipv6 unicast: not offered by the peer, so our networks are not announced to it"]
    );
    // Who does not offer a family does not wonder.
    assert_eq!(net.peer(b, 0).session.unwrap().notes, [""; 0]);
}

#[test]
fn without_a_common_family_there_is_no_session_and_both_say_why() {
    let mut net = Net::new();
    let mut config = speaker(65001, 11, &["fd00:10:244:1::/64"]);
    config.peers = vec![PeerConfig {
        families: vec![Family::IPV6_UNICAST],
        ..transit(B, 65002)
    }];
    let a = net.add(config);
    let mut config = speaker(65002, 12, &["10.244.2.0/24"]);
    config.peers = vec![PeerConfig {
        passive: true,
        ..transit(A, 65001)
    }];
    let b = net.add(config);
    net.link((a, A), (b, B));
    net.start_all();
    net.run_secs(10);
    let errors = [a, b].map(|node| {
        assert_ne!(net.state(node, 0), State::Established);
        let error = net.peer(node, 0).last_error.unwrap();
        assert_eq!(error.class, CauseClass::NoCommonFamily, "{error}");
        error.text
    });
    // Both have sent the same OPENs; whose NOTIFICATION comes first is chance.
    for text in errors {
        assert!(text.contains("(2/7)"), "{text}");
        assert!(
            text.contains("no address family in common") || text.contains("the peer wants"),
            "{text}"
        );
    }
}

#[test]
fn without_an_own_address_of_a_family_nothing_is_announced_in_it_until_there_is_one() {
    let mut net = pair(A, B, 65002);
    net.set_own(2, &[A_OWN[0], A_OWN[2]]);
    net.set_own(3, &B_OWN);
    net.start_all();
    net.run_secs(10);
    assert_eq!(net.fib(1), ["10.244.1.0/24 via 10.0.1.11"]);
    // What is learned is usable: the link has link-local addresses.
    assert_eq!(net.fib(0).len(), 2);
    assert_eq!(
        net.peer(0, 0).session.unwrap().notes,
        ["ipv6 unicast: nothing is announced: eth2 has no global IPv6 address to be the next hop"]
    );
    let since = net.peer(0, 0).since;
    net.set_own(2, &A_OWN);
    net.run_secs(1);
    assert_eq!(net.fib(1)[1], "fd00:10:244:1::/64 via fd00:10:0:1::11");
    // Another address, and none again.
    net.set_own(2, &[A_OWN[0], "fd00:10:0:1::99/64"]);
    net.run_secs(1);
    assert_eq!(net.fib(1)[1], "fd00:10:244:1::/64 via fd00:10:0:1::99");
    net.set_own(2, &A_OWN[..1]);
    net.run_secs(1);
    assert_eq!(net.fib(1), ["10.244.1.0/24 via 10.0.1.11"]);
    assert_eq!(net.peer(1, 0).prefixes.received, 1);
    let status = net.peer(0, 0);
    assert_eq!((status.since, status.prefixes.advertised), (since, 1));
}

#[test]
fn internal_peers_hear_the_next_hop_unchanged_and_external_ones_our_own() {
    let (tor, inner) = ("fd00:10:0:1::1", "fd00:10:0:2::12");
    let near = "fd00:10:0:2::11";
    let mut net = Net::new();
    let mut config = speaker(65000, 1, &["2001:db8::/32"]);
    config.peers = vec![dual(A6, 65001)];
    let outside = net.add(config);
    let mut config = speaker(65001, 11, &["fd00:10:244:1::/64"]);
    config.peers = vec![dual(tor, 65000), dual(inner, 65001)];
    let middle = net.add(config);
    let mut config = speaker(65001, 12, &["fd00:10:244:2::/64"]);
    config.peers = vec![dual(near, 65001)];
    let inside = net.add(config);
    net.link((outside, tor), (middle, A6));
    net.link((middle, near), (inside, inner));
    net.set_own(2, &["fd00:10:0:1::11/64", "fe80::11/64"]);
    net.set_own(3, &["fd00:10:0:2::11/64"]);
    net.start_all();
    net.run_secs(10);
    assert_eq!(
        net.fib(inside),
        [
            "2001:db8::/32 via fd00:10:0:1::1",
            "fd00:10:244:1::/64 via fd00:10:0:2::11"
        ]
    );
    assert_eq!(
        net.fib(outside),
        [
            "fd00:10:244:1::/64 via fd00:10:0:1::11",
            "fd00:10:244:2::/64 via fd00:10:0:1::11"
        ]
    );
}

/// One prefix on two nodes behind a router; the statuses of the conflict on node 1.
fn duplicate(second: &str) -> Net {
    let (near, far) = ("10.0.1.1", "10.0.2.1");
    let node2 = "10.0.2.12";
    let mut net = Net::new();
    let mut config = speaker(65001, 11, &["10.244.1.0/24"]);
    config.peers = vec![peer(near, 65000)];
    let a = net.add(config);
    let mut config = speaker(65000, 1, &[]);
    config.peers = vec![transit(A, 65001), transit(node2, 65002)];
    let tor = net.add(config);
    let mut config = speaker(65002, 12, &[second]);
    config.peers = vec![peer(far, 65000)];
    let b = net.add(config);
    net.link((a, A), (tor, near));
    net.link((b, node2), (tor, far));
    net.start_all();
    net.run_secs(10);
    net
}

fn conflicts(net: &Net, node: usize) -> Vec<Conflict> {
    net.speaker(node)
        .status(std::time::Instant::now())
        .conflicts
}

#[test]
fn the_same_network_or_a_part_of_it_on_two_nodes_is_told() {
    for second in ["10.244.1.0/24", "10.244.1.128/25"] {
        let net = duplicate(second);
        let told = conflicts(&net, 0);
        // The router prefers one of two equal ones, and tells the loser.
        let loser = if second.ends_with("/24") && told.is_empty() {
            2
        } else {
            0
        };
        let told = conflicts(&net, loser);
        let [conflict] = &told[..] else {
            panic!("{second}: {told:?}")
        };
        assert_eq!(conflict.prefix.to_string(), second);
        let other = if loser == 0 { 65002 } else { 65001 };
        assert_eq!(conflict.as_path, format!("65000 {other}"));
        assert_eq!(conflict.origin_asn, Some(other));
        let logged = net.nodes[loser].events.iter();
        let logged = logged.filter(|event| matches!(event, EventKind::Conflict { .. }));
        assert_eq!(logged.count(), 1);
    }
}

#[test]
fn a_wider_network_elsewhere_is_no_conflict() {
    let net = duplicate("10.244.0.0/16");
    assert_eq!(conflicts(&net, 0), []);
    assert_eq!(conflicts(&net, 2), []);
}

#[test]
fn who_has_no_networks_of_a_family_needs_no_address_for_it() {
    let mut net = Net::new();
    let mut config = speaker(65001, 11, &["10.244.1.0/24"]);
    config.peers = vec![PeerConfig {
        families: BOTH.to_vec(),
        ..peer(B, 65002)
    }];
    let node_a = net.add(config);
    let mut config = speaker(65002, 12, &["10.244.2.0/24", "fd00:10:244:2::/64"]);
    config.peers = vec![PeerConfig {
        passive: true,
        ..dual(A, 65001)
    }];
    let node_b = net.add(config);
    net.link((node_a, A), (node_b, B));
    net.set_own(2, &[A_OWN[0], A_OWN[2]]);
    net.set_own(3, &B_OWN);
    net.start_all();
    net.run_secs(10);
    let notes = net.peer(0, 0).session.unwrap().notes;
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn a_stop_and_a_start_forget_nothing_of_the_families() {
    let mut net = pair(A, B, 65002);
    net.set_own(2, &A_OWN);
    net.set_own(3, &B_OWN);
    net.start_all();
    net.run_secs(10);
    net.input(0, crate::speaker::Input::Stop(StopMode::Restart));
    net.run_secs(1);
    net.input(0, crate::speaker::Input::Start);
    net.run_secs(30);
    assert_eq!(net.fib(0).len(), 2);
    assert_eq!(net.fib(1).len(), 2);
}
