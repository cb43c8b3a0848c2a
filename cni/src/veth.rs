//! The pod's wire: a veth pair, addresses, routes and a neighbour entry, in four sends.
//!
//! ```text
//! 1 host  create the pair, peer straight into the pod's namespace under its final name; ask for it
//!         (sysctls of the host end, while it is still down)
//! 2 pod   address, up, 169.254.1.1 on link, its permanent neighbour entry, the routes
//! 3 host  ifalias, up, the route to the pod (last: from here on the pod can be reached)
//! 4 pod   wait until the pod's end may transmit
//! ```
//!
//! Nothing here is undone on failure: deleting the host end ([`delete`]) takes everything with it,
//! and the caller does that.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ipnetwork::IpNetwork;
use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressScope};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourMessage, NeighbourState};
use netlink_packet_route::route::{
    RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rcni_config::kernel;

use crate::error::{CniError, code};
use crate::naming::{GATEWAY_V4, HOST_MAC};
use crate::netlink::{Netlink, NetlinkError, Step, parse_link};
use crate::netns::Netns;

/// `IF_OPER_UNKNOWN` and `IF_OPER_UP` (RFC 2863): the end may transmit.
const OPERATIONAL: [u8; 2] = [0, 6];
/// How long the kernel may take to notice that both ends are up: usually under a millisecond.
const CARRIER_WAIT: Duration = Duration::from_secs(5);

/// What is to be made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The host end's name.
    pub host_name: String,
    /// The pod end's name.
    pub pod_name: String,
    /// The pod end's MAC address.
    pub pod_mac: [u8; 6],
    /// The host end's ifalias.
    pub alias: String,
    /// Of both ends, in bytes.
    pub mtu: u32,
    /// The pod's addresses; each becomes a host prefix.
    pub addresses: Vec<IpAddr>,
    /// Where the pod's routes lead; all go through the gateway.
    pub routes: Vec<IpNetwork>,
}

/// The two interface indices, each in its own namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The host end's.
    pub host: u32,
    /// The pod end's.
    pub pod: u32,
}

/// Makes the pair. The pod end appears in `netns` at once with its final name, so that nothing is
/// renamed or moved, and an interface that is there already makes the whole message fail.
///
/// # Errors
/// If one of the two names is taken (nothing was changed then), or the kernel refuses.
pub fn create(host: &mut Netlink, netns: &Netns, plan: &Plan) -> Result<Pair, CniError> {
    let mut peer = LinkMessage::default();
    peer.attributes = vec![
        LinkAttribute::IfName(plan.pod_name.clone()),
        LinkAttribute::Mtu(plan.mtu),
        LinkAttribute::Address(plan.pod_mac.to_vec()),
        LinkAttribute::NetNsFd(netns.file().as_fd().as_raw_fd()),
    ];
    let mut link = LinkMessage::default();
    link.attributes = vec![
        LinkAttribute::IfName(plan.host_name.clone()),
        LinkAttribute::Mtu(plan.mtu),
        LinkAttribute::Address(HOST_MAC.to_vec()),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]),
    ];
    let make = Step::new(
        format!(
            "create the veth pair {} - {}",
            plan.host_name, plan.pod_name
        ),
        RouteNetlinkMessage::NewLink(link),
        NLM_F_CREATE | NLM_F_EXCL,
    );
    match host.run(vec![make, Step::get_link(&plan.host_name)]) {
        Ok(answers) => answers
            .first()
            .and_then(|body| parse_link(body))
            .map(|link| Pair {
                host: link.index,
                pod: link.peer,
            })
            .ok_or_else(|| discard(plan, unexpected(&plan.host_name))),
        Err(error) if error.errno == libc::EEXIST => Err(name_taken(host, plan, &error)),
        Err(error) => Err(discard(plan, error.into())),
    }
}

/// Deletes a pair that the kernel made although its answer was lost. A host end that is in use has
/// an ifalias, which [`publish`] sets: it is another ADD's and stays.
fn discard(plan: &Plan, cause: CniError) -> CniError {
    let attempt = || -> Result<(), NetlinkError> {
        let mut host = Netlink::open()?;
        match host.link(&plan.host_name)? {
            Some(link) if link.alias.is_empty() => delete(&mut host, &plan.host_name).map(drop),
            _ => Ok(()),
        }
    };
    match attempt() {
        Ok(()) => cause,
        Err(error) => cause.and(&[error.to_string()]),
    }
}

