//! One speaker against bytes: the NOTIFICATIONs of RFC 4271 §6 and RFC 6608, and what comes after.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::{prefix, speaker, transit};
use crate::attr::{AsPath, NextHop, PathAttributes, UnknownAttribute};
use crate::capability::GracefulRestartCapability;
use crate::fsm::{CauseClass, State};
use crate::iana::{AttributeCode, Family, attribute_flag};
use crate::message::{self, Message, Open, pack_announcements};
use crate::rib::{PathStatus, Unusable};
use crate::speaker::{ConnId, EventKind, Input, Output, PeerConfig, Speaker, SpeakerConfig};
use crate::validate::{LocalOpen, Offer, SessionOptions};
use crate::wire::Framer;

pub(super) const PEER: &str = "10.0.0.2";

/// A started speaker 65001 with the passive peers 65002 (10.0.0.2) and 65003 (10.0.0.3).
pub(super) struct Solo {
    pub(super) speaker: Speaker,
    pub(super) now: Instant,
    pub(super) closed: Vec<ConnId>,
    pub(super) events: Vec<EventKind>,
}

/// What it is told.
pub(super) fn config() -> SpeakerConfig {
    let mut config = speaker(65001, 1, &["10.244.1.0/24"]);
    config.peers = [(PEER, 65002), ("10.0.0.3", 65003), ("10.0.0.4", 65001)]
        .map(|(address, asn)| PeerConfig {
            passive: true,
            ..transit(address, asn)
        })
        .to_vec();
    config
}

impl Solo {
    pub(super) fn new() -> Self {
        Self::with(config())
    }

    pub(super) fn with(config: SpeakerConfig) -> Self {
        let now = Instant::now();
        let mut solo = Self {
            speaker: Speaker::new(config, now),
            now,
            closed: vec![],
            events: vec![],
        };
        solo.input(Input::Start);
        solo
    }

    pub(super) fn input(&mut self, input: Input<'_>) {
        self.speaker.handle(input, self.now);
        while let Some(output) = self.speaker.poll_output() {
            match output {
                Output::Close { conn } => self.closed.push(conn),
                Output::Event(event) => self.events.push(event.kind),
                _ => {}
            }
        }
    }

    pub(super) fn accept(&mut self, from: &str) -> ConnId {
        let conn = self.speaker.new_conn();
        let local: SocketAddr = "10.0.0.1:179".parse().unwrap();
        let remote = SocketAddr::new(super::ip(from), 45_678);
        self.input(Input::Accepted {
            conn,
            local,
            remote,
        });
        conn
    }

    pub(super) fn send(&mut self, conn: ConnId, bytes: &[u8]) {
        self.input(Input::Received { conn, bytes });
    }

    /// All that the speaker has to say on the connection.
    pub(super) fn hear(&mut self, conn: ConnId) -> Vec<Message> {
        let mut framer = Framer::new();
        let mut messages = vec![];
        while let Some(bytes) = self.speaker.poll_transmit(conn, self.now) {
            framer.push(&bytes);
            while let Some(frame) = framer.next_frame(4096).unwrap() {
                messages.push(message::decode(frame, &options()).unwrap());
            }
        }
        messages
    }

    pub(super) fn notification(&mut self, conn: ConnId) -> (u8, u8, Bytes) {
        match self.hear(conn).pop() {
            Some(Message::Notification(n)) => (n.code, n.subcode, n.data),
            other => panic!("no NOTIFICATION but {other:?}"),
        }
    }

    pub(super) fn establish(&mut self, from: &str, asn: u32) -> ConnId {
        self.establish_with(from, asn, 90)
    }

    pub(super) fn establish_with(&mut self, from: &str, asn: u32, hold_time: u16) -> ConnId {
        let conn = self.accept(from);
        self.send(conn, &open(asn, hold_time));
        self.send(conn, &message::keepalive());
        self.hear(conn);
        assert!(!self.closed.contains(&conn));
        conn
    }

