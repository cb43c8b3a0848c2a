//! What to write next, and how it went.

use std::time::Instant;

use super::super::change::{Change, Outcome, Reason, is_passing};
use super::super::numbers::NONE;
use super::super::{Prefix, Target};
use super::{ADOPTED, CONTESTED, Entry, IN_QUEUE, OUT, Table, UNSURE};

/// Entries that are looked at for one batch when all are.
const LOOKED_AT: usize = 65_536;

impl Table {
    /// Up to `most` writes that should be done next. Each must be answered by [`Table::settle`] or
    /// [`Table::put_back`]; what others did meanwhile must be told only after that.
    pub fn next_changes(&mut self, most: usize) -> Vec<Change> {
        let mut changes = Vec::new();
        while changes.len() < most {
            let Some(prefix) = self.queue.pop_front() else {
                break;
            };
            let Some(entry) = self.entries.get_mut(&prefix) else {
                continue;
            };
            entry.set(IN_QUEUE, false);
            if entry.is(OUT) {
                continue;
            }
            match self.change(prefix) {
                Some(change) => self.give_out(change, &mut changes),
                None => {
                    if self.is_settled(prefix) {
                        self.failures.forget(prefix);
                    }
                    self.review(prefix);
                }
            }
        }
        if self.rescan.is_some() {
            self.look_at_more(&mut changes, most);
        }
        changes
    }

    /// The next part of all entries, while all are to be looked at.
    fn look_at_more(&mut self, changes: &mut Vec<Change>, most: usize) {
        let Some(last) = self.rescan else {
            return;
        };
        let room = most.saturating_sub(changes.len());
        let mut due = Vec::new();
        let (mut looked_at, mut at) = (0, last);
        for (prefix, entry) in self.entries.after(last).take(LOOKED_AT) {
            if due.len() == room {
                break;
            }
            looked_at += 1;
            at = Some(prefix);
            let is_due = self.differs(prefix, entry) || entry.is(UNSURE);
            let waits = entry.is(IN_QUEUE | ADOPTED | OUT) || !is_due;
            if !waits && self.failures.reason(prefix).is_none() {
                due.push(prefix);
            }
        }
        let all = looked_at < LOOKED_AT && due.len() < room;
        self.rescan = (!all).then_some(at);
        for prefix in due {
            if let Some(change) = self.change(prefix) {
                self.give_out(change, changes);
            }
        }
    }

    fn give_out(&mut self, change: Change, changes: &mut Vec<Change>) {
        if let Some(entry) = self.entries.get_mut(&change.prefix()) {
            entry.set(OUT, true);
        }
        changes.push(change);
    }

    /// These were not written after all.
    pub fn put_back(&mut self, changes: &[Change]) {
        for change in changes {
            let prefix = change.prefix();
            if let Some(entry) = self.entries.get_mut(&prefix) {
                entry.set(OUT, false);
                self.enqueue(prefix);
            }
        }
    }

    /// What should be done about a prefix.
    fn change(&self, prefix: Prefix) -> Option<Change> {
        let entry = self.entries.get(&prefix)?;
        let wanted = self.target_of(prefix, entry);
        let target = self.targets.get(wanted);
        match (target, entry.installed) {
            (Some(target), NONE) => Some(Change::Create {
                prefix,
                target: target.clone(),
            }),
            (Some(_), installed) if wanted == installed => None,
            // Not knowing what is there, it might be another's by now.
            (Some(_), _) if entry.is(CONTESTED) || self.is_unknown(prefix, entry) => {
                Some(self.removal(prefix, entry))
            }
            (Some(target), _) => Some(Change::Replace {
                prefix,
                target: target.clone(),
            }),
            (None, NONE) if !entry.is(UNSURE) => None,
            (None, NONE) => Some(Change::Delete {
                prefix,
                target: None,
            }),
            (None, _) if entry.is(ADOPTED) || !self.differs(prefix, entry) => None,
            (None, _) => Some(self.removal(prefix, entry)),
        }
    }

