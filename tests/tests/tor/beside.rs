//! `tests/topologies/beside`: another router on the same node. Neither touches what is not its
//! own, in whatever order and by whatever signal they start and stop.

pub(crate) mod statics;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rcni_tests::lab::node::{Daemon, ExecOptions};
use rcni_tests::lab::process::check;
use rcni_tests::{Lab, Node, Options, peers, wait_until};

use super::{Suite, show};
use crate::common::{DEADLINE, add_pod, routes, wait_established};

/// What we learn from the ToR.
const LEARNED: [&str; 6] = [
    "198.18.1.0/24",
    TWICE[0],
    "2001:db8:18:1::/64",
    TWICE[1],
    FOREIGN_TOO[0],
    FOREIGN_TOO[1],
];
/// What has two next hops.
const TWICE: [&str; 2] = ["198.18.2.0/24", "2001:db8:18:2::/64"];
/// What only the neighbour learns from it.
const THEIRS: [&str; 3] = ["198.19.1.0/24", "198.19.2.0/24", "2001:db8:19:1::/64"];
/// Foreign routes, and those to what the ToR announces too.
const FOREIGN: [&str; 2] = ["203.0.113.0/24", "2001:db8:f::/64"];
const FOREIGN_TOO: [&str; 2] = ["198.18.9.0/24", "2001:db8:18:9::/64"];
/// The pod and the blackhole, in both families.
const OF_PODS: usize = 4;
/// Configured as a static route in every neighbour.
const STATIC: &str = "192.0.2.0/24";

/// A router beside rcni-bgp.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Neighbour {
    Frr,
    /// As it is by default.
    Bird,
    /// `learn`, `persist`, `scan time 1`, `merge paths`.
    BirdLearn,
}

use Neighbour::{Bird, BirdLearn, Frr};

/// A command line without its program's folder and the way into the tree.
type Program = &'static [&'static str];

impl Neighbour {
    /// In the order of their start. FRR 10 has mgmtd, and does not let it and staticd have a file.
    fn programs(self, suite: Suite) -> &'static [Program] {
        match (self, suite) {
            (Frr, Suite::Bookworm) => &[
                &["/usr/lib/frr/zebra", "-f", "/etc/frr/frr.conf"],
                &["/usr/lib/frr/staticd", "-f", "/etc/frr/frr.conf"],
                &["/usr/lib/frr/bgpd", "-p", "0", "-f", "/etc/frr/frr.conf"],
            ],
            (Frr, Suite::Trixie | Suite::Sid) => &[
                &["/usr/lib/frr/mgmtd"],
                &["/usr/lib/frr/zebra", "-f", "/etc/frr/frr.conf"],
                &["/usr/lib/frr/staticd"],
                &["/usr/lib/frr/bgpd", "-p", "0", "-f", "/etc/frr/frr.conf"],
            ],
            (Bird, _) => &[&["/usr/sbin/bird", "-f", "-c", "/etc/bird/bird.conf"]],
            (BirdLearn, _) => &[&["/usr/sbin/bird", "-f", "-c", "/etc/bird/bird-learn.conf"]],
        }
    }

    fn protocol(self) -> &'static str {
        match self {
            Frr => "proto bgp",
            Bird | BirdLearn => "proto bird",
        }
    }

    /// What it has learned from the ToR in this life.
    fn rib(self, node: &Node) -> Result<String> {
        match self {
            Frr => {
                let both = ["-c", "show bgp ipv4 unicast", "-c", "show bgp ipv6 unicast"];
                node.check(&[&["start-beside", "vtysh"][..], &both].concat())
            }
            Bird | BirdLearn => {
                node.check(&["start-beside", "birdc", "show", "route", "protocol", "tor"])
            }
        }
    }

    /// What it has learned when it is complete: BIRD takes ours too, FRR would give way to them.
    fn learned(self) -> Vec<&'static str> {
        let ours: &[&str] = if matches!(self, Frr) { &[] } else { &LEARNED };
        THEIRS.iter().chain(ours).copied().collect()
    }

    /// How long it may think about what it has seen: two scans of a BIRD that looks every second.
    fn settle(self) {
        let millis = if matches!(self, BirdLearn) { 2200 } else { 700 };
        std::thread::sleep(Duration::from_millis(millis));
    }

    /// Whether its routes stay when it is asked to end.
    fn persists(self) -> bool {
        matches!(self, BirdLearn)
    }
}

/// The neighbour while it runs.
struct Running {
    daemons: Vec<Daemon>,
}

