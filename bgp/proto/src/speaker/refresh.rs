//! Route refresh, both ways (RFC 2918, RFC 7313).
//!
//! ```text
//!  the peer tells a family again:
//!
//!   BoRR: all its paths are marked ---> each that comes again is not ---> EoRR: the marked ones go
//!                                                                    `--> BOUND passes: the same
//! ```
//!
//! A second BoRR begins anew, and costs nothing while nothing has come since the first. An EoRR
//! without a BoRR is ignored.

use std::time::{Duration, Instant};

use super::Speaker;
use super::api::{EventKind, Output, PeerId};
use crate::iana::{Family, refresh_subtype};
use crate::message::{Message, RouteRefresh};

/// How long a peer may take from BoRR to EoRR.
pub(super) const BOUND: Duration = Duration::from_secs(300);

/// Families that a peer is telling again.
#[derive(Debug, Default)]
pub(super) struct Refreshing {
    families: Vec<Running>,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    family: Family,
    until: Instant,
    /// All paths of the family are marked: none has come since.
    all_marked: bool,
}

impl Refreshing {
    /// Must the paths be marked?
    fn begin(&mut self, family: Family, until: Instant) -> bool {
        let new = Running {
            family,
            until,
            all_marked: true,
        };
        let known = self.families.iter_mut().find(|r| r.family == family);
        match known {
            Some(running) => !std::mem::replace(running, new).all_marked,
            None => {
                self.families.push(new);
                true
            }
        }
    }

    /// Was it begun?
    fn end(&mut self, family: Family) -> bool {
        let before = self.families.len();
        self.families.retain(|running| running.family != family);
        before != self.families.len()
    }

    /// A path of the family came.
    pub(super) fn came(&mut self, family: Family) {
        let mut families = self.families.iter_mut();
        if let Some(running) = families.find(|running| running.family == family) {
            running.all_marked = false;
        }
    }

    /// When to tick.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.families.iter().map(|running| running.until).min()
    }

    fn late(&self, now: Instant) -> Option<Family> {
        let mut families = self.families.iter();
        let late = families.find(|running| running.until <= now);
        late.map(|running| running.family)
    }
}

impl Speaker {
    /// What a ROUTE-REFRESH of the peer says.
    pub(super) fn refresh(&mut self, id: PeerId, refresh: RouteRefresh, now: Instant) {
        let RouteRefresh { family, subtype } = refresh;
        let up = self.neighbors.get_mut(id.index());
        let Some(up) = up.and_then(|neighbor| neighbor.up.as_mut()) else {
            return;
        };
        match subtype {
            refresh_subtype::REQUEST => up.adj_out.asked(family),
            refresh_subtype::BEGIN => {
                if up.refreshing.begin(family, now + BOUND) {
                    self.rib.begin_refresh(id, family);
                }
            }
            _ => {
                if up.refreshing.end(family) {
                    self.end_refresh(id, family, true, now);
                }
            }
        }
    }

    fn end_refresh(&mut self, id: PeerId, family: Family, complete: bool, now: Instant) {
        let gone = self.rib.end_refresh(id, family);
        let kind = EventKind::Refreshed {
            family,
            gone,
            complete,
        };
        self.event(now, Some(id), kind);
        // There may be room now for what was too much.
        self.enforce_limits(id, now);
    }

    /// Those that have not come to an end in time.
    pub(super) fn end_late_refreshes(&mut self, id: PeerId, now: Instant) {
        while let Some(neighbor) = self.neighbors.get_mut(id.index())
            && let Some(up) = &mut neighbor.up
            && let Some(family) = up.refreshing.late(now)
        {
            up.refreshing.end(family);
            self.end_refresh(id, family, false, now);
        }
    }

    /// Asks a peer for all routes of all families again.
    pub(super) fn request_refresh(&mut self, id: PeerId) {
        let neighbor = self.neighbors.get(id.index());
        if let Some(session) = neighbor.and_then(|neighbor| neighbor.session()) {
            let families = session.negotiated.families.clone();
            self.ask_again(id, &families);
        }
    }

    /// Asks a peer for all routes of these families again.
    pub(super) fn ask_again(&mut self, id: PeerId, families: &[Family]) {
        let neighbor = self.neighbors.get(id.index());
        let Some(session) = neighbor.and_then(|neighbor| neighbor.session()) else {
            return;
        };
        let Some(link) = self.links.get_mut(&session.conn) else {
            return;
        };
        if !session.negotiated.route_refresh {
            return;
        }
        let subtype = refresh_subtype::REQUEST;
        for family in families.iter().copied() {
            link.push(&Message::RouteRefresh(RouteRefresh { family, subtype }));
        }
        if !std::mem::replace(&mut link.asked, true) {
            let conn = session.conn;
            self.outputs.push_back(Output::WantSend { conn });
        }
    }
}
