//! The task that owns kernel routes: takes what the speaker wants, writes the difference, repairs
//! what others change.

mod heard;
mod next_hops;
mod pump;
mod resync;
mod told;

use std::io;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use self::next_hops::NextHopWork;
use self::told::Told;
use super::change::{Change, Outcome, Reason};
use super::former::{Former, Leftovers};
use super::monitor::{Monitor, Observed};
use super::netlink::{Netlink, Step};
use super::reconcile::Table;
use super::rivals::{Foreign, Others};
use super::{FibStatus, NextHop, NextHops, Ownership, Prefix, Settings};
use rcni_control::jitter::jitter;
use rcni_control::log::Quiet;

/// Everything is looked at again so often, whatever was noticed.
const AUDIT: Duration = Duration::from_secs(60);
/// From a hint that something changed unseen to the dump; further hints meanwhile cost nothing.
const SETTLE: Duration = Duration::from_millis(50);
/// Dumps that were caused by hints are at least so far apart.
const DUMP_APART: Duration = Duration::from_secs(1);
/// First and longest pause after a dump that failed.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MOST: Duration = Duration::from_secs(16);

/// From the core.
#[derive(Debug)]
pub enum Command {
    /// Next hops per prefix; none: remove.
    Want(Vec<(Prefix, NextHops)>),
    /// This neighbour does not forward any more. What that means for each prefix follows; until then
    /// routes that have other gateways go without it.
    Lost(NextHop),
    /// The desired set is complete.
    Synced,
    /// To be told when what was wanted until now is in the kernel, or has been refused.
    Settle(oneshot::Sender<()>),
}

/// From whoever wants to know.
pub type Query = oneshot::Sender<FibStatus>;

/// The state of the task.
pub struct Fib {
    owner: Ownership,
    netlink: Netlink,
    monitor: Monitor,
    table: Table,
    leftovers: Leftovers,
    next_hops: NextHopWork,
    resync_at: Option<Instant>,
    /// The next dump must tell whose routes stand in the way.
    name_foreign: bool,
    /// There is to be another one after the next.
    look_again: bool,
    last_dump: Instant,
    quiet: Quiet,
    told: Told,
}

impl Fib {
    /// Opens the sockets and adopts the own routes and nexthop objects that an earlier run left,
    /// before anything is written. Returns how many routes those are.
    ///
    /// # Errors
    /// The kernel's; `EPERM` if routes may not be written.
    pub async fn open(settings: impl Into<Settings>) -> io::Result<(Self, usize)> {
        let settings = settings.into();
        let netlink = Netlink::open()?;
        let monitor = Monitor::open(settings.owner, netlink.port())?;
        Self::on(settings, netlink, monitor).await
    }

    /// The same with sockets that are open.
    ///
    /// # Errors
    /// The kernel's.
    pub async fn on(
        settings: impl Into<Settings>,
        mut netlink: Netlink,
        // Subscribed before the dump: nothing falls between the two.
        monitor: Monitor,
    ) -> io::Result<(Self, usize)> {
        let settings = settings.into();
        let owner = settings.owner;
        netlink.probe(&owner).await?;
        let objects = netlink.objects().await?;
        let mode = settings.groups.mode(objects.is_some());
        let mut table = Table::new(owner, mode, jitter);
        table.observe_objects(objects.unwrap_or_default());
        let mut fib = Self {
            owner,
            netlink,
            monitor,
            table,
            leftovers: Leftovers::default(),
            next_hops: NextHopWork::new(settings.sources),
            resync_at: None,
            name_foreign: false,
            look_again: false,
            last_dump: Instant::now(),
            quiet: Quiet::default(),
            told: Told::default(),
        };
        let adopted = fib.adopt().await?;
        Ok((fib, adopted))
    }

