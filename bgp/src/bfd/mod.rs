//! BFD's sockets, and the way between its thread and the core. The protocol is in
//! [`rcni_bgp_proto::bfd`].
//!
//! ```text
//!            Watching (core)                      thread "rcni-bgp-bfd"
//!  Output::Watch --> wishes, last word per session --> Sessions <--> senders, receivers <--> peers
//!  Input::Bfd   <--- news, last word per session <----- |
//!                                                       +--> Report (status, metrics)
//! ```
//!
//! The thread waits for nobody: what it has to say is put where the core finds it, what it is to do is
//! taken when it looks. It has a higher priority than the others, and what has come is read before
//! anybody is declared dead: not for our own pause.

mod receive;
mod send;
mod thread;
mod watching;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use rcni_bgp_proto::bfd::{Discards, Hop, Hops, Profile, SessionId, SessionStatus};
use rcni_bgp_proto::speaker::PeerId;

pub use watching::{Changes, Watching};

/// Which port a peer's packets have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    /// 3784: an external peer on the link.
    Link,
    /// 4784: an external peer behind routers.
    Routers,
    /// An internal peer: on the link or not, as its address says; some speakers take 4784 in any case.
    Either,
}

impl Distance {
    /// `on_link`: its address is on a connected network.
    #[must_use]
    pub fn hops(self, on_link: bool) -> Hops {
        match self {
            Self::Link => Hops::Only(Hop::Single),
            Self::Routers => Hops::Only(Hop::Multi),
            Self::Either if on_link => Hops::First(Hop::Single),
            Self::Either => Hops::First(Hop::Multi),
        }
    }
}

/// A session as the core wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The peer's address.
    pub peer: IpAddr,
    /// Index of its interface; 0: whichever leads there.
    pub interface: u32,
    /// Own address; `None`: as the kernel routes.
    pub local: Option<IpAddr>,
    /// To which port.
    pub hops: Hops,
    /// Index of the interface that the peer is on, if that is known.
    pub over: Option<u32>,
    /// Times.
    pub profile: Profile,
}

/// One session, for status.
#[derive(Clone, Debug)]
pub struct Reported {
    /// Of the protocol.
    pub status: SessionStatus,
    /// Packets that the system did not send.
    pub unsent: u64,
    /// Why not, if that is still so.
    pub trouble: Option<String>,
}

/// Since the start, of all sessions, those that are gone included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Packets.
    pub sent: u64,
    /// Packets that were taken.
    pub received: u64,
    /// Times that one went down from up.
    pub downs: u64,
}

/// What the thread says of itself.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// All sessions.
    pub sessions: BTreeMap<SessionId, Reported>,
    /// Dropped packets, whoever sent them.
    pub discards: Discards,
    /// What was counted.
    pub totals: Totals,
    /// What is wrong with the sockets.
    pub troubles: Vec<String>,
    /// Sessions over the bound.
    pub surplus: u64,
}

/// Which peer has which session.
pub type ByPeer = HashMap<PeerId, SessionId>;
