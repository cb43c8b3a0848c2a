//! What goes into a [`Speaker`](super::Speaker) and what comes out of it.

mod config;

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

pub use self::config::{
    GracefulRestartConfig, LinkState, PeerConfig, Remote, SpeakerConfig, Timers,
};
pub use super::event::{Event, EventKind};
use super::next_hops::NextHops;
use super::own::{OwnAddresses, is_link_local};
use crate::bfd;
use crate::intake::{Heard, Terms};
use crate::policy::Policy;
use crate::wire::Prefix;

/// A peer, or a range of them: a number that it has for as long as it is configured (or, if it came
/// from a range, there), and that another gets when nothing of it is left. Of the configuration that
/// the speaker begins with it is the index in [`SpeakerConfig::peers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u32);

impl PeerId {
    /// As an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A TCP connection, or the attempt to open one. Never used twice by one speaker.
///
/// For dials the speaker chooses it ([`Output::Dial`]); for accepted connections the caller
/// takes one from [`Speaker::new_conn`](super::Speaker::new_conn).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}", self.0)
    }
}

/// How the way to a peer is to be watched by BFD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The peer's address.
    pub address: IpAddr,
    /// Index of the interface, where the address says nothing without it.
    pub interface: Option<u32>,
    /// Own address, if one is configured.
    pub local: Option<IpAddr>,
    /// Times.
    pub profile: bfd::Profile,
}

/// How to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopMode {
    /// Close without a NOTIFICATION: peers that negotiated graceful restart keep our routes.
    Restart,
    /// Cease/Administrative Shutdown with a text for the peer's operator (RFC 9003).
    Shutdown(String),
}

/// What can be asked of one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// End the session with Cease/Administrative Shutdown and this text (RFC 9003), at most 255
    /// octets of it; neither dial nor accept until `Start`.
    Shutdown(String),
    /// Undo `Shutdown`.
    Start,
    /// End the session with Cease/Administrative Reset and this text, and begin it again.
    Reset(String),
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, text) = match self {
            Self::Shutdown(text) => ("shutdown", &text[..]),
            Self::Start => ("start", ""),
            Self::Reset(text) => ("reset", &text[..]),
        };
        f.write_str(verb)?;
        match text {
            "" => Ok(()),
            text => write!(f, " {text:?}"),
        }
    }
}

/// How far this speaker is on the way out of use. It begins in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drain {
    /// In use: as soon as what peers have told is in the kernel. Until then everything is announced with
    /// GRACEFUL_SHUTDOWN.
    Off,
    /// Everything is announced with GRACEFUL_SHUTDOWN (RFC 8326 §4): peers look for other paths
    /// while these still work.
    Announce,
    /// All sessions end with Cease/Administrative Shutdown and this text (RFC 9003), none comes up,
    /// and everything learned is forgotten. Before `Start` too.
    Close(String),
}

/// Why a dial failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// ECONNREFUSED: nobody listens, or not for us.
    Refused,
    /// No route to the host or network, or the link is down.
    Unreachable,
    /// No answer.
    TimedOut,
    /// No answer, and what may be the matter.
    Silent(String),
    /// No answer, and the kernel has seen that the TCP MD5 keys do not fit (RFC 2385).
    Md5(String),
    /// Anything else, as the operating system says it.
    Other(String),
}

/// Why a connection ended without this side closing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseCause {
    /// The peer closed in order.
    Eof,
    /// The peer reset the connection.
    Reset,
    /// TCP gave up retransmitting.
    TimedOut,
    /// Anything else, as the operating system says it.
    Other(String),
}

