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

mod asker;
mod outgoing;
mod several;
mod walks;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::Rib;
use super::export::{Target, transform};
use super::loc::{LocChange, LocRoute, Source};
use super::sweep::{Tellable, Undecided};
use super::table::PrefixMap;
use crate::attr::PathAttributes;
use crate::iana::{Family, refresh_subtype};
use crate::message::{EncodedAttributes, announce, end_of_rib, pack_withdrawals, route_refresh};
use crate::policy::Changes;
use crate::validate::SessionOptions;
use crate::wire::{Nlri, Prefix};
pub(crate) use asker::Asker;
use asker::Telling;
use outgoing::Announcement;
pub use outgoing::Outgoing;
use several::Several;
use walks::{Purpose, Walks};

/// Prefixes that are looked at for one round of packing: bounds the messages that wait.
const BATCH: usize = 4096;

/// The same where rules look at paths: each may be another one, long, and looked at by regular
/// expressions, and others wait meanwhile.
const BATCH_OF_PATHS: usize = 128;

/// The route is another one than the peer has.
const CHANGED: u32 = 1;

/// Prefixes that go out with the same attributes.
#[derive(Debug)]
struct Group {
    attributes: Arc<PathAttributes>,
    own: bool,
    /// What the export rules change.
    set: Option<Arc<Changes>>,
    prefixes: VecDeque<Nlri>,
    /// From the first message on.
    encoded: Option<EncodedAttributes>,
}

/// What is to be sent next.
#[derive(Debug)]
enum Ready {
    Message(Bytes),
    /// Encoded message by message: with the longest attributes that there are, a batch would be
    /// hundreds of megabytes.
    Group(Group),
}

/// What the peer must hear of a batch of prefixes.
#[derive(Default)]
struct Batch {
    withdrawn: Vec<Nlri>,
    groups: Vec<Group>,
    places: HashMap<(*const PathAttributes, Family, Option<*const Changes>), usize>,
}

impl Batch {
    /// Rules change a path as a whole: what they change it to goes out together.
    fn announce(&mut self, nlri: Nlri, route: &LocRoute, set: Option<&Arc<Changes>>) {
        let Self { groups, places, .. } = self;
        let attributes = &route.attributes;
        let family = Family::of(&nlri.prefix);
        let key = (Arc::as_ptr(attributes), family, set.map(Arc::as_ptr));
        let place = *places.entry(key).or_insert_with(|| {
            groups.push(Group {
                attributes: Arc::clone(attributes),
                own: route.source == Source::Own,
                set: set.cloned(),
                prefixes: VecDeque::new(),
                encoded: None,
            });
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(place) {
            group.prefixes.push_back(nlri);
        }
    }
}

/// The table and its backlog.
#[derive(Debug, Default)]
pub struct AdjRibOut {
    /// What the peer has of us. Nothing but that: with the mark [`CHANGED`] it is, or may be, not
    /// what the Loc-RIB has now. Such a prefix is dirty, or no route of it could be told yet.
    advertised: PrefixMap<()>,
    /// How many of them are IPv6.
    advertised_v6: usize,
    /// The same of families in which the peer takes several paths of a prefix.
    several: Several,
    /// So many at most.
    most_paths: usize,
    dirty: PrefixMap<()>,
    walks: Walks,
    end_of_rib: Vec<Family>,
    ready: VecDeque<Ready>,
    options: Arc<SessionOptions>,
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
            options: Arc::new(options),
            ..Self::default()
        }
    }

    /// The same, telling at most so many paths of a prefix where the peer takes several.
    #[must_use]
    pub fn telling(self, most_paths: usize) -> Self {
        Self { most_paths, ..self }
    }

    /// The same of a session that there is. All has to be told again.
    pub fn set_most_paths(&mut self, most_paths: usize) {
        self.most_paths = most_paths;
    }

