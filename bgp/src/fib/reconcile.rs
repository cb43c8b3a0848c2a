//! The desired set against what is ours in the kernel. Pure: says what to write next and is told
//! how it went.
//!
//! ```text
//!   the speaker's next hops --(resolve)--> gateways --(objects)--> target      installed
//!        per set, shared by all prefixes that have it              per prefix, compared
//! ```
//!
//! Per prefix there are two facts, *desired* and *installed*, and the difference is the work:
//!
//! | target of the desired | installed | work |
//! | --- | --- | --- |
//! | A | A | none |
//! | A | none | create, exclusively |
//! | A | B | replace; where a foreign route stands beside ours, delete (then create) |
//! | none | B | delete; adopted and not learned yet: only after [`Table::synced`] |
//! | none | none, but only by a notification | delete: the notification may be older than our write |
//!
//! *Installed* is what a dump or an own successful write showed, never what was hoped for. The target
//! is none also where no next hop can be a gateway now: the prefix is held back, with the reason.

mod dump;
mod failures;
mod hops;
mod judge;
mod observed;
mod status;
mod writes;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use rcni_bgp_proto::rib::PrefixMap;

use self::dump::Dumping;
use self::failures::Failures;
use self::hops::Resolution;
pub use self::judge::Hidden;
use super::change::Reason;
use super::numbers::{NONE, Numbers};
use super::objects::{Mode, Objects};
use super::{NextHops, Ownership, Prefix, Target};

/// Beyond so many prefixes that wait to be written, more should not be wanted.
const QUEUED: usize = 8192;
/// Found at the start and not spoken of by the speaker since.
const ADOPTED: u8 = 1;
/// A foreign route stands beside ours: a replacement might hit that one.
const CONTESTED: u8 = 2;
/// In the queue.
const IN_QUEUE: u8 = 4;
/// A notification said that ours is gone. It may be older than our last write, so a route that
/// is not wanted any more is deleted all the same.
const UNSURE: u8 = 8;
/// The dump that is being read has it.
const SEEN: u8 = 16;
/// The same of a foreign route in its place.
const SEEN_FOREIGN: u8 = 32;
/// Given out by [`Table::next_changes`], and not yet answered by [`Table::settle`]: until then nothing else is
/// written for it.
const OUT: u8 = 64;

/// Bits of the number of a set; flags are above.
const SET_BITS: u32 = 24;

/// Small: there is one for each prefix.
#[derive(Debug, Default)]
struct Entry {
    /// Number of the set of next hops (none: nothing is wanted), and flags.
    word: u32,
    /// Number of the target; none: nothing is there.
    installed: u32,
}

const _: () = assert!(size_of::<Entry>() == 8);

impl Entry {
    fn desired(&self) -> u32 {
        self.word & ((1 << SET_BITS) - 1)
    }

    /// Returns what was wanted before. There are fewer sets than bits: each has memory of its own.
    fn want(&mut self, desired: u32) -> u32 {
        let before = self.desired();
        self.word = self.word & !((1 << SET_BITS) - 1) | desired;
        before
    }

    fn is(&self, flags: u8) -> bool {
        self.word >> SET_BITS & u32::from(flags) != 0
    }

    fn set(&mut self, flags: u8, on: bool) {
        let bits = u32::from(flags) << SET_BITS;
        if on {
            self.word |= bits;
        } else {
            self.word &= !bits;
        }
    }
}

/// All prefixes; see the module's documentation.
pub struct Table {
    owner: Ownership,
    entries: PrefixMap<Entry>,
    queue: VecDeque<Prefix>,
    /// All entries are to be looked at, those after this one still.
    rescan: Option<Option<Prefix>>,
    failures: Failures,
    sets: Numbers<NextHops>,
    /// By the sets' numbers.
    resolutions: Vec<Option<Resolution>>,
    targets: Numbers<Target>,
    hops: hops::Hops,
    dumping: Dumping,
    synced: bool,
    /// Notifications were lost, and nothing was dumped since.
    missed: bool,
    repaired: u64,
}

impl Table {
    /// A table that knows nothing; `jitter` shortens a pause by a random part of it.
    #[must_use]
    pub fn new(owner: Ownership, mode: Mode, jitter: fn(Duration) -> Duration) -> Self {
        Self {
            owner,
            entries: PrefixMap::default(),
            queue: VecDeque::new(),
            rescan: None,
            failures: Failures::new(jitter),
            sets: Numbers::default(),
            resolutions: Vec::new(),
            targets: Numbers::default(),
            hops: hops::Hops::new(Objects::new(mode, owner.protocol)),
            dumping: Dumping::default(),
            synced: false,
            missed: false,
            repaired: 0,
        }
    }

    /// Takes over a route that an earlier run left. True: it was not known.
    pub fn adopt(&mut self, prefix: Prefix, target: &Target) -> bool {
        let (number, _) = self.targets.take(target);
        let entry = self.entries.get_or_insert_with(prefix, Entry::default);
        let before = std::mem::replace(&mut entry.installed, number);
        entry.set(ADOPTED, true);
        // Nobody knows whose they all are: the kernel tells one protocol for them.
        if prefix.is_ipv6() && target.hops().len() > 1 {
            entry.set(CONTESTED, true);
        }
        self.targets.give_back(before);
        before == NONE
    }

