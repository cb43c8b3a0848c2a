//! What the kernel says, as far as it matters here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use super::{
    LOCAL, NH_ID, ON_LINK, ROUTE_LEN, UNICAST, attribute, attributes, family, u16_at, u32_at,
};
use crate::fib::{Gateway, KernelRoute, NextHop};

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
        gateways: Vec::new(),
        object: None,
        source: None,
        extras: false,
    };
    let mut gateway = None;
    let mut hops_extras = u32_at(header, 8)? & u32::from(ON_LINK) != 0;
    for (kind, value) in attributes(payload.get(ROUTE_LEN..)?) {
        match kind {
            attribute::DESTINATION => destination = ip(value)?,
            attribute::TABLE => route.table = u32_at(value, 0)?,
            attribute::METRIC => route.metric = u32_at(value, 0)?,
            attribute::GATEWAY => gateway = Some(ip(value)?),
            attribute::VIA => gateway = Some(via(value)?),
            attribute::INTERFACE => route.interface = Some(u32_at(value, 0)?),
            attribute::MULTIPATH => {
                // IPv6: one of them may be another program's.
                hops_extras |= live_gateways(value, &mut route.gateways) && family == family::INET;
            }
            attribute::METRICS | attribute::FLOW => route.extras |= !value.is_empty(),
            attribute::ENCAPSULATION => hops_extras = true,
            attribute::SOURCE => route.source = ip(value),
            NH_ID => route.object = u32_at(value, 0),
            _ => {}
        }
    }
    route.prefix = IpNetwork::new(destination, length).ok()?;
    if let Some(address) = gateway {
        let interface = route.interface.unwrap_or_default();
        route.gateways.push(Gateway { address, interface });
    }
    route.gateways.sort_unstable();
    route.gateways.dedup();
    // What is behind an object is the object's.
    route.extras |= hops_extras && route.object.is_none();
    Some(route)
}

/// How an address is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// It is on the network of this link (index): it can be a gateway.
    Connected(u32),
    /// Through gateways, by this route.
    Through(Box<KernelRoute>),
    /// Not at all.
    Unreachable,
    /// It is an address of this machine.
    Own,
}

/// Reads the answer to a lookup of `hop`.
#[must_use]
pub fn parse_lookup(payload: &[u8], hop: NextHop) -> Option<Lookup> {
    let kind = *payload.get(7)?;
    let route = parse_route(payload)?;
    if kind == LOCAL {
        return Some(Lookup::Own);
    }
    if kind != UNICAST {
        return Some(Lookup::Unreachable);
    }
    // A route to a gateway through itself, as somebody who announces his own address makes it, says
    // which link he is on.
    let itself = route.gateways.iter().find(|g| g.address == hop.address);
    Some(match (itself, route.interface) {
        (Some(itself), _) => Lookup::Connected(itself.interface),
        (None, Some(interface)) if route.gateways.is_empty() && route.object.is_none() => {
            Lookup::Connected(interface)
        }
        _ => Lookup::Through(Box::new(route)),
    })
}

/// `struct rtnexthop` one after the other: length, flags, weight - 1, interface, attributes. True if
/// one has what own ones never have.
fn live_gateways(mut bytes: &[u8], gateways: &mut Vec<Gateway>) -> bool {
    let mut extras = false;
    while let (Some(length), Some(interface)) = (u16_at(bytes, 0), u32_at(bytes, 4)) {
        let length = usize::from(length);
        let (Some([flags, weight]), Some(inner)) = (bytes.get(2..4), bytes.get(8..length)) else {
            break;
        };
        extras |= flags & ON_LINK != 0 || *weight != 0;
        extras |= attributes(inner).any(|(kind, _)| kind == attribute::ENCAPSULATION);
        if flags & DEAD == 0 {
            let address = attributes(inner).find_map(|(kind, value)| match kind {
                attribute::GATEWAY => ip(value),
                attribute::VIA => via(value),
                _ => None,
            });
            gateways.extend(address.map(|address| Gateway { address, interface }));
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    extras
}

pub(super) fn ip(value: &[u8]) -> Option<IpAddr> {
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
