//! Another configuration, while the speaker runs: what each difference means says
//! [`difference`](super::difference), here it is done.
//!
//! ```text
//!  gone, or another router      --6/3--> Gone: nothing of it is kept
//!  needs another session        --6/6--> the same place, dials again
//!  the rest                     in place
//!  of a range                   each of its peers likewise; who is not in it any more --6/3--> Gone
//!  in another range or place    --6/6--> Gone: it comes back as what it is now
//! ```
//!
//! Who is shut down by an order stays so, also at another address.

use std::collections::BTreeSet;
use std::time::Instant;

use super::Speaker;
use super::api::{PeerConfig, PeerId, Remote, SpeakerConfig};
use super::difference::{Change, Difference, Effect, Field};
use super::drain::DrainState;
use super::links;
use super::neighbors::member;
use super::restart::Deferral;
use crate::error::Notification;
use crate::fsm::{Identity, PeerInput};
use crate::iana::cease_subcode;

impl Speaker {
    /// What [`Input::Reconfigure`](super::Input::Reconfigure) with the same would do.
    #[must_use]
    pub fn difference(&self, config: &SpeakerConfig, sockets: &BTreeSet<String>) -> Difference {
        Difference::between(&self.config, config, sockets)
    }

    pub(super) fn reconfigure(
        &mut self,
        mut config: SpeakerConfig,
        sockets: &BTreeSet<String>,
        now: Instant,
    ) {
        // Of the start, not of the file.
        (config.seed, config.restarting) = (self.config.seed, self.config.restarting);
        let difference = self.difference(&config, sockets);
        self.config = config;
        let before = self.neighbors.configured().to_vec();
        let id_of = |index: Option<usize>| index.and_then(|index| before.get(index)).copied();
        // Those who go first: their address may be another's now.
        let mut held = BTreeSet::new();
        for peer in &difference.peers {
            if matches!(peer.change, Change::Removed | Change::Anew(_))
                && let Some(id) = id_of(peer.before)
            {
                if self.is_shut_down(id) {
                    held.insert(peer.after);
                }
                self.retire(id, &cease(cease_subcode::PEER_DECONFIGURED), now);
            }
        }
        let mut configured = Vec::with_capacity(self.config.peers.len());
        for peer in &difference.peers {
            let after = peer.after.and_then(|index| self.config.peers.get(index));
            let Some(after) = after.cloned() else {
                continue;
            };
            let id = match &peer.change {
                Change::Added | Change::Anew(_) | Change::Removed => {
                    self.add_peer(&after, held.contains(&peer.after), now)
                }
                Change::Unchanged => id_of(peer.before),
                Change::Live(fields) | Change::Reset(fields) => {
                    let id = id_of(peer.before);
                    if let Some(id) = id {
                        self.change_peer(id, after, fields, now);
                    }
                    id
                }
            };
            configured.extend(id);
        }
        self.neighbors.set_configured(configured);
        self.rehome(now);
        for (prefix, change) in self.rib.set_networks(&self.config.networks, now) {
            self.apply(prefix, change);
        }
        for network in difference
            .originated
            .into_iter()
            .chain(difference.withdrawn)
        {
            self.judge_within(network);
        }
        self.rib.set_multipath(self.config.multipath());
        self.refit();
    }

    /// Ends it and all that came from it.
    pub(super) fn retire(&mut self, id: PeerId, words: &Notification, now: Instant) {
        if self.neighbors.is_pattern(id) {
            for member in self.neighbors.members(id) {
                self.retire(member, words, now);
            }
            self.neighbors.remove_pattern(id);
            return;
        }
        self.neighbors.dismiss(id);
        self.feed_peer(id.index(), PeerInput::HoldDown(words.clone()), now);
        if let Some(neighbor) = self.neighbors.get_mut(id.index()) {
            neighbor.helper.stop();
        }
        self.rib.flush(id);
    }

    fn add_peer(&mut self, config: &PeerConfig, held: bool, now: Instant) -> Option<PeerId> {
        let id = self.neighbors.configure(config, &self.config, now)?;
        self.rib.make_room(self.neighbors.len());
        if held {
            let words = Notification::shutdown("");
            self.feed_peer(id.index(), PeerInput::HoldDown(words), now);
        }
        if self.deferral != Deferral::Stopped && self.drain != DrainState::Closed {
            self.hold_back(id, now);
            self.feed_peer(id.index(), PeerInput::Start, now);
        }
        Some(id)
    }

