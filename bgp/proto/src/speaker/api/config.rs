//! What a speaker is told of itself and of its peers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::super::limits::MaximumPrefixes;
use super::super::own::Interface;
use crate::bfd;
use crate::iana::Family;
use crate::policy::Policy;
use crate::rib::{Knobs, Multipath};
use crate::validate::{Offer, RemoteAs};
use crate::wire::Prefix;

/// What the speaker is and whom it talks to. Values are valid by the caller's configuration
/// check; the speaker corrects nothing.
#[derive(Clone, Debug)]
pub struct SpeakerConfig {
    /// Own AS number, never 0 (RFC 7607).
    pub asn: u32,
    /// BGP Identifier, never 0.0.0.0 (RFC 6286).
    pub router_id: Ipv4Addr,
    /// Of the cluster whose reflector this is (RFC 4456 §8): the BGP Identifier, or what several
    /// reflectors of one cluster agree on.
    pub cluster_id: Ipv4Addr,
    /// Prefixes originated here, e.g. the node's pod CIDRs.
    pub networks: Vec<Prefix>,
    /// How many equal paths may share a prefix in the FIB; 0 and 1 both mean one.
    pub maximum_paths: usize,
    /// Equal paths may share a prefix although their AS_PATHs differ; false: only if these are the
    /// same.
    pub multipath_relax: bool,
    /// Graceful restart, both roles (RFC 4724).
    pub graceful_restart: GracefulRestartConfig,
    /// True if the caller found and kept routes of an earlier run: OPENs carry the R bit, and
    /// route selection waits for the peers' End-of-RIB (RFC 4724 §4.1).
    pub restarting: bool,
    /// The peers, in the order in which status shows them.
    pub peers: Vec<PeerConfig>,
    /// Seed of all jitter: the same seed and inputs give the same outputs.
    pub seed: u64,
}

impl SpeakerConfig {
    /// Which equal paths share a prefix.
    #[must_use]
    pub fn multipath(&self) -> Multipath {
        Multipath {
            most: self.maximum_paths,
            relax: self.multipath_relax,
        }
    }

    /// Is this a route reflector: has it any clients?
    #[must_use]
    pub fn reflects(&self) -> bool {
        self.peers.iter().any(|peer| peer.knobs.client)
    }
}

/// Graceful restart times. `restart_secs` 0 switches graceful restart off in both roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GracefulRestartConfig {
    /// Advertised Restart Time: how long peers may wait for this speaker to come back, in
    /// seconds; the field on the wire has 12 bits.
    pub restart_secs: u16,
    /// How long this speaker keeps a peer's stale routes at most, in seconds: as a bound on the
    /// peer's Restart Time, and from its return to its End-of-RIB.
    pub stale_secs: u16,
    /// Advertised Long-lived Stale Time (RFC 9494): how long peers may keep this speaker's routes
    /// beyond the Restart Time, in seconds, and how long this speaker keeps a peer's at most; the
    /// field on the wire has 24 bits. 0: nothing is kept.
    pub long_lived_secs: u32,
}

impl Default for GracefulRestartConfig {
    fn default() -> Self {
        Self {
            restart_secs: 120,
            stale_secs: 300,
            long_lived_secs: 0,
        }
    }
}

/// One configured peer, or the pattern of peers that come from a network.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// Name for status and log.
    pub name: String,
    /// Where it is, or whence peers come that this is the pattern of.
    pub remote: Remote,
    /// The peer's AS number; equal to the own one means iBGP.
    pub asn: RemoteAs,
    /// Own AS number towards this peer, if it is not that of the speaker.
    pub local_asn: Option<u32>,
    /// Never dial, only accept.
    pub passive: bool,
    /// Source address of dials; also the only local address that accepts from this peer.
    pub local_address: Option<IpAddr>,
    /// Times of the session.
    pub timers: Timers,
    /// Families offered in the OPEN.
    pub families: Vec<Family>,
    /// What else is offered there.
    pub offer: Offer,
    /// An external peer's paths must begin with its AS (RFC 4271 §6.3); not so at a route server.
    pub enforce_first_as: bool,
    /// What is set about its paths beside the rules.
    pub knobs: Knobs,
    /// How many prefixes it may announce; `None`: any number.
    pub limits: Option<MaximumPrefixes>,
    /// Import rules.
    pub import: Policy,
    /// Export rules.
    pub export: Policy,
}

/// Where a peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remote {
    /// One address, which is dialled, and the only one that is accepted.
    Address {
        /// Of the peer.
        address: IpAddr,
        /// TCP port that is dialled.
        port: u16,
    },
    /// Every address of a network that connects and sends an acceptable OPEN becomes a peer of its
    /// own, with a [`PeerId`] of its own, until its session and its routes are gone. Nobody there is
    /// dialled. An address of its own (another peer's [`Remote::Address`]) and a longer network win.
    Range {
        /// Which addresses.
        network: Prefix,
        /// How many peers at a time; further ones are refused (Cease, Connection Rejected).
        limit: u16,
    },
    /// Whoever is at the other end of links, one on each. [`Input::Links`] says who: each becomes a peer
    /// of its own, with a [`PeerId`] of its own, called as this one if `links` is a name, and
    /// `NAME/LINK` if it is a pattern.
    Link {
        /// Which: a name, or a pattern with `*`.
        links: String,
        /// The neighbour's address, if that is configured.
        address: Option<Ipv6Addr>,
        /// TCP port that is dialled.
        port: u16,
    },
    /// A neighbour on a link; made of [`Remote::Link`].
    Neighbor {
        /// Link-local.
        address: Ipv6Addr,
        /// On which link. The same address on another one is another peer.
        interface: Interface,
        /// TCP port that is dialled.
        port: u16,
    },
}

/// A link of a [`Remote::Link`], and who is on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// The configured name.
    pub peer: String,
    /// Which link.
    pub interface: Interface,
    /// Who is there; `None`: not known yet, but somebody may be.
    pub neighbor: Option<Ipv6Addr>,
}

/// Times of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Proposed hold time in seconds: 0 (none) or at least 3.
    pub hold_time_secs: u16,
    /// Keepalive interval if it is to be shorter than a third of the negotiated hold time.
    pub keepalive_secs: Option<u16>,
    /// ConnectRetryTime before jitter (RFC 4271 §10).
    pub connect_retry: Duration,
    /// How the way to the peer is to be watched, if it is ([`Output::Watch`]).
    pub bfd: Option<bfd::Profile>,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            hold_time_secs: 90,
            keepalive_secs: None,
            connect_retry: Duration::from_secs(5),
            bfd: None,
        }
    }
}