    /// The speaker's word: these next hops, or none.
    pub fn want(&mut self, prefix: Prefix, next_hops: &NextHops) {
        let desired = if next_hops.is_empty() {
            NONE
        } else {
            self.take_set(next_hops)
        };
        let entry = self.entries.get_or_insert_with(prefix, Entry::default);
        let before = entry.want(desired);
        entry.set(ADOPTED, false);
        if before != desired {
            self.hops.resolver.suspect_within(&prefix);
        }
        self.give_back_set(before);
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
            .filter(|(_, entry)| entry.is(ADOPTED))
            .map(|(prefix, entry)| {
                entry.set(ADOPTED, false);
                prefix
            })
            .collect();
        for prefix in &stale {
            self.review(*prefix);
        }
        stale.len()
    }

    /// Queues what was refused and whose pause is over.
    pub fn retry_due(&mut self, now: Instant) {
        while let Some(prefix) = self.failures.take_due(now) {
            self.enqueue(prefix);
        }
    }

    /// Queues all that was refused: something changed that may have been the reason. All next hops are
    /// asked about again.
    pub fn retry_all(&mut self) {
        for prefix in self.failures.take(|_| true) {
            self.enqueue(prefix);
        }
        self.retry_objects();
        self.hops.resolver.suspect_all();
    }

    /// Queues what was refused for a next hop in `network`, which is connected now.
    pub fn retry_within(&mut self, network: &Prefix) {
        let (entries, sets) = (&self.entries, &self.sets);
        let due = self.failures.take(|prefix| {
            let entry = entries.get(&prefix);
            let hops = entry.and_then(|entry| sets.get(entry.desired()));
            hops.is_some_and(|hops| hops.iter().any(|hop| network.contains(hop.address)))
        });
        for prefix in due {
            self.enqueue(prefix);
        }
        // Also what is reached already: it may be on another link now.
        self.hops.resolver.suspect_in(network);
    }

    /// Notifications were lost: until the next dump another program's route may be in any place.
    pub fn miss(&mut self) {
        self.missed = true;
    }

    /// When [`Table::retry_due`] has something to do.
    #[must_use]
    pub fn next_retry(&self) -> Option<Instant> {
        self.failures.next_retry()
    }

    /// Whether [`Table::next_changes`] may have something.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.queue.is_empty() || self.rescan.is_some()
    }

    /// Whether [`Table::next_changes`] most likely has so many.
    #[must_use]
    pub fn has_many(&self, most: usize) -> bool {
        self.queue.len() >= most || self.rescan.is_some()
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

    /// Number of the target that an entry should have.
    fn target_of(&self, prefix: Prefix, entry: &Entry) -> u32 {
        if entry.desired() == NONE {
            return NONE;
        }
        let resolution = self.resolutions.get(entry.desired() as usize);
        let resolution = resolution.and_then(Option::as_ref);
        resolution.map_or(NONE, |resolution| resolution.target(prefix))
    }

    /// Whether something is to be written. While it is not known where routes should lead, or they wait
    /// for a link or a group, the kernel keeps what it has.
    fn differs(&self, prefix: Prefix, entry: &Entry) -> bool {
        let target = self.target_of(prefix, entry);
        let waits = || {
            let resolution = self.resolutions.get(entry.desired() as usize);
            let resolution = resolution.and_then(Option::as_ref);
            resolution.is_some_and(|resolution| resolution.waits)
        };
        target != entry.installed && !(target == NONE && waits())
    }

    fn is_settled(&self, prefix: Prefix) -> bool {
        self.entries
            .get(&prefix)
            .is_none_or(|entry| self.target_of(prefix, entry) == entry.installed)
    }

    /// Queues the prefix if it differs and is not waiting after a refusal; forgets it if nothing
    /// is known of it any more.
    fn review(&mut self, prefix: Prefix) {
        let Some(entry) = self.entries.get(&prefix).filter(|e| !e.is(OUT)) else {
            return;
        };
        if entry.desired() == NONE && entry.installed == NONE {
            if entry.is(UNSURE) {
                self.enqueue(prefix);
            } else if !entry.is(IN_QUEUE) {
                self.entries.remove(&prefix);
                self.failures.forget(prefix);
            }
        } else if self.differs(prefix, entry)
            && !entry.is(ADOPTED)
            && self.failures.reason(prefix).is_none()
        {
            self.enqueue(prefix);
        }
    }

    fn enqueue(&mut self, prefix: Prefix) {
        if let Some(entry) = self.entries.get_mut(&prefix)
            && !entry.is(IN_QUEUE)
        {
            entry.set(IN_QUEUE, true);
            self.queue.push_back(prefix);
        }
    }

    /// Looks at all entries again.
    fn look_at_all(&mut self) {
        self.rescan = Some(None);
    }

    /// The source address of installed routes, one a family, as far as this node has them now.
    pub fn set_sources(&mut self, sources: [Option<IpAddr>; 2]) {
        if self.hops.sources != sources {
            self.hops.sources = sources;
            self.resolve();
        }
    }
}

#[cfg(test)]
mod tests;
