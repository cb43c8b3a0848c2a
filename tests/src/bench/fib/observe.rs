//! Seeing that all routes are in the kernel, at the same small cost for every subject.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::bench::netlink::RouteCounter;
use crate::bench::netns;
use crate::bench::peer::Family;

/// How often the counter is read.
const PAUSE: Duration = Duration::from_micros(500);
/// How often the table itself is counted once enough notifications were seen. That takes some
/// milliseconds, but only happens at the end.
const RECOUNT: Duration = Duration::from_millis(10);

/// An observer of the routes of one family in one namespace.
#[derive(Debug)]
pub(super) struct Observer {
    pid: i32,
    family: Family,
    counter: RouteCounter,
    /// Routes that were there before the first phase.
    base: Option<u64>,
    /// Notifications before the phase that is waited for.
    before: u64,
}

impl Observer {
    /// Of the namespace of process `pid`, which is to have no routes but its own yet.
    pub(super) fn new(pid: i32, family: Family) -> Result<Self> {
        let counter = netns::within(pid, || RouteCounter::new(family))?;
        Ok(Self {
            pid,
            family,
            counter,
            base: None,
            before: 0,
        })
    }

    /// To be called before anything of what is waited for next can happen.
    pub(super) fn begin(&mut self) -> Result<()> {
        if self.base.is_none() {
            self.base = Some(self.prefixes()?);
        }
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
        let wanted = self.base.unwrap_or_default() + if there { u64::from(routes) } else { 0 };
        let (mut last, mut changed) = (before, start);
        let mut recount = start;
        loop {
            let now = Instant::now();
            let count = self.counter.count()?;
            if count != last {
                (last, changed) = (count, now);
            }
            if count - before >= u64::from(routes) && now >= recount {
                let found = self.prefixes()?;
                if found == wanted {
                    return Ok(changed);
                }
                recount = Instant::now() + RECOUNT;
            }
            if start.elapsed() > deadline {
                let found = self.prefixes()?;
                let seen = count - before;
                bail!("{found} routes, not {wanted}, and {seen} notifications in {deadline:?}");
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Routes of the namespace: of IPv4 those in the main table, of IPv6 all (only what is measured
    /// changes it).
    fn prefixes(&self) -> Result<u64> {
        let name = match self.family {
            Family::V4 => "fib_triestat",
            Family::V6 => "rt6_stats",
        };
        let path = format!("/proc/{}/net/{name}", self.pid);
        let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        let number = match self.family {
            Family::V4 => main_prefixes(&text),
            Family::V6 => entries(&text),
        };
        number.context(path)
    }
}

fn main_prefixes(triestat: &str) -> Option<u64> {
    let (_, main) = triestat.split_once("Main:")?;
    let line = main
        .lines()
        .find_map(|line| line.trim().strip_prefix("Prefixes:"));
    line?.trim().parse().ok()
}

/// `fib_rt_entries`: hexadecimal, after the numbers of nodes, of nodes with routes, and of
/// allocations, which may wait to be freed.
fn entries(rt6_stats: &str) -> Option<u64> {
    const ENTRIES: usize = 3;
    let field = rt6_stats.split_ascii_whitespace().nth(ENTRIES)?;
    u64::from_str_radix(field, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_counts_are_read() {
        let triestat = "Basic info: size of leaf: 48 bytes\nMain:\n\tLeaves:  5\n\tPrefixes:   6\nLocal:\n\tPrefixes: 9\n";
        assert_eq!(main_prefixes(triestat), Some(6));
        assert_eq!(entries("0005 0004 00b0 000c 0000 0000 0000\n"), Some(12));
        let here = std::fs::read_to_string("/proc/self/net/rt6_stats");
        assert!(here.is_ok_and(|text| entries(&text).is_some()));
    }
}
