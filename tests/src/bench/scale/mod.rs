//! Large tables and many peers: what the core costs without the kernel.
//!
//! ```text
//!  feed, second --- dut --- sink        a million prefixes from one peer, or the same from two
//!  500 clients ---- dut                 a route reflector: each client has one prefix and gets all
//!                                       the others'
//! ```

mod report;
mod scenario;

use std::time::Duration;

use anyhow::{Context, Result};

use super::measure;
use super::subjects::Subject;

pub use report::{ALONE, table};
pub use scenario::{ALL, Scenario};

/// After a phase: what a subject still does then counts as its CPU time too.
const AFTER: Duration = Duration::from_secs(2);

/// How much of it.
#[derive(Clone, Debug)]
pub struct Scale {
    /// Prefixes of each peer.
    pub routes: u32,
    /// Clients of the route reflector.
    pub clients: u32,
    /// What is done.
    pub scenarios: Vec<Scenario>,
}

/// What one scenario cost one subject.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// From the first byte until everybody has everything.
    pub time: Duration,
    /// CPU time until then, and what came after.
    pub cpu: Duration,
    /// Resident memory when it is idle again, KiB.
    pub memory: f64,
    /// The most there was until then, KiB.
    pub peak: f64,
}

/// Runs one scenario with one subject.
///
/// # Errors
/// It does not come up, or does not do what it should in time.
pub fn run(subject: &Subject, scenario: Scenario, scale: &Scale) -> Result<Run> {
    let bench = subject.deploy()?;
    let mut players = scenario
        .enter(&bench, scale)
        .with_context(|| format!("{}: {scenario}\n{}", subject.name, bench.report()))?;
    let processes = subject.processes(&bench)?;
    let before = measure::cpu(&processes)?;
    let time = players
        .play()
        .with_context(|| format!("{}: {scenario}\n{}", subject.name, bench.report()))?;
    std::thread::sleep(AFTER);
    Ok(Run {
        time,
        cpu: measure::cpu(&processes)?.saturating_sub(before),
        memory: measure::memory(&processes)?.rss,
        peak: measure::peak(&processes)?,
    })
}
