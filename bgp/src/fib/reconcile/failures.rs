//! What the kernel refused: why, and when to try again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::super::Prefix;
use super::Reason;

/// First pause after a refusal; doubled for each further one.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const RETRY_MOST: Duration = Duration::from_secs(60);

struct Failure {
    reason: Reason,
    attempts: u32,
    retry_at: Instant,
}

/// Invariant: what waits for its pause to end is among the failures.
pub(super) struct Failures {
    by_prefix: BTreeMap<Prefix, Failure>,
    retries: BTreeSet<(Instant, Prefix)>,
    jitter: fn(Duration) -> Duration,
}

impl Failures {
    pub(super) fn new(jitter: fn(Duration) -> Duration) -> Self {
        Self {
            by_prefix: BTreeMap::new(),
            retries: BTreeSet::new(),
            jitter,
        }
    }

    /// Once more, or for the first time.
    pub(super) fn add(&mut self, prefix: Prefix, reason: Reason, now: Instant) {
        let attempts = self
            .by_prefix
            .get(&prefix)
            .map_or(0, |failure| failure.attempts);
        let pause = RETRY_FIRST
            .saturating_mul(1 << attempts.min(6))
            .min(RETRY_MOST);
        let retry_at = now + (self.jitter)(pause);
        self.forget(prefix);
        self.retries.insert((retry_at, prefix));
        let failure = Failure {
            reason,
            attempts: attempts + 1,
            retry_at,
        };
        self.by_prefix.insert(prefix, failure);
    }

    pub(super) fn forget(&mut self, prefix: Prefix) {
        if let Some(failure) = self.by_prefix.remove(&prefix) {
            self.retries.remove(&(failure.retry_at, prefix));
        }
    }

    pub(super) fn reason(&self, prefix: Prefix) -> Option<&Reason> {
        self.by_prefix.get(&prefix).map(|failure| &failure.reason)
    }

    pub(super) fn reason_mut(&mut self, prefix: Prefix) -> Option<&mut Reason> {
        let failure = self.by_prefix.get_mut(&prefix);
        failure.map(|failure| &mut failure.reason)
    }

    /// By prefix.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Prefix, &Reason)> {
        let all = self.by_prefix.iter();
        all.map(|(prefix, failure)| (*prefix, &failure.reason))
    }

    /// When the next pause ends.
    pub(super) fn next_retry(&self) -> Option<Instant> {
        self.retries.first().map(|(at, _)| *at)
    }

    /// One whose pause is over; it does not come again, but is known as a failure until forgotten.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Prefix> {
        let (at, prefix) = self.retries.first().copied()?;
        if at > now {
            return None;
        }
        self.retries.pop_first();
        Some(prefix)
    }

    /// The same for all for which `which` holds, whatever is left of their pause.
    pub(super) fn take(&mut self, which: impl Fn(Prefix) -> bool) -> Vec<Prefix> {
        let due = self.retries.extract_if(.., |(_, prefix)| which(*prefix));
        due.map(|(_, prefix)| prefix).collect()
    }
}
