//! All times as two tables.

use std::collections::BTreeMap;

use super::{CONTENDERS, Contender, Scale, Times};
use crate::bench::table::{Table, ratio, time};

/// What [`super::run`] measured: one after the other, and in parallel.
#[must_use]
pub fn tables(scale: Scale, times: &BTreeMap<Contender, Times>) -> [Table; 2] {
    let of = |contender: Contender| times.get(&contender).cloned().unwrap_or_default();
    let (ptp, floor) = (of(Contender::Ptp), of(Contender::Floor));
    let serial = |contender: Contender| {
        let own = of(contender);
        let mut row = vec![contender.name().to_owned()];
        for (own, ptp, floor) in [
            (&own.add, &ptp.add, &floor.add),
            (&own.del, &ptp.del, &floor.del),
        ] {
            let [own, ptp, floor] = [own, ptp, floor].map(|values| Times::samples(values));
            row.push(time(own.median()));
            row.push(time(own.percentile(99)));
            row.push(ratio(own.median(), ptp.median()));
            row.push(ratio(own.median(), floor.median()));
        }
        row
    };
    let parallel = |contender: Contender| {
        let own = of(contender);
        let mut row = vec![contender.name().to_owned()];
        for (own, ptp, floor) in [
            (&own.add_rate, &ptp.add_rate, &floor.add_rate),
            (&own.del_rate, &ptp.del_rate, &floor.del_rate),
        ] {
            let [own, ptp, floor] = [own, ptp, floor].map(|values| Times::samples(values).median());
            row.push(format!("{own:.0}/s"));
            row.push(ratio(own, ptp));
            row.push(ratio(own, floor));
        }
        row
    };
    let Scale {
        pods,
        parallel: at_once,
        rounds,
    } = scale;
    [
        Table {
            title: "Pods, one after the other",
            about: format!(
                "{pods} pods each, in turn, from before the spawn to after the wait; median and 99th \
                 percentile, × is the ratio of medians to ptp. The kernel's floor makes the same \
                 objects without a process."
            ),
            header: vec![
                "", "ADD", "p99", "×", "× floor", "DEL", "p99", "×", "× floor",
            ],
            rows: CONTENDERS.into_iter().map(serial).collect(),
        },
        Table {
            title: "Pods, in parallel",
            about: format!(
                "{pods} pods each, {at_once} at once; median of {rounds} rounds (more is better)."
            ),
            header: vec!["", "ADD", "×", "× floor", "DEL", "×", "× floor"],
            rows: CONTENDERS.into_iter().map(parallel).collect(),
        },
    ]
}
