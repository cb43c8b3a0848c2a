//! The messages that [`super`] sends, one function each.

use std::net::{IpAddr, Ipv6Addr};

use ipnetwork::IpNetwork;
use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::address::{
    AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope,
};
use netlink_packet_route::link::{
    AfSpecInet, AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InetDevConf, LinkAttribute, LinkFlags,
    LinkMessage,
};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourMessage, NeighbourState};
use netlink_packet_route::neighbour_table::{
    NeighbourTableAttribute, NeighbourTableMessage, NeighbourTableParameter,
};
use netlink_packet_route::route::{
    RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rcni_config::kernel;

use crate::naming::{HOST_MAC, gateway_for, mac_text};
use crate::netconf::Families;
use crate::netlink::Step;

/// Metric of the host's IPv6 routes to pods. The kernel takes 0 for 1024, behind which a route to
/// the same address that came by BGP (metric 77) would win; IPv4's 0 is the best there is.
pub const HOST_METRIC_V6: u32 = 1;
/// Of the pod's IPv6 routes, plus the index of its interface: as the kernel would choose.
const POD_METRIC_V6: u32 = 1024;
/// Every link-local address has this prefix length (RFC 4291 §2.5.6).
pub const LINK_LOCAL_LENGTH: u8 = 64;

pub(super) fn set_up(index: u32) -> LinkMessage {
    let mut link = LinkMessage::default();
    link.header.index = index;
    link.header.flags = LinkFlags::Up;
    link.header.change_mask = LinkFlags::Up;
    link
}

/// The settings of the host end that netlink takes, so that no file need be opened for them.
///
/// * `forwarding`: new interfaces take it from `conf/default`, which an administrator may have
///   closed while `ip_forward` is on.
/// * `proxy_arp` without delay: only for a pod that lost its permanent neighbour entry for
///   169.254.1.1; by default the answer would be up to 0.8 s late.
/// * `addr_gen_mode`: the host end's link-local address follows from its MAC address, also after it
///   was set down and up again.
pub(super) fn host_settings(index: u32, name: &str, families: Families) -> Vec<Step> {
    let mut specs = Vec::new();
    if families.ipv4 {
        let mut conf = InetDevConf::default();
        (conf.forwarding, conf.proxy_arp) = (1, 1);
        specs.push(AfSpecUnspec::Inet(vec![AfSpecInet::DevConfRequest(conf)]));
    }
    if families.ipv6 {
        let mode = AfSpecInet6::AddrGenMode(In6AddrGenMode::Eui64);
        specs.push(AfSpecUnspec::Inet6(vec![mode]));
    }
    let mut link = LinkMessage::default();
    link.header.index = index;
    link.attributes = vec![LinkAttribute::AfSpecUnspec(specs)];
    let mut steps = vec![Step::new(
        format!("set forwarding, proxy_arp and addr_gen_mode of {name}"),
        RouteNetlinkMessage::SetLink(link),
        0,
    )];
    if families.ipv4 {
        let mut table = NeighbourTableMessage::default();
        table.header.family = AddressFamily::Inet;
        table.attributes = vec![
            NeighbourTableAttribute::Name("arp_cache".to_owned()),
            NeighbourTableAttribute::Parms(vec![
                NeighbourTableParameter::Ifindex(index),
                NeighbourTableParameter::ProxyDelay(0),
            ]),
        ];
        steps.push(Step::new(
            format!("set proxy_delay of {name}"),
            RouteNetlinkMessage::SetNeighbourTable(table),
            0,
        ));
    }
    steps
}

fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

/// An address of an interface. IPv6: without duplicate address detection, so that it can be used
/// at once; there is nobody else on a veth pair.
fn address(index: u32, network: IpNetwork, scope: AddressScope) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(network.ip());
    message.header.prefix_len = network.prefix();
    message.header.scope = scope;
    message.header.index = index;
    if network.is_ipv6() {
        message.header.flags = AddressHeaderFlags::Nodad;
    }
    message.attributes = vec![
        AddressAttribute::Local(network.ip()),
        AddressAttribute::Address(network.ip()),
    ];
    message
}

