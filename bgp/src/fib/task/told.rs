//! What people, and the core, are told of the kernel's side besides the table's own numbers.

use std::io;
use std::net::IpAddr;

use tokio::sync::oneshot;
use tracing::warn;

use super::RETRY_MOST;
use crate::fib::change::Drift;
use crate::fib::drift::{Cause, Repairs};
use crate::fib::reconcile::Table;
use crate::fib::rivals::Rivals;
use crate::fib::{FibStatus, Ownership, Prefix};

/// See the [module](self).
#[derive(Default)]
pub(super) struct Told {
    pub(super) rivals: Rivals,
    pub(super) repairs: Repairs,
    /// A link or an address is the reason for the next dump.
    pub(super) moved: bool,
    /// Dumps that failed since the last one that did not, and why.
    pub(super) failed: Option<(u32, io::Error)>,
    /// Configured sources that this node does not have.
    pub(super) missing_sources: Vec<IpAddr>,
    /// To be told when nothing is to be written any more.
    pub(super) unsettled: Option<oneshot::Sender<()>>,
}

impl Told {
    /// Nothing is to be written now.
    pub(super) fn settled(&mut self) {
        if let Some(answer) = self.unsettled.take() {
            // It may have been given up.
            let _ = answer.send(());
        }
    }

    /// The picture.
    pub(super) fn status(&self, owner: &Ownership, table: &Table) -> FibStatus {
        let trouble = self.failed.as_ref().map(|(_, error)| {
            format!(
                "cannot read the kernel's routes: {error}; tried again within {} s, until then what \
                 others change may go unnoticed",
                RETRY_MOST.as_secs()
            )
        });
        let mut status = table.status();
        if let Some(objects) = &mut status.objects {
            objects.compat_mode = compat_mode();
            objects.missing_sources.clone_from(&self.missing_sources);
        }
        FibStatus {
            trouble,
            repairs: self.repairs,
            rivals: self.rivals.status(owner, |prefix| table.knows(prefix)),
            ..status
        }
    }

    /// Networks of this node keep own routes for them out.
    pub(super) fn keep_out(
        &mut self,
        owner: &Ownership,
        prefixes: impl IntoIterator<Item = Prefix>,
        table: &mut Table,
    ) {
        for prefix in prefixes {
            let wanted = table.wanted(prefix);
            if let Some(next_hops) = self.rivals.review(owner, prefix, wanted) {
                table.want(prefix, &next_hops);
            }
        }
    }

    /// A dump showed this to be different; `again`: what the next one shows has the same cause.
    pub(super) fn drifted(&mut self, drift: &Drift, again: bool) {
        let moved = self.moved;
        self.moved &= again;
        let cause = match moved {
            true => Cause::Link,
            false => Cause::Audit,
        };
        let lost = drift.vanished.count + drift.altered.count;
        self.repairs.add(cause, lost);
        report(drift, cause);
    }
}

/// `net.ipv4.nexthop_compat_mode` of this network namespace.
fn compat_mode() -> Option<bool> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/nexthop_compat_mode").ok()?;
    Some(text.trim() != "0")
}

fn report(drift: &Drift, cause: Cause) {
    for (what, prefixes) in [
        ("own routes were gone; putting them back", &drift.vanished),
        (
            "own routes led elsewhere; putting them right",
            &drift.altered,
        ),
        (
            "found routes with our marks that are not ours",
            &drift.unexpected,
        ),
    ] {
        if prefixes.count > 0 {
            let some = prefixes.some.iter().map(Prefix::to_string);
            let some: Vec<String> = some.collect();
            let cause = cause.as_str();
            warn!(
                routes = prefixes.count,
                such_as = some.join(" "),
                cause,
                "{what}"
            );
        }
    }
}
