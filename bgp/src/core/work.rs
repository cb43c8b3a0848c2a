//! What can wait, in turns: between two of them sockets, timers and questions are looked at.
//!
//! Routes for one connection after the other, slices of what concerns whole tables, the counting
//! for answers. What must not wait (OPEN, KEEPALIVE, NOTIFICATION) is not here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcni_bgp_proto::rib::Outgoing;
use rcni_bgp_proto::speaker::{ConnId, Input, Listing, PeerId, RouteStatus, Telling};

use super::Core;
use crate::control::asker::{CoreAnswer, Part, RoutesQuery, StatusQuery};
use crate::control::routes::{Found, NoRoutes, Wanted};
use crate::fib::Prefix;

/// How long routes are packed for one connection before it is another's turn.
const TURN: Duration = Duration::from_millis(2);
/// Messages that are handed over together: another thread is told so.
const TOGETHER: usize = 64;
/// Prefixes whose paths are listed in a turn.
const LISTED: usize = 512;
/// Prefixes that are counted in a turn.
const COUNTED: usize = 1024;

/// What waits.
#[derive(Default)]
pub(super) struct Work {
    /// Connections with routes to be sent, each once.
    unsent: VecDeque<ConnId>,
    counting: VecDeque<Counting>,
    slowest: Duration,
}

/// A question whose answer is being counted.
struct Counting {
    query: StatusQuery,
    not_installed: Vec<[usize; 2]>,
}

impl Core {
    /// Whether [`Core::work`] has something to do.
    #[must_use]
    pub fn has_work(&self) -> bool {
        let Work {
            unsent, counting, ..
        } = &self.work;
        !unsent.is_empty() || !counting.is_empty() || self.speaker.has_work()
    }

    /// One turn of everything that waits.
    pub fn work(&mut self) {
        if self.speaker.has_work() {
            self.speaker.work(Instant::now());
            self.carry_out_all();
        }
        if let Some(conn) = self.work.unsent.pop_front() {
            if let Some(connection) = self.connections.get_mut(&conn) {
                connection.waits = false;
            }
            self.transmit(conn);
        }
        self.count();
    }

