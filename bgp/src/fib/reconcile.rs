//! The desired set against what is ours in the kernel. Pure: says what to write next and is told
//! how it went.
//!
//! Per prefix there are two facts, *desired* and *installed*, and the difference is the work:
//!
//! | desired | installed | work |
//! | --- | --- | --- |
//! | A | A | none |
//! | A | none | create, exclusively |
//! | A | B | replace; where a foreign route stands beside ours, delete (then create) |
//! | none | B | delete; adopted and not learned yet: only after [`Table::synced`] |
//! | none | none, but only by a notification | delete: the notification may be older than our write |
//!
//! *Installed* is what a dump or an own successful write showed, never what was hoped for.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use super::change::{Change, Drift, Found, Outcome, Reason};
use super::{FAILED_SHOWN, FibStatus, NextHop, NextHops, Prefix};

/// First pause after a refusal; doubled for each further one.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const RETRY_MOST: Duration = Duration::from_secs(60);

struct Failure {
    reason: Reason,
    attempts: u32,
    retry_at: Instant,
}

#[derive(Default)]
struct Entry {
    desired: Option<NextHops>,
    installed: Option<NextHops>,
    /// Found at the start and not spoken of by the speaker since.
    adopted: bool,
    /// A foreign route stands beside ours: a replacement might hit that one.
    contested: bool,
    queued: bool,
    /// A notification said that ours is gone. It may be older than our last write, so a route that
    /// is not wanted any more is deleted all the same.
    unsure: bool,
}

impl Entry {
    fn settled(&self) -> bool {
        self.desired == self.installed
    }
}

/// All prefixes; see the module's documentation.
pub struct Table {
    entries: HashMap<Prefix, Entry>,
    queue: VecDeque<Prefix>,
    failures: BTreeMap<Prefix, Failure>,
    retries: BTreeSet<(Instant, Prefix)>,
    shared: HashSet<NextHops>,
    synced: bool,
    repaired: u64,
    jitter: fn(Duration) -> Duration,
}

impl Table {
    /// A table that knows nothing; `jitter` shortens a pause by a random part of it.
    #[must_use]
    pub fn new(jitter: fn(Duration) -> Duration) -> Self {
        Self {
            entries: HashMap::new(),
            queue: VecDeque::new(),
            failures: BTreeMap::new(),
            retries: BTreeSet::new(),
            shared: HashSet::new(),
            synced: false,
            repaired: 0,
            jitter,
        }
    }

    /// Takes over a route that an earlier run left.
    pub fn adopt(&mut self, prefix: Prefix, next_hops: Vec<NextHop>) {
        let installed = Some(self.share(next_hops));
        let entry = self.entries.entry(prefix).or_default();
        entry.installed = installed;
        entry.adopted = true;
    }

    /// The speaker's word: these next hops, or none.
    pub fn want(&mut self, prefix: Prefix, mut next_hops: Vec<NextHop>) {
        next_hops.sort_unstable();
        next_hops.dedup();
        let desired = (!next_hops.is_empty()).then(|| self.share(next_hops));
        let entry = self.entries.entry(prefix).or_default();
        entry.desired = desired;
        entry.adopted = false;
        self.forget_failure(prefix);
        self.review(prefix);
    }

    /// The desired set is complete: what was adopted and is not in it goes. Returns how many.
    pub fn synced(&mut self) -> usize {
        self.synced = true;
        let stale: Vec<Prefix> = self
            .entries
            .iter_mut()
            .filter_map(|(prefix, entry)| std::mem::take(&mut entry.adopted).then_some(*prefix))
            .collect();
        for prefix in &stale {
            self.review(*prefix);
        }
        stale.len()
    }

    /// Up to `most` writes that should be done next. Each must be answered by [`Table::settle`].
    pub fn next_changes(&mut self, most: usize) -> Vec<Change> {
        let mut changes = Vec::new();
        while changes.len() < most {
            let Some(prefix) = self.queue.pop_front() else {
                break;
            };
            let Some(entry) = self.entries.get_mut(&prefix) else {
                continue;
            };
            entry.queued = false;
            let change = match (&entry.desired, &entry.installed) {
                (Some(desired), None) => Change::Create {
                    prefix,
                    next_hops: desired.clone(),
                },
                (Some(desired), Some(installed)) if desired != installed => {
                    if entry.contested {
                        Change::Delete { prefix }
                    } else {
                        Change::Replace {
                            prefix,
                            next_hops: desired.clone(),
                        }
                    }
                }
                (None, Some(_)) if !entry.adopted => Change::Delete { prefix },
                (None, None) if entry.unsure => Change::Delete { prefix },
                _ => {
                    if entry.settled() {
                        self.forget_failure(prefix);
                    }
                    self.review(prefix);
                    continue;
                }
            };
            changes.push(change);
        }
        changes
    }

