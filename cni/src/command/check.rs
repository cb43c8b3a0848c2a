//! CHECK: whether what ADD made is still there. Reads only.
//!
//! What counts is what was ours in `prevResult`, the chain's final result: a MAC address that a later
//! plugin changed is right if it is the one named there, and other plugins' interfaces, addresses and
//! routes are none of our business. Ours are known by our record, by the interface, and by the
//! gateway.

use std::net::IpAddr;
use std::path::Path;

use ipnetwork::IpNetwork;
use rcni_config::kernel;

use super::Request;
use super::add::refuse_own;
use crate::error::{CniError, code};
use crate::naming::{GATEWAY_V4, GATEWAY_V6, gateway_for, mac_text};
use crate::netconf::{Families, Ipam, SpecVersion};
use crate::netlink::{Link, Netlink};
use crate::netns::{self, Netns};
use crate::result::{Interface, Previous};
use crate::route;
use crate::veth::{HOST_METRIC_V6, LINK_LOCAL_LENGTH};

/// One CHECK under way.
struct Check<'a> {
    request: &'a Request,
    previous: Previous,
    /// The attachment's own.
    addresses: Vec<IpAddr>,
    /// What is missing or wrong.
    wrong: Vec<String>,
}

/// Compares the attachment with `prevResult`.
///
/// # Errors
/// Code 1 below 0.4.0, code 7 without a usable `prevResult`, a delegated plugin's own error, code 102
/// with everything that is missing or wrong.
pub fn check(request: &Request) -> Result<(), CniError> {
    if request.conf.version < SpecVersion::V0_4_0 {
        return Err(CniError::new(
            code::INCOMPATIBLE_VERSION,
            format!(
                "CHECK came with cniVersion 0.4.0, not {}",
                request.conf.version
            ),
            "write 0.4.0, 1.0.0 or 1.1.0 in the conflist, or do not call CHECK",
        ));
    }
    let previous = Previous::parse(request.conf.prev_result.as_ref())?;
    let Some(path) = request.netns.as_deref() else {
        return Err(CniError::environment(
            "CNI_NETNS is missing",
            "set it to the path of the pod's network namespace",
        ));
    };
    refuse_own(request, path)?;
    let mut pod = Netns::open(path)?.enter(|| Ok(Netlink::open()?))?;
    let mut host = Netlink::open()?;

    let mut check = Check {
        addresses: Vec::new(),
        wrong: Vec::new(),
        previous,
        request,
    };
    let in_pod = check.pod_interface(path)?.clone();
    check.own_addresses()?;
    let host_link = check.host_end(&mut host)?;
    check.pod_end(&mut pod, &in_pod, host_link.as_ref())?;
    check.reservations()?;
    check.verdict()
}

