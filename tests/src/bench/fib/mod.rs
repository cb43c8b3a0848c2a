//! Many routes from one peer into the kernel and on to another peer, and away again.
//!
//! ```text
//! feed: all UPDATEs at once --> subject --> kernel    RouteCounter (every 0.5 ms), then fib_triestat
//!    t = 0: before the first byte   '-----> sink      prefixes, when the bytes were there
//! ```
//!
//! For IPv6 `rt6_stats` has the count. `churn` is about single withdrawals while others come and go.

mod churn;
mod floor;
mod observe;
mod report;

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::measure;
use super::peer::session::Identity;
use super::peer::session::Reached;
use super::peer::{Family, Plan, wire};
use super::subjects::{BIRD, FEED, FRR, RCNI, Subject, next_hop};
use observe::Observer;

pub use churn::{Churn, table as churn_table};
pub use floor::floor;
pub use report::{Rows, table};

/// The longest that one direction may take.
const DEADLINE: Duration = Duration::from_secs(180);
/// Between Established and the first route: initial tables and timers of all subjects are done.
const SETTLE: Duration = Duration::from_secs(1);
/// The same where IPv6 routes are counted: link-local addresses, which are routes too, have been
/// found to be unique.
const SETTLE_V6: Duration = Duration::from_secs(3);
/// After a phase: what a subject still does then counts as its CPU time too.
const AFTER: Duration = Duration::from_millis(300);

/// All speakers, the one that ratios refer to in the middle.
pub const SUBJECTS: [&Subject; 3] = [&RCNI, &BIRD, &FRR];

/// What a table has rows for.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Of the routes.
    pub family: Family,
    /// How many.
    pub routes: u32,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = match self.family {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        };
        write!(f, "{} {family}", self.routes)
    }
}

/// The peer that announces routes of a family.
fn feed(family: Family) -> Identity {
    Identity { family, ..FEED }
}

fn settle(family: Family) {
    std::thread::sleep(match family {
        Family::V4 => SETTLE,
        Family::V6 => SETTLE_V6,
    });
}

/// One repetition of one subject.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// From the first byte until all routes are in the kernel.
    pub kernel: Duration,
    /// From the first byte until all prefixes are at the second peer; none for the floor.
    pub passed_on: Option<Duration>,
    /// From the first byte of the withdrawals until all routes are out of the kernel.
    pub kernel_gone: Duration,
    /// The same until all are withdrawn from the second peer.
    pub passed_gone: Option<Duration>,
    /// Peak resident memory, KiB; none for the floor.
    pub peak: Option<f64>,
    /// CPU time for both directions.
    pub cpu: Duration,
}

/// Runs one subject once.
///
/// # Errors
/// It does not come up, or does not do what it should in time.
pub fn run(subject: &Subject, case: Case, per_update: u32) -> Result<Run> {
    let Case { family, routes } = case;
    let plan = Plan {
        routes,
        per_update,
        asn: FEED.asn,
        next_hop: next_hop(feed(family)),
    };
    let (announcements, withdrawals) = (wire::announcements(&plan), wire::withdrawals(&plan));
    let bench = subject.deploy()?;
    let mut observer = Observer::new(bench.dut()?.init().pid, family)?;
    let (feed, sink) = bench.sessions_for(family, routes, routes)?;
    settle(family);
    // Not earlier: a daemon that has just been started still becomes another process.
    let processes = subject.processes(&bench)?;
    let before = measure::cpu(&processes)?;

    let mut phase = |messages: &[u8], there: bool| -> Result<(Duration, Duration)> {
        observer.begin()?;
        let (start, kernel) = std::thread::scope(|scope| {
            let observed = scope.spawn(|| observer.wait(routes, there, DEADLINE));
            let start = feed.write(messages);
            match observed.join() {
                Ok(at) => Ok((start?, at?)),
                Err(_) => bail!("the observer has panicked"),
            }
        })?;
        let sent = match (sink.next(DEADLINE)?, there) {
            (Reached::All(at), true) | (Reached::None(at), false) => at,
            (other, _) => bail!("the second peer saw {other:?}"),
        };
        std::thread::sleep(AFTER);
        Ok((kernel - start, sent - start))
    };
    let (kernel, passed_on) = phase(&announcements, true).context("announcing")?;
    let (kernel_gone, passed_gone) = phase(&withdrawals, false).context("withdrawing")?;
    Ok(Run {
        kernel,
        passed_on: Some(passed_on),
        kernel_gone,
        passed_gone: Some(passed_gone),
        peak: Some(measure::peak(&processes)?),
        cpu: measure::cpu(&processes)?.saturating_sub(before),
    })
}

/// Time since `start`, for what is observed later than it happened.
fn since(start: Instant, at: Instant) -> Duration {
    at.saturating_duration_since(start)
}
