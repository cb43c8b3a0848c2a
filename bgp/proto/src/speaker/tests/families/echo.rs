//! Against bytes: our own networks come back, and next hops are understood or refused.

use bytes::{Bytes, BytesMut};

use super::*;
use crate::attr::{AsPath, NextHop, PathAttributes};
use crate::message::{self, Message, pack_announcements};
use crate::speaker::tests::{ip, prefix};
use crate::speaker::{ConnId, Input, Interface, OwnAddresses, Speaker};
use crate::validate::{LocalOpen, Offer, SessionOptions};
use std::net::SocketAddr;
use std::time::Instant;

fn options() -> SessionOptions {
    SessionOptions {
        four_octet_as: true,
        families: BOTH.to_vec(),
        ..SessionOptions::default()
    }
}

/// An established session with 65000 at 10.0.1.1, on interface 7.
pub(super) fn session() -> (Speaker, ConnId) {
    let mut config = speaker(65001, 11, &["10.244.1.0/24", "fd00:10:244:1::/64"]);
    config.peers = vec![PeerConfig {
        passive: true,
        ..dual("10.0.1.1", 65000)
    }];
    let now = Instant::now();
    let mut speaker = Speaker::new(config, now);
    speaker.handle(Input::Start, now);
    let conn = speaker.new_conn();
    let local = SocketAddr::new(ip(A), 179);
    let remote = SocketAddr::new(ip("10.0.1.1"), 40_000);
    speaker.handle(
        Input::Accepted {
            conn,
            local,
            remote,
        },
        now,
    );
    let own = OwnAddresses {
        interface: Some(Interface {
            index: 7,
            name: "eth1".to_owned(),
        }),
        v4: Some([10, 0, 1, 11].into()),
        v6: Some(A6.parse().unwrap()),
        addresses: vec![ip(A), ip(A6), ip("fe80::11")],
        elsewhere: Vec::new(),
        networks: A_OWN.map(|text| text.parse().unwrap()).to_vec(),
    };
    speaker.handle(Input::OwnAddresses { conn, own }, now);
    let open = LocalOpen {
        asn: 65000,
        bgp_id: [10, 255, 0, 1].into(),
        hold_time: 90,
        families: BOTH.to_vec(),
        graceful_restart: None,
        long_lived_secs: None,
        extended_next_hop: false,
        offer: Offer::default(),
    };
    let mut bytes = BytesMut::new();
    message::encode(&Message::Open(open.to_open()), &options(), &mut bytes).unwrap();
    bytes.extend_from_slice(&message::keepalive());
    let bytes = &bytes[..];
    speaker.handle(Input::Received { conn, bytes }, now);
    (speaker, conn)
}

/// What the peer says about a prefix.
pub(super) fn announce(
    (speaker, conn): &mut (Speaker, ConnId),
    text: &str,
    path: &[u32],
    next_hop: NextHop,
) {
    let prefix = prefix(text);
    let attributes = PathAttributes {
        as_path: AsPath::from_sequence(path),
        next_hop: Some(next_hop),
        ..PathAttributes::default()
    };
    let family = Family::of(&prefix);
    let messages: Vec<Bytes> =
        pack_announcements(family, &attributes, &[prefix], &options()).unwrap();
    for bytes in messages {
        let input = Input::Received {
            conn: *conn,
            bytes: &bytes,
        };
        speaker.handle(input, Instant::now());
    }
}

