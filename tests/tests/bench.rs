//! The comparison benchmarks with small numbers: that they still work, not how fast anything is.

use anyhow::{Context, Result, ensure};
use rcni_tests::bench::cli::{Part, measure, quick};
use rcni_tests::bench::table::{NONE, Table};

fn tables(part: Part) -> Result<Vec<Table>> {
    measure(part, &quick(), &|_| ())
}

/// The cells of a row, without its name.
fn row<'t>(table: &'t Table, name: &str) -> Result<&'t [String]> {
    let row = table
        .rows
        .iter()
        .find(|row| row.first().is_some_and(|cell| cell == name));
    let row = row.with_context(|| format!("no row {name}:\n{table}"))?;
    ensure!(
        row.len() == table.header.len(),
        "cells are missing:\n{table}"
    );
    Ok(&row[1..])
}

/// Every cell of the row is a number that is not 0.
fn ensure_measured(table: &Table, name: &str) -> Result<()> {
    for cell in row(table, name)? {
        let number: String = cell
            .chars()
            .take_while(|c| c.is_ascii_digit() || *c == '.')
            .collect();
        let number: f64 = number
            .parse()
            .with_context(|| format!("{cell:?}:\n{table}"))?;
        ensure!(number > 0.0, "{cell:?}:\n{table}");
    }
    Ok(())
}

#[test]
fn routes_go_through_every_speaker_and_through_none() -> Result<()> {
    let tables = tables(Part::Fib)?;
    let table = tables.first().context("a table")?;
    for case in ["1000 IPv4", "2000 IPv4", "1000 IPv6"] {
        for name in ["rcni-bgp", "BIRD", "FRR"] {
            ensure_measured(table, &format!("{case}: {name}"))?;
        }
        let floor = row(table, &format!("{case}: kernel's floor"))?;
        // There is no second peer and no daemon.
        ensure!(
            floor.iter().filter(|cell| *cell == NONE).count() == 6,
            "{table}"
        );
    }
    let churn = tables.get(1).context("a second table")?;
    for name in ["rcni-bgp", "BIRD", "FRR"] {
        ensure_measured(churn, name)?;
    }
    Ok(())
}

#[test]
fn pods_are_attached_by_every_contender() -> Result<()> {
    for table in tables(Part::Cni)? {
        for name in [
            "rcni",
            "ptp + host-local",
            "ptp + host-local, ipMasq",
            "kernel (netlink alone)",
            "empty static program",
        ] {
            ensure_measured(&table, name)?;
        }
    }
    Ok(())
}

#[test]
fn idle_daemons_have_memory() -> Result<()> {
    let tables = tables(Part::Memory)?;
    let table = tables.first().context("a table")?;
    for name in ["rcni-bgp", "felix-lite", "bird", "zebra + bgpd"] {
        ensure_measured(table, name)?;
    }
    Ok(())
}

#[test]
fn bytes_go_from_pod_to_pod_and_from_host_to_host() -> Result<()> {
    let tables = tables(Part::Throughput)?;
    let table = tables.first().context("a table")?;
    ensure_measured(table, "host to host")?;
    ensure_measured(table, "pod to pod")
}

#[test]
fn a_bystander_is_heard_whatever_others_do() -> Result<()> {
    let tables = tables(Part::Overload)?;
    let table = tables.first().context("a table")?;
    for name in [
        "many routes, then lost: rcni-bgp",
        "kernel blocked: rcni-bgp",
        "reads nothing: rcni-bgp",
        "strangers: rcni-bgp",
        "says nothing: rcni-bgp",
    ] {
        let cells = row(table, name)?;
        let gap = cells.first().context("a gap")?;
        let seconds: f64 = gap.trim_end_matches(" s").parse().context(gap.clone())?;
        // The session would have ended.
        ensure!(seconds < 3.0, "{name}: {gap}\n{table}");
    }
    Ok(())
}

#[test]
fn large_tables_go_through_every_speaker() -> Result<()> {
    let tables = tables(Part::Scale)?;
    let table = tables.first().context("a table")?;
    for scenario in ["one peer", "few attributes", "two peers"] {
        for name in ["rcni-bgp", "BIRD", "GoBGP"] {
            ensure_measured(table, &format!("{scenario}: {name}"))?;
        }
    }
    Ok(())
}

/// What is promised of restarts, drains and upgrades holds in one repetition with few routes.
#[test]
fn nothing_is_lost_where_nothing_may_be() -> Result<()> {
    let tables = tables(Part::Failover)?;
    let table = tables.first().context("a table")?;
    for event in [
        "a ToR is drained",
        "the speaker is killed",
        "the speaker is upgraded",
        "felix-lite restarts",
    ] {
        let cells = row(table, &format!("{event}, 10 routes"))?;
        ensure!(
            cells[..4] == ["0 (0)", "0 (0)", "0 (0)", "1 of 1"],
            "{table}"
        );
    }
    // Whatever else fails, the connection to the outside goes on.
    for event in [
        "a ToR falls silent",
        "a ToR falls silent, without BFD",
        "a ToR's daemons are killed",
        "a ToR's daemons are killed, without BFD",
        "a ToR's link goes down",
    ] {
        let cells = row(table, &format!("{event}, 10 routes"))?;
        ensure!(cells[3] == "1 of 1", "{table}");
    }
    Ok(())
}
