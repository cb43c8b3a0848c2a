//! CHECK: whether what ADD made is still there. Reads only.
//!
//! What counts is what was ours in `prevResult`, the chain's final result: a MAC address that a later
//! plugin changed is right if it is the one named there, and other plugins' interfaces, addresses and
//! routes are none of our business.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use rcni_config::kernel;
use serde::Deserialize;
use serde_json::Value;

use super::Request;
use super::add::refuse_own;
use crate::error::{CniError, code};
use crate::naming::mac_text;
use crate::netconf::{Ipam, SpecVersion};
use crate::netlink::{Link, Netlink};
use crate::netns::Netns;
use crate::route::{self, Route};

#[derive(Debug, Deserialize)]
struct PrevResult {
    #[serde(default)]
    interfaces: Vec<Interface>,
    #[serde(default)]
    ips: Vec<Ip>,
    #[serde(default)]
    routes: Option<Vec<Dst>>,
}

#[derive(Debug, Deserialize)]
struct Interface {
    name: String,
    #[serde(default)]
    mac: String,
    #[serde(default)]
    sandbox: String,
}

#[derive(Debug, Deserialize)]
struct Ip {
    address: IpNetwork,
    interface: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct Dst {
    dst: IpNetwork,
}

/// Compares the attachment with `prevResult`.
///
/// # Errors
/// Code 1 below 0.4.0, code 7 without a usable `prevResult`, code 102 with everything that is
/// missing or wrong.
pub fn check(request: &Request) -> Result<(), CniError> {
    if request.conf.version < SpecVersion::V0_4_0 {
        return Err(CniError::new(
            code::INCOMPATIBLE_VERSION,
            format!(
                "CHECK came with cniVersion 0.4.0, not {}",
                request.conf.version
            ),
            "write a newer cniVersion in the conflist, or do not call CHECK",
        ));
    }
    let previous = previous(request.conf.prev_result.as_ref())?;
    let Some(path) = request.netns.as_deref() else {
        return Err(CniError::environment(
            "CNI_NETNS is missing",
            "set it to the path of the pod's network namespace",
        ));
    };
    refuse_own(request, path)?;
    let mut pod = Netns::open(path)?.enter(|| Ok(Netlink::open()?))?;
    let mut host = Netlink::open()?;

    let mut wrong = Vec::new();
    let addresses = previous.addresses(request.attachment.ifname());
    check_host(&mut host, request, &previous, &addresses, &mut wrong)?;
    check_pod(&mut pod, request, &previous, &addresses, &mut wrong)?;
    check_ipam(request, &addresses, &mut wrong)?;
    if wrong.is_empty() {
        return Ok(());
    }
    Err(CniError::new(
        code::KERNEL,
        format!("{}: {}", request.attachment, wrong.join("; ")),
        "delete the pod; the one that replaces it is wired anew",
    ))
}

fn previous(raw: Option<&Value>) -> Result<PrevResult, CniError> {
    let refuse = |reason: String| {
        CniError::config(
            format!("prevResult {reason}"),
            "CHECK needs the result of ADD: the runtime must pass it",
        )
    };
    match raw {
        None | Some(Value::Null) => Err(refuse("is missing".into())),
        Some(raw) => PrevResult::deserialize(raw).map_err(|error| refuse(error.to_string())),
    }
}

impl PrevResult {
    fn interface(&self, name: &str, in_pod: bool) -> Option<&Interface> {
        self.interfaces
            .iter()
            .find(|interface| interface.name == name && interface.sandbox.is_empty() != in_pod)
    }

    /// The addresses of our interface in the pod.
    fn addresses(&self, ifname: &str) -> Vec<IpAddr> {
        self.ips
            .iter()
            .filter(|ip| {
                ip.interface
                    .and_then(|index| self.interfaces.get(index))
                    .is_some_and(|interface| {
                        interface.name == ifname && !interface.sandbox.is_empty()
                    })
            })
            .map(|ip| ip.address.ip())
            .collect()
    }
}

/// The host end, its settings and the routes to the pod.
fn check_host(
    host: &mut Netlink,
    request: &Request,
    previous: &PrevResult,
    addresses: &[IpAddr],
    wrong: &mut Vec<String>,
) -> Result<(), CniError> {
    let name = request.attachment.host_interface();
    let Some(link) = host.link(&name)? else {
        wrong.push(format!("the host end {name} is gone"));
        return Ok(());
    };
    check_link(&link, previous.interface(&name, false), wrong);
    for (folder, setting) in [("conf", "forwarding"), ("conf", "proxy_arp")] {
        let path = format!("/proc/sys/net/ipv4/{folder}/{name}/{setting}");
        let value = std::fs::read_to_string(&path).unwrap_or_default();
        if value.trim() != "1" {
            wrong.push(format!("{path} is not 1"));
        }
    }
    for address in addresses {
        let ours = route::to_host(host, *address)?;
        if !ours.is_some_and(|route| {
            route.oif == link.index && route.protocol == kernel::PROTOCOL && route.metric == 0
        }) {
            wrong.push(format!("the node has no route to {address} through {name}"));
        }
    }
    Ok(())
}

/// The pod end, its addresses and routes.
fn check_pod(
    pod: &mut Netlink,
    request: &Request,
    previous: &PrevResult,
    addresses: &[IpAddr],
    wrong: &mut Vec<String>,
) -> Result<(), CniError> {
    let name = request.attachment.ifname();
    let Some(link) = pod.link(name)? else {
        wrong.push(format!("the pod's interface {name} is gone"));
        return Ok(());
    };
    let Some(expected) = previous.interface(name, true) else {
        return Err(CniError::config(
            format!("prevResult does not name {name} in the pod"),
            "pass the result of ADD for this interface",
        ));
    };
    check_link(&link, Some(expected), wrong);
    let present = route::addresses(pod, link.index)?;
    for address in addresses {
        if !present.contains(address) {
            wrong.push(format!("{name} has lost its address {address}"));
        }
    }
    let routes: Vec<Route> = route::main_table(pod)?;
    let expected = previous.routes.iter().flatten().map(|route| route.dst);
    for dst in expected.filter(IpNetwork::is_ipv4) {
        if !routes.iter().any(|route| route.to == dst) {
            wrong.push(format!("the pod has lost its route {dst}"));
        }
    }
    Ok(())
}

fn check_link(link: &Link, expected: Option<&Interface>, wrong: &mut Vec<String>) {
    if link.flags & libc::IFF_UP.cast_unsigned() == 0 {
        wrong.push(format!("{} is down", link.name));
    }
    let mac = <[u8; 6]>::try_from(link.address.as_slice()).map(mac_text);
    let wanted = expected.map_or("", |interface| interface.mac.as_str());
    if !wanted.is_empty() && !mac.is_ok_and(|mac| mac.eq_ignore_ascii_case(wanted)) {
        wrong.push(format!(
            "{} has not the MAC address {wanted} any more",
            link.name
        ));
    }
}

/// The reservation, or the delegate's own opinion.
fn check_ipam(
    request: &Request,
    addresses: &[IpAddr],
    wrong: &mut Vec<String>,
) -> Result<(), CniError> {
    match &request.conf.ipam {
        Ipam::Absent => Ok(()),
        Ipam::Delegate(name) => request.delegate(name).check(),
        Ipam::Own(own) => {
            for address in addresses {
                if !own.store.is_held_by(*address, &request.attachment)? {
                    wrong.push(format!("{address} is not reserved for it any more"));
                }
            }
            Ok(())
        }
    }
}
