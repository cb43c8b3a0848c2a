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
//! *Installed* is what a dump or an own successful write showed, never what was hoped for. *Desired*
//! is what the speaker says less the next hops that cannot be gateways now ([`gateways`]): the
//! kernel refuses a route for one of them, and traffic can use the others.

mod failures;
mod gateways;
mod status;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rcni_bgp_proto::rib::PrefixMap;

use self::failures::Failures;
use self::gateways::Gateways;
use super::change::{Change, Drift, Found, Outcome, Reason, is_passing};
use super::message::Lookup;
use super::{NextHop, NextHops, Prefix};

/// Beyond so many prefixes that wait to be written, more should not be wanted.
const QUEUED: usize = 8192;

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
    fn settled(&self, gateways: &Gateways) -> bool {
        self.target(gateways) == self.installed.as_ref()
    }

    fn target<'a>(&'a self, gateways: &'a Gateways) -> Option<&'a NextHops> {
        self.desired
            .as_ref()
            .map(|desired| gateways.usable(desired))
    }

    /// What a delete should name: what we know to be there, if we are sure of it.
    fn to_delete(&self) -> NextHops {
        match &self.installed {
            Some(installed) if !self.unsure => installed.clone(),
            _ => NextHops::default(),
        }
    }
}

/// All prefixes; see the module's documentation.
pub struct Table {
    entries: PrefixMap<Entry>,
    queue: VecDeque<Prefix>,
    failures: Failures,
    gateways: Gateways,
    synced: bool,
    repaired: u64,
}

impl Table {
    /// A table that knows nothing; `jitter` shortens a pause by a random part of it.
    #[must_use]
    pub fn new(jitter: fn(Duration) -> Duration) -> Self {
        Self {
            entries: PrefixMap::default(),
            queue: VecDeque::new(),
            failures: Failures::new(jitter),
            gateways: Gateways::default(),
            synced: false,
            repaired: 0,
        }
    }

    /// Takes over a route that an earlier run left.
    pub fn adopt(&mut self, prefix: Prefix, next_hops: &[NextHop]) {
        let installed = Some(self.gateways.share(next_hops));
        let entry = self.entries.get_or_insert_with(prefix, Entry::default);
        entry.installed = installed;
        entry.adopted = true;
    }

    /// The speaker's word: these next hops, or none.
    pub fn want(&mut self, prefix: Prefix, next_hops: &NextHops) {
        let desired = (!next_hops.is_empty()).then(|| self.gateways.share(next_hops));
        let entry = self.entries.get_or_insert_with(prefix, Entry::default);
        entry.desired = desired;
        entry.adopted = false;
        // What was not answered waits for the dump: nobody knows what would be replaced.
        if self.failure(prefix) != Some(&Reason::NoAnswer) {
            self.failures.forget(prefix);
        }
        self.review(prefix);
    }

    /// The desired set is complete: what was adopted and is not in it goes. Returns how many.
    pub fn synced(&mut self) -> usize {
        self.synced = true;
        let stale: Vec<Prefix> = self
            .entries
            .iter_mut()
            .filter_map(|(prefix, entry)| std::mem::take(&mut entry.adopted).then_some(prefix))
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
            let change = match (entry.target(&self.gateways), &entry.installed) {
                (Some(target), None) => Change::Create {
                    prefix,
                    next_hops: target.clone(),
                },
                (Some(target), Some(installed)) if target != installed => {
                    // Not knowing what is there, it might be another's by now.
                    let unknown =
                        prefix.is_ipv4() || self.failures.reason(prefix) == Some(&Reason::NoAnswer);
                    if entry.contested || (entry.unsure && unknown) {
                        let next_hops = entry.to_delete();
                        Change::Delete { prefix, next_hops }
                    } else {
                        Change::Replace {
                            prefix,
                            next_hops: target.clone(),
                        }
                    }
                }
                (None, Some(_)) if !entry.adopted => Change::Delete {
                    prefix,
                    next_hops: entry.to_delete(),
                },
                (None, None) if entry.unsure => Change::Delete {
                    prefix,
                    next_hops: NextHops::default(),
                },
                _ => {
                    if entry.settled(&self.gateways) {
                        self.failures.forget(prefix);
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
                // An exclusive creation proves that nobody else is there.
                entry.contested &= !matches!(change, Change::Create { .. });
                self.failures.forget(prefix);
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
                    self.failures.forget(prefix);
                }
            }
            (_, Outcome::Exists) => {
                self.failures.add(prefix, Reason::Held(None), now);
                return true;
            }
            (_, Outcome::Unknown) => {
                // The dump decides anew; where there is none for long, the date.
                entry.unsure = true;
                self.failures.add(prefix, Reason::NoAnswer, now);
                return true;
            }
            (_, Outcome::NotSent(errno)) => {
                self.failures.add(prefix, Reason::NotSent(errno), now);
                return false;
            }
            (_, Outcome::Refused(errno)) => {
                if let Change::Create { next_hops, .. } | Change::Replace { next_hops, .. } = change
                    && !is_passing(errno)
                {
                    self.gateways.suspect(next_hops);
                }
                self.failures.add(prefix, Reason::Errno(errno), now);
                // Of several IPv6 gateways some may be written.
                return prefix.is_ipv6() && is_passing(errno);
            }
            (Change::Create { .. }, Outcome::Missing) => {
                self.failures.add(prefix, Reason::Errno(libc::ENOENT), now);
                return false;
            }
        }
        self.review(prefix);
        false
    }

