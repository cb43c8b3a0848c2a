//! What a peer has been told that takes several paths of a prefix (RFC 7911).
//!
//! Each path has an identifier for as long as the peer has it: the lowest that no other path of the
//! prefix has. Another path may have it afterwards; if the two look alike to the peer, nothing is
//! said.

use std::sync::Arc;

use crate::attr::PathAttributes;
use crate::iana::Family;
use crate::rib::{LocRoute, PrefixMap, Ranked, Source};
use crate::wire::{Nlri, Prefix};

/// A path that the peer has.
#[derive(Debug)]
struct Told {
    /// Towards the peer.
    id: u32,
    source: Source,
    /// That of the source.
    path_id: u32,
    attributes: Arc<PathAttributes>,
}

impl Told {
    fn is(&self, path: &Ranked) -> bool {
        (self.source, self.path_id) == (path.route.source, path.path_id)
    }

    /// Does the peer see no difference? Not where rules ask who told a path: see
    /// [`Several::update`].
    fn looks_like(&self, route: &LocRoute) -> bool {
        let own = |source| source == Source::Own;
        self.attributes.says_the_same(&route.attributes) && own(self.source) == own(route.source)
    }
}

/// What the peer must hear of a prefix.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) announced: Vec<(Nlri, LocRoute)>,
    pub(super) withdrawn: Vec<Nlri>,
}

/// The table.
#[derive(Debug, Default)]
pub(super) struct Several {
    told: PrefixMap<Vec<Told>>,
    /// Paths in it: IPv4, IPv6.
    paths: [usize; 2],
}

impl Several {
    /// Paths that the peer has.
    pub(super) fn len(&self) -> usize {
        self.paths.iter().sum()
    }

    /// Of these, in one family.
    pub(super) fn len_of(&self, family: Family) -> usize {
        let [v4, v6] = self.paths;
        match family {
            Family::IPV4_UNICAST => v4,
            Family::IPV6_UNICAST => v6,
            _ => 0,
        }
    }

    fn counter(&mut self, prefix: &Prefix) -> &mut usize {
        let [v4, v6] = &mut self.paths;
        if prefix.is_ipv4() { v4 } else { v6 }
    }

    /// The paths of a prefix are these now. `cares_who`: one that another peer told may be told
    /// otherwise although it says the same. `must`: whether one is told although the peer has it.
    pub(super) fn update(
        &mut self,
        prefix: Prefix,
        best: Vec<Ranked>,
        cares_who: bool,
        must: impl Fn(&LocRoute) -> bool,
    ) -> Changes {
        let nlri = |path_id| Nlri { prefix, path_id };
        let old = self.told.remove(&prefix).unwrap_or_default();
        let known = |path: &Ranked| old.iter().find(|told| told.is(path)).map(|told| told.id);
        let ids: Vec<Option<u32>> = best.iter().map(known).collect();
        let mut free = (1..).filter(|id| !ids.contains(&Some(*id)));
        let mut changes = Changes::default();
        let mut new = Vec::with_capacity(best.len());
        for (path, id) in best.into_iter().zip(&ids) {
            let Some(id) = id.or_else(|| free.next()) else {
                continue;
            };
            let before = old.iter().find(|told| told.id == id);
            new.push(Told {
                id,
                source: path.route.source,
                path_id: path.path_id,
                attributes: Arc::clone(&path.route.attributes),
            });
            let same = |told: &Told| told.looks_like(&path.route) && (!cares_who || told.is(&path));
            let known = before.is_some_and(same);
            if !known || must(&path.route) {
                changes.announced.push((nlri(id), path.route));
            }
        }
        let gone = old.iter().map(|told| told.id);
        let gone = gone.filter(|id| !new.iter().any(|told| told.id == *id));
        changes.withdrawn = gone.map(nlri).collect();
        *self.counter(&prefix) += new.len();
        *self.counter(&prefix) -= old.len();
        if !new.is_empty() {
            self.told.insert(prefix, new);
        }
        changes
    }

    /// Frees up to so many prefixes. Is something left?
    pub(super) fn shrink(&mut self, most: usize) -> bool {
        self.told.pop_first(most);
        !self.told.is_empty()
    }

    /// A path that could not be told after all.
    pub(super) fn forget(&mut self, nlri: &Nlri) {
        let Some(told) = self.told.get_mut(&nlri.prefix) else {
            return;
        };
        let before = told.len();
        told.retain(|told| told.id != nlri.path_id);
        let (gone, empty) = (before - told.len(), told.is_empty());
        *self.counter(&nlri.prefix) -= gone;
        if empty {
            self.told.remove(&nlri.prefix);
        }
    }
}