#[test]
fn our_own_echo_is_no_conflict_and_is_never_used() {
    let mut session = session();
    let tor = NextHop::V4([10, 0, 1, 1].into());
    let told = |session: &(Speaker, ConnId)| session.0.status(Instant::now()).conflicts.len();
    let own = "10.244.1.0/24";
    announce(&mut session, own, &[65000, 65001], tor);
    assert_eq!(told(&session), 0, "our AS is in the path");
    announce(&mut session, own, &[65000, 65000], tor);
    assert_eq!(told(&session), 0, "as-override");
    announce(&mut session, own, &[65000], tor);
    assert_eq!(told(&session), 1, "the ToR originates it");
    announce(&mut session, own, &[65000, 65000, 65007], tor);
    assert_eq!(told(&session), 1);
    // Outside, just beside and around it.
    for other in ["10.244.0.0/24", "10.244.2.0/24", "10.244.0.0/16"] {
        announce(&mut session, other, &[65000, 65007], tor);
    }
    assert_eq!(told(&session), 1);
    let v6 = NextHop::V6("fd00:10:0:1::1".parse().unwrap());
    announce(&mut session, "fd00:10:244:1::7/128", &[65000, 65007], v6);
    assert_eq!(told(&session), 2, "inside of the IPv6 network");
    announce(&mut session, own, &[65000, 65001], tor);
    assert_eq!(told(&session), 1, "and it goes");
}

/// A router of our subnet leaves us as next hop when it tells us what it has from us.
#[test]
fn an_echo_with_our_own_next_hop_is_kept_with_its_reason_and_nothing_is_malformed() {
    let mut session = session();
    let own = "10.244.1.0/24";
    for (path, reason) in [
        (&[65000, 65001], Unusable::OwnAs),
        (&[65000, 65000], Unusable::OwnNextHop),
    ] {
        let us = NextHop::V4([10, 0, 1, 11].into());
        announce(&mut session, own, path, us);
        let mut told = session.0.routes().filter(|route| route.peer.is_some());
        let status = told.find(|route| route.prefix == prefix(own));
        let status = status.map(|route| route.status);
        assert_eq!(status, Some(PathStatus::Unusable(reason)));
    }
    let up = session.0.status(Instant::now()).peers.remove(0).session;
    assert_eq!(up.unwrap().notes, Vec::<String>::new());
}

#[test]
fn received_next_hops_become_gateways_or_reasons() {
    let mut session = session();
    let both = |global: &str, link_local: &str| NextHop::V6LinkLocal {
        global: global.parse().unwrap(),
        link_local: link_local.parse().unwrap(),
    };
    let v6 = |text: &str| NextHop::V6(text.parse().unwrap());
    let text = "2001:db8::/32";
    let mut outcome = |next_hop: NextHop| {
        announce(&mut session, text, &[65000], next_hop);
        let route = session.0.routes().find(|r| r.prefix == prefix(text));
        let status = route.map(|route| route.status);
        let mut gateway = None;
        while let Some(output) = session.0.poll_output() {
            if let crate::speaker::Output::Fib(change) = output {
                gateway = Some(change.next_hops.iter().map(ToString::to_string).collect());
            }
        }
        (status, gateway.map(|hops: Vec<String>| hops.join("+")))
    };
    let best = Some(PathStatus::Best);
    let hop = |text: &str| Some(text.to_owned());
    let (tor, far) = ("fd00:10:0:1::1", "2001:db8:ffff::1");
    assert_eq!(outcome(v6(tor)), (best, hop(tor)));
    assert_eq!(outcome(both(far, "fe80::1")), (best, hop("fe80::1%7")));
    assert_eq!(outcome(both(tor, "fe80::1")), (best, hop(tor)));
    assert_eq!(outcome(v6("fe80::2")), (best, hop("fe80::2%7")));
    // Kept with the reason, or counted as withdrawn; never in the kernel.
    let unusable = |why| Some(PathStatus::Unusable(why));
    let own = unusable(Unusable::OwnNextHop);
    assert_eq!(outcome(v6(A6)), (own, hop("")));
    assert_eq!(outcome(both(far, "fe80::11")), (own, None));
    for text in ["::", "ff02::1", "::1", "::ffff:10.0.1.1"] {
        assert_eq!(outcome(v6(text)), (None, None), "{text}");
    }
    let up = session.0.status(Instant::now()).peers.remove(0).session;
    let notes = up.unwrap().notes;
    let note = notes
        .iter()
        .find(|note| note.contains("4 times a malformed UPDATE"));
    assert!(
        note.is_some_and(|note| note.contains("NEXT_HOP")),
        "{notes:?}"
    );
}
