//! A network of speakers in memory, with a virtual clock, and what must hold in it.

mod bfd;
mod ceases;
mod crossing;
mod difference;
mod drain;
mod dynamic;
mod echo;
mod exports;
mod families;
mod limits;
mod links;
mod long_lived;
mod many;
mod net;
mod notifications;
mod policies;
mod random;
mod reconfigure;
mod reflection;
mod refresh;
mod restart;
mod routing;
mod sessions;
mod several;
mod solo;
mod surplus;
mod telling;
mod timers;

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::iana::Family;
use crate::policy::{Action, Operator, Policy, PrefixMatch, Rule};
use crate::wire::Prefix;

pub(super) fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A speaker without peers whose identifier is `10.255.0.<id>`.
pub(super) fn speaker(asn: u32, id: u8, networks: &[&str]) -> SpeakerConfig {
    SpeakerConfig {
        asn,
        router_id: Ipv4Addr::new(10, 255, 0, id),
        cluster_id: Ipv4Addr::new(10, 255, 0, id),
        networks: networks.iter().map(|text| prefix(text)).collect(),
        maximum_paths: 8,
        multipath_relax: true,
        graceful_restart: GracefulRestartConfig::default(),
        restarting: false,
        peers: vec![],
        seed: u64::from(id),
    }
}

/// A peer that may tell us everything and is told our own networks.
pub(super) fn peer(address: &str, asn: u32) -> PeerConfig {
    PeerConfig {
        name: format!("peer-{address}"),
        remote: Remote::Address {
            address: ip(address),
            port: 179,
        },
        asn: asn.into(),
        local_asn: None,
        passive: false,
        local_address: None,
        timers: Timers::default(),
        families: vec![Family::IPV4_UNICAST],
        offer: Offer::default(),
        enforce_first_as: true,
        knobs: Knobs::default(),
        limits: None,
        import: Policy::accept_all(),
        export: Policy::default(),
    }
}

/// A peer of a router: it is told everything.
pub(super) fn transit(address: &str, asn: u32) -> PeerConfig {
    PeerConfig {
        export: Policy::accept_all(),
        ..peer(address, asn)
    }
}

/// Accepts what lies in `cidr` with these lengths, and nothing else.
pub(super) fn only(cidr: &str, min_len: u8, max_len: u8) -> Policy {
    let matches = Some(PrefixMatch {
        operator: Operator::In,
        cidr: prefix(cidr),
        min_len,
        max_len,
    });
    Policy::new(vec![Rule::new("only[0]", Action::Accept, matches)], vec![])
}
