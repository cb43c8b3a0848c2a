//! Resident memory of each daemon, idle: two sessions are established, and nothing is announced.

use std::time::Duration;

use anyhow::Result;

use super::measure::{self, Memory};
use super::stats::Samples;
use super::subjects::{BIRD, FRR, RCNI, RCNI_WITH_FELIX, Subject};
use super::table::{Table, mebibytes, ratio};

/// After which a daemon is idle.
const SETTLE: Duration = Duration::from_secs(3);

/// The daemons; felix-lite runs beside rcni-bgp.
const SUBJECTS: [&Subject; 4] = [&RCNI, &RCNI_WITH_FELIX, &BIRD, &FRR];

/// Measures one daemon once.
///
/// # Errors
/// It does not come up.
pub fn idle(subject: &Subject) -> Result<Memory> {
    let bench = subject.deploy()?;
    let _sessions = bench.sessions(0)?;
    std::thread::sleep(SETTLE);
    measure::memory(&subject.processes(&bench)?)
}

/// All daemons, interleaved.
///
/// # Errors
/// One does not come up.
pub fn table(repeat: usize) -> Result<Table> {
    let mut runs: [Vec<Memory>; SUBJECTS.len()] = Default::default();
    for _ in 0..repeat {
        for (subject, runs) in SUBJECTS.iter().zip(&mut runs) {
            runs.push(idle(subject)?);
        }
    }
    let median =
        |runs: &[Memory], of: fn(&Memory) -> f64| runs.iter().map(of).collect::<Samples>().median();
    let bird = SUBJECTS
        .iter()
        .position(|subject| subject.name == BIRD.name);
    let bird = bird.and_then(|place| runs.get(place));
    let bird = bird.map_or(0.0, |runs| median(runs, |memory| memory.pss));
    let rows = SUBJECTS.iter().zip(&runs).map(|(subject, runs)| {
        let (rss, pss) = (median(runs, |m| m.rss), median(runs, |m| m.pss));
        let programs = subject.programs.join(" + ");
        vec![programs, mebibytes(rss), mebibytes(pss), ratio(pss, bird)]
    });
    Ok(Table {
        title: "Memory, idle",
        about: format!(
            "Resident (RSS) and proportional (PSS) memory with two established sessions and no \
             routes; median of {repeat}."
        ),
        header: vec!["", "RSS", "PSS", "× BIRD"],
        rows: rows.collect(),
    })
}