    /// Prefixes that the peer has from us, or paths where it takes several of a prefix.
    #[must_use]
    pub fn advertised(&self) -> usize {
        self.advertised.len() + self.several.len()
    }

    /// Of these, in one family.
    #[must_use]
    pub fn advertised_of(&self, family: Family) -> usize {
        let one = match family {
            Family::IPV4_UNICAST => self.advertised.len() - self.advertised_v6,
            Family::IPV6_UNICAST => self.advertised_v6,
            _ => 0,
        };
        one + self.several.len_of(family)
    }

    /// So many paths of this prefix at most, if the peer takes several.
    pub(crate) fn most_paths_of(&self, prefix: &Prefix) -> Option<usize> {
        self.tells_several(prefix).then_some(self.most_paths)
    }

    fn tells_several(&self, prefix: &Prefix) -> bool {
        self.options.add_path.send.contains(&Family::of(prefix))
    }

    /// How many prefixes the peer cannot have because their attributes are too long for its
    /// messages (RFC 4271 §9.2, RFC 8654 §5), and the first of them.
    #[must_use]
    pub fn too_long(&self) -> Option<(usize, Prefix)> {
        let first = self.too_long.first()?;
        Some((self.too_long.len(), *first))
    }

    fn insert(&mut self, prefix: Prefix) {
        if self.advertised.insert(prefix, ()).is_none() && prefix.is_ipv6() {
            self.advertised_v6 += 1;
        }
        // It may have changed while its message waited.
        let mark = if self.dirty.get(&prefix).is_some() {
            CHANGED
        } else {
            0
        };
        self.advertised.set_mark(&prefix, mark);
    }

