//! The Adj-RIBs-In of all peers: every path as received and as the import rules made it, with what
//! became of it.
//!
//! One table keyed by prefix rather than one per peer: the decision then finds all paths of a
//! prefix with one lookup, and a prefix that many peers tell costs its key once.
//!
//! Each path carries the number of its [epoch](super::epochs). A session that ends makes its paths
//! *dead* (or *stale*) by that number, without a look at them: what is dead counts for nothing from
//! then on, and is taken out when somebody comes by ([`AdjRibIn::bury`]), at the latest the
//! [sweep](super::sweep).

mod ends;
mod paths;

use std::sync::Arc;

use self::paths::Paths;
use super::decision::PathStatus;
use super::epochs::{Epochs, NUMBERS};
use super::table::PrefixMap;
use crate::attr::PathAttributes;
use crate::iana::Family;
use crate::speaker::PeerId;
use crate::wire::{Nlri, Prefix};

/// One path of one peer.
#[derive(Clone, Debug)]
pub struct Path {
    /// In use, shared; [`PathAttributes::received`] has what was received.
    pub attributes: Arc<PathAttributes>,
    /// The peer's number in the lower bits, that of the epoch above.
    told_by: u32,
    /// What became of it.
    pub status: PathStatus,
}

/// Bits for the peer's number: nobody has so many. The others are the epoch's.
const PEER_BITS: u32 = 20;
const PEER: u32 = (1 << PEER_BITS) - 1;

const _: () = assert!(NUMBERS as u32 == 1 << (u32::BITS - PEER_BITS));

impl Path {
    fn new(attributes: Arc<PathAttributes>, peer: PeerId, epoch: u16, status: PathStatus) -> Self {
        Self {
            attributes,
            told_by: u32::from(epoch) << PEER_BITS | peer.0 & PEER,
            status,
        }
    }

    /// Who told it.
    #[must_use]
    pub fn peer(&self) -> PeerId {
        PeerId(self.told_by & PEER)
    }

    /// When, see [`super::epochs`].
    pub(super) fn epoch(&self) -> u16 {
        (self.told_by >> PEER_BITS) as u16
    }
}

/// How many paths of one prefix a peer may have.
pub const PATHS_OF_PREFIX: usize = 256;

/// Counts of one peer's paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathCounts {
    /// All.
    pub received: usize,
    /// Accepted by the import rules and usable.
    pub accepted: usize,
    /// In use.
    pub used: usize,
    /// Kept from an earlier session (RFC 4724 §4.2).
    pub stale: usize,
    /// Of these, long-lived (RFC 9494 §4.2).
    pub long_lived: usize,
}

impl PathCounts {
    pub(super) fn count(&mut self, path: &Path, add: bool) {
        let step = |counter: &mut usize, applies: bool| {
            if applies {
                *counter = if add {
                    *counter + 1
                } else {
                    counter.saturating_sub(1)
                };
            }
        };
        step(&mut self.received, true);
        step(&mut self.accepted, path.status.is_eligible());
        step(&mut self.used, path.status.is_used());
    }
}

/// One peer's paths by family.
#[derive(Clone, Debug, Default)]
struct Families {
    v4: Epochs,
    v6: Epochs,
}

impl Families {
    fn of(&self, prefix: &Prefix) -> &Epochs {
        if prefix.is_ipv4() { &self.v4 } else { &self.v6 }
    }

    fn of_mut(&mut self, prefix: &Prefix) -> &mut Epochs {
        if prefix.is_ipv4() {
            &mut self.v4
        } else {
            &mut self.v6
        }
    }

    fn each_mut(&mut self) -> [(Family, &mut Epochs); 2] {
        [
            (Family::IPV4_UNICAST, &mut self.v4),
            (Family::IPV6_UNICAST, &mut self.v6),
        ]
    }
}

/// The table. Invariant: the counts are those of the paths in it that are not dead.
#[derive(Debug)]
pub struct AdjRibIn {
    table: PrefixMap<Paths>,
    peers: Vec<Families>,
}

impl AdjRibIn {
    /// Empty, for this many peers.
    #[must_use]
    pub fn new(peers: usize) -> Self {
        Self {
            table: PrefixMap::default(),
            peers: vec![Families::default(); peers],
        }
    }

    /// For so many peers, if there was room for fewer.
    pub fn make_room(&mut self, peers: usize) {
        let peers = peers.max(self.peers.len());
        self.peers.resize(peers, Families::default());
    }

