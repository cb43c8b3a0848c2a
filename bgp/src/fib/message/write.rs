//! Requests, appended to a buffer that is used again and again.

use std::net::IpAddr;

use super::{HEADER_LEN, NH_ID, UNICAST, attribute, family, flag, kind};
use crate::fib::change::Change;
use crate::fib::{Gateway, NextHop, Ownership, Path};

/// `RT_SCOPE_NOWHERE`: matches every scope in a delete.
const SCOPE_NOWHERE: u8 = 255;
/// `RTM_F_FIB_MATCH`: the table's route, not one made for this lookup.
const FIB_MATCH: u32 = 0x2000;
/// A small message has no more attributes than fit 16 bits; longer ones are never made.
const LONGEST: usize = u16::MAX as usize;

/// Appends a change as a whole message and returns where it starts.
///
/// * A creation is exclusive: it fails where any route has the prefix at this metric. IPv6 would
///   otherwise add the gateways to those that are there.
/// * A replacement is not a creation: it fails if there is nothing to replace. Of an IPv6 route it
///   takes all gateways out, whoever put them there.
/// * A delete without gateways takes an IPv6 route with all its gateways, also those that
///   another program has added; with gateways only those, and of them only ours.
pub fn change(out: &mut Vec<u8>, sequence: u32, owner: &Ownership, change: &Change) -> usize {
    const CREATE: u16 = flag::REQUEST | flag::CREATE | flag::EXCLUSIVE;
    const REPLACE: u16 = flag::REQUEST | flag::REPLACE;
    let (kind, flags, scope) = match change {
        Change::Create { .. } => (kind::NEW_ROUTE, CREATE, 0),
        Change::Replace { .. } => (kind::NEW_ROUTE, REPLACE, 0),
        Change::Delete { .. } => (kind::DEL_ROUTE, flag::REQUEST, SCOPE_NOWHERE),
    };
    let prefix = change.prefix();
    let start = begin(out, kind, flags, sequence);
    out.extend_from_slice(&[
        family_of(prefix.ip()),
        prefix.prefix(),
        0,
        0,
        // The field has 8 bits, the attribute 32.
        u8::try_from(owner.table).unwrap_or_default(),
        owner.protocol,
        scope,
        UNICAST,
    ]);
    out.extend_from_slice(&[0; 4]);
    address(out, attribute::DESTINATION, prefix.ip());
    number(out, attribute::TABLE, owner.table);
    number(out, attribute::METRIC, owner.metric_of(prefix));
    match change {
        Change::Create { target, .. } | Change::Replace { target, .. } => {
            path(out, prefix.ip(), &target.path);
            if let Some(source) = target.source {
                address(out, attribute::SOURCE, source);
            }
        }
        // IPv4 keeps routes of others at the same place apart.
        Change::Delete {
            target: Some(target),
            ..
        } if prefix.is_ipv6() => path(out, prefix.ip(), &target.path),
        Change::Delete { .. } => {}
    }
    end(out, start);
    start
}

fn path(out: &mut Vec<u8>, destination: IpAddr, path: &Path) {
    match path {
        Path::Hops(hops) => gateways(out, destination, hops),
        Path::Object(id) => number(out, NH_ID, *id),
    }
}

fn gateways(out: &mut Vec<u8>, destination: IpAddr, gateways: &[Gateway]) {
    match gateways {
        [] => {}
        [only] => {
            gateway(out, destination, only.address);
            if only.interface != 0 {
                number(out, attribute::INTERFACE, only.interface);
            }
        }
        several => {
            let outer = out.len();
            header(out, attribute::MULTIPATH);
            for hop in several {
                // struct rtnexthop: length, flags, weight - 1, interface.
                let start = out.len();
                out.extend_from_slice(&[0; 4]);
                out.extend_from_slice(&hop.interface.to_ne_bytes());
                gateway(out, destination, hop.address);
                close(out, start);
            }
            close(out, outer);
        }
    }
}

