//! The connections of a peer: how they come, what is made of what they say, how they go.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::collision::SETTLE;
use super::{Context, Peer, PeerOutput, STABLE, Session, Timer};
use crate::error::Notification;
use crate::fsm::connection::{Connection, ConnectionInput, ConnectionOutput, Initiator};
use crate::fsm::{Cause, State};
use crate::iana::{cease_subcode, message_type};
use crate::intake::{Heard, Intake};
use crate::message::Message;
use crate::speaker::ConnId;

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) conn: ConnId,
    pub(super) initiator: Initiator,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) intake: Intake,
    pub(super) machine: Connection,
    pub(super) established_at: Option<Instant>,
}

impl Peer {
    fn add_slot(
        &mut self,
        (conn, initiator): (ConnId, Initiator),
        local: SocketAddr,
        remote: SocketAddr,
        ctx: &mut Context<'_>,
        out: &mut Vec<PeerOutput>,
    ) {
        let machine = Connection::new(self.identity.params(local, ctx));
        let intake = Intake::default();
        let established_at = None;
        self.slots.push(Slot {
            conn,
            initiator,
            local,
            remote,
            intake,
            machine,
            established_at,
        });
        self.feed(conn, ConnectionInput::Opened, ctx, out);
    }

    pub(super) fn connected(
        &mut self,
        conn: ConnId,
        local: SocketAddr,
        remote: SocketAddr,
        ctx: &mut Context<'_>,
        out: &mut Vec<PeerOutput>,
    ) {
        if self.dial != Some(conn) {
            out.push(PeerOutput::Close(conn));
            return;
        }
        self.dial = None;
        self.timers.stop(Timer::Dial);
        self.add_slot((conn, Initiator::Local), local, remote, ctx, out);
        // Heard of only now: the peer shall have as long to answer it.
        if self.timers.get(Timer::Settle).is_some() {
            self.timers.set(Timer::Settle, ctx.now + SETTLE);
        }
    }

    pub(super) fn accepted(
        &mut self,
        conn: ConnId,
        local: SocketAddr,
        remote: SocketAddr,
        ctx: &mut Context<'_>,
        out: &mut Vec<PeerOutput>,
    ) {
        // Without a word: FRR, which gets a NOTIFICATION where it waits for an OPEN, calls it an error
        // of the state machine and forgets the text of the shutdown for it.
        if !self.started || self.slots.iter().any(|slot| slot.conn == conn) {
            out.push(PeerOutput::Close(conn));
            return;
        }
        let older = self.slots.iter().find(|slot| {
            slot.initiator == Initiator::Remote && slot.machine.state() != State::Established
        });
        let older = older.map(|slot| slot.conn);
        self.put_off = self.timers.get(Timer::Redial).or(self.put_off);
        self.timers.stop(Timer::Redial);
        self.add_slot((conn, Initiator::Remote), local, remote, ctx, out);
        if let Some(older) = older {
            self.collide(older, ctx, out);
        }
    }

    pub(super) fn received(
        &mut self,
        conn: ConnId,
        bytes: &[u8],
        ctx: &mut Context<'_>,
        out: &mut Vec<PeerOutput>,
    ) {
        let slot = self.slots.iter_mut().find(|slot| slot.conn == conn);
        let Some(slot) = slot else { return };
        slot.intake.push(bytes);
        // The slot is looked up anew each time: its own messages may end it.
        while let Some(slot) = self.slots.iter_mut().find(|slot| slot.conn == conn) {
            let terms = slot.machine.terms().map(|terms| &**terms);
            let Some(heard) = slot.intake.next(terms) else {
                return;
            };
            self.heard(conn, heard, ctx, out);
        }
    }

    /// One message. Of a connection that is gone: nothing.
    pub(super) fn heard(
        &mut self,
        conn: ConnId,
        heard: Heard,
        ctx: &mut Context<'_>,
        out: &mut Vec<PeerOutput>,
    ) {
        if !self.slots.iter().any(|slot| slot.conn == conn) {
            return;
        }
        let kind = heard.kind();
        if let Some(kind) = kind.filter(|kind| *kind != message_type::NOTIFICATION) {
            self.counters.received.count(kind);
        }
        self.feed(conn, ConnectionInput::Heard(heard), ctx, out);
    }

