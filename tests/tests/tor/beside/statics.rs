//! A router on the same node with static routes of its own for what we learn.

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use rcni_tests::lab::node::{Daemon, ExecOptions};
use rcni_tests::{Node, wait_until};

use super::{
    DEADLINE, LEARNED, Monitor, STATIC, Suite, TWICE, deploy, is_foreign, is_ours, show, snapshot,
    start_rcni, stop,
};
use crate::common::routes;

/// What the neighbour has static routes for, too.
const BOTH: [&str; 4] = ["198.18.1.0/24", TWICE[0], "2001:db8:18:1::/64", TWICE[1]];

/// A router with nothing but static routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Neighbour {
    /// zebra and staticd. A route of somebody else has distance 0 for it: it takes its own away.
    Frr,
    /// As it is by default, but for several next hops.
    Bird,
    /// `learn`, `persist`, `scan time 1`.
    BirdLearn,
}

impl Neighbour {
    fn programs(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Frr => &[
                &["/usr/lib/frr/zebra", "-f", "/etc/frr/frr-static.conf"],
                &["/usr/lib/frr/staticd", "-f", "/etc/frr/frr-static.conf"],
            ],
            Self::Bird => &[&["/usr/sbin/bird", "-f", "-c", "/etc/bird/bird-static.conf"]],
            Self::BirdLearn => &[&[
                "/usr/sbin/bird",
                "-f",
                "-c",
                "/etc/bird/bird-static-learn.conf",
            ]],
        }
    }

    /// As `ip` tells its routes: 196 is staticd.
    fn marks(self) -> &'static str {
        match self {
            Self::Frr => "proto 196 ",
            Self::Bird | Self::BirdLearn => "proto bird",
        }
    }

    fn is_its(self, line: &str) -> bool {
        line.contains(self.marks()) && !is_foreign(line)
    }

    fn start(self, node: &Node) -> Result<Vec<Daemon>> {
        node.check(&["start-beside", "true"])?;
        let mut daemons = Vec::new();
        for program in self.programs() {
            let argv: Vec<&str> = ["start-beside"].iter().chain(*program).copied().collect();
            let path = program.first().context("a program")?;
            let name = path.rsplit('/').next().unwrap_or(path);
            daemons.push(node.spawn(name, &argv, &ExecOptions::default())?);
            if name == "zebra" {
                // A staticd that comes first tries again after ten seconds.
                let question = ["vtysh", "-d", "zebra", "-c", "show interface brief"];
                let question = [&["start-beside"][..], &question].concat();
                wait_until(DEADLINE, "zebra answers", || node.check(&question))?;
            }
        }
        wait_until(DEADLINE, "the neighbour's routes", || -> Result<()> {
            let seen = routes(node, STATIC)?;
            ensure!(seen.contains("via"), "{STATIC}: {seen:?}");
            Ok(())
        })?;
        // What it thinks about ours, it thinks by then.
        std::thread::sleep(std::time::Duration::from_millis(2200));
        for daemon in &daemons {
            ensure!(daemon.id.is_alive(), "{} has ended", daemon.name);
        }
        Ok(daemons)
    }
}

fn stop_all(daemons: &[Daemon], signal: Signal) -> Result<()> {
    daemons
        .iter()
        .rev()
        .try_for_each(|daemon| stop(daemon, signal))
}

/// Status knows every route that the neighbour has for what is ours, too, and no other.
fn told(neighbour: Neighbour, node: &Node) -> Result<()> {
    wait_until(
        DEADLINE,
        "status knows the neighbour's",
        || -> Result<()> {
            let theirs = snapshot(node, |line| neighbour.is_its(line))?;
            let both = |prefix: &&&str| {
                theirs
                    .iter()
                    .any(|line| line.contains(&format!("{prefix} ")))
            };
            let mut expected: Vec<&str> = BOTH.iter().filter(both).copied().collect();
            expected.sort_unstable();
            let said = node.exec(&["rcni-bgp", "status", "-o", "json"])?.stdout;
            let status: serde_json::Value = serde_json::from_str(&said)?;
            let foreign = status["kernel"]["foreign"].as_array().context("foreign")?;
            let mut found = Vec::new();
            for route in foreign {
                let prefix = route["prefix"].as_str().context("prefix")?;
                if BOTH.contains(&prefix) {
                    ensure!(route["effect"] == "preferred", "{route}");
                    found.push(prefix);
                }
            }
            found.sort_unstable();
            ensure!(found == expected, "{expected:?} in {foreign:?}");
            Ok(())
        },
    )
}

/// We first: the neighbour starts, stops and dies beside our routes. Then the neighbour first: its
/// routes are there when ours come, and when we stop and die.
pub(crate) fn static_routes_for_ours(neighbour: Neighbour) -> Result<()> {
    let (_copy, lab) = deploy(Suite::Bookworm)?;
    let node = lab.node("node1")?;
    let run = || -> Result<()> {
        let mut monitor = Monitor::start(node)?;
        let rcni = start_rcni(node)?;
        we_first(neighbour, node, &mut monitor)?;
        stop(&rcni, Signal::SIGTERM)?;
        node.check(&["rcni-bgp", "clean", "--config", "/etc/rcni/later/bgp.yaml"])?;
        the_neighbour_first(neighbour, node, &mut monitor)
    };
    run().inspect_err(|_| show(&lab.report()))
}

fn we_first(neighbour: Neighbour, node: &Node, monitor: &mut Monitor<'_>) -> Result<()> {
    let ours = |line: &str| is_ours(line) || is_foreign(line);
    let before = snapshot(node, ours)?;
    ensure!(before.len() >= LEARNED.len(), "{before:#?}");
    monitor.phase()?;
    for signal in [Signal::SIGTERM, Signal::SIGKILL, Signal::SIGTERM] {
        let running = neighbour.start(node)?;
        told(neighbour, node)?;
        stop_all(&running, signal)?;
        std::thread::sleep(std::time::Duration::from_millis(500));
        told(neighbour, node)?;
        let wrong: Vec<String> = monitor
            .phase()?
            .into_iter()
            .filter(|line| ours(line))
            .collect();
        ensure!(wrong.is_empty(), "{signal} of {neighbour:?}: {wrong:#?}");
        let after = snapshot(node, ours)?;
        ensure!(before == after, "{signal}: {before:#?} {after:#?}");
    }
    Ok(())
}

fn the_neighbour_first(neighbour: Neighbour, node: &Node, monitor: &mut Monitor<'_>) -> Result<()> {
    let running = neighbour.start(node)?;
    let its = |line: &str| neighbour.is_its(line);
    let all = snapshot(node, its)?;
    ensure!(all.len() == BOTH.len() + 1, "{all:#?}");
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        monitor.phase()?;
        let rcni = start_rcni(node)?;
        std::thread::sleep(std::time::Duration::from_millis(2200));
        told(neighbour, node)?;
        let events = monitor.phase()?;
        let theirs: Vec<&String> = events.iter().filter(|line| its(line)).collect();
        let after = snapshot(node, its)?;
        if neighbour == Neighbour::Frr {
            // Its own doing, see there; what it has nobody else's route for stays.
            ensure!(after.iter().any(|line| line.contains(STATIC)), "{after:#?}");
        } else {
            ensure!(theirs.is_empty(), "at our start: {theirs:#?}");
            ensure!(all == after, "{all:#?} {after:#?}");
        }
        let ours = snapshot(node, is_ours)?;
        stop(&rcni, signal)?;
        ensure!(ours == snapshot(node, is_ours)?, "{signal} takes ours out");
    }
    stop_all(&running, Signal::SIGTERM)
}
