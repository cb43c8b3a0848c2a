//! One withdrawal at a time, while others' routes come and go: how long the kernel still has the route.
//!
//! ```text
//! feed: all routes, then 20 more every 10 ms, or those of a second ago away --> subject --> kernel
//! sink: routes of its own, one of them away every 10 to 30 ms ----------------'              |
//!         t = 0: before its bytes are written                    RTM_DELROUTE: RouteMonitor--'
//! ```

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::observe::Observer;
use super::{DEADLINE, SETTLE, SUBJECTS};
use crate::bench::netlink::RouteMonitor;
use crate::bench::netns;
use crate::bench::peer::session::Session;
use crate::bench::peer::{Family, Plan, wire};
use crate::bench::stats::Samples;
use crate::bench::subjects::{BIRD, FEED, SINK, Subject};
use crate::bench::table::{Table, ratio, time};

/// Between two changes of the churn.
const TICK: Duration = Duration::from_millis(10);
/// Prefixes of a change.
const BLOCK: u32 = 20;
/// Prefixes that share an UPDATE, and so their attributes.
const PER_UPDATE: u32 = 4;
/// So many blocks are there before the first goes.
const STANDING: u32 = 50;
/// Between two withdrawals that are measured, at least; as much again is left to chance.
const PAUSE: Duration = Duration::from_millis(10);
/// After the last withdrawal, for the kernel to be told.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct Churn {
    /// Routes that stay.
    pub routes: u32,
    /// Withdrawals that are measured.
    pub withdrawals: u32,
}

/// Who announces which numbers: those that stay, those that are withdrawn singly, those that come
/// and go.
struct Parts {
    stay: u32,
    single: std::ops::Range<u32>,
    blocks: u32,
}

impl Parts {
    fn of(churn: Churn) -> Self {
        Self {
            stay: churn.routes,
            single: churn.routes..churn.routes + churn.withdrawals,
            // Each is used once a standing time, and gone before it is used again.
            blocks: 2 * STANDING,
        }
    }

    fn block(&self, number: u32) -> std::ops::Range<u32> {
        let first = self.single.end + number % self.blocks * BLOCK;
        first..first + BLOCK
    }

    fn all(&self) -> u32 {
        self.single.end + self.blocks * BLOCK
    }
}

fn plan(asn: u32, next_hop: std::net::Ipv4Addr, routes: u32) -> Plan {
    Plan {
        routes,
        per_update: PER_UPDATE,
        asn,
        next_hop: next_hop.into(),
    }
}

/// Latencies of one subject, seconds.
///
/// # Errors
/// It does not come up, or a route stays in the kernel.
fn run(subject: &Subject, churn: Churn) -> Result<Samples> {
    let parts = Parts::of(churn);
    let bench = subject.deploy()?;
    let pid = bench.dut()?.init().pid;
    let mut observer = Observer::new(pid, Family::V4)?;
    let (feed, sink) = bench.sessions_for(Family::V4, parts.all(), u32::MAX)?;
    std::thread::sleep(SETTLE);
    observer.begin()?;
    let from_feed = plan(FEED.asn, FEED.address, parts.stay);
    let from_sink = plan(SINK.asn, SINK.address, parts.all());
    let mut singles = Vec::new();
    for number in parts.single.clone() {
        wire::update(&mut singles, &from_sink, number, number..number + 1);
    }
    feed.write(&wire::announcements(&from_feed))?;
    sink.write(&singles)?;
    observer.wait(parts.stay + churn.withdrawals, true, DEADLINE)?;
    drop(observer);
    let monitor = netns::within(pid, || RouteMonitor::new(Family::V4))?;
    std::thread::sleep(SETTLE);
    let done = AtomicBool::new(false);
    let (sent, seen) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch(&monitor, &parts, &done));
        let (all, end) = (&parts, &done);
        let churning = scope.spawn(move || disturb(feed, all, end));
        // The churn is under way.
        std::thread::sleep(TICK * 2 * STANDING);
        let sent = withdraw(&sink, &parts);
        std::thread::sleep(if sent.is_ok() { SETTLE } else { Duration::ZERO });
        done.store(true, Ordering::Relaxed);
        match (watching.join(), churning.join()) {
            (Ok(seen), Ok(churned)) => {
                // Not ended before all is seen: its routes would go, too.
                drop(churned?);
                Ok((sent?, seen?))
            }
            _ => bail!("a thread has panicked"),
        }
    })
    .context(subject.name)?;
    let latencies = sent.iter().zip(&seen).map(|(sent, seen)| {
        let seen = seen.context("a withdrawn route is still in the kernel")?;
        Ok(seen.saturating_duration_since(*sent).as_secs_f64())
    });
    latencies.collect()
}

