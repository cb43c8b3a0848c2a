//! Bidirectional Forwarding Detection (RFC 5880), asynchronous mode, without IO: octets with what is
//! known about their way, and `now`, come in; packets, news and a deadline come out.
//!
//! ```text
//!  octets --> Packet::decode --> Sessions::receive --> Session::receive --> News (Up, Down, …)
//!                |                    |                    |
//!                +------ Discard -----+------ Discard -----+--> counted by name
//!
//!  Sessions::poll_transmit <-- Session::poll_transmit <-- its timers
//! ```
//!
//! The state machine of RFC 5880 §6.2; what is written at an arrow is the state in the peer's packet:
//!
//! ```text
//!            Down                      Init, Up
//!   Down ------------> Init --------------------------> Up
//!    ^  |                | silence                       | Down, AdminDown, silence
//!    |  +-- Init ----------------------------------------|-> Up
//!    +------------------+--------------------------------+
//! ```
//!
//! Not here, and not offered: echo (Required Min Echo RX is 0), demand mode of our own (the peer's is
//! honoured), authentication (packets with the A bit are dropped, as RFC 5880 §6.8.6 wants where none
//! is configured), multipoint. The C bit is 0: the daemon that speaks BFD is the one that speaks BGP.

mod discard;
mod packet;
mod session;
mod sessions;

pub use discard::{Discard, Discards};
pub use packet::{Diagnostic, LEN, Packet, State};
pub use session::{Counts, Down, Intervals, Profile, Session, Why};
pub use sessions::{
    Event, Hop, Hops, Key, MAX_SESSIONS, Meta, News, SessionId, SessionStatus, Sessions, Transmit,
    Wanted,
};

/// Destination port of single-hop sessions (RFC 5881 §4).
pub const SINGLE_HOP_PORT: u16 = 3784;
/// Destination port of multihop sessions (RFC 5883 §5).
pub const MULTIHOP_PORT: u16 = 4784;

#[cfg(test)]
mod tests;