/// An IPv4 route has an IPv6 gateway (RFC 8950) in an attribute that names the family. In the
/// plain one the kernel would take the first four octets for an IPv4 address.
fn gateway(out: &mut Vec<u8>, destination: IpAddr, gateway: IpAddr) {
    match gateway {
        IpAddr::V6(via) if destination.is_ipv4() => {
            // struct rtvia: family, address; padded to a multiple of four.
            out.extend_from_slice(&22_u16.to_ne_bytes());
            out.extend_from_slice(&attribute::VIA.to_ne_bytes());
            out.extend_from_slice(&u16::from(family::INET6).to_ne_bytes());
            out.extend_from_slice(&via.octets());
            out.extend_from_slice(&[0; 2]);
        }
        _ => address(out, attribute::GATEWAY, gateway),
    }
}

/// Appends the request for all routes of `table`, or those of one protocol in it. The filter
/// works only on a socket with strict checking; without, the kernel sends all.
pub fn dump_routes(
    out: &mut Vec<u8>,
    sequence: u32,
    family: u8,
    table: u32,
    protocol: Option<u8>,
) -> usize {
    let start = begin(out, kind::GET_ROUTE, flag::REQUEST | flag::DUMP, sequence);
    let low = u8::try_from(table).unwrap_or_default();
    out.extend_from_slice(&[family, 0, 0, 0, low, protocol.unwrap_or_default(), 0, 0]);
    out.extend_from_slice(&[0; 4]);
    number(out, attribute::TABLE, table);
    end(out, start);
    start
}

/// Appends the question how `hop` is reached.
pub fn look_up(out: &mut Vec<u8>, sequence: u32, hop: NextHop) -> usize {
    let start = begin(out, kind::GET_ROUTE, flag::REQUEST, sequence);
    let length = if hop.address.is_ipv4() { 32 } else { 128 };
    out.extend_from_slice(&[family_of(hop.address), length, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(&FIB_MATCH.to_ne_bytes());
    address(out, attribute::DESTINATION, hop.address);
    if let Some(interface) = hop.interface {
        number(out, attribute::INTERFACE, interface);
    }
    end(out, start);
    start
}

/// Appends the request for all links.
pub fn dump_links(out: &mut Vec<u8>, sequence: u32) -> usize {
    let start = begin(out, kind::GET_LINK, flag::REQUEST | flag::DUMP, sequence);
    // struct ifinfomsg: any family, any link.
    out.extend_from_slice(&[0; 16]);
    end(out, start);
    start
}

/// Sets further flags in the message that starts at `start`.
pub fn add_flags(out: &mut [u8], start: usize, flags: u16) {
    if let Some(field) = out.get_mut(start + 6..start + 8)
        && let Ok(old) = <[u8; 2]>::try_from(&*field)
    {
        field.copy_from_slice(&(u16::from_ne_bytes(old) | flags).to_ne_bytes());
    }
}

pub(super) fn begin(out: &mut Vec<u8>, kind: u16, flags: u16, sequence: u32) -> usize {
    let start = out.len();
    out.reserve(HEADER_LEN + 128);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(&flags.to_ne_bytes());
    out.extend_from_slice(&sequence.to_ne_bytes());
    out.extend_from_slice(&[0; 4]);
    start
}

/// Writes the length of the message. All parts are multiples of four bytes.
pub(super) fn end(out: &mut [u8], start: usize) {
    let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    if let Some(field) = out.get_mut(start..start + 4) {
        field.copy_from_slice(&length.to_ne_bytes());
    }
}

/// An attribute's or next hop's length, written when it is known.
pub(super) fn close(out: &mut [u8], start: usize) {
    let length = (out.len() - start).min(LONGEST);
    if let Some(field) = out.get_mut(start..start + 2) {
        field.copy_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_ne_bytes());
    }
}

pub(super) fn header(out: &mut Vec<u8>, kind: u16) {
    out.extend_from_slice(&[0; 2]);
    out.extend_from_slice(&kind.to_ne_bytes());
}

pub(super) fn number(out: &mut Vec<u8>, kind: u16, value: u32) {
    out.extend_from_slice(&8_u16.to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(&value.to_ne_bytes());
}

pub(super) fn address(out: &mut Vec<u8>, kind: u16, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            out.extend_from_slice(&8_u16.to_ne_bytes());
            out.extend_from_slice(&kind.to_ne_bytes());
            out.extend_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            out.extend_from_slice(&20_u16.to_ne_bytes());
            out.extend_from_slice(&kind.to_ne_bytes());
            out.extend_from_slice(&address.octets());
        }
    }
}

pub(super) fn family_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => family::INET,
        IpAddr::V6(_) => family::INET6,
    }
}
