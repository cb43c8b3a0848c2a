//! The Adj-RIBs-In of all peers: every path as received, with what became of it.
//!
//! One table keyed by prefix rather than one per peer: the decision then finds all paths of a
//! prefix with one lookup, and a prefix that many peers tell costs its key once. Losing a peer
//! walks the table, which is as rare as it is linear.

use std::sync::Arc;

use super::decision::PathStatus;
use super::table::PrefixMap;
use crate::attr::PathAttributes;
use crate::iana::Family;
use crate::speaker::PeerId;
use crate::wire::Prefix;

/// One path of one peer.
#[derive(Clone, Debug)]
pub struct Path {
    /// As received, shared.
    pub attributes: Arc<PathAttributes>,
    /// The peer's number, [`STALE`] and [`REFRESHING`].
    told_by: u32,
    /// What became of it.
    pub status: PathStatus,
}

/// Nobody has so many peers: the bits are free.
const STALE: u32 = 1 << 31;
const REFRESHING: u32 = 1 << 30;
const PEER: u32 = !(STALE | REFRESHING);

impl Path {
    fn new(attributes: Arc<PathAttributes>, peer: PeerId, status: PathStatus) -> Self {
        Self {
            attributes,
            told_by: peer.0 & PEER,
            status,
        }
    }

    /// Who told it.
    #[must_use]
    pub fn peer(&self) -> PeerId {
        PeerId(self.told_by & PEER)
    }

    /// Kept from an earlier session (RFC 4724 §4.2).
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.told_by & STALE != 0
    }

    /// Not told again yet since the peer began to tell everything again (RFC 7313 §4.2).
    #[must_use]
    pub fn is_refreshing(&self) -> bool {
        self.told_by & REFRESHING != 0
    }
}

/// The paths of one prefix. Most prefixes have one.
#[derive(Debug)]
enum Paths {
    One(Path),
    #[expect(
        clippy::box_collection,
        reason = "one word, so that the common case is no larger than a path"
    )]
    Many(Box<Vec<Path>>),
}

const _: () = assert!(size_of::<Paths>() == size_of::<Path>() && size_of::<Path>() == 16);

impl Paths {
    fn as_slice(&self) -> &[Path] {
        match self {
            Self::One(path) => std::slice::from_ref(path),
            Self::Many(paths) => paths,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [Path] {
        match self {
            Self::One(path) => std::slice::from_mut(path),
            Self::Many(paths) => paths,
        }
    }

    fn push(&mut self, path: Path) {
        match self {
            Self::One(first) => *self = Self::Many(Box::new(vec![first.clone(), path])),
            Self::Many(paths) => {
                paths.reserve_exact(1);
                paths.push(path);
            }
        }
    }

    /// Is one left?
    fn retain(&mut self, mut keep: impl FnMut(&Path) -> bool) -> bool {
        match self {
            Self::One(path) => return keep(path),
            Self::Many(paths) => paths.retain(keep),
        }
        if let Self::Many(paths) = self
            && let [path] = &paths[..]
        {
            *self = Self::One(path.clone());
        }
        !self.as_slice().is_empty()
    }
}

/// Counts of one peer's paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathCounts {
    /// All.
    pub received: usize,
    /// Accepted by the import rules and usable.
    pub accepted: usize,
    /// In use.
    pub used: usize,
    /// Kept from an earlier session.
    pub stale: usize,
}

impl PathCounts {
    fn count(&mut self, path: &Path, add: bool) {
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
        step(&mut self.stale, path.is_stale());
    }
}

/// Counts of one peer's paths by family.
#[derive(Clone, Copy, Debug, Default)]
struct FamilyCounts {
    v4: PathCounts,
    v6: PathCounts,
}

impl FamilyCounts {
    fn of(&mut self, prefix: &Prefix) -> &mut PathCounts {
        if prefix.is_ipv4() {
            &mut self.v4
        } else {
            &mut self.v6
        }
    }
}

/// The table. Invariant: the counts are those of the paths in it.
#[derive(Debug)]
pub struct AdjRibIn {
    table: PrefixMap<Paths>,
    counts: Vec<FamilyCounts>,
}

impl AdjRibIn {
    /// Empty, for this many peers.
    #[must_use]
    pub fn new(peers: usize) -> Self {
        Self {
            table: PrefixMap::default(),
            counts: vec![FamilyCounts::default(); peers],
        }
    }

    /// All paths of a prefix.
    #[must_use]
    pub fn paths(&self, prefix: &Prefix) -> &[Path] {
        self.table.get(prefix).map_or(&[], Paths::as_slice)
    }

    /// All paths of all prefixes.
    pub fn iter(&self) -> impl Iterator<Item = (Prefix, &Path)> {
        self.table.iter().flat_map(|(prefix, paths)| {
            let paths = paths.as_slice().iter();
            paths.map(move |path| (prefix, path))
        })
    }

    /// Counts of a peer, all families together.
    #[must_use]
    pub fn counts(&self, peer: PeerId) -> PathCounts {
        let FamilyCounts { v4, v6 } = self.counts.get(peer.index()).copied().unwrap_or_default();
        PathCounts {
            received: v4.received + v6.received,
            accepted: v4.accepted + v6.accepted,
            used: v4.used + v6.used,
            stale: v4.stale + v6.stale,
        }
    }

    /// Counts of a peer in one family.
    #[must_use]
    pub fn counts_of(&self, peer: PeerId, family: Family) -> PathCounts {
        let counts = self.counts.get(peer.index()).copied().unwrap_or_default();
        match family {
            Family::IPV4_UNICAST => counts.v4,
            Family::IPV6_UNICAST => counts.v6,
            _ => PathCounts::default(),
        }
    }