    async fn adopt(&mut self) -> io::Result<usize> {
        let mut others = Others::default();
        let mut contested = Vec::new();
        let mut adopted = 0;
        let mut walk = self.netlink.walk(&self.owner, true);
        while let Some(steps) = self.netlink.read_on(&mut walk).await? {
            for step in steps {
                match step {
                    Step::Again(family) => {
                        others.forget(family);
                        // What was adopted may be gone.
                        self.resync_soon();
                    }
                    Step::Route(route) if self.owner.owns(&route) => {
                        adopted += usize::from(self.table.adopt(route.prefix, &route.target()));
                    }
                    Step::Route(route) => {
                        if self.owner.same_place(&route) {
                            contested.push(route.prefix);
                        }
                        others.add_all(Foreign::of(&self.owner, &route));
                    }
                }
            }
        }
        // Put beside ours while nobody looked: a replacement could hit the other.
        for prefix in contested {
            self.table.foreign_appeared(prefix, false);
        }
        let table = &self.table;
        let ours = |prefix| table.knows(prefix);
        self.told.rivals.dumped(Some(&others), ours);
        Ok(adopted)
    }

    /// Routes with older marks are removed when own ones are complete.
    #[must_use]
    pub fn after(mut self, former: Option<Former>) -> Self {
        self.leftovers = Leftovers::new(former);
        self
    }

    /// Runs until the core is gone. What was not written by then is left: the kernel's routes
    /// survive the daemon.
    ///
    /// # Errors
    /// The notification socket broke.
    pub async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut queries: mpsc::Receiver<Query>,
    ) -> io::Result<()> {
        loop {
            self.heal();
            let timer = self.next_timer();
            let mut work = self.table.has_work() || self.has_next_hop_work();
            if !work {
                self.told.settled();
            }
            work |= self.leftovers.has_work();
            // Not biased: neither commands nor notifications nor writing can starve the others.
            tokio::select! {
                command = commands.recv(), if self.table.has_room() => match command {
                    Some(command) => self.obey(command),
                    None => return Ok(()),
                },
                observed = self.monitor.next() => match observed {
                    Ok(observed) => self.observe(observed),
                    Err(error) => self.deaf(error).await?,
                },
                Some(query) = queries.recv() => {
                    // Whoever asked may have given up.
                    let _ = query.send(self.told.status(&self.owner, &self.table));
                }
                () = sleep_until(timer) => self.on_time(&mut queries).await,
                () = std::future::ready(()), if work => {
                    self.work(&mut commands, &mut queries).await?;
                }
            }
        }
    }

    /// Another socket for one on which no dump can begin any more.
    fn heal(&mut self) {
        if !self.netlink.is_broken() {
            return;
        }
        let healed = self.netlink.reopen();
        let healed = healed.and_then(|()| self.monitor.follow(self.netlink.port()));
        if let Err(error) = healed {
            // Also where only the filter is missing: own writes would be heard as another's.
            self.netlink.give_up();
            if self.may_log() {
                warn!(%error, "cannot open another netlink socket; will be tried again");
            }
        }
    }

    /// The notification socket says something else than that it lost some.
    async fn deaf(&mut self, error: io::Error) -> io::Result<()> {
        if self.may_log() {
            warn!(%error, "notifications cannot be read; subscribing anew");
        }
        sleep_until(Instant::now() + jitter(RETRY_FIRST)).await;
        self.monitor.reopen(self.netlink.port())?;
        self.observe(Observed::Lost);
        Ok(())
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Want(changes) => {
                for (prefix, next_hops) in changes {
                    let rivals = &mut self.told.rivals;
                    let next_hops = rivals.filter(&self.owner, prefix, next_hops);
                    self.table.want(prefix, &next_hops);
                }
            }
            Command::Lost(neighbor) => self.lose(neighbor),
            Command::Settle(answer) => self.told.unsettled = Some(answer),
            Command::Synced => {
                let stale = self.table.synced();
                self.leftovers.begin();
                if stale > 0 {
                    info!(
                        routes = stale,
                        "removing adopted routes that no peer announced again"
                    );
                }
            }
        }
    }

    async fn work(
        &mut self,
        commands: &mut mpsc::Receiver<Command>,
        queries: &mut mpsc::Receiver<Query>,
    ) -> io::Result<()> {
        self.work_on_next_hops(queries).await;
        self.pump(commands, queries).await?;
        // What takes their place comes first.
        if self.leftovers.has_work() && !self.table.has_work() {
            for prefix in self.leftovers.step(&mut self.netlink).await {
                // Ours may have waited for it.
                self.table.foreign_vanished(prefix);
            }
        }
        // Notifications and sessions get their turn between two batches.
        tokio::task::yield_now().await;
        Ok(())
    }

    fn log_outcome(&mut self, change: &Change, outcome: Outcome) {
        let prefix = change.prefix();
        match outcome {
            Outcome::Refused(_) | Outcome::NotSent(_) | Outcome::Unknown | Outcome::Exists
                if self.table.failure(prefix).is_none() =>
            {
                let error = match outcome {
                    Outcome::Refused(errno) => Reason::Errno(errno),
                    Outcome::NotSent(errno) => Reason::NotSent(errno),
                    Outcome::Unknown => Reason::NoAnswer,
                    _ => Reason::Held(None),
                };
                if self.may_log() {
                    warn!(%prefix, %error, "route not written; will be tried again");
                }
            }
            _ => debug!(%prefix, ?change, ?outcome, "route written"),
        }
    }

    fn may_log(&mut self) -> bool {
        self.quiet.allows(std::time::Instant::now())
    }

    fn resync_soon(&mut self) {
        if self.resync_at.is_none() {
            let now = Instant::now();
            self.resync_at = Some((now + SETTLE).max(self.last_dump + DUMP_APART));
        }
    }

    fn next_timer(&self) -> Instant {
        let audit = self.last_dump + AUDIT;
        let retry = self.table.next_retry().map(Instant::from_std);
        let quiet = self.quiet.due().map(Instant::from_std);
        [self.resync_at, retry, quiet, self.next_hops.due()]
            .into_iter()
            .flatten()
            .fold(audit, Instant::min)
    }

    async fn on_time(&mut self, queries: &mut mpsc::Receiver<Query>) {
        let now = Instant::now();
        self.table.retry_due(now.into_std());
        if let Some(more) = self.quiet.swallowed(now.into_std()) {
            warn!(
                more,
                "further prefixes like those above; `rcni-bgp status` has the numbers"
            );
        }
        self.next_hops_on_time(now).await;
        let due = self.resync_at.is_some_and(|at| at <= now);
        if due || self.last_dump + AUDIT <= now {
            self.resync(queries).await;
        }
    }
}

