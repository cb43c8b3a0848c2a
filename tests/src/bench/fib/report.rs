//! All repetitions as a table.

use std::fmt;

use anyhow::Result;

use super::{Case, Run, SUBJECTS, floor, run};
use crate::bench::stats::Samples;
use crate::bench::subjects::{BIRD, FRR, Subject};
use crate::bench::table::{NONE, Table, mebibytes, median_and_worst, ratio};

/// Prefixes that share an UPDATE.
const PER_UPDATE: u32 = 4;

/// Takes a minute for a million routes.
const SLOWEST: &Subject = &FRR;

/// How often a case is repeated.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// What is done.
    pub case: Case,
    /// How often.
    pub repeat: usize,
    /// How often with the subject that takes longest.
    pub slowest: usize,
}

/// The floor and all wanted subjects, each case in turn.
///
/// # Errors
/// A subject does not do what it should.
pub fn table(
    cases: &[Rows],
    wanted: &dyn Fn(&str) -> bool,
    progress: &dyn Fn(&str),
) -> Result<Table> {
    let mut rows = Vec::new();
    for case in cases {
        rows.extend(rows_of(*case, wanted, progress)?);
    }
    let often: Vec<String> = cases.iter().map(ToString::to_string).collect();
    Ok(Table {
        title: "Routes",
        about: format!(
            "{PER_UPDATE} an UPDATE with attributes of their own, from one peer to the kernel and on \
             to a second peer, then their withdrawal, from the first byte on; median (worst) of {}; × \
             is the ratio of medians to BIRD. Floor: the same routes as prepared netlink batches.",
            often.join(", ")
        ),
        header: vec![
            "",
            "in the kernel",
            "×",
            "× floor",
            "at the second peer",
            "×",
            "out of the kernel",
            "×",
            "withdrawn there",
            "×",
            "peak memory",
            "×",
            "CPU time",
        ],
        rows,
    })
}

impl fmt::Display for Rows {
    /// How often what was repeated.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            case,
            repeat,
            slowest,
        } = self;
        write!(f, "{repeat} with {case}")?;
        if slowest != repeat {
            write!(f, " ({slowest} with {})", SLOWEST.name)?;
        }
        Ok(())
    }
}

fn rows_of(
    rows: Rows,
    wanted: &dyn Fn(&str) -> bool,
    progress: &dyn Fn(&str),
) -> Result<Vec<Vec<String>>> {
    let Rows {
        case,
        repeat,
        slowest,
    } = rows;
    let mut floors = Vec::new();
    let mut runs: [Vec<Run>; SUBJECTS.len()] = Default::default();
    for number in 1..=repeat {
        progress(&format!("routes: {case}, {number} of {repeat}"));
        floors.push(floor(case)?);
        for (subject, runs) in SUBJECTS.iter().zip(&mut runs) {
            if wanted(subject.name) && (number <= slowest || subject.name != SLOWEST.name) {
                runs.push(run(subject, case, PER_UPDATE)?);
            }
        }
    }
    let bird = SUBJECTS.iter().position(|one| one.name == BIRD.name);
    let bird = bird.and_then(|place| runs.get(place)).cloned();
    let bird = bird.unwrap_or_default();
    let named = |name: &str| format!("{case}: {name}");
    let mut rows: Vec<_> = SUBJECTS
        .iter()
        .zip(&runs)
        .filter(|(_, runs)| !runs.is_empty())
        .map(|(subject, runs)| row(named(subject.name), runs, &bird, &floors))
        .collect();
    rows.push(row(named("kernel's floor"), &floors, &bird, &floors));
    Ok(rows)
}

type Field = fn(&Run) -> Option<f64>;

fn samples(runs: &[Run], field: Field) -> Samples {
    runs.iter().filter_map(field).collect()
}

fn row(name: String, runs: &[Run], bird: &[Run], floors: &[Run]) -> Vec<String> {
    let in_kernel: Field = |run| Some(run.kernel.as_secs_f64());
    let passed_on: Field = |run| Some(run.passed_on?.as_secs_f64());
    let out_of_kernel: Field = |run| Some(run.kernel_gone.as_secs_f64());
    let withdrawn: Field = |run| Some(run.passed_gone?.as_secs_f64());
    let peak: Field = |run| run.peak;
    let cpu: Field = |run| Some(run.cpu.as_secs_f64());
    let against = |others: &[Run], field: Field| {
        let (own, other) = (samples(runs, field), samples(others, field));
        ratio(own.median(), other.median())
    };
    let memory = samples(runs, peak);
    let memory = if memory.is_empty() {
        NONE.to_owned()
    } else {
        mebibytes(memory.median())
    };
    vec![
        name,
        median_and_worst(&samples(runs, in_kernel)),
        against(bird, in_kernel),
        against(floors, in_kernel),
        median_and_worst(&samples(runs, passed_on)),
        against(bird, passed_on),
        median_and_worst(&samples(runs, out_of_kernel)),
        against(bird, out_of_kernel),
        median_and_worst(&samples(runs, withdrawn)),
        against(bird, withdrawn),
        memory,
        against(bird, peak),
        median_and_worst(&samples(runs, cpu)),
    ]
}
