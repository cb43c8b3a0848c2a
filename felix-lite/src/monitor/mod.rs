//! Who else changes the node: events, reduced to the question whether to look again.
//!
//! | what | told by | how soon |
//! | --- | --- | --- |
//! | rules, nft | `NFNLGRP_NFTABLES`, only our chains and the two built-in ones | at once |
//! | rules, legacy | the tables' sizes, asked for once a second ([`crate::table::legacy`]) | 1 s |
//! | blackhole | `RTNLGRP_IPV4_ROUTE`, `…IPV6…`, only removed blackholes | at once |
//! | forwarding | `RTNLGRP_IPV4_NETCONF`, `…IPV6…` | at once |
//! | conflist | inotify on its folder | at once |
//! | other settings, and all of the above | the periodic check | `refreshIntervalSeconds` |
//!
//! No event is trusted for what it says: it only starts a check. A lost one (`ENOBUFS`) does too.

pub mod folder;
pub mod netlink;

use std::io;
use std::path::Path;

use folder::Folder;
use netlink::Listener;

use crate::table::model::Family;

/// What may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Rules of the nft store that concern us.
    Rules,
    /// A blackhole route has gone.
    Blackhole,
    /// A setting about forwarding.
    Forwarding,
    /// A file beside the conflist, or itself.
    Conflist,
    /// The kernel had more to say than it could keep.
    Lost,
}

/// Everything that is listened to.
#[derive(Debug)]
pub struct Monitor {
    rules: Option<Listener>,
    routes: Listener,
    folder: Option<Folder>,
}

impl Monitor {
    /// Starts to listen, in the current network namespace, to what concerns these families. A kernel without nftables has no events
    /// about it; a folder that does not exist yet is listened to after [`Monitor::watch`].
    ///
    /// # Errors
    /// Not even route events can be had.
    pub fn open(families: &[Family], folder: Option<&Path>) -> io::Result<Self> {
        let mut monitor = Self {
            rules: Listener::rules(families).ok(),
            routes: Listener::routes(families)?,
            folder: None,
        };
        if let Some(folder) = folder {
            monitor.watch(folder);
        }
        Ok(monitor)
    }

    /// Listens to this folder, if it exists, also if it was removed and made again.
    pub fn watch(&mut self, folder: &Path) {
        if self.folder.as_ref().is_none_or(Folder::is_gone) {
            self.folder = Folder::open(folder).ok();
        }
    }

    /// The next event that concerns us. Cancel safe.
    pub async fn next(&mut self) -> Event {
        let Self {
            rules,
            routes,
            folder,
        } = self;
        tokio::select! {
            event = or_never(rules.as_mut().map(Listener::next)) => event,
            event = routes.next() => event,
            event = or_never(folder.as_mut().map(Folder::next)) => event,
        }
    }
}

async fn or_never(listener: Option<impl Future<Output = Event>>) -> Event {
    match listener {
        Some(listener) => listener.await,
        None => std::future::pending().await,
    }
}
