//! Capability values in both directions, and what two OPEN messages agree on.

use bytes::Bytes;
use rcni_bgp_proto::capability::{GracefulRestartCapability, LongLivedFamily};
use rcni_bgp_proto::validate::{LocalOpen, Offer, negotiate};
use rcni_bgp_proto::{Capability, Family, Message, Open};

use crate::support::{encoded, hex, receive, session, wire};

const V4: Family = Family::IPV4_UNICAST;
const V6: Family = Family::IPV6_UNICAST;

fn open(capabilities: Vec<Capability>) -> Open {
    let bgp_id = "10.99.0.2".parse().expect("an address");
    Open {
        version: 4,
        my_as: 65001,
        hold_time: 90,
        bgp_id,
        capabilities,
    }
}

/// (octets, value): decoding gives the value, encoding gives the octets back.
#[track_caller]
fn both_ways(octets: &str, capability: Capability) {
    let value = hex(octets);
    let length = value.len();
    let mut body = hex(&format!(
        "04 fde9 005a 0a630002 {:02x} 02 {length:02x}",
        length + 2
    ));
    body.extend(value);
    let message = Message::Open(open(vec![capability]));
    assert_eq!(receive(&wire(1, &body), &session()), Ok(message.clone()));
    assert_eq!(encoded(&message, &session()), wire(1, &body));
}

#[test]
fn values() {
    both_ways("01 04 0002 00 01", Capability::Multiprotocol(V6));
    both_ways("02 00", Capability::RouteRefresh);
    both_ways(
        "05 06 0001 0001 0002",
        Capability::ExtendedNextHop(vec![(V4, 2)]),
    );
    both_ways("06 00", Capability::ExtendedMessage);
    both_ways("09 01 03", Capability::Role(3));
    both_ways("41 04 fffffffe", Capability::FourOctetAs(4_294_967_294));
    both_ways("45 04 0001 01 03", Capability::AddPath(vec![(V4, 3)]));
    both_ways("46 00", Capability::EnhancedRouteRefresh);
    let list = vec![LongLivedFamily {
        family: V4,
        forwarding: true,
        stale_secs: 3600,
    }];
    both_ways(
        "47 07 0001 01 80 000e10",
        Capability::LongLivedGracefulRestart(list),
    );
    let value = Bytes::from_static(b"hello");
    both_ways("c8 05 68656c6c6f", Capability::Unknown { code: 200, value });
}

/// As FRR 8.4 sends it after a restart: R and N, 120 s, F for both families.
#[test]
fn graceful_restart() {
    let mut value = GracefulRestartCapability {
        restart: true,
        notification: true,
        time_secs: 120,
        families: vec![(V4, true), (V6, true)],
    };
    both_ways(
        "40 0a c078 0001 01 80 0002 01 80",
        Capability::GracefulRestart(value.clone()),
    );
    (value.restart, value.notification) = (false, false);
    value.families = vec![(V4, false)];
    both_ways(
        "40 06 0078 0001 01 00",
        Capability::GracefulRestart(value.clone()),
    );
    value.families.clear();
    both_ways("40 02 0078", Capability::GracefulRestart(value));
}

#[test]
fn a_value_that_its_rfc_does_not_allow_is_kept_as_unknown() {
    for octets in [
        "01 03 000100",
        "02 01 00",
        "40 01 00",
        "40 03 0078 00",
        "45 03 000101",
    ] {
        let octets = hex(octets);
        let value = Bytes::copy_from_slice(&octets[2..]);
        let mut body = hex("04 fde9 005a 0a630002");
        body.extend([octets.len() as u8 + 2, 2, octets.len() as u8]);
        body.extend(&octets);
        let expected = open(vec![Capability::Unknown {
            code: octets[0],
            value,
        }]);
        assert_eq!(
            receive(&wire(1, &body), &session()),
            Ok(Message::Open(expected))
        );
    }
}

#[test]
fn many_capabilities_take_the_extended_form() {
    let value = Bytes::from(vec![7; 200]);
    let unknown = |code| Capability::Unknown {
        code,
        value: value.clone(),
    };
    let message = Message::Open(open(vec![unknown(200), unknown(201)]));
    let octets = encoded(&message, &session());
    assert_eq!(octets[28..35], hex("ff ff 0197 02 0194"));
    assert_eq!(receive(&octets, &session()), Ok(message));
}

