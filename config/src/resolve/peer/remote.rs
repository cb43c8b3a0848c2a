//! Where a neighbour is, and how the connection comes about.

use std::net::{IpAddr, Ipv6Addr};

use crate::raw::{BGPPeerSpec, Located, Object, Place};
use crate::resolve::subject::{self, Subject};
use crate::resolve::usable::Use;
use crate::{LinkPattern, Remote};

const ADDRESS: &str = "spec.peerIP";
const RANGE: &str = "spec.peerRange";
const INTERFACE: &str = "spec.peerInterface";

/// Where the neighbour's address, range or link stands.
pub(super) fn place(spec: &BGPPeerSpec) -> (Place, &'static str) {
    let given = [
        (&spec.peer_ip, ADDRESS),
        (&spec.peer_range, RANGE),
        (&spec.peer_interface, INTERFACE),
    ];
    let given = given.into_iter().find_map(|(given, path)| {
        let given = given.as_ref()?;
        Some((given.place, path))
    });
    given.unwrap_or((Place::default(), ADDRESS))
}

pub(super) fn is_passive(spec: &BGPPeerSpec) -> bool {
    spec.peer_range.is_some() || spec.passive.is_some_and(|given| given.value)
}

/// Exactly one of peerIP, peerRange and peerInterface.
pub(super) fn remote(subject: &mut Subject<'_>, object: &Object<BGPPeerSpec>) -> Option<Remote> {
    let spec = &object.spec;
    let port = subject.port("spec.peerPort", spec.peer_port, 179);
    let path = "spec.maximumPeers";
    let maximum_peers = subject.number(path, spec.maximum_peers, 1..=10_000, 100);
    let address = spec.peer_ip.as_ref();
    let address = address.and_then(|given| one_neighbour(subject, given, port));
    let network = spec.peer_range.as_ref();
    let network = network.and_then(|given| range(subject, given));
    let links = spec.peer_interface.as_ref();
    let links = links.and_then(|given| pattern(subject, INTERFACE, given));
    if is_twice(subject, spec) {
        return None;
    }
    if spec.peer_range.is_some() {
        never_dialled(subject, spec);
        let network = network?;
        return Some(Remote::Range {
            network,
            maximum_peers,
        });
    }
    let what = match (&spec.peer_ip, &spec.peer_interface) {
        (None, None) => {
            let hint = "add peerIP, or peerRange for all that connect from a prefix, or peerInterface \
                        for whoever is on a link";
            subject.refuse(object.place, ADDRESS, "is required", hint);
            return None;
        }
        (Some(_), _) => "peerIP is one neighbour",
        (None, Some(_)) => "there is one neighbour on a link",
    };
    if let Some(given) = spec.maximum_peers {
        let reason = format!("is about dynamic neighbours, and {what}");
        let hint = "remove it, or write peerRange instead";
        subject.refuse(given.place, path, &reason, hint);
    }
    let remote = address.or_else(|| {
        links.map(|links| Remote::Link {
            links,
            address: None,
            port,
        })
    });
    if matches!(remote, Some(Remote::Link { .. })) {
        never_routed(subject, spec);
    }
    remote
}

/// Says so if there is more than one of the three.
fn is_twice(subject: &mut Subject<'_>, spec: &BGPPeerSpec) -> bool {
    let hint = "remove one of them, or write two BGPPeer objects";
    match (&spec.peer_ip, &spec.peer_range, &spec.peer_interface) {
        (Some(_), Some(given), _) => {
            let reason = "does not go with peerIP: a neighbour is one address or a range";
            subject.refuse(given.place, RANGE, reason, hint);
        }
        (Some(_), None, Some(given)) => {
            let reason =
                "does not go with peerIP: a neighbour is an address or whoever is on the link";
            let hint =
                "remove one of them; a link-local peerIP names its link itself: fe80::1%eth0";
            subject.refuse(given.place, INTERFACE, reason, hint);
        }
        (None, Some(_), Some(given)) => {
            let reason = "does not go with peerRange: there is one neighbour on a link";
            subject.refuse(given.place, INTERFACE, reason, hint);
        }
        _ => return false,
    }
    true
}

/// An address, or a link-local one with its link.
fn one_neighbour(subject: &mut Subject<'_>, given: &Located<String>, port: u16) -> Option<Remote> {
    let text = &given.value;
    if let Some((address, zone)) = subject::zoned(text) {
        return on_link(subject, given, address, zone, port);
    }
    if let Some((address, zone)) = text.split_once('%')
        && let Ok(address) = address.parse::<IpAddr>()
    {
        let reason = format!("{address} is no link-local address, and %{zone} says nothing of it");
        subject.refuse(given.place, ADDRESS, &reason, &format!("write {address}"));
        return None;
    }
    if text
        .parse()
        .is_ok_and(|address: Ipv6Addr| address.is_unicast_link_local())
    {
        let reason = format!("{text} is a link-local address, which every link may have");
        let hint = format!(
            "write the interface that leads to it, {text}%eth0, or peerInterface: eth0 for whoever is \
             on that link"
        );
        subject.refuse(given.place, ADDRESS, &reason, &hint);
        return None;
    }
    let address = subject.address(ADDRESS, given)?;
    Some(Remote::Address { address, port })
}

