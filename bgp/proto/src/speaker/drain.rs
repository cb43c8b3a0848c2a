//! Taking the node out of use, step by step, and into use again.
//!
//! ```text
//!        Announce: all is told anew,         Close: Cease, everything
//!        with GRACEFUL_SHUTDOWN              learned is forgotten
//!  Off ---------------------> Announcing ---------------------> Closed
//!   ^                             |                                |
//!   +-----------------------------+--------------------------------+
//!         Off: all is told anew, without        Off: dials again
//! ```
//!
//! A peer that is shut down by an order of its own stays so through all of this. Unlike a `Stop`,
//! a close takes routes out of the forwarding table: nobody tells changes of them any more.

use std::sync::Arc;
use std::time::Instant;

use super::Speaker;
use super::api::{Drain, StopMode};
use super::neighbor::Neighbor;
use super::restart::Deferral;
use crate::fsm::PeerInput;

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
}

impl Speaker {
    pub(super) fn drain(&mut self, drain: &Drain, now: Instant) {
        let to = match drain {
            Drain::Off => DrainState::Off,
            Drain::Announce => DrainState::Announcing,
            Drain::Close(_) => DrainState::Closed,
        };
        let from = std::mem::replace(&mut self.drain, to);
        if from == to {
            return;
        }
        self.tell_of_drain(to == DrainState::Announcing);
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

    fn tell_of_drain(&mut self, draining: bool) {
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

    /// The names of peers with a session to which not everything has been handed over yet.
    pub fn untold(&self) -> impl Iterator<Item = &str> {
        let untold = self.neighbors.iter().filter(|peer| !self.is_told(peer));
        untold.map(|peer| peer.config.name.as_str())
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
