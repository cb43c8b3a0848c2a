//! What is lost when something fails: packets between pods, and a connection from a pod to the outside.
//!
//! ```text
//!   fabric: tests/topologies/failover, with or without BFD, rcni-bgp or BIRD on the nodes, few or many routes
//!      | traffic: 1,000 packets a second each way between two pods, and a connection, all the time
//!      v
//!   event: it happens  ...  it is undone  ...  the fabric is whole again
//!          |--- lost ---|   |------ lost as it comes back ------|
//! ```
//!
//! A packet counts by the time at which it was sent. Every repetition is a line in a file, so that a run that
//! was interrupted goes on where it was.

mod event;
mod fabric;
mod plot;
mod report;
mod results;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

pub use event::Event;
pub use report::table;
pub use results::{Key, Results, Sample};

use fabric::Fabric;

/// The speaker on the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// `rcni-bgp`.
    Rcni,
    /// BIRD 2 in its place; felix-lite and the plugin are the same.
    Bird,
}

impl Speaker {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Rcni, Self::Bird];

    /// As other parts call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rcni => "rcni-bgp",
            Self::Bird => "BIRD",
        }
    }
}

/// A fabric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Setup {
    /// On the nodes.
    pub speaker: Speaker,
    /// Between all neighbours.
    pub bfd: bool,
    /// From the core.
    pub routes: u32,
}

/// How much.
#[derive(Clone, Debug)]
pub struct Scale {
    /// From the core, a fabric each.
    pub routes: Vec<u32>,
    /// Of each event.
    pub repeat: usize,
    /// On the nodes.
    pub speakers: Vec<Speaker>,
    /// Where repetitions are kept; none: nowhere.
    pub kept: Option<PathBuf>,
    /// Where the picture goes.
    pub plot: Option<PathBuf>,
}

/// After an event, until what it does to traffic has shown, beyond what is waited for.
const SETTLE: Duration = Duration::from_secs(1);

/// Measures what is not in the file yet.
///
/// # Errors
/// A fabric does not come up, or does not recover.
pub fn run(scale: &Scale, say: &dyn Fn(&str)) -> Result<Results> {
    let mut results = Results::open(scale.kept.as_deref(), &super::machine::describe()?)?;
    for routes in &scale.routes {
        for speaker in &scale.speakers {
            for bfd in [true, false] {
                let setup = Setup {
                    speaker: *speaker,
                    bfd,
                    routes: *routes,
                };
                one_setup(setup, scale.repeat, &mut results, say)
                    .with_context(|| format!("{setup:?}"))?;
            }
        }
    }
    if let Some(path) = &scale.plot {
        std::fs::write(path, plot::svg(&results)).with_context(|| path.display().to_string())?;
    }
    Ok(results)
}

fn one_setup(setup: Setup, repeat: usize, results: &mut Results, say: &dyn Fn(&str)) -> Result<()> {
    let wanted: Vec<Key> = (0..repeat)
        .flat_map(|repetition| {
            Event::of(setup).map(move |event| Key {
                setup,
                event,
                repetition,
            })
        })
        .filter(|key| !results.has(key))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    say(&format!("failover: {setup:?}, {} events", wanted.len()));
    let fabric = Fabric::deploy(setup)?;
    let traffic = fabric.traffic()?;
    for key in wanted {
        let sample = fabric
            .measure(key.event, &traffic)
            .inspect_err(|_| say(&fabric.report()))
            .with_context(|| key.event.name())?;
        say(&format!("failover: {} {sample:?}", key.event.name()));
        results.add(key, sample)?;
    }
    Ok(())
}
