//! Maximum prefixes: what is counted, what happens at the limit, and when it is over.

use std::time::Duration;

use bytes::Bytes;

use super::net::Net;
use super::solo::{PEER, Solo, options};
use super::{peer, speaker, transit};
use crate::attr::{AsPath, NextHop, PathAttributes};
use crate::fsm::{CauseClass, State};
use crate::iana::Family;
use crate::message::{pack_announcements, pack_withdrawals};
use crate::rib::PathStatus;
use crate::speaker::{
    AddPath, ConnId, Crossing, EventKind, Input, LimitAction, LimitStatus, MaximumPrefixes, Offer,
    Order, PeerConfig, PeerId, PeerStatus, Remote, RemoteAs, SpeakerConfig,
};
use crate::wire::Prefix;

const V4: Family = Family::IPV4_UNICAST;

fn limits(limit: u32, action: LimitAction) -> Option<MaximumPrefixes> {
    Some(MaximumPrefixes {
        ipv4: Some(limit),
        ipv6: None,
        warning_percent: 75,
        action,
    })
}

/// The peer 65002 may announce so much, and there is an unlimited one.
pub(super) fn config(limit: u32, action: LimitAction) -> SpeakerConfig {
    let mut config = speaker(65001, 1, &[]);
    config.peers = vec![
        PeerConfig {
            passive: true,
            limits: limits(limit, action),
            ..transit(PEER, 65002)
        },
        PeerConfig {
            passive: true,
            ..transit("10.0.0.3", 65003)
        },
    ];
    config
}

pub(super) fn solo(limit: u32, action: LimitAction) -> Solo {
    Solo::with(config(limit, action))
}

pub(super) fn networks(numbers: std::ops::Range<u8>) -> Vec<Prefix> {
    let text = numbers.map(|number| format!("10.7.{number}.0/24"));
    text.map(|text| text.parse().unwrap()).collect()
}

pub(super) fn announcements(numbers: std::ops::Range<u8>) -> Vec<Bytes> {
    let attributes = PathAttributes {
        as_path: AsPath::from_sequence(&[65002]),
        next_hop: Some(NextHop::V4([10, 0, 0, 2].into())),
        ..PathAttributes::default()
    };
    pack_announcements(V4, &attributes, &networks(numbers), &options()).unwrap()
}

pub(super) fn announce(solo: &mut Solo, conn: ConnId, numbers: std::ops::Range<u8>) {
    for update in announcements(numbers) {
        solo.send(conn, &update);
    }
}

pub(super) fn withdraw(solo: &mut Solo, conn: ConnId, numbers: std::ops::Range<u8>) {
    for update in pack_withdrawals(V4, &networks(numbers), &options()) {
        solo.send(conn, &update);
    }
}

pub(super) fn status(solo: &Solo) -> PeerStatus {
    solo.speaker.status(solo.now).peers.remove(0)
}

fn limit(status: &PeerStatus) -> LimitStatus {
    status.prefixes.limits.unwrap()
}

pub(super) fn counted(solo: &Solo) -> (usize, u64) {
    let [(_, v4), _] = limit(&status(solo)).by_family;
    (v4.count, v4.ignored)
}

/// What was said, with the count.
pub(super) fn said(solo: &Solo) -> Vec<(Crossing, usize)> {
    let news = solo.events.iter().filter_map(|event| match event {
        EventKind::Limit(news) => Some((news.what, news.count)),
        _ => None,
    });
    news.collect()
}

fn pass(solo: &mut Solo, secs: u64) {
    solo.now += Duration::from_secs(secs);
    solo.input(Input::Tick);
}

fn order(solo: &mut Solo, order: Order) {
    let peer = PeerId(0);
    solo.input(Input::Order { peer, order });
}

