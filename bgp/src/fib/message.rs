//! Routes as netlink messages, both ways. No IO.
//!
//! Frames are split here and not by `netlink-packet-core`, since one frame of a type that
//! it does not know would otherwise take the rest of its datagram with it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;
use netlink_packet_core::{
    Emitable, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, Parseable,
};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteNextHop, RouteNextHopFlags,
    RouteProtocol, RouteScope, RouteType,
};

use super::change::Change;
use super::{KernelRoute, NextHop, Ownership, Prefix};

/// `struct nlmsghdr`, bytes.
pub const HEADER_LEN: usize = 16;
/// Message types of `rtnetlink.h` that are sent or read here.
pub mod kind {
    /// The answer to a request, with an errno or 0.
    pub const ERROR: u16 = 2;
    /// The end of a dump.
    pub const DONE: u16 = 3;
    /// `RTM_NEWLINK`.
    pub const NEW_LINK: u16 = 16;
    /// `RTM_DELLINK`.
    pub const DEL_LINK: u16 = 17;
    /// `RTM_NEWADDR`.
    pub const NEW_ADDRESS: u16 = 20;
    /// `RTM_DELADDR`.
    pub const DEL_ADDRESS: u16 = 21;
    /// `RTM_NEWROUTE`.
    pub const NEW_ROUTE: u16 = 24;
    /// `RTM_DELROUTE`.
    pub const DEL_ROUTE: u16 = 25;
    /// `RTM_GETROUTE`.
    pub const GET_ROUTE: u16 = 26;
}

/// One message of a datagram.
#[derive(Clone, Copy, Debug)]
pub struct RawMessage<'a> {
    /// Message type, see [`kind`].
    pub kind: u16,
    /// `NLM_F_*`.
    pub flags: u16,
    /// Sequence number of the request that this answers; whatever the writer chose in
    /// notifications.
    pub sequence: u32,
    /// What follows the header.
    pub payload: &'a [u8],
}

/// Splits a datagram. Stops at the first header that makes no sense.
pub fn split(mut datagram: &[u8]) -> impl Iterator<Item = RawMessage<'_>> {
    std::iter::from_fn(move || {
        let header = datagram.get(..HEADER_LEN)?;
        let length = usize::try_from(u32_at(header, 0)?).ok()?;
        let message = RawMessage {
            kind: u16_at(header, 4)?,
            flags: u16_at(header, 6)?,
            sequence: u32_at(header, 8)?,
            payload: datagram.get(HEADER_LEN..length)?,
        };
        datagram = datagram
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
        Some(message)
    })
}

/// The errno in an `NLMSG_ERROR` or `NLMSG_DONE`, positive; 0 is success. A body that is too
/// short counts as `EBADMSG`.
#[must_use]
pub fn errno_of(payload: &[u8]) -> i32 {
    payload.first_chunk::<4>().map_or(libc::EBADMSG, |code| {
        i32::from_ne_bytes(*code).saturating_neg()
    })
}