fn unexpected(host_name: &str) -> CniError {
    CniError::new(
        code::KERNEL,
        format!("the kernel did not describe the new interface {host_name}"),
        "run DEL, then try again; if it stays, report the kernel's version",
    )
}

/// Refuses an attachment whose host end is there. For callers that must know before [`create`].
///
/// # Errors
/// Code 101 if it is there; 102 if the kernel does not say.
pub fn refuse_existing(host: &mut Netlink, host_name: &str) -> Result<(), CniError> {
    match host.link(host_name)? {
        Some(_) => Err(added_before(host_name)),
        None => Ok(()),
    }
}

fn added_before(host_name: &str) -> CniError {
    CniError::new(
        code::ALREADY_EXISTS,
        format!("the host end {host_name} is there already: this attachment was added before"),
        "run DEL for this container and interface, then ADD; nothing was changed",
    )
}

/// Both names can be taken; the kernel does not say which.
fn name_taken(host: &mut Netlink, plan: &Plan, error: &NetlinkError) -> CniError {
    if let Ok(Some(_)) = host.link(&plan.host_name) {
        return added_before(&plan.host_name);
    }
    CniError::new(
        code::ALREADY_EXISTS,
        format!(
            "the pod has an interface {} already ({error})",
            plan.pod_name
        ),
        "choose another CNI_IFNAME, or remove that interface; it was left as it is",
    )
}

/// Sets what must hold before the host end goes up. Runs in the host's namespace.
///
/// * `forwarding`: new interfaces take it from `conf/default`, which an administrator may have
///   closed while `ip_forward` is on.
/// * `proxy_arp` without `proxy_delay`: only for a pod that lost its permanent neighbour entry for
///   169.254.1.1; by default the answer would be up to 0.8 s late.
/// * IPv6 (`disable_ipv6`, `addr_gen_mode`, `accept_dad`): the link-local address of the host end
///   is usable at once; otherwise the first forwarded IPv6 packet waits 2 s for duplicate address
///   detection. On a node without IPv6 these files are not there, and that is fine.
///
/// # Errors
/// If one cannot be written.
pub fn host_sysctls(host_name: &str) -> Result<(), CniError> {
    let settings = [
        ("ipv4/conf", "forwarding", "1"),
        ("ipv4/conf", "proxy_arp", "1"),
        ("ipv4/neigh", "proxy_delay", "0"),
        ("ipv6/conf", "disable_ipv6", "0"),
        ("ipv6/conf", "addr_gen_mode", "0"),
        ("ipv6/conf", "accept_dad", "0"),
    ];
    for (folder, name, value) in settings {
        let path = format!("/proc/sys/net/{folder}/{host_name}/{name}");
        match write_sysctl(Path::new(&path), value) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder == "ipv6/conf" => {}
            Err(error) => {
                return Err(CniError::new(
                    code::KERNEL,
                    format!("cannot write {value} to {path}: {error}"),
                    "the plugin needs a writable /proc/sys in the host's namespaces",
                ));
            }
        }
    }
    Ok(())
}

fn write_sysctl(path: &Path, value: &str) -> io::Result<()> {
    use std::io::Write;
    // Not `fs::write`: it would try to create what a kernel does not have.
    fs::File::options()
        .write(true)
        .open(path)?
        .write_all(value.as_bytes())
}

/// Sets up the pod's end, all in one send.
///
/// # Errors
/// The step that the kernel refused.
pub fn configure_pod(pod: &mut Netlink, pair: Pair, plan: &Plan) -> Result<(), NetlinkError> {
    let mut steps: Vec<Step> = plan
        .addresses
        .iter()
        .map(|address| pod_address(pair.pod, *address))
        .collect();
    steps.push(Step::new(
        format!("set {} up", plan.pod_name),
        RouteNetlinkMessage::SetLink(set_up(pair.pod)),
        0,
    ));
    let gateway = IpAddr::V4(GATEWAY_V4);
    steps.push(pod_route(pair.pod, IpNetwork::from(gateway), None));
    steps.push(pod_gateway(pair.pod));
    steps.extend(
        plan.routes
            .iter()
            .map(|route| pod_route(pair.pod, *route, Some(gateway))),
    );
    pod.run(steps).map(drop)
}

