//! Nexthop objects and groups: what routes with several gateways share. Pure: says what to write next
//! and is told how it went, and what the kernel has.
//!
//! ```text
//!   route --\                           /-- hop (gateway, link)
//!   route ----> group (all gateways) ---
//!   route --/                           \-- hop (gateway, link)
//! ```
//!
//! A group is found by *all* gateways of its routes; its members are those that are live. So a gateway
//! that is lost or comes back is one message, however many routes share the group. The kernel deletes
//! the hops of a link that loses its carrier, takes them out of their groups, and with the last member
//! deletes the group and all its routes. Numbers are of an own range, 65,536 of them; the kernel's own
//! and zebra's begin at 1.

mod ids;
mod model;
mod observed;
mod sweep;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub use self::model::{FIRST_ID, LAST_ID, Mode, Object, Shape, Write};
pub use self::observed::Differences;
use super::Gateway;
use super::message::nexthop::Resilient;

#[derive(Debug)]
struct Wanted {
    all: Vec<Gateway>,
    live: Vec<Gateway>,
    /// How many sets of next hops have it.
    users: u32,
}

/// See the [module](self).
pub struct Objects {
    mode: Mode,
    protocol: u8,
    /// In the kernel with a number of our range, as far as is known; whoever made them.
    known: BTreeMap<u32, Object>,
    /// Numbers of the hops of wanted groups.
    hops: BTreeMap<Gateway, u32>,
    wanted: BTreeMap<u32, Wanted>,
    /// By all their gateways. Not iterated.
    by_gateways: HashMap<Vec<Gateway>, u32>,
    /// What the kernel refused lately, with its errno.
    refused: BTreeMap<u32, i32>,
    /// What it said to be there, or not, against what is believed.
    doubted: BTreeSet<u32>,
    /// The last number that was given.
    last_id: u32,
    /// Why the mode is not what was asked for.
    note: Option<&'static str>,
}

impl Objects {
    /// None yet.
    #[must_use]
    pub fn new(mode: Mode, protocol: u8) -> Self {
        Self {
            mode,
            protocol,
            known: BTreeMap::new(),
            hops: BTreeMap::new(),
            wanted: BTreeMap::new(),
            by_gateways: HashMap::new(),
            refused: BTreeMap::new(),
            doubted: BTreeSet::new(),
            last_id: LAST_ID,
            note: None,
        }
    }

