//! What comes before routes: how next hops are reached, and nexthop objects.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{info, warn};

use super::super::drift::Cause;
use super::super::message::Lookup;
use super::super::netlink::leftovers::needed;
use super::super::netlink::{Netlink, Step};
use super::super::objects::{Mode, Object, Write};
use super::super::resolve::Ways;
use super::super::{Gateway, KernelRoute, NextHop, Ownership};
use super::{Fib, Query, SETTLE, meanwhile};
use rcni_control::jitter::jitter;

/// Hops, then groups, then groups again of which another program had taken a number.
const ROUNDS: usize = 4;
/// Next hops that are named at once.
const NAMED: usize = 8;
/// What the kernel refused or did not answer is tried again after that.
const AGAIN: Duration = Duration::from_secs(1);
/// A neighbour that was lost is given so long to be taken out of all routes.
const MOURNING: Duration = Duration::from_secs(2);

/// What is due.
pub(super) struct NextHopWork {
    /// When objects are to be looked at.
    objects_at: Option<Instant>,
    /// What the kernel did not answer about.
    unanswered: Vec<NextHop>,
    /// Writes of objects that it did not answer, one after the other.
    silent: u32,
    /// Configured, one a family.
    sources: [Option<IpAddr>; 2],
    sources_due: bool,
    /// Those that this node has not.
    absent: BTreeSet<IpAddr>,
    /// The last refusal that was logged: it is tried every second.
    noted: Option<String>,
    /// A neighbour was lost.
    lost_at: Option<Instant>,
}

impl NextHopWork {
    pub(super) fn new(sources: [Option<IpAddr>; 2]) -> Self {
        Self {
            objects_at: None,
            unanswered: Vec::new(),
            silent: 0,
            sources,
            sources_due: sources.iter().any(Option::is_some),
            absent: BTreeSet::new(),
            noted: None,
            lost_at: None,
        }
    }

    /// Whether this node has the addresses may be different now.
    pub(super) fn ask_about_sources(&mut self) {
        self.sources_due = self.sources.iter().any(Option::is_some);
    }

    /// Says which of the configured addresses this node has not, once.
    fn tell_of_sources(&mut self, here: &BTreeSet<IpAddr>) {
        for address in self.sources.iter().flatten() {
            if here.contains(address) {
                if self.absent.remove(address) {
                    info!(%address, "this node has the address of spec.nodeAddresses now");
                }
            } else if self.absent.insert(*address) {
                warn!(
                    %address,
                    "this node does not have the address of spec.nodeAddresses (or not yet, or it is a \
                     duplicate): routes come without a source until it has; `ip address` shows what it has"
                );
            }
        }
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        let lost = self.lost_at.map(|at| at + MOURNING);
        [self.objects_at, lost].into_iter().flatten().min()
    }
}

impl Fib {
    /// Whether [`Fib::work_on_next_hops`] has something to do now.
    pub(super) fn has_next_hop_work(&self) -> bool {
        self.table.has_suspects() || self.table.has_object_work() || self.next_hops.sources_due
    }

    /// All that must be known and written before routes are.
    pub(super) async fn work_on_next_hops(&mut self, queries: &mut mpsc::Receiver<Query>) {
        if std::mem::take(&mut self.next_hops.sources_due) {
            self.find_sources().await;
        }
        if self.table.has_suspects() {
            self.judge(queries).await;
        }
        if self.table.has_object_work() {
            self.write_objects(queries).await;
        }
    }

    /// At times that [`NextHopWork::due`] said.
    pub(super) async fn next_hops_on_time(&mut self, now: Instant) {
        if self.next_hops.objects_at.is_some_and(|at| at <= now) {
            let unanswered = std::mem::take(&mut self.next_hops.unanswered);
            self.table.suspect(&unanswered);
            self.table.retry_objects();
            self.look_at_objects().await;
        }
        if let Some(at) = self.next_hops.lost_at.filter(|at| *at + MOURNING <= now) {
            // Not while what it means is still being written.
            let busy = self.table.has_work();
            self.next_hops.lost_at = busy.then_some(now.max(at));
            if !busy {
                self.table.find_lost();
            }
        }
    }

    pub(super) fn lose(&mut self, neighbor: NextHop) {
        self.next_hops.lost_at = Some(Instant::now());
        self.table.lose(neighbor);
    }

