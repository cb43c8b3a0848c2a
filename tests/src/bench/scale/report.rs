//! All scenarios as a table.

use anyhow::Result;

use super::{Run, Scale, Scenario, run};
use crate::bench::stats::Samples;
use crate::bench::subjects::{
    BIRD, BIRD_FEEDS, BIRD_REFLECTOR, GOBGP_FEEDS, GOBGP_REFLECTOR, RCNI_FEEDS, RCNI_REFLECTOR,
    Subject,
};
use crate::bench::table::{NONE, Table, mebibytes, median_and_worst, ratio};

/// The speaker that is in no other part.
pub const ALONE: &str = "GoBGP";

impl Scenario {
    fn subjects(self) -> [&'static Subject; 3] {
        match self {
            Self::OnePeer | Self::FewPaths | Self::TwoPeers => {
                [&RCNI_FEEDS, &BIRD_FEEDS, &GOBGP_FEEDS]
            }
            Self::Reflector => [&RCNI_REFLECTOR, &BIRD_REFLECTOR, &GOBGP_REFLECTOR],
        }
    }
}

/// Each scenario with each subject, `repeat` times in turn.
///
/// # Errors
/// A subject does not do what it should.
pub fn table(
    scale: &Scale,
    repeat: usize,
    wanted: &dyn Fn(&str) -> bool,
    progress: &dyn Fn(&str),
) -> Result<Table> {
    let mut rows = Vec::new();
    for scenario in &scale.scenarios {
        let subjects = scenario.subjects();
        let mut runs: [Vec<Run>; 3] = Default::default();
        for number in 1..=repeat {
            for (subject, runs) in subjects.iter().zip(&mut runs) {
                if wanted(subject.name) {
                    progress(&format!(
                        "scale: {scenario}, {}, {number} of {repeat}",
                        subject.name
                    ));
                    match run(subject, *scenario, scale) {
                        Ok(done) => {
                            progress(&format!("{done:.2?}"));
                            runs.push(done);
                        }
                        // That another cannot do it is a result; rcni must.
                        Err(error) if subject.name != RCNI_FEEDS.name => {
                            progress(&format!("{error:#}"));
                            break;
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        let bird = subjects.iter().position(|one| one.name == BIRD.name);
        let bird = bird.and_then(|place| runs.get(place)).cloned();
        let bird = bird.unwrap_or_default();
        for (subject, runs) in subjects.iter().zip(&runs) {
            if wanted(subject.name) {
                rows.push(row(format!("{scenario}: {}", subject.name), runs, &bird));
            }
        }
    }
    let Scale {
        routes, clients, ..
    } = scale;
    Ok(Table {
        title: "Scale",
        about: format!(
            "No speaker writes to the kernel. One peer: {routes} IPv4 routes, 4 an UPDATE with \
             attributes of their own, until the last one is at a second peer. Few attributes: 500 an \
             UPDATE. Two peers: both tell the same prefixes, with paths of their own. Reflector: {clients} internal clients with \
             a prefix each, until every one has those of all others. Median (worst) of {repeat}, × is \
             the ratio of medians to BIRD; memory is resident memory when it is idle again. – is what was not done within two minutes."
        ),
        header: vec![
            "",
            "everything told",
            "×",
            "CPU time",
            "×",
            "memory",
            "×",
            "peak memory",
            "×",
        ],
        rows,
    })
}

fn row(name: String, runs: &[Run], bird: &[Run]) -> Vec<String> {
    type Field = fn(&Run) -> f64;
    let samples = |runs: &[Run], field: Field| runs.iter().map(field).collect::<Samples>();
    if runs.is_empty() {
        let cells = std::iter::repeat_n(NONE.to_owned(), 8);
        return std::iter::once(name).chain(cells).collect();
    }
    let against =
        |field: Field| ratio(samples(runs, field).median(), samples(bird, field).median());
    let time: Field = |run| run.time.as_secs_f64();
    let cpu: Field = |run| run.cpu.as_secs_f64();
    let (memory, peak): (Field, Field) = (|run| run.memory, |run| run.peak);
    vec![
        name,
        median_and_worst(&samples(runs, time)),
        against(time),
        median_and_worst(&samples(runs, cpu)),
        against(cpu),
        mebibytes(samples(runs, memory).median()),
        against(memory),
        mebibytes(samples(runs, peak).median()),
        against(peak),
    ]
}
