//! Graceful restart, both roles.

use std::time::Duration;

use super::net::Net;
use super::routing::fabric;
use super::{peer, prefix, speaker, transit};
use crate::capability::Capability;
use crate::fsm::State;
use crate::speaker::{EventKind, GracefulRestartConfig, PeerConfig};

fn removals(net: &Net, node: usize) -> usize {
    net.nodes[node]
        .fib_log
        .iter()
        .filter(|(_, _, hops)| hops.is_empty())
        .count()
}

#[test]
fn a_peer_dies_and_returns_and_no_route_is_removed_in_between() {
    let mut net = fabric();
    net.start_all();
    net.run_secs(10);
    let before: Vec<_> = (0..3).map(|node| net.fib(node)).collect();
    net.kill(2);
    net.run_secs(1);
    assert_eq!(net.peer(1, 1).prefixes.stale, 1);
    assert_ne!(net.state(1, 1), State::Established);
    net.run_secs(60);
    net.restart(2);
    net.run_secs(30);
    assert_eq!(net.state(1, 1), State::Established);
    assert_eq!(net.peer(1, 1).prefixes.stale, 0);
    assert_eq!(net.nodes[2].synced.len(), 1);
    for (node, before) in before.iter().enumerate() {
        assert_eq!(&net.fib(node), before);
        assert_eq!(removals(&net, node), 0, "node {node}");
    }
    // Nor did the others hear of it.
    assert_eq!(net.nodes[0].fib_log.len(), 1);
}

#[test]
fn a_peer_that_does_not_return_loses_its_routes_at_the_restart_time() {
    let mut net = fabric();
    net.start_all();
    net.run_secs(10);
    net.kill(2);
    net.run_secs(119);
    assert_eq!(net.fib(0), ["10.244.2.0/24 via 10.0.1.1"]);
    net.run_secs(2);
    assert!(net.fib(0).is_empty());
    assert_eq!(net.fib(1), ["10.244.1.0/24 via 10.0.1.11"]);
}

#[test]
fn what_the_peer_does_not_say_again_goes_at_its_end_of_rib() {
    let mut net = Net::new();
    let mut config = speaker(65001, 1, &["10.1.0.0/24", "10.2.0.0/24"]);
    config.peers = vec![peer("10.0.0.2", 65002)];
    let a = net.add(config.clone());
    // The same node with fewer networks, not started yet.
    config.networks = vec![prefix("10.1.0.0/24")];
    config.restarting = true;
    let again = net.add(config);
    let mut config = speaker(65002, 2, &["10.9.0.0/24"]);
    config.peers = vec![PeerConfig {
        passive: true,
        ..peer("10.0.0.1", 65001)
    }];
    let b = net.add(config);
    net.link((a, "10.0.0.1"), (b, "10.0.0.2"));
    net.start(a);
    net.start(b);
    net.run_secs(5);
    assert_eq!(
        net.fib(b),
        ["10.1.0.0/24 via 10.0.0.1", "10.2.0.0/24 via 10.0.0.1"]
    );
    net.kill(a);
    net.link((again, "10.0.0.1"), (b, "10.0.0.2"));
    net.nodes[again].fib = net.nodes[a].fib.clone();
    net.start(again);
    net.run_secs(5);
    assert_eq!(net.fib(b), ["10.1.0.0/24 via 10.0.0.1"]);
    assert_eq!(removals(&net, b), 1);
    assert!(net.nodes[b].events.contains(&EventKind::StaleFlushed(1)));
}

#[test]
fn a_cold_start_claims_nothing_and_waits_for_nobody() {
    let mut net = fabric();
    net.start_all();
    assert!(net.nodes.iter().all(|node| node.synced == [Duration::ZERO]));
    net.run_secs(10);
    // A node that comes back without its routes: the F bit is clear, stale routes go at once.
    net.kill(0);
    net.nodes[0].fib.clear();
    net.run_secs(10);
    assert_eq!(net.peer(1, 0).prefixes.stale, 1);
    net.restart(0);
    net.run_secs(10);
    assert!(net.nodes[1].events.contains(&EventKind::StaleFlushed(1)));
    assert_eq!(net.fib(0), ["10.244.2.0/24 via 10.0.1.1"]);
    assert_eq!(net.fib(1).len(), 2);
}