#[test]
fn one_too_many_ends_the_session_until_its_time_is_over() {
    let action = LimitAction::Restart(60);
    let mut solo = solo(4, action);
    let conn = solo.establish(PEER, 65002);
    announce(&mut solo, conn, 0..4);
    assert_eq!(counted(&solo), (4, 0));
    assert_eq!(status(&solo).state, State::Established);
    // The same again, and others in the place of withdrawn ones.
    announce(&mut solo, conn, 0..4);
    withdraw(&mut solo, conn, 0..2);
    announce(&mut solo, conn, 4..6);
    assert_eq!(counted(&solo), (4, 0));
    assert!(solo.closed.is_empty());

    announce(&mut solo, conn, 6..7);
    assert_eq!(solo.closed, [conn]);
    let (code, subcode, data) = solo.notification(conn);
    assert_eq!(
        (code, subcode, &data[..]),
        (6, 1, &[0, 1, 1, 0, 0, 0, 4][..])
    );
    assert_eq!(said(&solo).last(), Some(&(Crossing::Passed(action), 5)));
    let status_now = status(&solo);
    assert_eq!(
        (status_now.state, status_now.prefixes.received),
        (State::Idle, 0)
    );
    assert_eq!(solo.speaker.status(solo.now).prefixes, 0, "nothing is left");
    let error = status_now.last_error.clone().unwrap();
    assert_eq!(error.class, CauseClass::MaxPrefixes, "{error}");
    assert!(
        error.text.ends_with(": at most 4 of ipv4 unicast"),
        "{error}"
    );
    let until = solo.now + Duration::from_secs(60);
    assert_eq!(limit(&status_now).held, Some(Some(until)));
    assert_eq!(solo.speaker.poll_timeout(), Some(until));

    pass(&mut solo, 59);
    let early = solo.accept(PEER);
    assert_eq!(solo.closed.last(), Some(&early));
    assert!(solo.hear(early).is_empty(), "without a word");
    pass(&mut solo, 1);
    assert_eq!(limit(&status(&solo)).held, None);
    let conn = solo.establish(PEER, 65002);
    announce(&mut solo, conn, 0..4);
    assert_eq!(status(&solo).state, State::Established);
    assert_eq!(counted(&solo), (4, 0));
}

/// It dials, too, and both sides know of Hard Resets.
#[test]
fn neither_side_keeps_anything_and_nobody_dials_before_the_time_is_over() {
    let mut net = Net::new();
    let mut config = speaker(65001, 1, &["10.1.0.0/24"]);
    config.peers = vec![PeerConfig {
        limits: limits(2, LimitAction::Restart(300)),
        ..peer("10.0.0.2", 65002)
    }];
    net.add(config);
    let mut config = speaker(65002, 2, &["10.2.0.0/24", "10.3.0.0/24", "10.4.0.0/24"]);
    config.peers = vec![peer("10.0.0.1", 65001)];
    net.add(config);
    net.link((0, "10.0.0.1"), (1, "10.0.0.2"));
    net.start_all();
    net.run_secs(250);
    for node in 0..2 {
        assert_eq!(net.peer(node, 0).established_count, 1, "node {node}");
        assert!(net.fib(node).is_empty(), "node {node}");
        let kept = |event: &EventKind| matches!(event, EventKind::StaleKept { .. });
        assert!(!net.nodes[node].events.iter().any(kept), "node {node}");
    }
    let words = "Cease/Hard Reset (6/9) for Cease/Maximum Number of Prefixes Reached (6/1): at most \
                 2 of ipv4 unicast";
    let error = net.peer(0, 0).last_error.unwrap();
    assert_eq!(error.text, format!("sent {words}"));
    let heard = |event: &EventKind| matches!(event, EventKind::NotificationReceived(n) if n.to_string() == words);
    assert!(net.nodes[1].events.iter().any(heard));
    // Then it is tried again, with no other result.
    net.run_secs(130);
    assert_eq!(net.peer(0, 0).established_count, 2);
    let wait = net.peer(0, 0);
    assert!(wait.next_attempt.is_some(), "it is known when");
}

/// The peer that is told so: nothing here but what it says.
#[test]
fn a_peers_own_limit_is_understood() {
    let mut solo = solo(4, LimitAction::Warn);
    let conn = solo.establish(PEER, 65002);
    solo.send(conn, &super::solo::raw(3, &[6, 1, 0, 2, 1, 0, 0, 3, 232]));
    let error = status(&solo).last_error.unwrap();
    assert_eq!(error.class, CauseClass::MaxPrefixes);
    let want =
        "received Cease/Maximum Number of Prefixes Reached (6/1): at most 1000 of ipv6 unicast";
    assert_eq!(error.text, want);
    // Without the data that nobody must send, or with others.
    for data in [&[][..], &[0, 1, 1, 0, 0, 0], &[0, 1, 1, 0, 0, 0, 1, 2]] {
        let conn = solo.establish(PEER, 65002);
        solo.send(conn, &super::solo::raw(3, &[&[6, 1], data].concat()));
        let error = status(&solo).last_error.unwrap();
        assert!(error.text.ends_with("Reached (6/1)"), "{error}");
    }
}

