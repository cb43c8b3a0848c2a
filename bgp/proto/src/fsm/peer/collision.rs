//! Which of two connections with one peer survives.
//!
//! ```text
//!  OPEN is fine --> is there another connection (or a dial) without the peer's OPEN?
//!                     | yes                                 | no
//!                     v                                     v
//!                   no KEEPALIVE yet: at most SETTLE      both have OPENs: RFC 4271 §6.8 picks one,
//!                   for the other's OPEN or its end       the other gets Cease/7; KEEPALIVE
//! ```
//!
//! The KEEPALIVE is what makes the session Established at the peer. A connection of ours that the
//! peer's kernel has taken, but its program has not yet, would come up there later; and a peer with
//! graceful restart gives its Established session up for any new connection, at the moment when it
//! accepts TCP (FRR and BIRD do). That one may be closed by then: both would be lost. The peer's OPEN
//! on a connection is the proof that its program has it.

use std::sync::Arc;
use std::time::Duration;

use super::{Context, Peer, PeerOutput, Timer};
use crate::error::Notification;
use crate::fsm::connection::{ConnectionInput, Initiator};
use crate::fsm::{Cause, State};
use crate::iana::cease_subcode;
use crate::speaker::ConnId;
use crate::validate::Negotiated;

/// How long a connection whose OPEN is fine waits for the OPEN of another one, or for a dial.
/// Twice this (a dial that succeeds at the end of it) is less than the shortest hold time.
pub(super) const SETTLE: Duration = Duration::from_secs(1);

impl Peer {
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
        let keep = self.preferred(conn);
        let is_kept = |slot: &super::Slot| slot.conn == conn && slot.initiator == keep;
        match state {
            State::OpenConfirm if self.slots.iter().any(is_kept) => self.collide(other, ctx, out),
            State::OpenConfirm => self.collide(conn, ctx, out),
            State::Established if !self.is_graceful(other) => self.collide(conn, ctx, out),
            // With graceful restart the new one replaces it once it is Established itself
            // (RFC 4724 §4.2): it may be the loser of a collision that the peer is about to close.
            _ => {}
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
        let silent = |slot: &super::Slot| slot.machine.state() == State::OpenSent;
        if self.dial.is_none() && !self.slots.iter().any(silent) {
            self.timers.stop(Timer::Settle);
            self.feed(waiting, ConnectionInput::Confirm, ctx, out);
        } else if self.timers.get(Timer::Settle).is_none() {
            self.timers.set(Timer::Settle, ctx.now + SETTLE);
        }
    }

    /// What has not said its OPEN by now goes; `settle` follows.
    pub(super) fn stop_waiting(&mut self, ctx: &mut Context<'_>, out: &mut Vec<PeerOutput>) {
        let waits = |slot: &super::Slot| slot.machine.awaits_confirmation();
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
