//! Seeing that all routes are in the kernel, at the same small cost for every subject.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::bench::netlink::RouteCounter;
use crate::bench::netns;

/// How often the counter is read.
const PAUSE: Duration = Duration::from_micros(500);
/// How often the table itself is counted once enough notifications were seen. That takes some
/// milliseconds, but only happens at the end.
const RECOUNT: Duration = Duration::from_millis(10);

/// An observer of the IPv4 routes of one namespace.
#[derive(Debug)]
pub(super) struct Observer {
    pid: i32,
    counter: RouteCounter,
    /// Routes that were there at first.
    base: u64,
    /// Notifications before the phase that is waited for.
    before: u64,
}

impl Observer {
    /// Of the namespace of process `pid`, which is to have no routes but its own yet.
    pub(super) fn new(pid: i32) -> Result<Self> {
        let counter = netns::within(pid, RouteCounter::new)?;
        Ok(Self {
            pid,
            counter,
            base: prefixes(pid)?,
            before: 0,
        })
    }

    /// To be called before anything of what is waited for next can happen.
    pub(super) fn begin(&mut self) -> Result<()> {
        self.before = self.counter.count()?;
        Ok(())
    }

    /// Waits until `routes` more have come (or gone, back to what was there at first); when.
    ///
    /// The moment is that at which the last notification was counted. That nothing is missing
    /// then, is seen in the table itself.
    pub(super) fn wait(&mut self, routes: u32, there: bool, deadline: Duration) -> Result<Instant> {
        let start = Instant::now();
        let before = self.before;
        let wanted = self.base + if there { u64::from(routes) } else { 0 };
        let (mut last, mut changed) = (before, start);
        let mut recount = start;
        loop {
            let now = Instant::now();
            let count = self.counter.count()?;
            if count != last {
                (last, changed) = (count, now);
            }
            if count - before >= u64::from(routes) && now >= recount {
                let found = prefixes(self.pid)?;
                if found == wanted {
                    return Ok(changed);
                }
                recount = Instant::now() + RECOUNT;
            }
            if start.elapsed() > deadline {
                let found = prefixes(self.pid)?;
                let seen = count - before;
                bail!("{found} routes, not {wanted}, and {seen} notifications in {deadline:?}");
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// Routes in the main table of the namespace of `pid`.
fn prefixes(pid: i32) -> Result<u64> {
    let path = format!("/proc/{pid}/net/fib_triestat");
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    let (_, main) = text.split_once("Main:").with_context(|| path.clone())?;
    let line = main
        .lines()
        .find_map(|line| line.trim().strip_prefix("Prefixes:"));
    Ok(line.with_context(|| path)?.trim().parse()?)
}
