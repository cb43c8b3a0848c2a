//! Graceful restart across NOTIFICATIONs (RFC 8538), between speakers and against bytes.

use std::time::Duration;

use super::net::Net;
use super::solo::{PEER, Solo, encode, graceful_open, raw};
use super::{peer, speaker};
use crate::Notification;
use crate::capability::Capability;
use crate::fsm::{CauseClass, State};
use crate::iana::Family;
use crate::message::{self, Message};
use crate::speaker::{
    CloseCause, ConnId, EventKind, GracefulRestartConfig, Input, Order, PeerId, PeerStatus,
    StopMode,
};

const LEFT: &str = "10.0.0.1";
const RIGHT: &str = "10.0.0.2";

/// Two speakers with a network each, and a session.
fn pair() -> Net {
    pair_with(GracefulRestartConfig::default())
}

/// The same with other times on the left.
fn pair_with(graceful_restart: GracefulRestartConfig) -> Net {
    let mut net = Net::new();
    for (id, own, other, network) in [
        (1_u8, 65001, (RIGHT, 65002), "10.1.0.0/24"),
        (2, 65002, (LEFT, 65001), "10.2.0.0/24"),
    ] {
        let mut config = speaker(own, id, &[network]);
        config.peers = vec![peer(other.0, other.1)];
        if id == 1 {
            config.graceful_restart = graceful_restart;
        }
        net.add(config);
    }
    net.link((0, LEFT), (1, RIGHT));
    net.start_all();
    net.run_secs(5);
    for node in 0..2 {
        assert_eq!(net.fib(node).len(), 1);
    }
    net
}

fn order(net: &mut Net, node: usize, order: Order) {
    let peer = PeerId(0);
    net.input(node, Input::Order { peer, order });
    net.run(Duration::from_millis(5));
}

/// Both sides, the sender of the NOTIFICATION and its receiver, have kept their routes.
fn nothing_was_removed(net: &Net) {
    for node in 0..2 {
        assert_eq!(net.nodes[node].fib_log.len(), 1, "node {node}");
        assert_eq!(net.fib(node).len(), 1, "node {node}");
    }
}

#[test]
fn a_reset_keeps_the_routes_of_both_sides() {
    let mut net = pair();
    order(&mut net, 0, Order::Reset("new keys".to_owned()));
    for node in 0..2 {
        assert_eq!(net.peer(node, 0).prefixes.stale, 1, "node {node}");
        let error = net.peer(node, 0).last_error.unwrap();
        assert_eq!(error.class, CauseClass::AdminReset, "{error}");
    }
    net.run_secs(10);
    for node in 0..2 {
        assert_eq!(net.state(node, 0), State::Established);
        assert_eq!(net.peer(node, 0).established_count, 2);
        assert_eq!(net.peer(node, 0).prefixes.stale, 0);
    }
    nothing_was_removed(&net);
}

#[test]
fn a_shutdown_keeps_nothing_on_either_side() {
    let mut net = pair();
    order(&mut net, 0, Order::Shutdown("rack moves".to_owned()));
    for node in 0..2 {
        assert!(net.fib(node).is_empty(), "node {node}");
        let error = net.peer(node, 0).last_error.unwrap();
        assert_eq!(error.class, CauseClass::AdminShutdown, "{error}");
        let said = "Cease/Hard Reset (6/9) for Cease/Administrative Shutdown (6/2): \"rack moves\"";
        assert!(error.text.ends_with(said), "{error}");
    }
    order(&mut net, 0, Order::Start);
    net.run_secs(10);
    assert_eq!(net.fib(0).len() + net.fib(1).len(), 2);
}

#[test]
fn a_speaker_that_shuts_down_leaves_nothing_at_its_peers() {
    let mut net = pair();
    net.input(0, Input::Stop(StopMode::Shutdown("gone".to_owned())));
    net.run(Duration::from_millis(5));
    assert!(net.fib(1).is_empty());
    let hard = |event: &EventKind| matches!(event, EventKind::NotificationReceived(n) if n.is_hard_reset());
    assert!(net.nodes[1].events.iter().any(hard));
}

/// A departure from RFC 8538 §4: see `Cause::may_be_restart`.
#[test]
fn who_falls_silent_is_not_waited_for() {
    let mut net = pair();
    net.set_cut(LEFT, RIGHT, true);
    net.run_secs(95);
    for node in 0..2 {
        assert_ne!(net.state(node, 0), State::Established);
        assert_eq!(net.peer(node, 0).prefixes.received, 0);
        assert!(net.fib(node).is_empty());
    }
    net.set_cut(LEFT, RIGHT, false);
    net.run_secs(20);
    assert_eq!(net.fib(0).len() + net.fib(1).len(), 2);
}

