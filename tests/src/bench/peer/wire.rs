//! Messages as bytes (RFC 4271 §4, capabilities of RFC 4760 and RFC 6793).

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use super::{Family, Plan};

/// Message types.
pub mod kind {
    /// OPEN
    pub const OPEN: u8 = 1;
    /// UPDATE
    pub const UPDATE: u8 = 2;
    /// NOTIFICATION
    pub const NOTIFICATION: u8 = 3;
    /// KEEPALIVE
    pub const KEEPALIVE: u8 = 4;
}

/// Attributes that are looked at.
pub mod attribute {
    /// MP_REACH_NLRI
    pub const REACH: u8 = 14;
    /// MP_UNREACH_NLRI
    pub const UNREACH: u8 = 15;
}

/// Marker, length, type.
pub const HEADER_LEN: usize = 19;
/// The longest message, bytes.
pub const MESSAGE_MAX: usize = 4096;
/// What the peers offer, seconds. Long, since no run lasts as long.
const HOLD_TIME: u16 = 240;

fn begin(out: &mut Vec<u8>, kind: u8) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0xff; 16]);
    out.extend_from_slice(&[0, 0, kind]);
    start
}

/// Writes a 16-bit length of what follows `at + 2`, plus `extra`.
fn put_length(out: &mut [u8], at: usize, extra: usize) {
    let length = u16::try_from(out.len() - at - 2 + extra).unwrap_or(u16::MAX);
    out[at..at + 2].copy_from_slice(&length.to_be_bytes());
}

fn end(out: &mut [u8], start: usize) {
    // The message's length counts the marker and the length itself.
    put_length(out, start + 16, 18);
}

/// AFI and SAFI.
fn address_family(family: Family) -> [u8; 3] {
    match family {
        Family::V4 => [0, 1, 1],
        Family::V6 => [0, 2, 1],
    }
}

/// An OPEN with one family and four-octet AS numbers.
#[must_use]
pub fn open(asn: u32, id: Ipv4Addr, family: Family) -> Vec<u8> {
    const VERSION: u8 = 4;
    const AS_TRANS: u16 = 23456;
    let mut out = Vec::new();
    let start = begin(&mut out, kind::OPEN);
    out.push(VERSION);
    out.extend_from_slice(&u16::try_from(asn).unwrap_or(AS_TRANS).to_be_bytes());
    out.extend_from_slice(&HOLD_TIME.to_be_bytes());
    out.extend_from_slice(&id.octets());
    let [a, b, c, d] = asn.to_be_bytes();
    // Multiprotocol: AFI, a reserved octet, SAFI. Four-octet AS.
    let [high, low, safi] = address_family(family);
    let capabilities = [1, 4, high, low, 0, safi, 65, 4, a, b, c, d];
    let length = 12;
    out.extend_from_slice(&[length + 2, 2, length]);
    out.extend_from_slice(&capabilities);
    end(&mut out, start);
    out
}

/// A KEEPALIVE.
#[must_use]
pub fn keepalive() -> Vec<u8> {
    let mut out = Vec::new();
    let start = begin(&mut out, kind::KEEPALIVE);
    end(&mut out, start);
    out
}

/// All announcements of a plan. Every UPDATE has attributes of its own (another origin AS), as in
/// the Internet's table: nobody can answer with a few large messages.
#[must_use]
pub fn announcements(plan: &Plan) -> Vec<u8> {
    let mut out = Vec::new();
    let mut number = 0;
    while number < plan.routes {
        let until = plan.routes.min(number + plan.per_update);
        update(&mut out, plan, number / plan.per_update, number..until);
        number = until;
    }
    out
}

fn attributes(out: &mut Vec<u8>, plan: &Plan, update: u32) {
    /// First private AS number of four octets (RFC 6996).
    const PRIVATE: u32 = 4_200_000_000;
    const TRANSITIVE: u8 = 0x40;
    const SEQUENCE: u8 = 2;
    // ORIGIN IGP
    out.extend_from_slice(&[TRANSITIVE, 1, 1, 0]);
    let path = [plan.asn, 65_100 + update % 100, PRIVATE + update];
    out.extend_from_slice(&[TRANSITIVE, 2, 14, SEQUENCE, 3]);
    path.iter()
        .for_each(|asn| out.extend_from_slice(&asn.to_be_bytes()));
    if let IpAddr::V4(next_hop) = plan.next_hop {
        out.extend_from_slice(&[TRANSITIVE, 3, 4]);
        out.extend_from_slice(&next_hop.octets());
    }
}

/// The announcement of one prefix, which need not be one of the plan's.
#[must_use]
pub fn announcement(plan: &Plan, number: u32) -> Vec<u8> {
    let mut out = Vec::new();
    update(&mut out, plan, number / plan.per_update, number..number + 1);
    out
}

/// The announcement of some prefixes with the attributes of UPDATE `update`.
pub fn update(out: &mut Vec<u8>, plan: &Plan, update: u32, prefixes: Range<u32>) {
    const OPTIONAL: u8 = 0x80;
    let start = begin(out, kind::UPDATE);
    out.extend_from_slice(&[0, 0]);
    let attributes_at = out.len();
    out.extend_from_slice(&[0, 0]);
    attributes(out, plan, update);
    if let IpAddr::V6(next_hop) = plan.next_hop {
        let mut reach = address_family(Family::V6).to_vec();
        reach.push(16);
        reach.extend_from_slice(&next_hop.octets());
        reach.push(0);
        prefixes.for_each(|number| prefix(&mut reach, Family::V6, number));
        let length = u8::try_from(reach.len()).unwrap_or(u8::MAX);
        out.extend_from_slice(&[OPTIONAL, attribute::REACH, length]);
        out.extend_from_slice(&reach);
        put_length(out, attributes_at, 0);
    } else {
        put_length(out, attributes_at, 0);
        prefixes.for_each(|number| prefix(out, Family::V4, number));
    }
    end(out, start);
}

