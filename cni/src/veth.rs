//! The pod's wire: a veth pair, addresses, routes and neighbour entries, in four sends (with IPv6
//! six: the pod end is asked for its settings, and both ends are waited for).
//!
//! ```text
//! 1 host  create the pair, peer straight into the pod's namespace under its final name; ask for it
//!         (sysctls of both ends that differ, while they are still down)
//! 2 pod   addresses, up, 169.254.1.1 on link, the gateways' permanent neighbour entries, the routes
//! 3 host  settings, ifalias, up, the routes to the pod (last: from here on the pod can be reached)
//! 4 both  wait until packets pass: deferred work of the kernel
//! ```
//!
//! Nothing here is undone on failure: deleting the host end ([`delete`]) takes everything with it,
//! and the caller does that.

mod messages;

use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ipnetwork::IpNetwork;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkInfo, LinkMessage,
};

use crate::error::{CniError, code};
use crate::naming::{GATEWAY_V4, GATEWAY_V6, HOST_MAC, link_local, mac_text};
use crate::netconf::Families;
use crate::netlink::{Link, Netlink, NetlinkError, Step, parse_link};
use crate::netns::Netns;
use crate::{route, sysctl};

pub use messages::{HOST_METRIC_V6, LINK_LOCAL_LENGTH};

/// `IF_OPER_UNKNOWN` and `IF_OPER_UP` (RFC 2863): the end may transmit.
const OPERATIONAL: [u8; 2] = [0, 6];
/// How long the kernel may take to notice that both ends are up: usually under a millisecond, but the
/// work waits its turn behind whatever else changes interfaces.
const CARRIER_WAIT: Duration = Duration::from_secs(10);

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

impl Plan {
    /// What the pod has addresses of.
    #[must_use]
    pub fn families(&self) -> Families {
        Families::of(&self.addresses)
    }
}

