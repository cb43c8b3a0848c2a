//! The Loc-RIB: the best path of each prefix and the next hops in use.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::attr::PathAttributes;
use crate::iana::Family;
use crate::speaker::{NextHop, PeerId};
use crate::wire::Prefix;

/// Where a best path came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Originated here.
    Own,
    /// A peer.
    Peer {
        /// Which.
        id: PeerId,
        /// eBGP, else iBGP.
        external: bool,
    },
}

/// The best path of a prefix.
#[derive(Clone, Debug)]
pub struct LocRoute {
    /// Where it came from.
    pub source: Source,
    /// Its attributes as received.
    pub attributes: Arc<PathAttributes>,
    /// Next hops of the best path and its equals, sorted; empty for own networks.
    pub next_hops: Box<[NextHop]>,
}

/// What a change of the Loc-RIB means to others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocChange {
    /// New next hops for the FIB, if they changed; empty: remove.
    pub fib: Option<Vec<NextHop>>,
    /// Peers may have to be told.
    pub export: bool,
}

/// The table.
#[derive(Debug, Default)]
pub struct LocRib {
    routes: BTreeMap<Prefix, LocRoute>,
}

impl LocRib {
    /// The best path of a prefix.
    #[must_use]
    pub fn get(&self, prefix: &Prefix) -> Option<&LocRoute> {
        self.routes.get(prefix)
    }

    /// Prefixes in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Is there nothing?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// All routes by prefix.
    pub fn iter(&self) -> impl Iterator<Item = (&Prefix, &LocRoute)> {
        self.routes.iter()
    }

    /// Prefixes of a family after a given one, in order: a walk that can be interrupted.
    pub fn after(&self, last: Option<Prefix>, family: Family) -> impl Iterator<Item = Prefix> + '_ {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        self.routes
            .range((from, Bound::Unbounded))
            .map(|(prefix, _)| *prefix)
            .filter(move |prefix| Family::of(prefix) == family)
    }

    /// Replaces (or with `None` removes) the route of a prefix, and says what that changed.
    pub fn update(&mut self, prefix: Prefix, route: Option<LocRoute>) -> LocChange {
        let next_hops = |route: &Option<LocRoute>| {
            route
                .as_ref()
                .map(|route| route.next_hops.to_vec())
                .unwrap_or_default()
        };
        let new_hops = next_hops(&route);
        let told = route
            .as_ref()
            .map(|route| (route.source, Arc::clone(&route.attributes)));
        let old = match route {
            Some(route) => self.routes.insert(prefix, route),
            None => self.routes.remove(&prefix),
        };
        let changed = next_hops(&old) != new_hops;
        let was_told = old.map(|route| (route.source, route.attributes));
        LocChange {
            fib: changed.then_some(new_hops),
            export: was_told != told,
        }
    }
}