fn on_link(
    subject: &mut Subject<'_>,
    given: &Located<String>,
    address: Ipv6Addr,
    zone: &str,
    port: u16,
) -> Option<Remote> {
    let is_number = !zone.is_empty() && zone.bytes().all(|byte| byte.is_ascii_digit());
    if is_number {
        let reason = format!("{zone} is the number of an interface, which changes");
        let hint = format!("write its name, such as {address}%eth0; `ip link show` has both");
        subject.refuse(given.place, ADDRESS, &reason, &hint);
        return None;
    }
    let zone = Located {
        value: zone.to_owned(),
        place: given.place,
    };
    let links = pattern(subject, ADDRESS, &zone)?;
    if links.is_pattern() {
        let reason = format!("{address} is one neighbour, and {links} may be several links");
        let hint = format!("write one BGPPeer for each link, or peerInterface: {links}");
        subject.refuse(given.place, ADDRESS, &reason, &hint);
        return None;
    }
    Some(Remote::Link {
        links,
        address: Some(address),
        port,
    })
}

fn pattern(subject: &mut Subject<'_>, path: &str, given: &Located<String>) -> Option<LinkPattern> {
    let error = match given.value.parse::<LinkPattern>() {
        Ok(pattern) if pattern.as_str() != "lo" => return Some(pattern),
        Ok(_) => "lo is this node itself: there is no neighbour on it".to_owned(),
        Err(error) => error.to_string(),
    };
    let hint = match path {
        ADDRESS => "write a name after %, such as fe80::1%eth0",
        _ => "write a name such as eth0, or a pattern such as eth*",
    };
    subject.refuse(given.place, path, &error, hint);
    None
}

fn range(subject: &mut Subject<'_>, given: &Located<String>) -> Option<crate::Cidr> {
    let cidr = subject.cidr(RANGE, given)?;
    if let Some((reason, hint)) = Use::Neighbours.refuses(&cidr) {
        subject.refuse(given.place, RANGE, &reason, &hint);
        return None;
    }
    Some(cidr)
}

/// What is about dialling.
fn never_dialled(subject: &mut Subject<'_>, spec: &BGPPeerSpec) {
    let retry = spec.connect_retry_seconds.map(|given| given.place);
    let given = [
        ("spec.peerPort", spec.peer_port.map(|given| given.place)),
        ("spec.passive", spec.passive.map(|given| given.place)),
        ("spec.connectRetrySeconds", retry),
        (
            "spec.sourceAddress",
            spec.source_address.as_ref().map(|given| given.place),
        ),
    ];
    for (path, place) in given {
        if let Some(place) = place {
            let reason = "is about dialling, and neighbours of a peerRange are never dialled";
            subject.refuse(place, path, reason, "remove it");
        }
    }
}

/// What is about other addresses than those of a link.
fn never_routed(subject: &mut Subject<'_>, spec: &BGPPeerSpec) {
    if let Some(given) = spec.multihop {
        let reason = "is for neighbours behind routers, and link-local addresses are never routed";
        subject.refuse(given.place, "spec.multihop", reason, "remove it");
    }
    if let Some(given) = &spec.source_address {
        let reason = "does not go with a link-local neighbour: the link's own link-local address is \
                      the source";
        let hint = "remove it; nodeAddresses of BGPConfiguration has what learned routes use";
        subject.refuse(given.place, "spec.sourceAddress", reason, hint);
    }
}

pub(super) fn source_address(
    subject: &mut Subject<'_>,
    spec: &BGPPeerSpec,
    remote: Option<&Remote>,
) -> Option<IpAddr> {
    let path = "spec.sourceAddress";
    if spec.peer_range.is_some() || matches!(remote, Some(Remote::Link { .. })) {
        // Refused already, whatever it is.
        return None;
    }
    let given = spec.source_address.as_ref()?;
    let source = subject.address(path, given)?;
    let Some(Remote::Address { address: peer, .. }) = remote else {
        return Some(source);
    };
    if source == *peer {
        let reason = format!("{source} is also peerIP: a speaker cannot be its own peer");
        subject.refuse(given.place, path, &reason, "write this node's own address");
    } else if source.is_ipv4() != peer.is_ipv4() {
        let reason = format!("{source} and peerIP {peer} are of different families");
        subject.refuse(
            given.place,
            path,
            &reason,
            "write an address of peerIP's family",
        );
    }
    Some(source)
}

/// Who is only waited for must find somebody who listens.
pub(super) fn reachable(
    subject: &mut Subject<'_>,
    spec: &BGPPeerSpec,
    remote: Option<&Remote>,
    bind_addresses: &[IpAddr],
) {
    let Some(remote) = remote.filter(|_| is_passive(spec) && !bind_addresses.is_empty()) else {
        return;
    };
    let (place, path) = place(spec);
    let Some(network) = remote.network() else {
        let reason = format!(
            "{remote} is only waited for, and spec.bindAddresses of BGPConfiguration has no link-local \
             address: it could never connect"
        );
        let hint = "remove passive, so that it is dialled, or remove bindAddresses";
        subject.refuse(place, path, &reason, hint);
        return;
    };
    let v4 = network.is_ipv4();
    if bind_addresses.iter().any(|own| own.is_ipv4() == v4) {
        return;
    }
    let family = if v4 { "IPv4" } else { "IPv6" };
    let reason = format!(
        "{remote} is only waited for, and spec.bindAddresses of BGPConfiguration has no {family} \
         address: it could never connect"
    );
    let hint = format!("add an {family} address to bindAddresses, or remove bindAddresses");
    subject.refuse(place, path, &reason, &hint);
}
