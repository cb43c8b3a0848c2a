//! The outer machine: one configured peer, its dials, its at most two connections, its back-off.
//!
//! Invariants: at most one dial is under way; at most one connection is Established; there are at
//! most two connections; a dial is made only while there is no connection; exactly one `Up`
//! precedes each `Down`.

mod collision;
mod connections;
mod dial;
mod gate;
mod hold;
mod identity;
mod io;

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::SmallRng;

pub use hold::Held;
pub use io::{ConnIds, Context, PeerInput, PeerOutput, Session};

use super::connection::ConnectionInput;
use super::{Cause, Counters, LastError, State, TimerKind, TimerTable};
use crate::error::Notification;
use crate::iana::message_type;
use crate::speaker::{ConnId, PeerConfig, SpeakerConfig, StopMode, Timers};
use connections::Slot;
use gate::Gate;
use hold::Hold;
pub use identity::Identity;

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
    /// Confirm a connection although another has not said its OPEN ([`collision`]).
    Settle,
}

impl TimerKind for Timer {
    fn index(self) -> usize {
        self as usize
    }
}

/// The machine.
#[derive(Debug)]
pub struct Peer {
    identity: Identity,
    started: bool,
    hold: Hold,
    gate: Gate,
    backing_off: bool,
    dial: Option<ConnId>,
    slots: Vec<Slot>,
    timers: TimerTable<3>,
    /// When an own dial was due before an incoming connection put it off.
    put_off: Option<Instant>,
    /// No connection is confirmed before ([`collision`]).
    calm: Option<Instant>,
    errors: u32,
    /// Refused dials and collisions since the last session that were followed by an early dial.
    refusals: u32,
    rng: SmallRng,
    state: State,
    since: Instant,
    last_error: Option<LastError>,
    established_count: u64,
    counters: Counters,
}

impl Peer {
    /// A peer that is not started. `seed` decides its jitter.
    #[must_use]
    pub fn new(speaker: &SpeakerConfig, config: &PeerConfig, seed: u64, now: Instant) -> Self {
        Self {
            identity: Identity::new(speaker, config),
            started: false,
            hold: Hold::default(),
            gate: Gate::default(),
            backing_off: false,
            dial: None,
            slots: Vec::new(),
            timers: TimerTable::default(),
            put_off: None,
            calm: None,
            errors: 0,
            refusals: 0,
            rng: SmallRng::seed_from_u64(seed),
            state: State::Idle,
            since: now,
            last_error: None,
            established_count: 0,
            counters: Counters::default(),
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
        let next = self.timers.get(Timer::Redial);
        next.or_else(|| self.hold.until().filter(|_| !self.identity.passive))
    }

    /// Times it was Established.
    #[must_use]
    pub fn established_count(&self) -> u64 {
        self.established_count
    }

    /// What was said so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// An UPDATE goes out beside this machine.
    pub fn count_update(&mut self) {
        self.counters.sent.count(message_type::UPDATE);
    }

    /// Why it is left alone, if it is.
    #[must_use]
    pub fn held(&self) -> Option<Held> {
        self.hold.why()
    }

    /// Its OPEN was accepted, now or earlier.
    #[must_use]
    pub fn is_in(&self) -> bool {
        let accepted = |slot: &Slot| slot.machine.negotiated().is_some();
        self.established_count > 0 || self.slots.iter().any(accepted)
    }

    /// There is no connection and no dial.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.slots.is_empty() && self.dial.is_none()
    }

