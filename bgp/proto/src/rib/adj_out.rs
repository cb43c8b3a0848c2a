//! The Adj-RIB-Out of one peer: what it has been told, and what it still has to be told.
//!
//! ```text
//! change of the Loc-RIB -> dirty set -+
//!                                     +-> batch -> permit? -> same attributes together -> messages
//! begin, route refresh --> walks -----+              |no, but was told: withdraw
//! ```
//!
//! Nothing is encoded before the peer can take it: a change only puts the prefix into the dirty
//! set, and a later change of the same prefix finds it there. So a slow reader costs at most one
//! entry per prefix, and gets the newest state rather than the history. The initial transfer is
//! not even an entry: a walk over the Loc-RIB that remembers where it stopped.

mod walks;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::export::{Target, permit, transform};
use super::loc::{LocRoute, Source};
use super::sweep::{Tellable, Undecided};
use super::table::PrefixMap;
use crate::attr::PathAttributes;
use crate::iana::Family;
use crate::iana::refresh_subtype;
use crate::message::{end_of_rib, pack_announcements, pack_withdrawals, route_refresh};
use crate::validate::SessionOptions;
use crate::wire::Prefix;
use walks::Walks;

/// Prefixes that are looked at for one round of packing: bounds the messages that wait.
const BATCH: usize = 4096;

/// Prefixes that go out with the same attributes.
struct Group {
    attributes: Arc<PathAttributes>,
    own: bool,
    prefixes: Vec<Prefix>,
}

/// The table and its backlog.
#[derive(Debug, Default)]
pub struct AdjRibOut {
    /// The route's attributes before they were transformed: what came out of them is a function
    /// of these, and they are shared with the Loc-RIB.
    advertised: PrefixMap<Arc<PathAttributes>>,
    /// How many of them are IPv6.
    advertised_v6: usize,
    dirty: BTreeSet<Prefix>,
    walks: Walks,
    end_of_rib: Vec<Family>,
    ready: VecDeque<Bytes>,
    options: SessionOptions,
    /// What the peer cannot have: with its attributes it is longer than a message may be.
    too_long: BTreeSet<Prefix>,
}

impl AdjRibOut {
    /// A new session: everything has to be told, then End-of-RIB.
    #[must_use]
    pub fn new(options: SessionOptions) -> Self {
        let families = options.families.clone();
        Self {
            walks: Walks::initial(&families),
            end_of_rib: families,
            options,
            ..Self::default()
        }
    }

    /// Prefixes that the peer has from us.
    #[must_use]
    pub fn advertised(&self) -> usize {
        self.advertised.len()
    }

    /// Of these, in one family.
    #[must_use]
    pub fn advertised_of(&self, family: Family) -> usize {
        match family {
            Family::IPV4_UNICAST => self.advertised.len() - self.advertised_v6,
            Family::IPV6_UNICAST => self.advertised_v6,
            _ => 0,
        }
    }

    /// How many prefixes the peer cannot have because their attributes are too long for its
    /// messages (RFC 4271 §9.2, RFC 8654 §5), and the first of them.
    #[must_use]
    pub fn too_long(&self) -> Option<(usize, Prefix)> {
        let first = self.too_long.first()?;
        Some((self.too_long.len(), *first))
    }

    fn insert(&mut self, prefix: Prefix, attributes: Arc<PathAttributes>) {
        if self.advertised.insert(prefix, attributes).is_none() && prefix.is_ipv6() {
            self.advertised_v6 += 1;
        }
    }

    /// Has the peer been told just this?
    fn has(&self, prefix: &Prefix, route: &LocRoute) -> bool {
        let told = self.advertised.get(prefix);
        told.is_some_and(|told| *told == route.attributes)
    }

    /// Was it there?
    fn remove(&mut self, prefix: &Prefix) -> bool {
        let known = self.advertised.remove(prefix).is_some();
        if known && prefix.is_ipv6() {
            self.advertised_v6 -= 1;
        }
        known
    }

    /// The prefix' route has changed.
    pub fn mark(&mut self, prefix: Prefix) {
        if self.options.families.contains(&Family::of(&prefix)) {
            self.dirty.insert(prefix);
        }
    }

    /// A family has to be told again: what goes with every route is another now.
    pub fn refresh(&mut self, family: Family) {
        if self.options.families.contains(&family) {
            self.walks.again(family, false);
        }
    }

    /// The peer wants a family again (RFC 2918), between marks if they were negotiated (RFC 7313).
    pub fn asked(&mut self, family: Family) {
        if self.options.families.contains(&family) {
            let marks = self.options.enhanced_route_refresh;
            self.walks.again(family, marks);
        }
    }