    /// All paths of a prefix.
    pub fn paths<'a>(&'a self, prefix: &Prefix) -> impl Iterator<Item = &'a Path> + use<'a> {
        let paths = self.table.get(prefix).map_or(&[][..], Paths::as_slice);
        let prefix = *prefix;
        paths.iter().filter(move |path| self.is_live(&prefix, path))
    }

    /// Is there nothing, not even something dead?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// All paths of a prefix, each with its identifier.
    pub fn paths_with_ids(&self, prefix: &Prefix) -> impl Iterator<Item = (&Path, u32)> {
        let prefix = *prefix;
        let paths = self.table.get(&prefix).into_iter().flat_map(Paths::iter);
        paths.filter(move |(path, _)| self.is_live(&prefix, path))
    }

    /// All paths of all prefixes.
    pub fn iter(&self) -> impl Iterator<Item = (Nlri, &Path)> {
        self.table.iter().flat_map(move |(prefix, paths)| {
            let nlri = move |path_id| Nlri { prefix, path_id };
            let live = paths
                .iter()
                .filter(move |(path, _)| self.is_live(&prefix, path));
            live.map(move |(path, id)| (nlri(id), path))
        })
    }

    /// The prefixes after a given one, in order, with whether one of their paths is dead, or is of
    /// those that `wanted` holds for.
    pub fn after<'a>(
        &'a self,
        last: Option<Prefix>,
        wanted: impl Fn(&Path) -> bool + 'a,
    ) -> impl Iterator<Item = (Prefix, bool)> + 'a {
        self.table.after(last).map(move |(prefix, paths)| {
            let mut paths = paths.as_slice().iter();
            let found = paths.any(|path| {
                !self.is_live(&prefix, path) || self.is_to_be_marked(&prefix, path) || wanted(path)
            });
            (prefix, found)
        })
    }

    /// The path that the decision has called best, dead or not, and the mark of the prefix. `None`:
    /// there are no paths.
    pub(super) fn best(&self, prefix: &Prefix) -> Option<(Option<&Path>, u32)> {
        let (paths, mark) = self.table.get_marked(prefix)?;
        Some((paths.best(), mark))
    }

    /// The prefixes of its family that are not before this one, and whether one of their paths is
    /// the best.
    pub(crate) fn from(&self, prefix: Prefix) -> impl Iterator<Item = (Prefix, bool)> + use<'_> {
        let from = self.table.range_from(prefix);
        from.map(|(prefix, paths)| (prefix, paths.best().is_some()))
    }

    pub(super) fn is_live(&self, prefix: &Prefix, path: &Path) -> bool {
        let peer = self.peers.get(path.peer().index());
        peer.is_some_and(|peer| peer.of(prefix).is_live(path.epoch()))
    }

    /// Kept from an earlier session (RFC 4724 §4.2)?
    #[must_use]
    pub fn is_stale(&self, prefix: &Prefix, path: &Path) -> bool {
        let peer = self.peers.get(path.peer().index());
        peer.is_some_and(|peer| peer.of(prefix).is_stale(path.epoch()))
    }

    /// Counts of a peer, all families together.
    #[must_use]
    pub fn counts(&self, peer: PeerId) -> PathCounts {
        let [v4, v6] = self.counts_by_family(peer);
        PathCounts {
            received: v4.received + v6.received,
            accepted: v4.accepted + v6.accepted,
            used: v4.used + v6.used,
            stale: v4.stale + v6.stale,
            long_lived: v4.long_lived + v6.long_lived,
        }
    }

    /// Counts of a peer in one family.
    #[must_use]
    pub fn counts_of(&self, peer: PeerId, family: Family) -> PathCounts {
        let [v4, v6] = self.counts_by_family(peer);
        match family {
            Family::IPV4_UNICAST => v4,
            Family::IPV6_UNICAST => v6,
            _ => PathCounts::default(),
        }
    }

    fn counts_by_family(&self, peer: PeerId) -> [PathCounts; 2] {
        let peer = self.peers.get(peer.index());
        peer.map_or_else(Default::default, |peer| {
            [peer.v4.counts(), peer.v6.counts()]
        })
    }

    /// All paths of the prefixes that lie in `network`, itself included.
    pub fn within(&self, network: Prefix) -> impl Iterator<Item = (Prefix, &Path)> {
        // Ordered by address first, so that these are neighbours.
        let from = Prefix::new(network.network(), 0).unwrap_or(network);
        self.table
            .range_from(from)
            .take_while(move |(prefix, _)| network.contains(prefix.ip()))
            .filter(move |(prefix, _)| prefix.prefix() >= network.prefix())
            .flat_map(move |(prefix, paths)| {
                let paths = paths.as_slice().iter();
                let live = paths.filter(move |path| self.is_live(&prefix, path));
                live.map(move |path| (prefix, path))
            })
    }

    /// May the peer have this path, too? Any number of identifiers would make each of its paths of
    /// one prefix dearer than the last.
    #[must_use]
    pub fn has_room(&self, peer: PeerId, nlri: &Nlri) -> bool {
        let Some(paths) = self.table.get(&nlri.prefix) else {
            return true;
        };
        let mut count = 0;
        for (_, id) in paths.iter().filter(|(path, _)| path.peer() == peer) {
            if id == nlri.path_id {
                return true;
            }
            count += 1;
        }
        count < PATHS_OF_PREFIX
    }

    /// Takes a path, in place of the peer's earlier one with the same identifier. `status` is `Pending`, `Unusable` or
    /// `Rejected`. Returns whether the decision has to run again.
    pub fn announce(
        &mut self,
        peer: PeerId,
        Nlri { prefix, path_id }: Nlri,
        attributes: Arc<PathAttributes>,
        status: PathStatus,
    ) -> bool {
        let Some(epochs) = self.peers.get_mut(peer.index()) else {
            return false;
        };
        let epochs = epochs.of_mut(&prefix);
        let mut new = Path::new(attributes, peer, epochs.current(), status);
        let Some(paths) = self.table.get_mut(&prefix) else {
            epochs.count(&new, true);
            self.table.insert(prefix, Paths::new(new, path_id));
            return status.is_eligible();
        };
        let Some(old) = paths.find_mut(peer, path_id) else {
            epochs.count(&new, true);
            paths.push(new, path_id);
            return status.is_eligible();
        };
        // What is dead has been forgotten: the same again is new.
        let unchanged = epochs.count(old, false)
            && old.status.is_eligible() == status.is_eligible()
            && (!status.is_eligible() || old.attributes == new.attributes);
        if unchanged && status.is_eligible() {
            new.status = old.status;
        }
        let involved = old.status.is_eligible() || status.is_eligible();
        epochs.count(&new, true);
        *old = new;
        involved && !unchanged
    }

    /// Forgets the peer's path. Returns whether the decision has to run again.
    pub fn withdraw(&mut self, peer: PeerId, nlri: &Nlri) -> bool {
        self.remove(&nlri.prefix, |epochs, path, id| {
            let goes = path.peer() == peer && id == nlri.path_id;
            if goes {
                epochs.count(path, false);
            }
            goes
        })
    }

    /// Was one of those that go eligible?
    fn remove(
        &mut self,
        prefix: &Prefix,
        mut goes: impl FnMut(&mut Epochs, &Path, u32) -> bool,
    ) -> bool {
        let Some(paths) = self.table.get_mut(prefix) else {
            return false;
        };
        let mut lost = false;
        let left = paths.retain(|path, id| {
            let peer = self.peers.get_mut(path.peer().index());
            let goes = peer.is_some_and(|peer| goes(peer.of_mut(prefix), path, id));
            lost |= goes && path.status.is_eligible();
            !goes
        });
        if !left {
            self.table.remove(prefix);
        }
        lost
    }

    /// Judges paths of a prefix again; `judge` says what becomes of one. Returns whether the decision
    /// has to run again.
    pub(super) fn judge(
        &mut self,
        prefix: &Prefix,
        mut judge: impl FnMut(&Path) -> Option<(Arc<PathAttributes>, PathStatus)>,
    ) -> bool {
        let Some(paths) = self.table.get_mut(prefix) else {
            return false;
        };
        let mut involved = false;
        for path in paths.as_mut_slice() {
            let peer = self.peers.get_mut(path.peer().index());
            let epochs = peer.map(|peer| peer.of_mut(prefix));
            let Some(epochs) = epochs.filter(|epochs| epochs.is_live(path.epoch())) else {
                continue;
            };
            let Some((attributes, status)) = judge(path) else {
                continue;
            };
            let (was, is) = (path.status.is_eligible(), status.is_eligible());
            let unchanged = was && is && path.attributes == attributes;
            path.attributes = attributes;
            if !unchanged {
                involved |= was || is;
                epochs.recount(path, status);
            }
        }
        involved
    }

    /// So many laps of the sweep are through.
    pub fn swept(&mut self, laps: u64) {
        for (_, epochs) in self.peers.iter_mut().flat_map(Families::each_mut) {
            epochs.swept(laps);
        }
    }

    /// Stores the decision: one status for each eligible path of the prefix, in their order, and the
    /// mark. There are no dead ones.
    pub(super) fn decided(
        &mut self,
        prefix: &Prefix,
        statuses: impl IntoIterator<Item = PathStatus>,
        mark: u32,
    ) {
        self.table.set_mark(prefix, mark);
        let Some(paths) = self.table.get_mut(prefix) else {
            return;
        };
        let eligible = paths
            .as_mut_slice()
            .iter_mut()
            .filter(|path| path.status.is_eligible());
        for (path, status) in eligible.zip(statuses) {
            if let Some(peer) = self.peers.get_mut(path.peer().index()) {
                peer.of_mut(prefix).recount(path, status);
            }
        }
    }
}