/// Waits for the kernel; whoever asks meanwhile is answered.
async fn meanwhile<T>(
    kernel: impl Future<Output = T>,
    queries: &mut mpsc::Receiver<Query>,
    answer: impl Fn() -> FibStatus,
) -> T {
    let mut kernel = std::pin::pin!(kernel);
    loop {
        tokio::select! {
            biased;
            done = &mut kernel => return done,
            Some(query) = queries.recv() => {
                let _ = query.send(answer());
            }
        }
    }
}

/// Stands in for [`Fib::run`] where routes are not to be installed, but for those of an earlier run: they go.
pub async fn run_without_kernel(
    former: Option<Former>,
    mut commands: mpsc::Receiver<Command>,
    mut queries: mpsc::Receiver<Query>,
) -> io::Result<()> {
    let mut leftovers = Leftovers::new(former);
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                None => return Ok(()),
                Some(Command::Want(_) | Command::Lost(_)) => {}
                // Nobody waits who does not hear it.
                Some(Command::Settle(answer)) => drop(answer.send(())),
                Some(Command::Synced) => {
                    leftovers.begin();
                    remove(&mut leftovers).await;
                }
            },
            Some(query) = queries.recv() => {
                let _ = query.send(FibStatus::default());
            }
        }
    }
}

/// All that is left, where there is no socket for it yet.
async fn remove(leftovers: &mut Leftovers) {
    if !leftovers.has_work() {
        return;
    }
    match Netlink::open() {
        Ok(mut netlink) => {
            while leftovers.has_work() {
                leftovers.step(&mut netlink).await;
                if netlink.is_broken() {
                    // It is said what could not be done without.
                    let _ = netlink.reopen();
                }
            }
        }
        Err(error) => warn!(%error, "cannot remove the routes of an earlier run"),
    }
}