    fn state(&self) -> State {
        self.speaker.status(self.now).peers[0].state
    }
}

pub(super) fn options() -> SessionOptions {
    SessionOptions {
        four_octet_as: true,
        families: vec![Family::IPV4_UNICAST],
        ..SessionOptions::default()
    }
}

pub(super) fn encode(message: &Message) -> Bytes {
    let mut out = BytesMut::new();
    message::encode(message, &options(), &mut out).unwrap();
    out.freeze()
}

pub(super) fn open(asn: u32, hold_time: u16) -> Bytes {
    encode(&Message::Open(their_open(asn, hold_time)))
}

fn their_open(asn: u32, hold_time: u16) -> Open {
    let offer = Offer {
        extended_messages: false,
        ..Offer::default()
    };
    LocalOpen {
        offer,
        ..plain(asn, hold_time)
    }
    .to_open()
}

/// What a peer offers by itself, for IPv4.
fn plain(asn: u32, hold_time: u16) -> LocalOpen {
    LocalOpen {
        asn,
        bgp_id: [10, 255, 0, 2].into(),
        hold_time,
        families: vec![Family::IPV4_UNICAST],
        graceful_restart: None,
        long_lived_secs: None,
        extended_next_hop: false,
        offer: Offer::default(),
    }
}

/// The OPEN of 65002 with graceful restart; its forwarding state of `families` is preserved.
pub(super) fn graceful_open(notification: bool, time_secs: u16, families: &[Family]) -> Open {
    let graceful_restart = Some(GracefulRestartCapability {
        restart: false,
        notification,
        time_secs,
        families: families.iter().map(|&family| (family, true)).collect(),
    });
    LocalOpen {
        graceful_restart,
        ..plain(65002, 90)
    }
    .to_open()
}

/// An announcement of 192.0.2.0/24.
fn update(change: impl Fn(&mut PathAttributes)) -> Vec<Bytes> {
    announcement("192.0.2.0/24", change)
}

/// Of AS 65002.
pub(super) fn announcement(network: &str, change: impl Fn(&mut PathAttributes)) -> Vec<Bytes> {
    let mut attributes = PathAttributes {
        as_path: AsPath::from_sequence(&[65002]),
        next_hop: Some(NextHop::V4([10, 0, 0, 2].into())),
        ..PathAttributes::default()
    };
    change(&mut attributes);
    let prefixes = [prefix(network)];
    pack_announcements(Family::IPV4_UNICAST, &attributes, &prefixes, &options()).unwrap()
}

pub(super) fn raw(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0xff; 16];
    out.extend(u16::try_from(19 + body.len()).unwrap().to_be_bytes());
    out.push(kind);
    out.extend(body);
    out
}

