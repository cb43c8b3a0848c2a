//! The same against bytes.

use super::super::solo::{PEER, Solo, encode, graceful_open, options, raw};
use super::super::{peer, policies, prefix, speaker, transit};
use super::{HOUR, is_last_resort, lasting};
use crate::attr::{AsPath, NextHop, PathAttributes};
use crate::capability::{Capability, LongLivedFamily};
use crate::fsm::State;
use crate::iana::Family;
use crate::iana::community::{LLGR_STALE, NO_LLGR};
use crate::message::{self, Message, Open, pack_announcements};
use crate::rib::PathStatus;
use crate::speaker::{CloseCause, ConnId, Input, PeerConfig, PeerStatus, Speaker, SpeakerConfig};
use bytes::Bytes;
use std::time::{Duration, Instant};

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
        let ordinary = if self.in_both { &[family][..] } else { &[] };
        let mut open = graceful_open(self.notification, self.restart_secs, ordinary);
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
    policies::set_rules(&mut solo, 0, preferring(Some(50)), Policy::accept_all());
    lose(&mut solo, conn);
    pass(&mut solo, 100);
    assert_eq!(stale(&solo), (1, 1));
    for local_pref in [Some(60), None, Some(70)] {
        policies::set_rules(&mut solo, 0, preferring(local_pref), Policy::accept_all());
        let route = policies::route(&solo.speaker, "192.0.1.0/24", 0);
        assert_eq!(route.attributes.local_pref, local_pref);
        assert_eq!(route.attributes.communities[..], [LLGR_STALE]);
        assert!(is_last_resort(&route));
    }
}