    /// Has the peer been told just this?
    fn has(&self, prefix: &Prefix) -> bool {
        self.advertised.mark(prefix) == Some(0)
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
            self.advertised.set_mark(&prefix, CHANGED);
            self.dirty.insert(prefix, ());
        }
    }

    /// The decision about a prefix, to be told.
    pub fn note(&mut self, prefix: Prefix, change: &LocChange) {
        if change.export {
            self.mark(prefix);
        } else if change.unsure && self.options.families.contains(&Family::of(&prefix))
            || self.tells_several(&prefix)
        {
            self.dirty.insert(prefix, ());
        }
    }

    /// A family has to be told again: what goes with every route is another now.
    pub fn refresh(&mut self, family: Family) {
        if self.options.families.contains(&family) {
            self.walks.again(family, false);
        }
    }

    /// All is to be told again, and what the peer may not have any more is to be withdrawn.
    pub fn tell_anew(&mut self) {
        for family in self.options.families.clone() {
            self.walks.again(family, false);
        }
    }

    /// The export rules are others now: all that they make a difference to is to be told, or
    /// withdrawn. `before`: the peer as it was.
    pub fn tell_difference(&mut self, before: &Arc<Target>) {
        for family in self.options.families.clone() {
            self.walks.anew(family, before);
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
        let several = self.several.shrink(most);
        self.dirty.pop_first(most);
        several || !self.advertised.is_empty() || !self.dirty.is_empty()
    }

    /// Is there something to send now? `complete`: the Loc-RIB is, so End-of-RIB may be said.
    #[must_use]
    pub fn has_work(&self, complete: bool) -> bool {
        !self.ready.is_empty()
            || !self.dirty.is_empty()
            || self.walks.has_work(&self.end_of_rib)
            || (complete && !self.end_of_rib.is_empty())
    }

    /// The next message. May return `None` although `has_work` said yes: if all of the work turns
    /// out to be nothing that the peer must know, or if the part that was looked at did. Then
    /// `has_work` still says yes, and it is to be asked again.
    pub fn next_message(
        &mut self,
        rib: &Rib,
        to: &Arc<Target>,
        complete: bool,
    ) -> Option<Outgoing> {
        let routes = rib.tellable();
        let most = match to.policy.is_about_paths() {
            true => BATCH_OF_PATHS,
            false => BATCH,
        };
        let mut looked_at = 0;
        loop {
            if let Some(message) = self.next_ready(to) {
                return Some(message);
            }
            // Others wait.
            if looked_at >= most && self.has_work(complete) {
                return None;
            }
            let dirty = self.take_dirty(most);
            if !dirty.is_empty() {
                looked_at += dirty.len();
                self.pack(dirty, &Telling::News, rib, to, complete);
                continue;
            }
            let Some(part) = self.walks.next(routes.loc(), most, &self.end_of_rib) else {
                break;
            };
            looked_at += part.visited;
            let mark = |subtype| Ready::Message(route_refresh(part.family, subtype));
            if part.begins {
                self.ready.push_back(mark(refresh_subtype::BEGIN));
            }
            let telling = match &part.purpose {
                Purpose::Initial => Telling::News,
                Purpose::Again => Telling::Again,
                Purpose::Anew(before) => Telling::Anew(Asker::new(rib, before)),
            };
            self.pack(part.prefixes, &telling, rib, to, complete);
            if part.ends {
                self.ready.push_back(mark(refresh_subtype::END));
            }
        }
        // Everything that was known has been told.
        if complete && !self.end_of_rib.is_empty() {
            let family = self.end_of_rib.remove(0);
            return Some(Outgoing::Message(end_of_rib(family)));
        }
        None
    }

    fn take_dirty(&mut self, most: usize) -> Vec<Prefix> {
        let first = self.dirty.pop_first(most).into_iter();
        first.map(|(prefix, ())| prefix).collect()
    }

    fn pack(
        &mut self,
        prefixes: Vec<Prefix>,
        telling: &Telling<'_>,
        rib: &Rib,
        to: &Target,
        complete: bool,
    ) {
        let asker = Asker::new(rib, to);
        let routes = rib.tellable();
        let mut batch = Batch::default();
        for prefix in prefixes {
            if self.tells_several(&prefix) {
                self.too_long.remove(&prefix);
                let allowed = |route: &LocRoute| asker.permit(&prefix, route).is_ok();
                let best = rib.best(&prefix, self.most_paths, complete, allowed);
                let must = |route: &LocRoute| {
                    let set = asker.permit(&prefix, route).ok().flatten();
                    telling.must(&prefix, route, set)
                };
                let who = asker.cares_who();
                let changes = self.several.update(prefix, best, who, must);
                batch.withdrawn.extend(changes.withdrawn);
                for (nlri, route) in changes.announced {
                    let set = asker.permit(&prefix, &route).ok().flatten();
                    batch.announce(nlri, &route, set);
                }
            } else {
                self.look_at(prefix, telling, routes, &asker, &mut batch);
            }
        }
        let Batch {
            withdrawn, groups, ..
        } = batch;
        let (ipv4, ipv6): (Vec<Nlri>, Vec<Nlri>) =
            withdrawn.iter().partition(|nlri| nlri.prefix.is_ipv4());
        for prefixes in [ipv4, ipv6] {
            if let Some(family) = prefixes.first().map(|nlri| Family::of(&nlri.prefix)) {
                let messages = pack_withdrawals(family, &prefixes, &self.options);
                self.ready.extend(messages.into_iter().map(Ready::Message));
            }
        }
        self.ready.extend(groups.into_iter().map(Ready::Group));
    }

    /// A prefix of which the peer takes one path.
    fn look_at(
        &mut self,
        prefix: Prefix,
        telling: &Telling<'_>,
        routes: Tellable<'_>,
        asker: &Asker<'_>,
        batch: &mut Batch,
    ) {
        let route = match routes.route(&prefix) {
            Ok(route) => route,
            // What the peer has it may have again.
            Err(Undecided(route)) if telling.repeats() && self.has(&prefix) => Some(route),
            Err(Undecided(_)) => return,
        };
        self.too_long.remove(&prefix);
        let route = route.and_then(|route| {
            let set = asker.permit(&prefix, &route).ok()?;
            Some((route, set))
        });
        let Some((route, set)) = route else {
            if self.remove(&prefix) {
                batch.withdrawn.push(prefix.into());
            }
            return;
        };
        // Who told a path is not seen in what was told of it.
        let same = !asker.cares_who() && self.has(&prefix);
        if !same || telling.must(&prefix, &route, set) {
            batch.announce(prefix.into(), &route, set);
        }
    }

    fn next_ready(&mut self, to: &Arc<Target>) -> Option<Outgoing> {
        loop {
            let message = match self.ready.pop_front()? {
                Ready::Message(message) => Some(Outgoing::Message(message)),
                Ready::Group(group) => self.announce_some(group, to),
            };
            if message.is_some() {
                return message;
            }
        }
    }

    /// One message of a group; the rest waits.
    fn announce_some(&mut self, mut group: Group, to: &Arc<Target>) -> Option<Outgoing> {
        let family = Family::of(&group.prefixes.front()?.prefix);
        let one = !self.options.add_path.send.contains(&family);
        if group.encoded.is_none() && group.set.is_none() {
            let what = (&group.attributes, group.own);
            let all = Announcement::of(what, &mut group.prefixes, to, &self.options);
            if let Some(all) = all {
                for nlri in all.prefixes().filter(|_| one) {
                    self.insert(nlri.prefix);
                }
                return Some(Outgoing::Announcement(all));
            }
        }
        let encoded = match group.encoded.take() {
            Some(encoded) => encoded,
            None => self.encode(&mut group, family, to)?,
        };
        let mut rest = group.prefixes.iter().copied().peekable();
        let message = announce(&encoded, &mut rest, &self.options);
        let told = group.prefixes.len() - rest.len();
        for nlri in group.prefixes.drain(..told).filter(|_| one) {
            self.insert(nlri.prefix);
        }
        if told > 0 && !group.prefixes.is_empty() {
            group.encoded = Some(encoded);
            self.ready.push_front(Ready::Group(group));
        }
        message.map(Outgoing::Message)
    }

    /// The attributes of a group. Prefixes that do not fit beside them leave the group; `None` if
    /// that are all.
    fn encode(
        &mut self,
        group: &mut Group,
        family: Family,
        to: &Target,
    ) -> Option<EncodedAttributes> {
        let set = group.set.as_deref();
        let attributes = transform(&group.attributes, group.own, family, to, set);
        let prefixes = std::mem::take(&mut group.prefixes);
        let Ok(encoded) = EncodedAttributes::new(family, &attributes, &self.options) else {
            self.refuse(prefixes, family);
            return None;
        };
        if encoded.fits_all(&self.options) {
            group.prefixes = prefixes;
            return Some(encoded);
        }
        let fits = |nlri: &Nlri| encoded.fits(nlri, &self.options).is_ok();
        let (fitting, others): (VecDeque<_>, VecDeque<_>) = prefixes.into_iter().partition(fits);
        group.prefixes = fitting;
        self.refuse(others, family);
        (!group.prefixes.is_empty()).then_some(encoded)
    }

    /// What cannot be encoded (attributes longer than a message) the peer cannot have; if it has
    /// an older path, that is withdrawn.
    fn refuse(&mut self, prefixes: VecDeque<Nlri>, family: Family) {
        let several = self.options.add_path.send.contains(&family);
        let mut withdrawn = Vec::new();
        for nlri in prefixes {
            self.too_long.insert(nlri.prefix);
            if several {
                self.several.forget(&nlri);
                withdrawn.push(nlri);
            } else if self.remove(&nlri.prefix) {
                withdrawn.push(nlri);
            }
        }
        let messages = pack_withdrawals(family, &withdrawn, &self.options);
        for message in messages.into_iter().rev() {
            self.ready.push_front(Ready::Message(message));
        }
    }
}