impl Running {
    fn start(neighbour: Neighbour, suite: Suite, node: &Node) -> Result<Self> {
        node.check(&["start-beside", "true"])?;
        let mut daemons = Vec::new();
        for program in neighbour.programs(suite) {
            let argv: Vec<&str> = ["start-beside"].iter().chain(*program).copied().collect();
            let path = program.first().context("a program")?;
            let name = path.rsplit('/').next().unwrap_or(path);
            let started = node.spawn(name, &argv, &ExecOptions::default())?;
            daemons.push(started);
        }
        wait_until(DEADLINE, "the neighbour's routes", || -> Result<()> {
            // Its kernel routes may be there still when it was killed.
            let rib = neighbour.rib(node)?;
            let missing = neighbour
                .learned()
                .into_iter()
                .find(|prefix| !rib.contains(prefix));
            ensure!(missing.is_none(), "{missing:?} is not in {rib}");
            for prefix in neighbour.learned() {
                let seen = routes(node, prefix)?;
                ensure!(seen.contains(neighbour.protocol()), "{prefix}: {seen:?}");
            }
            let seen = routes(node, STATIC)?;
            if !seen.contains("via") && daemons.iter().any(|daemon| daemon.name == "mgmtd") {
                // Said too early it is lost on a staticd that mgmtd does not know yet.
                node.check(&["start-beside", "vtysh", "-b"])?;
            }
            ensure!(seen.contains("via"), "{STATIC}: {seen:?}");
            Ok(())
        })?;
        for daemon in &daemons {
            ensure!(daemon.id.is_alive(), "{} has ended", daemon.name);
        }
        Ok(Self { daemons })
    }