    /// Somebody else deleted an own route, or the gateways `gone` of it (IPv6). True if it will be
    /// put back.
    pub fn vanished(&mut self, prefix: Prefix, gone: &[NextHop]) -> bool {
        let Some(entry) = self.entries.get_mut(&prefix) else {
            return false;
        };
        let Some(before) = entry.installed.take() else {
            self.review(prefix);
            return false;
        };
        entry.unsure = true;
        if prefix.is_ipv6() {
            let left: Vec<NextHop> = before
                .iter()
                .filter(|hop| !gone.contains(hop))
                .copied()
                .collect();
            // All or none of it known: the route as a whole.
            if !left.is_empty() && left.len() < before.len() {
                entry.installed = Some(self.gateways.share(&left));
            }
        }
        let wrong = entry.desired.is_some() && !entry.settled(&self.gateways);
        if wrong {
            self.repaired += 1;
        }
        self.review(prefix);
        wrong
    }

    /// Somebody else made or changed a route with our marks. True if it will be put right.
    pub fn appeared(&mut self, prefix: Prefix, next_hops: &[NextHop]) -> bool {
        let installed = self.gateways.share(next_hops);
        let entry = self.entries.get_or_insert_with(prefix, Entry::default);
        entry.contested |= is_mixed(prefix, entry.installed.as_ref(), &installed);
        entry.installed = Some(installed);
        let settled = entry.settled(&self.gateways);
        let wrong = !settled && !entry.adopted;
        if wrong {
            self.repaired += 1;
        }
        if settled {
            self.failures.forget(prefix);
        }
        self.review(prefix);
        wrong
    }

    /// A foreign route stands where ours would; `replaced`: it took the place of what was there.
    /// True if one of ours was lost to it.
    pub fn foreign_appeared(&mut self, prefix: Prefix, replaced: bool) -> bool {
        if let Some(entry) = self.entries.get_mut(&prefix) {
            entry.contested = true;
            if replaced && entry.installed.is_some() {
                return self.vanished(prefix, &[]);
            }
        }
        false
    }

    /// A foreign route left the place where ours would stand.
    pub fn foreign_vanished(&mut self, prefix: Prefix) {
        if let Some(entry) = self.entries.get_mut(&prefix) {
            entry.contested = false;
            self.failures.forget(prefix);
            self.review(prefix);
        }
    }

