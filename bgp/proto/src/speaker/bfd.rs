//! What BFD says of the way to a peer, and who is watched.
//!
//! Watched is every peer that is configured so, and every one out of a range once its OPEN was
//! accepted; not who is shut down, and nobody while the speaker is stopped or closed.
//!
//! | BFD | the session | routes of the peer |
//! | --- | --- | --- |
//! | silence, or the peer says Down | ends (Cease/BFD Down), in a Hard Reset where both have the N bit | gone; long-lived stale where both have that |
//! | the peer has switched it off | stays (RFC 5882 §3.2) | stay |
//! | the peer's BFD began anew ([`Why::Anew`]) | stays | stay |
//! | down, and there was no session | | what is stale goes if the peer's BFD does not share the fate of its control plane (C bit), else it stays (RFC 5882 §4.3) |
//!
//! RFC 5882 §4.3 would have every BFD Down of a peer without C bit taken for a restart of its control
//! plane. But whose program dies closes its TCP connections, and that is heard first: a session that is
//! there when BFD goes down is one whose peer says nothing at all any more. A node with two routers
//! shall use the other one then.
//!
//! Where the peer's BFD begins anew its packets arrive, so the way is there. If all of the peer's control
//! plane was started again, TCP tells; if only its BFD was, nothing is lost by going on. FRR 8.4 does so
//! with every neighbour whose session has just come up, and that session should not be ended.
//!
//! **The gate.** A program that was started again speaks BFD with another discriminator, and what the
//! peer still has of it goes down first. A session that came up before would be ended by that, so nothing
//! is dialled and no OPEN is accepted before BFD is up: [`QUIET`] at most where nobody answers (many
//! routers begin with BFD when BGP is up), [`HEARD`] where somebody does. Then it is done without: what is
//! wrong with BFD alone shall not keep a node from its routes.

use std::fmt;
use std::time::{Duration, Instant};

use super::Speaker;
use super::api::{EventKind, Output, PeerId, Watch};
use super::drain::DrainState;
use super::neighbor::Neighbor;
use super::restart::Deferral;
use crate::bfd::{Down, News, Why};
use crate::fsm::{PathDown, PeerInput};

/// How long a peer is waited for that BFD has not heard.
pub(super) const QUIET: Duration = Duration::from_secs(3);

/// How long one is waited for that it has heard.
pub(super) const HEARD: Duration = Duration::from_secs(10);

impl Speaker {
    /// Nothing is begun with this peer before its way is known, if that is watched.
    pub(super) fn hold_back(&mut self, id: PeerId, now: Instant) {
        let peer = self.neighbors.get(id.index());
        if peer.is_some_and(|peer| peer.config.timers.bfd.is_some()) {
            self.feed_peer(id.index(), PeerInput::Gate(Some(now + QUIET)), now);
        }
    }

    fn wanted_watch(&self, neighbor: &Neighbor) -> Option<Watch> {
        let profile = neighbor.config.timers.bfd?;
        let runs = self.deferral != Deferral::Stopped && self.drain != DrainState::Closed;
        let wanted = runs && neighbor.is_known() && neighbor.machine.held().is_none();
        wanted.then_some(Watch {
            address: neighbor.address,
            interface: neighbor.as_hop().interface,
            local: neighbor.config.local_address,
            profile,
        })
    }

    /// Who is watched, and whether there is a session.
    pub fn watched(&self) -> impl Iterator<Item = (PeerId, Watch, bool)> + '_ {
        let all = self.neighbors.iter();
        all.filter_map(|peer| Some((peer.id, peer.watch?, peer.session().is_some())))
    }

    /// Looks at a peer that something has happened to.
    pub(super) fn watch(&mut self, id: PeerId, now: Instant) {
        let Some(neighbor) = self.neighbors.get(id.index()) else {
            return;
        };
        let before = neighbor.watch;
        let watch = self.wanted_watch(neighbor);
        if watch == before {
            return;
        }
        if let Some(neighbor) = self.neighbors.get_mut(id.index()) {
            neighbor.watch = watch;
        }
        self.outputs.push_back(Output::Watch { peer: id, watch });
        if watch.is_none() {
            self.feed_peer(id.index(), PeerInput::Gate(None), now);
        }
    }

    /// It is about to be forgotten.
    pub(super) fn unwatch(&mut self, id: PeerId) {
        let neighbor = self.neighbors.get_mut(id.index());
        if neighbor.is_some_and(|neighbor| neighbor.watch.take().is_some()) {
            let watch = None;
            self.outputs.push_back(Output::Watch { peer: id, watch });
        }
    }

    pub(super) fn hear_of_path(&mut self, id: PeerId, news: News, now: Instant) {
        let index = id.index();
        if self.neighbors.get(index).is_none_or(|n| n.watch.is_none()) {
            return;
        }
        if news != News::Heard {
            self.event(now, Some(id), EventKind::Bfd(news));
        }
        match news {
            News::Heard => {
                let input = PeerInput::Gate(Some(now + HEARD));
                self.feed_peer(index, input, now);
            }
            News::Up | News::PeerOff => self.feed_peer(index, PeerInput::Gate(None), now),
            News::Down(down) if down.why == Why::AdminDown => {
                self.feed_peer(index, PeerInput::Gate(None), now);
            }
            News::Down(down) if down.why == Why::Anew => {
                let input = PeerInput::Gate(Some(now + HEARD));
                self.feed_peer(index, input, now);
            }
            News::Down(down) => self.path_down(id, down, now),
        }
    }

    fn path_down(&mut self, id: PeerId, down: Down, now: Instant) {
        let index = id.index();
        let was_up = self.neighbors.get(index).is_some_and(|n| n.up.is_some());
        let bound = match down.why {
            Why::Expired(_) => QUIET,
            _ => HEARD,
        };
        self.feed_peer(index, PeerInput::Gate(Some(now + bound)), now);
        self.feed_peer(index, PeerInput::PathDown(PathDown::new(down)), now);
        if !was_up && down.independent {
            // It was kept because its program may come back; but nothing gets there.
            self.flush_stale(id, |_| true, now);
        }
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Heard => f.write_str("the neighbor is heard"),
            Self::Up => f.write_str("up"),
            Self::Down(down) => write!(f, "down: {down}"),
            Self::PeerOff => write!(f, "not up: {}", Why::AdminDown),
        }
    }
}

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.up_for.as_secs_f64();
        write!(f, "{}; it was up for {secs:.1} s", self.why)
    }
}
