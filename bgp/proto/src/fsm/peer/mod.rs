//! The outer machine: one configured peer, its dials, its at most two connections, its back-off.
//!
//! Invariants: at most one dial is under way; at most one connection is Established; there are at
//! most two connections; a dial is made only while there is no connection; exactly one `Up`
//! precedes each `Down`.

mod collision;
mod dial;
mod io;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::SmallRng;

pub use io::{ConnIds, Context, PeerInput, PeerOutput, Session};

use super::connection::{Connection, ConnectionInput, ConnectionOutput, Initiator, SessionParams};
use super::{Cause, LastError, State, TimerKind, TimerTable};
use crate::capability::GracefulRestartCapability;
use crate::error::Notification;
use crate::speaker::{ConnId, PeerConfig, SpeakerConfig, StopMode};
use crate::validate::{ExpectedPeer, LocalOpen, UpdateContext};
use crate::wire::Framer;

/// Longest delay before a dial after errors.
const BACK_OFF_MAX: Duration = Duration::from_secs(60);

/// A session that lasted this long clears the count of errors.
const STABLE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy)]
enum Timer {
    /// Dial (again): ConnectRetry or the back-off.
    Redial,
    /// Give up the dial that is under way and begin another (RFC 4271 §8.2.2, Connect, event 9).
    Dial,
}

impl TimerKind for Timer {
    fn index(self) -> usize {
        self as usize
    }
}

#[derive(Debug)]
struct Slot {
    conn: ConnId,
    initiator: Initiator,
    local: SocketAddr,
    remote: SocketAddr,
    framer: Framer,
    machine: Connection,
    established_at: Option<Instant>,
}

/// Own side of every session with the peer.
#[derive(Clone, Debug)]
struct Identity {
    open: LocalOpen,
    expected: ExpectedPeer,
    passive: bool,
    connect_retry: Duration,
}

/// The machine.
#[derive(Debug)]
pub struct Peer {
    identity: Identity,
    started: bool,
    backing_off: bool,
    dial: Option<ConnId>,
    slots: Vec<Slot>,
    timers: TimerTable<2>,
    /// When an own dial was due before an incoming connection put it off.
    put_off: Option<Instant>,
    errors: u32,
    /// Refused dials since the last session that were followed by an early one.
    refusals: u32,
    rng: SmallRng,
    state: State,
    since: Instant,
    last_error: Option<LastError>,
    established_count: u64,
}

impl Peer {
    /// A peer that is not started. `seed` decides its jitter.
    #[must_use]
    pub fn new(speaker: &SpeakerConfig, config: &PeerConfig, seed: u64, now: Instant) -> Self {
        let restart_secs = speaker.graceful_restart.restart_secs.min(0x0fff);
        let graceful_restart = (restart_secs > 0).then(|| GracefulRestartCapability {
            restart: false,
            notification: false,
            time_secs: restart_secs,
            families: config
                .families
                .iter()
                .map(|family| (*family, false))
                .collect(),
        });
        let open = LocalOpen {
            asn: speaker.asn,
            bgp_id: speaker.router_id,
            hold_time: config.hold_time_secs,
            families: config.families.clone(),
            graceful_restart,
            extended_next_hop: false,
            offer: config.offer,
        };
        let expected = ExpectedPeer {
            asn: config.asn,
            local_asn: speaker.asn,
            local_bgp_id: speaker.router_id,
        };
        let identity = Identity {
            open,
            expected,
            passive: config.passive,
            connect_retry: config.connect_retry,
        };
        Self {
            identity,
            started: false,
            backing_off: false,
            dial: None,
            slots: Vec::new(),
            timers: TimerTable::default(),
            put_off: None,
            errors: 0,
            refusals: 0,
            rng: SmallRng::seed_from_u64(seed),
            state: State::Idle,
            since: now,
            last_error: None,
            established_count: 0,
        }
    }

    /// The furthest state of its connections.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// When it entered the state.
    #[must_use]
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Why the last connection or attempt ended.
    #[must_use]
    pub fn last_error(&self) -> Option<&LastError> {
        self.last_error.as_ref()
    }

    /// When the next dial is due.
    #[must_use]
    pub fn next_attempt(&self) -> Option<Instant> {
        self.timers.get(Timer::Redial)
    }

    /// Times it was Established.
    #[must_use]
    pub fn established_count(&self) -> u64 {
        self.established_count
    }

