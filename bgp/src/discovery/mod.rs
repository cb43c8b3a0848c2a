//! Who is at the other end of links: `peerInterface`, and `peerIP` with a zone.
//!
//! ```text
//!  configuration, sessions, restarts ----Interest--> task (one) <-- kernel: links, addresses
//!                                                      |   ^
//!                                      own address, …  v   | Seen: who is there
//!                                                    link (one per link that is looked at)
//!                                                      |   ^
//!                                     ff02::1, ff02::2 v   | advertisements (RFC 4861)
//!                                                    the link
//!  task --Links--> core: peers of the speaker, who may connect, status
//! ```
//!
//! What is pure (codec, when to send what, who is there) is in `rcni_bgp_proto::discovery`. Each link has a
//! socket of its own, so that a flood on one keeps no other waiting.

pub mod before;
pub mod kernel;
pub mod link;
pub mod router;
pub mod socket;
pub mod task;

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use rcni_bgp_proto::speaker::{Interface, LinkState, NextHop};
use rcni_config::{LinkPattern, Remote, SpeakerConfig};

/// A neighbour of the configuration that is known by its link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkPeer {
    /// Configured name.
    pub name: String,
    /// Which links.
    pub links: LinkPattern,
    /// Its address, if that is configured.
    pub address: Option<Ipv6Addr>,
}

/// All of a configuration.
#[must_use]
pub fn link_peers(config: &SpeakerConfig) -> Vec<LinkPeer> {
    let peers = config.peers.iter().filter_map(|peer| match &peer.remote {
        Remote::Link { links, address, .. } => Some(LinkPeer {
            name: peer.name.clone(),
            links: links.clone(),
            address: *address,
        }),
        _ => None,
    });
    peers.collect()
}

/// Whose an interface is: all that write an address there, or the one whose pattern says most.
pub fn on_link<'a>(
    peers: impl Iterator<Item = &'a LinkPeer> + Clone,
    interface: &str,
) -> Vec<&'a LinkPeer> {
    let fitting = peers.filter(|peer| peer.links.matches(interface));
    let written = fitting.clone().filter(|peer| peer.address.is_some());
    let written: Vec<&LinkPeer> = written.collect();
    if !written.is_empty() {
        return written;
    }
    let most = fitting.max_by_key(|peer| (peer.links.weight(), std::cmp::Reverse(&peer.name)));
    most.into_iter().collect()
}

/// What the task is to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Of the configuration; counted, so that what was seen by an earlier one is told as such.
    pub generation: u64,
    /// Whom to look for.
    pub peers: Vec<LinkPeer>,
    /// With whom there is a session: that one is kept.
    pub established: BTreeSet<NextHop>,
    /// With whom one was, and may be again soon (graceful restart): kept as well, with its routes.
    pub restarting: BTreeSet<NextHop>,
}

/// How it is about the neighbour of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is no such interface.
    NoInterface,
    /// It is switched off.
    Down,
    /// It is switched on and nothing comes through.
    NoCarrier,
    /// It has no link-local address that can be used.
    NoAddress,
    /// Advertisements cannot be sent or read.
    NoSocket,
    /// Nobody was heard.
    Waiting,
    /// There is one.
    Found,
    /// There are several.
    Several,
}

impl State {
    /// For scripts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoInterface => "no-interface",
            Self::Down => "down",
            Self::NoCarrier => "no-carrier",
            Self::NoAddress => "no-link-local",
            Self::NoSocket => "no-socket",
            Self::Waiting => "waiting",
            Self::Found => "found",
            Self::Several => "several",
        }
    }
}

/// What is known of a link of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The BGPPeer's name.
    pub peer: String,
    /// As it is configured.
    pub links: String,
    /// If there is such an interface.
    pub interface: Option<Interface>,
    /// In a word.
    pub state: State,
    /// For people: what is the matter, and what to do; empty if nothing is.
    pub text: String,
    /// With whom to have a session.
    pub neighbor: Option<Ipv6Addr>,
    /// Who else is there.
    pub others: Vec<Ipv6Addr>,
    /// For people: what else there is to say.
    pub notes: Vec<String>,
    /// Forged and malformed messages that were dropped.
    pub dropped: u64,
}

/// All that the task has to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// Of the [`Interest`].
    pub generation: u64,
    /// In the order of names and links.
    pub reports: Vec<Report>,
}

impl Links {
    /// For the speaker.
    #[must_use]
    pub fn states(&self) -> Vec<LinkState> {
        let state = |report: &Report| {
            Some(LinkState {
                peer: report.peer.clone(),
                interface: report.interface.clone()?,
                neighbor: report.neighbor,
            })
        };
        self.reports.iter().filter_map(state).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(name: &str, links: &str, address: Option<&str>) -> LinkPeer {
        LinkPeer {
            name: name.to_owned(),
            links: links.parse().unwrap(),
            address: address.map(|text| text.parse().unwrap()),
        }
    }

    #[test]
    fn a_link_belongs_to_who_says_most_about_it() {
        let all = [
            peer("all", "*", None),
            peer("eth", "eth*", None),
            peer("first", "eth0", None),
            peer("a", "eth1", Some("fe80::a")),
            peer("b", "eth1", Some("fe80::b")),
        ];
        let of = |interface| {
            let owners = on_link(all.iter(), interface).into_iter();
            owners.map(|peer| peer.name.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(of("eth0"), ["first"]);
        assert_eq!(of("eth1"), ["a", "b"]);
        assert_eq!(of("eth2"), ["eth"]);
        assert_eq!(of("swp1"), ["all"]);
        assert!(on_link(all[1..].iter(), "swp1").is_empty());
    }
}
