//! When the next pass is: after an event soon, after a failure later and later, else periodically.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::time::Instant;

use crate::agent::Pass;

/// Between an event and the check, so that a burst of changes is one check.
const SETTLE: Duration = Duration::from_millis(100);
/// The first wait after a failure; doubled each time.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest wait after failures.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// So many repairs in [`WAR_WINDOW`] are a fight with another program, which nobody wins: then
/// only the periodic check repairs, until it has calmed down.
const WAR_REPAIRS: usize = 30;
/// See [`WAR_REPAIRS`].
const WAR_WINDOW: Duration = Duration::from_secs(60);

/// When the next pass is.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// The next pass.
    pub(crate) next: Instant,
    refresh: Duration,
    failures: u32,
    repairs: VecDeque<Instant>,
    /// `None`: there was no pass yet.
    reported: Option<Vec<String>>,
}

impl Schedule {
    pub(crate) fn new(refresh: Duration) -> Self {
        Self {
            next: Instant::now(),
            refresh,
            failures: 0,
            repairs: VecDeque::new(),
            reported: None,
        }
    }

    /// Logs what has changed about failures since the last pass.
    pub(crate) fn report(&mut self, pass: &Pass) {
        let failed: Vec<String> = pass.failures.iter().map(ToString::to_string).collect();
        if self.reported.as_ref() == Some(&failed) {
            return;
        }
        for what in &failed {
            tracing::error!("{what}");
        }
        if failed.is_empty() {
            tracing::info!("node ready");
        }
        self.reported = Some(failed);
    }

    /// Plans the next pass after this one.
    pub(crate) fn after(&mut self, pass: &Pass, now: Instant) {
        if !pass.repaired.is_empty() {
            self.repairs.push_back(now);
            if self.repairs.len() > WAR_REPAIRS {
                self.repairs.pop_front();
            }
        }
        if pass.failures.is_empty() {
            self.failures = 0;
            self.next = now + self.refresh;
        } else {
            let wait = RETRY_FIRST.saturating_mul(1 << self.failures.min(5));
            self.failures += 1;
            self.next = now + jittered(wait.min(RETRY_MAX)).min(self.refresh.max(RETRY_FIRST));
        }
    }

    /// Somebody changed something: look soon, unless this goes on and on.
    pub(crate) fn event(&mut self, now: Instant) {
        let oldest = self.repairs.front();
        let at_war = self.repairs.len() == WAR_REPAIRS
            && oldest.is_some_and(|oldest| now.duration_since(*oldest) < WAR_WINDOW);
        if at_war {
            return;
        }
        self.next = self.next.min(now + SETTLE);
    }
}

/// Between three quarters and all of `wait`.
fn jittered(wait: Duration) -> Duration {
    // A hasher of the standard library starts from random numbers.
    let random = RandomState::new().hash_one(0_u8) % 256;
    wait * 3 / 4 + wait / 4 * u32::try_from(random).unwrap_or(0) / 256
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::StepError;
    use crate::table::apply::TableError;

    fn repaired() -> Pass {
        Pass {
            repaired: vec!["x".to_owned()],
            failures: Vec::new(),
        }
    }

    fn failed() -> Pass {
        Pass {
            repaired: Vec::new(),
            failures: vec![StepError::Rules(TableError::NotHeld("x".to_owned()))],
        }
    }

    #[test]
    fn an_event_is_looked_at_soon_and_not_in_a_war() {
        let start = Instant::now();
        let mut schedule = Schedule::new(Duration::from_secs(30));
        for number in 0..WAR_REPAIRS {
            schedule.event(start);
            assert!(schedule.next <= start + SETTLE, "repair {number}");
            schedule.after(&repaired(), start);
        }
        schedule.event(start);
        assert_eq!(schedule.next, start + Duration::from_secs(30));
        schedule.event(start + WAR_WINDOW);
        assert_eq!(schedule.next, start + Duration::from_secs(30));
        schedule.after(&Pass::default(), start + WAR_WINDOW);
        schedule.event(start + WAR_WINDOW);
        assert_eq!(schedule.next, start + WAR_WINDOW + SETTLE);
    }

    #[test]
    fn failures_are_retried_later_and_later_but_not_later_than_the_refresh() {
        let start = Instant::now();
        let mut schedule = Schedule::new(Duration::from_secs(20));
        let mut before = Duration::ZERO;
        for _ in 0..4 {
            schedule.after(&failed(), start);
            let wait = schedule.next - start;
            assert!(wait > before, "{wait:?} after {before:?}");
            before = wait;
        }
        for _ in 0..40 {
            schedule.after(&failed(), start);
            assert!(schedule.next - start <= Duration::from_secs(20));
        }
        schedule.after(&Pass::default(), start);
        schedule.after(&failed(), start);
        assert!(schedule.next - start <= RETRY_FIRST);
    }
}