/// Name, bytes, and the code, subcode and data of the answer.
type Case<'a> = (&'a str, Vec<u8>, (u8, u8, &'a [u8]));

#[test]
fn garbage_gets_the_right_notification_and_the_session_comes_back_at_once() {
    let empty_update = raw(2, &[0, 0, 0, 0]);
    let mut bad_marker = open(65002, 90).to_vec();
    bad_marker[3] = 0;
    let mut version3 = open(65002, 90).to_vec();
    version3[19] = 3;
    let cases: Vec<Case<'_>> = vec![
        ("H01 marker", bad_marker, (1, 1, &[])),
        (
            "an HTTP request",
            b"GET / HTTP/1.1\r\nHost: bgp\r\n\r\n".to_vec(),
            (1, 1, &[]),
        ),
        ("H05 type", raw(255, &[]), (1, 3, &[255])),
        ("O01 version", version3, (2, 1, &[0, 4])),
        ("O02 wrong AS", open(65099, 90).to_vec(), (2, 2, &[])),
        ("O03 hold time", open(65002, 2).to_vec(), (2, 6, &[])),
        ("F01 UPDATE in OpenSent", empty_update.clone(), (5, 1, &[2])),
        (
            "F02 KEEPALIVE in OpenSent",
            message::keepalive().to_vec(),
            (5, 1, &[4]),
        ),
        (
            "F03 UPDATE in OpenConfirm",
            [&open(65002, 90)[..], &empty_update].concat(),
            (5, 2, &[2]),
        ),
        (
            "F04 OPEN in Established",
            [
                &open(65002, 90)[..],
                &message::keepalive(),
                &open(65002, 90),
            ]
            .concat(),
            (5, 3, &[1]),
        ),
    ];
    let mut solo = Solo::new();
    for (name, bytes, (code, subcode, data)) in cases {
        for portion in [1, 7, 4096] {
            let conn = solo.accept(PEER);
            bytes
                .chunks(portion)
                .for_each(|chunk| solo.send(conn, chunk));
            assert_eq!(solo.closed.last(), Some(&conn), "{name}: closed");
            let sent = solo.notification(conn);
            assert_eq!(
                sent,
                (code, subcode, Bytes::copy_from_slice(data)),
                "{name}"
            );
            assert_ne!(solo.state(), State::Established);
            let again = solo.establish(PEER, 65002);
            assert_eq!(solo.state(), State::Established, "{name}: back");
            solo.input(Input::Closed {
                conn: again,
                cause: super::CloseCause::Eof,
            });
        }
    }
}

/// Whoever can connect from the peer's address must not put the own dials off.
#[test]
fn garbage_on_incoming_connections_does_not_delay_the_own_dial() {
    let mut config = speaker(65001, 1, &["10.244.1.0/24"]);
    config.peers = vec![transit(PEER, 65002)];
    let now = Instant::now();
    let mut solo = Solo {
        speaker: Speaker::new(config, now),
        now,
        closed: vec![],
        events: vec![],
    };
    solo.speaker.handle(Input::Start, now);
    let mut outputs = std::iter::from_fn(|| solo.speaker.poll_output());
    let conn = outputs.find_map(|output| match output {
        Output::Dial { conn, .. } => Some(conn),
        _ => None,
    });
    let cause = crate::speaker::ConnectError::Refused;
    let conn = conn.unwrap();
    solo.input(Input::ConnectFailed { conn, cause });
    let due = solo.speaker.status(now).peers[0].next_attempt.unwrap();
    for _ in 0..8 {
        solo.now += Duration::from_millis(100);
        let conn = solo.accept(PEER);
        solo.send(conn, b"GET / HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n");
        assert_eq!(solo.notification(conn).0, 1);
        solo.input(Input::Closed {
            conn,
            cause: crate::speaker::CloseCause::Eof,
        });
        let status = solo.speaker.status(solo.now);
        assert_eq!(status.peers[0].next_attempt, Some(due));
        assert_eq!(status.peers[0].state, State::Active);
    }
}

#[test]
fn silence_in_each_state_ends_with_hold_timer_expired() {
    let hello = open(65002, 9);
    let both = [&hello[..], &message::keepalive()].concat();
    for (bytes, secs) in [(&[][..], 240), (&hello[..], 9), (&both[..], 9)] {
        let mut solo = Solo::new();
        let conn = solo.accept(PEER);
        solo.send(conn, bytes);
        let deadline = solo.now + Duration::from_secs(secs);
        while let Some(at) = solo.speaker.poll_timeout().filter(|at| *at < deadline) {
            solo.now = at;
            solo.input(Input::Tick);
            assert!(solo.closed.is_empty(), "too early");
        }
        solo.now = deadline;
        solo.input(Input::Tick);
        assert_eq!(solo.notification(conn), (4, 0, Bytes::new()));
        let error = solo.speaker.status(solo.now).peers[0]
            .last_error
            .clone()
            .unwrap();
        assert_eq!(error.class, CauseClass::HoldExpired);
    }
}

