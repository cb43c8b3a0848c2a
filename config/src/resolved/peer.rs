//! A neighbour after all checks.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use super::{AddressFamily, BfdProfile, Filter, MaximumPrefixes};
use crate::{Asn, Cidr, HoldTime, LinkPattern, Password};

/// One configured neighbour, or all that connect from a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerConfig {
    /// `metadata.name`.
    pub name: String,
    /// Where it is dialled, and where it must come from.
    pub remote: Remote,
    /// The AS that its OPEN must have.
    pub asn: RemoteAs,
    /// This side's AS in the session, if it is not the speaker's own.
    pub local_asn: Option<Asn>,
    /// Wait for the peer to connect, never dial. Always true for a range.
    pub passive: bool,
    /// The local address to dial from; the same family as the peer's address and never the same
    /// value. Never for a range.
    pub source_address: Option<IpAddr>,
    /// How far away it may be.
    pub ttl: Ttl,
    /// How its segments are signed.
    pub security: Security,
    /// How long what may take.
    pub timers: Timers,
    /// What is offered in OPEN.
    pub capabilities: Capabilities,
    /// What is done with its routes beside the filters, and with those for it.
    pub routes: RouteHandling,
    /// In the order in which they are tried; see [`Filter`].
    pub filters: Vec<Arc<Filter>>,
}

impl PeerConfig {
    /// This side's AS in the session; `own` is the speaker's.
    #[must_use]
    pub fn local_asn(&self, own: Asn) -> Asn {
        self.local_asn.unwrap_or(own)
    }

    /// Whether the session is iBGP; `own` is the speaker's AS.
    #[must_use]
    pub fn is_internal(&self, own: Asn) -> bool {
        match self.asn {
            RemoteAs::Exactly(asn) => asn == self.local_asn(own),
            RemoteAs::Internal => true,
            RemoteAs::External => false,
        }
    }

    /// Its address, if it is a single neighbour.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self.remote {
            Remote::Address { address, .. } => Some(address),
            Remote::Range { .. } | Remote::Link { .. } => None,
        }
    }
}

/// Whose connections belong to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remote {
    /// One neighbour.
    Address {
        /// Dialled, and accepted from.
        address: IpAddr,
        /// TCP port to dial; never 0.
        port: u16,
    },
    /// Whoever connects from there, and is in no more specific range and has no peer of its own.
    Range {
        /// From where.
        network: Cidr,
        /// How many at a time; 1 to 10000.
        maximum_peers: u16,
    },
    /// Whoever is at the other end of a link, by its link-local address.
    Link {
        /// Which; never a pattern where the address is written.
        links: LinkPattern,
        /// Link-local; `None`: that of whoever sends router advertisements.
        address: Option<Ipv6Addr>,
        /// TCP port to dial; never 0.
        port: u16,
    },
}

impl Remote {
    /// All addresses that it may have; `None`: link-local ones, which say nothing without their link.
    #[must_use]
    pub fn network(&self) -> Option<Cidr> {
        match *self {
            Self::Address { address, .. } => Some(Cidr::host(address)),
            Self::Range { network, .. } => Some(network),
            Self::Link { .. } => None,
        }
    }
}

/// `10.0.1.1`, `10.0.1.0/24`, `fe80::1%eth0` or `eth0`.
impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { address, .. } => address.fmt(f),
            Self::Range { network, .. } => network.fmt(f),
            Self::Link { links, address, .. } => match address {
                Some(address) => write!(f, "{address}%{links}"),
                None => links.fmt(f),
            },
        }
    }
}

/// Which AS a peer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteAs {
    /// This one.
    Exactly(Asn),
    /// The one that this side has in the session: iBGP.
    Internal,
    /// Any other than this side's: eBGP.
    External,
}

/// The number, `internal` or `external`.
impl fmt::Display for RemoteAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(asn) => asn.fmt(f),
            Self::Internal => f.write_str("internal"),
            Self::External => f.write_str("external"),
        }
    }
}

