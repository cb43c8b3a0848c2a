//! What is true of the node, as the last pass found it.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rcni_config::Cidr;
use rcni_control::health::Check;

use super::explain::{Explanation, explain};
use super::model::{Status, VERSION};
use crate::agent::Pass;
use crate::table::model::RuleSet;

/// A pass takes a second on a node with many rules; who has not ended one for so long beyond the interval
/// hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Shared between the agent and who asks; a clone is the same.
#[derive(Clone, Debug)]
pub struct Told(Arc<Mutex<Known>>);

/// What never changes while the agent runs.
#[derive(Clone, Debug, Default)]
pub struct Fixed {
    /// The node's own.
    pub pod_cidrs: Vec<Cidr>,
    /// The network configuration's path.
    pub conflist: String,
    /// How often everything is looked at.
    pub refresh: Duration,
}

#[derive(Debug)]
struct Known {
    fixed: Fixed,
    started: Instant,
    passes: u64,
    last_pass: Option<Instant>,
    /// Since when all passes were without failures.
    ready_since: Option<Instant>,
    failures: Vec<(&'static str, String)>,
    failed_passes: u64,
    repaired: u64,
    notes: Vec<String>,
    /// As they should be.
    rules: Vec<RuleSet>,
}

impl Told {
    /// Before the first pass.
    #[must_use]
    pub fn new(fixed: Fixed, now: Instant) -> Self {
        Self(Arc::new(Mutex::new(Known {
            fixed,
            started: now,
            passes: 0,
            last_pass: None,
            ready_since: None,
            failures: Vec::new(),
            failed_passes: 0,
            repaired: 0,
            notes: Vec::new(),
            rules: Vec::new(),
        })))
    }

    /// A pass has ended. What the passes before the node was ready have changed is no repair.
    pub fn passed(&self, pass: &Pass, notes: Vec<String>, rules: &[RuleSet], now: Instant) {
        let mut known = self.lock();
        if known.rules != rules {
            known.rules = rules.to_vec();
        }
        known.passes += 1;
        known.last_pass = Some(now);
        if known.ready_since.is_some() {
            known.repaired += pass.repaired.len() as u64;
        }
        let failures = pass.failures.iter();
        known.failures = failures
            .map(|failure| (failure.part(), failure.to_string()))
            .collect();
        known.notes = notes;
        if pass.is_ready() {
            known.ready_since.get_or_insert(now);
        } else {
            known.failed_passes += 1;
            known.ready_since = None;
        }
    }

    /// All of it.
    #[must_use]
    pub fn status(&self, now: Instant) -> Status {
        let known = self.lock();
        let ago = |at: Instant| now.saturating_duration_since(at).as_secs();
        let late = known.late(now);
        Status {
            version: VERSION,
            pid: std::process::id(),
            uptime_seconds: ago(known.started),
            ready: known.ready_since.is_some() && late.is_none(),
            ready_since_seconds: known.ready_since.map(ago),
            last_check_seconds: known.last_pass.map(ago),
            checks: known.passes,
            failed_checks: known.failed_passes,
            repaired: known.repaired,
            failures: known
                .failures
                .iter()
                .map(|(_, text)| text.clone())
                .chain(late)
                .collect(),
            notes: known.notes.clone(),
            pod_cidrs: known
                .fixed
                .pod_cidrs
                .iter()
                .map(ToString::to_string)
                .collect(),
            conflist: known.fixed.conflist.clone(),
        }
    }

    /// What must be as it should for the node to be used, part by part.
    #[must_use]
    pub fn checks(&self, now: Instant) -> Vec<Check> {
        let known = self.lock();
        let of = |part: &'static str| {
            let mut failed = known.failures.iter().filter(|(failed, _)| *failed == part);
            match failed.next() {
                Some((_, text)) => Err(text.clone()),
                None if known.last_pass.is_none() => Err("not looked at yet".to_owned()),
                None if part == "conflist" && !known.failures.is_empty() => {
                    Err("waits for the others".to_owned())
                }
                None => Ok(()),
            }
        };
        let parts = ["settings", "routes", "rules", "conflist"];
        let mut checks: Vec<Check> = parts.map(|part| Check::new(part, of(part))).into();
        checks.push(Check::new("agent", known.late(now).map_or(Ok(()), Err)));
        checks
    }

    /// What rules do with packets from and to an address.
    #[must_use]
    pub fn explain(&self, address: IpAddr, now: Instant) -> Explanation {
        let known = self.lock();
        let failures = known.failures.iter().map(|(_, text)| text.clone());
        let failures = failures.chain(known.late(now)).collect();
        explain(address, &known.fixed.pod_cidrs, &known.rules, failures)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // What is done under the lock cannot panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Nobody looks at the node any more.
    fn late(&self, now: Instant) -> Option<String> {
        let since = self.last_pass.unwrap_or(self.started);
        let silent = now.saturating_duration_since(since);
        (silent > self.fixed.refresh + PATIENCE).then(|| {
            let (secs, refresh) = (silent.as_secs(), self.fixed.refresh.as_secs());
            format!("nothing was looked at for {secs} s, and it should be every {refresh} s")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::StepError;
    use crate::table::apply::TableError;

    fn pass(repaired: &[&str], failed: bool) -> Pass {
        let failure = || StepError::Rules(TableError::NotHeld("FORWARD".to_owned()));
        Pass {
            repaired: repaired.iter().map(|&what| what.to_owned()).collect(),
            failures: failed.then(failure).into_iter().collect(),
        }
    }

    fn failed(told: &Told, now: Instant) -> Vec<String> {
        let checks = told.checks(now).into_iter();
        checks
            .filter(|check| check.failure.is_some())
            .map(|check| check.name)
            .collect()
    }

    #[test]
    fn ready_is_what_is_true_now() {
        let start = Instant::now();
        let fixed = Fixed {
            refresh: Duration::from_secs(30),
            ..Fixed::default()
        };
        let told = Told::new(fixed, start);
        assert_eq!(
            failed(&told, start),
            ["settings", "routes", "rules", "conflist"]
        );
        told.passed(&pass(&["made"], false), vec![], &[], start);
        assert_eq!(failed(&told, start), [""; 0]);
        let status = told.status(start);
        assert!(status.ready && status.repaired == 0, "{status:?}");

        // Somebody flushes the rules, and they cannot be put back.
        told.passed(&pass(&["FORWARD"], true), vec![], &[], start);
        assert_eq!(failed(&told, start), ["rules", "conflist"]);
        let status = told.status(start);
        assert!(!status.ready && status.failures.len() == 1, "{status:?}");
        assert_eq!((status.repaired, status.failed_checks), (1, 1));

        told.passed(&pass(&[], false), vec![], &[], start);
        assert!(told.status(start).ready);
        // It hangs.
        let later = start + Duration::from_secs(61);
        assert_eq!(failed(&told, later), ["agent"]);
        assert!(!told.status(later).ready);
    }
}