/// A 16-bit field in host order.
#[must_use]
pub fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// A 32-bit field in host order.
#[must_use]
pub fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// Appends one message with its header to `out` and returns where it starts.
pub fn append(
    out: &mut Vec<u8>,
    kind: u16,
    flags: u16,
    sequence: u32,
    body: &RouteMessage,
) -> usize {
    let start = out.len();
    let length = HEADER_LEN + body.buffer_len();
    // The length field has 32 bits, a message here has a few hundred bytes.
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(&flags.to_ne_bytes());
    out.extend_from_slice(&sequence.to_ne_bytes());
    out.extend_from_slice(&0_u32.to_ne_bytes());
    out.resize(start + length.next_multiple_of(4), 0);
    if let Some(room) = out.get_mut(start + HEADER_LEN..start + length) {
        body.emit(room);
    }
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

/// A change as message type, flags and body.
///
/// Creation is exclusive: it fails where any route has the prefix at this metric. A replacement is
/// not a creation: it fails if there is nothing to replace.
#[must_use]
pub fn of_change(owner: &Ownership, change: &Change) -> (u16, u16, RouteMessage) {
    match change {
        Change::Create { prefix, next_hops } => (
            kind::NEW_ROUTE,
            NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL,
            route(owner, *prefix, next_hops),
        ),
        Change::Replace { prefix, next_hops } => (
            kind::NEW_ROUTE,
            NLM_F_REQUEST | NLM_F_REPLACE,
            route(owner, *prefix, next_hops),
        ),
        Change::Delete { prefix } => {
            let mut body = route(owner, *prefix, &[]);
            // "Nowhere" matches every scope.
            body.header.scope = RouteScope::NoWhere;
            (kind::DEL_ROUTE, NLM_F_REQUEST, body)
        }
    }
}

fn route(owner: &Ownership, prefix: Prefix, next_hops: &[NextHop]) -> RouteMessage {
    let mut body = RouteMessage::default();
    body.header = RouteHeader {
        address_family: family_of(prefix),
        destination_prefix_length: prefix.prefix(),
        // The field has 8 bits, the attribute 32.
        table: u8::try_from(owner.table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC),
        protocol: RouteProtocol::from(owner.protocol),
        scope: RouteScope::Universe,
        kind: RouteType::Unicast,
        ..RouteHeader::default()
    };
    body.attributes = vec![
        RouteAttribute::Destination(prefix.ip().into()),
        RouteAttribute::Table(owner.table),
        RouteAttribute::Priority(owner.metric_of(prefix)),
    ];
    match next_hops {
        [] => {}
        [only] => {
            body.attributes
                .push(RouteAttribute::Gateway(only.address.into()));
            body.attributes
                .extend(only.interface.map(RouteAttribute::Oif));
        }
        several => body.attributes.push(RouteAttribute::MultiPath(
            several
                .iter()
                .map(|gateway| {
                    let mut hop = RouteNextHop::default();
                    hop.interface_index = gateway.interface.unwrap_or_default();
                    hop.attributes = vec![RouteAttribute::Gateway(gateway.address.into())];
                    hop
                })
                .collect(),
        )),
    }
    body
}

/// The body of a dump request: all routes of `table`, or those of one protocol in it. The
/// filter works only on a socket with strict checking; without, the kernel sends all.
#[must_use]
pub fn dump_request(family: AddressFamily, table: u32, protocol: Option<u8>) -> RouteMessage {
    let mut body = RouteMessage::default();
    body.header.address_family = family;
    body.header.table = u8::try_from(table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
    body.header.protocol = RouteProtocol::from(protocol.unwrap_or_default());
    body.attributes = vec![RouteAttribute::Table(table)];
    body
}

/// Reads the body of an `RTM_NEWROUTE` or `RTM_DELROUTE`; `None` for families other than IP
/// and for bodies that make no sense.
#[must_use]
pub fn parse_route(payload: &[u8]) -> Option<KernelRoute> {
    let body = RouteMessage::parse(payload).ok()?;
    // IPv6's cached (cloned) routes are not in a table.
    const CLONED: u32 = libc::RTM_F_CLONED;
    if body.header.flags.bits() & CLONED != 0 {
        return None;
    }
    let mut destination = unspecified(body.header.address_family)?;
    let mut route = KernelRoute {
        prefix: IpNetwork::from(destination),
        protocol: u8::from(body.header.protocol),
        metric: 0,
        table: u32::from(body.header.table),
        unicast: body.header.kind == RouteType::Unicast,
        next_hops: Vec::new(),
    };
    let mut gateway = None;
    let mut interface = 0;
    for attribute in &body.attributes {
        match attribute {
            RouteAttribute::Destination(address) => destination = ip_of(address)?,
            RouteAttribute::Table(table) => route.table = *table,
            RouteAttribute::Priority(metric) => route.metric = *metric,
            RouteAttribute::Gateway(address) => gateway = ip_of(address),
            RouteAttribute::Oif(index) => interface = *index,
            RouteAttribute::MultiPath(hops) => route.next_hops.extend(live_gateways(hops)),
            _ => {}
        }
    }
    route.prefix = IpNetwork::new(destination, body.header.destination_prefix_length).ok()?;
    route
        .next_hops
        .extend(gateway.map(|address| next_hop(address, interface)));
    route.next_hops.sort_unstable();
    route.next_hops.dedup();
    Some(route)
}

fn live_gateways(hops: &[RouteNextHop]) -> impl Iterator<Item = NextHop> {
    hops.iter()
        .filter(|hop| !hop.flags.contains(RouteNextHopFlags::Dead))
        .flat_map(|hop| hop.attributes.iter().map(|a| (a, hop.interface_index)))
        .filter_map(|(attribute, interface)| match attribute {
            RouteAttribute::Gateway(address) => Some(next_hop(ip_of(address)?, interface)),
            _ => None,
        })
}

/// The kernel always tells the interface; it counts only where the address says nothing without.
fn next_hop(address: IpAddr, interface: u32) -> NextHop {
    let link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    NextHop {
        address,
        interface: (link_local && interface != 0).then_some(interface),
    }
}

fn ip_of(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some(IpAddr::V4(*address)),
        RouteAddress::Inet6(address) => Some(IpAddr::V6(*address)),
        _ => None,
    }
}

fn unspecified(family: AddressFamily) -> Option<IpAddr> {
    match family {
        AddressFamily::Inet => Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        AddressFamily::Inet6 => Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        _ => None,
    }
}

fn family_of(prefix: Prefix) -> AddressFamily {
    if prefix.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    }
}

#[cfg(test)]
mod tests;
