//! Which of two connections with one peer survives.
//!
//! ```text
//!  OPEN is fine --> is there another connection (or a dial) that may come to something?
//!                     | yes                                 | no
//!                     v                                     v
//!                   no KEEPALIVE yet: at most SETTLE      KEEPALIVE
//!                   for the other's OPEN or its end
//!                     | both have OPENs: RFC 4271 §6.8 picks one
//!                     v
//!                   the other one gets Cease/7 from who has dialled it, at once; from the other
//!                   side, too, if that takes longer than SETTLE
//! ```
//!
//! The KEEPALIVE is what makes the session Established at the peer. A connection of ours that the
//! peer's kernel has taken, but its program has not yet, would come up there later; and a peer with
//! graceful restart gives its Established session up for any new connection, at the moment when it
//! accepts TCP (FRR and BIRD do). That one may be closed by then: both would be lost. The peer's OPEN
//! on a connection is the proof that its program has it.
//!
//! That the one who dialled it closes it, and that the survivor waits [`CALM`] then, is for FRR, too:
//! it moves the accepted connection to where its own one was, and if that is still being cleared
//! away, the end of the first one takes the second one along.

use std::sync::Arc;
use std::time::Duration;

use super::{Context, Peer, PeerOutput, Slot, Timer};
use crate::error::Notification;
use crate::fsm::connection::{ConnectionInput, Initiator};
use crate::fsm::{Cause, State};
use crate::iana::cease_subcode;
use crate::speaker::ConnId;
use crate::validate::Negotiated;

/// How long a connection whose OPEN is fine waits for the OPEN of another one, or for a dial.
/// Twice this (a dial that succeeds at the end of it) is less than the shortest hold time.
pub(super) const SETTLE: Duration = Duration::from_secs(1);

/// After the peer's own connection has lost.
const CALM: Duration = Duration::from_millis(200);

impl Peer {
    /// A connection with a valid OPEN has ended beside another one.
    pub(super) fn calm_down(&mut self, ended: &Slot, ctx: &Context<'_>) {
        let waits = |slot: &Slot| slot.machine.awaits_confirmation();
        let lost = ended.initiator == Initiator::Remote && ended.machine.negotiated().is_some();
        if lost && self.slots.iter().any(waits) {
            self.calm = Some(ctx.now + CALM);
        }
    }

    /// RFC 4271 §6.8, at the moment when `conn` has a valid OPEN.
    pub(super) fn resolve_collision(
        &mut self,
        conn: ConnId,
        ctx: &mut Context<'_>,
        out: &mut Vec<PeerOutput>,
    ) {
        let other = self.slots.iter().find(|slot| slot.conn != conn);
        let Some((other, state)) = other.map(|other| (other.conn, other.machine.state())) else {
            return;
        };
        match state {
            State::OpenConfirm => {
                self.timers.set(Timer::Settle, ctx.now + SETTLE);
                let loser = self.loser(conn, other);
                let ours = |slot: &Slot| slot.conn == loser && slot.initiator == Initiator::Local;
                if self.slots.iter().any(ours) {
                    self.collide(loser, ctx, out);
                }
            }
            State::Established if !self.is_graceful(other) => self.collide(conn, ctx, out),
            // With graceful restart the new one replaces it once it is Established itself
            // (RFC 4724 §4.2): it may be the loser of a collision that the peer is about to close.
            _ => {}
        }
    }

    fn loser(&self, one: ConnId, other: ConnId) -> ConnId {
        let keep = self.preferred(one);
        let kept = |slot: &Slot| slot.conn == one && slot.initiator == keep;
        if self.slots.iter().any(kept) {
            other
        } else {
            one
        }
    }

    fn is_graceful(&self, conn: ConnId) -> bool {
        let slot = self.slots.iter().find(|slot| slot.conn == conn);
        let graceful = |n: &Arc<Negotiated>| n.peer_graceful_restart.is_some();
        slot.is_some_and(|slot| slot.machine.negotiated().is_some_and(graceful))
    }

