//! Long-lived graceful restart (RFC 9494), between speakers and against bytes.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::net::Net;
use super::solo::{PEER, Solo, raw};
use super::{peer, prefix, speaker, transit};
use crate::attr::{AsPath, NextHop, PathAttributes};
use crate::capability::{Capability, GracefulRestartCapability, LongLivedFamily};
use crate::fsm::State;
use crate::iana::Family;
use crate::iana::community::{LLGR_STALE, NO_EXPORT, NO_LLGR};
use crate::message::{self, Message, Open, pack_announcements};
use crate::rib::{PathStatus, Step};
use crate::speaker::{
    CloseCause, ConnId, EventKind, GracefulRestartConfig, Input, Order, PeerConfig, PeerId,
    PeerStatus, RouteStatus, Speaker, SpeakerConfig,
};
use crate::validate::{LocalOpen, Offer, SessionOptions};

const HOUR: u32 = 3600;

fn lasting(long_lived_secs: u32) -> GracefulRestartConfig {
    GracefulRestartConfig {
        long_lived_secs,
        ..GracefulRestartConfig::default()
    }
}

/// Two nodes with a network of their own and one of both, a router, and two more nodes that
/// hear from it: one with long-lived restart, and one without graceful restart at all.
fn fabric() -> Net {
    let mut net = Net::new();
    let node = |id: u8, own: &[&str], secs| {
        let mut config = speaker(65000 + u32::from(id), id, own);
        config.graceful_restart = lasting(secs);
        config.peers = vec![peer(&format!("10.0.{id}.1"), 65000)];
        config
    };
    net.add(node(1, &["10.1.0.0/24", "10.9.0.0/24"], HOUR));
    net.add(node(2, &["10.2.0.0/24", "10.9.0.0/24"], HOUR));
    net.add(node(3, &[], HOUR));
    let mut config = node(4, &[], 0);
    config.graceful_restart.restart_secs = 0;
    net.add(config);
    let mut config = speaker(65000, 100, &[]);
    config.graceful_restart = lasting(2 * HOUR);
    config.peers = (1..=4)
        .map(|id: u8| PeerConfig {
            passive: true,
            ..transit(&format!("10.0.{id}.10"), 65000 + u32::from(id))
        })
        .collect();
    let tor = net.add(config);
    for id in 1..=4 {
        let (node, own) = (format!("10.0.{id}.10"), format!("10.0.{id}.1"));
        net.link((id - 1, &node), (tor, &own));
    }
    net.start_all();
    net.run_secs(10);
    assert_eq!(
        net.fib(TOR),
        [
            "10.1.0.0/24 via 10.0.1.10",
            "10.2.0.0/24 via 10.0.2.10",
            "10.9.0.0/24 via 10.0.1.10 10.0.2.10"
        ]
    );
    net
}

const TOR: usize = 4;

fn route(net: &Net, node: usize, text: &str) -> Option<RouteStatus> {
    let mut routes = net.speaker(node).routes();
    routes.find(|route| route.prefix == prefix(text) && route.peer == Some(PeerId(0)))
}

fn is_last_resort(route: &RouteStatus) -> bool {
    route.attributes.has_community(LLGR_STALE)
}

