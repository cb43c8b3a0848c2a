//! What people are told.

use super::super::message::Lookup;
use super::super::{FAILED_SHOWN, FibStatus, NextHop, Prefix};
use super::{Entry, Reason, Table};

impl Table {
    /// A picture for people; looks at every prefix.
    #[must_use]
    pub fn status(&self) -> FibStatus {
        let mut status = FibStatus {
            pending: self.queue.len(),
            failed_count: self.failures.len(),
            repaired: self.repaired,
            failed: self
                .failures
                .iter()
                .take(FAILED_SHOWN)
                .map(|(prefix, reason)| (prefix, self.explain(prefix, reason)))
                .collect(),
            ..FibStatus::default()
        };
        let mut degraded = Vec::new();
        for (prefix, entry) in self.entries.iter() {
            if entry.adopted {
                status.stale += 1;
            } else if entry.desired.is_some() {
                if !entry.settled(&self.gateways) {
                    status.unsettled.push(prefix);
                    continue;
                }
                status.installed += 1;
                if entry.desired != entry.installed {
                    degraded.push((prefix, entry));
                }
            }
        }
        status.degraded_count = degraded.len();
        degraded.sort_unstable_by_key(|(prefix, _)| *prefix);
        status.degraded = degraded
            .into_iter()
            .take(FAILED_SHOWN)
            .map(|(prefix, entry)| (prefix, self.missing(entry)))
            .collect();
        status
    }

    /// Whether there is an own route for `prefix`, or should be.
    #[must_use]
    pub fn knows(&self, prefix: Prefix) -> bool {
        self.entries.get(&prefix).is_some()
    }

    /// The reason together with the next hops that it is about.
    fn explain(&self, prefix: Prefix, reason: &Reason) -> String {
        let hops = self
            .entries
            .get(&prefix)
            .and_then(|entry| entry.desired.as_deref());
        let (Reason::Errno(errno), Some(hops)) = (reason, hops) else {
            return reason.to_string();
        };
        let troubles: Vec<String> = hops.iter().filter_map(|hop| self.trouble(hop)).collect();
        if !troubles.is_empty() && is_about_next_hops(*errno) {
            return troubles.join("; ");
        }
        format!("via {}: {reason}", join(hops))
    }

    fn missing(&self, entry: &Entry) -> String {
        let desired = entry.desired.as_deref().unwrap_or_default();
        let installed = entry.installed.as_deref().unwrap_or_default();
        let missing = desired.iter().filter(|hop| !installed.contains(hop));
        let troubles: Vec<String> = missing.filter_map(|hop| self.trouble(hop)).collect();
        format!(
            "installed via {} only: {}",
            join(installed),
            troubles.join("; ")
        )
    }

    /// Why `hop` is no gateway now, and what to do.
    #[must_use]
    pub fn trouble(&self, hop: &NextHop) -> Option<String> {
        match self.gateways.trouble(hop)? {
            Lookup::Connected => None,
            Lookup::NotConnected => Some(format!(
                "next hop {hop} is not on any connected network: give this node an address in its \
                 network, or let the peer announce a next hop that is (next-hop-self)"
            )),
            Lookup::Own => Some(format!(
                "next hop {hop} is an address of this node: look for the address on two machines, \
                 or let the peer announce its own (next-hop-self)"
            )),
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
