//! What the kernel says it has, route by route, against what is believed. Nothing is kept of a dump but
//! marks: it may have a million routes.

use super::super::change::{Drift, Reason};
use super::super::numbers::NONE;
use super::super::{KernelRoute, Prefix, Target};
use super::{ADOPTED, CONTESTED, Entry, IN_QUEUE, OUT, SEEN, SEEN_FOREIGN, Table, UNSURE};

/// While a dump is read.
#[derive(Debug, Default)]
pub(super) struct Dumping {
    drift: Drift,
    /// Routes that follow each other mostly lead to the same place.
    last: Option<(Target, u32)>,
}

impl Table {
    /// A dump begins, or begins again (of one family, because others' changes had interrupted it).
    pub fn begin_dump(&mut self, family: Option<u8>) {
        let of_family = |prefix: &Prefix| {
            family.is_none_or(|family| {
                prefix.is_ipv4() == (family == super::super::message::family::INET)
            })
        };
        for (prefix, entry) in self.entries.iter_mut() {
            if of_family(&prefix) {
                entry.set(SEEN | SEEN_FOREIGN, false);
            }
        }
        if family.is_none() {
            self.dumping = Dumping::default();
        }
    }

    /// One route of it.
    pub fn dumped(&mut self, route: &KernelRoute) {
        if self.owner.owns(route) {
            self.found(route.prefix, &route.target());
        } else if self.owner.same_place(route)
            && let Some(entry) = self.entries.get_mut(&route.prefix)
        {
            entry.set(SEEN_FOREIGN | CONTESTED, true);
            let waits = entry.installed == NONE;
            if let Some(reason) = self.failures.reason_mut(route.prefix)
                && waits
                && matches!(reason, Reason::Held(_))
            {
                // Named now; it goes on waiting for its next attempt.
                *reason = Reason::Held(Some(route.protocol));
            }
        }
    }

    fn found(&mut self, prefix: Prefix, target: &Target) {
        let number = match &self.dumping.last {
            Some((last, number)) if last == target => {
                self.targets.more(*number);
                *number
            }
            _ => {
                let (number, _) = self.targets.take(target);
                // A user of its own: the number must not become another's.
                self.targets.more(number);
                if let Some((_, old)) = self.dumping.last.replace((target.clone(), number)) {
                    self.targets.give_back(old);
                }
                number
            }
        };
        match self.entries.get(&prefix) {
            None => {
                self.dumping.drift.unexpected.add(prefix);
                let adopted = !self.synced;
                let entry = self.entries.get_or_insert_with(prefix, Entry::default);
                entry.set(ADOPTED, adopted);
            }
            Some(entry) if entry.installed == number => {}
            Some(entry) if entry.installed != NONE => self.dumping.drift.altered.add(prefix),
            Some(entry) if self.target_of(prefix, entry) != number => {
                self.dumping.drift.unexpected.add(prefix);
            }
            Some(_) => {}
        }
        self.note(prefix, number, target);
        if let Some(entry) = self.entries.get_mut(&prefix) {
            entry.set(SEEN, true);
            entry.set(UNSURE, false);
        }
        if self.is_settled(prefix) {
            self.failures.forget(prefix);
        }
        self.review(prefix);
    }

    /// It was the whole table, or (`with_foreign` false) all own routes: what was not in it is not in
    /// the kernel. Differences are queued.
    pub fn end_dump(&mut self, with_foreign: bool) -> Drift {
        let mut drift = std::mem::take(&mut self.dumping.drift);
        for (prefix, entry) in self.entries.iter_mut() {
            let is_contested = entry.is(CONTESTED);
            if !entry.is(SEEN) {
                entry.set(UNSURE, false);
                if entry.installed != NONE {
                    drift.vanished.add(prefix);
                    self.targets.give_back(entry.installed);
                    entry.installed = NONE;
                }
            }
            if with_foreign && is_contested && !entry.is(SEEN_FOREIGN) {
                entry.set(CONTESTED, false);
            }
        }
        self.drop_claims(with_foreign);
        self.abort_dump();
        self.forget_nothing();
        self.missed = false;
        // Also at what waited for this after a write without an answer.
        self.look_at_all();
        self.repaired += (drift.vanished.count + drift.altered.count) as u64;
        drift
    }

    /// Places that were held by others and are free now, and what is known now without an answer.
    fn drop_claims(&mut self, with_foreign: bool) {
        let entries = &self.entries;
        let over = self
            .failures
            .iter()
            .filter(|(prefix, reason)| match reason {
                Reason::Held(_) => {
                    let seen = entries.get(prefix).is_some_and(|e| e.is(SEEN_FOREIGN));
                    with_foreign && !seen
                }
                Reason::NoAnswer => true,
                _ => false,
            });
        let free: Vec<Prefix> = over.map(|(prefix, _)| prefix).collect();
        for prefix in free {
            self.failures.forget(prefix);
            self.review(prefix);
        }
    }

    /// It was not read to its end: what it has shown is true, what it has not shown says nothing.
    pub fn abort_dump(&mut self) {
        if let Some((_, number)) = self.dumping.last.take() {
            self.targets.give_back(number);
        }
        self.dumping = Dumping::default();
    }

    /// Entries of which nothing is wanted and nothing is there.
    fn forget_nothing(&mut self) {
        let failures = &mut self.failures;
        self.entries.retain(|prefix, entry| {
            let nothing = entry.desired() == NONE
                && entry.installed == NONE
                && !entry.is(ADOPTED | IN_QUEUE | UNSURE | OUT);
            if nothing {
                failures.forget(prefix);
            }
            !nothing
        });
    }
}
