//! Where a neighbour is, and how the connection comes about.

use std::net::IpAddr;

use crate::Remote;
use crate::raw::{BGPPeerSpec, Located, Object, Place};
use crate::resolve::subject::Subject;
use crate::resolve::usable::Use;

const ADDRESS: &str = "spec.peerIP";
const RANGE: &str = "spec.peerRange";

/// Where the neighbour's address or range stands.
pub(super) fn place(spec: &BGPPeerSpec) -> (Place, &'static str) {
    match (&spec.peer_ip, &spec.peer_range) {
        (None, Some(range)) => (range.place, RANGE),
        (address, _) => {
            let place = address.as_ref().map(|given| given.place);
            (place.unwrap_or_default(), ADDRESS)
        }
    }
}

pub(super) fn is_passive(spec: &BGPPeerSpec) -> bool {
    spec.peer_range.is_some() || spec.passive.is_some_and(|given| given.value)
}

/// Exactly one of peerIP and peerRange.
pub(super) fn remote(subject: &mut Subject<'_>, object: &Object<BGPPeerSpec>) -> Option<Remote> {
    let spec = &object.spec;
    let port = subject.port("spec.peerPort", spec.peer_port, 179);
    let path = "spec.maximumPeers";
    let maximum_peers = subject.number(path, spec.maximum_peers, 1..=10_000, 100);
    let address = spec.peer_ip.as_ref();
    let address = address.and_then(|given| subject.address(ADDRESS, given));
    let network = spec.peer_range.as_ref();
    let network = network.and_then(|given| range(subject, given));
    match (&spec.peer_ip, &spec.peer_range) {
        (Some(_), Some(given)) => {
            let reason = "does not go with peerIP: a neighbour is one address or a range";
            let hint = "remove one of them, or write two BGPPeer objects";
            subject.refuse(given.place, RANGE, reason, hint);
            None
        }
        (None, None) => {
            let hint = "add peerIP, or peerRange for all that connect from a prefix";
            subject.refuse(object.place, ADDRESS, "is required", hint);
            None
        }
        (Some(_), None) => {
            if let Some(given) = spec.maximum_peers {
                let reason = "is about dynamic neighbours, and peerIP is one neighbour";
                let hint = "remove it, or write peerRange instead of peerIP";
                subject.refuse(given.place, path, reason, hint);
            }
            let address = address?;
            Some(Remote::Address { address, port })
        }
        (None, Some(_)) => {
            never_dialled(subject, spec);
            let network = network?;
            Some(Remote::Range {
                network,
                maximum_peers,
            })
        }
    }
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

pub(super) fn source_address(
    subject: &mut Subject<'_>,
    spec: &BGPPeerSpec,
    remote: Option<Remote>,
) -> Option<IpAddr> {
    let path = "spec.sourceAddress";
    if spec.peer_range.is_some() {
        // Refused already, whatever it is.
        return None;
    }
    let given = spec.source_address.as_ref()?;
    let source = subject.address(path, given)?;
    let Some(Remote::Address { address: peer, .. }) = remote else {
        return Some(source);
    };
    if source == peer {
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
    remote: Option<Remote>,
    bind_addresses: &[IpAddr],
) {
    let Some(remote) = remote.filter(|_| is_passive(spec) && !bind_addresses.is_empty()) else {
        return;
    };
    let v4 = remote.network().is_ipv4();
    if bind_addresses.iter().any(|own| own.is_ipv4() == v4) {
        return;
    }
    let (place, path) = place(spec);
    let family = if v4 { "IPv4" } else { "IPv6" };
    let reason = format!(
        "{remote} is only waited for, and spec.bindAddresses of BGPConfiguration has no {family} \
         address: it could never connect"
    );
    let hint = format!("add an {family} address to bindAddresses, or remove bindAddresses");
    subject.refuse(place, path, &reason, &hint);
}
