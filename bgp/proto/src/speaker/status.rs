//! A snapshot of a [`Speaker`](super::Speaker) for people and scripts.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Instant;

use super::api::PeerId;
use super::conflict::Conflict;
use super::drain::DrainState;
use super::limits::LimitStatus;
use super::own::Interface;
use crate::attr::PathAttributes;
use crate::capability::Capability;
use crate::fsm::{Counters, LastError, State};
use crate::iana::Family;
use crate::rib::PathStatus;
use crate::validate::Negotiated;
use crate::wire::Prefix;

/// The speaker and all its peers.
#[derive(Clone, Debug)]
pub struct SpeakerStatus {
    /// Own AS number.
    pub asn: u32,
    /// BGP Identifier.
    pub router_id: Ipv4Addr,
    /// False while route selection waits for End-of-RIB after a restart.
    pub synced: bool,
    /// Whose initial routes are still waited for since `Start`, by the rule of a restart
    /// ([`restart`](super::restart)), also where nothing is held back for them; ranges and links where
    /// others may come from among them.
    pub learning: Vec<String>,
    /// On the way out of use?
    pub drain: DrainState,
    /// Prefixes in the Loc-RIB, own networks included.
    pub prefixes: usize,
    /// In the order of the configuration, those that came from ranges last, by address.
    pub peers: Vec<PeerStatus>,
    /// Networks whose addresses may become peers.
    pub ranges: Vec<RangeStatus>,
    /// Own networks that somebody else announces, too.
    pub conflicts: Vec<Conflict>,
}

/// One peer.
#[derive(Clone, Debug)]
pub struct PeerStatus {
    /// Which.
    pub id: PeerId,
    /// Configured name.
    pub name: String,
    /// Configured address, or the one that was found on the link.
    pub address: IpAddr,
    /// The link that it is on, if the address is link-local.
    pub interface: Option<Interface>,
    /// What kind of peer it is, and what was said so far.
    pub kind: PeerKind,
    /// The furthest state of its connections.
    pub state: State,
    /// When it entered the state.
    pub since: Instant,
    /// Why the last connection or attempt ended.
    pub last_error: Option<LastError>,
    /// When the next dial is due, if one is planned.
    pub next_attempt: Option<Instant>,
    /// Times the session reached Established.
    pub established_count: u64,
    /// Of the session, if it is Established.
    pub session: Option<SessionStatus>,
    /// Route counts.
    pub prefixes: PeerPrefixes,
    /// How long its stale routes are kept.
    pub kept: KeptStatus,
}

/// How long a peer's stale routes are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeptStatus {
    /// Those of an ordinary restart.
    pub until: Option<Instant>,
    /// The long-lived ones (RFC 9494); the later of the families.
    pub long_lived_until: Option<Instant>,
}

/// What kind of peer it is.
#[derive(Clone, Copy, Debug)]
pub struct PeerKind {
    /// The peer's AS number: configured, or what its last OPEN said where any other is allowed.
    pub asn: Option<u32>,
    /// The AS number that this speaker shows to it.
    pub local_asn: u32,
    /// eBGP, else iBGP.
    pub external: bool,
    /// A client that we reflect for (RFC 4456).
    pub client: bool,
    /// It came from a range.
    pub dynamic: bool,
    /// Shut down by command.
    pub held_down: bool,
    /// Messages since the start.
    pub counters: Counters,
}

/// Route counts of one peer; those of all families together are meant where none is named.
#[derive(Clone, Copy, Debug)]
pub struct PeerPrefixes {
    /// All families together.
    pub total: PrefixCounts,
    /// The same by family: IPv4, IPv6.
    pub by_family: [(Family, PrefixCounts); 2],
    /// How many there may be, if there is a limit.
    pub limits: Option<LimitStatus>,
}

impl Deref for PeerPrefixes {
    type Target = PrefixCounts;

    fn deref(&self) -> &PrefixCounts {
        &self.total
    }
}

/// A network whose addresses may become peers.
#[derive(Clone, Debug)]
pub struct RangeStatus {
    /// Configured name.
    pub name: String,
    /// Which addresses.
    pub network: Prefix,
    /// Peers that came from it and are among [`SpeakerStatus::peers`].
    pub peers: usize,
    /// How many there may be.
    pub limit: usize,
    /// How many were turned away over the limit.
    pub refused: u64,
}

/// An established session.
#[derive(Clone, Debug)]
pub struct SessionStatus {
    /// Own end.
    pub local: SocketAddr,
    /// Peer's end.
    pub remote: SocketAddr,
    /// The peer's BGP Identifier.
    pub peer_bgp_id: Ipv4Addr,
    /// Negotiated hold time in seconds; 0: none.
    pub hold_time_secs: u16,
    /// A third of it, or what is configured if that is less.
    pub keepalive_secs: u16,
    /// Families that both sides offered.
    pub families: Vec<Family>,
    /// What an operator may wonder about although the session is up, one line each.
    pub notes: Vec<String>,
    /// What this side offered.
    pub capabilities_sent: Vec<Capability>,
    /// What the peer offered.
    pub capabilities_received: Vec<Capability>,
    /// What became of both.
    pub negotiated: Arc<Negotiated>,
}

/// Route counts of one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrefixCounts {
    /// Paths in its Adj-RIB-In, rejected and stale ones included.
    pub received: usize,
    /// Of these, usable and accepted by the import rules.
    pub accepted: usize,
    /// Of these, not: rejected by a rule or unusable.
    pub rejected: usize,
    /// Of these, kept from an earlier session (RFC 4724).
    pub stale: usize,
    /// Of these, long-lived stale (RFC 9494).
    pub long_lived: usize,
    /// Of these, in use: the best path or an equal one beside it.
    pub best: usize,
    /// Prefixes that the peer has from this speaker.
    pub advertised: usize,
}

/// One path of one prefix, with what became of it and why.
#[derive(Clone, Debug)]
pub struct RouteStatus {
    /// Which prefix.
    pub prefix: Prefix,
    /// From whom; `None`: originated here.
    pub peer: Option<PeerId>,
    /// Which of the peer's paths (RFC 7911); 0 where it tells one.
    pub path_id: u32,
    /// As received.
    pub attributes: Arc<PathAttributes>,
    /// Kept from an earlier session of the peer.
    pub stale: bool,
    /// Best, equal, lost at a step, unusable or rejected by a rule.
    pub status: PathStatus,
}
