//! Peers that come from a range, and orders to single peers.

use std::net::IpAddr;
use std::time::Instant;

use super::Speaker;
use super::api::{NextHop, Order, PeerId, StopMode};
use super::drain::DrainState;
use super::neighbor::Neighbor;
use super::status::RangeStatus;
use crate::error::Notification;
use crate::fsm::{Held, PeerInput};
use crate::iana::cease_subcode;

impl Speaker {
    /// Whose connection this is. Somebody new from a range is a guest first ([`super::neighbors`]).
    pub(super) fn peer_at(&mut self, from: NextHop, on: IpAddr, now: Instant) -> Option<PeerId> {
        if let Some(known) = self.neighbors.find(from, on) {
            return Some(known);
        }
        let from = from.address;
        let range = self.neighbors.range_of(from)?;
        let local = self.neighbors.range(range)?.config.local_address;
        if local.is_some_and(|own| own != on) {
            return None;
        }
        if let Some(oldest) = self.neighbors.guest_in_the_way() {
            let words = Notification::cease(cease_subcode::OUT_OF_RESOURCES);
            self.feed_peer(oldest.index(), PeerInput::Reset(words), now);
            self.remove_left();
        }
        let id = self.neighbors.invite(range, from, &self.config, now)?;
        self.rib.make_room(self.neighbors.len());
        self.hold_back(id, now);
        self.feed_peer(id.index(), PeerInput::Start, now);
        Some(id)
    }

    /// Removes the peers that are not configured and of which nothing is left.
    pub(super) fn remove_left(&mut self) {
        for id in self.neighbors.take_leaving() {
            let Some(neighbor) = self.neighbors.get(id.index()) else {
                continue;
            };
            let machine = &neighbor.machine;
            if !machine.is_quiet() {
                continue;
            }
            let has_routes = self.rib.adj_in().counts(id).received > 0;
            // Until then the Loc-RIB may have what came from it.
            let deciding = self.rib.is_sweeping() || !self.rib.is_settled();
            let was_in = machine.is_in();
            let held = machine.held().is_some() && !neighbor.is_gone();
            if held || was_in && (has_routes || deciding) {
                self.neighbors.keep_leaving(id);
                continue;
            }
            self.unwatch(id);
            self.neighbors.remove(id);
            self.rib.forget_peer(id);
        }
    }

    pub(super) fn order(&mut self, peer: PeerId, order: Order, now: Instant) {
        if self
            .neighbors
            .get(peer.index())
            .is_none_or(Neighbor::is_gone)
        {
            return;
        }
        let input = match order {
            Order::Shutdown(text) => PeerInput::HoldDown(Notification::shutdown(&text)),
            Order::Start => PeerInput::Release,
            Order::Reset(_) if self.waits_for_limit(peer) => PeerInput::Release,
            Order::Reset(text) => PeerInput::Reset(Notification::reset(&text)),
        };
        let shuts_down = matches!(input, PeerInput::HoldDown(_));
        self.feed_peer(peer.index(), input, now);
        if self.drain == DrainState::Closed {
            self.feed_peer(peer.index(), PeerInput::Stop(&StopMode::Restart), now);
        }
        if shuts_down {
            // It might come back, but not now.
            self.flush_stale(peer, |_| true, now);
        }
    }

    /// It announced too much and will be let in again.
    fn waits_for_limit(&self, peer: PeerId) -> bool {
        let peer = self.neighbors.get(peer.index());
        peer.is_some_and(|peer| matches!(peer.machine.held(), Some(Held::Limit(Some(_)))))
    }

    pub(super) fn ranges(&self) -> Vec<RangeStatus> {
        let ranges = self.neighbors.ranges();
        let status = ranges.map(|range| {
            let (peers, limit) = range.peers();
            RangeStatus {
                name: range.config.name.clone(),
                network: range.network,
                peers,
                limit,
                refused: range.refused,
            }
        });
        status.collect()
    }

    /// The peer with this name, if there is one now.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<PeerId> {
        let mut known = self.neighbors.iter().filter(|peer| peer.is_known());
        known
            .find(|peer| peer.config.name == name)
            .map(|peer| peer.id)
    }

    /// Shut down by command, and not started since.
    #[must_use]
    pub fn is_shut_down(&self, peer: PeerId) -> bool {
        let peer = self.neighbors.get(peer.index());
        peer.is_some_and(|peer| peer.machine.held() == Some(Held::Command))
    }

    /// The names of all peers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let known = self.neighbors.iter().filter(|peer| peer.is_known());
        known.map(|peer| peer.config.name.as_str())
    }
}
