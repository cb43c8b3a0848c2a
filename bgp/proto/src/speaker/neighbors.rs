//! All peers by their [`PeerId`]: configured ones, and those that came from a range.
//!
//! ```text
//!  PeerId  0 .. configured          behind them
//!         +------+-------+------+  +---------+--------+------+
//!         | peer | range | peer |  | dynamic | (free) | ...  |
//!         +------+-------+------+  +---------+--------+------+
//!                                    guest --valid OPEN--> admitted --nothing left--> free
//! ```
//!
//! A *guest* has connected from an address of a range and not yet sent an OPEN that is fine. There
//! are at most [`GUESTS`] of them; the oldest goes if another comes, so that silent strangers keep
//! nobody out. A place is free again when the peer's session is gone, no path of it is left, and
//! nothing waits for a decision: no number is given away that anything still refers to.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Instant;

use super::api::{PeerConfig, PeerId, Remote, SpeakerConfig};
use super::neighbor::Neighbor;
use crate::wire::Prefix;

/// Connections from ranges that have not said an OPEN yet, at most.
pub(super) const GUESTS: usize = 64;

#[derive(Debug)]
enum Place {
    Free,
    Range,
    Peer(Box<Neighbor>),
}

/// A network whose addresses may become peers.
#[derive(Debug)]
pub(super) struct Range {
    pub(super) id: PeerId,
    pub(super) name: String,
    pub(super) network: Prefix,
    limit: usize,
    admitted: usize,
    /// Turned away over the limit.
    pub(super) refused: u64,
}

impl Range {
    /// How many peers of it there are, and how many there may be.
    pub(super) fn peers(&self) -> (usize, usize) {
        (self.admitted, self.limit)
    }
}

/// What a peer that came from a range is.
#[derive(Debug)]
pub(super) struct Dynamic {
    /// Index among the ranges.
    pub(super) range: usize,
    pub(super) admitted: bool,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Neighbors {
    places: Vec<Place>,
    configured: usize,
    ranges: Vec<Range>,
    /// By age.
    guests: VecDeque<PeerId>,
    free: VecDeque<usize>,
    /// Dynamic ones that have no connection any more.
    leaving: Vec<PeerId>,
}

impl Neighbors {
    pub(super) fn new(config: &SpeakerConfig, now: Instant) -> Self {
        let mut ranges = Vec::new();
        let places = (0..).map(PeerId).zip(&config.peers).map(|(id, peer)| {
            if let Remote::Range { network, limit } = peer.remote {
                ranges.push(Range {
                    id,
                    name: peer.name.clone(),
                    network,
                    limit: usize::from(limit),
                    admitted: 0,
                    refused: 0,
                });
                return Place::Range;
            }
            Place::Peer(Box::new(Neighbor::new(config, peer, id, None, now)))
        });
        Self {
            places: places.collect(),
            configured: config.peers.len(),
            ranges,
            guests: VecDeque::new(),
            free: VecDeque::new(),
            leaving: Vec::new(),
        }
    }