#[test]
fn a_shutdown_takes_out_what_was_kept_before() {
    let mut solo = Solo::new();
    let conn = session(&mut solo, true, &[1]);
    solo.send(conn, &raw(3, &[6, 4]));
    assert_eq!(status(&solo).prefixes.stale, 1);
    let order = Order::Shutdown(String::new());
    solo.input(Input::Order {
        peer: PeerId(0),
        order,
    });
    assert_eq!(status(&solo).prefixes.received, 0);
}

/// 65002 with graceful restart of 120 s.
fn hello(notification: bool) -> Vec<u8> {
    let open = graceful_open(notification, 120, &[Family::IPV4_UNICAST]);
    [&encode(&Message::Open(open))[..], &message::keepalive()].concat()
}

fn announcement(network: u8) -> Vec<u8> {
    let attributes = [
        &[0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xea][..],
        &[0x40, 3, 4, 10, 0, 0, 2],
    ];
    let attributes = attributes.concat();
    let length = u8::try_from(attributes.len()).unwrap();
    let nlri = [24, 192, 0, network];
    raw(2, &[&[0, 0, 0, length][..], &attributes, &nlri].concat())
}

fn status(solo: &Solo) -> PeerStatus {
    solo.speaker.status(solo.now).peers.remove(0)
}

/// A session of the peer's that has announced these.
fn session(solo: &mut Solo, notification: bool, networks: &[u8]) -> ConnId {
    let conn = solo.accept(PEER);
    solo.send(conn, &hello(notification));
    solo.hear(conn);
    assert_eq!(status(solo).state, State::Established);
    for network in networks {
        solo.send(conn, &announcement(*network));
    }
    conn
}

fn end_of_rib(solo: &mut Solo, conn: ConnId) {
    solo.send(conn, &raw(2, &[0; 4]));
}

fn pass(solo: &mut Solo, secs: u64) {
    solo.now += Duration::from_secs(secs);
    solo.input(Input::Tick);
}

type End = fn(&mut Solo, ConnId);

/// Ways for a session to end, and whether routes are kept with and without the N bit.
const ENDS: [(&str, End, bool, bool); 10] = [
    (
        "6/4 from the peer",
        |s, c| s.send(c, &raw(3, &[6, 4])),
        true,
        false,
    ),
    // Not sent as a hard reset: the peer wants its routes to be kept.
    (
        "6/2 from the peer",
        |s, c| s.send(c, &raw(3, &[6, 2])),
        true,
        false,
    ),
    (
        "4/0 from the peer",
        |s, c| s.send(c, &raw(3, &[4, 0])),
        true,
        false,
    ),
    (
        "6/9 from the peer",
        |s, c| s.send(c, &raw(3, &[6, 9])),
        false,
        false,
    ),
    (
        "6/9 for 6/4",
        |s, c| s.send(c, &raw(3, &[6, 9, 6, 4])),
        false,
        false,
    ),
    (
        "3/1 to the peer",
        |s, c| s.send(c, &raw(2, &[0xff, 0xff, 0, 0])),
        true,
        false,
    ),
    // It may be alive and well elsewhere, but nobody should wait for that.
    ("4/0 to the peer", |s, _| pass(s, 91), false, false),
    (
        "8/0 to the peer",
        |s, conn| s.input(Input::SendHoldExpired { conn }),
        true,
        false,
    ),
    (
        "closed",
        |s, conn| {
            s.input(Input::Closed {
                conn,
                cause: CloseCause::Eof,
            });
        },
        true,
        true,
    ),
    (
        "6/2 to the peer",
        |s, _| {
            let order = Order::Shutdown(String::new());
            s.input(Input::Order {
                peer: PeerId(0),
                order,
            });
        },
        false,
        false,
    ),
];

#[test]
fn what_is_kept_depends_on_both_n_bits_and_the_hard_reset() {
    for (name, end, with, without) in ENDS {
        for (notification, kept) in [(true, with), (false, without)] {
            let mut solo = Solo::new();
            let conn = session(&mut solo, notification, &[1]);
            end(&mut solo, conn);
            let status = status(&solo);
            assert_ne!(status.state, State::Established, "{name}");
            let stale = status.prefixes.stale;
            assert_eq!(stale, usize::from(kept), "{name}, N {notification}");
            assert_eq!(status.prefixes.received, stale, "{name}");
        }
    }
}