#[test]
fn a_shutdown_lasts_until_somebody_starts_the_peer() {
    let mut solo = solo(1, LimitAction::Shutdown);
    let conn = solo.establish(PEER, 65002);
    announce(&mut solo, conn, 0..2);
    assert_eq!(solo.notification(conn).1, 1);
    assert_eq!(limit(&status(&solo)).held, Some(None));
    for _ in 0..10 {
        pass(&mut solo, 10_000);
        let conn = solo.accept(PEER);
        assert_eq!(solo.closed.last(), Some(&conn));
    }
    order(&mut solo, Order::Reset(String::new()));
    assert_eq!(limit(&status(&solo)).held, Some(None));
    order(&mut solo, Order::Start);
    assert_eq!(limit(&status(&solo)).held, None);
    solo.establish(PEER, 65002);
}

#[test]
fn start_and_reset_end_the_wait_and_a_shutdown_replaces_it() {
    for clears in [Order::Start, Order::Reset(String::new())] {
        let mut solo = solo(1, LimitAction::Restart(60));
        let conn = solo.establish(PEER, 65002);
        announce(&mut solo, conn, 0..2);
        solo.hear(conn);
        order(&mut solo, clears);
        assert_eq!(limit(&status(&solo)).held, None);
        solo.establish(PEER, 65002);
        pass(&mut solo, 60);
        assert_eq!(status(&solo).state, State::Established);
    }
    let mut solo = solo(1, LimitAction::Restart(60));
    let conn = solo.establish(PEER, 65002);
    announce(&mut solo, conn, 0..2);
    order(&mut solo, Order::Shutdown(String::new()));
    assert!(status(&solo).kind.held_down);
    pass(&mut solo, 61);
    assert!(
        status(&solo).kind.held_down,
        "a command does not end by time"
    );
}

#[test]
fn a_wait_outlasts_a_drain_of_the_node_and_not_its_own_time() {
    for (away, back) in [(30, false), (90, true)] {
        let mut solo = solo(1, LimitAction::Restart(60));
        let conn = solo.establish(PEER, 65002);
        announce(&mut solo, conn, 0..2);
        use crate::speaker::Drain;
        solo.input(Input::Drain(Drain::Close(String::new())));
        assert_eq!(solo.speaker.poll_timeout(), None, "nothing to be done");
        pass(&mut solo, away);
        solo.input(Input::Drain(Drain::Off));
        assert_eq!(limit(&status(&solo)).held.is_none(), back);
        if !back {
            let conn = solo.accept(PEER);
            assert_eq!(solo.closed.last(), Some(&conn));
            pass(&mut solo, 60 - away);
        }
        solo.establish(PEER, 65002);
    }
}

#[test]
fn a_warning_comes_once_for_each_time_that_the_line_is_crossed() {
    let mut solo = solo(40, LimitAction::Warn);
    let conn = solo.establish(PEER, 65002);
    announce(&mut solo, conn, 0..29);
    assert!(said(&solo).is_empty());
    announce(&mut solo, conn, 29..30);
    assert_eq!(said(&solo), [(Crossing::Near, 30)]);
    // To and fro over the line.
    for _ in 0..5 {
        withdraw(&mut solo, conn, 27..30);
        announce(&mut solo, conn, 27..30);
    }
    assert_eq!(said(&solo).len(), 1);
    // A tenth below.
    withdraw(&mut solo, conn, 26..30);
    announce(&mut solo, conn, 26..40);
    assert_eq!(said(&solo)[1..], [(Crossing::Near, 40)]);
    announce(&mut solo, conn, 40..45);
    announce(&mut solo, conn, 45..50);
    let passed = |count| (Crossing::Passed(LimitAction::Warn), count);
    assert_eq!(said(&solo)[2..], [passed(45)]);
    assert_eq!(counted(&solo), (50, 0));
    withdraw(&mut solo, conn, 30..50);
    announce(&mut solo, conn, 30..50);
    assert_eq!(said(&solo)[3..], [passed(50)]);
    assert!(solo.closed.is_empty());
}