    fn is_unknown(&self, prefix: Prefix, entry: &Entry) -> bool {
        let unanswered = || self.failures.reason(prefix) == Some(&Reason::NoAnswer);
        self.missed || entry.is(UNSURE) && (prefix.is_ipv4() || unanswered())
    }

    /// Names what we know to be there, if we are sure of it.
    fn removal(&self, prefix: Prefix, entry: &Entry) -> Change {
        // Of several IPv6 gateways some may be another's: only ours are named.
        let sure = !entry.is(UNSURE) || prefix.is_ipv6() && entry.is(CONTESTED);
        let target = self.targets.get(entry.installed).filter(|_| sure);
        Change::Delete {
            prefix,
            target: target.cloned(),
        }
    }

    /// How a write went. True: what the kernel has must be asked ([`Table::begin_dump`]).
    pub fn settle(&mut self, change: &Change, outcome: Outcome, now: Instant) -> bool {
        let prefix = change.prefix();
        let Some(entry) = self.entries.get_mut(&prefix) else {
            return false;
        };
        entry.set(OUT, false);
        match (change, outcome) {
            (Change::Create { target, .. } | Change::Replace { target, .. }, Outcome::Done) => {
                // An exclusive creation proves that nobody else is there.
                let alone = matches!(change, Change::Create { .. });
                self.has_written(prefix, target, alone);
                self.failures.forget(prefix);
            }
            (Change::Delete { .. }, Outcome::Done | Outcome::Missing)
            | (Change::Replace { .. }, Outcome::Missing) => {
                if self.has_none(prefix) {
                    // Also after an earlier refusal, whose date this attempt has used up: without
                    // one nobody would come back to it.
                    self.enqueue(prefix);
                } else {
                    self.failures.forget(prefix);
                }
            }
            (_, Outcome::Exists) => {
                self.failures.add(prefix, Reason::Held(None), now);
                return true;
            }
            (_, Outcome::Unknown) => {
                // The dump decides anew; where there is none for long, the date.
                entry.set(UNSURE, true);
                self.failures.add(prefix, Reason::NoAnswer, now);
                return true;
            }
            // Something else is wanted by now.
            (_, Outcome::NotSent(_) | Outcome::Refused(_)) if !self.is_due(change) => {}
            (_, Outcome::NotSent(errno)) => {
                self.failures.add(prefix, Reason::NotSent(errno), now);
                return false;
            }
            (_, Outcome::Refused(errno)) => {
                if !is_passing(errno) {
                    self.refused(change);
                }
                self.failures.add(prefix, Reason::Errno(errno), now);
                // Of several IPv6 gateways some may be written.
                return prefix.is_ipv6() && is_passing(errno);
            }
            (Change::Create { .. }, Outcome::Missing) => {
                self.refused(change);
                self.failures.add(prefix, Reason::Errno(libc::ENOENT), now);
                return false;
            }
        }
        self.review(prefix);
        false
    }

    /// Whether `change` is still what should be done.
    fn is_due(&self, change: &Change) -> bool {
        self.change(change.prefix()).as_ref() == Some(change)
    }

    fn has_written(&mut self, prefix: Prefix, target: &Target, alone: bool) {
        let Some(entry) = self.entries.get(&prefix) else {
            return;
        };
        // Mostly it is what is still wanted: no need to look for its number.
        let wanted = self.target_of(prefix, entry);
        let number = if self.targets.get(wanted) == Some(target) {
            self.targets.more(wanted);
            wanted
        } else {
            self.targets.take(target).0
        };
        if let Some(entry) = self.entries.get_mut(&prefix) {
            let before = std::mem::replace(&mut entry.installed, number);
            entry.set(UNSURE, false);
            if alone {
                entry.set(CONTESTED, false);
            }
            self.targets.give_back(before);
        }
    }

    /// Nothing of ours is there. True: something should be.
    fn has_none(&mut self, prefix: Prefix) -> bool {
        let Some(entry) = self.entries.get_mut(&prefix) else {
            return false;
        };
        let before = std::mem::replace(&mut entry.installed, NONE);
        entry.set(UNSURE, false);
        let wanted = entry.desired() != NONE;
        self.targets.give_back(before);
        wanted
    }
}
