//! All peers by their [`PeerId`]: configured ones, and those that came from a range.
//!
//! ```text
//!  PeerId  0                                        a place for each
//!         +------+-------+------+---------+--------+------+------+
//!         | peer | range | peer | dynamic | (free) | peer | ...  |
//!         +------+-------+------+---------+--------+------+------+
//!   configured ---no longer---> gone ------------------nothing left--> free
//!   on a link  --somebody else there, or nobody--> gone --nothing left--> free
//!   dynamic:  guest --valid OPEN--> admitted ----------nothing left--> free
//! ```
//!
//! A number stays with its peer for as long as that is configured, whatever else comes and goes.
//!
//! A *guest* has connected from an address of a range and not yet sent an OPEN that is fine. There
//! are at most [`GUESTS`] of them; the oldest goes if another comes, so that silent strangers keep
//! nobody out. A place is free again when the peer's session is gone, no path of it is left, and
//! nothing waits for a decision: no number is given away that anything still refers to.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use super::api::{NextHop, PeerConfig, PeerId, Remote, SpeakerConfig};
use super::neighbor::Neighbor;
use crate::wire::Prefix;

/// Connections from ranges that have not said an OPEN yet, at most.
pub(super) const GUESTS: usize = 64;

#[derive(Debug)]
enum Place {
    Free,
    Range(Box<Range>),
    Links(Box<Links>),
    Peer(Box<Neighbor>),
}

/// A network whose addresses may become peers.
#[derive(Debug)]
pub(super) struct Range {
    pub(super) id: PeerId,
    /// The pattern of its peers.
    pub(super) config: PeerConfig,
    pub(super) network: Prefix,
    limit: usize,
    admitted: usize,
    /// Turned away over the limit.
    pub(super) refused: u64,
}

impl Range {
    /// Another pattern, perhaps for another network: who is not in that is still here.
    pub(super) fn set_config(&mut self, config: PeerConfig) {
        if let Remote::Range { network, limit } = config.remote {
            self.network = network;
            self.limit = usize::from(limit);
        }
        self.config = config;
    }

    /// How many peers of it there are, and how many there may be.
    pub(super) fn peers(&self) -> (usize, usize) {
        (self.admitted, self.limit)
    }
}

/// Links on each of which there may be a peer.
#[derive(Debug)]
pub(super) struct Links {
    /// The pattern of its peers.
    pub(super) config: PeerConfig,
    /// So many have no neighbour yet.
    pub(super) waiting: usize,
    /// Where the neighbour was shut down by an order, and is not there now: whoever is there next is, too.
    pub(super) shut_down: BTreeSet<String>,
}

/// Why a peer is there.
#[derive(Debug)]
pub(super) enum Standing {
    /// It is in the configuration.
    Configured,
    /// It came from a range.
    Dynamic(Dynamic),
    /// It was found on a link that this one of the configuration means.
    OnLink(PeerId),
    /// It is not to be there any more: told so, and left alone until nothing of it is left.
    Gone,
}

/// What a peer that came from a range is.
#[derive(Debug)]
pub(super) struct Dynamic {
    /// Which.
    pub(super) range: PeerId,
    pub(super) admitted: bool,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Neighbors {
    places: Vec<Place>,
    /// Peers and ranges of the configuration, in its order.
    configured: Vec<PeerId>,
    /// By age.
    guests: VecDeque<PeerId>,
    free: VecDeque<usize>,
    /// Not configured, and without a connection.
    leaving: Vec<PeerId>,
}

impl Neighbors {
    pub(super) fn new(config: &SpeakerConfig, now: Instant) -> Self {
        let mut neighbors = Self::default();
        for peer in &config.peers {
            let id = neighbors.configure(peer, config, now);
            neighbors.configured.extend(id);
        }
        neighbors
    }

    /// A peer or a range of the configuration that is not there yet. `None`: numbers have run out.
    pub(super) fn configure(
        &mut self,
        peer: &PeerConfig,
        config: &SpeakerConfig,
        now: Instant,
    ) -> Option<PeerId> {
        self.put(|id| match peer.remote {
            Remote::Link { .. } => Place::Links(Box::new(Links {
                config: peer.clone(),
                waiting: 0,
                shut_down: BTreeSet::new(),
            })),
            Remote::Range { network, limit } => Place::Range(Box::new(Range {
                id,
                config: peer.clone(),
                network,
                limit: usize::from(limit),
                admitted: 0,
                refused: 0,
            })),
            Remote::Address { .. } | Remote::Neighbor { .. } => {
                let standing = Standing::Configured;
                Place::Peer(Box::new(Neighbor::new(config, peer, id, standing, now)))
            }
        })
    }

    /// Peers and ranges of the configuration, in its order.
    pub(super) fn configured(&self) -> &[PeerId] {
        &self.configured
    }

    /// The order is this now.
    pub(super) fn set_configured(&mut self, configured: Vec<PeerId>) {
        self.configured = configured;
    }

