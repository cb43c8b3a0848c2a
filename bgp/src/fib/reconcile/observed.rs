//! What notifications say that others did to own routes, and put beside them.

use super::super::numbers::NONE;
use super::super::{Gateway, Prefix, Target};
use super::{ADOPTED, CONTESTED, Entry, SEEN_FOREIGN, Table, UNSURE};

impl Table {
    /// Somebody else deleted an own route, or the gateways `gone` of it (IPv6). True if it will be
    /// put back.
    pub fn vanished(&mut self, prefix: Prefix, gone: &[Gateway]) -> bool {
        let Some(entry) = self.entries.get_mut(&prefix) else {
            return false;
        };
        let installed = std::mem::replace(&mut entry.installed, NONE);
        if installed == NONE {
            self.review(prefix);
            return false;
        }
        entry.set(UNSURE, true);
        let before = self.targets.get(installed).cloned();
        self.targets.give_back(installed);
        if let Some(before) = before.filter(|_| prefix.is_ipv6()) {
            let hops = before.hops();
            let left = hops.iter().filter(|hop| !gone.contains(hop)).copied();
            let left: Vec<Gateway> = left.collect();
            // All or none of it known: the route as a whole.
            if !left.is_empty() && left.len() < hops.len() {
                let left = Target {
                    source: before.source,
                    ..left.as_slice().into()
                };
                let number = self.targets.take(&left).0;
                if let Some(entry) = self.entries.get_mut(&prefix) {
                    entry.installed = number;
                }
            }
        }
        let desired = self.entries.get(&prefix).map(|entry| entry.desired());
        let wrong = desired != Some(NONE) && !self.is_settled(prefix);
        if wrong {
            self.repaired += 1;
        }
        self.review(prefix);
        wrong
    }

    /// Somebody else made or changed a route with our marks. True if it will be put right.
    pub fn appeared(&mut self, prefix: Prefix, target: &Target) -> bool {
        let (number, _) = self.targets.take(target);
        self.entries.get_or_insert_with(prefix, Entry::default);
        self.note(prefix, number, target);
        let settled = self.is_settled(prefix);
        let adopted = self.entries.get(&prefix).is_some_and(|e| e.is(ADOPTED));
        let wrong = !settled && !adopted;
        if wrong {
            self.repaired += 1;
        }
        if settled {
            self.failures.forget(prefix);
        }
        self.review(prefix);
        wrong
    }

    /// This is what the kernel has. `number` has one user more for it.
    pub(super) fn note(&mut self, prefix: Prefix, number: u32, target: &Target) {
        let Some(entry) = self.entries.get_mut(&prefix) else {
            return;
        };
        let before = std::mem::replace(&mut entry.installed, number);
        let mixed = before != number && is_mixed(prefix, self.targets.get(before), target);
        if mixed {
            entry.set(CONTESTED | SEEN_FOREIGN, true);
        }
        self.targets.give_back(before);
    }

    /// A foreign route stands where ours would; `replaced`: it took the place of what was there.
    /// True if one of ours was lost to it.
    pub fn foreign_appeared(&mut self, prefix: Prefix, replaced: bool) -> bool {
        if let Some(entry) = self.entries.get_mut(&prefix) {
            entry.set(CONTESTED, true);
            if replaced && entry.installed != NONE {
                return self.vanished(prefix, &[]);
            }
        }
        false
    }

    /// A foreign route left the place where ours would stand. There may be another: what shows that there
    /// is none is an exclusive creation, or a dump.
    pub fn foreign_vanished(&mut self, prefix: Prefix) {
        if self.knows(prefix) {
            self.failures.forget(prefix);
            self.review(prefix);
        }
    }
}

/// Whether an IPv6 route of ours has gateways now that it had not: they may be another program's,
/// which the kernel keeps in one route with ours. Then nothing is replaced as a whole.
fn is_mixed(prefix: Prefix, before: Option<&Target>, now: &Target) -> bool {
    let now = now.hops();
    prefix.is_ipv6()
        && before.map(Target::hops).is_some_and(|before| {
            !before.is_empty()
                && now.len() > before.len()
                && before.iter().all(|hop| now.contains(hop))
        })
}