#[test]
fn who_does_not_come_back_is_the_last_resort_for_its_long_time() {
    let mut net = fabric();
    net.kill(0);
    net.run_secs(119);
    assert!(!is_last_resort(&route(&net, TOR, "10.1.0.0/24").unwrap()));
    let kept = net.peer(TOR, 0).kept;
    assert!(
        kept.until.is_some() && kept.long_lived_until.is_none(),
        "{kept:?}"
    );
    assert_eq!(net.fib(3).len(), 3);
    net.run_secs(2);
    // What nobody else has is used further on, and only then.
    assert_eq!(
        net.fib(TOR),
        [
            "10.1.0.0/24 via 10.0.1.10",
            "10.2.0.0/24 via 10.0.2.10",
            "10.9.0.0/24 via 10.0.2.10"
        ]
    );
    let lost = route(&net, TOR, "10.9.0.0/24").unwrap();
    assert_eq!(lost.status, PathStatus::Lost(Step::LongLivedStale));
    let status = net.peer(TOR, 0);
    assert_eq!((status.prefixes.stale, status.prefixes.long_lived), (2, 2));
    assert!(status.kept.until.is_none() && status.kept.long_lived_until.is_some());
    let kept = EventKind::LongLivedKept {
        family: Family::IPV4_UNICAST,
        routes: 2,
        secs: HOUR.into(),
    };
    assert!(net.nodes[TOR].events.contains(&kept));
    // Who takes such routes is told, the other one has it withdrawn.
    assert!(is_last_resort(&route(&net, 2, "10.1.0.0/24").unwrap()));
    assert_eq!(net.fib(2).len(), 3);
    assert!(route(&net, 3, "10.1.0.0/24").is_none());
    assert_eq!(
        net.fib(3),
        ["10.2.0.0/24 via 10.0.4.1", "10.9.0.0/24 via 10.0.4.1"]
    );

    // The smaller of the two times.
    net.run_secs(u64::from(HOUR) - 3);
    assert_eq!(net.fib(TOR).len(), 3);
    net.run_secs(3);
    assert_eq!(
        net.fib(TOR),
        ["10.2.0.0/24 via 10.0.2.10", "10.9.0.0/24 via 10.0.2.10"]
    );
    assert_eq!(net.peer(TOR, 0).kept, crate::speaker::KeptStatus::default());
    assert!(route(&net, 2, "10.1.0.0/24").is_none());
}

#[test]
fn who_comes_back_late_is_as_good_as_new() {
    let mut net = fabric();
    net.kill(0);
    net.run_secs(1000);
    assert!(is_last_resort(&route(&net, TOR, "10.1.0.0/24").unwrap()));
    net.restart(0);
    net.run_secs(30);
    assert!(!is_last_resort(&route(&net, TOR, "10.1.0.0/24").unwrap()));
    let status = net.peer(TOR, 0);
    assert_eq!(status.prefixes.stale, 0);
    assert_eq!(status.kept, crate::speaker::KeptStatus::default());
    assert_eq!(net.fib(TOR)[2], "10.9.0.0/24 via 10.0.1.10 10.0.2.10");
    assert_eq!(net.fib(3).len(), 3);
    // Its own network went nowhere in between.
    let own = prefix("10.1.0.0/24");
    let changes = net.nodes[TOR]
        .fib_log
        .iter()
        .filter(|change| change.1 == own);
    assert_eq!(changes.count(), 1);
}

#[test]
fn who_comes_back_without_its_routes_has_none() {
    let mut net = fabric();
    net.kill(0);
    net.nodes[0].fib.clear();
    net.run_secs(1000);
    net.restart(0);
    net.run_secs(30);
    assert!(net.nodes[TOR].events.contains(&EventKind::StaleFlushed(2)));
    assert_eq!(net.fib(TOR).len(), 3);
}

/// A departure from RFC 8538 §4, and what makes it harmless: see `Cause::may_be_restart`.
#[test]
fn who_falls_silent_is_the_last_resort_at_once() {
    let mut net = fabric();
    net.set_cut("10.0.1.1", "10.0.1.10", true);
    net.run_secs(95);
    assert_eq!(net.fib(TOR)[0], "10.1.0.0/24 via 10.0.1.10");
    assert_eq!(net.fib(TOR)[2], "10.9.0.0/24 via 10.0.2.10");
    assert!(net.peer(TOR, 0).kept.until.is_none());
    net.run_secs(HOUR.into());
    assert_eq!(net.fib(TOR).len(), 2);
}

#[test]
fn a_shutdown_and_a_drain_end_it() {
    let mut net = fabric();
    net.kill(0);
    net.run_secs(200);
    let peer = PeerId(0);
    net.input(
        TOR,
        Input::Order {
            peer,
            order: Order::Shutdown(String::new()),
        },
    );
    net.run_secs(1);
    assert_eq!(net.peer(TOR, 0).prefixes.received, 0);
    net.kill(1);
    net.run_secs(200);
    net.input(
        TOR,
        Input::Drain(crate::speaker::Drain::Close(String::new())),
    );
    net.run_secs(1);
    assert!(net.fib(TOR).is_empty());
}