    /// Is it a range, or links: peers are made of it?
    pub(super) fn is_pattern(&self, id: PeerId) -> bool {
        let place = self.places.get(id.index());
        matches!(place, Some(Place::Range(_) | Place::Links(_)))
    }

    /// Frees the place of such a one; nobody is of it any more.
    pub(super) fn remove_pattern(&mut self, id: PeerId) {
        if self.is_pattern(id) {
            self.vacate(id);
        }
    }

    pub(super) fn links_mut(&mut self, id: PeerId) -> Option<&mut Links> {
        match self.places.get_mut(id.index())? {
            Place::Links(links) => Some(links),
            _ => None,
        }
    }

    /// As the configuration has them.
    pub(super) fn links(&self) -> impl Iterator<Item = (PeerId, &Links)> {
        let configured = self.configured.iter();
        configured.filter_map(|id| match self.places.get(id.index())? {
            Place::Links(links) => Some((*id, &**links)),
            _ => None,
        })
    }

    /// May there be others yet that routes were learned from?
    pub(super) fn expects_others(&self) -> bool {
        self.expecting().next().is_some()
    }

    /// Of which ranges and links, by their names.
    pub(super) fn expecting(&self) -> impl Iterator<Item = &str> {
        let ranges = self.ranges().map(|range| range.config.name.as_str());
        let links = self.links().filter(|(_, links)| links.waiting > 0);
        ranges.chain(links.map(|(_, links)| links.config.name.as_str()))
    }

    /// A peer that was found on a link, with a number of its own.
    pub(super) fn find_on_link(
        &mut self,
        links: PeerId,
        peer: &PeerConfig,
        config: &SpeakerConfig,
        now: Instant,
    ) -> Option<PeerId> {
        let standing = Standing::OnLink(links);
        self.put(|id| Place::Peer(Box::new(Neighbor::new(config, peer, id, standing, now))))
    }