    /// Confirms the connection whose OPEN is fine, if nothing else may still come of another one.
    pub(super) fn settle(&mut self, ctx: &mut Context<'_>, out: &mut Vec<PeerOutput>) {
        let waiting = self
            .slots
            .iter()
            .find(|slot| slot.machine.awaits_confirmation());
        let Some(waiting) = waiting.map(|slot| slot.conn) else {
            self.timers.stop(Timer::Settle);
            return;
        };
        let rival = |slot: &Slot| {
            let undecided = matches!(slot.machine.state(), State::OpenSent | State::OpenConfirm);
            slot.conn != waiting && undecided
        };
        let undecided = self.dial.is_some() || self.slots.iter().any(rival);
        let calm = self.calm.into_iter().chain(self.gate.until(ctx.now)).max();
        let calm = calm.filter(|at| !undecided && *at > ctx.now);
        if let Some(at) = calm {
            self.timers.set(Timer::Settle, at);
        } else if !undecided {
            self.timers.stop(Timer::Settle);
            self.feed(waiting, ConnectionInput::Confirm, ctx, out);
        } else if self.timers.get(Timer::Settle).is_none() {
            self.timers.set(Timer::Settle, ctx.now + SETTLE);
        }
    }

    /// What has not said its OPEN by now goes, and what the peer should have closed; `settle` follows.
    pub(super) fn stop_waiting(&mut self, ctx: &mut Context<'_>, out: &mut Vec<PeerOutput>) {
        let waits = |slot: &Slot| slot.machine.awaits_confirmation();
        if !self.slots.iter().any(waits) {
            return;
        }
        out.extend(self.dial.take().map(PeerOutput::Close));
        self.timers.stop(Timer::Dial);
        let silent = self.slots.iter();
        let silent = silent.filter(|slot| slot.machine.state() == State::OpenSent);
        let silent: Vec<ConnId> = silent.map(|slot| slot.conn).collect();
        for conn in silent {
            self.collide(conn, ctx, out);
        }
        let rivals = self.slots.iter();
        let rivals = rivals.filter(|slot| slot.machine.state() == State::OpenConfirm);
        let rivals: Vec<ConnId> = rivals.map(|slot| slot.conn).collect();
        if let [one, other] = rivals[..] {
            self.collide(self.loser(one, other), ctx, out);
        }
    }

    /// Whose connection survives: that of the speaker with the higher BGP Identifier; with equal
    /// ones (possible between ASes) that of the higher AS number (RFC 6286 §2.3).
    fn preferred(&self, conn: ConnId) -> Initiator {
        let ours = (
            self.identity.expected.local_bgp_id,
            self.identity.expected.local_asn,
        );
        let theirs = self
            .slots
            .iter()
            .find(|slot| slot.conn == conn)
            .and_then(|slot| slot.machine.received())
            .map(|open| (open.bgp_id, open.asn()));
        if theirs.is_some_and(|theirs| ours > theirs) {
            Initiator::Local
        } else {
            Initiator::Remote
        }
    }

    pub(super) fn collide(
        &mut self,
        conn: ConnId,
        ctx: &mut Context<'_>,
        out: &mut Vec<PeerOutput>,
    ) {
        let cease = Notification::cease(cease_subcode::COLLISION_RESOLUTION);
        self.feed(conn, ConnectionInput::Stop(cease), ctx, out);
    }

    /// Another connection is Established now. An older session, which only graceful restart lets
    /// come to this, ends without a word (RFC 4724 §4.2).
    pub(super) fn displace(
        &mut self,
        conn: ConnId,
        ctx: &mut Context<'_>,
        out: &mut Vec<PeerOutput>,
    ) {
        let slot = self.slots.iter().find(|slot| slot.conn == conn);
        if slot.is_none_or(|slot| slot.established_at.is_none()) {
            self.collide(conn, ctx, out);
            return;
        }
        self.feed(conn, ConnectionInput::Drop(Cause::Replaced), ctx, out);
        let cause = Cause::Replaced.describe(ctx.now);
        self.last_error = Some(cause.clone());
        self.since = ctx.now;
        let from = std::mem::replace(&mut self.state, State::OpenConfirm);
        let (to, cause) = (State::OpenConfirm, Some(cause));
        out.push(PeerOutput::State { from, to, cause });
    }
}
