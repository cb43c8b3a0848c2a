//! What people are told.

use std::collections::HashMap;

use super::super::numbers::NONE;
use super::super::objects::Mode;
use super::super::{FAILED_SHOWN, FibStatus, NextHop, NextHops, ObjectsStatus, Path, Prefix};
use super::{ADOPTED, Entry, OUT, Reason, Table};

impl Table {
    /// A picture for people; looks at every prefix.
    #[must_use]
    pub fn status(&self) -> FibStatus {
        let mut status = FibStatus {
            repaired: self.repaired,
            objects: Some(self.objects_status()),
            ..FibStatus::default()
        };
        // Per set: whether next hops are missing, and whether its group is still to be written.
        let mut sets: HashMap<u32, (bool, bool)> = HashMap::new();
        for (prefix, entry) in self.entries.iter() {
            if entry.is(ADOPTED) {
                status.stale += 1;
                continue;
            }
            let target = self.target_of(prefix, entry);
            let reason = self.failures.reason(prefix);
            if entry.desired() == NONE {
                let is_there = entry.installed != NONE || entry.is(OUT);
                status.pending += usize::from(is_there && reason.is_none());
                status.add_failed(prefix, reason, |reason| self.explain(entry, reason));
                continue;
            }
            if target == NONE && reason.is_none() {
                status.unsettled.push(prefix);
                self.hold_back(&mut status, prefix, entry);
                continue;
            }
            let (degraded, unfinished) = *sets.entry(entry.desired()).or_insert_with(|| {
                let degraded = !self.troubles(entry).is_empty();
                (degraded, self.is_unfinished(entry))
            });
            if target != entry.installed || unfinished {
                status.unsettled.push(prefix);
                status.pending += usize::from(reason.is_none());
                status.add_failed(prefix, reason, |reason| self.explain(entry, reason));
                continue;
            }
            status.installed += 1;
            if degraded {
                status.degraded_count += 1;
                if status.degraded.len() < FAILED_SHOWN {
                    status.degraded.push((prefix, self.missing(entry)));
                }
            }
        }
        status
    }

    /// The speaker's last word about `prefix`.
    #[must_use]
    pub fn wanted(&self, prefix: Prefix) -> Option<NextHops> {
        let entry = self.entries.get(&prefix)?;
        self.sets.get(entry.desired()).cloned()
    }

    /// Whether there is an own route for `prefix`, or should be.
    #[must_use]
    pub fn knows(&self, prefix: Prefix) -> bool {
        self.entries.get(&prefix).is_some()
    }

    /// Nothing is written for it: no next hop can be a gateway, or what it needs is on the way.
    fn hold_back(&self, status: &mut FibStatus, prefix: Prefix, entry: &Entry) {
        let mut troubles = self.troubles(entry);
        troubles.extend(self.note_on_objects().filter(|_| troubles.is_empty()));
        if troubles.is_empty() {
            status.pending += 1;
            return;
        }
        status.failed_count += 1;
        if status.failed.len() < FAILED_SHOWN {
            status.failed.push((prefix, troubles.join("; ")));
        }
    }

    /// Its routes name their group, but that is about to get other members.
    fn is_unfinished(&self, entry: &Entry) -> bool {
        let target = self.targets.get(entry.installed);
        match target.map(|target| &target.path) {
            Some(Path::Object(id)) => self.has_object_work() && !self.objects().is_written(*id),
            _ => false,
        }
    }

    /// What is wrong with the next hops of an entry.
    fn troubles(&self, entry: &Entry) -> Vec<String> {
        let hops = self.sets.get(entry.desired());
        let hops = hops.map(|hops| &hops[..]).unwrap_or_default();
        hops.iter().filter_map(|hop| self.trouble(hop)).collect()
    }

    /// The reason together with the next hops that it is about.
    fn explain(&self, entry: &Entry, reason: &Reason) -> String {
        let Reason::Errno(errno) = reason else {
            return reason.to_string();
        };
        let Some(hops) = self.sets.get(entry.desired()) else {
            return reason.to_string();
        };
        let troubles = self.troubles(entry);
        if !troubles.is_empty() && is_about_next_hops(*errno) {
            return troubles.join("; ");
        }
        format!("via {}: {reason}", join(hops))
    }

    fn missing(&self, entry: &Entry) -> String {
        format!(
            "installed via {} only: {}",
            join(&self.gateways_of(entry)),
            self.troubles(entry).join("; ")
        )
    }

    /// What routes with several gateways use.
    fn objects_status(&self) -> ObjectsStatus {
        let objects = self.objects();
        let (mode, why) = match objects.mode() {
            Mode::Groups => ("groups", None),
            Mode::Resilient(_) => ("resilient", None),
            Mode::Multipath(why) => ("multipath", Some(why)),
        };
        let note = objects.note().or(why).map(str::to_owned);
        let (groups, all) = objects.counts();
        ObjectsStatus {
            mode,
            groups,
            objects: all,
            compat_mode: None,
            note: self.note_on_objects().or(note),
            missing_sources: Vec::new(),
        }
    }

    /// What the kernel refuses of nexthop objects.
    #[must_use]
    pub fn note_on_objects(&self) -> Option<String> {
        let (id, errno) = self.objects().refusals().next()?;
        let error = std::io::Error::from_raw_os_error(errno);
        Some(format!(
            "the kernel refuses nexthop object {id}: {error}; it is tried again every second"
        ))
    }
}

impl FibStatus {
    fn add_failed(
        &mut self,
        prefix: Prefix,
        reason: Option<&Reason>,
        explain: impl FnOnce(&Reason) -> String,
    ) {
        if let Some(reason) = reason {
            self.failed_count += 1;
            if self.failed.len() < FAILED_SHOWN {
                self.failed.push((prefix, explain(reason)));
            }
        }
    }
}

fn is_about_next_hops(errno: i32) -> bool {
    matches!(
        errno,
        libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EINVAL | libc::ENETDOWN | libc::ENODEV
    )
}

fn join(hops: &[NextHop]) -> String {
    let hops: Vec<String> = hops.iter().map(ToString::to_string).collect();
    hops.join(" and ")
}