impl Check<'_> {
    fn verdict(self) -> Result<(), CniError> {
        if let Ipam::Delegate(name) = &self.request.conf.ipam {
            let answer = self.request.delegate(name).check();
            answer.map_err(|error| error.and(&self.wrong))?;
        }
        if self.wrong.is_empty() {
            return Ok(());
        }
        Err(CniError::new(
            code::KERNEL,
            format!("{}: {}", self.request.attachment, self.wrong.join("; ")),
            "delete the pod; the one that replaces it is wired anew",
        ))
    }

    /// Our interface in the pod, as the result named it.
    fn pod_interface(&mut self, netns: &Path) -> Result<&Interface, CniError> {
        let name = self.request.attachment.ifname();
        let Some(interface) = self.previous.interface(name, true) else {
            return Err(CniError::config(
                format!("prevResult does not name {name} in the pod"),
                "pass the result of ADD for this interface",
            ));
        };
        let sandbox = Path::new(&interface.sandbox);
        if sandbox != netns && !netns::are_same(sandbox, netns) {
            self.wrong.push(format!(
                "prevResult has {name} in {}, CNI_NETNS is {}",
                sandbox.display(),
                netns.display()
            ));
        }
        Ok(interface)
    }

    /// Those that our record names; without one (another plugin's addresses, or files that were lost)
    /// those that the result gives our interface. ADD makes host prefixes of all, also of a delegate's,
    /// whatever prefix length its answer had.
    fn own_addresses(&mut self) -> Result<(), CniError> {
        let named = self.previous.addresses(self.request.attachment.ifname());
        let record = match &self.request.conf.ipam {
            Ipam::Own(own) => own.store.record(&self.request.attachment)?,
            Ipam::Delegate(_) | Ipam::Absent => None,
        };
        let Some(record) = record else {
            if named.is_empty() {
                self.wrong
                    .push("prevResult names no address of it".to_owned());
            }
            self.addresses = named.iter().map(IpNetwork::ip).collect();
            self.host_prefixes(&named, "prevResult does not name its address");
            return Ok(());
        };
        self.addresses = record.addresses;
        self.host_prefixes(&named, "prevResult does not name its address");
        Ok(())
    }

    /// Complains of each own address that is not among these as a host prefix.
    fn host_prefixes(&mut self, present: &[IpNetwork], complaint: &str) {
        for address in &self.addresses {
            let wanted = IpNetwork::from(*address);
            if !present.contains(&wanted) {
                let other = present.iter().find(|found| found.ip() == *address);
                let other = other.map_or_else(String::new, |found| format!(", but {found}"));
                self.wrong.push(format!("{complaint} {wanted}{other}"));
            }
        }
    }

    /// The host end, its settings and the routes to the pod.
    fn host_end(&mut self, host: &mut Netlink) -> Result<Option<Link>, CniError> {
        let name = self.request.attachment.host_interface();
        let Some(link) = host.link(&name)? else {
            self.wrong.push(format!("the host end {name} is gone"));
            return Ok(None);
        };
        let expected = self.previous.interface(&name, false).cloned();
        self.link(&link, expected.as_ref());
        self.host_settings(host, &link)?;
        for address in self.addresses.clone() {
            let metric = if address.is_ipv6() { HOST_METRIC_V6 } else { 0 };
            let found = route::to_host(host, address)?;
            if !found.is_some_and(|route| {
                route.oif == link.index
                    && route.protocol == kernel::PROTOCOL
                    && route.metric == metric
            }) {
                self.wrong
                    .push(format!("the node has no route to {address} through {name}"));
            }
        }
        Ok(Some(link))
    }

    fn host_settings(&mut self, host: &mut Netlink, link: &Link) -> Result<(), CniError> {
        let (families, name) = (Families::of(&self.addresses), &link.name);
        if families.ipv4 {
            let conf = link.ipv4.unwrap_or_default();
            for (setting, holds) in [
                ("forwarding", conf.forwarding),
                ("proxy_arp", conf.proxy_arp),
            ] {
                if !holds {
                    self.wrong
                        .push(format!("net.ipv4.conf.{name}.{setting} is not 1"));
                }
            }
        }
        if families.ipv6 {
            if link.ipv6.is_none_or(|conf| conf.disabled) {
                self.wrong.push(format!("{name} has no IPv6"));
            }
            if link.ipv6.is_some_and(|conf| conf.accepts_ra) {
                self.wrong
                    .push(format!("net.ipv6.conf.{name}.accept_ra is not 0"));
            }
            let addresses = route::addresses(host, link.index)?;
            let own = (GATEWAY_V6.into(), LINK_LOCAL_LENGTH);
            if !addresses.iter().any(|one| (one.ip(), one.prefix()) == own) {
                self.wrong.push(format!(
                    "{name} has not the address {GATEWAY_V6}/{LINK_LOCAL_LENGTH}"
                ));
            }
        }
        Ok(())
    }

    /// The pod end: that it is the other end of ours, its addresses, neighbours and routes.
    fn pod_end(
        &mut self,
        pod: &mut Netlink,
        expected: &Interface,
        host_link: Option<&Link>,
    ) -> Result<(), CniError> {
        let name = &expected.name;
        let Some(link) = pod.link(name)? else {
            self.wrong
                .push(format!("the pod's interface {name} is gone"));
            return Ok(());
        };
        self.link(&link, Some(expected));
        if let Some(host) = host_link {
            if (link.peer, host.peer) != (host.index, link.index) {
                self.wrong.push(format!(
                    "the pod's {name} is not the other end of {}",
                    host.name
                ));
            }
            self.gateways(pod, &link, host)?;
        }
        let present = route::addresses(pod, link.index)?;
        self.host_prefixes(&present, &format!("{name} has not its address"));
        self.routes(pod, &link)
    }

    /// The permanent entries for the gateways. When a later plugin changes the pod's MAC address, the
    /// kernel drops all neighbour entries of the interface, and they are found by asking from then on.
    fn gateways(&mut self, pod: &mut Netlink, link: &Link, host: &Link) -> Result<(), CniError> {
        let families = Families::of(&self.addresses);
        let dropped = link.address != self.request.pod_mac()?;
        for (wanted, gateway) in [
            (families.ipv4, GATEWAY_V4.into()),
            (families.ipv6, GATEWAY_V6.into()),
        ] {
            if !wanted {
                continue;
            }
            let right = match route::permanent_neighbour(pod, link.index, gateway)? {
                Some(found) => found == host.address,
                None => dropped,
            };
            if !right {
                self.wrong.push(format!(
                    "{} has no permanent neighbour entry for {gateway} with the MAC address of {}",
                    link.name, host.name
                ));
            }
        }
        Ok(())
    }

    /// In whatever table: `sbr` moves an interface's routes to one of their own.
    fn routes(&mut self, pod: &mut Netlink, link: &Link) -> Result<(), CniError> {
        let present = route::all(pod)?;
        let mut expected = self.previous.routes_by(gateway_for);
        if Families::of(&self.addresses).ipv4 {
            expected.push(IpAddr::from(GATEWAY_V4).into());
        }
        for to in expected {
            let found = |route: &route::Route| route.to == to && route.oif == link.index;
            if !present.iter().any(found) {
                self.wrong
                    .push(format!("the pod has not the route {to} any more"));
            }
        }
        Ok(())
    }

    fn link(&mut self, link: &Link, expected: Option<&Interface>) {
        if !link.is_up() {
            self.wrong.push(format!("{} is down", link.name));
        }
        let mac = <[u8; 6]>::try_from(link.address.as_slice()).map(mac_text);
        let wanted = expected.map_or("", |interface| interface.mac.as_str());
        if !wanted.is_empty() && !mac.is_ok_and(|mac| mac.eq_ignore_ascii_case(wanted)) {
            self.wrong.push(format!(
                "{} has not the MAC address {wanted} any more",
                link.name
            ));
        }
    }

    /// Of our own address store.
    fn reservations(&mut self) -> Result<(), CniError> {
        let Ipam::Own(own) = &self.request.conf.ipam else {
            return Ok(());
        };
        for address in &self.addresses {
            if !own.store.is_held_by(*address, &self.request.attachment)? {
                self.wrong
                    .push(format!("{address} is not reserved for it any more"));
            }
        }
        Ok(())
    }
}
