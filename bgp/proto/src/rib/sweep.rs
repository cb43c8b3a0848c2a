//! What concerns whole tables, in slices: a walk over the Adj-RIB-In, round and round.
//!
//! ```text
//!  a session ended ----------+
//!  other import rules -------+
//!  another router, or link --+--> begin --> | 10.0/24 ... cursor --> ... fd00::/64 | lap n
//!  the deferral is over -----+              | 10.0/24 ...                          | lap n + 1
//! ```
//!
//! At each prefix it takes the dead paths out, judges those of peers whose import rules are others
//! now, and decides anew if what is eligible has changed, if a path was never decided, or if a peer
//! of its is another one now. Whoever begins a sweep waits
//! for a whole lap from there on; how many others wait makes no difference. So a table of a
//! million prefixes is walked twice at most, however many peers go at once.
//!
//! Between `begin` and the arrival of the cursor the Loc-RIB still has what the dead paths said:
//! the kernel goes on forwarding, but no peer is told ([`Tellable`]).

use super::adj_in::Path;
use super::decision::PathStatus;
use super::loc::{LocChange, LocRib, LocRoute, Source};
use super::{Judging, Rib};
use crate::speaker::PeerId;
use crate::wire::Prefix;

/// The walk.
#[derive(Debug)]
pub(super) struct Sweep {
    /// The last prefix that was visited in this lap; `None`: it has not begun.
    cursor: Option<Prefix>,
    /// Laps that are through.
    laps: u64,
    /// It goes on until so many are.
    until: u64,
    /// By peer: until when its paths are decided anew.
    anew: Vec<u64>,
    /// By peer: until when its paths are judged anew.
    judging: Vec<u64>,
}

impl Sweep {
    pub(super) fn new(peers: usize) -> Self {
        Self {
            cursor: None,
            laps: 0,
            until: 0,
            anew: vec![0; peers],
            judging: vec![0; peers],
        }
    }

    pub(super) fn make_room(&mut self, peers: usize) {
        self.anew.resize(peers.max(self.anew.len()), 0);
        self.judging.resize(peers.max(self.judging.len()), 0);
    }

    pub(super) fn is_active(&self) -> bool {
        self.laps < self.until
    }

    /// How many laps must be through so that every prefix was visited after now.
    pub(super) fn lap_from_now(&self) -> u64 {
        self.laps + 1 + u64::from(self.cursor.is_some())
    }

    /// Every prefix must be visited.
    pub(super) fn begin(&mut self) {
        self.until = self.lap_from_now();
    }

    /// Every prefix that the peer has an eligible path for must be decided.
    pub(super) fn decide_anew(&mut self, peer: PeerId) {
        self.begin();
        if let Some(until) = self.anew.get_mut(peer.index()) {
            *until = self.until;
        }
    }

    /// Every path of the peer must be judged.
    pub(super) fn judge_anew(&mut self, peer: PeerId) {
        self.begin();
        if let Some(until) = self.judging.get_mut(peer.index()) {
            *until = self.until;
        }
    }

    pub(super) fn is_judging(&self, peer: PeerId) -> bool {
        let until = self.judging.get(peer.index());
        until.is_some_and(|until| self.laps < *until)
    }

    /// The same for the paths of all peers.
    pub(super) fn decide_all_anew(&mut self) {
        self.begin();
        self.anew.fill(self.until);
    }

    fn wants(&self, path: &Path) -> bool {
        let anew = self.anew.get(path.peer().index());
        path.status == PathStatus::Pending
            || path.status.is_eligible() && anew.is_some_and(|until| self.laps < *until)
    }
}

impl Rib {
    /// Is there something to sweep?
    #[must_use]
    pub fn is_sweeping(&self) -> bool {
        self.sweep.is_active()
    }

    /// Whether so many laps are through.
    #[must_use]
    pub fn has_swept(&self, laps: u64) -> bool {
        self.sweep.laps >= laps
    }

    /// Visits up to so many prefixes. Returns what changed at those that were decided.
    pub fn sweep(&mut self, most: usize) -> Vec<(Prefix, LocChange)> {
        self.sweep_and_judge(most, &mut |_, _, _, _, _| None)
    }

    /// The same, where paths may have to be judged.
    pub(crate) fn sweep_and_judge(
        &mut self,
        most: usize,
        judge: &mut Judging<'_>,
    ) -> Vec<(Prefix, LocChange)> {
        let mut changes = Vec::new();
        if !self.sweep.is_active() {
            return changes;
        }
        let (mut visited, mut found, mut last) = (0, Vec::new(), self.sweep.cursor);
        let sweep = &self.sweep;
        let walk = self.adj_in.after(last, |path| {
            sweep.wants(path) || sweep.is_judging(path.peer())
        });
        for (prefix, concerned) in walk.take(most) {
            visited += 1;
            last = Some(prefix);
            if concerned {
                found.push(prefix);
            }
        }
        for prefix in found {
            let noted = self.undecided.remove(&prefix);
            let touched = noted.is_some();
            let before = noted.unwrap_or_else(|| self.said(&prefix));
            let Self {
                sweep,
                adj_in,
                interner,
                networks,
                ..
            } = self;
            let involved = adj_in.judge(&prefix, |path| {
                let judged = sweep.is_judging(path.peer());
                let received = judged.then(|| path.attributes.received())?;
                judge(interner, networks, path.peer(), &prefix, received)
            });
            // After it, so that what is long-lived says so whatever the rules are.
            let lost = self.bury(&prefix);
            let Self { sweep, adj_in, .. } = &*self;
            let wanted = adj_in.paths(&prefix).any(|path| sweep.wants(path));
            if self.selecting && (wanted || touched || involved || lost) {
                changes.push((prefix, self.decide(prefix, &before)));
            }
        }
        self.sweep.cursor = last;
        if visited < most {
            self.sweep.cursor = None;
            self.sweep.laps += 1;
            self.adj_in.swept(self.sweep.laps);
        }
        changes
    }

    /// What peers may be told.
    #[must_use]
    pub fn tellable(&self) -> Tellable<'_> {
        Tellable {
            rib: self,
            sweeping: self.sweep.is_active(),
        }
    }
}

/// The Loc-RIB as peers may be told of it: without what the sweep has not come to yet.
#[derive(Clone, Copy, Debug)]
pub struct Tellable<'a> {
    rib: &'a Rib,
    /// It is to be looked up whether a path is dead.
    sweeping: bool,
}

impl<'a> Tellable<'a> {
    /// The table.
    #[must_use]
    pub fn loc(&self) -> LocRib<'a> {
        self.rib.loc()
    }

    /// The route of a prefix. An error: nothing can be said of it now; there will be a change.
    ///
    /// # Errors
    /// Its path is dead, and it is not decided yet what comes in its place.
    pub fn route(&self, prefix: &Prefix) -> Result<Option<LocRoute>, Undecided> {
        let found = self.loc().get(prefix);
        if !self.sweeping {
            return Ok(found);
        }
        let Some(route) = found else {
            return Ok(None);
        };
        let best = match route.source {
            Source::Own => None,
            Source::Peer { .. } => self.rib.adj_in.best(prefix).and_then(|(best, _)| best),
        };
        if best.is_none_or(|path| self.rib.adj_in.is_live(prefix, path)) {
            Ok(Some(route))
        } else {
            Err(Undecided(route))
        }
    }
}

/// See [`Tellable::route`]: the route as it was.
#[derive(Clone, Debug)]
pub struct Undecided(pub LocRoute);

#[cfg(test)]
mod tests;
