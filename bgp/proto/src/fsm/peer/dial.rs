//! When to dial, and how long to wait before the next attempt.
//!
//! | the last attempt or connection | next dial after |
//! | --- | --- |
//! | refused, among the first [`EAGER`] of them | 1 s, or ConnectRetryTime if that is shorter |
//! | refused, unreachable, no answer | ConnectRetryTime |
//! | ended by an error or by the peer | 1, 2, 4 … 60 s |
//! | gave way in a collision, among the first [`EAGER`] of them | 0.1 to 1 s |
//! | gave way in a collision, but no other connection comes of it | ConnectRetryTime |
//!
//! All with jitter. A refusal costs the peer one packet and says that the host is up: mostly its
//! BGP daemon is just starting, as after a rack lost power. So the first few times it is asked
//! again soon; that begins anew when a session was Established.

use std::time::{Duration, Instant};

use rand::Rng;

use super::{BACK_OFF_MAX, Context, Peer, PeerOutput, Timer};
use crate::fsm::{Cause, CauseClass, LastError};
use crate::speaker::ConnectError;

/// So many refused dials, and collisions, are followed by an early one.
const EAGER: u32 = 5;

/// How early, before jitter.
const EAGER_RETRY: Duration = Duration::from_secs(1);

impl Peer {
    pub(super) fn dial(&mut self, ctx: &mut Context<'_>, out: &mut Vec<PeerOutput>) {
        self.timers.stop(Timer::Redial);
        if !self.started || self.identity.passive || self.dial.is_some() || !self.slots.is_empty() {
            return;
        }
        if let Some(until) = self.gate.holds_dial(ctx.now) {
            self.timers.set(Timer::Redial, until);
            return;
        }
        let conn = ctx.ids.fresh();
        self.dial = Some(conn);
        let patience = self.connect_retry();
        self.timers.set(Timer::Dial, ctx.now + patience);
        out.push(PeerOutput::Dial(conn));
    }

    pub(super) fn connect_retry(&mut self) -> Duration {
        self.jitter(self.identity.timers.connect_retry)
            .max(Duration::from_millis(100))
    }

    /// RFC 4271 §10: 0.75 to 1.0 of it, anew each time.
    pub(super) fn jitter(&mut self, duration: Duration) -> Duration {
        duration.mul_f64(self.rng.random_range(0.75..1.0))
    }

    pub(super) fn dial_failed(&mut self, cause: &Cause, now: Instant) {
        self.dial = None;
        self.timers.stop(Timer::Dial);
        self.plan_redial(cause, now);
    }

    /// After an incoming connection that never said a valid OPEN: the own dial is due when it was
    /// due before. Whoever can open connections from the peer's address (also behind the same
    /// address translation) must not hold the session back.
    pub(super) fn resume_redial(&mut self, cause: &Cause, now: Instant) {
        self.last_error = Some(self.describe(cause, now));
        let alone = self.slots.is_empty() && self.dial.is_none();
        if alone && self.started && !self.identity.passive {
            let due = self.put_off.take();
            let due = due.unwrap_or_else(|| now + self.connect_retry());
            self.timers.set(Timer::Redial, due.max(now));
        }
    }

    /// Notes why there is no session, and when to try again, unless something is still going on.
    pub(super) fn plan_redial(&mut self, cause: &Cause, now: Instant) {
        let alone = self.slots.is_empty() && self.dial.is_none();
        if alone || cause.is_error() {
            self.last_error = Some(self.describe(cause, now));
        }
        if !alone || !self.started || self.identity.passive {
            return;
        }
        self.backing_off = cause.is_error();
        let delay = self.delay_after(cause);
        self.timers.set(Timer::Redial, now + delay);
    }

    fn delay_after(&mut self, cause: &Cause) -> Duration {
        match cause {
            cause if cause.is_error() => {
                self.errors = self.errors.saturating_add(1);
                let secs = 1_u64 << self.errors.saturating_sub(1).min(16);
                self.jitter(Duration::from_secs(secs).min(BACK_OFF_MAX))
            }
            Cause::Connect(ConnectError::Refused) if self.refusals < EAGER => {
                self.refusals += 1;
                let usual = self.connect_retry();
                self.jitter(EAGER_RETRY).min(usual)
            }
            Cause::Connect(_) => self.connect_retry(),
            // Not with a connection that we know of: the peer may take an old session for alive.
            _ if self.refusals >= EAGER => self.connect_retry(),
            // Both ends gave way in a collision: wide jitter keeps it from happening again.
            _ => {
                self.refusals += 1;
                Duration::from_secs(1).mul_f64(self.rng.random_range(0.1..1.0))
            }
        }
    }

    /// What the cause alone does not know.
    pub(super) fn describe(&self, cause: &Cause, now: Instant) -> LastError {
        let mut error = cause.describe(now);
        if matches!(cause, Cause::Received(_)) && error.class == CauseClass::WrongAs {
            let asn = self.identity.expected.local_asn;
            error.text = format!("{}: the peer does not expect AS {asn} from us", error.text);
        }
        error
    }
}