    fn stop(self, neighbour: Neighbour, node: &Node, signal: Signal) -> Result<()> {
        for daemon in self.daemons.iter().rev() {
            stop(daemon, signal)?;
        }
        if signal == Signal::SIGTERM && !neighbour.persists() {
            wait_until(DEADLINE, "its routes gone", || -> Result<()> {
                for prefix in neighbour.learned() {
                    let seen = routes(node, prefix)?;
                    ensure!(!seen.contains(neighbour.protocol()), "{prefix}: {seen:?}");
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

fn stop(daemon: &Daemon, signal: Signal) -> Result<()> {
    ensure!(daemon.id.is_alive(), "{} has ended", daemon.name);
    kill(Pid::from_raw(daemon.id.pid), signal)?;
    daemon.id.wait_gone()
}

fn start_rcni(node: &Node) -> Result<Daemon> {
    let config = "/etc/rcni/later/bgp.yaml";
    let argv = ["rcni-bgp", "run", "--config", config];
    let daemon = node.spawn("rcni-bgp", &argv, &ExecOptions::default())?;
    wait_established(node, "tor")?;
    wait_established(node, "tor-too")?;
    wait_until(DEADLINE, "our routes", || -> Result<()> {
        let ours = snapshot(node, is_ours)?;
        for prefix in LEARNED {
            let there = |line: &&String| line.contains(&format!("{prefix} "));
            let route = ours.iter().find(there);
            let route = route.with_context(|| format!("{prefix} in {ours:#?}"))?;
            ensure!(route.contains("metric 77"), "{route}");
            let several = route.contains("nexthop") || route.contains("nhid");
            ensure!(several == TWICE.contains(&prefix), "{route}");
        }
        Ok(())
    })?;
    Ok(daemon)
}

/// All that happens to routes of a node, in phases.
struct Monitor<'l> {
    node: &'l Node,
    log: PathBuf,
    /// Bytes of the log that belong to earlier phases.
    read: usize,
    phases: u8,
}

impl<'l> Monitor<'l> {
    fn start(node: &'l Node) -> Result<Self> {
        let argv = ["ip", "-d", "-o", "monitor", "route"];
        node.spawn("monitor", &argv, &ExecOptions::default())?;
        let log = node.log_folder().join("monitor.log");
        let mut monitor = Self {
            node,
            log,
            read: 0,
            phases: 0,
        };
        monitor.phase()?;
        Ok(monitor)
    }

    /// What has happened since the last call.
    fn phase(&mut self) -> Result<Vec<String>> {
        self.phases += 1;
        let marker = format!("192.0.2.{}", self.phases);
        // Seen in the log: all that came before it was seen too.
        let text = wait_until(DEADLINE, "the monitor", || -> Result<String> {
            // Deleted again: to replace a route by the same one is no event.
            let route = format!("route add blackhole {marker}/32");
            self.node.check(&[
                "sh",
                "-c",
                &format!("ip {route}; ip {}", route.replace("add", "del")),
            ])?;
            let text = std::fs::read_to_string(&self.log)?;
            ensure!(text.contains(&format!("blackhole {marker} ")), "{text:?}");
            Ok(text)
        })?;
        let new = text.get(self.read..).context("the log became shorter")?;
        self.read = text.len();
        // Markers repeat while they are waited for, and may be late into the next phase.
        let mut events = whole(new);
        events.retain(|line| !line.contains("blackhole 192.0.2."));
        Ok(events)
    }
}

/// One for each route: `ip -o` has what it knows of a nexthop object in a line of its own.
fn whole(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        match lines.last_mut() {
            Some(last) if line.starts_with('\t') => last.push_str(line),
            _ => lines.push(line.to_owned()),
        }
    }
    lines
}

fn is_ours(line: &str) -> bool {
    line.contains("proto rcni")
}

fn is_foreign(line: &str) -> bool {
    let others = ["proto rcni", "proto bgp", "proto bird"];
    let about = |prefixes: [&str; 2]| prefixes.iter().any(|prefix| line.contains(prefix));
    about(FOREIGN) || (about(FOREIGN_TOO) && !others.iter().any(|other| line.contains(other)))
}

/// All routes of both families, of those that `wanted` lets pass.
fn snapshot(node: &Node, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for family in ["-4", "-6"] {
        let text = node.check(&["ip", "-d", "-o", family, "route", "show", "table", "all"])?;
        let all = whole(&text).into_iter().filter(|line| wanted(line));
        lines.extend(all.map(without_expansion));
    }
    lines.sort();
    Ok(lines)
}

/// What is behind a nexthop object is told with the route or not, as felix-lite sets it for the readers
/// that are there: the route is the same.
fn without_expansion(line: String) -> String {
    match line.split_once('\\') {
        Some((route, _)) if route.contains(" nhid ") => route.to_owned(),
        _ => line,
    }
}

fn ours_and_foreign(node: &Node) -> Result<Vec<String>> {
    snapshot(node, |line| is_ours(line) || is_foreign(line))
}

/// The topology, with the tree of that suite where its file says `routers`.
fn deploy(suite: Suite) -> Result<(tempfile::TempDir, Lab)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("topologies/beside/.");
    let copy = tempfile::tempdir()?;
    let to = copy.path();
    check(
        "cp",
        &["-r", &folder.to_string_lossy(), &to.to_string_lossy()],
    )?;
    std::os::unix::fs::symlink(peers::find(suite.name())?, to.join("routers"))?;
    let lab = Lab::deploy(&to.join("topology.clab.yml"), &Options::default())?;
    Ok((copy, lab))
}

/// The neighbour first, then rcni-bgp, which is the hard order for us; then each stops and starts
/// beside the other, asked to and killed.
pub(crate) fn leave_each_other_alone(neighbour: Neighbour, suite: Suite) -> Result<()> {
    let (_copy, lab) = deploy(suite)?;
    run(neighbour, suite, &lab).inspect_err(|_| show(&lab.report()))
}

fn run(neighbour: Neighbour, suite: Suite, lab: &Lab) -> Result<()> {
    let node = lab.node("node1")?;
    add_pod(lab, "node1", "alice")?;
    let mut monitor = Monitor::start(node)?;
    let mut running = Running::start(neighbour, suite, node)?;
    neighbour.settle();
    monitor.phase()?;

    let mut rcni = start_rcni(node)?;
    neighbour.settle();
    let others: Vec<String> = monitor
        .phase()?
        .into_iter()
        .filter(|line| !is_ours(line))
        .collect();
    ensure!(others.is_empty(), "at our first start: {others:#?}");

    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let before = ours_and_foreign(node)?;
        let all = OF_PODS + LEARNED.len() + FOREIGN.len() + FOREIGN_TOO.len();
        ensure!(before.len() == all, "{before:#?}");
        running.stop(neighbour, node, signal)?;
        neighbour.settle();
        running = Running::start(neighbour, suite, node)?;
        neighbour.settle();
        let events = monitor.phase()?;
        if signal == Signal::SIGTERM && !neighbour.persists() {
            let theirs = |line: &String| line.contains(neighbour.protocol());
            ensure!(events.iter().any(theirs), "nothing of {neighbour:?}");
        }
        let wrong: Vec<&String> = events
            .iter()
            .filter(|line| is_ours(line) || is_foreign(line))
            .collect();
        ensure!(wrong.is_empty(), "{signal} of {neighbour:?}: {wrong:#?}");
        let after = ours_and_foreign(node)?;
        ensure!(
            before == after,
            "{signal} of {neighbour:?}: {before:#?} {after:#?}"
        );
    }
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let before = snapshot(node, |_| true)?;
        stop(&rcni, signal)?;
        neighbour.settle();
        rcni = start_rcni(node)?;
        neighbour.settle();
        let events = monitor.phase()?;
        // A router may write its own routes anew whenever it likes; then they are the same after.
        let wrong =
            |line: &&String| !line.contains(neighbour.protocol()) || line.contains("Deleted");
        let wrong: Vec<&String> = events.iter().filter(wrong).collect();
        ensure!(wrong.is_empty(), "{signal} of rcni-bgp: {wrong:#?}");
        let after = snapshot(node, |_| true)?;
        ensure!(
            before == after,
            "{signal} of rcni-bgp: {before:#?} {after:#?}"
        );
    }
    Ok(())
}
