//! Each recorded message by itself: decoded, judged, and back to octets.

use std::net::Ipv4Addr;

use bytes::{Bytes, BytesMut};
use rcni_bgp_proto::attr::{Aggregator, RareAttributes, UnknownAttribute};
use rcni_bgp_proto::capability::GracefulRestartCapability;
use rcni_bgp_proto::iana::AttributeCode;
use rcni_bgp_proto::message::{self, Message, pack_announcements, pack_withdrawals};
use rcni_bgp_proto::validate::{self, RouteUpdate, SessionOptions, UpdateContext};
use rcni_bgp_proto::{
    AsPath, Capability, Family, NextHop, Nlri, Notification, Origin, PathAttributes, Prefix,
};

use crate::file::{Recording, frame};

/// As the two OPENs of the recording say. Own messages are read as if they were the router's, so
/// path identifiers go both ways.
fn options(recording: &Recording) -> SessionOptions {
    let (sent, received) = recording.opens();
    let mut options = validate::negotiate(&sent, &received).unwrap().options;
    options.add_path.send = options.add_path.receive.clone();
    options
}

fn encoded(message: &Message, options: &SessionOptions) -> Vec<u8> {
    let mut out = BytesMut::new();
    message::encode(message, options, &mut out).unwrap();
    out.to_vec()
}

/// An UPDATE, NOTIFICATION, KEEPALIVE or ROUTE-REFRESH has exactly one encoding of what it says
/// raw. An OPEN does not: its capabilities may be in one parameter or in one each, so its value
/// must come back, and from then on the octets too.
#[test]
fn what_is_decoded_is_encoded_again() {
    for recording in Recording::all() {
        let options = options(&recording);
        for octets in recording.received() {
            let message = message::decode(frame(octets), &options).unwrap();
            let again = encoded(&message, &options);
            if matches!(message, Message::Open(_)) {
                let decoded = message::decode(frame(&again), &options).unwrap();
                assert_eq!(decoded, message, "{}", recording.name);
            } else {
                assert_eq!(again, octets, "{}", recording.name);
            }
        }
    }
}

fn judged(octets: &[u8], options: &SessionOptions) -> Option<RouteUpdate> {
    let context = UpdateContext {
        peer_is_external: true,
        peer_asn: 65000,
        local_asn: 65001,
        enforce_first_as: true,
        local_addresses: vec!["10.0.1.11".parse().unwrap()],
    };
    match message::decode(frame(octets), options).unwrap() {
        Message::Update(update) => Some(validate::update(update, options, &context).unwrap()),
        _ => None,
    }
}

/// What is accepted comes back from our own packing. The octets differ: routers order the
/// attributes as they like.
#[test]
fn what_is_accepted_is_packed_again() {
    let mut count = 0;
    for recording in Recording::all() {
        let options = options(&recording);
        for octets in recording.received() {
            let Some(update) = judged(octets, &options) else {
                continue;
            };
            for announced in &update.announced {
                let (family, prefixes) = (announced.family, &announced.prefixes);
                let packed = pack_announcements(family, &announced.attributes, prefixes, &options);
                let packed = packed.unwrap();
                assert_eq!(packed.len(), 1, "{}", recording.name);
                let again = judged(&packed[0], &options).unwrap();
                let announced = std::slice::from_ref(announced);
                assert_eq!(again.announced, announced, "{}", recording.name);
                count += 1;
            }
            for (family, prefixes) in &update.withdrawn {
                let packed = pack_withdrawals(*family, prefixes, &options);
                let again = judged(&packed[0], &options).unwrap();
                assert_eq!(
                    again.withdrawn,
                    [(*family, prefixes.clone())],
                    "{}",
                    recording.name
                );
                count += 1;
            }
        }
    }
    assert!(count > 100, "only {count}");
}

fn message_of(name: &str, wanted: impl Fn(&Message) -> bool) -> (Vec<u8>, Message) {
    let all = Recording::all();
    let recording = all.iter().find(|recording| recording.name == name).unwrap();
    let options = options(recording);
    let decoded = |octets: &[u8]| message::decode(frame(octets), &options).unwrap();
    let mut messages = recording
        .received()
        .map(|octets| (octets.to_vec(), decoded(octets)));
    messages.find(|(_, message)| wanted(message)).unwrap()
}

