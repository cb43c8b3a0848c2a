//! A look at everything the kernel has.

use std::io;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{info, warn};

use super::super::netlink::Step;
use super::super::rivals::{Foreign, Others};
use super::{Fib, Query, RETRY_FIRST, RETRY_MOST, meanwhile};
use rcni_control::jitter::jitter;

impl Fib {
    pub(super) async fn resync(&mut self, queries: &mut mpsc::Receiver<Query>) {
        self.look_at_objects().await;
        let sweep = self.table.has_unused_objects();
        let foreign = self.name_foreign || self.told.rivals.wanted();
        let read = self.read_all(foreign, queries).await;
        self.last_dump = Instant::now();
        self.resync_at = None;
        match read {
            Ok(others) => {
                if let Some((count, _)) = self.told.failed.take() {
                    info!(failed = count, "the kernel's routes can be read again");
                }
                self.name_foreign = false;
                self.table.suspect_all();
                self.next_hops.ask_about_sources();
                let Self { told, table, .. } = self;
                told.rivals
                    .dumped(others.as_ref(), |prefix| table.knows(prefix));
                let drift = self.table.end_dump(foreign);
                let prefixes = self.told.rivals.to_review(&self.owner);
                self.told.keep_out(&self.owner, prefixes, &mut self.table);
                let again = std::mem::take(&mut self.look_again);
                self.told.drifted(&drift, again);
                if again {
                    self.resync_soon();
                }
                if sweep {
                    self.sweep_objects(queries).await;
                }
            }
            Err(error) => {
                self.table.abort_dump();
                let before = self.told.failed.take().map_or(0, |(count, _)| count);
                if before == 0 {
                    warn!(%error, "cannot read the kernel's routes; will be tried again");
                }
                let pause = RETRY_FIRST.saturating_mul(1 << before.min(4));
                self.resync_at = Some(self.last_dump + jitter(pause.min(RETRY_MOST)));
                self.told.failed = Some((before + 1, error));
            }
        }
    }

    /// Shows the table all routes. Returns those of others.
    async fn read_all(
        &mut self,
        foreign: bool,
        queries: &mut mpsc::Receiver<Query>,
    ) -> io::Result<Option<Others>> {
        let mut others = foreign.then(Others::default);
        let mut walk = self.netlink.walk(&self.owner, foreign);
        self.table.begin_dump(None);
        loop {
            let (table, told) = (&self.table, &self.told);
            let answer = || told.status(&self.owner, table);
            let reading = self.netlink.read_on(&mut walk);
            let Some(steps) = meanwhile(reading, queries, answer).await? else {
                return Ok(others);
            };
            for step in steps {
                match step {
                    Step::Again(family) => {
                        self.table.begin_dump(Some(family));
                        if let Some(others) = &mut others {
                            others.forget(family);
                        }
                    }
                    Step::Route(route) => {
                        self.table.dumped(&route);
                        if let Some(others) = &mut others {
                            others.add_all(Foreign::of(&self.owner, &route));
                        }
                    }
                }
            }
        }
    }
}