#[test]
fn a_notification_is_never_answered_and_its_text_is_escaped() {
    let nasty = b"\x06\x02\x0abye\x1b[31m\nx";
    let mut solo = Solo::new();
    for hello in [&[][..], &open(65002, 90)] {
        let conn = solo.accept(PEER);
        solo.send(conn, hello);
        solo.hear(conn);
        solo.send(conn, &raw(3, nasty));
        assert!(solo.hear(conn).is_empty());
        assert_eq!(solo.closed.last(), Some(&conn));
        let error = solo.speaker.status(solo.now).peers[0]
            .last_error
            .clone()
            .unwrap();
        assert_eq!(error.class, CauseClass::AdminShutdown);
        assert!(!error.text.contains(['\u{1b}', '\n']), "{}", error.text);
    }
}

#[test]
fn an_update_is_encoded_only_when_asked_for_and_end_of_rib_always_follows() {
    let mut solo = Solo::new();
    let conn = solo.accept(PEER);
    solo.send(
        conn,
        &[&open(65002, 90)[..], &message::keepalive()].concat(),
    );
    let kinds: Vec<&str> = solo
        .hear(conn)
        .iter()
        .map(|message| match message {
            Message::Open(_) => "open",
            Message::Keepalive => "keepalive",
            Message::Update(update) if update.nlri.is_empty() => "end-of-rib",
            Message::Update(_) => "update",
            _ => "other",
        })
        .collect();
    assert_eq!(kinds, ["open", "keepalive", "update", "end-of-rib"]);
    // A route refresh brings the routes again, and only for a family that is ours.
    solo.send(conn, &raw(5, &[0, 2, 0, 1]));
    solo.send(conn, &raw(5, &[0, 1, 99, 1]));
    assert!(solo.hear(conn).is_empty());
    solo.send(conn, &raw(5, &[0, 1, 0, 1]));
    let [
        Message::RouteRefresh(begin),
        Message::Update(_),
        Message::RouteRefresh(end),
    ] = &solo.hear(conn)[..]
    else {
        panic!("the routes between their marks");
    };
    assert_eq!((begin.subtype, end.subtype), (1, 2));
}

#[test]
fn keepalives_do_not_pile_up_for_a_peer_that_does_not_read() {
    let mut solo = Solo::new();
    let conn = solo.establish(PEER, 65002);
    for _ in 0..100 {
        solo.now += Duration::from_secs(30);
        solo.send(conn, &message::keepalive());
        solo.input(Input::Tick);
    }
    assert_eq!(solo.hear(conn), [Message::Keepalive]);
}

/// A speaker that learns from 65002 and tells 65003 and an internal peer.
struct Relay {
    solo: Solo,
    from: ConnId,
    to: [ConnId; 2],
}

impl Relay {
    fn new() -> Self {
        let mut solo = Solo::new();
        let from = solo.establish(PEER, 65002);
        let to = [
            solo.establish("10.0.0.3", 65003),
            solo.establish("10.0.0.4", 65001),
        ];
        Self { solo, from, to }
    }

    /// What the external and the internal peer hear of the update: announcement, withdrawal, no
    /// message.
    fn send(&mut self, change: impl Fn(&mut PathAttributes)) -> [Option<message::Update>; 2] {
        update(change)
            .iter()
            .for_each(|bytes| self.solo.send(self.from, bytes));
        self.to.map(|conn| match self.solo.hear(conn).pop() {
            Some(Message::Update(update)) => Some(update),
            None => None,
            other => panic!("{other:?}"),
        })
    }
}

fn is_announced(update: Option<&message::Update>) -> bool {
    update.is_some_and(|update| update.nlri.len() == 1 && update.withdrawn.is_empty())
}

fn is_withdrawn(update: Option<&message::Update>) -> bool {
    update.is_some_and(|update| update.nlri.is_empty() && update.withdrawn.len() == 1)
}

