//! From sets of next hops to targets, for all prefixes that have them.

use std::net::IpAddr;

use super::super::change::{Change, Reason};
use super::super::numbers::NONE;
use super::super::objects::{Mode, Object, Objects, Write};
use super::super::resolve::{Link, Resolver};
use super::super::{Gateway, NextHop, NextHops, Path, Prefix, Target};
use super::{Entry, Table};

/// Next hops that no set has any more are forgotten when there are so many.
const MANY: usize = 1024;
/// What is known of next hops and objects.
pub(super) struct Hops {
    pub(super) resolver: Resolver,
    pub(super) objects: Objects,
    /// IPv4 and IPv6.
    pub(super) sources: [Option<IpAddr>; 2],
    /// How many next hops may be known before unused ones are forgotten.
    most: usize,
    pub(super) rounds: u32,
    /// A route that names an object was refused: the objects must be looked at.
    doubt: bool,
    /// There may be objects to be written.
    dirty: bool,
}

impl Hops {
    pub(super) fn new(objects: Objects) -> Self {
        Self {
            resolver: Resolver::default(),
            objects,
            sources: [None; 2],
            most: MANY,
            rounds: 0,
            doubt: false,
            dirty: false,
        }
    }
}

/// What a set of next hops means now.
#[derive(Debug, Default)]
pub(super) struct Resolution {
    /// All gateways.
    all: Vec<Gateway>,
    /// The group for them.
    group: Option<u32>,
    /// Numbers of the targets of IPv4 and IPv6 routes.
    targets: [u32; 2],
    /// There is none for now: the kernel has not been asked, a group is not there yet, or links are
    /// down.
    pub(super) waits: bool,
}

impl Resolution {
    pub(super) fn target(&self, prefix: Prefix) -> u32 {
        self.targets[usize::from(prefix.is_ipv6())]
    }
}

impl Table {
    /// The number of a set of next hops, with one more user.
    pub(super) fn take_set(&mut self, hops: &NextHops) -> u32 {
        let (number, is_new) = self.sets.take(hops);
        if is_new {
            self.hops.resolver.learn(hops);
            if self.resolutions.len() <= number as usize {
                self.resolutions.resize_with(number as usize + 1, || None);
            }
            self.resolve_set(number);
            self.set_live();
            if self.hops.resolver.len() > self.hops.most {
                self.forget_unused();
            }
        }
        number
    }

    pub(super) fn give_back_set(&mut self, number: u32) {
        if number == NONE || !self.sets.give_back(number) {
            return;
        }
        let old = self.resolutions.get_mut(number as usize);
        if let Some(old) = old.and_then(Option::take) {
            for target in old.targets {
                self.targets.give_back(target);
            }
            if let Some(group) = old.group {
                self.hops.objects.give_back(group);
            }
        }
    }

    fn forget_unused(&mut self) {
        let used: std::collections::BTreeSet<NextHop> = self
            .sets
            .iter()
            .flat_map(|(_, hops)| hops.iter().copied())
            .collect();
        self.hops.resolver.forget(|hop| used.contains(hop));
        self.hops.most = (2 * used.len()).max(MANY);
    }

    /// Finds what all sets mean now. What changes is written by and by.
    pub fn resolve(&mut self) {
        // Of groups that there are: whether one counts as refused depends on it.
        self.set_live();
        let sets: Vec<u32> = self.sets.iter().map(|(number, _)| number).collect();
        let mut changed = vec![false; self.resolutions.len()];
        for set in sets {
            if let Some(place) = changed.get_mut(set as usize) {
                *place = self.resolve_set(set);
            }
        }
        self.set_live();
        if !changed.contains(&true) {
            return;
        }
        let entries = &self.entries;
        let concerned: Vec<Prefix> = self
            .failures
            .iter()
            .filter(|(prefix, reason)| {
                let set = entries.get(prefix).map_or(NONE, |entry| entry.desired());
                let changed = changed.get(set as usize) == Some(&true);
                changed && !matches!(reason, Reason::Held(_))
            })
            .map(|(prefix, _)| prefix)
            .collect();
        for prefix in concerned {
            self.failures.forget(prefix);
        }
        self.look_at_all();
    }