/// Makes the pair and returns the host end. The pod end appears in `netns` at once with its final name, so that nothing is
/// renamed or moved, and an interface that is there already makes the whole message fail.
///
/// # Errors
/// If one of the two names is taken (nothing was changed then), or the kernel refuses.
pub fn create(host: &mut Netlink, netns: &Netns, plan: &Plan) -> Result<Link, CniError> {
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
            "create the veth pair {} - {} (mtu {}, MAC address of the pod's end {})",
            plan.host_name,
            plan.pod_name,
            plan.mtu,
            mac_text(plan.pod_mac)
        ),
        RouteNetlinkMessage::NewLink(link),
        NLM_F_CREATE | NLM_F_EXCL,
    );
    match host.run(vec![make, Step::get_link(&plan.host_name)]) {
        Ok(answers) => answers
            .first()
            .and_then(|body| parse_link(body))
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

/// Sets up the pod's end: with IPv6 its settings first; then all in one send. `host_end` is what
/// [`create`] returned.
///
/// # Errors
/// The step that the kernel refused.
pub fn configure_pod(
    pod: &mut Netlink,
    netns: &Netns,
    host_end: &Link,
    plan: &Plan,
) -> Result<(), CniError> {
    let (families, index) = (plan.families(), host_end.peer);
    if families.ipv6 {
        let link = pod.link(&plan.pod_name)?;
        sysctl::pod_end(netns, &link.ok_or_else(|| unexpected(&plan.pod_name))?)?;
    }
    let mut steps = Vec::new();
    if families.ipv6 {
        let own = link_local(plan.pod_mac);
        steps.extend(messages::link_local_address(index, &plan.pod_name, own));
    }
    let addresses = plan.addresses.iter();
    steps.extend(addresses.map(|address| messages::pod_address(index, *address)));
    steps.push(Step::new(
        format!("set {} up", plan.pod_name),
        RouteNetlinkMessage::SetLink(messages::set_up(index)),
        0,
    ));
    if families.ipv4 {
        steps.push(messages::pod_onlink_route(index, GATEWAY_V4.into()));
        steps.push(messages::pod_gateway(index, GATEWAY_V4.into()));
    }
    if families.ipv6 {
        steps.push(messages::pod_gateway(index, GATEWAY_V6.into()));
    }
    let routes = plan.routes.iter();
    steps.extend(routes.map(|route| messages::pod_gateway_route(index, *route)));
    pod.run(steps)?;
    Ok(())
}

/// Sets the host's end up and publishes the pod's addresses, all in one send.
///
/// # Errors
/// The step that the kernel refused: a route that is there already is not replaced.
pub fn publish(host: &mut Netlink, host_end: &Link, plan: &Plan) -> Result<(), NetlinkError> {
    let (families, index) = (plan.families(), host_end.index);
    let mut steps = messages::host_settings(index, &plan.host_name, families);
    if families.ipv6 {
        steps.extend(messages::link_local_address(
            index,
            &plan.host_name,
            GATEWAY_V6,
        ));
    }
    let mut up = messages::set_up(index);
    up.attributes = vec![LinkAttribute::IfAlias(plan.alias.clone())];
    steps.push(Step::new(
        format!("set {} up with the alias {:?}", plan.host_name, plan.alias),
        RouteNetlinkMessage::SetLink(up),
        0,
    ));
    let addresses = plan.addresses.iter();
    steps.extend(addresses.map(|address| messages::host_route(index, *address)));
    // The end that went up last carries packets at once, but says NO-CARRIER for up to a second
    // unless somebody asks about it: newer kernels then bring the flag up to date.
    steps.push(Step::get_link(&plan.host_name));
    host.run(steps).map(drop)
}

/// Waits until both ends carry packets.
///
/// The end that went up first had no carrier then. It got one when the other went up, but the kernel
/// lets it transmit only after a deferred piece of work; a SYN sent before is dropped and comes again
/// one second later. The end that went up last needs no such work.
///
/// Likewise, a new IPv6 address can be used to send from at once, but packets to it (the neighbour
/// solicitations for the pod's, the answers to the host end's) are taken in only after deferred work.
///
/// # Errors
/// If it does not happen in time, or an interface is gone.
pub fn wait_ready(
    host: &mut Netlink,
    pod: &mut Netlink,
    host_end: &Link,
    plan: &Plan,
) -> Result<(), CniError> {
    let own: Vec<Ipv6Addr> = plan.addresses.iter().filter_map(ipv6).collect();
    let (pod_name, index) = (plan.pod_name.as_str(), host_end.peer);
    wait_until(pod_name, || {
        let mut steps = vec![Step::get_link(pod_name)];
        steps.extend(
            own.iter()
                .map(|address| route::own_address_question(index, *address)),
        );
        pod_is_ready(pod.run(steps))
    })?;
    if own.is_empty() {
        return Ok(());
    }
    wait_until(&plan.host_name, || {
        let question = route::own_address_question(host_end.index, GATEWAY_V6);
        all_local(host.run(vec![question]))
    })
}

fn pod_is_ready(answer: Result<Vec<Vec<u8>>, NetlinkError>) -> Result<bool, NetlinkError> {
    let mut answers = answer.or_else(not_yet)?.into_iter();
    let link = answers.next().and_then(|body| parse_link(&body));
    let transmits = link.is_some_and(|link| OPERATIONAL.contains(&link.operstate));
    Ok(transmits && answers.all(|body| route::is_local(&body)))
}

fn all_local(answer: Result<Vec<Vec<u8>>, NetlinkError>) -> Result<bool, NetlinkError> {
    let answers = answer.or_else(not_yet)?;
    Ok(!answers.is_empty() && answers.iter().all(|body| route::is_local(body)))
}

/// No route yet is no answer yet.
fn not_yet(error: NetlinkError) -> Result<Vec<Vec<u8>>, NetlinkError> {
    if matches!(error.errno, libc::ENETUNREACH | libc::EHOSTUNREACH) {
        Ok(Vec::new())
    } else {
        Err(error)
    }
}

fn ipv6(address: &IpAddr) -> Option<Ipv6Addr> {
    match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some(*address),
    }
}

fn wait_until(
    name: &str,
    mut ready: impl FnMut() -> Result<bool, NetlinkError>,
) -> Result<(), CniError> {
    let deadline = Instant::now() + CARRIER_WAIT;
    let mut pause = Duration::from_micros(50);
    while !ready()? {
        if Instant::now() >= deadline {
            return Err(CniError::new(
                code::KERNEL,
                format!("{name} did not become operational"),
                "see whether something on the node sets new interfaces down or moves them",
            ));
        }
        sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    }
    Ok(())
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