/// The TTL (hop limit) of a session's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// eBGP: 1, the peer is on the link. iBGP: as the kernel has it.
    Default,
    /// This one, 2 to 255; eBGP only.
    Multihop(u8),
    /// RFC 5082: sent with 255, received with at least 256 less so many hops (1 to 254).
    Security(u8),
}

/// How the segments of a session are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    None,
    /// TCP MD5 (RFC 2385).
    Md5(Password),
    /// The TCP Authentication Option (RFC 5925): 1 to 8 keys, no two with one ID in one direction.
    /// The first one signs.
    Ao(Vec<AoKey>),
}

/// One master key tuple (RFC 5925 §3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AoKey {
    /// KeyID of what is sent.
    pub send_id: u8,
    /// KeyID of what is received.
    pub receive_id: u8,
    /// How.
    pub algorithm: AoAlgorithm,
    /// The master key.
    pub secret: Password,
}

/// How segments are signed (RFC 5926).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AoAlgorithm {
    /// HMAC-SHA-1-96.
    HmacSha1,
    /// AES-128-CMAC-96.
    Aes128Cmac,
}

/// How long what may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Proposed in OPEN.
    pub hold_time: HoldTime,
    /// Between keepalives, at least 1; at most a third of the negotiated hold time counts. `None`:
    /// that third.
    pub keepalive_secs: Option<u16>,
    /// The peer must read something within this (RFC 9687); never 0.
    pub send_hold_secs: u32,
    /// Between attempts to dial (RFC 4271 §8, ConnectRetryTime); at least 1.
    pub connect_retry_secs: u16,
    /// How the way to the peer is watched, if it is.
    pub bfd: Option<BfdProfile>,
}

/// What is offered in OPEN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Whatever family the peer's address has; sorted, without duplicates, never empty.
    pub families: Vec<AddressFamily>,
    /// RFC 7911.
    pub add_path: AddPath,
    /// RFC 8654.
    pub extended_messages: bool,
    /// What this side is (RFC 9234); eBGP only.
    pub role: Option<Role>,
    /// A peer that says no role is refused; only with a role.
    pub role_strict: bool,
}

/// What is done with routes, whatever the filters say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteHandling {
    /// eBGP: the first AS of its paths must be its own (RFC 4271 §6.3).
    pub enforce_first_as: bool,
    /// So many occurrences of an own AS in a path are no loop: 0 to 10.
    pub allowed_own_as: u8,
    /// Towards it, its AS in a path is replaced by this side's; eBGP only.
    pub as_override: bool,
    /// Towards it, private ASes are; eBGP only.
    pub remove_private_as: Option<RemovePrivateAs>,
    /// Which next hop it is told.
    pub next_hop: NextHopMode,
    /// It is a client of this reflector (RFC 4456); iBGP only.
    pub reflector_client: bool,
    /// RFC 8326: its paths with GRACEFUL_SHUTDOWN get LOCAL_PREF 0.
    pub honor_graceful_shutdown: bool,
    /// How many prefixes it may announce; `None`: any number.
    pub maximum_prefixes: Option<MaximumPrefixes>,
}

/// What becomes of private AS numbers (64512 to 65534, 4200000000 to 4294967294) in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemovePrivateAs {
    /// They are taken out.
    Remove,
    /// This side's AS stands in their place.
    Replace,
}

/// Which next hop a peer is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NextHopMode {
    /// eBGP: this side's address; iBGP: the received one, this side's for own networks.
    #[default]
    Auto,
    /// Always this side's address.
    Own,
    /// Always the received one.
    Keep,
}

/// Several paths for one prefix (RFC 7911).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddPath {
    /// Taken from the peer.
    pub receive: bool,
    /// Told the peer at most; 0: not offered. At most 32.
    pub send: u8,
}

/// What this side is to the peer (RFC 9234 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Role 0.
    Provider,
    /// Role 1.
    RsServer,
    /// Role 2.
    RsClient,
    /// Role 3.
    Customer,
    /// Role 4.
    Peer,
}
