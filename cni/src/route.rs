//! Questions about routes and addresses, for CHECK.

use std::net::{IpAddr, Ipv4Addr};

use ipnetwork::IpNetwork;
use netlink_packet_core::NLM_F_REQUEST;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::route::{RouteAttribute, RouteFlags, RouteMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rcni_config::kernel;

use crate::netlink::{Netlink, NetlinkError, Step, attributes_of, read_u32};

const RTMSG_LEN: usize = 12;
const IFADDR_LEN: usize = 8;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_PRIORITY: u16 = 6;
const IFA_LOCAL: u16 = 2;

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
    table: u8,
}

/// The IPv4 routes of the main table.
///
/// # Errors
/// If the kernel does not list them.
pub fn main_table(netlink: &mut Netlink) -> Result<Vec<Route>, NetlinkError> {
    let mut question = RouteMessage::default();
    question.header.address_family = AddressFamily::Inet;
    let step = Step::new(
        "list the routes",
        RouteNetlinkMessage::GetRoute(question),
        0,
    );
    let routes = netlink.dump(step)?;
    Ok(routes
        .iter()
        .filter_map(|body| parse(body))
        .filter(|route| u32::from(route.table) == kernel::TABLE_MAIN)
        .collect())
}

/// The route to exactly this address that the node would use; none if a wider one would be used.
///
/// # Errors
/// Anything but "no route".
pub fn to_host(netlink: &mut Netlink, address: IpAddr) -> Result<Option<Route>, NetlinkError> {
    let host = IpNetwork::from(address);
    let mut question = RouteMessage::default();
    question.header.address_family = AddressFamily::Inet;
    question.header.destination_prefix_length = host.prefix();
    // The table's entry, not the answer for one packet.
    question.header.flags = RouteFlags::FibMatch;
    question.attributes = vec![RouteAttribute::Destination(address.into())];
    let step = Step::new(
        format!("look up the route to {address}"),
        RouteNetlinkMessage::GetRoute(question),
        NLM_F_REQUEST,
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

/// The IPv4 addresses of an interface.
///
/// # Errors
/// If the kernel does not list them.
pub fn addresses(netlink: &mut Netlink, index: u32) -> Result<Vec<IpAddr>, NetlinkError> {
    let mut question = AddressMessage::default();
    question.header.family = AddressFamily::Inet;
    let step = Step::new(
        "list the addresses",
        RouteNetlinkMessage::GetAddress(question),
        0,
    );
    let bodies = netlink.dump(step)?;
    Ok(bodies
        .iter()
        .filter(|body| read_u32(body, 4) == Some(index))
        .filter_map(|body| {
            attributes_of(body.get(IFADDR_LEN..)?)
                .find(|(kind, _)| *kind == IFA_LOCAL)
                .and_then(|(_, value)| ipv4(value))
        })
        .collect())
}

fn parse(body: &[u8]) -> Option<Route> {
    let (length, table, protocol) = (*body.get(1)?, *body.get(4)?, *body.get(5)?);
    let mut to = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let (mut oif, mut metric) = (0, 0);
    for (kind, value) in attributes_of(body.get(RTMSG_LEN..)?) {
        match kind {
            RTA_DST => to = ipv4(value)?,
            RTA_OIF => oif = read_u32(value, 0)?,
            RTA_PRIORITY => metric = read_u32(value, 0)?,
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

fn ipv4(value: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(value).ok().map(IpAddr::from)
}
