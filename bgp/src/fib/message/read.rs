//! What the kernel says, as far as it matters here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use super::{LOCAL, ROUTE_LEN, UNICAST, attribute, attributes, family, u16_at, u32_at};
use crate::fib::{KernelRoute, NextHop};

/// `RTNH_F_DEAD`.
const DEAD: u8 = 1;

/// Reads the body of an `RTM_NEWROUTE` or `RTM_DELROUTE`; `None` for families other than IP
/// and for bodies that make no sense.
#[must_use]
pub fn parse_route(payload: &[u8]) -> Option<KernelRoute> {
    let header: &[u8; ROUTE_LEN] = payload.first_chunk()?;
    let [family, length, from, tos, table, protocol, _, kind, ..] = *header;
    // IPv6's cached (cloned) routes are not in a table.
    if u32_at(header, 8)? & libc::RTM_F_CLONED != 0 {
        return None;
    }
    let mut destination = match family {
        family::INET => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        family::INET6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => return None,
    };
    let mut route = KernelRoute {
        prefix: IpNetwork::from(destination),
        protocol,
        metric: 0,
        table: u32::from(table),
        // By its source or class it is another one at the same place.
        kind: if from == 0 && tos == 0 { kind } else { 0 },
        unicast: kind == UNICAST && from == 0 && tos == 0,
        interface: None,
        next_hops: Vec::new(),
    };
    let mut gateway = None;
    for (kind, value) in attributes(payload.get(ROUTE_LEN..)?) {
        match kind {
            attribute::DESTINATION => destination = ip(value)?,
            attribute::TABLE => route.table = u32_at(value, 0)?,
            attribute::METRIC => route.metric = u32_at(value, 0)?,
            attribute::GATEWAY => gateway = Some(ip(value)?),
            attribute::VIA => gateway = Some(via(value)?),
            attribute::INTERFACE => route.interface = Some(u32_at(value, 0)?),
            attribute::MULTIPATH => live_gateways(value, &mut route.next_hops),
            _ => {}
        }
    }
    route.prefix = IpNetwork::new(destination, length).ok()?;
    if let Some(address) = gateway {
        let interface = route.interface.unwrap_or_default();
        route.next_hops.push(next_hop(address, interface));
    }
    route.next_hops.sort_unstable();
    route.next_hops.dedup();
    Some(route)
}

/// How an address is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// On a connected network: it can be a gateway.
    Connected,
    /// Through a gateway itself, or not at all.
    NotConnected,
    /// It is an address of this machine.
    Own,
}

/// Reads the answer to a lookup.
#[must_use]
pub fn parse_lookup(payload: &[u8]) -> Option<Lookup> {
    let header: &[u8; ROUTE_LEN] = payload.first_chunk()?;
    let kind = header[7];
    let through_another = attributes(payload.get(ROUTE_LEN..)?).any(|(kind, _)| {
        matches!(
            kind,
            attribute::GATEWAY | attribute::VIA | attribute::MULTIPATH
        )
    });
    Some(match kind {
        UNICAST if !through_another => Lookup::Connected,
        LOCAL => Lookup::Own,
        _ => Lookup::NotConnected,
    })
}

/// `struct rtnexthop` one after the other: length, flags, weight - 1, interface, attributes.
fn live_gateways(mut bytes: &[u8], next_hops: &mut Vec<NextHop>) {
    while let (Some(length), Some(interface)) = (u16_at(bytes, 0), u32_at(bytes, 4)) {
        let length = usize::from(length);
        let (Some(flags), Some(inner)) = (bytes.get(2), bytes.get(8..length)) else {
            return;
        };
        if flags & DEAD == 0 {
            next_hops.extend(attributes(inner).find_map(|(kind, value)| match kind {
                attribute::GATEWAY => Some(next_hop(ip(value)?, interface)),
                attribute::VIA => Some(next_hop(via(value)?, interface)),
                _ => None,
            }));
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
}

/// The kernel always tells the interface; it counts only where the address says nothing without.
fn next_hop(address: IpAddr, interface: u32) -> NextHop {
    let link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    NextHop {
        address,
        interface: (link_local && interface != 0).then_some(interface),
    }
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => Some(IpAddr::from(*value.first_chunk::<4>()?)),
        16 => Some(IpAddr::from(*value.first_chunk::<16>()?)),
        _ => None,
    }
}

/// `struct rtvia`: family, address.
fn via(value: &[u8]) -> Option<IpAddr> {
    ip(value.get(2..)?)
}
