//! What is on the way to the task that writes kernel routes.

use std::collections::BTreeSet;

use rcni_bgp_proto::rib::PrefixMap;
use rcni_bgp_proto::speaker::{Input, NextHop, NextHops};
use tokio::sync::oneshot;

use super::Core;
use crate::fib::task::Command;

/// Route changes in one chunk.
const FIB_CHUNK: usize = 2048;

/// On the way to the fib task.
#[derive(Default)]
pub(super) struct ForFib {
    /// The last word per prefix.
    pub(super) changes: PrefixMap<NextHops>,
    /// Neighbours that were lost: before what that means for prefixes.
    pub(super) lost: BTreeSet<NextHop>,
    /// The Loc-RIB is complete: after that.
    pub(super) synced: bool,
    settling: Settling,
}

/// Whether the speaker waits for the kernel.
#[derive(Default)]
enum Settling {
    #[default]
    No,
    /// The fib task is to be asked after all changes.
    Due,
    /// It was asked.
    Asked(oneshot::Receiver<()>),
}

impl ForFib {
    /// The speaker wants to know when the kernel has all that was said until now. An answer to an
    /// earlier question is not heard any more.
    pub(super) fn settle(&mut self) {
        self.settling = Settling::Due;
    }
}

impl Core {
    /// Whether [`Core::next_fib_command`] has something.
    #[must_use]
    pub fn has_fib_command(&self) -> bool {
        let ForFib {
            changes,
            lost,
            synced,
            settling,
        } = &self.fib;
        let asks = matches!(settling, Settling::Due);
        !changes.is_empty() || !lost.is_empty() || *synced || asks
    }

    /// The next chunk for the fib task; "synced", and the question whether all is there, come after
    /// all changes before them.
    pub fn next_fib_command(&mut self) -> Command {
        let ForFib {
            changes,
            lost,
            synced,
            settling,
        } = &mut self.fib;
        if let Some(neighbor) = lost.pop_first() {
            return Command::Lost(neighbor);
        }
        if changes.is_empty() && std::mem::take(synced) {
            return Command::Synced;
        }
        if changes.is_empty() && matches!(settling, Settling::Due) {
            let (answer, question) = oneshot::channel();
            *settling = Settling::Asked(question);
            return Command::Settle(answer);
        }
        // The kernel removes routes in half the time if it does not get them in order: then it need
        // not rebuild its trie, and wait for all CPUs, again and again.
        let removals = changes.iter().next();
        let removals = removals.is_some_and(|(_, next_hops)| next_hops.is_empty());
        Command::Want(if removals {
            changes.pop_spread(FIB_CHUNK)
        } else {
            changes.pop_first(FIB_CHUNK)
        })
    }

    /// Ends when the fib task has answered: then it is time for [`Core::settled`].
    pub async fn settles(&mut self) {
        match &mut self.fib.settling {
            // Without an answer the task has ended, and the daemon with it.
            Settling::Asked(question) => drop(question.await),
            Settling::No | Settling::Due => std::future::pending().await,
        }
    }

    /// The kernel has what it was told.
    pub fn settled(&mut self) {
        self.fib.settling = Settling::No;
        self.input(Input::Settled);
    }
}