    /// All paths of the prefixes that lie in `network`, itself included.
    pub fn within(&self, network: Prefix) -> impl Iterator<Item = (Prefix, &Path)> {
        // Ordered by address first, so that these are neighbours.
        let from = Prefix::new(network.network(), 0).unwrap_or(network);
        self.table
            .range_from(from)
            .take_while(move |(prefix, _)| network.contains(prefix.ip()))
            .filter(move |(prefix, _)| prefix.prefix() >= network.prefix())
            .flat_map(|(prefix, paths)| {
                let paths = paths.as_slice().iter();
                paths.map(move |path| (prefix, path))
            })
    }

    /// Takes a path, in place of the peer's earlier one. `status` is `Pending`, `Unusable` or
    /// `Rejected`. Returns whether the decision has to run again.
    pub fn announce(
        &mut self,
        peer: PeerId,
        prefix: Prefix,
        attributes: Arc<PathAttributes>,
        status: PathStatus,
    ) -> bool {
        let Some(counts) = self.counts.get_mut(peer.index()) else {
            return false;
        };
        let counts = counts.of(&prefix);
        let mut new = Path::new(attributes, peer, status);
        let Some(paths) = self.table.get_mut(&prefix) else {
            counts.count(&new, true);
            self.table.insert(prefix, Paths::One(new));
            return status.is_eligible();
        };
        let mut known = paths.as_mut_slice().iter_mut();
        let Some(old) = known.find(|path| path.peer() == peer) else {
            counts.count(&new, true);
            paths.push(new);
            return status.is_eligible();
        };
        let unchanged = old.status.is_eligible() == status.is_eligible()
            && (!status.is_eligible() || old.attributes == new.attributes);
        if unchanged && status.is_eligible() {
            new.status = old.status;
        }
        let involved = old.status.is_eligible() || status.is_eligible();
        counts.count(old, false);
        counts.count(&new, true);
        *old = new;
        involved && !unchanged
    }

    /// Forgets the peer's path. Returns whether the decision has to run again.
    pub fn withdraw(&mut self, peer: PeerId, prefix: &Prefix) -> bool {
        let Some(paths) = self.table.get_mut(prefix) else {
            return false;
        };
        let mut counts = self.counts.get_mut(peer.index());
        let mut lost = false;
        let left = paths.retain(|path| {
            let goes = path.peer() == peer;
            if goes {
                lost = path.status.is_eligible();
                if let Some(counts) = &mut counts {
                    counts.of(prefix).count(path, false);
                }
            }
            !goes
        });
        if !left {
            self.table.remove(prefix);
        }
        lost
    }

    /// The peer may be restarting: marks its paths of these families as stale. What was stale
    /// already, or is of another family, goes (RFC 4724 §4.2). Returns the prefixes that lost
    /// an eligible path.
    pub fn mark_stale(&mut self, peer: PeerId, families: &[Family]) -> Vec<Prefix> {
        let gone = self.remove(peer, |prefix, path| {
            path.is_stale() || !families.contains(&Family::of(prefix))
        });
        let Some(counts) = self.counts.get_mut(peer.index()) else {
            return gone;
        };
        for (prefix, paths) in self.table.iter_mut() {
            let counts = counts.of(&prefix);
            let paths = paths.as_mut_slice().iter_mut();
            for path in paths.filter(|path| path.peer() == peer) {
                counts.count(path, false);
                path.told_by = path.told_by & PEER | STALE;
                counts.count(path, true);
            }
        }
        gone
    }

    /// The peer begins to tell everything of a family again (RFC 7313 §4.2).
    pub fn mark_refreshing(&mut self, peer: PeerId, family: Family) {
        if self.counts_of(peer, family).received == 0 {
            return;
        }
        for (prefix, paths) in self.table.iter_mut() {
            if Family::of(&prefix) == family {
                let paths = paths.as_mut_slice().iter_mut();
                for path in paths.filter(|path| path.peer() == peer) {
                    path.told_by |= REFRESHING;
                }
            }
        }
    }

    /// Forgets the peer's paths for which `which` holds. Returns the prefixes that lost an
    /// eligible path.
    pub fn remove(
        &mut self,
        peer: PeerId,
        mut which: impl FnMut(&Prefix, &Path) -> bool,
    ) -> Vec<Prefix> {
        let mut changed = Vec::new();
        let Some(counts) = self.counts.get_mut(peer.index()) else {
            return changed;
        };
        if counts.v4.received + counts.v6.received == 0 {
            return changed;
        }
        self.table.retain(|prefix, paths| {
            paths.retain(|path| {
                let goes = path.peer() == peer && which(&prefix, path);
                if goes {
                    counts.of(&prefix).count(path, false);
                    if path.status.is_eligible() {
                        changed.push(prefix);
                    }
                }
                !goes
            })
        });
        changed
    }

    /// Prefixes for which the peer has an eligible path.
    pub fn eligible_of(&self, peer: PeerId) -> impl Iterator<Item = Prefix> + '_ {
        self.iter()
            .filter(move |(_, path)| path.peer() == peer && path.status.is_eligible())
            .map(|(prefix, _)| prefix)
    }

    /// Stores the decision: one status for each eligible path of the prefix, in their order.
    pub fn decided(&mut self, prefix: &Prefix, statuses: impl IntoIterator<Item = PathStatus>) {
        let Some(paths) = self.table.get_mut(prefix) else {
            return;
        };
        let eligible = paths
            .as_mut_slice()
            .iter_mut()
            .filter(|path| path.status.is_eligible());
        for (path, status) in eligible.zip(statuses) {
            if let Some(counts) = self.counts.get_mut(path.peer().index()) {
                let counts = counts.of(prefix);
                counts.count(path, false);
                path.status = status;
                counts.count(path, true);
            }
        }
    }
}
