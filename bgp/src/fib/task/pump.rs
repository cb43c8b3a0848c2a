//! Batches of changes into the kernel, one after the other without a pause between.
//!
//! ```text
//!   kernel    | batch 1 ............ | batch 2 ............ | batch 3
//!   this task | take in, make 2      | settle 1, make 3     | settle 2, ...
//! ```
//!
//! While the kernel works through a batch on another thread, this task settles the one before, takes
//! in what the speaker says, and launches the next as soon as there is enough for a whole one: less waits
//! until the kernel is free, as more may come. What others did is heard when none is on its way: as soon as
//! there is anything, no further batch is launched. What could hit a route that another program has put in the
//! place of ours (a replacement) is launched only when everything has been heard.

use std::collections::VecDeque;
use std::io;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::change::{Change, Outcome};
use super::super::monitor::Observed;
use super::super::netlink::{BATCH, Batch, Flight, IN_FLIGHT};
use super::{Command, Fib, Query, meanwhile};

/// Changes, and the same as messages.
struct Made {
    changes: Vec<Change>,
    batch: Batch,
}

/// What is on its way, and whether more may follow.
#[derive(Default)]
struct Pump {
    flights: VecDeque<(Vec<Change>, Flight)>,
    /// Waits until everything has been heard.
    held: Option<Made>,
    heard: Option<io::Result<Observed>>,
    /// Not all went well: first see to that.
    rough: bool,
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
        if self.netlink.is_sending() {
            // Not between what is heard and the write.
            let (table, told) = (&self.table, &self.told);
            let answer = || told.status(&self.owner, table);
            meanwhile(self.netlink.idle(), queries, answer).await;
        }
        let all_heard = self.hear().await?;
        let mut pump = Pump {
            held: self.make(),
            ..Pump::default()
        };
        if let Some(made) = pump.held.take_if(|made| !all_heard && made.must_wait()) {
            self.table.put_back(&made.changes);
        }
        while let Some(made) = pump.held.take() {
            self.launch(&mut pump, made);
            while !pump.flights.is_empty() {
                self.fly(&mut pump, commands, queries).await;
                self.land(&mut pump, queries).await;
            }
            if pump.is_over() || self.has_other_work() {
                break;
            }
        }
        if let Some(made) = pump.held {
            self.table.put_back(&made.changes);
        }
        match pump.heard {
            Some(Ok(observed)) => self.observe(observed),
            Some(Err(error)) => self.deaf(error).await?,
            None => {}
        }
        Ok(())
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

    fn launch(&mut self, pump: &mut Pump, made: Made) {
        let is_first = pump.flights.is_empty();
        let flight = self.netlink.launch(made.batch, is_first);
        pump.flights.push_back((made.changes, flight));
    }

    /// Launches the next batch if there is enough for one.
    fn fill(&mut self, pump: &mut Pump) {
        while pump.flights.len() < IN_FLIGHT
            && !pump.is_over()
            && pump.held.is_none()
            && self.table.has_many(BATCH)
            && !self.has_other_work()
        {
            match self.make() {
                Some(made) if made.must_wait() => pump.held = Some(made),
                Some(made) => self.launch(pump, made),
                None => return,
            }
        }
    }

    /// While the kernel works: takes in what is wanted, launches what is due, and answers whoever asks.
    async fn fly(
        &mut self,
        pump: &mut Pump,
        commands: &mut mpsc::Receiver<Command>,
        queries: &mut mpsc::Receiver<Query>,
    ) {
        loop {
            self.fill(pump);
            let Some((_, flight)) = pump.flights.front_mut() else {
                return;
            };
            tokio::select! {
                biased;
                () = flight.over() => return,
                Some(query) = queries.recv() => {
                    // Whoever asked may have given up.
                    let _ = query.send(self.told.status(&self.owner, &self.table));
                }
                Some(command) = commands.recv(), if self.table.has_room() => self.obey(command),
            }
        }
    }

    /// The first batch is through.
    async fn land(&mut self, pump: &mut Pump, queries: &mut mpsc::Receiver<Query>) {
        let Some((changes, flight)) = pump.flights.pop_front() else {
            return;
        };
        let (table, told) = (&self.table, &self.told);
        let answer = || told.status(&self.owner, table);
        let landing = self.netlink.land(flight, &changes);
        let outcomes = meanwhile(landing, queries, answer).await;
        pump.rough |= outcomes.iter().any(|outcome| *outcome != Outcome::Done);
        if pump.heard.is_none() {
            pump.heard = self.monitor.now().await;
        }
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

    /// Whether something comes before further batches.
    fn has_other_work(&self) -> bool {
        self.has_next_hop_work() || self.netlink.is_broken() || self.next_timer() <= Instant::now()
    }
}

impl Pump {
    fn is_over(&self) -> bool {
        self.rough || self.heard.is_some()
    }
}

impl Made {
    fn must_wait(&self) -> bool {
        let is_risky = |change: &Change| matches!(change, Change::Replace { .. });
        self.changes.iter().any(is_risky)
    }
}
