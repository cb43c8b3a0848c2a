//! Taking the node out of use, step by step, and into use again.
//!
//! ```text
//!        Announce: all is told anew,         Close: Cease, everything
//!        with GRACEFUL_SHUTDOWN              learned is forgotten
//!  Off ---------------------> Announcing ---------------------> Closed
//!   ^                             | Off                            | Off: dials again
//!   |                             v                                v
//!   +---- all is told anew --- Returning (Learning -> Installing) <+
//!         without              all is told with GRACEFUL_SHUTDOWN
//! ```
//!
//! *Returning*: others send to this speaker what it announces as soon as they hear of it, and what it
//! answers may take a route that it learns only now. So it is the last resort (that does no harm
//! where it is the only one: who cannot be asked is no better) until every peer's initial routes are
//! here, or it is not waited for any more ([`super::restart`] has the rule), and then until the kernel has
//! them ([`Output::Settle`]), at most [`INSTALLING`]. It ends its own initial routes with End-of-RIB
//! like any other: two that wait for each other wait for a round trip.
//!
//! A peer that is shut down by an order of its own stays so through all of this. Unlike a `Stop`,
//! a close takes routes out of the forwarding table: nobody tells changes of them any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Speaker;
use super::api::{Drain, EventKind, Output, StopMode};
use super::neighbor::Neighbor;
use super::restart::{Deferral, Progress};
use crate::fsm::PeerInput;

/// The kernel takes some hundred thousand routes a second.
const INSTALLING: Duration = Duration::from_secs(30);

/// How far the speaker is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DrainState {
    /// In use.
    #[default]
    Off,
    /// Everything carries GRACEFUL_SHUTDOWN.
    Announcing,
    /// No sessions.
    Closed,
    /// On the way back into use: everything still carries GRACEFUL_SHUTDOWN.
    Returning(Return),
}

/// What a return waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// The routes of peers; since then.
    Learning(Instant),
    /// The kernel, which is to have them; at most until then.
    Installing(Instant),
}

impl DrainState {
    /// Whether everything carries GRACEFUL_SHUTDOWN.
    pub(super) fn is_marked(self) -> bool {
        matches!(self, Self::Announcing | Self::Returning(_))
    }
}

impl Speaker {
    pub(super) fn drain(&mut self, drain: &Drain, now: Instant) {
        let from = self.drain;
        let to = match (drain, from) {
            (Drain::Off, DrainState::Off | DrainState::Returning(_)) => return,
            (Drain::Off, _) => DrainState::Returning(Return::Learning(now)),
            (Drain::Announce, _) => DrainState::Announcing,
            (Drain::Close(_), _) => DrainState::Closed,
        };
        if from == to {
            return;
        }
        self.drain = to;
        self.tell_of_drain();
        if from == DrainState::Closed {
            let all = self.neighbors.iter_mut();
            all.for_each(|neighbor| neighbor.progress = Progress::default());
        }
        if self.deferral == Deferral::Stopped {
            return;
        }
        if let Drain::Close(text) = drain {
            self.close_all(text, now);
        } else if from == DrainState::Closed {
            for id in self.neighbors.configured().to_vec() {
                self.hold_back(id, now);
            }
            for index in 0..self.neighbors.len() {
                self.feed_peer(index, PeerInput::Start, now);
            }
        }
    }

    /// A further step of the way back, if it is time.
    pub(super) fn go_on_returning(&mut self, now: Instant) {
        let DrainState::Returning(step) = self.drain else {
            return;
        };
        if self.is_deciding() || self.returns_at().is_some_and(|at| at > now) {
            return;
        }
        match step {
            Return::Learning(_) => {
                self.drain = DrainState::Returning(Return::Installing(now + INSTALLING));
                self.outputs.push_back(Output::Settle);
            }
            Return::Installing(_) => self.returned(false, now),
        }
    }

    /// The kernel has what it was told.
    pub(super) fn settled(&mut self, now: Instant) {
        if let DrainState::Returning(Return::Installing(_)) = self.drain {
            self.returned(true, now);
        }
    }

