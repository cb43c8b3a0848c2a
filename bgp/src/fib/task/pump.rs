//! Batches of changes into the kernel, one after the other without a pause between.
//!
//! ```text
//!   kernel    | batch 1 ............ | batch 2 ............ | batch 3
//!   this task | take in, make 2      | settle 1, make 3     | settle 2, ...
//! ```
//!
//! While the kernel works through a batch on another thread, this task settles the one before, takes
//! in what the speaker says, and makes the next as soon as there is enough for a whole one: less waits
//! until the kernel is free, as more may come. What others did is heard between two batches as ever:
//! if there is anything, the batch that was made is taken apart again, for it may be wrong.

use std::io;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::change::{Change, Outcome};
use super::super::netlink::{BATCH, Batch, Flight};
use super::{Command, Fib, Query, meanwhile};

/// Changes, and the same as messages.
struct Made {
    changes: Vec<Change>,
    batch: Batch,
}

impl Fib {
    /// Writes what is queued, until something else must be looked at.
    ///
    /// # Errors
    /// The notification socket broke.
    pub(super) async fn pump(
        &mut self,
        commands: &mut mpsc::Receiver<Command>,
        queries: &mut mpsc::Receiver<Query>,
    ) -> io::Result<()> {
        let Some(mut made) = self.make() else {
            return Ok(());
        };
        let mut landed: Option<(Vec<Change>, Vec<Outcome>)> = None;
        loop {
            let Made { changes, batch } = made;
            let mut flight = self.netlink.launch(batch).await;
            if let Some((changes, outcomes)) = landed.take() {
                self.settle(&changes, outcomes);
            }
            let next = self.fly(&mut flight, commands, queries).await;
            let (table, told) = (&self.table, &self.told);
            let answer = || told.status(&self.owner, table);
            let landing = self.netlink.land(flight, &changes);
            let outcomes = meanwhile(landing, queries, answer).await;
            let heard = self.monitor.now().await;
            let smooth = heard.is_none() && outcomes.iter().all(|o| *o == Outcome::Done);
            match next {
                Some(next) if smooth && !self.has_other_work() => {
                    landed = Some((changes, outcomes));
                    made = next;
                }
                next => {
                    self.settle(&changes, outcomes);
                    if let Some(next) = next {
                        self.table.put_back(&next.changes);
                    }
                    return match heard {
                        Some(Ok(observed)) => {
                            self.observe(observed);
                            Ok(())
                        }
                        Some(Err(error)) => self.deaf(error).await,
                        None => Ok(()),
                    };
                }
            }
        }
    }

    /// What is due, if anything.
    fn make(&mut self) -> Option<Made> {
        let mut changes = self.table.next_changes(BATCH);
        if changes.is_empty() {
            return None;
        }
        let batch = self.netlink.batch(&self.owner, &changes);
        // Long ones may not fit one send.
        self.table.put_back(&changes[batch.count()..]);
        changes.truncate(batch.count());
        Some(Made { changes, batch })
    }

    /// While the kernel works: takes in what is wanted, answers whoever asks, and returns the next batch if
    /// there is enough for one.
    async fn fly(
        &mut self,
        flight: &mut Flight,
        commands: &mut mpsc::Receiver<Command>,
        queries: &mut mpsc::Receiver<Query>,
    ) -> Option<Made> {
        let mut next = None;
        loop {
            if next.is_none() && self.table.has_many(BATCH) && !self.has_other_work() {
                next = self.make();
            }
            tokio::select! {
                biased;
                () = flight.over() => return next,
                Some(query) = queries.recv() => {
                    // Whoever asked may have given up.
                    let _ = query.send(self.told.status(&self.owner, &self.table));
                }
                Some(command) = commands.recv(), if self.table.has_room() => self.obey(command),
            }
        }
    }

    /// Whether something comes before further batches.
    fn has_other_work(&self) -> bool {
        self.has_next_hop_work() || self.netlink.is_broken() || self.next_timer() <= Instant::now()
    }

    fn settle(&mut self, changes: &[Change], outcomes: Vec<Outcome>) {
        let now = std::time::Instant::now();
        for (change, outcome) in changes.iter().zip(outcomes) {
            self.log_outcome(change, outcome);
            if self.table.settle(change, outcome, now) {
                self.name_foreign |= outcome == Outcome::Exists;
                self.resync_soon();
            }
        }
        if self.table.take_doubt() {
            self.look_at_objects_soon();
        }
    }
}
