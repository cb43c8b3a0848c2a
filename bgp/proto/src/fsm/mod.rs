//! The finite state machine of RFC 4271 §8, split where the RFC's text creaks: a machine per TCP
//! connection, and one per peer above at most two of them.
//!
//! ```text
//! peer                                             connection (one TCP connection, no Idle:
//!                                                  it begins when TCP is up and ends once)
//!        Start              Stop
//!  Idle ------> Connect ----------> Idle                TCP is up: send OPEN
//!   ^            |  ^ |                                        |
//!   | back-off   |  | | dial succeeded                         v
//!   | over:      |  | +-----------------------------> +---------------+  hold 240 s, 4/0
//!   | dial       |  | ConnectRetry: dial              |   OpenSent    |  not an OPEN: 5/1
//!   |            v  |                                 +---------------+
//!   |           Active ------- accepted ------------->       | valid OPEN: send KEEPALIVE
//!   |            ^                                           | when a collision is decided
//!   |            | dial failed                               v
//!   |            |                                    +---------------+  hold negotiated, 4/0
//!   |            |                                    |  OpenConfirm  |  UPDATE, OPEN ..: 5/2
//!   |            |                                    +---------------+
//!   |            |                                           | KEEPALIVE
//!   |            | not an error                              v
//!   |            | (stopped waiting)                  +---------------+  hold negotiated, 4/0
//!   +------------+---- connection ended <-------------|  Established  |  OPEN: 5/3
//!    error: 1, 2, 4 .. 60 s                           +---------------+  KEEPALIVE, UPDATE in/out
//! ```
//!
//! Deviations from the letter, and why:
//!
//! * *An incoming connection without a valid OPEN is no error of ours:* the next own dial stays due
//!   when it was due, so that a stranger at the peer's address cannot put the session off.
//! * *Idle after an error still accepts.* The back-off protects the peer from our dials; refusing
//!   its own attempts would only delay the return of a session whose fault is repaired.
//! * *A refused dial is repeated after a second* instead of ConnectRetryTime, five times from the
//!   start or the end of a session on: the peer is most likely starting (`peer/dial.rs`).
//! * *Between two connections the KEEPALIVE waits for both OPENs*, for a second at most
//!   (`peer/collision.rs`): then both ends choose the same survivor whatever the order in which
//!   messages arrive, and none is Established while the peer may yet come upon the other one.
//! * *A newer accepted connection replaces an older one* that is not yet Established: TCP told the
//!   peer that the old one is dead, and nobody else.
//! * *Where BFD watches the way* nothing is dialled and no KEEPALIVE accepts an OPEN before it says
//!   that the way is there, or a bound has passed (`speaker/bfd.rs`).
//! * *GR* (RFC 4724 §4.2): a new connection while Established replaces the old one without a
//!   NOTIFICATION, if graceful restart was negotiated, as soon as it is Established itself: not
//!   before, since it may be the loser of a collision. Without GR it gets Cease/7.

mod cause;
mod connection;
mod counters;
mod peer;
mod timers;

use std::fmt;

pub use cause::{Cause, CauseClass, LastError, PathDown};
pub use connection::{Connection, ConnectionInput, ConnectionOutput, Initiator, SessionParams};
pub use counters::{Counters, Messages};
pub use peer::{ConnIds, Context, Held, Identity, Peer, PeerInput, PeerOutput, Session};
pub use timers::{TimerKind, TimerTable};

/// The session state as RFC 4271 §8.2.2 names it: the furthest that any of the peer's connections
/// has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Stopped, or waiting after an error before the next dial.
    Idle,
    /// A dial is under way.
    Connect,
    /// Waiting for the peer to dial, or for ConnectRetry.
    Active,
    /// TCP is up, our OPEN is sent.
    OpenSent,
    /// The peer's OPEN is fine, its KEEPALIVE is awaited.
    OpenConfirm,
    /// Routes are exchanged.
    Established,
}

impl State {
    /// As the RFC spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "Idle",
            Self::Connect => "Connect",
            Self::Active => "Active",
            Self::OpenSent => "OpenSent",
            Self::OpenConfirm => "OpenConfirm",
            Self::Established => "Established",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