    /// One more than the highest number.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn get(&self, index: usize) -> Option<&Neighbor> {
        match self.places.get(index)? {
            Place::Peer(neighbor) => Some(neighbor),
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Neighbor> {
        match self.places.get_mut(index)? {
            Place::Peer(neighbor) => Some(neighbor),
            _ => None,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Neighbor> {
        self.places.iter().filter_map(|place| match place {
            Place::Peer(neighbor) => Some(&**neighbor),
            _ => None,
        })
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Neighbor> {
        self.places.iter_mut().filter_map(|place| match place {
            Place::Peer(neighbor) => Some(&mut **neighbor),
            _ => None,
        })
    }

    pub(super) fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// The peer at this address, if the connection's own end is one that it may use. A configured
    /// one comes first.
    pub(super) fn find(&self, from: IpAddr, on: IpAddr) -> Option<PeerId> {
        let is_it = |neighbor: &&Neighbor| {
            let local = neighbor.config.local_address;
            neighbor.address == from && local.is_none_or(|own| own == on)
        };
        self.iter().find(is_it).map(|neighbor| neighbor.id)
    }

    /// The most specific range that an address lies in. One with a limit of 0 does not exist.
    pub(super) fn range_of(&self, from: IpAddr) -> Option<usize> {
        let fitting = self.ranges.iter().enumerate();
        let fitting = fitting.filter(|(_, range)| range.network.contains(from));
        let best = fitting.max_by_key(|(_, range)| range.network.prefix());
        best.map(|(index, _)| index)
    }

    /// The oldest guest, if there is no place for another.
    pub(super) fn guest_in_the_way(&self) -> Option<PeerId> {
        let oldest = self.guests.front().copied();
        oldest.filter(|_| self.guests.len() >= GUESTS)
    }

    /// A peer of a range, with a number of its own.
    pub(super) fn invite(
        &mut self,
        range: usize,
        from: IpAddr,
        config: &SpeakerConfig,
        now: Instant,
    ) -> Option<PeerId> {
        let pattern = config.peers.get(self.ranges.get(range)?.id.index())?;
        let index = self.free.pop_front().unwrap_or(self.places.len());
        let id = PeerId(u32::try_from(index).ok()?);
        let peer = PeerConfig {
            name: format!("{}/{from}", pattern.name),
            remote: Remote::Address {
                address: from,
                port: 0,
            },
            passive: true,
            ..pattern.clone()
        };
        let dynamic = Dynamic {
            range,
            admitted: false,
        };
        let neighbor = Neighbor::new(config, &peer, id, Some(dynamic), now);
        let place = Place::Peer(Box::new(neighbor));
        match self.places.get_mut(index) {
            Some(free) => *free = place,
            None => self.places.push(place),
        }
        self.guests.push_back(id);
        Some(id)
    }

    /// May this peer have a session?
    pub(super) fn has_room(&self, id: PeerId) -> bool {
        let dynamic = self.get(id.index()).and_then(|peer| peer.dynamic.as_ref());
        dynamic
            .filter(|dynamic| !dynamic.admitted)
            .is_none_or(|guest| {
                let range = self.ranges.get(guest.range);
                range.is_some_and(|range| range.admitted < range.limit)
            })
    }

    /// Looks at a peer that something has happened to.
    pub(super) fn observe(&mut self, id: PeerId, turned_away: bool) {
        let Some(Place::Peer(neighbor)) = self.places.get_mut(id.index()) else {
            return;
        };
        let (is_in, quiet) = (neighbor.machine.is_in(), neighbor.machine.is_quiet());
        let Some(dynamic) = &mut neighbor.dynamic else {
            return;
        };
        let Some(range) = self.ranges.get_mut(dynamic.range) else {
            return;
        };
        range.refused += u64::from(turned_away);
        if is_in && !std::mem::replace(&mut dynamic.admitted, true) {
            range.admitted += 1;
            self.guests.retain(|guest| *guest != id);
        }
        if quiet && !self.leaving.contains(&id) {
            self.leaving.push(id);
        }
    }

    /// Those that have no connection any more. What is not removed now is to be given to
    /// [`Neighbors::observe`] again.
    pub(super) fn take_leaving(&mut self) -> Vec<PeerId> {
        std::mem::take(&mut self.leaving)
    }

    /// It may be gone as soon as its routes are.
    pub(super) fn keep_leaving(&mut self, id: PeerId) {
        self.leaving.push(id);
    }

    /// Frees the place of a dynamic peer.
    pub(super) fn remove(&mut self, id: PeerId) {
        let Some(place) = self.places.get_mut(id.index()) else {
            return;
        };
        let Place::Peer(neighbor) = place else { return };
        let Some(dynamic) = &neighbor.dynamic else {
            return;
        };
        if dynamic.admitted {
            if let Some(range) = self.ranges.get_mut(dynamic.range) {
                range.admitted = range.admitted.saturating_sub(1);
            }
        } else {
            self.guests.retain(|guest| *guest != id);
        }
        *place = Place::Free;
        self.free.push_back(id.index());
        while self.places.len() > self.configured && matches!(self.places.last(), Some(Place::Free))
        {
            self.places.pop();
            let len = self.places.len();
            self.free.retain(|index| *index < len);
        }
    }

    /// All dynamic ones go.
    pub(super) fn forget_dynamic(&mut self) {
        self.places.truncate(self.configured);
        self.free.clear();
        self.guests.clear();
        self.leaving.clear();
        for range in &mut self.ranges {
            range.admitted = 0;
        }
    }
}