pub(super) fn pod_address(index: u32, wanted: IpAddr) -> Step {
    let host = IpNetwork::from(wanted);
    Step::new(
        format!("give the pod the address {host}"),
        RouteNetlinkMessage::NewAddress(address(index, host, AddressScope::Universe)),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

/// The link-local address that the kernel would make itself once the link is up, but made now and
/// without duplicate address detection, whatever `accept_dad` says for all interfaces.
pub(super) fn link_local_address(index: u32, name: &str, wanted: Ipv6Addr) -> Option<Step> {
    let network = IpNetwork::new(wanted.into(), LINK_LOCAL_LENGTH).ok()?;
    // Replaced: something on the node may have set the link up already.
    Some(Step::new(
        format!("give {name} the link-local address {network}"),
        RouteNetlinkMessage::NewAddress(address(index, network, AddressScope::Link)),
        NLM_F_CREATE | NLM_F_REPLACE,
    ))
}

/// A permanent neighbour entry for a gateway: the host end's MAC address never changes.
pub(super) fn pod_gateway(index: u32, gateway: IpAddr) -> Step {
    let mut message = NeighbourMessage::default();
    message.header.family = family(gateway);
    message.header.ifindex = index;
    message.header.state = NeighbourState::Permanent;
    message.attributes = vec![
        NeighbourAttribute::Destination(gateway.into()),
        NeighbourAttribute::LinkLayerAddress(HOST_MAC.to_vec()),
    ];
    Step::new(
        format!(
            "give the pod a neighbour entry for {gateway} with the MAC address {}",
            mac_text(HOST_MAC)
        ),
        RouteNetlinkMessage::NewNeighbour(message),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

/// A gateway that is nobody's neighbour by its address: reachable on the link all the same.
pub(super) fn pod_onlink_route(index: u32, gateway: IpAddr) -> Step {
    pod_route(index, IpNetwork::from(gateway), None)
}

/// A route in the pod, through the gateway of its family.
pub(super) fn pod_gateway_route(index: u32, to: IpNetwork) -> Step {
    pod_route(index, to, Some(gateway_for(to.ip())))
}

/// Appended: a second attachment of the same pod has the same gateway and often the same routes on
/// another interface; the first one's stay in front. IPv6 would make one multipath route of two with
/// the same metric, so that there every interface has its own.
fn pod_route(index: u32, to: IpNetwork, gateway: Option<IpAddr>) -> Step {
    let mut message = route(index, to, RouteProtocol::Static);
    let through = gateway.map_or_else(String::new, |gateway| format!(" through {gateway}"));
    message.header.scope = match gateway {
        Some(_) => RouteScope::Universe,
        None => RouteScope::Link,
    };
    message
        .attributes
        .extend(gateway.map(|gateway| RouteAttribute::Gateway(gateway.into())));
    if to.is_ipv6() {
        let metric = POD_METRIC_V6.saturating_add(index);
        message.attributes.push(RouteAttribute::Priority(metric));
    }
    Step::new(
        format!("give the pod the route {to}{through}"),
        RouteNetlinkMessage::NewRoute(message),
        NLM_F_CREATE | NLM_F_APPEND,
    )
}

/// The host's route to one pod: ours by protocol, table and metric, and never over another's.
pub(super) fn host_route(index: u32, address: IpAddr) -> Step {
    let to = IpNetwork::from(address);
    let mut message = route(index, to, RouteProtocol::Other(kernel::PROTOCOL));
    message.header.scope = RouteScope::Link;
    if to.is_ipv6() {
        let metric = RouteAttribute::Priority(HOST_METRIC_V6);
        message.attributes.push(metric);
    }
    Step::new(
        format!("add the route {to} to the pod"),
        RouteNetlinkMessage::NewRoute(message),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

fn route(index: u32, to: IpNetwork, protocol: RouteProtocol) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(to.ip());
    message.header.destination_prefix_length = to.prefix();
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = protocol;
    message.header.kind = RouteType::Unicast;
    message.attributes = vec![
        RouteAttribute::Destination(to.ip().into()),
        RouteAttribute::Oif(index),
    ];
    message
}