    /// Now, and when the kernel has done what it does with a link, too.
    pub(super) fn look_at_objects_now(&mut self) {
        self.next_hops.objects_at = Some(Instant::now());
    }

    pub(super) fn look_at_objects_soon(&mut self) {
        let at = Instant::now() + SETTLE;
        let before = self.next_hops.objects_at.unwrap_or(at);
        self.next_hops.objects_at = Some(before.min(at));
    }

    fn look_at_objects_later(&mut self) {
        let at = Instant::now() + jitter(AGAIN);
        self.next_hops.objects_at.get_or_insert(at);
    }

    /// Compares the objects with what is believed.
    pub(super) async fn look_at_objects(&mut self) {
        self.next_hops.objects_at = None;
        if matches!(self.table.mode(), Mode::Multipath(_)) && !self.table.has_objects() {
            return;
        }
        let all = match self.netlink.objects().await {
            Ok(all) => all.unwrap_or_default(),
            Err(error) => {
                if self.may_log() {
                    warn!(%error, "cannot read the kernel's nexthop objects; will be tried again");
                }
                self.look_at_objects_later();
                return;
            }
        };
        let (objects, routes) = self.table.observe_objects(all);
        if objects == 0 {
            return;
        }
        let cause = match self.told.moved {
            true => Cause::Link,
            false => Cause::Changed,
        };
        self.told.repairs.add(cause, routes);
        let cause = cause.as_str();
        if self.may_log() {
            warn!(
                objects,
                routes, cause, "nexthop objects went or changed; putting them right"
            );
        }
    }

    async fn find_sources(&mut self) {
        let configured: Vec<NextHop> = self
            .next_hops
            .sources
            .iter()
            .flatten()
            .map(|a| (*a).into())
            .collect();
        let Ok(answers) = self.netlink.look_up(&configured).await else {
            self.next_hops.sources_due = false;
            self.resync_soon();
            return;
        };
        let here: BTreeSet<IpAddr> = configured
            .iter()
            .zip(answers)
            .filter(|(_, answer)| *answer == Lookup::Own)
            .map(|(hop, _)| hop.address)
            .collect();
        let sources = self
            .next_hops
            .sources
            .map(|source| source.filter(|s| here.contains(s)));
        self.next_hops.tell_of_sources(&here);
        self.table.set_sources(sources);
        self.told.missing_sources = self.next_hops.absent.iter().copied().collect();
    }

    /// Asks the kernel how next hops are reached.
    async fn judge(&mut self, queries: &mut mpsc::Receiver<Query>) {
        let suspects = self.table.suspects();
        let (table, told) = (&self.table, &self.told);
        let answer = || told.status(&self.owner, table);
        let answers = match meanwhile(self.netlink.look_up(&suspects), queries, answer).await {
            Ok(answers) => answers,
            Err(error) => {
                if self.may_log() {
                    warn!(%error, "cannot ask the kernel about next hops; will be tried again");
                }
                self.next_hops.unanswered.extend(suspects);
                self.look_at_objects_later();
                return;
            }
        };
        let answers = suspects.into_iter().zip(answers).collect();
        let (mut changed, hidden) = self.table.judge(answers);
        if !hidden.is_empty() {
            let hops: Vec<NextHop> = hidden.iter().map(|(hop, _)| *hop).collect();
            match self.ways_of_others(&hops).await {
                Ok(ways) => changed.extend(self.table.judge_by(&hidden, &ways)),
                Err(error) => {
                    warn!(%error, "cannot read the kernel's routes; will be tried again");
                    self.next_hops.unanswered.extend(hops);
                    self.look_at_objects_later();
                }
            }
        }
        self.tell(&changed);
    }

    /// What became of next hops, of some of them where there are many.
    fn tell(&mut self, changed: &[NextHop]) {
        let mut usable = 0;
        for hop in changed {
            match self.table.trouble(hop) {
                Some(trouble) if self.may_log() => {
                    warn!("{trouble}; routes go without it where they have others");
                }
                Some(_) => {}
                None => {
                    usable += 1;
                    if usable <= NAMED {
                        info!(%hop, "this next hop can be used");
                    }
                }
            }
        }
        if usable > NAMED {
            info!(more = usable - NAMED, "further next hops can be used");
        }
    }

