//! Sets of next hops: shared between routes, and thinned out by those that cannot be gateways now.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::super::message::Lookup;
use super::super::{NextHop, NextHops};

/// Sets that no route has any more are dropped when there are so many.
const MANY: usize = 1024;

/// See the [module](self).
#[derive(Default)]
pub(super) struct Gateways {
    shared: HashSet<NextHops>,
    /// What cannot be a gateway now, as the kernel's routes say.
    unusable: BTreeMap<NextHop, Lookup>,
    /// Sets with unusable members, and what is left of them; never empty.
    thinned: HashMap<NextHops, NextHops>,
    /// Members of routes that the kernel refused: it is to be asked about them.
    suspects: BTreeSet<NextHop>,
}

impl Gateways {
    /// One allocation per set of next hops, however many routes have it. `next_hops` is sorted.
    pub(super) fn share(&mut self, next_hops: &[NextHop]) -> NextHops {
        if let Some(known) = self.shared.get(next_hops) {
            return known.clone();
        }
        if self.shared.len() >= MANY && self.shared.len().is_power_of_two() {
            // `shared` has one, `thinned` another.
            self.thinned.retain(|set, _| set.copies() > 2);
            self.shared.retain(|set| set.copies() > 1);
        }
        let set = NextHops::from(next_hops);
        self.shared.insert(set.clone());
        self.thin(&set);
        set
    }

    /// What a route to all of `desired` can have now. All, if none is usable: then the kernel has
    /// the last word.
    pub(super) fn usable<'a>(&'a self, desired: &'a NextHops) -> &'a NextHops {
        if self.thinned.is_empty() {
            return desired;
        }
        self.thinned.get(desired).unwrap_or(desired)
    }

    /// Why `hop` cannot be a gateway now.
    pub(super) fn trouble(&self, hop: &NextHop) -> Option<Lookup> {
        self.unusable.get(hop).copied()
    }

    /// The kernel refused a route with these.
    pub(super) fn suspect(&mut self, next_hops: &[NextHop]) {
        let news = next_hops
            .iter()
            .filter(|hop| !self.unusable.contains_key(hop));
        self.suspects.extend(news);
    }

    /// Something changed: all that was unusable is asked about again.
    pub(super) fn suspect_all(&mut self) {
        let shared = &self.shared;
        self.unusable
            .retain(|hop, _| shared.iter().any(|set| set.contains(hop)));
        self.suspects.extend(self.unusable.keys());
    }

    /// Which of the unusable are in this network.
    pub(super) fn suspect_within(&mut self, network: &ipnetwork::IpNetwork) {
        let within = self
            .unusable
            .keys()
            .filter(|hop| network.contains(hop.address));
        self.suspects.extend(within);
    }

    pub(super) fn take_suspects(&mut self) -> Vec<NextHop> {
        std::mem::take(&mut self.suspects).into_iter().collect()
    }

    pub(super) fn has_suspects(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// Returns those about which something else is known now.
    pub(super) fn judge(&mut self, verdicts: &[(NextHop, Lookup)]) -> Vec<NextHop> {
        let mut changed = Vec::new();
        for (hop, verdict) in verdicts {
            let before = match verdict {
                Lookup::Connected => self.unusable.remove(hop),
                bad => self.unusable.insert(*hop, *bad).or(Some(Lookup::Connected)),
            };
            if before.is_some_and(|before| before != *verdict) {
                changed.push(*hop);
            }
        }
        if !changed.is_empty() {
            self.thinned.clear();
            let sets: Vec<NextHops> = self.shared.iter().cloned().collect();
            for set in &sets {
                self.thin(set);
            }
        }
        changed
    }

    fn thin(&mut self, set: &NextHops) {
        let left: Vec<NextHop> = set
            .iter()
            .filter(|hop| !self.unusable.contains_key(hop))
            .copied()
            .collect();
        if left.is_empty() || left.len() == set.len() {
            return;
        }
        // Its members are usable: it is not thinned in turn.
        let left = self.share(&left);
        self.thinned.insert(set.clone(), left);
    }

    /// How many sets are known.
    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.shared.len()
    }
}