#[test]
fn a_capability_that_is_too_long_is_refused_and_leaves_nothing() {
    let value = Bytes::from(vec![7; 256]);
    let message = Message::Open(open(vec![Capability::Unknown { code: 200, value }]));
    let mut out = bytes::BytesMut::from(&b"before"[..]);
    let error = rcni_bgp_proto::message::encode(&message, &session(), &mut out);
    assert_eq!(
        error.expect_err("too long").to_string(),
        "capability 200 has a value of 256 octets, at most 255 fit"
    );
    assert_eq!(&out[..], b"before");
}

fn local() -> LocalOpen {
    let time_secs = 120;
    let families = vec![(V4, true)];
    LocalOpen {
        asn: 4_200_000_000,
        bgp_id: "10.0.1.11".parse().expect("an address"),
        hold_time: 90,
        families: vec![V4, V6],
        graceful_restart: Some(GracefulRestartCapability {
            time_secs,
            families,
            ..GracefulRestartCapability::default()
        }),
        long_lived_secs: None,
        extended_next_hop: false,
        offer: Offer {
            extended_messages: false,
            ..Offer::default()
        },
    }
}

#[test]
fn without_a_common_family_the_peer_hears_which_ones_we_want() {
    let only = |family| {
        let families = vec![family];
        let local = LocalOpen {
            families,
            ..local()
        };
        local.to_open()
    };
    let error = negotiate(&only(V4), &only(V6)).expect_err("nothing in common");
    let notification = error.notification();
    assert_eq!((notification.code, notification.subcode), (2, 7));
    // RFC 5492 §3: code, length and value of the capability.
    assert_eq!(&notification.data[..], [1, 4, 0, 1, 0, 1]);
    assert_eq!(notification.wanted_families(), [V4]);
    assert_eq!(
        error.to_string(),
        "no address family in common: offered here ipv4 unicast, by the peer ipv6 unicast"
    );
    let mut about_others = notification;
    about_others.data = vec![65, 4, 0, 0, 0, 1].into();
    assert_eq!(about_others.wanted_families(), []);
    about_others.data = vec![1, 9].into();
    assert_eq!(about_others.wanted_families(), []);
}

#[test]
fn what_both_announced_is_negotiated() {
    let sent = local().to_open();
    assert_eq!((sent.my_as, sent.asn()), (23456, 4_200_000_000));
    let theirs = GracefulRestartCapability {
        restart: true,
        ..GracefulRestartCapability::default()
    };
    let received = Open {
        hold_time: 30,
        ..open(vec![
            Capability::Multiprotocol(V4),
            Capability::RouteRefresh,
            Capability::ExtendedMessage,
            Capability::FourOctetAs(65001),
            Capability::GracefulRestart(theirs.clone()),
        ])
    };
    let negotiated = negotiate(&sent, &received).expect("a family in common");
    assert_eq!(negotiated.hold_time_secs, 30);
    assert_eq!(negotiated.keepalive_secs(), 10);
    assert_eq!(negotiated.families, [V4]);
    assert_eq!(negotiated.options.families, [V4]);
    assert!(negotiated.options.four_octet_as);
    assert!(!negotiated.options.extended_message);
    assert!(negotiated.route_refresh);
    assert_eq!(negotiated.peer_graceful_restart, Some(theirs));
}

#[test]
fn a_peer_without_capabilities_speaks_ipv4_unicast_with_2_octet_as() {
    let negotiated = negotiate(&local().to_open(), &open(vec![])).expect("IPv4");
    assert_eq!(negotiated.families, [V4]);
    assert!(!negotiated.options.four_octet_as);
    assert!(!negotiated.route_refresh);
    assert_eq!(negotiated.peer_graceful_restart, None);
}

#[test]
fn hold_time_0_of_either_side_means_no_keepalives() {
    let received = Open {
        hold_time: 0,
        ..open(vec![])
    };
    let negotiated = negotiate(&local().to_open(), &received).expect("IPv4");
    assert_eq!(
        (negotiated.hold_time_secs, negotiated.keepalive_secs()),
        (0, 0)
    );
}