#[test]
fn attributes_reach_the_next_peer_as_the_rfc_wants() {
    let heard = Relay::new().send(|attributes| {
        attributes.med = Some(7);
        attributes.rare_mut().unknown.push(UnknownAttribute {
            flags: attribute_flag::OPTIONAL | attribute_flag::TRANSITIVE,
            code: AttributeCode(254),
            value: Bytes::from_static(&[0xde, 0xad]),
        });
    });
    let [outside, inside] = heard.map(|update| -> Vec<(u8, u8, Vec<u8>)> {
        let attributes = update.unwrap().attributes;
        attributes
            .iter()
            .map(|a| (a.code.0, a.flags, a.value.to_vec()))
            .collect()
    });
    assert!(
        outside.iter().all(|a| a.0 != 4 && a.0 != 5),
        "MED or LOCAL_PREF: {outside:?}"
    );
    assert!(
        outside.contains(&(3, 0x40, vec![10, 0, 0, 1])),
        "next hop self: {outside:?}"
    );
    assert!(
        outside.contains(&(254, 0xe0, vec![0xde, 0xad])),
        "with Partial: {outside:?}"
    );
    assert!(
        inside.contains(&(3, 0x40, vec![10, 0, 0, 2])),
        "next hop kept: {inside:?}"
    );
    assert!(
        inside.contains(&(5, 0x40, vec![0, 0, 0, 100])),
        "LOCAL_PREF: {inside:?}"
    );
    assert!(
        inside.contains(&(4, 0x80, vec![0, 0, 0, 7])),
        "MED: {inside:?}"
    );
}

#[test]
fn communities_and_loops_decide_who_is_told() {
    let mut relay = Relay::new();
    let [outside, inside] = relay.send(|_| {});
    assert!(is_announced(outside.as_ref()) && is_announced(inside.as_ref()));
    // The same again says nothing new.
    assert_eq!(relay.send(|_| {}), [None, None]);
    let [outside, inside] = relay.send(|a| a.communities = Box::new([0xffff_ff01]));
    assert!(is_withdrawn(outside.as_ref()), "NO_EXPORT: {outside:?}");
    assert!(is_announced(inside.as_ref()), "{inside:?}");
    let [outside, inside] = relay.send(|a| a.communities = Box::new([0xffff_ff02]));
    assert!(outside.is_none());
    assert!(is_withdrawn(inside.as_ref()), "NO_ADVERTISE: {inside:?}");
    let [outside, inside] = relay.send(|a| a.as_path = AsPath::from_sequence(&[65002, 65003]));
    assert!(outside.is_none(), "its own AS is in the path");
    assert!(is_announced(inside.as_ref()), "{inside:?}");
    let [_, inside] = relay.send(|a| a.as_path = AsPath::from_sequence(&[65002, 65001]));
    assert!(
        is_withdrawn(inside.as_ref()),
        "our own AS is in the path: {inside:?}"
    );
    let learned = relay
        .solo
        .speaker
        .routes()
        .filter(|route| route.peer.is_some());
    let statuses: Vec<_> = learned.map(|route| route.status).collect();
    assert_eq!(statuses, [PathStatus::Unusable(Unusable::OwnAs)]);
}

#[test]
fn a_second_connection_while_established_without_gr_is_refused() {
    let mut solo = Solo::new();
    let first = solo.establish(PEER, 65002);
    let second = solo.accept(PEER);
    assert!(matches!(solo.hear(second)[..], [Message::Open(_)]));
    solo.send(second, &open(65002, 90));
    assert_eq!(solo.notification(second), (6, 7, Bytes::new()));
    assert_eq!(solo.closed, [second]);
    assert_eq!(solo.state(), State::Established);
    solo.send(first, &message::keepalive());
    // A third and a fourth that never speak: the newer replaces the older.
    let third = solo.accept(PEER);
    let fourth = solo.accept(PEER);
    assert_eq!(solo.closed, [second, third]);
    assert_ne!(third, fourth);
    assert_eq!(solo.state(), State::Established);
}
