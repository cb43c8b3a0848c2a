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
//! Where both sides have long-lived graceful restart (RFC 9494), what would be flushed when the first
//! of these times expires is kept longer instead, as the last resort: with LLGR_STALE, losing to
//! every other path, told on only to peers that take such routes (to internal ones that do not with
//! NO_EXPORT and LOCAL_PREF 0, §4.6). What carries NO_LLGR goes.
//!
//! ```text
//!  stale --Restart Time--> long-lived stale --Established, F bit--> long-lived stale --End-of-RIB--> fresh
//!                              |                     without: flushed     |              (the rest is flushed)
//!                              +------ Long-lived Stale Time is over -----+--> flushed
//! ```
//!
//! That time goes on running while the peer comes and goes; only an End-of-RIB ends it. What such a
//! session has told is stale when it is lost, and joins the rest after another Restart Time.
//! [`super::keep`] has which end of a session leads to what.
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
//! A cold start waits for nobody. The end of a drain waits in the same way with the last step, see
//! [`super::drain`].

use std::time::{Duration, Instant};

use crate::fsm::{Session, TimerKind, TimerTable};
use crate::iana::Family;
use crate::rib::Kept;
use crate::validate::Negotiated;

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
    /// Since when peers are waited for.
    #[must_use]
    pub fn waits_since(self) -> Option<Instant> {
        match self {
            Self::Waiting(start) => Some(start),
            _ => None,
        }
    }
}

/// How far a peer's initial routes have come.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Families whose End-of-RIB came in this session.
    pub ended: Vec<Family>,
    /// All of them came, in this session or an earlier one since `Start` or the end of a drain.
    pub initial_done: bool,
}

impl Progress {
    /// Until when this peer is waited for by who has begun to wait at `start`; `None`: no longer.
    /// `any_complete`: some peer's initial routes are all here.
    #[must_use]
    pub fn awaited(
        &self,
        start: Instant,
        session: Option<&Session>,
        any_complete: bool,
    ) -> Option<Instant> {
        if self.initial_done {
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

#[derive(Clone, Copy)]
enum Timer {
    /// The peer must be Established again.
    Restart,
    /// The peer must have sent End-of-RIB.
    Stale,
    /// What is long-lived stale goes (RFC 9494 §4.2).
    LongLived4,
    LongLived6,
}

impl Timer {
    fn long_lived(family: Family) -> Option<Self> {
        match family {
            Family::IPV4_UNICAST => Some(Self::LongLived4),
            Family::IPV6_UNICAST => Some(Self::LongLived6),
            _ => None,
        }
    }
}

impl TimerKind for Timer {
    fn index(self) -> usize {
        self as usize
    }
}

const FAMILIES: [Family; 2] = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];

/// What is to be done with the routes of a family when a time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Those that are kept so go.
    Flush(Family, Kept),
    /// Those that are stale are long-lived stale from now on.
    LongLived(Family),
}

/// The timers of a peer whose routes are kept.
#[derive(Clone, Debug, Default)]
pub struct Helper {
    timers: TimerTable<4>,
    /// What comes after the Restart Time, and for how many seconds.
    long_lived: Vec<(Family, u32)>,
}

impl Helper {
    /// The peer has gone and may come back until then; what is stale of these families is kept
    /// longer. `again`: what was stale already stays so, as long as it was to stay. What is
    /// long-lived stale does so in any case.
    pub fn lost(&mut self, until: Instant, again: bool, long_lived: &[(Family, u32)]) {
        if !again {
            self.timers.stop(Timer::Stale);
        }
        self.timers.set(Timer::Restart, until);
        self.long_lived = long_lived.to_vec();
    }

    /// What is stale of this family is long-lived stale from now on. Returns until when: as long
    /// as what was so before, if the peer has not sent all since (RFC 9494 §4.2).
    pub fn begin_long_lived(&mut self, family: Family, now: Instant) -> Option<Instant> {
        let timer = Timer::long_lived(family)?;
        if self.timers.get(timer).is_none() {
            let (_, secs) = self.long_lived.iter().find(|(of, _)| *of == family)?;
            let secs = Duration::from_secs((*secs).into());
            self.timers.set(timer, now + secs);
        }
        self.timers.get(timer)
    }

    /// Until when the peer's routes of a family are kept as long-lived stale.
    #[must_use]
    pub fn long_lived_until(&self, family: Family) -> Option<Instant> {
        self.timers.get(Timer::long_lived(family)?)
    }

    /// Until when its other stale routes are kept.
    #[must_use]
    pub fn stale_until(&self) -> Option<Instant> {
        let restart = self.timers.get(Timer::Restart);
        restart.or(self.timers.get(Timer::Stale))
    }

    /// Families in which the peer has gone on forwarding, as it says in the new session: with the F
    /// bit of the restart that it comes back from.
    #[must_use]
    pub fn forwarding(&self, negotiated: &Negotiated) -> Vec<Family> {
        let kept = |family: &Family| {
            if self.long_lived_until(*family).is_some() {
                let mut list = negotiated.peer_long_lived.iter().flatten();
                list.any(|entry| entry.family == *family && entry.forwarding)
            } else {
                let graceful = negotiated.peer_graceful_restart.as_ref();
                graceful.is_some_and(|graceful| graceful.families.contains(&(*family, true)))
            }
        };
        FAMILIES.into_iter().filter(kept).collect()
    }

    /// The peer is back and has until then to send its routes, or as long as it had before it was
    /// lost again.
    pub fn back(&mut self, until: Instant) {
        self.timers.stop(Timer::Restart);
        if self.timers.get(Timer::Stale).is_none() {
            self.timers.set(Timer::Stale, until);
        }
    }

    /// Nothing of this family is long-lived stale any more.
    pub fn end_long_lived(&mut self, family: Family) {
        if let Some(timer) = Timer::long_lived(family) {
            self.timers.stop(timer);
        }
    }

    /// Nothing is stale any more.
    pub fn stop(&mut self) {
        self.timers.stop_all();
    }

    /// What is over now.
    pub fn take_due(&mut self, now: Instant) -> Vec<Due> {
        let mut due = Vec::new();
        for family in FAMILIES {
            let timer = Timer::long_lived(family);
            if timer.is_some_and(|timer| self.timers.take_due(timer, now)) {
                due.push(Due::Flush(family, Kept::LongLived));
            }
        }
        if self.timers.take_due(Timer::Restart, now) {
            let longer = |family| self.long_lived.iter().any(|(of, _)| *of == family);
            due.extend(FAMILIES.map(|family| match longer(family) {
                true => Due::LongLived(family),
                false => Due::Flush(family, Kept::Stale),
            }));
        }
        if self.timers.take_due(Timer::Stale, now) {
            due.extend(FAMILIES.map(|family| Due::Flush(family, Kept::Stale)));
        }
        due
    }

    /// When to ask.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }
}