/// A node with two ToRs that both know one network, all up and running.
fn two_tors() -> Net {
    let mut net = Net::new();
    let mut config = speaker(65001, 11, &["10.244.1.0/24"]);
    config.peers = vec![peer("10.1.0.1", 65100), peer("10.2.0.1", 65200)];
    let node = net.add(config);
    for (id, asn, own, nodes) in [
        (101, 65100, "10.1.0.1", "10.1.0.11"),
        (102, 65200, "10.2.0.1", "10.2.0.11"),
    ] {
        let mut config = speaker(asn, id, &["0.0.0.0/0"]);
        config.peers = vec![transit(nodes, 65001)];
        let tor = net.add(config);
        net.link((node, nodes), (tor, own));
    }
    net.start_all();
    net.run_secs(10);
    assert_eq!(net.fib(node), ["0.0.0.0/0 via 10.1.0.1 10.2.0.1"]);
    net
}

#[test]
fn a_restarting_speaker_is_synced_when_all_have_sent_end_of_rib() {
    let mut net = two_tors();
    net.kill(0);
    net.run_secs(5);
    let changes = net.nodes[0].fib_log.len();
    let from = net.elapsed();
    net.restart(0);
    net.run_secs(5);
    assert_eq!(net.nodes[0].synced.len(), 1);
    assert!(net.nodes[0].synced[0] - from < Duration::from_secs(2));
    // One change, with both next hops: never through one ToR alone in between.
    let after: Vec<_> = net.nodes[0].fib_log[changes..]
        .iter()
        .map(|c| c.2.len())
        .collect();
    assert_eq!(after, [2]);
    for tor in [1, 2] {
        assert_eq!(removals(&net, tor), 0, "the ToRs kept our network");
        assert_eq!(net.peer(tor, 0).prefixes.stale, 0, "and got our End-of-RIB");
    }
}

/// R and F bits as the ToR `tor` saw them in the node's OPEN.
fn bits(net: &Net, tor: usize) -> (bool, bool) {
    let session = net.peer(tor, 0).session.unwrap();
    let capability = session
        .capabilities_received
        .iter()
        .find_map(|capability| match capability {
            Capability::GracefulRestart(capability) => Some(capability.clone()),
            _ => None,
        });
    let capability = capability.unwrap();
    (capability.restart, capability.families[0].1)
}

#[test]
fn the_restart_bit_is_set_until_synced_and_the_forwarding_bit_where_it_is_true() {
    let mut net = two_tors();
    assert_eq!(bits(&net, 1), (false, false), "a cold start");
    net.kill(0);
    net.restart(0);
    net.run_secs(5);
    assert_eq!(bits(&net, 1), (true, true), "a restart");
    // The ToR goes and comes: the node did not restart, and kept its routes.
    net.kill(1);
    net.run_secs(1);
    net.restart(1);
    net.run_secs(10);
    assert_eq!(bits(&net, 1), (false, true), "only the session was lost");
}

#[test]
fn a_peer_that_is_down_holds_a_restarting_speaker_back_for_the_bound_only() {
    let mut net = two_tors();
    net.kill(0);
    net.kill(2);
    let from = net.elapsed();
    net.restart(0);
    net.run_secs(5);
    assert!(net.nodes[0].synced.is_empty());
    assert_eq!(
        net.fib(0),
        ["0.0.0.0/0 via 10.1.0.1 10.2.0.1"],
        "untouched so far"
    );
    // Own networks do not wait.
    assert_eq!(net.fib(1), ["10.244.1.0/24 via 10.1.0.11"]);
    assert_eq!(net.peer(1, 0).prefixes.stale, 0, "refreshed already");
    net.run_secs(20);
    assert_eq!(net.nodes[0].synced, [from + super::super::restart::DOWN]);
    assert_eq!(net.fib(0), ["0.0.0.0/0 via 10.1.0.1"]);
}

