//! The routing information bases.
//!
//! ```text
//!            policy                decision                      permit, transform
//! UPDATE ---------------> adj_in ------------> loc ---------------------------> adj_out ---> UPDATE
//!  accepted, rejected or           |            |  changed prefixes marked       taken from it as
//!  unusable: kept with the reason  |            |  in each peer's dirty set      the peer reads
//!                                  v            v
//!                       a status for       change of next
//!                       every path         hops -> FIB
//! ```
//!
//! Of each path there is one copy: Adj-RIBs-In and Loc-RIB are one table, and what a peer was told is
//! a set of prefixes. An IPv4 prefix with one path costs 24 octets, 8 more for each peer that has it,
//! and its share of the attributes (`tests/memory` measures it).
//!
//! [`Rib`] is the middle: it gathers the prefixes whose paths changed by one input and decides them
//! together. What concerns whole tables is done in slices by the [`sweep`].

pub mod adj_in;
pub mod adj_out;
pub mod decision;
mod ends;
mod epochs;
pub mod export;
mod homes;
mod hops;
mod intern;
pub mod knobs;
pub mod leak;
pub mod loc;
pub mod ranking;
pub mod reach;
pub mod sweep;
pub mod table;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Instant;

pub use adj_in::{AdjRibIn, PATHS_OF_PREFIX, Path, PathCounts};
pub(crate) use adj_out::Asker;
pub use adj_out::{AdjRibOut, Outgoing};
pub use decision::{Candidate, Decision, Multipath, PathStatus, Step, Teller, Unusable, decide};
pub use epochs::Kept;
pub use export::{Graceful, Target, Who, Withheld};
pub use knobs::{Knobs, NextHopMode, RemovePrivate};
pub use loc::{LocChange, LocRib, LocRoute, Source};
pub use ranking::Ranked;
pub use reach::Reach;
pub use sweep::{Tellable, Undecided};
pub use table::PrefixMap;

use crate::attr::PathAttributes;
use crate::policy::Informant;
use crate::speaker::{NextHop, PeerId};
use crate::wire::{Nlri, Prefix};
pub(crate) use homes::{Homes, has_parts};
use hops::Hops;
pub(crate) use intern::Interner;
use loc::Said;
use sweep::Sweep;

/// Attributes that are shared.
pub(crate) type Pool = Interner<Arc<PathAttributes>>;

/// What becomes of a path of a peer that is judged again: the attributes in use, and a status. It is
/// given the attributes as received; `None`: it stays as it is.
pub(crate) type Judging<'a> = dyn FnMut(
        &mut Pool,
        &Homes,
        PeerId,
        &Prefix,
        &Arc<PathAttributes>,
    ) -> Option<(Arc<PathAttributes>, PathStatus)>
    + 'a;

/// Adj-RIBs-In, decision and Loc-RIB.
#[derive(Debug)]
pub struct Rib {
    adj_in: AdjRibIn,
    networks: Homes,
    /// Attributes of all own networks: no path, no next hop yet.
    own: Arc<PathAttributes>,
    tellers: Vec<Option<Teller>>,
    informants: Vec<Option<Arc<Informant>>>,
    reach: Vec<Reach>,
    multipath: Multipath,
    /// Prefixes with a best path.
    routes: usize,
    /// Changed by the last input, with what was said of them before.
    undecided: BTreeMap<Prefix, Said>,
    /// False while selection is deferred (RFC 4724 §4.1): nothing is decided then.
    selecting: bool,
    sweep: Sweep,
    interner: Pool,
    hops: Hops,
}