    /// How a write went. True: what the kernel has must be asked ([`Table::resync`]).
    pub fn settle(&mut self, change: &Change, outcome: Outcome, now: Instant) -> bool {
        let prefix = change.prefix();
        let Some(entry) = self.entries.get_mut(&prefix) else {
            return false;
        };
        match (change, outcome) {
            (
                Change::Create { next_hops, .. } | Change::Replace { next_hops, .. },
                Outcome::Done,
            ) => {
                entry.installed = Some(next_hops.clone());
                entry.unsure = false;
                self.forget_failure(prefix);
            }
            (Change::Delete { .. }, Outcome::Done | Outcome::Missing)
            | (Change::Replace { .. }, Outcome::Missing) => {
                entry.installed = None;
                entry.unsure = false;
                if entry.desired.is_some() {
                    // Also after an earlier refusal, whose date this attempt has used up: without
                    // one nobody would come back to it.
                    self.enqueue(prefix);
                } else {
                    self.forget_failure(prefix);
                }
            }
            (_, Outcome::Exists) => {
                self.fail(prefix, Reason::Held(None), now);
                return true;
            }
            (_, Outcome::Unknown) => {
                // The dump decides anew; a failure without a date would wait for ever.
                self.forget_failure(prefix);
                return true;
            }
            (_, Outcome::Refused(errno)) => {
                self.fail(prefix, Reason::Errno(errno), now);
                return false;
            }
            (Change::Create { .. }, Outcome::Missing) => {
                self.fail(prefix, Reason::Errno(libc::ENOENT), now);
                return false;
            }
        }
        self.review(prefix);
        false
    }

    /// Somebody else deleted an own route. True if it will be put back.
    pub fn vanished(&mut self, prefix: Prefix) -> bool {
        let Some(entry) = self.entries.get_mut(&prefix) else {
            return false;
        };
        let known = entry.installed.take().is_some();
        entry.unsure |= known;
        let wanted = entry.desired.is_some();
        if known && wanted {
            self.repaired += 1;
        }
        self.review(prefix);
        known && wanted
    }

    /// Somebody else made or changed a route with our marks. True if it will be put right.
    pub fn appeared(&mut self, prefix: Prefix, next_hops: Vec<NextHop>) -> bool {
        let installed = Some(self.share(next_hops));
        let entry = self.entries.entry(prefix).or_default();
        entry.installed = installed;
        let settled = entry.settled();
        let wrong = !settled && !entry.adopted;
        if wrong {
            self.repaired += 1;
        }
        if settled {
            self.forget_failure(prefix);
        }
        self.review(prefix);
        wrong
    }

    /// A foreign route stands where ours would; `replaced`: it took the place of what was there.
    pub fn foreign_appeared(&mut self, prefix: Prefix, replaced: bool) {
        if let Some(entry) = self.entries.get_mut(&prefix) {
            entry.contested = true;
            if replaced && entry.installed.is_some() {
                self.vanished(prefix);
            }
        }
    }

    /// A foreign route left the place where ours would stand.
    pub fn foreign_vanished(&mut self, prefix: Prefix) {
        if let Some(entry) = self.entries.get_mut(&prefix) {
            entry.contested = false;
            self.forget_failure(prefix);
            self.review(prefix);
        }
    }

    /// Corrects what is believed by what a dump showed, and queues the differences.
    pub fn resync(&mut self, mut found: Found) -> Drift {
        let mut drift = Drift::default();
        let prefixes: Vec<Prefix> = self.entries.keys().copied().collect();
        for prefix in prefixes {
            let installed = found.ours.remove(&prefix).map(|hops| self.share(hops));
            let holder = found
                .foreign
                .as_ref()
                .map(|foreign| foreign.get(&prefix).copied());
            let Some(entry) = self.entries.get_mut(&prefix) else {
                continue;
            };
            match (&entry.installed, &installed) {
                (Some(_), None) => drift.vanished.push(prefix),
                (Some(old), Some(new)) if old != new => drift.altered.push(prefix),
                (None, Some(_)) if entry.desired != installed => drift.unexpected.push(prefix),
                _ => {}
            }
            entry.installed = installed;
            entry.unsure = false;
            if let Some(holder) = holder {
                entry.contested = holder.is_some();
            }
            self.after_dump(prefix, holder);
        }
        for (prefix, next_hops) in found.ours {
            drift.unexpected.push(prefix);
            let installed = Some(self.share(next_hops));
            let adopted = !self.synced;
            let entry = self.entries.entry(prefix).or_default();
            entry.installed = installed;
            entry.adopted = adopted;
            self.review(prefix);
        }
        self.repaired += (drift.vanished.len() + drift.altered.len()) as u64;
        drift
    }

