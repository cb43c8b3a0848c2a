//! (octets, value) in both directions: decoding gives the value, encoding gives the octets.
//! Written by hand after the layouts of RFC 4271 §4 and RFC 4760 §3.

use bytes::Bytes;
use rcni_bgp_proto::iana::AttributeCode;
use rcni_bgp_proto::message::RawAttribute;
use rcni_bgp_proto::validate::SessionOptions;
use rcni_bgp_proto::{Capability, Family, Message, Open, RouteRefresh, Update};

use crate::support::{encoded, hex, nlri, receive, session, wire};

#[track_caller]
fn both_ways(octets: &[u8], message: &Message, opts: &SessionOptions) {
    assert_eq!(receive(octets, opts), Ok(message.clone()));
    assert_eq!(encoded(message, opts), octets);
}

fn attribute(flags: u8, code: AttributeCode, value: &str) -> RawAttribute {
    RawAttribute {
        flags,
        code,
        value: Bytes::from(hex(value)),
    }
}

#[test]
fn open() {
    let octets = hex("ffffffffffffffffffffffffffffffff 0033 01
         04 fde9 005a 0a000102
         16  02 14  0104 0001 00 01  0104 0002 00 01  0200  4104 0000fde9");
    let bgp_id = [10, 0, 1, 2].into();
    let capabilities = vec![
        Capability::Multiprotocol(Family::IPV4_UNICAST),
        Capability::Multiprotocol(Family::IPV6_UNICAST),
        Capability::RouteRefresh,
        Capability::FourOctetAs(65001),
    ];
    let open = Open {
        version: 4,
        my_as: 65001,
        hold_time: 90,
        bgp_id,
        capabilities,
    };
    both_ways(&octets, &Message::Open(open), &session());
}

#[test]
fn open_without_parameters() {
    let octets = hex("ffffffffffffffffffffffffffffffff 001d 01 04 fde9 00b4 0a000102 00");
    let bgp_id = [10, 0, 1, 2].into();
    let open = Open {
        version: 4,
        my_as: 65001,
        hold_time: 180,
        bgp_id,
        capabilities: vec![],
    };
    both_ways(&octets, &Message::Open(open), &session());
}

#[test]
fn keepalive() {
    let octets = hex("ffffffffffffffffffffffffffffffff 0013 04");
    both_ways(&octets, &Message::Keepalive, &session());
}

#[test]
fn route_refresh() {
    let octets = hex("ffffffffffffffffffffffffffffffff 0017 05 0002 00 01");
    let refresh = RouteRefresh {
        family: Family::IPV6_UNICAST,
        subtype: 0,
    };
    both_ways(&octets, &Message::RouteRefresh(refresh), &session());
}

#[test]
fn update_with_all_three_fields() {
    let octets = hex("ffffffffffffffffffffffffffffffff 003a 02
         0005  10 ac10  08 0a
         0019  40 01 01 00  40 02 0a 02 02 0000fde9 0000fdea  50 03 0004 0a000102
         18 c00002  00");
    let update = Update {
        withdrawn: vec![nlri("172.16.0.0/16"), nlri("10.0.0.0/8")],
        attributes: vec![
            attribute(0x40, AttributeCode::ORIGIN, "00"),
            attribute(0x40, AttributeCode::AS_PATH, "0202 0000fde9 0000fdea"),
            attribute(0x50, AttributeCode::NEXT_HOP, "0a000102"),
        ],
        trailing: Bytes::new(),
        nlri: vec![nlri("192.0.2.0/24"), nlri("0.0.0.0/0")],
    };
    both_ways(&octets, &Message::Update(update), &session());
}

#[test]
fn update_with_octets_that_are_no_attribute() {
    let octets = wire(2, &hex("0000 0007 40010100 8004c8 18c00002"));
    let update = Update {
        withdrawn: vec![],
        attributes: vec![attribute(0x40, AttributeCode::ORIGIN, "00")],
        trailing: Bytes::from(hex("8004c8")),
        nlri: vec![nlri("192.0.2.0/24")],
    };
    both_ways(&octets, &Message::Update(update), &session());
}

#[test]
fn end_of_rib() {
    let v4 = hex("ffffffffffffffffffffffffffffffff 0017 02 0000 0000");
    both_ways(&v4, &Message::Update(Update::default()), &session());
    assert_eq!(
        rcni_bgp_proto::message::end_of_rib(Family::IPV4_UNICAST),
        v4
    );
    let v6 = hex("ffffffffffffffffffffffffffffffff 001d 02 0000 0006 800f03 0002 01");
    let attributes = vec![attribute(0x80, AttributeCode::MP_UNREACH_NLRI, "000201")];
    both_ways(
        &v6,
        &Message::Update(Update {
            attributes,
            ..Update::default()
        }),
        &session(),
    );
    assert_eq!(
        rcni_bgp_proto::message::end_of_rib(Family::IPV6_UNICAST),
        v6
    );
}

#[test]
fn a_message_that_is_too_long_is_refused_and_leaves_nothing() {
    let nlri = vec![nlri("192.0.2.0/24"); 1019];
    let message = Message::Update(Update {
        nlri,
        ..Update::default()
    });
    let mut out = bytes::BytesMut::from(&b"before"[..]);
    let error = rcni_bgp_proto::message::encode(&message, &session(), &mut out);
    assert_eq!(
        error.expect_err("too long").to_string(),
        "the message would have 4099 octets, the session allows 4096"
    );
    assert_eq!(&out[..], b"before");
    let opts = SessionOptions {
        extended_message: true,
        ..session()
    };
    assert_eq!(encoded(&message, &opts).len(), 4099);
}
