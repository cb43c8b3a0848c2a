//! Questions about routes, addresses and neighbours, for CHECK.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourMessage};
use netlink_packet_route::route::{RouteAttribute, RouteFlags, RouteMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rcni_config::kernel;

use crate::netlink::{Netlink, NetlinkError, Step, attributes_of, read_u32};

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const RTMSG_LEN: usize = 12;
const RTN_LOCAL: u8 = 2;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_PRIORITY: u16 = 6;
const RTA_TABLE: u16 = 15;
const IFADDR_LEN: usize = 8;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
/// `IFA_F_DADFAILED` and `IFA_F_TENTATIVE`: the interface has it, but may not use it.
const UNUSABLE: u8 = 0x08 | 0x40;
const NDMSG_LEN: usize = 12;
const NDA_LLADDR: u16 = 2;
const NUD_PERMANENT: u8 = 0x80;

/// `0.0.0.0/0` and `::/0`
pub const DEFAULTS: [IpNetwork; 2] = {
    // Decided when this is compiled.
    match (
        Ipv4Network::new_checked(Ipv4Addr::UNSPECIFIED, 0),
        Ipv6Network::new_checked(Ipv6Addr::UNSPECIFIED, 0),
    ) {
        (Some(v4), Some(v6)) => [IpNetwork::V4(v4), IpNetwork::V6(v6)],
        _ => unreachable!(),
    }
};

/// What is needed of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where it leads.
    pub to: IpNetwork,
    /// Through which interface, by index.
    pub oif: u32,
    /// Who made it.
    pub protocol: u8,
    /// Its metric.
    pub metric: u32,
    /// In which table.
    pub table: u32,
}

/// The routes of both families and all tables but `local`.
///
/// # Errors
/// If the kernel does not list them.
pub fn all(netlink: &mut Netlink) -> Result<Vec<Route>, NetlinkError> {
    let question = RouteNetlinkMessage::GetRoute(RouteMessage::default());
    let routes = netlink.dump(Step::new("list the routes", question, 0))?;
    Ok(routes
        .iter()
        .filter_map(|body| parse(body))
        .filter(|route| route.table != kernel::TABLE_LOCAL)
        .collect())
}

/// The route to exactly this address that the node would use; none if a wider one would be used.
///
/// # Errors
/// Anything but "no route".
pub fn to_host(netlink: &mut Netlink, address: IpAddr) -> Result<Option<Route>, NetlinkError> {
    let host = IpNetwork::from(address);
    let mut question = RouteMessage::default();
    question.header.address_family = family(address);
    question.header.destination_prefix_length = host.prefix();
    // The table's entry, not the answer for one packet.
    question.header.flags = RouteFlags::FibMatch;
    question.attributes = vec![RouteAttribute::Destination(address.into())];
    let step = Step::new(
        format!("look up the route to {address}"),
        RouteNetlinkMessage::GetRoute(question),
        0,
    );
    match netlink.run(vec![step]) {
        Ok(answers) => Ok(answers
            .first()
            .and_then(|body| parse(body))
            .filter(|route| route.to == host)),
        Err(error) if matches!(error.errno, libc::ENETUNREACH | libc::EHOSTUNREACH) => Ok(None),
        // What a blackhole or prohibit route answers.
        Err(error) if matches!(error.errno, libc::EINVAL | libc::EACCES) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Asks which route of an interface's namespace leads to one of its own addresses.
#[must_use]
pub fn own_address_question(index: u32, address: Ipv6Addr) -> Step {
    let mut question = RouteMessage::default();
    question.header.address_family = AddressFamily::Inet6;
    question.header.destination_prefix_length = 128;
    question.header.flags = RouteFlags::FibMatch;
    question.attributes = vec![
        RouteAttribute::Destination(address.into()),
        RouteAttribute::Oif(index),
    ];
    Step::new(
        format!("look up the own address {address}"),
        RouteNetlinkMessage::GetRoute(question),
        0,
    )
}

/// Whether an answer is a local route: packets to that address are taken in.
#[must_use]
pub fn is_local(body: &[u8]) -> bool {
    body.get(7) == Some(&RTN_LOCAL)
}

/// The addresses of an interface that it may use, with their prefix lengths.
///
/// # Errors
/// If the kernel does not list them.
pub fn addresses(netlink: &mut Netlink, index: u32) -> Result<Vec<IpNetwork>, NetlinkError> {
    let question = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    let bodies = netlink.dump(Step::new("list the addresses", question, 0))?;
    Ok(bodies
        .iter()
        .filter(|body| read_u32(body, 4) == Some(index))
        .filter_map(|body| usable_address(body))
        .collect())
}

/// IPv4 has its own address in `IFA_LOCAL`, IPv6 in `IFA_ADDRESS` unless there is a peer.
fn usable_address(body: &[u8]) -> Option<IpNetwork> {
    let (family, length, flags) = (*body.first()?, *body.get(1)?, *body.get(2)?);
    if family == AF_INET6 && flags & UNUSABLE != 0 {
        return None;
    }
    let attributes = body.get(IFADDR_LEN..)?;
    let of_kind = |wanted| attributes_of(attributes).find(|(kind, _)| *kind == wanted);
    let (_, value) = of_kind(IFA_LOCAL).or_else(|| of_kind(IFA_ADDRESS))?;
    IpNetwork::new(ip(value)?, length).ok()
}

/// The MAC address that an interface has permanently for a neighbour.
///
/// # Errors
/// Anything but "no such entry".
pub fn permanent_neighbour(
    netlink: &mut Netlink,
    index: u32,
    address: IpAddr,
) -> Result<Option<Vec<u8>>, NetlinkError> {
    let mut question = NeighbourMessage::default();
    question.header.family = family(address);
    question.header.ifindex = index;
    question.attributes = vec![NeighbourAttribute::Destination(address.into())];
    let step = Step::new(
        format!("look up the neighbour {address}"),
        RouteNetlinkMessage::GetNeighbour(question),
        0,
    );
    match netlink.run(vec![step]) {
        Ok(answers) => Ok(answers.first().and_then(|body| permanent(body))),
        Err(error) if error.errno == libc::ENOENT => Ok(None),
        Err(error) => Err(error),
    }
}

fn permanent(body: &[u8]) -> Option<Vec<u8>> {
    let state = *body.get(8)?;
    let (_, address) =
        attributes_of(body.get(NDMSG_LEN..)?).find(|(kind, _)| *kind == NDA_LLADDR)?;
    (state & NUD_PERMANENT != 0).then(|| address.to_vec())
}

fn parse(body: &[u8]) -> Option<Route> {
    let (family, length) = (*body.first()?, *body.get(1)?);
    let (mut table, protocol) = (u32::from(*body.get(4)?), *body.get(5)?);
    let mut to = match family {
        AF_INET => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        AF_INET6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => return None,
    };
    let (mut oif, mut metric) = (0, 0);
    for (kind, value) in attributes_of(body.get(RTMSG_LEN..)?) {
        match kind {
            RTA_DST => to = ip(value)?,
            RTA_OIF => oif = read_u32(value, 0)?,
            RTA_PRIORITY => metric = read_u32(value, 0)?,
            RTA_TABLE => table = read_u32(value, 0)?,
            _ => {}
        }
    }
    Some(Route {
        to: IpNetwork::new(to, length).ok()?,
        oif,
        protocol,
        metric,
        table,
    })
}

fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(value).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(value).map(IpAddr::from))
        .ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = (parse(&bytes), usable_address(&bytes), permanent(&bytes));
        }
    }
}