    fn returned(&mut self, installed: bool, now: Instant) {
        let late = self.neighbors.iter();
        let late = late.filter(|n| n.is_known() && n.machine.held().is_none());
        let late = late.filter(|n| !n.progress.initial_done);
        let missing = late.map(|n| n.config.name.clone()).collect();
        self.drain = DrainState::Off;
        self.tell_of_drain();
        self.event(now, None, EventKind::Returned { missing, installed });
    }

    /// When the return goes on by time alone; `None`: now, or when something else is through.
    pub(super) fn returns_at(&self) -> Option<Instant> {
        match self.drain {
            DrainState::Returning(_) if self.is_deciding() => None,
            DrainState::Returning(Return::Learning(since)) => {
                let awaited = self.unlearned(since).map(|(_, until)| until);
                awaited.chain(self.others_until(since)).max()
            }
            DrainState::Returning(Return::Installing(until)) => Some(until),
            _ => None,
        }
    }

    /// What has come may not be in the Loc-RIB yet.
    fn is_deciding(&self) -> bool {
        self.deferral != Deferral::Done || self.rib.is_sweeping()
    }

    /// Who is shut down is not waited for.
    fn unlearned(&self, since: Instant) -> impl Iterator<Item = (&Neighbor, Instant)> {
        let awaited = self.awaited(since);
        awaited.filter(|(neighbor, _)| neighbor.machine.held().is_none())
    }

    fn tell_of_drain(&mut self) {
        let draining = self.drain.is_marked();
        for neighbor in self.neighbors.iter_mut() {
            let Some(up) = &mut neighbor.up else { continue };
            if up.target.graceful.draining != draining {
                Arc::make_mut(&mut up.target).graceful.draining = draining;
                for family in &up.session.negotiated.families {
                    up.adj_out.refresh(*family);
                }
            }
        }
    }

    fn close_all(&mut self, text: &str, now: Instant) {
        let mode = StopMode::Shutdown(text.to_owned());
        for index in 0..self.neighbors.len() {
            let Some(id) = self.neighbors.get(index).map(|neighbor| neighbor.id) else {
                continue;
            };
            self.feed_peer(index, PeerInput::Stop(&mode), now);
            // It might come back, but not now.
            self.flush_stale(id, |_| true, now);
        }
        if matches!(self.deferral, Deferral::Waiting(_)) {
            self.finish_deferral(now);
        }
    }

    /// How far it is.
    #[must_use]
    pub fn drain_state(&self) -> DrainState {
        self.drain
    }

    /// Who has to take or to tell something before the next step: the names of peers with a session to
    /// which not everything has been handed over yet; on the way back, of those whose routes are
    /// waited for, and of ranges and links where others may come from.
    #[must_use]
    pub fn unready(&self, now: Instant) -> Vec<&str> {
        match self.drain {
            DrainState::Returning(Return::Learning(since)) => self.expected(since, now).collect(),
            DrainState::Returning(Return::Installing(_)) => Vec::new(),
            _ => {
                let untold = self.neighbors.iter().filter(|peer| !self.is_told(peer));
                untold.map(|peer| peer.config.name.as_str()).collect()
            }
        }
    }

    /// Whose initial routes are waited for by who has begun to at `since`.
    pub(super) fn expected(&self, since: Instant, now: Instant) -> impl Iterator<Item = &str> {
        let awaited = self.unlearned(since).filter(move |(_, until)| *until > now);
        let awaited = awaited.map(|(peer, _)| peer.config.name.as_str());
        let others = self.others_until(since).filter(|until| *until > now);
        let others = others.into_iter().flat_map(|_| self.neighbors.expecting());
        awaited.chain(others)
    }

    /// Is there nothing left to be sent to the peer?
    pub(super) fn is_told(&self, neighbor: &Neighbor) -> bool {
        let complete = self.deferral == Deferral::Done;
        let link = |conn| self.links.get(&conn);
        neighbor.up.as_ref().is_none_or(|up| {
            let waits = link(up.session.conn).is_some_and(|link| link.has_control());
            !waits && !up.adj_out.has_work(complete)
        })
    }
}
