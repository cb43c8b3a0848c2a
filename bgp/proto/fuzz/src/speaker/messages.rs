//! What the peers say: whole messages, chosen by a few octets.

use bytes::BytesMut;
use rcni_bgp_proto::attr::{AsPath, NextHop, PathAttributes};
use rcni_bgp_proto::capability::GracefulRestartCapability;
use rcni_bgp_proto::iana::{AttributeCode, afi};
use rcni_bgp_proto::message::{self, RawAttribute};
use rcni_bgp_proto::validate::SessionOptions;
use rcni_bgp_proto::{Capability, Family, Message, Open, Prefix, Update};

use super::script::Script;

pub const FAMILIES: [Family; 2] = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];

/// A message of any type with a true length.
pub fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let body = &body[..body.len().min(4096 - 19)];
    let mut out = vec![0xff; 16];
    let length = u16::try_from(19 + body.len()).expect("at most 4096");
    out.extend(length.to_be_bytes());
    out.push(kind);
    out.extend(body);
    out
}

fn encoded(message: &Message) -> Vec<u8> {
    let opts = SessionOptions {
        extended_message: true,
        ..SessionOptions::default()
    };
    let mut out = BytesMut::new();
    message::encode(message, &opts, &mut out).expect("fits");
    out.to_vec()
}

/// The OPEN that makes a plain session.
pub fn clean_open(asn: u32, bgp_id: u8) -> Vec<u8> {
    open(asn, bgp_id, 90, 0b0000_0011)
}

/// The bits of `offer`: IPv4, IPv6, graceful restart, its R bit, its N bit, its F bits, RFC 8950
/// and extended messages, enhanced route refresh and add-path.
pub fn open(asn: u32, bgp_id: u8, hold_time: u16, offer: u8) -> Vec<u8> {
    let bit = |bit: u8| offer & (1 << bit) != 0;
    let families: Vec<Family> = (0..)
        .zip(FAMILIES)
        .filter(|(number, _)| bit(*number))
        .map(|(_, family)| family)
        .collect();
    let mut capabilities: Vec<Capability> = families
        .iter()
        .copied()
        .map(Capability::Multiprotocol)
        .collect();
    capabilities.push(Capability::RouteRefresh);
    if bit(2) {
        capabilities.push(Capability::GracefulRestart(GracefulRestartCapability {
            restart: bit(3),
            notification: bit(4),
            time_secs: 30,
            families: families.iter().map(|family| (*family, bit(5))).collect(),
        }));
    }
    if bit(6) {
        capabilities.push(Capability::ExtendedNextHop(vec![(FAMILIES[0], afi::IPV6)]));
        capabilities.push(Capability::ExtendedMessage);
    }
    if bit(7) {
        capabilities.push(Capability::EnhancedRouteRefresh);
        capabilities.push(Capability::AddPath(
            FAMILIES.map(|family| (family, 3)).to_vec(),
        ));
    }
    // Without it the session has 2-octet AS numbers.
    if asn != 65003 || bit(0) {
        capabilities.push(Capability::FourOctetAs(asn));
    }
    encoded(&Message::Open(Open {
        version: 4,
        my_as: Open::two_octet_as(asn),
        hold_time,
        bgp_id: [10, 255, 0, bgp_id].into(),
        capabilities,
    }))
}

/// One of the few prefixes there are, so that peers meet at them. The second is one of ours.
pub fn prefix(number: u8) -> Prefix {
    let texts = [
        "10.244.2.0/24",
        "10.244.1.0/24",
        "10.244.3.0/25",
        "0.0.0.0/0",
        "fd00:10:244:2::/64",
        "fd00:10:244:1::/64",
        "2001:db8::/32",
        "::/0",
    ];
    texts[usize::from(number) % texts.len()]
        .parse()
        .expect("a prefix")
}