    fn set_live(&mut self) {
        let Hops {
            resolver,
            objects,
            dirty,
            ..
        } = &mut self.hops;
        *dirty = true;
        objects.set_live(
            |gateway| resolver.is_live(gateway),
            |gateway| resolver.is_lost(gateway),
        );
    }

    /// True: routes of this set lead elsewhere now.
    fn resolve_set(&mut self, set: u32) -> bool {
        let Some(hops) = self.sets.get(set).cloned() else {
            return false;
        };
        let old = self
            .resolutions
            .get_mut(set as usize)
            .and_then(Option::take);
        let old = old.unwrap_or_default();
        let all = self.hops.resolver.gateways(&hops);
        let group = match all.len() {
            0 | 1 => None,
            _ if all == old.all && old.group.is_some() => old.group,
            _ => self.hops.objects.take(&all),
        };
        if let Some(group) = old.group.filter(|_| old.group != group) {
            self.hops.objects.give_back(group);
        }
        let complete = self.hops.resolver.is_complete(&hops);
        let path = complete.then(|| self.path(&all, group)).flatten();
        let waits = path.is_none() && (!complete || !all.is_empty());
        let targets = self.hops.sources.map(|source| {
            let path = path.clone()?;
            Some(Target { path, source })
        });
        let targets = targets.map(|target| target.map_or(NONE, |t| self.targets.take(&t).0));
        let changed = targets != old.targets || waits != old.waits;
        for target in old.targets {
            self.targets.give_back(target);
        }
        let resolution = Resolution {
            all,
            group,
            targets,
            waits,
        };
        if let Some(place) = self.resolutions.get_mut(set as usize) {
            *place = Some(resolution);
        }
        changed
    }

    /// Where routes to these gateways lead; `None`: nowhere now.
    fn path(&self, all: &[Gateway], group: Option<u32>) -> Option<Path> {
        let Hops {
            resolver, objects, ..
        } = &self.hops;
        if let Some(group) = group.filter(|group| !objects.is_refused(*group)) {
            return objects.is_ready(group).then_some(Path::Object(group));
        }
        // With one gateway there is nothing to prefer: a route over a link without a carrier waits there.
        let live = all.iter().filter(|gateway| resolver.is_live(gateway));
        let mut hops: Vec<Gateway> = live.copied().collect();
        if hops.is_empty() {
            let possible = all.iter().filter(|gateway| resolver.is_possible(gateway));
            hops = possible.copied().collect();
        }
        (!hops.is_empty()).then(|| Path::Hops(hops.into()))
    }

    /// The kernel refused a route.
    pub(super) fn refused(&mut self, change: &Change) {
        let (Change::Create { target, .. } | Change::Replace { target, .. }) = change else {
            return;
        };
        match &target.path {
            Path::Object(_) => self.hops.doubt = true,
            Path::Hops(hops) => self.hops.resolver.suspect_gateways(hops),
        }
    }

    /// Whether the objects must be looked at, since a route that names one was refused. Asked once.
    pub fn take_doubt(&mut self) -> bool {
        std::mem::take(&mut self.hops.doubt)
    }

    /// A link's state.
    pub fn link(&mut self, index: u32, now: Link) {
        if self.hops.resolver.link(index, now) {
            self.hops.rounds = 0;
            self.hops.resolver.suspect_all();
            self.resolve();
        }
    }

    /// All links are about to be told again.
    pub fn forget_links(&mut self) {
        self.hops.resolver.forget_links();
        self.hops.resolver.suspect_all();
    }

    /// This neighbour does not forward any more; what that means for each prefix will be said. Groups go
    /// without it at once.
    pub fn lose(&mut self, neighbor: NextHop) {
        self.hops.resolver.lose(neighbor);
        self.set_live();
    }

    /// All has been said about neighbours that were lost.
    pub fn find_lost(&mut self) {
        if self.hops.resolver.find_lost() {
            self.set_live();
        }
    }

