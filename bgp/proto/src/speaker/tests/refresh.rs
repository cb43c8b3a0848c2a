//! Route refresh through a speaker: BoRR, EoRR, and requests of our own.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::{ip, prefix, speaker, transit};
use crate::attr::{AsPath, NextHop, PathAttributes};
use crate::iana::Family;
use crate::message::{self, Message, RouteRefresh, pack_announcements, route_refresh};
use crate::speaker::{ConnId, EventKind, Input, Output, PeerConfig, PeerId, Speaker};
use crate::validate::{LocalOpen, Offer, SessionOptions};
use crate::wire::Framer;

const V4: Family = Family::IPV4_UNICAST;
const V6: Family = Family::IPV6_UNICAST;
const REQUEST: u8 = 0;
const BEGIN: u8 = 1;
const END: u8 = 2;

/// A speaker with one session, of AS 65002, in both families.
struct One {
    speaker: Speaker,
    now: Instant,
    conn: ConnId,
    events: Vec<EventKind>,
}

fn options() -> SessionOptions {
    SessionOptions {
        four_octet_as: true,
        families: vec![V4, V6],
        ..SessionOptions::default()
    }
}

impl One {
    fn new(enhanced: bool) -> Self {
        let mut config = speaker(65001, 1, &[]);
        config.peers = vec![PeerConfig {
            passive: true,
            families: vec![V4, V6],
            ..transit("10.0.0.2", 65002)
        }];
        let now = Instant::now();
        let mut speaker = Speaker::new(config, now);
        speaker.handle(Input::Start, now);
        let conn = speaker.new_conn();
        let mut one = Self {
            speaker,
            now,
            conn,
            events: vec![],
        };
        let local: SocketAddr = "10.0.0.1:179".parse().unwrap();
        let remote = SocketAddr::new(ip("10.0.0.2"), 40_000);
        one.input(Input::Accepted {
            conn,
            local,
            remote,
        });
        let local = LocalOpen {
            asn: 65002,
            bgp_id: [10, 255, 0, 2].into(),
            hold_time: 0,
            families: vec![V4, V6],
            graceful_restart: None,
            long_lived_secs: None,
            extended_next_hop: false,
            offer: Offer::default(),
        };
        let mut open = local.to_open();
        if !enhanced {
            open.capabilities.retain(|c| c.code() != 70);
        }
        let mut bytes = BytesMut::new();
        message::encode(&Message::Open(open), &options(), &mut bytes).unwrap();
        one.send(&bytes);
        one.send(&message::keepalive());
        one.hear();
        one
    }

    fn input(&mut self, input: Input<'_>) {
        self.speaker.handle(input, self.now);
        while let Some(output) = self.speaker.poll_output() {
            if let Output::Event(event) = output {
                self.events.push(event.kind);
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        let conn = self.conn;
        self.input(Input::Received { conn, bytes });
    }

    fn hear(&mut self) -> Vec<Message> {
        let mut framer = Framer::new();
        let mut messages = vec![];
        while let Some(bytes) = self.speaker.poll_transmit(self.conn, self.now) {
            framer.push(&bytes);
            while let Some(frame) = framer.next_frame(65_535).unwrap() {
                messages.push(message::decode(frame, &options()).unwrap());
            }
        }
        messages
    }

    fn mark(&mut self, family: Family, subtype: u8) {
        self.send(&route_refresh(family, subtype));
    }

    fn announce(&mut self, nets: &[&str]) {
        for net in nets {
            let prefix = prefix(net);
            let next_hop = if prefix.is_ipv4() {
                NextHop::V4([10, 0, 0, 2].into())
            } else {
                NextHop::V6("2001:db8::2".parse().unwrap())
            };
            let attributes = PathAttributes {
                as_path: AsPath::from_sequence(&[65002]),
                next_hop: Some(next_hop),
                ..PathAttributes::default()
            };
            let family = Family::of(&prefix);
            let packed = pack_announcements(family, &attributes, &[prefix], &options());
            self.send(&packed.unwrap().concat());
        }
    }

    fn has(&self) -> Vec<String> {
        let routes = self.speaker.routes();
        routes.map(|route| route.prefix.to_string()).collect()
    }

    fn refreshed(&mut self) -> Vec<(usize, bool)> {
        let events = std::mem::take(&mut self.events);
        let refreshed = events.into_iter().filter_map(|kind| match kind {
            EventKind::Refreshed { gone, complete, .. } => Some((gone, complete)),
            _ => None,
        });
        refreshed.collect()
    }
}

const A: &str = "10.1.0.0/24";
const B: &str = "10.2.0.0/24";
const C6: &str = "2001:db8:c::/48";

#[test]
fn what_does_not_come_again_between_the_marks_is_gone() {
    let mut one = One::new(true);
    one.announce(&[A, B, C6]);
    one.mark(V4, BEGIN);
    one.announce(&[B]);
    assert_eq!(one.has(), [A, B, C6], "nothing goes before the end");
    one.mark(V4, END);
    assert_eq!(
        one.has(),
        [B, C6],
        "only of this family, only what did not come"
    );
    assert_eq!(one.refreshed(), [(1, true)]);
    // The mark is of one refresh only.
    one.mark(V4, BEGIN);
    one.announce(&[A, B]);
    one.mark(V4, END);
    assert_eq!(one.has(), [A, B, C6]);
    assert_eq!(one.refreshed(), [(0, true)]);
}

#[test]
fn a_second_beginning_begins_anew_and_an_end_alone_is_nothing() {
    let mut one = One::new(true);
    one.announce(&[A, B]);
    one.mark(V4, END);
    assert_eq!(one.has(), [A, B]);
    one.mark(V4, BEGIN);
    one.announce(&[A]);
    one.mark(V4, BEGIN);
    one.announce(&[B]);
    one.mark(V4, END);
    assert_eq!(one.has(), [B], "A came before the second beginning");
    one.mark(V4, END);
    assert_eq!(one.refreshed(), [(1, true)]);
}

#[test]
fn a_refresh_that_does_not_end_is_ended() {
    let mut one = One::new(true);
    one.announce(&[A, B]);
    one.mark(V4, BEGIN);
    one.announce(&[B]);
    let until = one.speaker.poll_timeout().expect("the bound");
    assert_eq!(until - one.now, Duration::from_secs(300));
    one.now = until;
    one.input(Input::Tick);
    assert_eq!(one.has(), [B]);
    assert_eq!(one.refreshed(), [(1, false)]);
    assert_eq!(one.speaker.poll_timeout(), None);
}

#[test]
fn without_negotiation_marks_are_ignored_and_requests_answered_without() {
    let mut one = One::new(false);
    one.announce(&[A]);
    one.mark(V4, BEGIN);
    one.mark(V4, END);
    assert_eq!(one.has(), [A]);
    one.mark(V4, REQUEST);
    one.mark(V4, 99);
    let marks = one.hear();
    let marks = marks
        .iter()
        .filter(|m| matches!(m, Message::RouteRefresh(_)));
    assert_eq!(marks.count(), 0);
}

#[test]
fn a_peer_is_asked_once_for_each_family() {
    let mut one = One::new(true);
    let peer = PeerId(0);
    one.input(Input::RequestRefresh { peer });
    one.input(Input::RequestRefresh { peer });
    let ask = |family| {
        let subtype = REQUEST;
        Message::RouteRefresh(RouteRefresh { family, subtype })
    };
    assert_eq!(one.hear(), [ask(V4), ask(V6)]);
    one.input(Input::RequestRefresh { peer: PeerId(9) });
    assert_eq!(one.hear(), []);
}
