//! Graceful restart (RFC 4724), both roles.
//!
//! **A peer restarts** ([`Helper`]): the session ends after both sides had offered graceful restart,
//! and not with a NOTIFICATION; with the N bit on both sides (RFC 8538) not with a Hard Reset or
//! because the peer fell silent.
//!
//! ```text
//!            lost                       Established again, F bit            End-of-RIB
//!  fresh ----------> stale, Restart ------------------------> stale, Stale ----------> fresh
//!                    Time of the peer    without the F bit:   stale_secs       what is still
//!                    (<= stale_secs)     flushed at once        |              stale is flushed
//!                       | expires                               | expires
//!                       +------------> flushed <----------------+
//! ```
//!
//! Lost again while stale: what was stale goes, the rest becomes stale (RFC 4724 §4.2). With the N
//! bit what was stale stays so, too (RFC 8538 §4.1): then the bound of the second state is not
//! renewed, so that a session that goes up and down does not keep anything for ever.
//!
//! With the N bit a Cease that is not about to pass (an administrative shutdown) is sent within a
//! Hard Reset, so that the peer keeps nothing either. What is stale goes, too, when its peer is shut
//! down here.
//!
//! **This speaker restarts** ([`Deferral`]): OPENs carry the R bit, own networks are advertised at
//! once (they depend on nobody), but nothing is selected, no `Fib` is said and no End-of-RIB is
//! sent until the Loc-RIB can be complete. Each peer is waited for
//!
//! * until its End-of-RIB of all families, at most [`BOUND`] from `Start`;
//! * if it offered no graceful restart (it need not send End-of-RIB) or restarts itself (it may be
//!   waiting for us): at most [`PATIENCE`] from Established;
//! * if it is not Established: at most [`DOWN`] from `Start` once another peer is complete; a peer
//!   that is simply down holds nobody back longer. Where no peer has said anything yet there is
//!   nothing to put in the place of the kernel's routes: then up to [`BOUND`].
//!
//! A cold start waits for nobody.

use std::time::{Duration, Instant};

use crate::fsm::{Session, TimerKind, TimerTable};
use crate::iana::Family;

/// The longest wait of all.
pub const BOUND: Duration = Duration::from_secs(60);

/// For peers that are not up, if any other is complete.
pub const DOWN: Duration = Duration::from_secs(20);

/// For peers that are up but may never send End-of-RIB.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Whether the Loc-RIB is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deferral {
    /// Not started.
    Stopped,
    /// Started at this time after a restart, and waiting.
    Waiting(Instant),
    /// What was learned until then is being decided, up to this lap of the sweep.
    Deciding(u64),
    /// Complete, or as complete as it was worth to wait for.
    Done,
}

impl Deferral {
    /// Until when this peer is waited for; `None`: no longer. `any_complete`: some peer's initial
    /// routes are all here.
    #[must_use]
    pub fn waits_for(
        self,
        peer: &Progress,
        session: Option<&Session>,
        any_complete: bool,
    ) -> Option<Instant> {
        let Self::Waiting(start) = self else {
            return None;
        };
        if peer.initial_done {
            return None;
        }
        let Some(session) = session else {
            return Some(start + if any_complete { DOWN } else { BOUND });
        };
        let promised = session.negotiated.peer_graceful_restart.as_ref();
        if promised.is_some_and(|capability| !capability.restart) {
            Some(start + BOUND)
        } else {
            Some((start + BOUND).min(session.since + PATIENCE))
        }
    }
}

/// How far a peer's initial routes have come.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Families whose End-of-RIB came in this session.
    pub ended: Vec<Family>,
    /// All of them came, in this session or an earlier one since `Start`.
    pub initial_done: bool,
}

#[derive(Clone, Copy)]
enum Timer {
    /// The peer must be Established again.
    Restart,
    /// The peer must have sent End-of-RIB.
    Stale,
}

impl TimerKind for Timer {
    fn index(self) -> usize {
        self as usize
    }
}

/// The timers of a peer whose routes are kept.
#[derive(Clone, Debug, Default)]
pub struct Helper {
    timers: TimerTable<2>,
}

impl Helper {
    /// The peer has gone and may come back until then. `again`: what was stale already stays so,
    /// as long as it was to stay.
    pub fn lost(&mut self, until: Instant, again: bool) {
        if !again {
            self.timers.stop_all();
        }
        self.timers.set(Timer::Restart, until);
    }

    /// The peer is back and has until then to send its routes, or as long as it had before it was
    /// lost again.
    pub fn back(&mut self, until: Instant) {
        self.timers.stop(Timer::Restart);
        if self.timers.get(Timer::Stale).is_none() {
            self.timers.set(Timer::Stale, until);
        }
    }

    /// Nothing is stale any more.
    pub fn stop(&mut self) {
        self.timers.stop_all();
    }

    /// Must the stale routes go now?
    pub fn take_due(&mut self, now: Instant) -> bool {
        let restart = self.timers.take_due(Timer::Restart, now);
        self.timers.take_due(Timer::Stale, now) || restart
    }

    /// When to ask.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }
}