    /// Whether [`Table::next_objects`] may have something.
    #[must_use]
    pub fn has_object_work(&self) -> bool {
        self.hops.dirty
    }

    /// Objects to be written next, for [`Table::settle_objects`].
    #[must_use]
    pub fn next_objects(&mut self) -> Vec<Write> {
        let writes = self.hops.objects.next_writes();
        self.hops.dirty = !writes.is_empty();
        writes
    }

    /// Nothing is known of the last writes: first the objects are looked at.
    pub fn postpone_objects(&mut self) {
        self.hops.dirty = false;
    }

    /// What the kernel refused is tried again.
    pub fn retry_objects(&mut self) {
        self.hops.objects.retry();
        self.resolve();
    }

    /// Whether there are objects that an earlier run made, or this one.
    #[must_use]
    pub fn has_objects(&self) -> bool {
        self.hops.objects.counts().1 > 0
    }

    /// How that went: errno or 0 of each. False: the objects must be looked at.
    pub fn settle_objects(&mut self, writes: &[Write], errnos: &[i32]) -> bool {
        let mut sure = writes.len() == errnos.len();
        for (write, errno) in writes.iter().zip(errnos) {
            sure &= self.hops.objects.settle(write, *errno);
        }
        self.resolve();
        // What is not as was believed is looked at before more is written.
        self.hops.dirty &= sure;
        sure
    }

    /// What objects the kernel has. Returns how many are not what they were believed to be, and how
    /// many routes went with a group.
    pub fn observe_objects(&mut self, all: Vec<Object>) -> (usize, usize) {
        let differences = self.hops.objects.observe(all);
        let gone = |target: &Target| match target.path {
            Path::Object(id) => differences.gone.contains(&id),
            Path::Hops(_) => false,
        };
        let gone: Vec<u32> = self
            .targets
            .iter()
            .filter(|(_, target)| gone(target))
            .map(|(number, _)| number)
            .collect();
        let mut routes = 0_usize;
        if !gone.is_empty() {
            for (_, entry) in self.entries.iter_mut() {
                if gone.contains(&entry.installed) {
                    routes += 1;
                    self.targets.give_back(entry.installed);
                    entry.installed = NONE;
                }
            }
            self.repaired += routes as u64;
            self.look_at_all();
        }
        self.resolve();
        (differences.objects, routes)
    }

    /// Objects that nobody uses, given those that routes of others use.
    #[must_use]
    pub fn unused_objects(&self, foreign: &std::collections::BTreeSet<u32>) -> Vec<Write> {
        let targets: std::collections::BTreeSet<u32> = self
            .targets
            .iter()
            .filter_map(|(_, target)| match target.path {
                Path::Object(id) => Some(id),
                Path::Hops(_) => None,
            })
            .collect();
        let is_used = |id| targets.contains(&id);
        self.hops.objects.unused(is_used, foreign)
    }

    /// Whether there may be objects to be swept: only when all routes are as they should be.
    #[must_use]
    pub fn has_unused_objects(&self) -> bool {
        self.synced && !self.has_work() && self.hops.objects.has_unwanted()
    }

    /// Kind of groups, their number, and that of all objects.
    #[must_use]
    pub fn objects(&self) -> &Objects {
        &self.hops.objects
    }

    /// What kind of groups there are.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.hops.objects.mode()
    }

    /// Why `hop` is no gateway now, and what to do.
    #[must_use]
    pub fn trouble(&self, hop: &NextHop) -> Option<String> {
        self.hops.resolver.trouble(hop)
    }

    /// Gateways that routes of this entry have now.
    pub(super) fn gateways_of(&self, entry: &Entry) -> Vec<NextHop> {
        let named = |gateways: &[Gateway]| gateways.iter().map(Gateway::next_hop).collect();
        match self.targets.get(entry.installed).map(|target| &target.path) {
            Some(Path::Hops(hops)) => named(hops),
            Some(Path::Object(id)) => named(&self.hops.objects.gateways(*id)),
            None => Vec::new(),
        }
    }
}