    fn after_dump(&mut self, prefix: Prefix, holder: Option<Option<u8>>) {
        let held = matches!(
            self.failures.get(&prefix),
            Some(Failure {
                reason: Reason::Held(_),
                ..
            })
        );
        let waits = self
            .entries
            .get(&prefix)
            .is_some_and(|entry| entry.installed.is_none());
        match holder {
            // Named now; it goes on waiting for its next attempt.
            Some(Some(protocol)) if held && waits => {
                if let Some(failure) = self.failures.get_mut(&prefix) {
                    failure.reason = Reason::Held(Some(protocol));
                }
            }
            Some(_) if held => self.forget_failure(prefix),
            _ => {}
        }
        if self.entries.get(&prefix).is_some_and(Entry::settled) {
            self.forget_failure(prefix);
        }
        self.review(prefix);
    }

    /// Queues what was refused and whose pause is over.
    pub fn retry_due(&mut self, now: Instant) {
        while let Some((at, prefix)) = self.retries.first().copied() {
            if at > now {
                break;
            }
            self.retries.pop_first();
            self.enqueue(prefix);
        }
    }

    /// Queues all that was refused: something changed that may have been the reason.
    pub fn retry_all(&mut self) {
        for (_, prefix) in std::mem::take(&mut self.retries) {
            self.enqueue(prefix);
        }
    }

    /// When [`Table::retry_due`] has something to do.
    #[must_use]
    pub fn next_retry(&self) -> Option<Instant> {
        self.retries.first().map(|(at, _)| *at)
    }

    /// Whether [`Table::next_changes`] has something.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Why `prefix` is not as it should be.
    #[must_use]
    pub fn failure(&self, prefix: Prefix) -> Option<&Reason> {
        self.failures.get(&prefix).map(|failure| &failure.reason)
    }

    /// A picture for people; looks at every prefix.
    #[must_use]
    pub fn status(&self) -> FibStatus {
        let mut status = FibStatus {
            pending: self.queue.len(),
            failed_count: self.failures.len(),
            repaired: self.repaired,
            failed: self
                .failures
                .iter()
                .take(FAILED_SHOWN)
                .map(|(prefix, failure)| (*prefix, self.explain(*prefix, &failure.reason)))
                .collect(),
            ..FibStatus::default()
        };
        for (prefix, entry) in &self.entries {
            if entry.adopted {
                status.stale += 1;
            } else if entry.desired.is_some() {
                if entry.settled() {
                    status.installed += 1;
                } else {
                    status.unsettled.push(*prefix);
                }
            }
        }
        status
    }

    /// The reason together with the next hops that it is about.
    fn explain(&self, prefix: Prefix, reason: &Reason) -> String {
        let hops = self
            .entries
            .get(&prefix)
            .and_then(|entry| entry.desired.as_deref());
        match (reason, hops) {
            (Reason::Errno(_), Some(hops)) => {
                let hops: Vec<String> = hops.iter().map(ToString::to_string).collect();
                format!("via {}: {reason}", hops.join(" and "))
            }
            _ => reason.to_string(),
        }
    }

    /// Queues the prefix if it differs and is not waiting after a refusal; forgets it if nothing
    /// is known of it any more.
    fn review(&mut self, prefix: Prefix) {
        let Some(entry) = self.entries.get(&prefix) else {
            return;
        };
        if entry.desired.is_none() && entry.installed.is_none() {
            if entry.unsure {
                self.enqueue(prefix);
            } else if !entry.queued {
                self.entries.remove(&prefix);
                self.forget_failure(prefix);
            }
        } else if !entry.settled() && !entry.adopted && !self.failures.contains_key(&prefix) {
            self.enqueue(prefix);
        }
    }

    fn enqueue(&mut self, prefix: Prefix) {
        if let Some(entry) = self.entries.get_mut(&prefix)
            && !std::mem::replace(&mut entry.queued, true)
        {
            self.queue.push_back(prefix);
        }
    }

    fn fail(&mut self, prefix: Prefix, reason: Reason, now: Instant) {
        let attempts = self
            .failures
            .get(&prefix)
            .map_or(0, |failure| failure.attempts);
        let pause = RETRY_FIRST
            .saturating_mul(1 << attempts.min(6))
            .min(RETRY_MOST);
        let retry_at = now + (self.jitter)(pause);
        self.forget_failure(prefix);
        self.retries.insert((retry_at, prefix));
        self.failures.insert(
            prefix,
            Failure {
                reason,
                attempts: attempts + 1,
                retry_at,
            },
        );
    }

    fn forget_failure(&mut self, prefix: Prefix) {
        if let Some(failure) = self.failures.remove(&prefix) {
            self.retries.remove(&(failure.retry_at, prefix));
        }
    }

    /// One allocation per set of next hops, however many routes have it.
    fn share(&mut self, next_hops: Vec<NextHop>) -> NextHops {
        if let Some(known) = self.shared.get(next_hops.as_slice()) {
            return known.clone();
        }
        // Sets that no route has any more are dropped when there are many.
        if self.shared.len() >= 1024 && self.shared.len().is_power_of_two() {
            self.shared.retain(|hops| NextHops::strong_count(hops) > 1);
        }
        let hops = NextHops::from(next_hops);
        self.shared.insert(hops.clone());
        hops
    }
}

#[cfg(test)]
mod tests;