/// When each single route was deleted.
fn watch(monitor: &RouteMonitor, parts: &Parts, done: &AtomicBool) -> Result<Vec<Option<Instant>>> {
    let mut seen = vec![None; parts.single.len()];
    let mut left = seen.len();
    let mut deadline = None;
    while left > 0 && deadline.is_none_or(|deadline| Instant::now() < deadline) {
        monitor.read(|address, length| {
            let at = Instant::now();
            let number = Family::number(address, length);
            let place = number.and_then(|number| number.checked_sub(parts.single.start));
            if let Some(place) = place.and_then(|place| seen.get_mut(place as usize))
                && place.is_none()
            {
                *place = Some(at);
                left -= 1;
            }
        })?;
        if done.load(Ordering::Relaxed) && deadline.is_none() {
            deadline = Some(Instant::now() + PATIENCE);
        }
    }
    Ok(seen)
}

/// Routes come and go until it is `done`.
fn disturb(feed: Session, parts: &Parts, done: &AtomicBool) -> Result<Session> {
    let plan = plan(FEED.asn, FEED.address, parts.all());
    let start = Instant::now();
    let mut tick = 0;
    while !done.load(Ordering::Relaxed) {
        let block = tick / 2;
        let mut messages = Vec::new();
        if tick % 2 == 0 {
            let numbers = parts.block(block);
            for first in numbers.clone().step_by(PER_UPDATE as usize) {
                // Other attributes than before.
                let until = numbers.end.min(first + PER_UPDATE);
                wire::update(&mut messages, &plan, first + block, first..until);
            }
        } else if let Some(old) = block.checked_sub(STANDING) {
            let numbers: Vec<u32> = parts.block(old).collect();
            wire::withdrawal(&mut messages, Family::V4, &numbers);
        }
        if !messages.is_empty() {
            feed.write(&messages)?;
        }
        tick += 1;
        std::thread::sleep((TICK * tick).saturating_sub(start.elapsed()));
    }
    Ok(feed)
}

/// One after the other, whether the one before is through or not; when each was sent.
fn withdraw(sink: &Session, parts: &Parts) -> Result<Vec<Instant>> {
    let mut sent = Vec::new();
    let mut seed = 1_u32;
    for number in parts.single.clone() {
        let mut message = Vec::new();
        wire::withdrawal(&mut message, Family::V4, &[number]);
        sent.push(sink.write(&message)?);
        // No beat that a timer of a subject could keep.
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        std::thread::sleep(PAUSE + PAUSE * (seed >> 16) / 32_768);
    }
    Ok(sent)
}

/// All wanted subjects.
///
/// # Errors
/// A subject does not do what it should.
pub fn table(
    churn: Churn,
    wanted: &dyn Fn(&str) -> bool,
    progress: &dyn Fn(&str),
) -> Result<Table> {
    let mut all = Vec::new();
    for subject in SUBJECTS {
        if wanted(subject.name) {
            progress(&format!("withdrawals: {}", subject.name));
            let samples = run(subject, churn)?;
            ensure!(!samples.is_empty(), "nothing was measured");
            all.push((subject.name, samples));
        }
    }
    let bird = all.iter().find(|(name, _)| *name == BIRD.name);
    let bird = bird.map(|(_, samples)| samples.clone()).unwrap_or_default();
    let rows = all.iter().map(|(name, samples)| {
        let mut row = vec![(*name).to_owned()];
        for of in [
            Samples::median,
            |s: &Samples| s.percentile(99),
            Samples::worst,
        ] {
            row.push(time(of(samples)));
            row.push(ratio(of(samples), of(&bird)));
        }
        row
    });
    let a_second = Duration::from_secs(1).div_duration_f64(TICK) * f64::from(BLOCK);
    Ok(Table {
        title: "Withdrawals under churn",
        about: format!(
            "{} IPv4 routes in the kernel, and {a_second:.0} prefixes a second that one peer announces \
             and withdraws. Another withdraws {} prefixes singly, 10 to 30 ms apart: from the byte \
             written to the kernel's notification that the route is gone.",
            churn.routes, churn.withdrawals
        ),
        header: vec!["", "median", "×", "99th percentile", "×", "worst", "×"],
        rows: rows.collect(),
    })
}