impl Rib {
    /// Only the own networks, which are best at once: they depend on nobody.
    #[must_use]
    pub fn new(networks: &[Prefix], peers: usize, multipath: Multipath) -> Self {
        let own = Arc::new(PathAttributes::default());
        let networks: BTreeSet<Prefix> = networks.iter().copied().collect();
        Self {
            adj_in: AdjRibIn::new(peers),
            routes: networks.len(),
            networks: Homes::new(networks),
            own,
            tellers: vec![None; peers],
            informants: vec![None; peers],
            reach: vec![Reach::default(); peers],
            multipath,
            undecided: BTreeMap::new(),
            selecting: false,
            sweep: Sweep::new(peers),
            interner: Interner::default(),
            hops: Hops::default(),
        }
    }

    /// The Loc-RIB.
    #[must_use]
    pub fn loc(&self) -> LocRib<'_> {
        LocRib { rib: self }
    }

    /// The own networks.
    pub fn networks(&self) -> impl Iterator<Item = Prefix> {
        self.networks.iter().copied()
    }

    /// The own networks from a given one on, in order.
    pub(crate) fn networks_from(&self, from: Bound<Prefix>) -> impl Iterator<Item = Prefix> {
        self.networks.range((from, Bound::Unbounded)).copied()
    }

    /// Is it an own network?
    #[must_use]
    pub fn is_own(&self, prefix: &Prefix) -> bool {
        self.networks.contains(prefix)
    }

    /// The Adj-RIBs-In.
    #[must_use]
    pub fn adj_in(&self) -> &AdjRibIn {
        &self.adj_in
    }

    /// The shared copy of attributes.
    pub fn intern(&mut self, attributes: Arc<PathAttributes>) -> Arc<PathAttributes> {
        self.interner.intern(attributes)
    }

    /// Where attributes are shared, and what echoes are about.
    pub(crate) fn pool_and_homes(&mut self) -> (&mut Pool, &Homes) {
        (&mut self.interner, &self.networks)
    }

    /// When a former own network may be forgotten.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.networks.next_timeout()
    }

    /// Former own networks of which paths may be used again from now on, once they are judged.
    pub fn forget_networks(&mut self, now: Instant) -> Vec<Prefix> {
        self.networks.take_due(now)
    }

    /// Judges the paths of a network, and of its parts if they are ours, too, again.
    pub(crate) fn judge_within(&mut self, network: Prefix, judge: &mut Judging<'_>) {
        let mut found = vec![network];
        // A default route may be an own network, and all there is lies in it.
        if has_parts(&network) {
            let within = self.adj_in.within(network);
            found = within.map(|(prefix, _)| prefix).collect();
            found.dedup();
        }
        for prefix in found {
            let before = self.before(&prefix);
            let Self {
                adj_in,
                interner,
                networks,
                ..
            } = self;
            let involved = adj_in.judge(&prefix, |path| {
                let received = path.attributes.received();
                judge(interner, networks, path.peer(), &prefix, received)
            });
            if involved {
                self.touched(prefix, before);
            }
        }
    }

    /// The peer's paths have to be judged again, by the sweep.
    pub fn judge_anew(&mut self, peer: PeerId) {
        if self.adj_in.counts(peer).received > 0 {
            self.sweep.judge_anew(peer);
        }
    }

    /// Are there paths of the peer that have to be judged again?
    #[must_use]
    pub fn is_judging(&self, peer: PeerId) -> bool {
        self.sweep.is_judging(peer)
    }

    /// For so many peers from now on, if there was room for fewer.
    pub fn make_room(&mut self, peers: usize) {
        self.adj_in.make_room(peers);
        let peers = peers.max(self.tellers.len());
        self.tellers.resize(peers, None);
        self.informants.resize(peers, None);
        self.reach.resize(peers, Reach::default());
        self.sweep.make_room(peers);
    }

    /// Nothing of the peer is left: its number may become another's.
    pub fn forget_peer(&mut self, peer: PeerId) {
        if let Some(teller) = self.tellers.get_mut(peer.index()) {
            *teller = None;
        }
        if let Some(reach) = self.reach.get_mut(peer.index()) {
            *reach = Reach::default();
        }
    }

    /// These are the own networks from now on. Returns what that changes at once; the rest is decided
    /// with what this input changes.
    pub fn set_networks(&mut self, networks: &[Prefix], now: Instant) -> Vec<(Prefix, LocChange)> {
        let networks: BTreeSet<Prefix> = networks.iter().copied().collect();
        let differ = self.networks.symmetric_difference(&networks);
        let differ: Vec<Prefix> = differ.copied().collect();
        for prefix in &differ {
            let before = self.before(prefix);
            self.touched(*prefix, before);
        }
        let before = self.networks.replace(networks, now).len();
        if self.selecting {
            return Vec::new();
        }
        // Own networks depend on nobody, also while nothing else is decided.
        self.routes = self.routes + self.networks.len() - before;
        let told = LocChange {
            export: true,
            ..LocChange::default()
        };
        differ
            .into_iter()
            .map(|prefix| (prefix, told.clone()))
            .collect()
    }

    /// These paths may share a prefix from now on: all are decided anew, by the sweep.
    pub fn set_multipath(&mut self, multipath: Multipath) {
        if std::mem::replace(&mut self.multipath, multipath) != multipath && !self.adj_in.is_empty()
        {
            self.sweep.decide_all_anew();
        }
    }

    /// What the decision must know of a peer. Paths that it left before are decided anew if that
    /// is another speaker than before.
    pub fn set_teller(&mut self, peer: PeerId, teller: Teller) {
        if let Some(known) = self.tellers.get_mut(peer.index())
            && known.replace(teller) != Some(teller)
        {
            self.decide_anew(peer);
        }
    }

    /// As rules know a peer.
    pub(crate) fn set_informant(&mut self, peer: PeerId, informant: Arc<Informant>) {
        if let Some(known) = self.informants.get_mut(peer.index()) {
            *known = Some(informant);
        }
    }

    pub(crate) fn informant(&self, peer: PeerId) -> Option<&Informant> {
        self.informants.get(peer.index())?.as_deref()
    }

    /// As what a path of this peer goes on; `None` is the own networks.
    pub(crate) fn source(&self, peer: Option<PeerId>) -> Option<Source> {
        let Some(peer) = peer else {
            return Some(Source::Own);
        };
        let teller = self.tellers.get(peer.index()).copied().flatten()?;
        Some(Source::of(peer, teller))
    }

    /// How a peer's next hops are reached, also those of paths that it left before.
    pub fn set_reach(&mut self, peer: PeerId, reach: Reach) {
        if let Some(known) = self.reach.get_mut(peer.index())
            && *known != reach
        {
            *known = reach;
            self.decide_anew(peer);
        }
    }

    fn decide_anew(&mut self, peer: PeerId) {
        if self.adj_in.counts(peer).accepted > 0 {
            self.sweep.decide_anew(peer);
        }
    }

    /// The gateway that a peer's next hop means.
    #[must_use]
    pub fn gateway(&self, peer: PeerId, next_hop: &crate::attr::NextHop) -> NextHop {
        match self.reach.get(peer.index()) {
            Some(reach) => reach.gateway(next_hop),
            None => next_hop.address().into(),
        }
    }

    /// A path from a peer; `status` is `Pending`, `Unusable` or `Rejected`.
    pub fn announce(
        &mut self,
        peer: PeerId,
        nlri: impl Into<Nlri>,
        attributes: Arc<PathAttributes>,
        status: PathStatus,
    ) {
        let nlri = nlri.into();
        let before = self.before(&nlri.prefix);
        if self.adj_in.announce(peer, nlri, attributes, status) {
            self.touched(nlri.prefix, before);
        }
    }

    /// A path is gone.
    pub fn withdraw(&mut self, peer: PeerId, nlri: impl Into<Nlri>) {
        let nlri = nlri.into();
        let before = self.before(&nlri.prefix);
        if self.adj_in.withdraw(peer, &nlri) {
            self.touched(nlri.prefix, before);
        }
        self.interner.released();
    }

    /// To be called before a prefix' paths change: what is said of it until now, where that is not
    /// known already. `None` as well while nothing is decided.
    fn before(&self, prefix: &Prefix) -> Option<Said> {
        let wanted = self.selecting && !self.undecided.contains_key(prefix);
        wanted.then(|| self.said(prefix))
    }

    /// The prefix must be decided.
    fn touched(&mut self, prefix: Prefix, before: Option<Said>) {
        if let Some(before) = before {
            self.undecided.insert(prefix, before);
        }
    }

    /// The end of the deferral: all that was learned is decided, by the sweep. Returns the lap to
    /// ask [`Rib::has_swept`] for.
    pub fn select(&mut self) -> u64 {
        self.selecting = true;
        if self.adj_in.is_empty() {
            return 0;
        }
        self.sweep.begin();
        self.sweep.lap_from_now()
    }

    /// Is there anything to decide?
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.undecided.is_empty()
    }

    /// Decides the next prefix whose paths changed by the last input.
    pub fn decide_next(&mut self) -> Option<(Prefix, LocChange)> {
        let (prefix, before) = self.undecided.pop_first()?;
        let change = self.decide(prefix, &before);
        Some((prefix, change))
    }

    /// `before`: what was said of it before its paths were touched.
    fn decide(&mut self, prefix: Prefix, before: &Said) -> LocChange {
        let sweeping = self.sweep.is_active();
        if sweeping {
            self.bury(&prefix);
        }
        let own =
            self.networks
                .contains(&prefix)
                .then_some((&self.own, Source::Own, Teller::Own, 0));
        let learned = self
            .adj_in
            .paths_with_ids(&prefix)
            .filter(|(path, _)| path.status.is_eligible());
        let learned = learned.filter_map(|(path, path_id)| {
            let teller = self.tellers.get(path.peer().index()).copied().flatten()?;
            let source = Source::of(path.peer(), teller);
            Some((&path.attributes, source, teller, path_id))
        });
        let paths: Vec<_> = own.into_iter().chain(learned).collect();
        let candidates: Vec<_> = paths
            .iter()
            .map(|(attributes, _, teller, path_id)| Candidate {
                attributes,
                teller: *teller,
                path_id: *path_id,
            })
            .collect();
        let decision = decide(&candidates, self.multipath);
        let best = decision.best.and_then(|best| paths.get(best));
        let best = best.map(|(attributes, source, ..)| (*source, Arc::clone(attributes)));
        let next_hops = self.next_hops(&candidates, &decision.statuses);
        let learned_statuses = decision
            .statuses
            .into_iter()
            .skip(usize::from(own.is_some()));
        let (hops, next_hops) = self.hops.take(next_hops);
        self.hops.give_back(before.hops);
        self.adj_in.decided(&prefix, learned_statuses, hops);
        self.routes += usize::from(best.is_some());
        self.routes -= usize::from(before.best.is_some());
        let same = best == before.best;
        let says_the_same = match (&best, &before.best) {
            (Some((_, now)), Some((_, before))) => same || now.says_the_same(before),
            _ => same,
        };
        LocChange {
            fib: (!Hops::same(hops, before.hops)).then_some(next_hops),
            export: !says_the_same,
            unsure: says_the_same && (sweeping || !same),
        }
    }

    fn next_hops(&self, candidates: &[Candidate<'_>], statuses: &[PathStatus]) -> Vec<NextHop> {
        let used = candidates
            .iter()
            .zip(statuses)
            .filter(|(_, status)| status.is_used());
        let mut hops: Vec<NextHop> = used
            .filter_map(|(candidate, _)| match candidate.teller {
                Teller::Own => None,
                Teller::Peer { number, .. } => {
                    let next_hop = candidate.attributes.next_hop.as_ref()?;
                    Some(self.gateway(PeerId(number), next_hop))
                }
            })
            .collect();
        hops.sort_unstable();
        hops.dedup();
        hops
    }
}