    /// Gives a connection its input and acts on what it answers.
    pub(super) fn feed(
        &mut self,
        conn: ConnId,
        input: ConnectionInput,
        ctx: &mut Context<'_>,
        out: &mut Vec<PeerOutput>,
    ) {
        let slot = self.slots.iter_mut().find(|slot| slot.conn == conn);
        let Some(slot) = slot else { return };
        for output in slot.machine.handle(input, ctx.now, &mut self.rng) {
            // It may just have lost a collision: then the rest is void.
            if !self.slots.iter().any(|slot| slot.conn == conn) {
                return;
            }
            match output {
                ConnectionOutput::Send(message) => {
                    self.count_sent(&message);
                    out.push(PeerOutput::Send(conn, message));
                }
                ConnectionOutput::OpenAccepted if !ctx.has_room => {
                    let words = Notification::cease(cease_subcode::CONNECTION_REJECTED);
                    self.feed(conn, ConnectionInput::Stop(words), ctx, out);
                }
                ConnectionOutput::OpenAccepted => {
                    let slot = self.slots.iter().find(|slot| slot.conn == conn);
                    let terms = slot.and_then(|slot| slot.machine.terms());
                    out.extend(terms.map(|terms| PeerOutput::Opened(conn, Arc::clone(terms))));
                    self.resolve_collision(conn, ctx, out);
                    self.settle(ctx, out);
                }
                ConnectionOutput::Established => self.established(conn, ctx, out),
                ConnectionOutput::Routes(routes) => out.push(PeerOutput::Routes(routes)),
                ConnectionOutput::Refresh(refresh) => out.push(PeerOutput::Refresh(refresh)),
                ConnectionOutput::Ended(cause) => self.ended(conn, &cause, ctx, out),
            }
        }
    }

    fn count_sent(&mut self, message: &Message) {
        let sent = &mut self.counters.sent;
        match message {
            Message::Notification(words) => sent.count_notification(words),
            Message::Open(_) => sent.count(message_type::OPEN),
            Message::Update(_) => sent.count(message_type::UPDATE),
            Message::Keepalive => sent.count(message_type::KEEPALIVE),
            Message::RouteRefresh(_) => sent.count(message_type::ROUTE_REFRESH),
        }
    }

    pub(super) fn established(
        &mut self,
        conn: ConnId,
        ctx: &mut Context<'_>,
        out: &mut Vec<PeerOutput>,
    ) {
        for other in self.conns().into_iter().filter(|other| *other != conn) {
            self.displace(other, ctx, out);
        }
        out.extend(self.dial.take().map(PeerOutput::Close));
        self.timers.stop_all();
        self.put_off = None;
        self.established_count += 1;
        self.refusals = 0;
        let Some(slot) = self.slots.iter_mut().find(|slot| slot.conn == conn) else {
            return;
        };
        slot.established_at = Some(ctx.now);
        if let (Some(received), Some(negotiated)) =
            (slot.machine.received(), slot.machine.negotiated())
        {
            out.push(PeerOutput::Up(Box::new(Session {
                conn,
                local: slot.local,
                remote: slot.remote,
                sent: slot.machine.sent().clone(),
                received: received.clone(),
                negotiated: Arc::clone(negotiated),
                since: ctx.now,
            })));
        }
    }

    pub(super) fn ended(
        &mut self,
        conn: ConnId,
        cause: &Cause,
        ctx: &mut Context<'_>,
        out: &mut Vec<PeerOutput>,
    ) {
        let now = ctx.now;
        let index = self.slots.iter().position(|slot| slot.conn == conn);
        let Some(slot) = index.map(|index| self.slots.swap_remove(index)) else {
            return;
        };
        if !matches!(cause, Cause::Closed(_)) {
            out.push(PeerOutput::Close(conn));
        }
        if let Cause::Received(words) = cause {
            self.counters.received.count_notification(words);
        }
        out.push(PeerOutput::Ended(cause.clone()));
        self.calm_down(&slot, ctx);
        if let Some(since) = slot.established_at {
            if now.saturating_duration_since(since) >= STABLE {
                self.errors = 0;
            }
            out.push(PeerOutput::Down(conn, cause.clone()));
        }
        if slot.initiator == Initiator::Remote && slot.machine.negotiated().is_none() {
            self.resume_redial(cause, now);
        } else {
            self.plan_redial(cause, now);
        }
    }
}