/// Sets the host's end up and publishes the pod's addresses, all in one send.
///
/// # Errors
/// The step that the kernel refused: a route that is there already is not replaced.
pub fn publish(host: &mut Netlink, pair: Pair, plan: &Plan) -> Result<(), NetlinkError> {
    let mut up = set_up(pair.host);
    up.attributes = vec![LinkAttribute::IfAlias(plan.alias.clone())];
    let mut steps = vec![Step::new(
        format!("set {} up", plan.host_name),
        RouteNetlinkMessage::SetLink(up),
        0,
    )];
    steps.extend(
        plan.addresses
            .iter()
            .map(|address| host_route(pair.host, *address)),
    );
    // The end that went up last carries packets at once, but says NO-CARRIER for up to a second
    // unless somebody asks about it: newer kernels then bring the flag up to date.
    steps.push(Step::get_link(&plan.host_name));
    host.run(steps).map(drop)
}

/// Waits until the pod's end may transmit.
///
/// The end that went up first had no carrier then. It got one when the other went up, but the kernel
/// lets it transmit only after a deferred piece of work; a SYN sent before is dropped and comes again
/// one second later. The end that went up last needs no such work.
///
/// # Errors
/// If it does not happen in time, or the interface is gone.
pub fn wait_ready(pod: &mut Netlink, plan: &Plan) -> Result<(), CniError> {
    let deadline = Instant::now() + CARRIER_WAIT;
    let mut pause = Duration::from_micros(50);
    loop {
        let link = pod.link(&plan.pod_name)?;
        match link {
            Some(link) if OPERATIONAL.contains(&link.operstate) => return Ok(()),
            Some(_) if Instant::now() < deadline => {}
            _ => {
                return Err(CniError::new(
                    code::KERNEL,
                    format!("{} did not become operational", plan.pod_name),
                    "see whether something on the node sets new interfaces down or moves them",
                ));
            }
        }
        sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    }
}

/// Deletes the host end and with it the pod end, its addresses and all routes on both sides.
/// Returns whether there was one.
///
/// # Errors
/// Anything but "no such device".
pub fn delete(host: &mut Netlink, host_name: &str) -> Result<bool, NetlinkError> {
    let mut link = LinkMessage::default();
    link.attributes = vec![LinkAttribute::IfName(host_name.to_owned())];
    let step = Step::new(
        format!("delete interface {host_name}"),
        RouteNetlinkMessage::DelLink(link),
        0,
    );
    match host.run(vec![step]) {
        Ok(_) => Ok(true),
        Err(error) if error.errno == libc::ENODEV => Ok(false),
        Err(error) => Err(error),
    }
}

fn set_up(index: u32) -> LinkMessage {
    let mut link = LinkMessage::default();
    link.header.index = index;
    link.header.flags = LinkFlags::Up;
    link.header.change_mask = LinkFlags::Up;
    link
}

fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

fn pod_address(index: u32, address: IpAddr) -> Step {
    let host = IpNetwork::from(address);
    let mut message = AddressMessage::default();
    message.header.family = family(address);
    message.header.prefix_len = host.prefix();
    message.header.scope = AddressScope::Universe;
    message.header.index = index;
    message.attributes = vec![
        AddressAttribute::Local(address),
        AddressAttribute::Address(address),
    ];
    Step::new(
        format!("give the pod the address {host}"),
        RouteNetlinkMessage::NewAddress(message),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

fn pod_gateway(index: u32) -> Step {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.ifindex = index;
    message.header.state = NeighbourState::Permanent;
    message.attributes = vec![
        NeighbourAttribute::Destination(GATEWAY_V4.into()),
        NeighbourAttribute::LinkLayerAddress(HOST_MAC.to_vec()),
    ];
    Step::new(
        format!("give the pod a neighbour entry for {GATEWAY_V4}"),
        RouteNetlinkMessage::NewNeighbour(message),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

/// A route in the pod. Appended: a second attachment of the same pod has the same gateway and often
/// the same routes on another interface; the first one's stay in front.
fn pod_route(index: u32, to: IpNetwork, gateway: Option<IpAddr>) -> Step {
    let mut message = route(index, to, RouteProtocol::Static);
    message.header.scope = match gateway {
        Some(_) => RouteScope::Universe,
        None => RouteScope::Link,
    };
    message
        .attributes
        .extend(gateway.map(|gateway| RouteAttribute::Gateway(gateway.into())));
    Step::new(
        format!("give the pod the route {to}"),
        RouteNetlinkMessage::NewRoute(message),
        NLM_F_CREATE | NLM_F_APPEND,
    )
}

/// The host's route to one pod: ours by protocol, table and metric (0), and never over another's.
fn host_route(index: u32, address: IpAddr) -> Step {
    let to = IpNetwork::from(address);
    let mut message = route(index, to, RouteProtocol::Other(kernel::PROTOCOL));
    message.header.scope = RouteScope::Link;
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
