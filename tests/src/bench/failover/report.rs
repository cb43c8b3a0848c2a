//! The table.

use super::super::stats::Samples;
use super::super::table::{NONE, Table};
use super::{Event, Results, Sample, Setup, Speaker};

/// A row for what happens with so many routes, both speakers beside each other.
#[must_use]
pub fn table(results: &Results) -> Table {
    let mut rows: Vec<(Event, bool, u32)> = results
        .rows()
        .iter()
        .map(|(setup, event)| (*event, setup.bfd, setup.routes))
        .collect();
    rows.sort_by_key(|(event, bfd, routes)| (*event, !bfd, *routes));
    rows.dedup();
    let repeat = |(event, bfd, routes): &(Event, bool, u32)| {
        Speaker::ALL.map(|speaker| {
            let setup = Setup {
                speaker,
                bfd: *bfd,
                routes: *routes,
            };
            results.of(setup, *event).len()
        })
    };
    let most = rows.iter().flat_map(repeat).max().unwrap_or(0);
    Table {
        title: "Failover",
        about: format!(
            "Packets lost of 1,000 a second each way between pods on two nodes with two ToRs each (FRR 8.4): median \
             (worst) of {most}; BFD is 3 times 100 ms, the hold time 9 s. *From* and *to* node1, where it \
             happens; *back*: both, when it is undone; *held*: how often a connection from a pod to the outside went on."
        ),
        header: vec![
            "",
            "rcni-bgp: from",
            "to",
            "back",
            "held",
            "BIRD: from",
            "to",
            "back",
            "held",
        ],
        rows: rows.into_iter().map(|row| line(results, row)).collect(),
    }
}

fn line(results: &Results, (event, bfd, routes): (Event, bool, u32)) -> Vec<String> {
    let without = if bfd { "" } else { ", without BFD" };
    let mut cells = vec![format!("{}{without}, {routes} routes", event.name())];
    for speaker in Speaker::ALL {
        let setup = Setup {
            speaker,
            bfd,
            routes,
        };
        cells.extend(four(&results.of(setup, event)));
    }
    cells
}

fn four(samples: &[Sample]) -> [String; 4] {
    if samples.is_empty() {
        return [NONE; 4].map(str::to_owned);
    }
    let held = samples.iter().filter(|sample| sample.held).count();
    [
        both(samples, |sample| sample.from_node),
        both(samples, |sample| sample.to_node),
        both(samples, |sample| sample.back),
        format!("{held} of {}", samples.len()),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "packets of some seconds")]
fn both(samples: &[Sample], of: impl Fn(&Sample) -> u64) -> String {
    let samples: Samples = samples.iter().map(|sample| of(sample) as f64).collect();
    format!("{} ({})", samples.median(), samples.worst())
}