    fn change_peer(&mut self, id: PeerId, config: PeerConfig, fields: &[Field], now: Instant) {
        if let Some(links) = self.neighbors.links_mut(id) {
            links.config = config.clone();
            for id in self.neighbors.members(id) {
                let neighbor = self.neighbors.get(id.index());
                let member = neighbor.and_then(|neighbor| links::moved(&config, neighbor));
                if let Some(member) = member {
                    self.change_session(id, member, fields, now);
                }
            }
            return;
        }
        let Some(range) = self.neighbors.range_mut(id) else {
            self.change_session(id, config, fields, now);
            return;
        };
        range.set_config(config.clone());
        let network = range.network;
        for id in self.neighbors.members(id) {
            let address = self.neighbors.get(id.index()).map(|peer| peer.address);
            // The others are told later that they are not in it any more.
            if let Some(address) = address.filter(|address| network.contains(*address)) {
                self.change_session(id, member(&config, address), fields, now);
            }
        }
    }

    pub(super) fn change_session(
        &mut self,
        id: PeerId,
        config: PeerConfig,
        fields: &[Field],
        now: Instant,
    ) {
        self.set_policies_of(id, &config.import, &config.export);
        let identity = Box::new(Identity::new(&self.config, &config));
        let local_asn = config.local_asn.unwrap_or(self.config.asn);
        let Some(neighbor) = self.neighbors.get_mut(id.index()) else {
            return;
        };
        neighbor.local_asn = local_asn;
        if fields.contains(&Field::RemoteAs) || fields.contains(&Field::LocalAs) {
            neighbor.asn = config.asn.known(local_asn);
        }
        neighbor.config = config;
        self.feed_peer(id.index(), PeerInput::Configure(identity), now);
        if fields.contains(&Field::Name) || fields.contains(&Field::Links) {
            self.renamed(id);
        }
        if fields.iter().any(|field| field.effect() == Effect::Reset) {
            let words = cease(cease_subcode::OTHER_CONFIGURATION_CHANGE);
            self.feed_peer(id.index(), PeerInput::Renew(words), now);
        } else if fields.contains(&Field::PathsTold) {
            self.tell_others(id);
        }
        if fields.contains(&Field::MaximumPrefixes) {
            self.limits_changed(id, now);
        }
        if fields.contains(&Field::RemoteAs) {
            // Whoever comes, it is not who told them.
            self.flush_stale(id, |_| true, now);
        }
    }

    /// Another number of paths.
    fn tell_others(&mut self, id: PeerId) {
        let Some(neighbor) = self.neighbors.get_mut(id.index()) else {
            return;
        };
        let Some(up) = &mut neighbor.up else { return };
        up.adj_out
            .set_most_paths(neighbor.config.offer.add_path.send.into());
        up.adj_out.tell_anew();
    }

    /// Those that came from a range and are not of it any more: they have a peer of their own now, or
    /// another range, and from where they are they see a session that begins again; or nothing has them.
    fn rehome(&mut self, now: Instant) {
        let addresses = self.config.peers.iter();
        let addresses = addresses.filter_map(|peer| match peer.remote {
            Remote::Address { address, .. } => Some(address),
            _ => None,
        });
        let addresses: BTreeSet<_> = addresses.collect();
        let elsewhere = self.neighbors.iter().filter(|peer| {
            peer.dynamic().is_some_and(|dynamic| {
                addresses.contains(&peer.address)
                    || self.neighbors.range_of(peer.address) != Some(dynamic.range)
            })
        });
        let elsewhere = elsewhere.map(|peer| {
            let has_place = addresses.contains(&peer.address)
                || self.neighbors.range_of(peer.address).is_some();
            let subcode = match has_place {
                true => cease_subcode::OTHER_CONFIGURATION_CHANGE,
                false => cease_subcode::PEER_DECONFIGURED,
            };
            (peer.id, subcode)
        });
        let elsewhere: Vec<(PeerId, u8)> = elsewhere.collect();
        for (id, subcode) in elsewhere {
            self.retire(id, &cease(subcode), now);
        }
    }
}

fn cease(subcode: u8) -> Notification {
    Notification::cease(subcode)
}