/// Internal peers that do not know what the community means.
#[test]
fn internal_peers_without_it_take_it_for_the_last_resort_too() {
    let mut net = Net::new();
    let mut config = speaker(65001, 1, &["10.1.0.0/24"]);
    config.graceful_restart = lasting(HOUR);
    config.peers = vec![peer("10.0.1.1", 65000)];
    net.add(config);
    let mut config = speaker(65000, 100, &[]);
    config.graceful_restart = lasting(HOUR);
    config.peers = vec![transit("10.0.1.10", 65001), transit("10.0.2.2", 65000)];
    net.add(config);
    let mut config = speaker(65000, 101, &[]);
    config.graceful_restart.restart_secs = 0;
    config.peers = vec![peer("10.0.2.1", 65000)];
    net.add(config);
    net.link((0, "10.0.1.10"), (1, "10.0.1.1"));
    net.link((1, "10.0.2.1"), (2, "10.0.2.2"));
    net.start_all();
    net.run_secs(10);
    net.kill(0);
    net.run_secs(130);
    let there = route(&net, 2, "10.1.0.0/24").unwrap();
    assert_eq!(there.attributes.communities[..], [LLGR_STALE, NO_EXPORT]);
    assert_eq!(there.attributes.local_pref, Some(0));
}

fn options() -> SessionOptions {
    SessionOptions {
        four_octet_as: true,
        families: vec![Family::IPV4_UNICAST],
        ..SessionOptions::default()
    }
}

fn encode(message: &Message) -> Bytes {
    let mut out = BytesMut::new();
    message::encode(message, &options(), &mut out).unwrap();
    out.freeze()
}

/// What 65002 says of itself.
#[derive(Clone, Copy)]
struct They {
    notification: bool,
    restart_secs: u16,
    /// In the ordinary capability, too.
    in_both: bool,
    forwarding: bool,
    secs: u32,
}

const THEY: They = They {
    notification: true,
    restart_secs: 100,
    in_both: true,
    forwarding: true,
    secs: 1000,
};

impl They {
    fn open(self) -> Open {
        let family = Family::IPV4_UNICAST;
        let local = LocalOpen {
            asn: 65002,
            bgp_id: [10, 255, 0, 2].into(),
            hold_time: 90,
            families: vec![family],
            graceful_restart: Some(GracefulRestartCapability {
                restart: false,
                notification: self.notification,
                time_secs: self.restart_secs,
                families: self.in_both.then_some((family, true)).into_iter().collect(),
            }),
            long_lived_secs: None,
            extended_next_hop: false,
            offer: Offer::default(),
        };
        let mut open = local.to_open();
        let entry = LongLivedFamily {
            family,
            forwarding: self.forwarding,
            stale_secs: self.secs,
        };
        let capability = Capability::LongLivedGracefulRestart(vec![entry]);
        open.capabilities.push(capability);
        open
    }
}

fn solo(long_lived_secs: u32) -> Solo {
    let mut config: SpeakerConfig = speaker(65001, 1, &["10.244.1.0/24"]);
    config.graceful_restart = lasting(long_lived_secs);
    config.peers = vec![PeerConfig {
        passive: true,
        ..transit(PEER, 65002)
    }];
    let now = Instant::now();
    let mut solo = Solo {
        speaker: Speaker::new(config, now),
        now,
        closed: vec![],
        events: vec![],
    };
    solo.input(Input::Start);
    solo
}

fn announcement(network: u8, communities: &[u32]) -> Bytes {
    let attributes = PathAttributes {
        as_path: AsPath::from_sequence(&[65002]),
        next_hop: Some(NextHop::V4([10, 0, 0, 2].into())),
        communities: communities.into(),
        ..PathAttributes::default()
    };
    let prefixes = [prefix(&format!("192.0.{network}.0/24"))];
    let messages = pack_announcements(Family::IPV4_UNICAST, &attributes, &prefixes, &options());
    messages.unwrap().remove(0)
}

fn session(solo: &mut Solo, they: They, networks: &[u8]) -> ConnId {
    let conn = solo.accept(PEER);
    solo.send(conn, &encode(&Message::Open(they.open())));
    solo.send(conn, &message::keepalive());
    solo.hear(conn);
    assert_eq!(status(solo).state, State::Established);
    for network in networks {
        solo.send(conn, &announcement(*network, &[]));
    }
    conn
}

fn status(solo: &Solo) -> PeerStatus {
    solo.speaker.status(solo.now).peers.remove(0)
}

/// Stale routes, and of them long-lived ones.
fn stale(solo: &Solo) -> (usize, usize) {
    let prefixes = status(solo).prefixes;
    (prefixes.stale, prefixes.long_lived)
}

fn lose(solo: &mut Solo, conn: ConnId) {
    let cause = CloseCause::Reset;
    solo.input(Input::Closed { conn, cause });
}

