//! Sessions between speakers.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::net::Net;
use super::{peer, speaker};
use crate::fsm::{CauseClass, State};
use crate::speaker::{EventKind, Input, PeerConfig, StopMode, Timers};

const LEFT: &str = "10.0.0.1";
const RIGHT: &str = "10.0.0.2";

/// Two speakers on one link, not started.
fn pair(
    left: (u32, u8),
    right: (u32, u8),
    change: impl Fn(usize, PeerConfig) -> PeerConfig,
) -> Net {
    let mut net = Net::new();
    let mut config = speaker(left.0, left.1, &[]);
    config.peers = vec![change(0, peer(RIGHT, right.0))];
    let a = net.add(config);
    let mut config = speaker(right.0, right.1, &[]);
    config.peers = vec![change(1, peer(LEFT, left.0))];
    let b = net.add(config);
    net.link((a, LEFT), (b, RIGHT));
    net
}

fn assert_up(net: &Net) {
    for node in 0..2 {
        let status = net.peer(node, 0);
        assert_eq!(status.state, State::Established, "{:?}", status.last_error);
        assert!(status.next_attempt.is_none());
    }
    assert_eq!(net.connections(), 2, "one connection, two ends");
}

#[test]
fn both_dial_at_once_and_one_connection_survives_at_first_try() {
    let same = |_, config| config;
    // Higher identifier left, right, and equal ones in two ASes (RFC 6286 §2.3); eBGP and iBGP.
    for (left, right) in [
        ((65001, 1), (65002, 2)),
        ((65001, 2), (65002, 1)),
        ((65001, 7), (65002, 7)),
        ((65002, 7), (65001, 7)),
        ((65001, 1), (65001, 2)),
    ] {
        for offset_micros in [
            0, 500, 900, 1000, 1100, 1500, 2000, 2500, 3000, 3500, 4500, 6000,
        ] {
            let mut net = pair(left, right, same);
            net.start(0);
            net.run(Duration::from_micros(offset_micros));
            net.start(1);
            // The survivor of a collision waits for a fifth of it.
            net.run(Duration::from_secs(1));
            assert_up(&net);
            assert_eq!(
                net.peer(0, 0).established_count,
                1,
                "{left:?} {right:?} {offset_micros}"
            );
            assert_eq!(
                net.peer(1, 0).established_count,
                1,
                "{left:?} {right:?} {offset_micros}"
            );
            if offset_micros == 0 {
                // RFC 4271 §6.8: the dial of the higher identifier (then AS number) survives.
                let port = net.peer(0, 0).session.unwrap().local.port();
                assert_eq!(
                    port != 179,
                    (left.1, left.0) > (right.1, right.0),
                    "{left:?}"
                );
            }
            net.run_secs(3600);
            assert_up(&net);
            assert_eq!(net.peer(0, 0).established_count, 1);
        }
    }
}

#[test]
fn crossing_dials_settle_at_first_try_whatever_the_order_of_messages() {
    for seed in 0..1000_u64 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let ids = [(1, 2), (2, 1), (7, 7)][rng.random_range(0..3)];
        let mut net = pair((65001, ids.0), (65002, ids.1), |_, config| config);
        net.delay = Duration::from_millis(5);
        let first = rng.random_range(0..2);
        let offset = Duration::from_micros(rng.random_range(0..60_000));
        net.jitter = Some(rng);
        net.start(first);
        net.run(offset);
        net.start(1 - first);
        net.run_secs(1);
        assert_up(&net);
        for node in 0..2 {
            let count = net.peer(node, 0).established_count;
            assert_eq!(
                count, 1,
                "seed {seed}, identifiers {ids:?}, {offset:?} apart"
            );
        }
    }
}

#[test]
fn a_passive_peer_waits_and_two_of_them_wait_for_ever() {
    let one = |node, config| PeerConfig {
        passive: node == 0,
        ..config
    };
    let mut net = pair((65001, 1), (65002, 2), one);
    net.start(0);
    net.run_secs(30);
    assert_eq!(net.state(0, 0), State::Active);
    net.start(1);
    net.run_secs(1);
    assert_up(&net);

    let both = |_, config| PeerConfig {
        passive: true,
        ..config
    };
    let mut net = pair((65001, 1), (65002, 2), both);
    net.start_all();
    net.run_secs(3600);
    assert_eq!(
        (net.state(0, 0), net.state(1, 0)),
        (State::Active, State::Active)
    );
}

#[test]
fn a_peer_that_is_not_there_is_dialled_with_jitter_until_it_is() {
    let mut net = pair((65001, 1), (65002, 2), |_, config| config);
    net.start(0);
    net.run_secs(1);
    let status = net.peer(0, 0);
    assert_eq!(status.state, State::Active);
    assert_eq!(status.last_error.unwrap().class, CauseClass::Refused);
    // It may be just starting: soon again, five times.
    let wait = status.next_attempt.unwrap() - status.since;
    let soon = Duration::from_millis(750)..=Duration::from_secs(1);
    assert!(soon.contains(&wait), "{wait:?}");
    net.run_secs(5);
    let status = net.peer(0, 0);
    let wait = status.next_attempt.unwrap() - status.since;
    let usual = Duration::from_millis(3750)..=Duration::from_secs(5);
    assert!(usual.contains(&wait), "{wait:?}");
    net.run_secs(3600);
    net.start(1);
    // The one that comes dials at once.
    net.run(Duration::from_millis(20));
    assert_up(&net);
}