/// FRR has one capability in each parameter, and two codes for route refresh: 128 is older than
/// the RFC.
#[test]
fn the_open_of_frr() {
    let (_, open) = message_of("frr-8.4.4-session", |message| {
        matches!(message, Message::Open(_))
    });
    let Message::Open(open) = open else { panic!() };
    assert_eq!((open.version, open.my_as, open.hold_time), (4, 65000, 180));
    let codes: Vec<u8> = open.capabilities.iter().map(Capability::code).collect();
    assert_eq!(codes, [1, 1, 128, 2, 70, 65, 6, 69, 73, 64, 71]);
    let restart = GracefulRestartCapability {
        restart: true,
        notification: true,
        time_secs: 120,
        families: vec![(Family::IPV4_UNICAST, true), (Family::IPV6_UNICAST, true)],
    };
    assert!(
        open.capabilities
            .contains(&Capability::GracefulRestart(restart))
    );
}

/// A route of the helper as each router passes it on: the same value, with the router's own AS and
/// next hop. Partial is set in what the router does not know (GoBGP leaves it clear).
#[test]
fn one_route_of_four_routers() {
    let third_party = Ipv4Addr::from([10, 0, 1, 12]);
    let mut packed = Vec::new();
    for (name, next_hop) in [
        ("frr-8.4.4-session", third_party),
        ("bird-2.0.12-session", third_party),
        ("gobgp-3.10.0-session", [10, 0, 1, 1].into()),
        ("openbgpd-7.7-session", third_party),
    ] {
        let route: Nlri = Nlri::from("100.64.2.0/24".parse::<Prefix>().unwrap());
        let (octets, _) = message_of(
            name,
            |message| matches!(message, Message::Update(update) if update.nlri == [route]),
        );
        let all = Recording::all();
        let recording = all.iter().find(|recording| recording.name == name).unwrap();
        let options = options(recording);
        let update = judged(&octets, &options).unwrap();
        assert_eq!(update.errors, [], "{name}");
        let unknown = UnknownAttribute {
            flags: 0xe0,
            code: AttributeCode(99),
            value: Bytes::from_static(&[0xde, 0xad, 0xbe, 0xef]),
        };
        let expected = PathAttributes {
            origin: Origin::Incomplete,
            atomic_aggregate: true,
            as_path: AsPath::from_sequence(&[65000, 65002, 4_200_000_001, 65040]),
            next_hop: Some(NextHop::V4(next_hop)),
            communities: vec![0xfdea_0001, 0xffff_0000].into_boxed_slice(),
            rare: Some(Box::new(RareAttributes {
                aggregator: Some(Aggregator {
                    asn: 4_200_000_001,
                    bgp_id: third_party,
                }),
                extended_communities: vec![[0, 2, 0xfd, 0xea, 0, 0, 0, 7]],
                large_communities: vec![[65002, 1, 2]],
                unknown: vec![unknown],
                ..RareAttributes::default()
            })),
            ..PathAttributes::default()
        };
        assert_eq!(*update.announced[0].attributes, expected, "{name}");
        let family = Family::IPV4_UNICAST;
        packed.push((
            next_hop,
            pack_announcements(family, &expected, &[route], &options).unwrap(),
        ));
    }
    // Equal values have equal octets: who has the same next hop has the same message.
    assert_eq!(packed[0], packed[1]);
    assert_eq!(packed[0], packed[3]);
}

#[test]
fn the_farewell_of_a_router() {
    let (octets, message) = message_of("bird-2.0.12-session", |message| {
        matches!(message, Message::Notification(_))
    });
    let text = b"maintenance, back in 2 h";
    let mut data = vec![u8::try_from(text.len()).unwrap()];
    data.extend(text);
    let expected = Message::Notification(Notification::new(6, 2, Bytes::from(data)));
    assert_eq!(message, expected);
    assert_eq!(encoded(&expected, &SessionOptions::default()), octets);
}