    /// The best routes of others to `hops`: own ones hide them.
    async fn ways_of_others(&mut self, hops: &[NextHop]) -> std::io::Result<Ways> {
        let objects = self.netlink.objects().await?.unwrap_or_default();
        let objects: BTreeMap<u32, _> = objects.iter().map(|o| (o.id, o)).collect();
        let behind = |route: &KernelRoute| -> Vec<Gateway> {
            let object = route.object.and_then(|id| objects.get(&id));
            object.map_or_else(
                || route.gateways.clone(),
                |object| object.gateways(|id| objects.get(&id).copied()),
            )
        };
        let mut ways = Ways::default();
        let mut walk = self.netlink.walk(&self.owner, true);
        while let Some(steps) = self.netlink.read_on(&mut walk).await? {
            for step in steps {
                if let Step::Route(route) = step
                    && !self.owner.owns(&route)
                {
                    ways.offer(hops, &route, || behind(&route));
                }
            }
        }
        Ok(ways)
    }

    async fn write_objects(&mut self, queries: &mut mpsc::Receiver<Query>) {
        for _ in 0..ROUNDS {
            let writes = self.table.next_objects();
            if writes.is_empty() {
                return;
            }
            if !self.apply_objects(&writes, queries).await {
                return;
            }
        }
        self.look_at_objects_later();
    }

    /// False: they must be looked at first.
    async fn apply_objects(
        &mut self,
        writes: &[Write],
        queries: &mut mpsc::Receiver<Query>,
    ) -> bool {
        let (protocol, resilient) = (self.owner.protocol, self.table.objects().resilient());
        let (table, told) = (&self.table, &self.told);
        let answer = || told.status(&self.owner, table);
        let writing = self.netlink.write_objects(protocol, resilient, writes);
        let sure = match meanwhile(writing, queries, answer).await {
            Ok(errnos) => {
                self.next_hops.silent = 0;
                self.table.settle_objects(writes, &errnos)
            }
            Err(error) => {
                if self.may_log() {
                    warn!(%error, "the kernel did not answer about nexthop objects; will ask what it has");
                }
                self.next_hops.silent += 1;
                if self.next_hops.silent > 1 {
                    // Routes do not wait for ever: they name their gateways themselves.
                    let refused = vec![libc::ETIMEDOUT; writes.len()];
                    self.table.settle_objects(writes, &refused);
                }
                self.table.postpone_objects();
                self.look_at_objects_later();
                return false;
            }
        };
        if !sure {
            let note = self.table.note_on_objects();
            if note.is_some() {
                self.look_at_objects_later();
            } else {
                self.look_at_objects_soon();
            }
            if let Some(note) = note.filter(|note| self.next_hops.noted.as_ref() != Some(note)) {
                warn!("{note}");
                self.next_hops.noted = Some(note);
            }
        }
        sure
    }

    /// Removes objects that nobody uses.
    pub(super) async fn sweep_objects(&mut self, queries: &mut mpsc::Receiver<Query>) {
        if self.table.unused_objects(&BTreeSet::new()).is_empty() {
            return;
        }
        let (table, told) = (&self.table, &self.told);
        let answer = || told.status(&self.owner, table);
        let reading = used_by_others(&mut self.netlink, &self.owner);
        let used = match meanwhile(reading, queries, answer).await {
            Ok(used) => used,
            Err(error) => {
                warn!(%error, "cannot ask the kernel who uses nexthop objects; they stay for now");
                return;
            }
        };
        let unused = self.table.unused_objects(&used);
        if unused.is_empty() {
            return;
        }
        let count = unused.len();
        if self.apply_objects(&unused, queries).await {
            info!(
                objects = count,
                "nexthop objects that no route uses are gone"
            );
        }
    }
}

/// The kernel deletes with an object the routes that use it, and takes it out of groups: so all tables
/// count, and groups with numbers that are none of ours.
async fn used_by_others(
    netlink: &mut Netlink,
    owner: &Ownership,
) -> std::io::Result<BTreeSet<u32>> {
    let strangers = netlink.strangers(owner).await?;
    let all = netlink.objects().await?.unwrap_or_default();
    let is_ours = |object: &Object| object.protocol == owner.protocol && object.has_own_number();
    Ok(needed(&all, &strangers, is_ours))
}
