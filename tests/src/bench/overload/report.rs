//! All scenarios as a table.

use anyhow::Result;

use super::scenario::ALL;
use super::{Scale, run};
use crate::bench::subjects::{BIRD_OVERLOADED, RCNI_OVERLOADED};
use crate::bench::table::{Table, mebibytes};

/// Each scenario with each subject, once.
///
/// # Errors
/// A subject does not come up, or loses the observer's session.
pub fn table(scale: Scale, progress: &dyn Fn(&str)) -> Result<Table> {
    let mut rows = Vec::new();
    for scenario in ALL {
        for subject in [&RCNI_OVERLOADED, &BIRD_OVERLOADED] {
            if subject.name != RCNI_OVERLOADED.name && !scenario.suits_all() {
                continue;
            }
            progress(&format!("overload: {scenario}, {}", subject.name));
            let (gap, peak, note) = match run(subject, scenario, scale) {
                Ok(run) => (
                    format!("{:.2} s", run.gap.as_secs_f64()),
                    mebibytes(run.peak),
                    run.note,
                ),
                // A peer that loses the observer is a result; rcni must not.
                Err(error) if subject.name != RCNI_OVERLOADED.name => (
                    "session lost".to_owned(),
                    "–".to_owned(),
                    format!("{error:#}"),
                ),
                Err(error) => return Err(error),
            };
            let name = format!("{scenario}: {}", subject.name);
            rows.push(vec![name, gap, peak, note]);
        }
    }
    Ok(Table {
        title: "Overload",
        about: format!(
            "What an uninvolved session notices: the longest time between two KEEPALIVEs of which one \
             is due every second (hold time 3 s, which ends the session), while another peer sends {} \
             routes and is lost, routes come and all threads but those of the sessions are stopped for \
             5 s (kernel blocked), one reads slowly (100 kB/s) or never while {} routes change all the \
             time, and {} connections a second come from strangers or say nothing, for {} s.",
            scale.many,
            scale.routes,
            scale.rate,
            scale.time.as_secs()
        ),
        header: vec!["", "longest gap", "peak memory", "what happened"],
        rows,
    })
}