fn pass(solo: &mut Solo, secs: u64) {
    solo.now += Duration::from_secs(secs);
    solo.input(Input::Tick);
    while solo.speaker.work(solo.now) {}
}

#[test]
fn what_must_not_be_kept_is_not() {
    let mut solo = solo(HOUR);
    let conn = session(&mut solo, THEY, &[1]);
    solo.send(conn, &announcement(2, &[NO_LLGR, 0xfde8_0001]));
    solo.send(conn, &announcement(3, &[0xfde8_0001]));
    lose(&mut solo, conn);
    assert_eq!(stale(&solo), (3, 0));
    pass(&mut solo, 99);
    assert_eq!(stale(&solo), (3, 0));
    pass(&mut solo, 1);
    assert_eq!(stale(&solo), (2, 2));
    let routes: Vec<_> = solo.speaker.routes().filter(|r| r.peer.is_some()).collect();
    assert_eq!(routes[0].attributes.communities[..], [LLGR_STALE]);
    assert_eq!(
        routes[1].attributes.communities[..],
        [0xfde8_0001, LLGR_STALE]
    );
    assert!(routes.iter().all(|route| route.stale));
    pass(&mut solo, 999);
    assert_eq!(stale(&solo), (2, 2));
    pass(&mut solo, 1);
    assert_eq!(status(&solo).prefixes.received, 0);
}

#[test]
fn the_long_time_goes_on_while_the_peer_comes_and_goes() {
    for notification in [true, false] {
        let they = They {
            notification,
            ..THEY
        };
        let mut solo = solo(HOUR);
        let conn = session(&mut solo, they, &[1, 2]);
        lose(&mut solo, conn);
        pass(&mut solo, 100);
        assert_eq!(stale(&solo), (2, 2));
        // 1,000 s from here on.
        pass(&mut solo, 500);
        let conn = session(&mut solo, they, &[1]);
        assert_eq!(stale(&solo), (1, 1));
        pass(&mut solo, 10);
        lose(&mut solo, conn);
        assert_eq!(stale(&solo), (2, 1), "N {notification}");
        pass(&mut solo, 100);
        assert_eq!(stale(&solo), (2, 2));
        pass(&mut solo, 389);
        assert_eq!(stale(&solo), (2, 2));
        pass(&mut solo, 1);
        assert_eq!(status(&solo).prefixes.received, 0);
        // An End-of-RIB makes it begin anew.
        let conn = session(&mut solo, they, &[1]);
        solo.send(conn, &raw(2, &[0; 4]));
        lose(&mut solo, conn);
        pass(&mut solo, 100);
        pass(&mut solo, 999);
        assert_eq!(stale(&solo), (1, 1));
    }
}

#[test]
fn the_end_of_rib_takes_out_what_was_not_told_again() {
    let mut solo = solo(HOUR);
    let conn = session(&mut solo, THEY, &[1, 2]);
    lose(&mut solo, conn);
    pass(&mut solo, 200);
    let conn = session(&mut solo, THEY, &[1]);
    // Longer than stale routes of an ordinary restart would be kept.
    for _ in 0..5 {
        pass(&mut solo, 80);
        solo.send(conn, &message::keepalive());
    }
    assert_eq!(stale(&solo), (1, 1));
    solo.send(conn, &raw(2, &[0; 4]));
    assert_eq!(stale(&solo), (0, 0));
    assert_eq!(status(&solo).prefixes.received, 1);
    assert_eq!(status(&solo).kept.long_lived_until, None);
    // Without the F bit everything goes at once.
    lose(&mut solo, conn);
    pass(&mut solo, 200);
    assert_eq!(stale(&solo), (1, 1));
    session(
        &mut solo,
        They {
            forwarding: false,
            ..THEY
        },
        &[],
    );
    assert_eq!(status(&solo).prefixes.received, 0);
}

#[test]
fn without_a_restart_time_it_begins_at_once() {
    for they in [
        They {
            restart_secs: 0,
            ..THEY
        },
        They {
            in_both: false,
            ..THEY
        },
    ] {
        let mut solo = solo(HOUR);
        let conn = session(&mut solo, they, &[1]);
        lose(&mut solo, conn);
        pass(&mut solo, 0);
        assert_eq!(stale(&solo), (1, 1));
        pass(&mut solo, 1000);
        assert_eq!(stale(&solo), (0, 0));
    }
}