/// All that can happen to a speaker.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// Begin to dial and to accept. Before it, connections are refused.
    Start,
    /// End all sessions. Afterwards only `Start` has an effect.
    Stop(StopMode),
    /// A dial succeeded.
    Connected {
        /// From [`Output::Dial`].
        conn: ConnId,
        /// Own end.
        local: SocketAddr,
        /// Peer's end.
        remote: SocketAddr,
    },
    /// A dial failed.
    ConnectFailed {
        /// From [`Output::Dial`].
        conn: ConnId,
        /// Why.
        cause: ConnectError,
    },
    /// The listening socket accepted a connection.
    Accepted {
        /// From [`Speaker::new_conn`](super::Speaker::new_conn).
        conn: ConnId,
        /// Own end.
        local: SocketAddr,
        /// Peer's end. An address that no peer has is answered with [`Output::Close`].
        remote: SocketAddr,
    },
    /// What this side's end of the connection offers: soon after `Connected` or `Accepted`, and
    /// again whenever it changes. Until then its own address is all that is known.
    OwnAddresses {
        /// Which connection.
        conn: ConnId,
        /// All of it.
        own: OwnAddresses,
    },
    /// Bytes from the connection, in any portions.
    Received {
        /// Which connection.
        conn: ConnId,
        /// The bytes; the speaker copies what it must keep.
        bytes: &'a [u8],
    },
    /// The same, read already ([`crate::intake`]). A caller gives either these or the bytes of a
    /// connection, never both.
    Heard {
        /// Which connection.
        conn: ConnId,
        /// In their order.
        messages: Vec<Heard>,
    },
    /// Bytes from the connection wait that were not given with `Received` or `Heard` yet. Before a tick at
    /// which it expires ([`Speaker::expiring`](super::Speaker::expiring)): the peer is not declared
    /// dead for another second.
    Unread {
        /// Which connection.
        conn: ConnId,
    },
    /// The peer has taken nothing of what there was to send for the send hold time (RFC 9687): the
    /// session ends with a NOTIFICATION, which will most likely not be taken either.
    SendHoldExpired {
        /// Which connection.
        conn: ConnId,
    },
    /// The connection is gone. Not needed after [`Output::Close`], harmless then.
    Closed {
        /// Which connection.
        conn: ConnId,
        /// Why.
        cause: CloseCause,
    },
    /// The rules of a peer are these now; of a range, those of all who came from it. Takes effect
    /// without a reset and without the peer: what it has told is judged again as it was received,
    /// and it is told what differs.
    Policies {
        /// Which peer, or range.
        peer: PeerId,
        /// Import rules.
        import: Policy,
        /// Export rules.
        export: Policy,
    },
    /// Ask a peer for all its routes again (RFC 2918). Nothing happens where it is not Established or did not offer route refresh.
    RequestRefresh {
        /// Which peer.
        peer: PeerId,
    },
    /// What BFD says of the way to a peer that is watched ([`Output::Watch`]); of others nothing is
    /// taken.
    Bfd {
        /// Which peer.
        peer: PeerId,
        /// What.
        news: bfd::News,
    },
    /// The node is taken out of use, or into use again.
    Drain(Drain),
    /// The answer to the last [`Output::Settle`].
    Settled,
    /// The configuration is this one from now on. Peers that it has in common with the one before
    /// keep their numbers, and their sessions if they can;
    /// [`difference`](super::difference) says what means what. `restarting` and `seed` do not count.
    Reconfigure {
        /// All of it.
        config: Box<SpeakerConfig>,
        /// Peers whose connections the caller would make in another way now (TTL, keys, …): their
        /// sessions begin again.
        sockets: BTreeSet<String>,
    },
    /// All links that are meant by a [`Remote::Link`], and who is on each now: one neighbour on each, but
    /// for [`Remote::Link`]s that name theirs. Who was there and is not any more ceases to be a peer, and
    /// nothing of it is kept. To be told before `Start`, and after each `Reconfigure` again.
    Links(Vec<LinkState>),
    /// Somebody wants something of one peer. A peer that is not there any more is no error.
    Order {
        /// Which peer.
        peer: PeerId,
        /// What.
        order: Order,
    },
    /// The deadline of [`Speaker::poll_timeout`](super::Speaker::poll_timeout) passed. Early or
    /// needless ticks are harmless.
    Tick,
}

/// All that a speaker can want.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a TCP connection; answer with `Connected` or `ConnectFailed`.
    Dial {
        /// Name for the connection from now on.
        conn: ConnId,
        /// For which peer.
        peer: PeerId,
        /// Whither.
        remote: SocketAddr,
        /// Source address, if configured.
        local: Option<IpAddr>,
        /// eBGP: the peer is directly connected, TTL 1 is enough.
        external: bool,
    },
    /// The peer's OPEN on this connection is fine: whoever it is, he knows what he wants. Comes before
    /// the KEEPALIVE that tells him so.
    Opened {
        /// Which connection.
        conn: ConnId,
        /// So its messages are to be read from now on ([`crate::intake::Intake::next`]).
        terms: Arc<Terms>,
    },
    /// There is something to send:
    /// [`Speaker::poll_transmit`](super::Speaker::poll_transmit) until it returns `None`.
    WantSend {
        /// Which connection.
        conn: ConnId,
    },
    /// Close it, or give up the dial. First send what `poll_transmit` still returns (it may be a
    /// NOTIFICATION), then flush, shut the writing side down, and drain for up to a second so that
    /// the kernel does not reset the last words away.
    Close {
        /// Which connection.
        conn: ConnId,
    },
    /// A change for the forwarding table.
    Fib(FibChange),
    /// This neighbour's session is over and nothing of what it announced is kept: it will be in no set of
    /// next hops any more. Comes before what that means for each prefix, which takes its time.
    Lost {
        /// Its address, with its link if that is link-local.
        neighbor: NextHop,
    },
    /// The way to this peer is to be watched so from now on, or not any more.
    Watch {
        /// Which peer.
        peer: PeerId,
        /// `None`: not any more.
        watch: Option<Watch>,
    },
    /// The Loc-RIB is complete: routes of an earlier run that no [`Output::Fib`] has confirmed may
    /// be swept. Exactly once per `Start`; see [`Speaker`](super::Speaker) for when.
    FibSynced,
    /// To be answered by [`Input::Settled`] when the kernel has what all [`Output::Fib`]s before this said,
    /// or has refused it. It replaces an earlier one.
    Settle,
    /// Something for the log.
    Event(Event),
}

/// A prefix' next hops have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FibChange {
    /// Which prefix. Never one of the own networks, but for the removal of what was learned before it
    /// became one.
    pub prefix: Prefix,
    /// Empty: remove. More than one: ECMP. Sorted, without duplicates.
    pub next_hops: NextHops,
}

/// A gateway of the forwarding table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHop {
    /// Of either family, whatever the prefix' family is (RFC 8950).
    pub address: IpAddr,
    /// Interface index, where the address says nothing without it: link-local addresses only.
    pub interface: Option<u32>,
}

impl From<IpAddr> for NextHop {
    /// An address that is looked up in the routing table.
    fn from(address: IpAddr) -> Self {
        Self {
            address,
            interface: None,
        }
    }
}

impl From<SocketAddr> for NextHop {
    /// The end of a connection.
    fn from(end: SocketAddr) -> Self {
        let address = end.ip().to_canonical();
        let interface = match end {
            SocketAddr::V6(end) if end.scope_id() > 0 && is_link_local(address) => {
                Some(end.scope_id())
            }
            _ => None,
        };
        Self { address, interface }
    }
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)?;
        match self.interface {
            Some(interface) => write!(f, "%{interface}"),
            None => Ok(()),
        }
    }
}