    /// In a free place, or behind all others.
    fn put(&mut self, make: impl FnOnce(PeerId) -> Place) -> Option<PeerId> {
        let index = self.free.pop_front().unwrap_or(self.places.len());
        let id = PeerId(u32::try_from(index).ok()?);
        let place = make(id);
        match self.places.get_mut(index) {
            Some(free) => *free = place,
            None => self.places.push(place),
        }
        Some(id)
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

    pub(super) fn range(&self, id: PeerId) -> Option<&Range> {
        match self.places.get(id.index())? {
            Place::Range(range) => Some(range),
            _ => None,
        }
    }

    pub(super) fn range_mut(&mut self, id: PeerId) -> Option<&mut Range> {
        match self.places.get_mut(id.index())? {
            Place::Range(range) => Some(range),
            _ => None,
        }
    }

    /// As the configuration has them.
    pub(super) fn ranges(&self) -> impl Iterator<Item = &Range> {
        self.configured.iter().filter_map(|id| self.range(*id))
    }

    /// Those that people are to be shown: configured ones in their order, among them those on links by
    /// the links' names, then those of ranges, range by range, by address.
    pub(super) fn known(&self) -> Vec<&Neighbor> {
        let mut known = Vec::new();
        for id in &self.configured {
            known.extend(self.get(id.index()));
            if matches!(self.places.get(id.index()), Some(Place::Links(_))) {
                let on =
                    |peer: &&Neighbor| matches!(peer.standing, Standing::OnLink(of) if of == *id);
                let mut found: Vec<&Neighbor> = self.iter().filter(on).collect();
                found.sort_by_key(|peer| peer.interface().map(|interface| &interface.name));
                known.extend(found);
            }
        }
        let dynamic = self.iter().filter(|peer| peer.is_known());
        let mut dynamic: Vec<_> = dynamic
            .filter_map(|peer| Some((peer.dynamic()?.range, peer)))
            .collect();
        dynamic.sort_by_cached_key(|(range, peer)| {
            let place = self.configured.iter().position(|id| id == range);
            (place, peer.address)
        });
        known.extend(dynamic.into_iter().map(|(_, peer)| peer));
        known
    }

    /// The peer itself, or the peers that came from the range or are on the links.
    pub(super) fn members(&self, id: PeerId) -> Vec<PeerId> {
        let is_one = |neighbor: &&Neighbor| neighbor.id == id || neighbor.pattern() == Some(id);
        let members = self.iter().filter(is_one);
        members.map(|neighbor| neighbor.id).collect()
    }

    /// The name in the configuration: a peer's own, or that of the range that it came from.
    pub(super) fn configured_name(&self, id: PeerId) -> &str {
        let Some(neighbor) = self.get(id.index()) else {
            return "";
        };
        let pattern = neighbor.pattern();
        let pattern = pattern.and_then(|id| match self.places.get(id.index())? {
            Place::Range(range) => Some(&range.config),
            Place::Links(links) => Some(&links.config),
            _ => None,
        });
        &pattern.unwrap_or(&neighbor.config).name
    }

    /// The peer at this address, if the connection's own end is one that it may use. A configured
    /// one comes first.
    pub(super) fn find(&self, from: NextHop, on: IpAddr) -> Option<PeerId> {
        let is_it = |neighbor: &&Neighbor| {
            let local = neighbor.config.local_address;
            neighbor.as_hop() == from && local.is_none_or(|own| own == on) && !neighbor.is_gone()
        };
        let found = self.iter().filter(is_it);
        let found = found.min_by_key(|neighbor| neighbor.dynamic().is_some());
        found.map(|neighbor| neighbor.id)
    }

    /// The most specific range that an address lies in. One with a limit of 0 does not exist.
    pub(super) fn range_of(&self, from: IpAddr) -> Option<PeerId> {
        let fitting = self.ranges().filter(|range| range.network.contains(from));
        let best = fitting.max_by_key(|range| range.network.prefix());
        best.map(|range| range.id)
    }

    /// The oldest guest, if there is no place for another.
    pub(super) fn guest_in_the_way(&self) -> Option<PeerId> {
        let oldest = self.guests.front().copied();
        oldest.filter(|_| self.guests.len() >= GUESTS)
    }

    /// A peer of a range, with a number of its own.
    pub(super) fn invite(
        &mut self,
        range: PeerId,
        from: IpAddr,
        config: &SpeakerConfig,
        now: Instant,
    ) -> Option<PeerId> {
        let peer = member(&self.range(range)?.config, from);
        let admitted = false;
        let standing = Standing::Dynamic(Dynamic { range, admitted });
        let id =
            self.put(|id| Place::Peer(Box::new(Neighbor::new(config, &peer, id, standing, now))))?;
        self.guests.push_back(id);
        Some(id)
    }

    /// May this peer have a session?
    pub(super) fn has_room(&self, id: PeerId) -> bool {
        let dynamic = self.get(id.index()).and_then(Neighbor::dynamic);
        dynamic
            .filter(|dynamic| !dynamic.admitted)
            .is_none_or(|guest| {
                let range = self.range(guest.range);
                range.is_some_and(|range| range.admitted < range.limit)
            })
    }

    /// Looks at a peer that something has happened to.
    pub(super) fn observe(&mut self, id: PeerId, turned_away: bool) {
        let Some(Place::Peer(neighbor)) = self.places.get_mut(id.index()) else {
            return;
        };
        let (is_in, quiet) = (neighbor.machine.is_in(), neighbor.machine.is_quiet());
        let leaves = match &mut neighbor.standing {
            Standing::Configured | Standing::OnLink(_) => return,
            Standing::Gone => quiet,
            Standing::Dynamic(dynamic) => {
                let new = is_in && !std::mem::replace(&mut dynamic.admitted, true);
                let range = dynamic.range;
                if let Some(range) = self.range_mut(range) {
                    range.refused += u64::from(turned_away);
                    range.admitted += usize::from(new);
                }
                if new {
                    self.guests.retain(|guest| *guest != id);
                }
                quiet
            }
        };
        if leaves && !self.leaving.contains(&id) {
            self.leaving.push(id);
        }
    }

    /// It is not to be there any more; what it has is taken from it elsewhere.
    pub(super) fn dismiss(&mut self, id: PeerId) {
        let Some(neighbor) = self.get_mut(id.index()) else {
            return;
        };
        let before = std::mem::replace(&mut neighbor.standing, Standing::Gone);
        if let Standing::Dynamic(dynamic) = before {
            self.uncount(id, &dynamic);
        }
    }

    /// It is not one of its range any more.
    fn uncount(&mut self, id: PeerId, dynamic: &Dynamic) {
        if !dynamic.admitted {
            self.guests.retain(|guest| *guest != id);
        } else if let Some(range) = self.range_mut(dynamic.range) {
            range.admitted = range.admitted.saturating_sub(1);
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

    /// Frees the place of a peer that is not configured.
    pub(super) fn remove(&mut self, id: PeerId) {
        if self.get(id.index()).is_none_or(Neighbor::is_configured) {
            return;
        }
        self.dismiss(id);
        self.vacate(id);
    }

    fn vacate(&mut self, id: PeerId) {
        if let Some(place) = self.places.get_mut(id.index()) {
            *place = Place::Free;
            self.free.push_back(id.index());
        }
        while matches!(self.places.last(), Some(Place::Free)) {
            self.places.pop();
            let len = self.places.len();
            self.free.retain(|index| *index < len);
        }
    }

    /// All that are not configured go.
    pub(super) fn forget_dynamic(&mut self) {
        let all = self.iter().filter(|peer| !peer.is_configured());
        let all: Vec<PeerId> = all.map(|peer| peer.id).collect();
        all.into_iter().for_each(|id| self.remove(id));
        self.leaving.clear();
    }
}

/// The peer at `address` that is made of a range's pattern.
pub(super) fn member(pattern: &PeerConfig, address: IpAddr) -> PeerConfig {
    PeerConfig {
        name: format!("{}/{address}", pattern.name),
        remote: Remote::Address { address, port: 0 },
        passive: true,
        ..pattern.clone()
    }
}
