//! What a session notices of what others do: how late its KEEPALIVEs are while a speaker takes a
//! million routes and loses them, while a peer reads slowly or never, and while strangers knock.
//!
//! ```text
//!  feed, knockers --- dut --- sink (reads all, slowly, or nothing)
//!                       '---- observer: hold time 3 s, so a KEEPALIVE is due every second; nothing
//!                             else is said to it
//! ```

mod peers;
mod report;
mod scenario;

use std::time::Duration;

use anyhow::{Context, Result};

use super::measure;
use super::peer::session::Identity;
use super::subjects::{RCNI, Subject};

pub use report::table;
pub use scenario::Scenario;

/// Who only listens, in the sink's node.
const OBSERVER: Identity = Identity {
    asn: 65030,
    address: std::net::Ipv4Addr::new(10, 99, 2, 3),
    family: super::peer::Family::V4,
};

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Routes of the one peer that has many.
    pub many: u32,
    /// Routes where a peer does not read.
    pub routes: u32,
    /// How long floods last, and how long nothing happens.
    pub time: Duration,
    /// Connection attempts a second.
    pub rate: u32,
}

/// What one scenario did to one subject.
#[derive(Clone, Debug)]
pub struct Run {
    /// From one KEEPALIVE at the observer to the next, at most.
    pub gap: Duration,
    /// Peak resident memory, KiB.
    pub peak: f64,
    /// What else there is to say.
    pub note: String,
}

/// Runs one scenario with one subject.
///
/// # Errors
/// It does not come up, or loses the observer's session.
pub fn run(subject: &Subject, scenario: Scenario, scale: Scale) -> Result<Run> {
    let bench = subject.deploy()?;
    bench.add_address("sink", OBSERVER.address)?;
    let watch = peers::Watch::begin(&bench, OBSERVER)?;
    let mut note = scenario
        .play(&bench, scale)
        .with_context(|| format!("{}: {scenario}", subject.name))?;
    if subject.name == RCNI.name
        && let Some(more) = scenario::counters(&bench)
    {
        note = [note, more].join("; ").trim_start_matches("; ").to_owned();
    }
    let gap = watch
        .end()
        .with_context(|| format!("{}: the observer in {scenario}", subject.name))?;
    let peak = measure::peak(&subject.processes(&bench)?)?;
    Ok(Run { gap, peak, note })
}