/// An announcement that is right, but for what its octets ask for.
pub fn announcement(asn: u32, peer: u8, script: &mut Script<'_>) -> Vec<u8> {
    let (which, kind) = (script.byte(), script.byte());
    let prefix = prefix(which);
    let asns = match kind & 3 {
        0 => vec![asn],
        1 => vec![asn, 65001],
        2 => vec![asn, 64999, 64999],
        _ => vec![],
    };
    let next_hop = match (kind >> 2 & 3, prefix.is_ipv4()) {
        (0 | 1, true) => NextHop::V4([10, 0, 0, peer].into()),
        (2, true) => NextHop::V4([10, 0, 0, 1].into()),
        (0, false) => NextHop::V6([0xfd00, 0, 0, 0, 0, 0, 0, peer.into()].into()),
        (1, false) => NextHop::V6LinkLocal {
            global: [0xfd00, 0, 0, 0, 0, 0, 0, peer.into()].into(),
            link_local: [0xfe80, 0, 0, 0, 0, 0, 0, peer.into()].into(),
        },
        _ => NextHop::V6([0xfe80, 0, 0, 0, 0, 0, 0, peer.into()].into()),
    };
    let attributes = PathAttributes {
        as_path: AsPath::from_sequence(&asns),
        next_hop: Some(next_hop),
        med: (kind & 16 != 0).then_some(u32::from(kind)),
        local_pref: (kind & 32 != 0).then_some(100 + u32::from(which)).into(),
        ..PathAttributes::default()
    };
    let opts = SessionOptions {
        four_octet_as: kind & 64 == 0,
        extended_next_hop: vec![FAMILIES[0]],
        ..SessionOptions::default()
    };
    let family = Family::of(&prefix);
    message::pack_announcements(family, &attributes, &[prefix], &opts).map_or_else(
        |_| message::keepalive().to_vec(),
        |messages| messages.concat(),
    )
}

/// Withdraws one of the prefixes.
pub fn withdrawal(number: u8) -> Vec<u8> {
    let prefix = prefix(number);
    let opts = SessionOptions::default();
    message::pack_withdrawals(Family::of(&prefix), &[prefix], &opts).concat()
}

/// Many prefixes at once: /24s of 100.64.0.0/10.
pub fn flood(asn: u32, peer: u8, start: u8, count: u8) -> Vec<u8> {
    let octet = |number: u8| [100, 64, start, number];
    let prefixes: Vec<Prefix> = (0..count)
        .map(|number| Prefix::new(octet(number).into(), 32).expect("a length"))
        .collect();
    let attributes = PathAttributes {
        as_path: AsPath::from_sequence(&[asn]),
        next_hop: Some(NextHop::V4([10, 0, 0, peer].into())),
        ..PathAttributes::default()
    };
    let opts = SessionOptions {
        four_octet_as: true,
        ..SessionOptions::default()
    };
    message::pack_announcements(FAMILIES[0], &attributes, &prefixes, &opts)
        .map(|messages| messages.concat())
        .unwrap_or_default()
}

/// An UPDATE whose only attributes are the fuzzer's.
pub fn raw_update(script: &mut Script<'_>) -> Vec<u8> {
    let (flags, code) = (script.byte(), script.byte());
    let value = script.bytes();
    let value = &value[..value.len().min(2000)];
    encoded(&Message::Update(Update {
        attributes: vec![
            raw(0x40, 1, &[0]),
            raw(0x40, 2, &[2, 1, 0, 0, 0xfd, 0xea]),
            raw(0x40, 3, &[10, 0, 0, 2]),
            raw(flags, code, value),
        ],
        nlri: vec![prefix(0).into()],
        ..Update::default()
    }))
}

fn raw(flags: u8, code: u8, value: &[u8]) -> RawAttribute {
    RawAttribute {
        flags,
        code: AttributeCode(code),
        value: bytes::Bytes::copy_from_slice(value),
    }
}

/// A route that nobody can find fault with.
pub fn route(asn: u32, peer: u8, prefix: Prefix) -> Vec<u8> {
    let asns = if asn == 65001 { vec![] } else { vec![asn] };
    let attributes = PathAttributes {
        as_path: AsPath::from_sequence(&asns),
        next_hop: Some(NextHop::V4([10, 0, 0, peer].into())),
        local_pref: (asn == 65001).then_some(100).into(),
        ..PathAttributes::default()
    };
    let opts = SessionOptions {
        four_octet_as: true,
        ..SessionOptions::default()
    };
    message::pack_announcements(Family::of(&prefix), &attributes, &[prefix], &opts)
        .expect("fits")
        .concat()
}
