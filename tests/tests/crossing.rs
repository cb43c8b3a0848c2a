//! Both sides dial at the same time, and the router's program comes upon the node's connection late:
//! with graceful restart FRR and BIRD give an Established session up for a connection that they
//! accept. No session is lost by it.

mod common;
mod tor;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use common::{DEADLINE, wait_established};
use rcni_tests::lab::node::{ExecOptions, Node};
use rcni_tests::wait_until;
use tor::{Kind, Router, Suite};

/// What the node dials and what comes after the first packet of it is dropped: TCP is up for the
/// node, and not for the router.
const HOLD: &str = "nft 'table ip crossing { chain out { type filter hook output priority 0; \
                    ip daddr 10.0.1.1 tcp dport 179 tcp flags & syn == 0 drop; }; }'";
const RELEASE: &str = "nft delete table ip crossing";
/// How long the router may take to dial by itself.
const ROUTER_DIALS_WITHIN: Duration = Duration::from_secs(6);
/// A session that is lost by a crossing is lost within milliseconds.
const WATCH: Duration = Duration::from_millis(1500);

/// One run of the node's speaker, with a log of its own.
struct Run<'l> {
    node: &'l Node,
    log: String,
}

impl<'l> Run<'l> {
    /// `id`: the node's BGP Identifier; the router's is 10.0.1.1.
    fn start(node: &'l Node, round: usize, id: &str) -> Result<Self> {
        let config = std::fs::read_to_string(node.path("/etc/rcni/bgp.yaml"))?;
        let config = config.replace("routerID: 10.0.1.11", &format!("routerID: {id}"));
        let (file, log) = (format!("/tmp/bgp-{round}.yaml"), format!("round-{round}"));
        std::fs::write(node.path(&file), config)?;
        let argv = ["rcni-bgp", "run", "--log-level", "debug", "--config", &file];
        node.spawn(&log, &argv, &ExecOptions::default())?;
        Ok(Self { node, log })
    }

    /// What it has logged of the router.
    fn said(&self) -> Result<Vec<String>> {
        let path = self.node.log_folder().join(format!("{}.log", self.log));
        let text = std::fs::read_to_string(&path).context("its log")?;
        let lines = text.lines().filter(|line| line.contains("peer=\"tor\""));
        Ok(lines.map(str::to_owned).collect())
    }

    fn has_said(&self, what: &str) -> Result<bool> {
        Ok(self.said()?.iter().any(|line| line.contains(what)))
    }

    /// Whether the router's own connection came while that of the node was held.
    fn crossed(&self) -> Result<bool> {
        let start = Instant::now();
        while start.elapsed() < ROUTER_DIALS_WITHIN {
            if self.has_said("-> OpenConfirm")? || self.has_said("-> Established")? {
                return Ok(true);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(false)
    }

    /// Seconds of the day at which it said that.
    fn second_of(&self, what: &str) -> Result<f64> {
        let said = self.said()?;
        let line = said.iter().find(|line| line.contains(what));
        let clock = line.and_then(|line| line.split(['T', 'Z']).nth(1));
        let parts = clock.context("a time")?.split(':');
        let parts: Vec<f64> = parts.map(str::parse).collect::<Result<_, _>>()?;
        Ok(parts.iter().fold(0.0, |sum, part| sum * 60.0 + part))
    }

    /// It waits for the router to answer on the other connection, for a second. What was held comes
    /// when TCP sends it again, and that may be later: then there was nothing to be done.
    fn gave_up(&self) -> Result<bool> {
        if !self.has_said("-> OpenConfirm")? {
            return Ok(false);
        }
        let waited = self.second_of("-> Established")? - self.second_of("-> OpenConfirm")?;
        Ok(waited > 0.95)
    }

    /// Whether it could be seen that no session is lost, which must be so then.
    fn end(self) -> Result<bool> {
        wait_until(DEADLINE, "the session", || {
            ensure!(self.has_said("-> Established")?, "{:#?}", self.said()?);
            Ok(())
        })?;
        std::thread::sleep(WATCH);
        let seen = !self.gave_up()?;
        ensure!(
            !seen || !self.has_said("Established ->")?,
            "{:#?}",
            self.said()?
        );
        self.node.kill("rcni-bgp")?;
        Ok(seen)
    }
}

/// `rounds` with the node's connection held for a while, and as many without.
fn no_session_is_lost(kind: Kind, rounds: usize, always_crosses: bool) -> Result<()> {
    let suite = Suite::Bookworm;
    Router { kind, suite }.in_lab(|lab| {
        let node = lab.node("node1")?;
        wait_established(node, "tor")?;
        node.kill("rcni-bgp")?;
        let mut crossed = 0;
        for round in 0..2 * rounds {
            // Below and above the router's: either connection has to win.
            let id = ["10.0.0.9", "10.0.1.11"][round % 2];
            let held = round < rounds;
            if held {
                node.shell(HOLD)?;
            } else {
                // About when FRR and BIRD dial again.
                std::thread::sleep(Duration::from_millis(900 + 20 * round as u64));
            }
            let run = Run::start(node, round, id)?;
            if held {
                wait_until(DEADLINE, "its log", || run.said().map(drop))?;
                let crosses = run.crossed()?;
                std::thread::sleep(Duration::from_millis(100));
                node.shell(RELEASE)?;
                let seen = run.end().with_context(|| format!("round {round}, {id}"))?;
                crossed += usize::from(crosses && seen);
                continue;
            }
            run.end().with_context(|| format!("round {round}, {id}"))?;
        }
        ensure!(
            !always_crosses || crossed * 2 >= rounds,
            "the connections crossed in {crossed} of {rounds} rounds: nothing was tested"
        );
        Ok(())
    })
}

#[test]
fn no_session_is_lost_with_frr() -> Result<()> {
    no_session_is_lost(Kind::Frr, 10, true)
}

#[test]
fn no_session_is_lost_with_bird() -> Result<()> {
    no_session_is_lost(Kind::Bird, 6, true)
}

#[test]
fn no_session_is_lost_with_gobgp() -> Result<()> {
    no_session_is_lost(Kind::Gobgp, 2, false)
}

#[test]
fn no_session_is_lost_with_openbgpd() -> Result<()> {
    no_session_is_lost(Kind::Openbgpd, 3, false)
}