    /// When to tick.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        let connections = self
            .slots
            .iter()
            .filter_map(|slot| slot.machine.next_timeout());
        connections.chain(self.timers.next()).min()
    }

    /// Takes one input.
    pub fn handle(&mut self, input: PeerInput<'_>, ctx: &mut Context<'_>) -> Vec<PeerOutput> {
        let mut out = Vec::new();
        match input {
            PeerInput::Start => self.start(ctx, &mut out),
            PeerInput::Stop(mode) => self.stop(mode, ctx, &mut out),
            PeerInput::Connected(conn, local, remote) => {
                self.connected(conn, local, remote, ctx, &mut out);
            }
            PeerInput::ConnectFailed(conn, cause) => {
                if self.dial == Some(conn) {
                    self.dial_failed(&Cause::Connect(cause), ctx.now);
                }
            }
            PeerInput::Accepted(conn, local, remote) => {
                self.accepted(conn, local, remote, ctx, &mut out);
            }
            PeerInput::Received(conn, bytes) => self.received(conn, bytes, ctx, &mut out),
            PeerInput::Closed(conn, cause) => {
                if self.dial == Some(conn) {
                    self.dial_failed(&Cause::Closed(cause), ctx.now);
                } else {
                    let input = ConnectionInput::Drop(Cause::Closed(cause));
                    self.feed(conn, input, ctx, &mut out);
                }
            }
            PeerInput::Tick => self.tick(ctx, &mut out),
        }
        self.note_state(ctx.now, &mut out);
        out
    }

    fn note_state(&mut self, now: Instant, out: &mut Vec<PeerOutput>) {
        let furthest = self.slots.iter().map(|slot| slot.machine.state()).max();
        let waits = self.backing_off && self.timers.get(Timer::Redial).is_some();
        let to = match furthest {
            Some(state) => state,
            None if self.dial.is_some() => State::Connect,
            None if !self.started || waits => State::Idle,
            None => State::Active,
        };
        let from = std::mem::replace(&mut self.state, to);
        if from != to {
            self.since = now;
            let cause = self
                .last_error
                .clone()
                .filter(|error| to < from && error.at == now);
            out.push(PeerOutput::State { from, to, cause });
        }
    }

    fn start(&mut self, ctx: &mut Context<'_>, out: &mut Vec<PeerOutput>) {
        if !std::mem::replace(&mut self.started, true) {
            (self.errors, self.refusals) = (0, 0);
            self.dial(ctx, out);
        }
    }

    fn stop(&mut self, mode: &StopMode, ctx: &mut Context<'_>, out: &mut Vec<PeerOutput>) {
        self.started = false;
        self.put_off = None;
        self.timers.stop_all();
        out.extend(self.dial.take().map(PeerOutput::Close));
        for conn in self.conns() {
            let input = match mode {
                StopMode::Restart => ConnectionInput::Drop(Cause::Stopped),
                StopMode::Shutdown(text) => ConnectionInput::Stop(Notification::shutdown(text)),
            };
            self.feed(conn, input, ctx, out);
        }
    }

    fn conns(&self) -> Vec<ConnId> {
        self.slots.iter().map(|slot| slot.conn).collect()
    }

    fn params(&self, local: SocketAddr, ctx: &Context<'_>) -> SessionParams {
        let mut open = self.identity.open.clone();
        open.extended_next_hop = local.ip().to_canonical().is_ipv6();
        if let Some(graceful) = &mut open.graceful_restart {
            graceful.restart = ctx.restarting;
            for (_, forwarding) in &mut graceful.families {
                *forwarding = ctx.forwarding_kept;
            }
        }
        let expected = self.identity.expected;
        let updates = UpdateContext {
            peer_is_external: expected.asn != expected.local_asn,
            peer_asn: expected.asn,
            local_asn: expected.local_asn,
            enforce_first_as: true,
            local_addresses: vec![local.ip()],
        };
        SessionParams {
            local: open,
            expected,
            updates,
        }
    }

    fn add_slot(
        &mut self,
        name: (ConnId, Initiator),
        local: SocketAddr,
        remote: SocketAddr,
        ctx: &mut Context<'_>,
        out: &mut Vec<PeerOutput>,
    ) {
        self.push_slot(name, local, remote, ctx);
        self.feed(name.0, ConnectionInput::Opened, ctx, out);
    }

    /// Without `Opened` the connection is held: it says nothing yet (see [`super`]).
    fn push_slot(
        &mut self,
        (conn, initiator): (ConnId, Initiator),
        local: SocketAddr,
        remote: SocketAddr,
        ctx: &Context<'_>,
    ) {
        let machine = Connection::new(self.params(local, ctx));
        let framer = Framer::new();
        let established_at = None;
        self.slots.push(Slot {
            conn,
            initiator,
            local,
            remote,
            framer,
            machine,
            established_at,
        });
    }

    fn connected(
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
        let ahead = self
            .slots
            .iter()
            .find(|slot| slot.machine.state() >= State::OpenConfirm);
        let ahead = ahead.map(|slot| (slot.conn, slot.machine.state()));
        match ahead {
            None => {}
            Some((other, State::OpenConfirm)) if self.preferred(other) == Initiator::Local => {
                self.push_slot((conn, Initiator::Local), local, remote, ctx);
                return;
            }
            Some(_) => {
                out.push(PeerOutput::Close(conn));
                return;
            }
        }
        self.add_slot((conn, Initiator::Local), local, remote, ctx, out);
    }

    fn accepted(
        &mut self,
        conn: ConnId,
        local: SocketAddr,
        remote: SocketAddr,
        ctx: &mut Context<'_>,
        out: &mut Vec<PeerOutput>,
    ) {
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

    fn received(
        &mut self,
        conn: ConnId,
        bytes: &[u8],
        ctx: &mut Context<'_>,
        out: &mut Vec<PeerOutput>,
    ) {
        let slot = self.slots.iter_mut().find(|slot| slot.conn == conn);
        let Some(slot) = slot else { return };
        slot.framer.push(bytes);
        if slot.machine.is_held() {
            // Read when it is opened; the peer has no reason to say more than its OPEN.
            if slot.framer.pending() > crate::wire::MAX_MESSAGE_LEN {
                self.feed(conn, ConnectionInput::Drop(Cause::Superseded), ctx, out);
            }
            return;
        }
        // The slot is looked up anew each time: its own messages may end it.
        while let Some(slot) = self.slots.iter_mut().find(|slot| slot.conn == conn) {
            let input = match slot.framer.next_frame(slot.machine.max_message_len()) {
                Ok(Some(frame)) => ConnectionInput::Frame(frame),
                Ok(None) => return,
                Err(notification) => ConnectionInput::Malformed(notification),
            };
            self.feed(conn, input, ctx, out);
        }
    }

    fn tick(&mut self, ctx: &mut Context<'_>, out: &mut Vec<PeerOutput>) {
        for conn in self.conns() {
            self.feed(conn, ConnectionInput::Tick, ctx, out);
        }
        if self.timers.take_due(Timer::Dial, ctx.now)
            && let Some(conn) = self.dial.take()
        {
            out.push(PeerOutput::Close(conn));
            self.last_error = Some(Cause::DialTimeout.describe(ctx.now));
            self.dial(ctx, out);
        }
        if self.timers.take_due(Timer::Redial, ctx.now) {
            self.dial(ctx, out);
        }
    }

    /// Gives a connection its input and acts on what it answers.
    fn feed(
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
                ConnectionOutput::Send(message) => out.push(PeerOutput::Send(conn, message)),
                ConnectionOutput::OpenAccepted => self.resolve_collision(conn, ctx, out),
                ConnectionOutput::Established => self.established(conn, ctx, out),
                ConnectionOutput::Routes(routes) => out.push(PeerOutput::Routes(routes)),
                ConnectionOutput::Refresh(refresh) => out.push(PeerOutput::Refresh(refresh)),
                ConnectionOutput::Ended(cause) => self.ended(conn, &cause, ctx, out),
            }
        }
    }

    fn established(&mut self, conn: ConnId, ctx: &mut Context<'_>, out: &mut Vec<PeerOutput>) {
        for other in self.conns().into_iter().filter(|other| *other != conn) {
            self.collide(other, ctx, out);
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

    fn ended(
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
        out.push(PeerOutput::Ended(cause.clone()));
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
        let held = self.slots.iter().find(|slot| slot.machine.is_held());
        if let Some(conn) = held.map(|slot| slot.conn).filter(|_| self.started) {
            self.feed(conn, ConnectionInput::Opened, ctx, out);
            self.received(conn, &[], ctx, out);
        }
    }
}