#[test]
fn kernel_routes_outlive_the_wait_for_down_peers_while_nobody_is_there() {
    let mut net = two_tors();
    net.kill(0);
    net.kill(1);
    net.kill(2);
    let from = net.elapsed();
    net.restart(0);
    net.run_secs(40);
    assert!(net.nodes[0].synced.is_empty());
    assert_eq!(net.fib(0), ["0.0.0.0/0 via 10.1.0.1 10.2.0.1"]);
    net.run_secs(30);
    assert_eq!(net.nodes[0].synced, [from + super::super::restart::BOUND]);
}

#[test]
fn two_that_restart_together_do_not_wait_for_each_other() {
    let mut net = fabric();
    net.start_all();
    net.run_secs(10);
    net.kill(1);
    net.kill(0);
    net.run_secs(1);
    let from = net.elapsed();
    net.restart(1);
    net.restart(0);
    net.run_secs(30);
    for node in [0, 1] {
        assert_eq!(net.nodes[node].synced.len(), 1, "node {node}");
        let took = net.nodes[node].synced[0] - from;
        assert!(took <= Duration::from_secs(16), "node {node}: {took:?}");
    }
    assert_eq!(net.fib(0), ["10.244.2.0/24 via 10.0.1.1"]);
    assert_eq!(net.fib(2).len(), 2);
    assert_eq!(removals(&net, 2), 0);
}

#[test]
fn without_graceful_restart_routes_go_with_the_session() {
    let mut net = Net::new();
    let mut config = speaker(65001, 1, &["10.1.0.0/24"]);
    config.graceful_restart = GracefulRestartConfig {
        restart_secs: 0,
        stale_secs: 300,
        long_lived_secs: 0,
    };
    config.peers = vec![peer("10.0.0.2", 65002)];
    let a = net.add(config);
    let mut config = speaker(65002, 2, &[]);
    config.peers = vec![peer("10.0.0.1", 65001)];
    let b = net.add(config);
    net.link((a, "10.0.0.1"), (b, "10.0.0.2"));
    net.start_all();
    net.run_secs(5);
    assert_eq!(net.fib(b).len(), 1);
    net.kill(a);
    net.run(Duration::from_millis(10));
    assert!(net.fib(b).is_empty());
}

/// The node's host loses power: no FIN arrives. Its new process dials while the ToR still
/// believes in the old connection.
#[test]
fn a_new_connection_replaces_an_established_one_only_with_graceful_restart() {
    for restart_secs in [120, 0] {
        let mut net = Net::new();
        let graceful_restart = GracefulRestartConfig {
            restart_secs,
            stale_secs: 300,
            long_lived_secs: 0,
        };
        let mut config = speaker(65001, 1, &["10.1.0.0/24"]);
        config.graceful_restart = graceful_restart;
        config.peers = vec![peer("10.0.0.2", 65002)];
        let a = net.add(config);
        let mut config = speaker(65002, 2, &["10.2.0.0/24"]);
        config.graceful_restart = graceful_restart;
        config.peers = vec![PeerConfig {
            passive: true,
            ..peer("10.0.0.1", 65001)
        }];
        let b = net.add(config);
        net.link((a, "10.0.0.1"), (b, "10.0.0.2"));
        net.start_all();
        net.run_secs(5);
        net.set_cut("10.0.0.1", "10.0.0.2", true);
        net.kill(a);
        net.set_cut("10.0.0.1", "10.0.0.2", false);
        net.restart(a);
        net.run(Duration::from_millis(20));
        if restart_secs > 0 {
            assert_eq!(net.state(b, 0), State::Established);
            assert_eq!(net.peer(b, 0).established_count, 2);
            assert_eq!(removals(&net, b), 0);
            let notified = |e: &EventKind| matches!(e, EventKind::NotificationSent(_));
            assert!(!net.nodes[b].events.iter().any(notified));
        } else {
            assert_eq!(net.peer(b, 0).established_count, 1, "the old one stays");
            assert_eq!(net.peer(a, 0).established_count, 0);
            let collision = crate::fsm::CauseClass::Collision;
            assert_eq!(net.peer(a, 0).last_error.unwrap().class, collision);
            net.run_secs(200);
            assert_eq!(
                net.peer(b, 0).established_count,
                2,
                "until its hold time is over"
            );
        }
    }
}
