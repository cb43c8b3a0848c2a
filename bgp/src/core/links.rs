//! Neighbours that are found on links: peers of the speaker, and who may connect.

use std::collections::BTreeSet;

use rcni_bgp_proto::speaker::{Input, Interface, NextHop};
use tokio::sync::watch;

use super::{Core, PeerSettings, Whence, by_network};
use crate::discovery::{Interest, LinkPeer, Links, on_link};
use crate::transport::origin::Origin;

/// What was found, and whom to tell what to look for.
#[derive(Debug, Default)]
pub struct FoundLinks {
    found: Links,
    interest: Option<watch::Sender<Interest>>,
}

impl FoundLinks {
    /// With what was found before the start.
    #[must_use]
    pub fn new(found: Links, interest: watch::Sender<Interest>) -> Self {
        let interest = Some(interest);
        Self { found, interest }
    }

    /// What was found.
    #[must_use]
    pub fn links(&self) -> &Links {
        &self.found
    }
}

impl Core {
    /// Begins with what was found.
    #[must_use]
    pub fn linked(mut self, links: FoundLinks) -> Self {
        let states = links.found.states();
        self.links = links;
        self.input(Input::Links(states));
        self
    }

    /// What is known of links.
    #[must_use]
    pub fn links(&self) -> &Links {
        &self.links.found
    }

    /// Of these links something is known now; the gate has its entries already. A BFD session of a
    /// neighbour would begin and end with what the speaker makes of this.
    pub fn relink(&mut self, links: Links, settings: Vec<PeerSettings>) {
        self.peers = by_network(settings);
        let states = links.states();
        self.links.found = links;
        self.input(Input::Links(states));
    }

    /// Whether it was found by the configuration that is in use.
    #[must_use]
    pub fn is_current(&self, links: &Links) -> bool {
        let interest = self.links.interest.as_ref();
        interest.is_none_or(|interest| interest.borrow().generation == links.generation)
    }

    /// Others are looked for from now on.
    pub(super) fn look_for(&mut self, peers: Vec<LinkPeer>) {
        let Some(interest) = &self.links.interest else {
            return;
        };
        interest.send_if_modified(|interest| {
            let differs = interest.peers != peers;
            interest.generation += u64::from(differs);
            interest.peers = peers;
            differs
        });
    }

    /// The task that looks at links keeps those with whom there are sessions, or may be again soon.
    pub(super) fn tell_of_sessions(&mut self) {
        let Some(interest) = &self.links.interest else {
            return;
        };
        let established: BTreeSet<NextHop> = self.speaker.established_on_links().collect();
        let restarting: BTreeSet<NextHop> = self.speaker.restarting_on_links().collect();
        interest.send_if_modified(|interest| {
            let differs = interest.established != established || interest.restarting != restarting;
            (interest.established, interest.restarting) = (established, restarting);
            differs
        });
    }
}

/// The settings of all peers, with those of the neighbours that were found on links.
#[must_use]
pub fn with_found(settings: &[PeerSettings], links: &Links) -> Vec<PeerSettings> {
    let patterns = settings.iter().filter_map(|peer| match &peer.place {
        Whence::Link(pattern) => Some(pattern),
        Whence::From(_) => None,
    });
    let found = links.reports.iter().filter_map(|report| {
        let Interface { index, name } = report.interface.as_ref()?;
        let address = report.neighbor?;
        let mut owners = on_link(patterns.clone(), name).into_iter();
        let owner = owners.find(|owner| owner.address.is_none_or(|own| own == address))?;
        let is_its = |peer: &&PeerSettings| peer.place == Whence::Link(owner.clone());
        let pattern = settings.iter().find(is_its)?;
        let neighbor = NextHop {
            address: address.into(),
            interface: Some(*index),
        };
        Some(PeerSettings {
            place: Whence::From(Origin::host(neighbor)),
            ..pattern.clone()
        })
    });
    settings.iter().cloned().chain(found).collect()
}