    /// Frees up to so many entries. False: there is nothing left.
    pub fn shrink(&mut self, most: usize) -> bool {
        self.ready.clear();
        self.advertised.pop_first(most);
        for _ in 0..most {
            self.dirty.pop_first();
        }
        !self.advertised.is_empty() || !self.dirty.is_empty()
    }

    /// Is there something to send now? `complete`: the Loc-RIB is, so End-of-RIB may be said.
    #[must_use]
    pub fn has_work(&self, complete: bool) -> bool {
        !self.ready.is_empty()
            || !self.dirty.is_empty()
            || self.walks.has_work(&self.end_of_rib)
            || (complete && !self.end_of_rib.is_empty())
    }

    /// The next message. May return `None` although `has_work` said yes, if all of the work turns
    /// out to be nothing that the peer must know.
    pub fn next_message(
        &mut self,
        routes: Tellable<'_>,
        to: &Target,
        complete: bool,
    ) -> Option<Bytes> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(message);
            }
            let dirty = self.take_dirty();
            if !dirty.is_empty() {
                self.pack(dirty, false, routes, to);
                continue;
            }
            let Some(part) = self.walks.next(routes.loc(), BATCH, &self.end_of_rib) else {
                break;
            };
            let mark = |subtype| route_refresh(part.family, subtype);
            if part.begins {
                self.ready.push_back(mark(refresh_subtype::BEGIN));
            }
            self.pack(part.prefixes, part.again, routes, to);
            if part.ends {
                self.ready.push_back(mark(refresh_subtype::END));
            }
        }
        // Everything that was known has been told.
        if complete && !self.end_of_rib.is_empty() {
            return Some(end_of_rib(self.end_of_rib.remove(0)));
        }
        None
    }

    fn take_dirty(&mut self) -> Vec<Prefix> {
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Some(prefix) = self.dirty.pop_first()
        {
            batch.push(prefix);
        }
        batch
    }

    /// `again`: send also what the peer has already.
    fn pack(&mut self, batch: Vec<Prefix>, again: bool, routes: Tellable<'_>, to: &Target) {
        let mut withdrawn = Vec::new();
        let mut groups: Vec<Group> = Vec::new();
        let mut places: HashMap<(*const PathAttributes, Family), usize> = HashMap::new();
        for prefix in batch {
            let route = match routes.route(&prefix) {
                Ok(route) => route,
                // What the peer has it may have again.
                Err(Undecided(route)) if again && self.has(&prefix, route) => Some(route),
                Err(Undecided(_)) => continue,
            };
            self.too_long.remove(&prefix);
            let route = route.filter(|route| permit(&prefix, route, to).is_ok());
            let Some(LocRoute {
                attributes, source, ..
            }) = route
            else {
                if self.remove(&prefix) {
                    withdrawn.push(prefix);
                }
                continue;
            };
            if !again && route.is_some_and(|route| self.has(&prefix, route)) {
                continue;
            }
            let key = (Arc::as_ptr(attributes), Family::of(&prefix));
            let place = *places.entry(key).or_insert_with(|| {
                let attributes = Arc::clone(attributes);
                groups.push(Group {
                    attributes,
                    own: *source == Source::Own,
                    prefixes: vec![],
                });
                groups.len() - 1
            });
            if let Some(group) = groups.get_mut(place) {
                group.prefixes.push(prefix);
            }
        }
        let announcements = self.pack_groups(groups, to, &mut withdrawn);
        let (ipv4, ipv6): (Vec<_>, Vec<_>) = withdrawn.iter().partition(|p| p.is_ipv4());
        for prefixes in [ipv4, ipv6] {
            if let Some(family) = prefixes.first().map(Family::of) {
                self.ready
                    .extend(pack_withdrawals(family, &prefixes, &self.options));
            }
        }
        self.ready.extend(announcements);
    }

    /// What cannot be encoded (attributes longer than a message) the peer cannot have; if it has
    /// an older path, that is withdrawn.
    fn pack_groups(
        &mut self,
        groups: Vec<Group>,
        to: &Target,
        withdrawn: &mut Vec<Prefix>,
    ) -> Vec<Bytes> {
        let mut messages = Vec::new();
        for Group {
            attributes,
            own,
            prefixes,
        } in groups
        {
            let Some(family) = prefixes.first().map(Family::of) else {
                continue;
            };
            let transformed = transform(&attributes, own, family, to);
            match pack_announcements(family, &transformed, &prefixes, &self.options) {
                Ok(packed) => {
                    messages.extend(packed);
                    for prefix in prefixes {
                        self.insert(prefix, Arc::clone(&attributes));
                    }
                }
                Err(_) => {
                    withdrawn.extend(prefixes.iter().filter(|prefix| self.remove(prefix)));
                    self.too_long.extend(prefixes);
                }
            }
        }
        messages
    }
}