    /// Corrects what is believed by what a dump showed, and queues the differences.
    pub fn resync(&mut self, mut found: Found) -> Drift {
        let mut drift = Drift::default();
        let prefixes: PrefixMap<()> = self
            .entries
            .iter()
            .map(|(prefix, _)| (prefix, ()))
            .collect();
        for (prefix, ()) in prefixes.iter() {
            let installed = found
                .ours
                .remove(&prefix)
                .map(|hops| self.gateways.share(&hops));
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
                (None, Some(_)) if entry.target(&self.gateways) != installed.as_ref() => {
                    drift.unexpected.push(prefix);
                }
                _ => {}
            }
            if let Some(holder) = holder {
                entry.contested = holder.is_some();
            }
            if let Some(installed) = &installed {
                entry.contested |= is_mixed(prefix, entry.installed.as_ref(), installed);
            }
            entry.installed = installed;
            entry.unsure = false;
            self.after_dump(prefix, holder);
        }
        for (prefix, next_hops) in found.ours.iter() {
            drift.unexpected.push(prefix);
            let installed = Some(self.gateways.share(next_hops));
            let adopted = !self.synced;
            let entry = self.entries.get_or_insert_with(prefix, Entry::default);
            entry.installed = installed;
            entry.adopted = adopted;
            self.review(prefix);
        }
        self.repaired += (drift.vanished.len() + drift.altered.len()) as u64;
        drift
    }

    fn after_dump(&mut self, prefix: Prefix, holder: Option<Option<u8>>) {
        let held = matches!(self.failures.reason(prefix), Some(Reason::Held(_)));
        let waits = self
            .entries
            .get(&prefix)
            .is_some_and(|entry| entry.installed.is_none());
        match holder {
            // Named now; it goes on waiting for its next attempt.
            Some(Some(protocol)) if held && waits => {
                if let Some(reason) = self.failures.reason_mut(prefix) {
                    *reason = Reason::Held(Some(protocol));
                }
            }
            Some(_) if held => self.failures.forget(prefix),
            _ if self.failures.reason(prefix) == Some(&Reason::NoAnswer) => {
                self.failures.forget(prefix);
            }
            _ => {}
        }
        let entry = self.entries.get(&prefix);
        if entry.is_some_and(|entry| entry.settled(&self.gateways)) {
            self.failures.forget(prefix);
        }
        self.review(prefix);
    }

    /// Queues what was refused and whose pause is over.
    pub fn retry_due(&mut self, now: Instant) {
        while let Some(prefix) = self.failures.take_due(now) {
            self.enqueue(prefix);
        }
    }

    /// Queues all that was refused: something changed that may have been the reason.
    pub fn retry_all(&mut self) {
        for prefix in self.failures.take(|_| true) {
            self.enqueue(prefix);
        }
        self.gateways.suspect_all();
    }

    /// Has the kernel asked again about next hops that could not be used.
    pub fn retry_unusable(&mut self) {
        self.gateways.suspect_all();
    }

    /// Queues what was refused for a next hop in `network`, which is connected now.
    pub fn retry_within(&mut self, network: &Prefix) {
        let Self {
            entries, failures, ..
        } = self;
        let due = failures.take(|prefix| {
            let entry = entries.get(&prefix);
            let desired = entry.and_then(|entry| entry.desired.as_deref());
            desired.is_some_and(|hops| hops.iter().any(|hop| network.contains(hop.address)))
        });
        for prefix in due {
            self.enqueue(prefix);
        }
        self.gateways.suspect_within(network);
    }

    /// Whether [`Table::suspects`] has something.
    #[must_use]
    pub fn has_suspects(&self) -> bool {
        self.gateways.has_suspects()
    }

    /// Next hops about which the kernel should be asked, for [`Table::judge`].
    pub fn suspects(&mut self) -> Vec<NextHop> {
        self.gateways.take_suspects()
    }

    /// What the kernel says of next hops. Returns those that are not what they were.
    pub fn judge(&mut self, verdicts: &[(NextHop, Lookup)]) -> Vec<NextHop> {
        let changed = self.gateways.judge(verdicts);
        if changed.is_empty() {
            return changed;
        }
        let concerned: Vec<Prefix> = self
            .entries
            .iter()
            .filter(|(_, entry)| {
                let desired = entry.desired.as_deref().unwrap_or_default();
                // With one next hop there is nothing to leave out.
                desired.len() > 1 && changed.iter().any(|hop| desired.contains(hop))
            })
            .map(|(prefix, _)| prefix)
            .collect();
        for prefix in concerned {
            if !matches!(self.failure(prefix), Some(Reason::Held(_))) {
                self.failures.forget(prefix);
            }
            self.review(prefix);
        }
        changed
    }

    /// When [`Table::retry_due`] has something to do.
    #[must_use]
    pub fn next_retry(&self) -> Option<Instant> {
        self.failures.next_retry()
    }

    /// Whether [`Table::next_changes`] has something.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether [`Table::want`] should be called: who wants more while much waits only makes more
    /// wait here, and what waits elsewhere is smaller.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.queue.len() < QUEUED
    }

    /// Why `prefix` is not as it should be.
    #[must_use]
    pub fn failure(&self, prefix: Prefix) -> Option<&Reason> {
        self.failures.reason(prefix)
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
                self.failures.forget(prefix);
            }
        } else if !entry.settled(&self.gateways)
            && !entry.adopted
            && self.failures.reason(prefix).is_none()
        {
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
}

/// Whether an IPv6 route of ours has gateways now that it had not: they may be another program's,
/// which the kernel keeps in one route with ours. Then nothing is replaced as a whole.
fn is_mixed(prefix: Prefix, before: Option<&NextHops>, now: &NextHops) -> bool {
    prefix.is_ipv6()
        && before.is_some_and(|before| {
            now.len() > before.len() && before.iter().all(|hop| now.contains(hop))
        })
}

#[cfg(test)]
mod tests;
