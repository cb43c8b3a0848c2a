//! Which of two connections with one peer survives.

use std::sync::Arc;

use super::{Context, Peer, PeerOutput};
use crate::error::Notification;
use crate::fsm::connection::{ConnectionInput, Initiator};
use crate::fsm::{Cause, State};
use crate::iana::cease_subcode;
use crate::speaker::ConnId;
use crate::validate::Negotiated;

impl Peer {
    /// RFC 4271 §6.8 and RFC 4724 §4.2, at the moment when `conn` has a valid OPEN.
    pub(super) fn resolve_collision(
        &mut self,
        conn: ConnId,
        ctx: &mut Context<'_>,
        out: &mut Vec<PeerOutput>,
    ) {
        let Some(other) = self.slots.iter().find(|slot| slot.conn != conn) else {
            return;
        };
        let other_conn = other.conn;
        if other.machine.state() == State::Established {
            let graceful = |n: &Arc<Negotiated>| n.peer_graceful_restart.is_some();
            if other.machine.negotiated().is_some_and(graceful) {
                self.feed(other_conn, ConnectionInput::Drop(Cause::Replaced), ctx, out);
            } else {
                self.collide(conn, ctx, out);
            }
            return;
        }
        let keep = self.preferred(conn);
        let Some(this) = self.slots.iter().find(|slot| slot.conn == conn) else {
            return;
        };
        let (loser, winner) = if this.initiator == keep {
            (other_conn, conn)
        } else {
            (conn, other_conn)
        };
        self.collide(loser, ctx, out);
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.conn == winner) {
            slot.machine.hurry(ctx.now);
        }
    }

    /// Whose connection survives: that of the speaker with the higher BGP Identifier; with equal
    /// ones (possible between ASes) that of the higher AS number (RFC 6286 §2.3).
    pub(super) fn preferred(&self, conn: ConnId) -> Initiator {
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
}