/// One prefix as an internal peer originates it.
#[must_use]
pub fn internal(number: u32, next_hop: Ipv4Addr) -> Vec<u8> {
    const TRANSITIVE: u8 = 0x40;
    let mut out = Vec::new();
    let start = begin(&mut out, kind::UPDATE);
    out.extend_from_slice(&[0, 0]);
    let attributes_at = out.len();
    out.extend_from_slice(&[0, 0]);
    // ORIGIN IGP, an empty AS_PATH, NEXT_HOP, LOCAL_PREF 100
    out.extend_from_slice(&[TRANSITIVE, 1, 1, 0, TRANSITIVE, 2, 0]);
    out.extend_from_slice(&[TRANSITIVE, 3, 4]);
    out.extend_from_slice(&next_hop.octets());
    out.extend_from_slice(&[TRANSITIVE, 5, 4, 0, 0, 0, 100]);
    put_length(&mut out, attributes_at, 0);
    prefix(&mut out, Family::V4, number);
    end(&mut out, start);
    out
}

fn prefix(out: &mut Vec<u8>, family: Family, number: u32) {
    let length = family.prefix_len();
    out.push(length);
    let octets = usize::from(length / 8);
    match family.prefix(number) {
        IpAddr::V4(address) => out.extend_from_slice(&address.octets()[..octets]),
        IpAddr::V6(address) => out.extend_from_slice(&address.octets()[..octets]),
    }
}

/// The withdrawal of all prefixes of a plan, as many in a message as fit, as any speaker does.
#[must_use]
pub fn withdrawals(plan: &Plan) -> Vec<u8> {
    let family = plan.family();
    // Longer than any message is without a prefix.
    const FRAME: usize = HEADER_LEN + 4 + 8;
    let fit = (MESSAGE_MAX - FRAME) / (usize::from(family.prefix_len() / 8) + 1);
    let mut out = Vec::new();
    let all: Vec<u32> = (0..plan.routes).collect();
    for some in all.chunks(fit) {
        withdrawal(&mut out, family, some);
    }
    out
}

/// The withdrawal of some prefixes, in one message.
pub fn withdrawal(out: &mut Vec<u8>, family: Family, numbers: &[u32]) {
    const OPTIONAL_LONG: u8 = 0x90;
    let start = begin(out, kind::UPDATE);
    let length_at = out.len();
    out.extend_from_slice(&[0, 0]);
    match family {
        Family::V4 => {
            numbers
                .iter()
                .for_each(|number| prefix(out, family, *number));
            put_length(out, length_at, 0);
            out.extend_from_slice(&[0, 0]);
        }
        Family::V6 => {
            let attributes_at = out.len();
            out.extend_from_slice(&[0, 0]);
            out.extend_from_slice(&[OPTIONAL_LONG, attribute::UNREACH]);
            let value_at = out.len();
            out.extend_from_slice(&[0, 0]);
            out.extend_from_slice(&address_family(family));
            numbers
                .iter()
                .for_each(|number| prefix(out, family, *number));
            put_length(out, value_at, 0);
            put_length(out, attributes_at, 0);
        }
    }
    end(out, start);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_is_as_the_rfc_draws_it() {
        let open = open(65010, Ipv4Addr::new(10, 0, 0, 1), Family::V4);
        let hex: String = open[16..]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            hex,
            "002b0104fdf200f00a0000010e020c010400010001410400 00fdf2".replace(' ', "")
        );
        assert_eq!(open.len(), 0x2b);
    }

    #[test]
    fn an_update_is_as_the_rfc_draws_it() {
        let plan = Plan {
            routes: 2,
            per_update: 4,
            asn: 65010,
            next_hop: Ipv4Addr::new(10, 0, 0, 1).into(),
        };
        let update = announcements(&plan);
        let hex: String = update[16..]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            hex,
            "003b02 0000 001c 40010100 40020e0203 0000fdf2 0000fe4c fa56ea00 4003040a000001 \
             18200000 18200001"
                .replace(' ', "")
        );
        assert_eq!(keepalive().len(), HEADER_LEN);
        let internal = internal(1, Ipv4Addr::new(10, 0, 0, 1));
        let hex: String = internal[16..]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            hex,
            "003002 0000 0015 40010100 400200 4003040a000001 40050400000064 18200001"
                .replace(' ', "")
        );
    }
    #[test]
    fn an_update_of_ipv6_is_as_the_rfc_draws_it() {
        let plan = Plan {
            routes: 1,
            per_update: 4,
            asn: 65010,
            next_hop: std::net::Ipv6Addr::LOCALHOST.into(),
        };
        let hex = |bytes: &[u8]| -> String {
            let bytes = bytes[16..].iter().map(|byte| format!("{byte:02x}"));
            bytes.collect()
        };
        assert_eq!(
            hex(&announcements(&plan)),
            "004b02 0000 0034 40010100 40020e0203 0000fdf2 0000fe4c fa56ea00 \
             800e1c 0002 01 10 00000000000000000000000000000001 00 303fff00000000"
                .replace(' ', "")
        );
        assert_eq!(
            hex(&withdrawals(&plan)),
            "002502 0000 000e 900f000a 0002 01 303fff00000000".replace(' ', "")
        );
    }
}