/// What the import rules do not let in counts, too; other families do not.
#[test]
fn rejected_prefixes_count() {
    let mut config = speaker(65001, 1, &[]);
    config.peers = vec![PeerConfig {
        passive: true,
        limits: limits(1, LimitAction::Shutdown),
        import: super::only("192.0.2.0/24", 24, 24),
        ..transit(PEER, 65002)
    }];
    let mut solo = Solo::with(config);
    let conn = solo.establish(PEER, 65002);
    announce(&mut solo, conn, 0..1);
    let route = solo.speaker.routes().next().unwrap();
    assert!(matches!(route.status, PathStatus::Rejected(_)));
    assert!(solo.closed.is_empty());
    announce(&mut solo, conn, 1..2);
    assert_eq!(solo.closed, [conn]);
}

/// One read may bring the last UPDATE and the peer's own goodbye.
#[test]
fn what_comes_after_the_limit_in_the_same_read_changes_nothing() {
    let mut solo = solo(1, LimitAction::Restart(60));
    let conn = solo.establish(PEER, 65002);
    let mut bytes = announcements(0..2).concat();
    bytes.extend(announcements(2..5).concat());
    bytes.extend(super::solo::raw(3, &[6, 4]));
    solo.send(conn, &bytes);
    assert_eq!(solo.closed, [conn]);
    let status = status(&solo);
    assert_eq!((status.prefixes.received, status.state), (0, State::Idle));
    assert!(limit(&status).held.is_some());
    assert_eq!(said(&solo).len(), 1);
    let early = solo.accept(PEER);
    assert_eq!(solo.closed.last(), Some(&early));
}

/// A router with two or more paths for one prefix, and who hears them all.
fn several(limit: u32) -> Net {
    let offer = |receive, send| Offer {
        add_path: AddPath { receive, send },
        ..Offer::default()
    };
    let mut net = Net::new();
    let mut router = speaker(65000, 1, &[]);
    for n in 0..2_u8 {
        let mut source = speaker(65001 + u32::from(n), 11 + n, &["10.9.0.0/24"]);
        source.peers = vec![transit(&format!("10.0.{n}.2"), 65000)];
        net.add(source);
        let address = format!("10.0.{n}.1");
        router.peers.push(transit(&address, 65001 + u32::from(n)));
    }
    router.peers.push(PeerConfig {
        offer: offer(false, 4),
        ..transit("10.0.9.2", 65009)
    });
    net.add(router);
    let mut hearer = speaker(65009, 9, &[]);
    hearer.peers = vec![PeerConfig {
        offer: offer(true, 0),
        limits: limits(limit, LimitAction::Shutdown),
        ..transit("10.0.9.1", 65000)
    }];
    net.add(hearer);
    for n in 0..2 {
        net.link((n, &format!("10.0.{n}.1")), (2, &format!("10.0.{n}.2")));
    }
    net.link((2, "10.0.9.1"), (3, "10.0.9.2"));
    net.start_all();
    net.run_secs(10);
    net
}

#[test]
fn of_several_paths_each_counts() {
    let net = several(2);
    assert_eq!(net.state(3, 0), State::Established);
    let [(_, v4), _] = limit(&net.peer(3, 0)).by_family;
    assert_eq!(v4.count, 2);
    let net = several(1);
    assert_eq!(limit(&net.peer(3, 0)).held, Some(None));
}

fn hub(config: PeerConfig) -> SpeakerConfig {
    let mut hub = speaker(65001, 1, &["10.244.0.0/24"]);
    hub.peers = vec![config];
    hub
}

