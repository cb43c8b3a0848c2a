//! What is kept of a peer whose session has ended, for how long, and as what.
//!
//! | the session ended | families of the peer's graceful restart | of its long-lived one |
//! | --- | --- | --- |
//! | closed, or with a NOTIFICATION where both have the N bit | stale for its Restart Time | then long-lived stale |
//! | the peer fell silent (or BFD says that the way is gone), both have the N bit | gone | long-lived stale at once |
//! | otherwise | gone | gone |
//!
//! Long-lived stale is the last resort: whoever has another path takes that one (RFC 9494 §4.2). That
//! is why it is right for a peer that fell silent, for which nobody should wait who need not
//! ([`Cause::may_be_restart`]). A family of the long-lived restart that is not in the other one
//! has no Restart Time.

use std::time::{Duration, Instant};

use super::Speaker;
use super::api::{EventKind, GracefulRestartConfig, Output, PeerId};
use super::restart::Due;
use crate::fsm::Cause;
use crate::iana::Family;
use crate::rib::Kept;
use crate::validate::Negotiated;

/// See the [module](self).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Keep {
    /// As stale.
    pub(super) graceful: Vec<Family>,
    /// For so many seconds.
    pub(super) restart_secs: u16,
    /// As long-lived stale afterwards, or at once, each for so many seconds.
    pub(super) long_lived: Vec<(Family, u32)>,
}

impl Keep {
    pub(super) fn of(
        negotiated: &Negotiated,
        cause: &Cause,
        config: &GracefulRestartConfig,
    ) -> Self {
        let Some(graceful) = &negotiated.peer_graceful_restart else {
            return Self::default();
        };
        let notification = negotiated.graceful_notification;
        let silent = notification && cause.is_silence();
        let restarts = cause.may_be_restart(notification);
        let long_lived = negotiated.peer_long_lived.iter().flatten();
        let long_lived = long_lived
            .map(|entry| (entry.family, entry.stale_secs.min(config.long_lived_secs)))
            .filter(|(_, secs)| *secs > 0 && (silent || restarts));
        let graceful_families = graceful.families.iter().filter(|_| restarts);
        Self {
            graceful: graceful_families.map(|(family, _)| *family).collect(),
            restart_secs: graceful.time_secs.min(config.stale_secs),
            long_lived: long_lived.collect(),
        }
    }

    fn families(&self) -> Vec<Family> {
        let long_lived = self.long_lived.iter().map(|(family, _)| *family);
        let mut families: Vec<Family> = self.graceful.iter().copied().chain(long_lived).collect();
        families.sort_unstable();
        families.dedup();
        families
    }
}

impl Speaker {
    /// The session is over.
    pub(super) fn keep(&mut self, id: PeerId, keep: &Keep, again: bool, now: Instant) {
        let families = keep.families();
        let Some(neighbor) = self.neighbors.get_mut(id.index()) else {
            return;
        };
        if families.is_empty() {
            neighbor.helper.stop();
            let neighbor = neighbor.as_hop();
            self.outputs.push_back(Output::Lost { neighbor });
            self.rib.flush(id);
            return;
        }
        let secs = keep.restart_secs.into();
        let until = now + Duration::from_secs(secs);
        neighbor.helper.lost(until, again, &keep.long_lived);
        if again {
            self.rib.mark_stale_again(id, &families);
        } else {
            self.rib.mark_stale(id, &families);
        }
        for (family, _) in &keep.long_lived {
            if !keep.graceful.contains(family) {
                self.begin_long_lived(id, *family, now);
            }
        }
        let counts = self.rib.adj_in().counts(id);
        let routes = counts.stale - counts.long_lived;
        if routes > 0 {
            self.event(now, Some(id), EventKind::StaleKept { routes, secs });
        }
    }

    /// A time of the helper is over.
    pub(super) fn end_of_keeping(&mut self, id: PeerId, due: Due, now: Instant) {
        match due {
            Due::Flush(family, kept) => {
                self.flush_kept(id, Some(kept), |stale| stale == family, now);
            }
            Due::LongLived(family) => self.begin_long_lived(id, family, now),
        }
    }

    fn begin_long_lived(&mut self, id: PeerId, family: Family, now: Instant) {
        let routes = self.rib.begin_long_lived(id, family);
        let until = match self.neighbors.get_mut(id.index()) {
            // Those that are not to be kept so are not counted yet.
            Some(neighbor) if routes > 0 => neighbor.helper.begin_long_lived(family, now),
            _ => None,
        };
        if let Some(until) = until {
            let secs = until.saturating_duration_since(now).as_secs();
            let kind = EventKind::LongLivedKept {
                family,
                routes,
                secs,
            };
            self.event(now, Some(id), kind);
        }
    }

    /// Forgets all that is stale in these families.
    pub(super) fn flush_stale(&mut self, id: PeerId, which: impl Fn(Family) -> bool, now: Instant) {
        self.flush_kept(id, None, which, now);
    }

    fn flush_kept(
        &mut self,
        id: PeerId,
        kept: Option<Kept>,
        which: impl Fn(Family) -> bool,
        now: Instant,
    ) {
        let flushed = self.rib.flush_stale(id, kept, which);
        if flushed > 0 {
            self.event(now, Some(id), EventKind::StaleFlushed(flushed));
        }
        let adj_in = self.rib.adj_in();
        let left = |family| adj_in.counts_of(id, family);
        let left =
            [Family::IPV4_UNICAST, Family::IPV6_UNICAST].map(|family| (family, left(family)));
        if let Some(neighbor) = self.neighbors.get_mut(id.index()) {
            for (family, counts) in left {
                if counts.long_lived == 0 {
                    neighbor.helper.end_long_lived(family);
                }
            }
            if left.iter().all(|(_, counts)| counts.stale == 0) {
                neighbor.helper.stop();
            }
        }
    }
}
