//! The node's own addresses: those that are listened on, and those that it is known by.

use std::net::IpAddr;

use crate::raw::{Located, Place};
use crate::resolve::subject::Subject;
use crate::{Cidr, NodeAddresses, reserved};

/// Where to listen; empty: everywhere.
pub(super) fn bind(
    subject: &mut Subject<'_>,
    given: Option<&Located<Vec<Located<String>>>>,
) -> Vec<IpAddr> {
    let path = "spec.bindAddresses";
    let mut addresses = Vec::new();
    let Some(given) = given else {
        return addresses;
    };
    if given.value.is_empty() {
        let reason = "is empty, and nobody could connect";
        let hint = "write this node's addresses, or leave it out for all";
        subject.refuse(given.place, path, reason, hint);
    }
    for (index, given) in given.value.iter().enumerate() {
        let path = format!("{path}[{index}]");
        let everywhere = given
            .value
            .parse()
            .is_ok_and(|address: IpAddr| address.is_unspecified());
        if everywhere {
            let reason = format!("{} is no address of its own", given.value);
            let hint = "write this node's addresses, or leave bindAddresses out for all";
            subject.refuse(given.place, &path, &reason, hint);
        } else if let Some(address) = subject.address(&path, given) {
            if addresses.contains(&address) {
                let reason = format!("{address} is listed twice");
                subject.refuse(given.place, &path, &reason, "remove one of them");
            } else {
                addresses.push(address);
            }
        }
    }
    addresses
}

/// At most one of each family.
pub(in crate::resolve) fn of_node(
    subject: &mut Subject<'_>,
    given: &[Located<String>],
) -> NodeAddresses {
    let mut accepted = NodeAddresses::default();
    let mut first: [Option<Place>; 2] = [None; 2];
    for (index, given) in given.iter().enumerate() {
        let path = format!("spec.nodeAddresses[{index}]");
        let Some(address) = node_address(subject, &path, given) else {
            continue;
        };
        let [v4, v6] = &mut first;
        let (earlier, before, family) = match address {
            IpAddr::V4(_) => (v4, accepted.v4.map(IpAddr::V4), "IPv4"),
            IpAddr::V6(_) => (v6, accepted.v6.map(IpAddr::V6), "IPv6"),
        };
        if let (Some(before), Some(earlier)) = (before, *earlier) {
            let whereabouts = subject.whereabouts(earlier);
            let (reason, hint) = if before == address {
                let reason = format!("{address} is listed twice{whereabouts}");
                (reason, "remove one of them")
            } else {
                let reason = format!(
                    "{address} is a second {family} address beside {before}{whereabouts}, and a \
                     node is known by one"
                );
                (reason, "keep the one that other nodes know this node by")
            };
            subject.refuse(given.place, &path, &reason, hint);
            continue;
        }
        *earlier = Some(given.place);
        match address {
            IpAddr::V4(address) => accepted.v4 = Some(address),
            IpAddr::V6(address) => accepted.v6 = Some(address),
        }
    }
    accepted
}

/// One that others can answer, on whatever link.
fn node_address(subject: &mut Subject<'_>, path: &str, given: &Located<String>) -> Option<IpAddr> {
    const HINT: &str = "write an address of this node that others can reach, such as 10.0.9.11";
    // `fe80::1%eth0` is told what `fe80::1` is told.
    let (text, _) = given.value.split_once('%').unwrap_or((&given.value, ""));
    let zoned = text.len() < given.value.len();
    let parsed: Option<IpAddr> = text.parse().ok();
    let linked = |address: &IpAddr| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    let Some(address) = parsed.filter(|address| !zoned || linked(address)) else {
        let reason = format!("{:?} is not an IP address", given.value);
        let alone = given.value.split_once('/').map(|(address, _)| address);
        let hint = alone.filter(|alone| alone.parse::<IpAddr>().is_ok());
        let hint = hint.map_or_else(
            || "write one such as 10.0.9.11 or fd00:9::11".to_owned(),
            |alone| format!("write {alone}"),
        );
        subject.refuse(given.place, path, &reason, &hint);
        return None;
    };
    if let IpAddr::V6(v6) = address
        && let Some(v4) = v6.to_ipv4_mapped()
    {
        let reason = format!("{address} is an IPv4 address in IPv6 form");
        subject.refuse(given.place, path, &reason, &format!("write {v4}"));
        return None;
    }
    let reason = match address {
        _ if address.is_unspecified() => "no host's address",
        _ => {
            let mut blocks = reserved::blocks();
            let found = blocks.find(|(block, _)| block.contains(&Cidr::host(address)));
            match found {
                Some((_, what)) => what,
                None => return Some(address),
            }
        }
    };
    let reason = format!("{address} is {reason}, and others could not answer it");
    subject.refuse(given.place, path, &reason, HINT);
    None
}