#[test]
fn a_hard_reset_is_only_sent_to_who_knows_it() {
    for (notification, data) in [
        (true, vec![6, 2, 3, b'b', b'y', b'e']),
        (false, b"\x03bye".to_vec()),
    ] {
        let mut solo = Solo::new();
        let conn = session(&mut solo, notification, &[]);
        let order = Order::Shutdown("bye".to_owned());
        solo.input(Input::Order {
            peer: PeerId(0),
            order,
        });
        let subcode = if notification { 9 } else { 2 };
        assert_eq!(solo.notification(conn), (6, subcode, data.into()));
    }
}

/// Not told where graceful restart is off, and then it changes nothing.
#[test]
fn the_n_bit_is_offered_with_graceful_restart() {
    let offered = |net: &Net| {
        let session = net.peer(1, 0).session.unwrap();
        let mut all = session.capabilities_received.into_iter();
        all.find_map(|capability| match capability {
            Capability::GracefulRestart(value) => Some(value.notification),
            _ => None,
        })
    };
    assert_eq!(offered(&pair()), Some(true));
    let mut net = pair_with(GracefulRestartConfig {
        restart_secs: 0,
        stale_secs: 300,
        long_lived_secs: 0,
    });
    assert_eq!(offered(&net), None);
    order(&mut net, 1, Order::Reset(String::new()));
    assert!(net.fib(0).is_empty() && net.fib(1).is_empty());
}

/// RFC 8538 §4.1: a second loss does not take out what is stale already, and does not give it more
/// time either.
#[test]
fn lost_again_and_again_stale_routes_stay_until_the_bound() {
    let mut solo = Solo::new();
    let first = session(&mut solo, true, &[1, 2]);
    solo.send(first, &raw(3, &[6, 4]));
    pass(&mut solo, 100);
    // The bound of 300 s begins here.
    let mut conn = session(&mut solo, true, &[1]);
    for _ in 0..5 {
        pass(&mut solo, 1);
        solo.send(conn, &raw(3, &[6, 4]));
        assert_eq!(status(&solo).prefixes.stale, 2);
        pass(&mut solo, 45);
        conn = session(&mut solo, true, &[1]);
        assert_eq!(status(&solo).prefixes.stale, 1);
    }
    assert_eq!(status(&solo).prefixes.received, 2);
    pass(&mut solo, 69);
    assert_eq!(status(&solo).prefixes.stale, 1);
    solo.send(conn, &message::keepalive());
    pass(&mut solo, 1);
    assert_eq!(status(&solo).prefixes.received, 1, "300 s are over");
    assert_eq!(status(&solo).state, State::Established);
    // With its end of initial routes a session begins anew.
    end_of_rib(&mut solo, conn);
    solo.send(conn, &raw(3, &[6, 4]));
    pass(&mut solo, 119);
    assert_eq!(status(&solo).prefixes.stale, 1);
    pass(&mut solo, 1);
    assert_eq!(status(&solo).prefixes.received, 0);
}

/// Without the N bit the second loss takes them out (RFC 4724 §4.2).
#[test]
fn lost_again_without_the_n_bit_stale_routes_go() {
    let mut solo = Solo::new();
    for (networks, stale) in [(&[1, 2][..], 2), (&[1], 1), (&[], 0)] {
        let conn = session(&mut solo, false, networks);
        let cause = CloseCause::Eof;
        solo.input(Input::Closed { conn, cause });
        assert_eq!(status(&solo).prefixes.stale, stale);
    }
}

#[test]
fn a_peer_that_is_lost_thousands_of_times_costs_no_more() {
    let mut solo = Solo::new();
    for number in 0..5000_u32 {
        let conn = session(&mut solo, true, &[u8::try_from(number % 200).unwrap()]);
        solo.send(conn, &raw(3, &[6, 4]));
        let stale = status(&solo).prefixes.stale;
        assert!((1..=9).contains(&stale), "{stale}");
    }
}

#[test]
fn classes_of_hard_resets() {
    for (body, class) in [
        (&[6, 9][..], CauseClass::HardReset),
        (&[6, 9, 6, 9], CauseClass::HardReset),
        (&[6, 9, 3, 1], CauseClass::HardReset),
        (&[6, 9, 6, 1], CauseClass::MaxPrefixes),
        (&[6, 9, 6, 2], CauseClass::AdminShutdown),
        (&[6, 9, 4, 0], CauseClass::HoldExpired),
    ] {
        let mut solo = Solo::new();
        let conn = session(&mut solo, true, &[1]);
        solo.send(conn, &raw(3, body));
        let error = status(&solo).last_error.unwrap();
        assert_eq!(error.class, class, "{error}");
        let n = Notification::new(body[0], body[1], body[2..].to_vec());
        assert_eq!(error.text, format!("received {n}"));
    }
}