    /// What kind of groups there are.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Why the mode is not what was asked for.
    #[must_use]
    pub fn note(&self) -> Option<&'static str> {
        self.note
    }

    /// For messages.
    #[must_use]
    pub fn resilient(&self) -> Option<Resilient> {
        match self.mode {
            Mode::Resilient(resilient) => Some(resilient),
            _ => None,
        }
    }

    /// For messages.
    #[must_use]
    pub fn protocol(&self) -> u8 {
        self.protocol
    }

    /// The number of the group of these gateways (sorted), with one more user; `None`: there are no
    /// groups, or no numbers left.
    pub fn take(&mut self, all: &[Gateway]) -> Option<u32> {
        if matches!(self.mode, Mode::Multipath(_)) {
            return None;
        }
        if let Some(id) = self.by_gateways.get(all).copied() {
            let wanted = self.wanted.get_mut(&id)?;
            wanted.users += 1;
            return Some(id);
        }
        let mut fresh = Vec::new();
        for gateway in all {
            if !self.hops.contains_key(gateway) {
                let id = self.adopted_hop(gateway).or_else(|| self.free_id())?;
                self.hops.insert(*gateway, id);
                fresh.push(*gateway);
            }
        }
        let Some(id) = self.adopted_group(all).or_else(|| self.free_id()) else {
            for gateway in fresh {
                self.hops.remove(&gateway);
            }
            return None;
        };
        let wanted = Wanted {
            all: all.to_vec(),
            live: Vec::new(),
            users: 1,
        };
        self.wanted.insert(id, wanted);
        self.by_gateways.insert(all.to_vec(), id);
        Some(id)
    }

    /// One user less; a group without users is swept later.
    pub fn give_back(&mut self, id: u32) {
        let Some(wanted) = self.wanted.get_mut(&id) else {
            return;
        };
        wanted.users = wanted.users.saturating_sub(1);
        if wanted.users > 0 {
            return;
        }
        self.refused.remove(&id);
        let Some(gone) = self.wanted.remove(&id) else {
            return;
        };
        self.by_gateways.remove(&gone.all);
        for gateway in &gone.all {
            let mut others = self.wanted.values();
            if !others.any(|wanted| wanted.all.binary_search(gateway).is_ok()) {
                self.hops.remove(gateway);
            }
        }
    }

    /// Tells which gateways can be used now. What is lost is used on if there is nothing else.
    pub fn set_live(
        &mut self,
        is_live: impl Fn(&Gateway) -> bool,
        is_lost: impl Fn(&Gateway) -> bool,
    ) {
        for wanted in self.wanted.values_mut() {
            let live = wanted.all.iter().filter(|gateway| is_live(gateway));
            let live: Vec<Gateway> = live.copied().collect();
            let left: Vec<Gateway> = live.iter().filter(|g| !is_lost(g)).copied().collect();
            wanted.live = if left.is_empty() { live } else { left };
        }
    }

    /// Whether routes can name this group.
    #[must_use]
    pub fn is_ready(&self, id: u32) -> bool {
        matches!(self.known.get(&id), Some(object)
            if object.protocol == self.protocol
            && matches!(&object.shape, Shape::Group { members, .. } if !members.is_empty()))
    }

    /// Whether a group has the members that it should have now.
    #[must_use]
    pub fn is_written(&self, id: u32) -> bool {
        let Some(wanted) = self.wanted.get(&id) else {
            return true;
        };
        let live = wanted
            .live
            .iter()
            .filter_map(|gateway| self.hops.get(gateway));
        let mut live: Vec<u32> = live.copied().collect();
        live.sort_unstable();
        self.known
            .get(&id)
            .is_some_and(|group| group.members() == live)
    }

    /// Whether the kernel refused the group, or all its members that are live, and not for a link: then
    /// routes name their gateways themselves.
    #[must_use]
    pub fn is_refused(&self, id: u32) -> bool {
        let Some(wanted) = self.wanted.get(&id) else {
            return false;
        };
        let is_refused = |id: &u32| {
            let errno = self.refused.get(id);
            errno.is_some_and(|errno| !is_about_link(*errno))
        };
        let mut hops = wanted.live.iter().filter_map(|g| self.hops.get(g));
        is_refused(&id) || !wanted.live.is_empty() && hops.all(is_refused)
    }

    /// What the kernel refused: number and errno.
    pub fn refusals(&self) -> impl Iterator<Item = (u32, i32)> {
        self.refused.iter().map(|(id, errno)| (*id, *errno))
    }

    /// Something changed that may have been the reason, or time has passed.
    pub fn retry(&mut self) {
        self.refused.clear();
    }

    /// What should be written next; each must be answered by [`Objects::settle`], all before the
    /// question is asked again. Groups come when their members are there.
    #[must_use]
    pub fn next_writes(&self) -> Vec<Write> {
        let mut writes = BTreeMap::new();
        for wanted in self.wanted.values() {
            for gateway in &wanted.live {
                let Some(id) = self.hops.get(gateway).copied() else {
                    continue;
                };
                let known = self.known.get(&id).map(|object| &object.shape);
                if known != Some(&Shape::Hop(*gateway)) && !self.refused.contains_key(&id) {
                    let replaces = known.is_some();
                    let gateway = *gateway;
                    writes.entry(id).or_insert(Write::Hop {
                        id,
                        gateway,
                        replaces,
                    });
                }
            }
        }
        if writes.is_empty() {
            for (id, wanted) in &self.wanted {
                if let Some(write) = self.group(*id, wanted) {
                    writes.insert(*id, write);
                }
            }
        }
        writes.into_values().collect()
    }

    fn group(&self, id: u32, wanted: &Wanted) -> Option<Write> {
        let hops = wanted.live.iter().filter_map(|gateway| {
            let id = self.hops.get(gateway)?;
            let there = self.known.get(id)?.shape == Shape::Hop(*gateway);
            there.then_some(*id)
        });
        let mut members: Vec<u32> = hops.collect();
        members.sort_unstable();
        if members.is_empty() || self.refused.contains_key(&id) {
            return None;
        }
        let shape = Shape::Group {
            members,
            resilient: self.resilient(),
        };
        let known = self.known.get(&id).map(|object| &object.shape);
        let Shape::Group { members, .. } = &shape else {
            return None;
        };
        (known != Some(&shape)).then(|| Write::Group {
            id,
            members: members.clone(),
            replaces: known.is_some(),
        })
    }

    /// How a write went: 0 or an errno. False: the kernel must be looked at ([`Objects::observe`]).
    pub fn settle(&mut self, write: &Write, errno: i32) -> bool {
        let id = write.id();
        match (write, errno) {
            (Write::Delete { .. }, 0 | libc::ENOENT) => {
                self.known.remove(&id);
            }
            // Somebody uses it, or it is not ours to remove: it stays.
            (Write::Delete { .. }, _) => return false,
            (Write::Hop { gateway, .. }, 0) => self.has(id, Shape::Hop(*gateway)),
            (Write::Group { members, .. }, 0) => {
                let shape = Shape::Group {
                    members: members.clone(),
                    resilient: self.resilient(),
                };
                self.has(id, shape);
            }
            // Not what was believed: there is one, or there is none.
            (_, libc::EEXIST | libc::ENOENT) if self.doubted.insert(id) => {
                self.known.remove(&id);
                return false;
            }
            // A member went with its link, most likely: a look tells.
            (Write::Group { .. }, libc::EINVAL) if self.doubted.insert(id) => return false,
            (Write::Group { .. }, libc::EINVAL | libc::EOPNOTSUPP)
                if self.resilient().is_some() =>
            {
                self.mode = Mode::Groups;
                self.note = Some(
                    "the kernel refuses resilient groups (Linux 5.13; buckets: at least one for each \
                     member): plain ones are used",
                );
            }
            // Also if a look has not told why.
            (_, errno) => {
                self.doubted.remove(&id);
                self.refused.insert(id, errno);
                return false;
            }
        }
        true
    }

    fn has(&mut self, id: u32, shape: Shape) {
        let protocol = self.protocol;
        let object = Object {
            id,
            protocol,
            shape,
            extras: false,
        };
        self.known.insert(id, object);
        self.refused.remove(&id);
        self.doubted.remove(&id);
    }

    /// How many groups and how many objects in all of ours there are.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let ours = self.known.values().filter(|o| o.protocol == self.protocol);
        let groups = ours
            .clone()
            .filter(|o| matches!(o.shape, Shape::Group { .. }));
        (groups.count(), ours.count())
    }

    /// The gateways behind a group or hop of ours that is in the kernel, sorted.
    #[must_use]
    pub fn gateways(&self, id: u32) -> Vec<Gateway> {
        let object = self.known.get(&id);
        object.map_or_else(Vec::new, |object| object.gateways(|id| self.known.get(&id)))
    }
}

/// With these a route that names the gateway itself would be refused, too.
fn is_about_link(errno: i32) -> bool {
    matches!(
        errno,
        libc::ENETDOWN | libc::ENODEV | libc::ENETUNREACH | libc::EHOSTUNREACH
    )
}
