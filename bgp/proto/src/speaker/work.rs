//! When routes are decided: what one input changed at once, what concerns whole tables in slices.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::Speaker;
use super::api::{EventKind, FibChange, Output};
use super::import::Hearing;
use super::neighbor::Neighbor;
use super::restart::Deferral;
use crate::attr::PathAttributes;
use crate::rib::LocChange;
use crate::wire::Prefix;

/// Prefixes that are visited in a slice; some hundred microseconds, if all are decided.
pub(super) const SLICE: usize = 512;
/// The same where import rules look at paths: each may be another one, and a long one.
const SLICE_OF_PATHS: usize = 64;

impl Speaker {
    /// Is there something to do for [`Speaker::work`]?
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.rib.is_sweeping() || !self.discarded.is_empty() || self.unfinished
    }

    /// Does a slice of what concerns whole tables: takes out what gone peers have told, decides
    /// anew, and asks for connections that have more to send than was looked at. Then
    /// [`Speaker::poll_output`] as after an input. Returns whether there is more.
    pub fn work(&mut self, now: Instant) -> bool {
        self.unfinished = false;
        let slice = self.slice;
        if let Some(discarded) = self.discarded.front_mut()
            && !discarded.shrink(slice)
        {
            self.discarded.pop_front();
        }
        self.settle(now);
        self.has_work()
    }

    /// After every input: ends the deferral if it is time, decides what changed, and asks for the
    /// connections that have something to send.
    pub(super) fn settle(&mut self, now: Instant) {
        if matches!(self.deferral, Deferral::Waiting(_)) {
            let until = self.deferred_until();
            if until.is_none_or(|until| until <= now) {
                self.finish_deferral(now);
            }
        }
        while let Some((prefix, change)) = self.rib.decide_next() {
            self.apply(prefix, change);
        }
        // Also with every input: whoever sends without a pause cannot hold it up.
        for (prefix, change) in self.sweep() {
            self.apply(prefix, change);
        }
        if let Deferral::Deciding(lap) = self.deferral
            && self.rib.has_swept(lap)
        {
            self.complete(now);
        }
        self.go_on_returning(now);
        self.remove_left();
        self.ask();
    }

    /// A slice of the sweep. Neighbouring prefixes often have the same attributes.
    fn sweep(&mut self) -> Vec<(Prefix, LocChange)> {
        if !self.rib.is_sweeping() {
            return Vec::new();
        }
        let looks = |neighbor: &Neighbor| {
            let judge = neighbor.judge.as_ref();
            judge.is_some_and(|judge| judge.policy.is_about_paths())
                && self.rib.is_judging(neighbor.id)
        };
        let slice = match self.neighbors.iter().any(looks) {
            true => self.slice.min(SLICE_OF_PATHS),
            false => self.slice,
        };
        let Self { neighbors, rib, .. } = self;
        let mut hearings: HashMap<_, (Arc<PathAttributes>, Hearing<'_>)> = HashMap::new();
        rib.sweep_and_judge(slice, &mut |pool, homes, peer, prefix, received| {
            let judge = neighbors.get(peer.index())?.judge.as_ref()?;
            let hearing = hearings.entry((peer, Arc::as_ptr(received)));
            // It stays, so that nothing else comes to lie at its address.
            let (_, hearing) = hearing.or_insert_with(|| {
                let marked = judge.received(Arc::clone(received));
                let hearing = judge.hear(pool.intern(marked));
                (Arc::clone(received), hearing)
            });
            Some(hearing.judge(pool, homes, prefix))
        })
    }

    /// A network has become ours, or may be another's again.
    pub(super) fn judge_within(&mut self, network: Prefix) {
        let Self { neighbors, rib, .. } = self;
        rib.judge_within(network, &mut |pool, homes, peer, prefix, received| {
            let judge = neighbors.get(peer.index())?.judge.as_ref()?;
            let marked = judge.received(Arc::clone(received));
            let mut hearing = judge.hear(pool.intern(marked));
            Some(hearing.judge(pool, homes, prefix))
        });
    }

    /// Nothing more is waited for.
    pub(super) fn finish_deferral(&mut self, now: Instant) {
        let lap = self.rib.select();
        self.deferral = Deferral::Deciding(lap);
        if self.rib.has_swept(lap) {
            self.complete(now);
        }
    }

    /// All that came until the end of the deferral is decided.
    fn complete(&mut self, now: Instant) {
        self.deferral = Deferral::Done;
        let mut missing = Vec::new();
        if self.restarting {
            let late = self.neighbors.iter();
            let late = late.filter(|n| n.is_known() && !n.progress.initial_done);
            missing.extend(late.map(|n| n.config.name.clone()));
        }
        self.outputs.push_back(Output::FibSynced);
        self.event(now, None, EventKind::Synced { missing });
    }

    pub(super) fn apply(&mut self, prefix: Prefix, mut change: LocChange) {
        if let Some(next_hops) = change.fib.take() {
            self.outputs
                .push_back(Output::Fib(FibChange { prefix, next_hops }));
        }
        let ups = self
            .neighbors
            .iter_mut()
            .filter_map(|neighbor| neighbor.up.as_mut());
        ups.for_each(|up| up.adj_out.note(prefix, &change));
    }

    fn ask(&mut self) {
        let complete = self.deferral == Deferral::Done;
        for up in self
            .neighbors
            .iter()
            .filter_map(|neighbor| neighbor.up.as_ref())
        {
            let conn = up.session.conn;
            if let Some(link) = self.links.get_mut(&conn)
                && !link.asked
                && up.adj_out.has_work(complete)
            {
                link.asked = true;
                self.outputs.push_back(Output::WantSend { conn });
            }
        }
    }
}