    /// Connections that the next tick ends for the peer's silence.
    pub fn expiring(&self, now: Instant) -> impl Iterator<Item = ConnId> + '_ {
        let silent = self
            .slots
            .iter()
            .filter(move |slot| slot.machine.expires(now));
        silent.map(|slot| slot.conn)
    }

    /// When to tick.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        let connections = self
            .slots
            .iter()
            .filter_map(|slot| slot.machine.next_timeout());
        connections
            .chain(self.timers.next())
            .chain(self.hold.until())
            .min()
    }

    /// Takes one input.
    pub fn handle(&mut self, input: PeerInput<'_>, ctx: &mut Context<'_>) -> Vec<PeerOutput> {
        let mut out = Vec::new();
        match input {
            PeerInput::Start => self.start(ctx, &mut out),
            PeerInput::Stop(mode) => {
                let words = match mode {
                    StopMode::Restart => None,
                    StopMode::Shutdown(text) => Some(Notification::shutdown(text)),
                };
                self.hold.set_wanted(false);
                self.stop(words.as_ref(), ctx, &mut out);
            }
            PeerInput::Configure(identity) => self.configure(*identity, ctx, &mut out),
            PeerInput::Reset(words) => self.reset(&words, ctx, &mut out),
            PeerInput::Renew(words) => self.renew(&words, ctx, &mut out),
            PeerInput::HoldDown(words) => {
                self.hold.by_command();
                self.hold_down(words, "shut down by command", ctx, &mut out);
            }
            PeerInput::Limit(words, until) => {
                self.hold.by_limit(until);
                self.hold_down(words, "too many prefixes", ctx, &mut out);
            }
            PeerInput::Gate(until) => self.set_gate(until, ctx),
            PeerInput::PathDown(path) => self.path_down(&path, ctx, &mut out),
            PeerInput::Release => {
                self.hold.release();
                if self.hold.is_wanted() {
                    self.start(ctx, &mut out);
                }
            }
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
            PeerInput::Heard(conn, messages) => {
                for heard in messages {
                    self.heard(conn, heard, ctx, &mut out);
                }
            }
            PeerInput::Unread(conn) => {
                self.feed(conn, ConnectionInput::Unread, ctx, &mut out);
            }
            PeerInput::Stalled(conn) => {
                let words = Notification::send_hold_timer_expired();
                self.feed(conn, ConnectionInput::Stop(words), ctx, &mut out);
            }
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
        self.settle(ctx, &mut out);
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
        self.hold.set_wanted(true);
        self.hold.take_due(ctx.now);
        if self.hold.why().is_none() && !std::mem::replace(&mut self.started, true) {
            (self.errors, self.refusals) = (0, 0);
            self.dial(ctx, out);
        }
    }

    /// `text`: why, if nothing could be said.
    fn hold_down(
        &mut self,
        words: Notification,
        text: &str,
        ctx: &mut Context<'_>,
        out: &mut Vec<PeerOutput>,
    ) {
        let sent = !self.slots.is_empty();
        self.stop(Some(&words), ctx, out);
        // Else it is known what was sent, perhaps within a Hard Reset.
        if !sent {
            let mut error = Cause::Sent(words).describe(ctx.now);
            text.clone_into(&mut error.text);
            self.last_error = Some(error);
        }
    }

    fn stop(
        &mut self,
        words: Option<&Notification>,
        ctx: &mut Context<'_>,
        out: &mut Vec<PeerOutput>,
    ) {
        self.started = false;
        self.put_off = None;
        self.timers.stop_all();
        out.extend(self.dial.take().map(PeerOutput::Close));
        for conn in self.conns() {
            let input = match words {
                None => ConnectionInput::Drop(Cause::Stopped),
                Some(words) => ConnectionInput::Stop(words.clone()),
            };
            self.feed(conn, input, ctx, out);
        }
    }

    /// What of it does not wait for another session takes effect.
    fn configure(&mut self, identity: Identity, ctx: &mut Context<'_>, out: &mut Vec<PeerOutput>) {
        let before = std::mem::replace(&mut self.identity, identity);
        let Timers {
            keepalive_secs,
            connect_retry,
            ..
        } = self.identity.timers;
        for slot in &mut self.slots {
            slot.machine
                .set_keepalive(keepalive_secs, ctx.now, &mut self.rng);
        }
        if self.identity.passive {
            self.timers.stop(Timer::Redial);
            self.timers.stop(Timer::Dial);
            self.put_off = None;
            out.extend(self.dial.take().map(PeerOutput::Close));
        } else if before.passive {
            self.dial(ctx, out);
        } else if connect_retry < before.timers.connect_retry && !self.backing_off {
            let sooner = ctx.now + self.connect_retry();
            if self.timers.get(Timer::Redial).is_some_and(|at| at > sooner) {
                self.timers.set(Timer::Redial, sooner);
            }
        }
    }

    /// The next dial comes soon: nobody has made an error. One that is only waited for, after errors
    /// up to a minute, is made now: whoever asks has mended something.
    fn reset(&mut self, words: &Notification, ctx: &mut Context<'_>, out: &mut Vec<PeerOutput>) {
        if self.is_quiet() && self.timers.get(Timer::Redial).is_some() {
            (self.errors, self.refusals) = (0, 0);
            self.dial(ctx, out);
        }
        for conn in self.conns() {
            self.errors = 0;
            self.feed(conn, ConnectionInput::Stop(words.clone()), ctx, out);
        }
    }

    /// The same after another configuration: a dial that is under way is made anew, since it may be one
    /// with what is no longer so.
    fn renew(&mut self, words: &Notification, ctx: &mut Context<'_>, out: &mut Vec<PeerOutput>) {
        let alone = self.slots.is_empty();
        let dialling = self.dial.take();
        if dialling.is_some() {
            self.timers.stop(Timer::Dial);
        }
        out.extend(dialling.map(PeerOutput::Close));
        self.reset(words, ctx, out);
        if dialling.is_some() && alone {
            self.dial(ctx, out);
        }
    }

    fn conns(&self) -> Vec<ConnId> {
        self.slots.iter().map(|slot| slot.conn).collect()
    }

    fn tick(&mut self, ctx: &mut Context<'_>, out: &mut Vec<PeerOutput>) {
        for conn in self.conns() {
            self.feed(conn, ConnectionInput::Tick, ctx, out);
        }
        if self.hold.take_due(ctx.now) {
            self.start(ctx, out);
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
        if self.timers.take_due(Timer::Settle, ctx.now) {
            self.stop_waiting(ctx, out);
        }
    }
}