    /// Does something, and notes if it took longer than anything before: so late may a KEEPALIVE
    /// be.
    pub fn timed(&mut self, what: impl FnOnce(&mut Self)) {
        let begun = Instant::now();
        what(self);
        self.work.slowest = self.work.slowest.max(begun.elapsed());
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Whether a peer is about to be declared dead.
    #[must_use]
    pub fn is_anybody_expiring(&self) -> bool {
        self.speaker.expiring(Instant::now()).next().is_some()
    }

    /// Nobody is dead whose bytes are on the way to here.
    pub(super) fn spare_the_unheard(&mut self) {
        let expiring: Vec<ConnId> = self.speaker.expiring(Instant::now()).collect();
        for conn in expiring {
            let connection = self.connections.get(&conn);
            if connection.is_some_and(|connection| connection.handle.has_unread()) {
                self.input(Input::Unread { conn });
            }
        }
    }

    /// Hands over what must not wait; routes when it is the connection's turn.
    pub(super) fn send_soon(&mut self, conn: ConnId) {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        if connection.closing {
            self.send_last_words(conn);
            return;
        }
        while let Some(place) = connection.handle.place() {
            match self.speaker.poll_control(conn) {
                Some(bytes) => place.send(vec![Outgoing::Message(bytes)]),
                None => break,
            }
        }
        if !std::mem::replace(&mut connection.waits, true) {
            self.work.unsent.push_back(conn);
        }
    }

    /// Fills the connection's write queue as far as it has room, for a turn; the rest stays in the
    /// Adj-RIB-Out, where a slow reader costs no memory.
    fn transmit(&mut self, conn: ConnId) {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        let begun = Instant::now();
        while let Some(place) = connection.handle.place() {
            let speaker = &mut self.speaker;
            let messages = std::iter::from_fn(|| speaker.poll_outgoing(conn));
            let messages: Vec<Outgoing> = messages.take(TOGETHER).collect();
            let is_all = messages.len() < TOGETHER;
            if !messages.is_empty() {
                place.send(messages);
            }
            if is_all {
                return;
            }
            if begun.elapsed() >= TURN {
                connection.waits = true;
                self.work.unsent.push_back(conn);
                return;
            }
        }
    }

    /// A closed connection ends when what it still has to say is queued.
    pub(super) fn send_last_words(&mut self, conn: ConnId) {
        let Some(connection) = self.connections.get(&conn) else {
            return;
        };
        let mut all = false;
        while !all && let Some(place) = connection.handle.place() {
            match self.speaker.poll_outgoing(conn) {
                Some(message) => place.send(vec![message]),
                None => all = true,
            }
        }
        if all {
            self.connections.remove(&conn);
        }
    }

    /// Answers a question about sessions, at once or when it is counted what is not in the kernel.
    pub(super) fn inform(&mut self, query: StatusQuery) {
        self.work.counting.push_back(Counting {
            query,
            not_installed: Vec::new(),
        });
        self.count();
    }

    /// Answers a question about routes: what is looked at is bounded.
    pub(super) fn list(&mut self, query: RoutesQuery) {
        let RoutesQuery {
            wanted,
            after,
            peer,
            to,
            answer,
        } = query;
        let found = self.named(peer).and_then(|only| {
            let to = to.clone().zip(self.named(to)?);
            self.listed(wanted, after, only, to)
        });
        // Whoever asked may have given up.
        let _ = answer.send(found);
    }

    fn named(&self, name: Option<String>) -> Result<Option<PeerId>, NoRoutes> {
        let Some(name) = name else { return Ok(None) };
        match self.speaker.find(&name) {
            Some(peer) => Ok(Some(peer)),
            None => {
                let names = self.speaker.names().map(str::to_owned);
                Err(NoRoutes::NoPeer(name, names.collect()))
            }
        }
    }

    fn listed(
        &self,
        wanted: Wanted,
        after: Option<Prefix>,
        only: Option<PeerId>,
        to: Option<(String, PeerId)>,
    ) -> Result<Part, NoRoutes> {
        let speaker = &self.speaker;
        let listing = match wanted {
            Wanted::Listing(listing) => Some(listing),
            Wanted::Covering(address) => speaker.covering(address).map(Listing::Exact),
        };
        let listed = listing.map(|listing| speaker.list(listing, after, LISTED));
        let listed = listed.unwrap_or_default();
        let wanted = |route: &RouteStatus| only.is_none() || route.peer == only;
        let name = |route: &RouteStatus| {
            route.peer.map(|peer| match speaker.name_of(peer) {
                Some(name) => name.to_owned(),
                None => "a peer that is gone".to_owned(),
            })
        };
        let found = match to {
            None => {
                let routes = listed.routes.into_iter().filter(wanted);
                let found = routes.map(|route| Found {
                    peer: name(&route),
                    rule: speaker.import_rule(&route).map(Arc::from),
                    told: None,
                    route,
                });
                found.collect()
            }
            Some((to, peer)) => {
                let telling = speaker.telling(peer, listed.routes);
                let telling = telling.ok_or(NoRoutes::NoSession(to))?;
                let telling = telling.into_iter().filter(|path| wanted(&path.route));
                let found = telling.map(|Telling { route, told, rule }| Found {
                    peer: name(&route),
                    rule,
                    told: Some(told),
                    route,
                });
                found.collect()
            }
        };
        Ok((found, listed.next))
    }

    fn count(&mut self) {
        let Some(counting) = self.work.counting.front_mut() else {
            return;
        };
        let unsettled = &mut counting.query.unsettled;
        for prefix in unsettled.drain(unsettled.len().saturating_sub(COUNTED)..) {
            let prefix: Prefix = prefix;
            for peer in self.speaker.used(&prefix) {
                let counts = &mut counting.not_installed;
                if counts.len() <= peer.index() {
                    counts.resize(peer.index() + 1, [0; 2]);
                }
                if let Some([v4, v6]) = counts.get_mut(peer.index()) {
                    *(if prefix.is_ipv4() { v4 } else { v6 }) += 1;
                }
            }
        }
        if unsettled.is_empty()
            && let Some(Counting {
                query,
                not_installed,
            }) = self.work.counting.pop_front()
        {
            self.tell(query, not_installed);
        }
    }

    fn tell(&mut self, query: StatusQuery, not_installed: Vec<[usize; 2]>) {
        let now = Instant::now();
        let speaker = self.speaker.status(now);
        self.silence.look(now);
        let hints = speaker.peers.iter();
        let hints = hints.filter_map(|peer| Some((peer.id, self.hint(peer, now)?)));
        let hints = hints.collect();
        // Whoever asked may have given up.
        let _ = query.answer.send(CoreAnswer {
            speaker,
            not_installed,
            hints,
            slowest: self.work.slowest,
            range_hints: self.range_hints(now),
            drain: self.drain_status(),
            watched: self.watching.by_peer(),
            links: self.links().clone(),
        });
    }
}