#[test]
fn only_who_wants_it_keeps_and_both_times_bound_it() {
    for (ours, theirs, kept) in [(0, 1000, 0), (1000, 0, 0), (50, 1000, 50), (1000, 50, 50)] {
        let mut solo = solo(ours);
        let conn = session(
            &mut solo,
            They {
                secs: theirs,
                ..THEY
            },
            &[1],
        );
        lose(&mut solo, conn);
        pass(&mut solo, 100);
        assert_eq!(stale(&solo).1, usize::from(kept > 0), "{ours} {theirs}");
        if kept > 0 {
            pass(&mut solo, kept - 1);
            assert_eq!(stale(&solo), (1, 1));
            pass(&mut solo, 1);
        }
        assert_eq!(status(&solo).prefixes.received, 0);
    }
}

/// Lost again and again without an end: what is kept is bounded in number and time.
#[test]
fn thousands_of_losses_cost_no_more() {
    let mut solo = solo(HOUR);
    for number in 0..3000_u32 {
        let network = u8::try_from(number % 200).unwrap();
        let conn = session(
            &mut solo,
            They {
                restart_secs: 0,
                ..THEY
            },
            &[network],
        );
        lose(&mut solo, conn);
        pass(&mut solo, 1);
        let kept = stale(&solo).0;
        assert!((1..=10).contains(&kept), "{kept} after {number}");
    }
}

/// A long-lived stale route from somebody else, who goes on being there.
#[test]
fn what_others_call_the_last_resort_is() {
    let mut solo = solo(0);
    let conn = session(&mut solo, THEY, &[]);
    solo.send(conn, &announcement(1, &[LLGR_STALE]));
    let learned = solo
        .speaker
        .routes()
        .find(|route| route.peer.is_some())
        .unwrap();
    assert_eq!(learned.status, PathStatus::Best);
    assert!(!learned.stale);
}

fn offered(solo: &mut Solo) -> Option<Capability> {
    let conn = solo.accept(PEER);
    let Some(Message::Open(open)) = solo.hear(conn).pop() else {
        panic!("no OPEN");
    };
    let capability = open.capabilities.last().cloned();
    capability.filter(|last| matches!(last, Capability::LongLivedGracefulRestart(_)))
}

#[test]
fn the_capability_has_the_time_for_each_family_or_says_only_that_it_is_known() {
    let entry = LongLivedFamily {
        family: Family::IPV4_UNICAST,
        forwarding: false,
        stale_secs: HOUR,
    };
    let capability = |list| Some(Capability::LongLivedGracefulRestart(list));
    assert_eq!(offered(&mut solo(HOUR)), capability(vec![entry]));
    assert_eq!(offered(&mut solo(0)), capability(vec![]));
    // Without graceful restart it would have to be ignored.
    let mut config = speaker(65001, 1, &[]);
    config.graceful_restart.restart_secs = 0;
    config.graceful_restart.long_lived_secs = HOUR;
    config.peers = vec![peer(PEER, 65002)];
    let now = Instant::now();
    let mut without = Solo {
        speaker: Speaker::new(config, now),
        now,
        closed: vec![],
        events: vec![],
    };
    without.input(Input::Start);
    assert_eq!(offered(&mut without), None);
}

#[test]
fn other_rules_leave_the_mark() {
    use crate::policy::{Action, Changes, Policy, Rule};
    let mut solo = solo(HOUR);
    let preferring = |local_pref| {
        let changes = Changes {
            local_pref,
            ..Changes::default()
        };
        let rule = Rule::new("r", Action::Accept, None).set(changes);
        Policy::new(vec![rule], vec![])
    };
    let conn = session(&mut solo, THEY, &[1]);
    super::policies::set_rules(&mut solo, 0, preferring(Some(50)), Policy::accept_all());
    lose(&mut solo, conn);
    pass(&mut solo, 100);
    assert_eq!(stale(&solo), (1, 1));
    for local_pref in [Some(60), None, Some(70)] {
        super::policies::set_rules(&mut solo, 0, preferring(local_pref), Policy::accept_all());
        let route = super::policies::route(&solo.speaker, "192.0.1.0/24", 0);
        assert_eq!(route.attributes.local_pref, local_pref);
        assert_eq!(route.attributes.communities[..], [LLGR_STALE]);
        assert!(is_last_resort(&route));
    }
}