#[test]
fn silence_expires_the_hold_timer_and_the_session_comes_back() {
    let mut net = pair((65001, 1), (65002, 2), |_, config| config);
    net.start_all();
    net.run_secs(10);
    assert_up(&net);
    net.set_cut(LEFT, RIGHT, true);
    net.run_secs(59);
    assert_eq!(net.state(0, 0), State::Established);
    net.run_secs(32);
    for node in 0..2 {
        let status = net.peer(node, 0);
        assert_ne!(status.state, State::Established);
        let sent = net.nodes[node].events.iter().any(
            |event| matches!(event, EventKind::NotificationSent(n) if (n.code, n.subcode) == (4, 0)),
        );
        assert!(sent, "{:?}", net.nodes[node].events);
    }
    net.run_secs(600);
    assert_eq!(
        net.peer(0, 0).last_error.unwrap().class,
        CauseClass::TimedOut
    );
    net.set_cut(LEFT, RIGHT, false);
    net.run_secs(10);
    assert_up(&net);
}

#[test]
fn hours_of_keepalives_hold_the_session_at_each_hold_time() {
    for hold_time_secs in [0, 3, 9, 90, 65535] {
        let mut net = pair((65001, 1), (65002, 2), |_, c| PeerConfig {
            timers: Timers {
                hold_time_secs,
                ..c.timers
            },
            ..c
        });
        net.start_all();
        net.run_secs(4 * 3600);
        assert_up(&net);
        assert_eq!(net.peer(0, 0).established_count, 1);
        let session = net.peer(0, 0).session.unwrap();
        assert_eq!(session.hold_time_secs, hold_time_secs);
        assert_eq!(session.keepalive_secs, hold_time_secs / 3);
    }
}

#[test]
fn a_wrong_as_is_told_to_both_and_tried_more_and_more_rarely() {
    let wrong = |node, config: PeerConfig| {
        let asn = if node == 0 { 65099.into() } else { config.asn };
        PeerConfig {
            asn,
            passive: node == 1,
            ..config
        }
    };
    let mut net = pair((65001, 1), (65002, 2), wrong);
    net.start_all();
    net.run_secs(1);
    for node in 0..2 {
        assert_eq!(
            net.peer(node, 0).last_error.unwrap().class,
            CauseClass::WrongAs
        );
        assert_eq!(net.peer(node, 0).established_count, 0);
    }
    assert_eq!(net.state(0, 0), State::Idle, "backs off");
    let tries = |net: &Net| {
        let sent = |event: &&EventKind| matches!(event, EventKind::NotificationSent(_));
        net.nodes[0].events.iter().filter(sent).count()
    };
    net.run_secs(3600);
    // 1, 2, 4 .. 60 s times 0.75 to 1.0.
    assert!((60..=90).contains(&tries(&net)), "{}", tries(&net));
    assert_eq!(net.connections(), 0);
}

#[test]
fn shutdown_sends_a_cease_with_the_text_and_restart_says_nothing() {
    for (mode, class) in [
        (
            StopMode::Shutdown("moving house".to_owned()),
            CauseClass::AdminShutdown,
        ),
        (StopMode::Restart, CauseClass::ClosedByPeer),
    ] {
        let mut net = pair((65001, 1), (65002, 2), |_, config| config);
        net.start_all();
        net.run_secs(1);
        net.input(0, Input::Stop(mode));
        assert_eq!(net.state(0, 0), State::Idle);
        net.run(Duration::from_millis(10));
        let error = net.peer(1, 0).last_error.unwrap();
        assert_eq!(error.class, class, "{error}");
        assert_eq!(
            error.text.contains("moving house"),
            class != CauseClass::ClosedByPeer
        );
        net.run_secs(30);
        assert_eq!(net.connections(), 0, "a stopped speaker accepts nobody");
        net.input(0, Input::Start);
        net.run_secs(1);
        assert_up(&net);
    }
}

#[test]
fn strangers_are_closed_and_named() {
    let mut net = pair((65001, 1), (65002, 2), |_, config| config);
    let mut config = speaker(65003, 3, &[]);
    config.peers = vec![peer(LEFT, 65001)];
    let stranger = net.add(config);
    net.link((0, LEFT), (stranger, "10.0.0.3"));
    net.start_all();
    net.run_secs(20);
    assert_up(&net);
    let refused = |event: &EventKind| matches!(event, EventKind::Refused(from) if from.ip() == super::ip("10.0.0.3"));
    assert!(net.nodes[0].events.iter().any(refused));
    assert_ne!(net.state(stranger, 0), State::Established);
}