/// A restart with other routes than before is not one with twice as many.
#[test]
fn what_is_kept_as_stale_does_not_count() {
    let mut net = Net::new();
    net.add(hub(PeerConfig {
        limits: limits(2, LimitAction::Shutdown),
        ..peer("10.0.0.2", 65002)
    }));
    for networks in [
        ["10.2.0.0/24", "10.3.0.0/24"],
        ["10.4.0.0/24", "10.5.0.0/24"],
    ] {
        let mut config = speaker(65002, 2, &networks);
        config.peers = vec![peer("10.0.0.1", 65001)];
        config.restarting = true;
        net.add(config);
    }
    net.link((0, "10.0.0.1"), (1, "10.0.0.2"));
    net.start(0);
    net.start(1);
    net.run_secs(100);
    assert_eq!(net.fib(0).len(), 2);
    net.kill(1);
    net.run_secs(1);
    let gone = net.peer(0, 0);
    assert_eq!((gone.prefixes.received, gone.prefixes.stale), (2, 2));
    assert_eq!(limit(&gone).by_family[0].1.count, 0);
    // Another process at the same address.
    net.link((0, "10.0.0.1"), (2, "10.0.0.2"));
    net.start(2);
    net.run_secs(100);
    assert_eq!(net.state(0, 0), State::Established);
    assert_eq!(
        net.fib(0),
        ["10.4.0.0/24 via 10.0.0.2", "10.5.0.0/24 via 10.0.0.2"]
    );
}

#[test]
fn each_peer_of_a_range_has_the_limit_for_itself_and_is_remembered_while_it_waits() {
    let mut net = Net::new();
    net.add(hub(PeerConfig {
        name: "nodes".to_owned(),
        remote: Remote::Range {
            network: super::prefix("10.0.0.0/24"),
            limit: 2,
        },
        asn: RemoteAs::External,
        passive: true,
        limits: limits(1, LimitAction::Restart(300)),
        ..transit("0.0.0.0", 0)
    }));
    for (id, networks) in [
        (11, &["10.2.0.0/24"][..]),
        (12, &["10.3.0.0/24", "10.4.0.0/24"]),
    ] {
        let mut config = speaker(65000 + u32::from(id), id, networks);
        config.peers = vec![transit("10.0.0.1", 65001)];
        let node = net.add(config);
        net.link((0, "10.0.0.1"), (node, &format!("10.0.0.{id}")));
    }
    net.start_all();
    net.run_secs(200);
    let [good, bad] = &net.status(0).peers[..] else {
        panic!()
    };
    assert_eq!(good.state, State::Established);
    assert_eq!((bad.state, bad.established_count), (State::Idle, 1));
    assert!(matches!(limit(bad).held, Some(Some(_))));
    assert_eq!(net.fib(0), ["10.2.0.0/24 via 10.0.0.11"]);
    net.run_secs(200);
    let bad = net.status(0).peers.remove(1);
    // Nothing of it was left when its time was over: it came as a new one.
    assert!(matches!(limit(&bad).held, Some(Some(_))), "{bad:?}");
    let passed = |event: &&EventKind| matches!(event, EventKind::Limit(_));
    assert_eq!(net.nodes[0].events.iter().filter(passed).count(), 3);
    // Started by name, it may come at once.
    let peer = net.speaker(0).find("nodes/10.0.0.12").unwrap();
    let order = Order::Start;
    net.input(0, Input::Order { peer, order });
    assert_eq!(net.status(0).peers.len(), 1);
}

/// Who raises a limit has looked at it; who lowers it means what is there, too.
#[test]
fn another_limit_counts_at_once() {
    let mut solo = solo(2, LimitAction::Restart(3600));
    let conn = solo.establish(PEER, 65002);
    announce(&mut solo, conn, 0..3);
    assert!(limit(&status(&solo)).held.is_some());
    let configured = |limit, action| {
        let mut config = config(limit, action);
        config.peers[0].name = "another name".to_owned();
        let (config, sockets) = (Box::new(config), std::collections::BTreeSet::new());
        Input::Reconfigure { config, sockets }
    };
    solo.input(configured(2, LimitAction::Restart(3600)));
    assert!(
        limit(&status(&solo)).held.is_some(),
        "nothing about the limit"
    );
    solo.input(configured(5, LimitAction::Restart(3600)));
    assert_eq!(limit(&status(&solo)).held, None);
    let conn = solo.establish(PEER, 65002);
    announce(&mut solo, conn, 0..5);
    assert_eq!(counted(&solo), (5, 0));
    solo.input(configured(5, LimitAction::Warn));
    assert_eq!(status(&solo).state, State::Established);
    solo.input(configured(4, LimitAction::Shutdown));
    assert_eq!(limit(&status(&solo)).held, Some(None));
    assert_eq!(status(&solo).prefixes.received, 0);
}
