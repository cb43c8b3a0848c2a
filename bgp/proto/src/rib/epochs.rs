//! What a peer has told in one family, by *epoch*: a session, or a part of one.
//!
//! Each path carries the number of the epoch that it was told in. When an epoch ends, all of its
//! paths change at once, by their number and without a look at them:
//!
//! ```text
//!  BoRR:               current -> refreshing    told again: current    EoRR: refreshing -> dead
//!  lost, may restart:  current, refreshing -> stale    stale -> dead (or stale: RFC 8538 §4.1)
//!  lost:               all -> dead
//!  not back in time:   stale -> long-lived (RFC 9494 §4.2), which stays so when lost again
//! ```
//!
//! What is dead counts for nothing; its number is free when the sweep has taken its paths out.

use std::collections::VecDeque;

use super::adj_in::{Path, PathCounts};

/// One more than the highest number of an epoch.
pub(super) const NUMBERS: u16 = 1 << 12;
/// Beyond so many with dead paths no refresh begins another: who begins and ends them faster than
/// a table can be walked need not be believed that something is gone.
const DEAD_BY_REFRESH: usize = NUMBERS as usize / 4;
/// Beyond so many the sweep must be through before another session ends.
const DEAD_MOST: usize = NUMBERS as usize - 2 * OLDER_MOST;
/// Epochs with paths that are not the current one.
const OLDER_MOST: usize = 8;

/// The paths of one epoch.
#[derive(Clone, Copy, Debug, Default)]
struct Epoch {
    number: u16,
    counts: PathCounts,
    /// Kept from an earlier session; else it is being told again, or current.
    kept: Option<Kept>,
}

/// How paths of an earlier session are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Until the peer is back (RFC 4724 §4.2).
    Stale,
    /// Longer, as the last resort (RFC 9494 §4.2).
    LongLived,
}

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub(super) struct Epochs {
    current: Epoch,
    /// Others with paths.
    older: Vec<Epoch>,
    /// Numbers of dead paths, and the lap of the sweep after which there are none.
    dead: VecDeque<(u16, u64)>,
}

impl Epochs {
    /// What new paths are marked with.
    pub(super) fn current(&self) -> u16 {
        self.current.number
    }

    pub(super) fn is_live(&self, number: u16) -> bool {
        number == self.current.number || self.older.iter().any(|epoch| epoch.number == number)
    }

    pub(super) fn is_stale(&self, number: u16) -> bool {
        let mut older = self.older.iter();
        older.any(|epoch| epoch.kept.is_some() && epoch.number == number)
    }

    pub(super) fn is_long_lived(&self, number: u16) -> bool {
        let mut older = self.older.iter();
        older.any(|epoch| epoch.kept == Some(Kept::LongLived) && epoch.number == number)
    }

    /// Counts a path in or out. False: it is dead.
    pub(super) fn count(&mut self, path: &Path, add: bool) -> bool {
        let number = path.epoch();
        if number == self.current.number {
            self.current.counts.count(path, add);
            return true;
        }
        let Some(place) = self.older.iter().position(|epoch| epoch.number == number) else {
            return false;
        };
        if let Some(epoch) = self.older.get_mut(place) {
            epoch.counts.count(path, add);
            if epoch.counts.received == 0 {
                self.older.swap_remove(place);
            }
        }
        true
    }

    /// A path has another status now.
    pub(super) fn recount(&mut self, path: &mut Path, status: super::PathStatus) {
        let number = path.epoch();
        let mut epochs = self.older.iter_mut().chain([&mut self.current]);
        if let Some(epoch) = epochs.find(|epoch| epoch.number == number) {
            epoch.counts.count(path, false);
            path.status = status;
            epoch.counts.count(path, true);
        }
    }

    pub(super) fn counts(&self) -> PathCounts {
        let mut sum = self.current.counts;
        for Epoch { counts, kept, .. } in &self.older {
            sum.received += counts.received;
            sum.accepted += counts.accepted;
            sum.used += counts.used;
            sum.stale += kept.map_or(0, |_| counts.received);
            if *kept == Some(Kept::LongLived) {
                sum.long_lived += counts.received;
            }
        }
        sum
    }

    /// The session is over; its paths are kept as stale (RFC 4724 §4.2), or not. `again`: so are
    /// those that were stale already (RFC 8538 §4.1), unless that happens again and again.
    pub(super) fn end_session(&mut self, keep: bool, again: bool, buried_by: u64) {
        let has_room = self.older.len() < OLDER_MOST;
        let stays = |kept: Option<Kept>| match kept {
            Some(Kept::Stale) => again && has_room,
            Some(Kept::LongLived) => has_room,
            None => true,
        };
        self.bury(buried_by, |epoch| !keep || !stays(epoch.kept));
        self.begin();
        for epoch in &mut self.older {
            epoch.kept.get_or_insert(Kept::Stale);
        }
        if !keep {
            self.bury(buried_by, |_| true);
        }
    }

    /// The peer begins to tell everything again (RFC 7313 §4.2).
    pub(super) fn begin_refresh(&mut self) {
        if self.older.len() < OLDER_MOST && self.dead.len() < DEAD_BY_REFRESH {
            self.begin();
        }
    }

    /// What was not told again is dead. Returns how many those are.
    pub(super) fn end_refresh(&mut self, buried_by: u64) -> usize {
        self.bury(buried_by, |epoch| epoch.kept.is_none())
    }

    /// What is kept, or only what is kept so, is dead now. Returns how many those were.
    pub(super) fn flush(&mut self, kept: Option<Kept>, buried_by: u64) -> usize {
        self.bury(buried_by, |epoch| {
            epoch.kept.is_some() && (kept.is_none() || epoch.kept == kept)
        })
    }

    /// What is stale is kept longer. Returns how many those are.
    pub(super) fn begin_long_lived(&mut self) -> usize {
        let mut count = 0;
        for epoch in &mut self.older {
            if epoch.kept == Some(Kept::Stale) {
                epoch.kept = Some(Kept::LongLived);
                count += epoch.counts.received;
            }
        }
        count
    }

    fn bury(&mut self, buried_by: u64, which: impl Fn(&Epoch) -> bool) -> usize {
        let mut buried = 0;
        let dead = &mut self.dead;
        self.older.retain(|epoch| {
            let dies = which(epoch);
            if dies {
                buried += epoch.counts.received;
                dead.push_back((epoch.number, buried_by));
            }
            !dies
        });
        buried
    }

    fn begin(&mut self) {
        if self.current.counts.received == 0 {
            return;
        }
        let last = std::mem::take(&mut self.current);
        self.older.push(last);
        let mut numbers = (1..NUMBERS).map(|step| (last.number + step) % NUMBERS);
        let free = numbers.find(|number| {
            !self.is_live(*number) && self.dead.iter().all(|(dead, _)| dead != number)
        });
        // There is one: both lists are bounded.
        self.current.number = free.unwrap_or(last.number);
    }

    /// Must the sweep be through before another session ends?
    pub(super) fn is_crowded(&self) -> bool {
        self.dead.len() >= DEAD_MOST
    }

    pub(super) fn has_dead(&self) -> bool {
        !self.dead.is_empty()
    }

    /// So many laps of the sweep are through.
    pub(super) fn swept(&mut self, laps: u64) {
        self.dead.retain(|(_, buried_by)| *buried_by > laps);
    }
}
