//! Protocol numbers, each with the RFC that assigned it. Unknown values survive: every newtype
//! holds any value of its field.

use std::fmt;

/// An address family: AFI and SAFI (RFC 4760 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Family {
    /// Address Family Identifier.
    pub afi: u16,
    /// Subsequent Address Family Identifier.
    pub safi: u8,
}

impl Family {
    /// IPv4 unicast (RFC 4271, RFC 4760).
    pub const IPV4_UNICAST: Self = Self {
        afi: afi::IPV4,
        safi: safi::UNICAST,
    };
    /// IPv6 unicast (RFC 2545, RFC 4760).
    pub const IPV6_UNICAST: Self = Self {
        afi: afi::IPV6,
        safi: safi::UNICAST,
    };

    /// The unicast family that a prefix belongs to.
    #[must_use]
    pub fn of(prefix: &crate::Prefix) -> Self {
        if prefix.is_ipv4() {
            Self::IPV4_UNICAST
        } else {
            Self::IPV6_UNICAST
        }
    }
}

/// `ipv4 unicast, ipv6 unicast`.
pub(crate) fn list(families: &[Family]) -> String {
    let names: Vec<String> = families.iter().map(ToString::to_string).collect();
    names.join(", ")
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.afi {
            afi::IPV4 => f.write_str("ipv4")?,
            afi::IPV6 => f.write_str("ipv6")?,
            other => write!(f, "afi-{other}")?,
        }
        match self.safi {
            safi::UNICAST => f.write_str(" unicast"),
            safi::MULTICAST => f.write_str(" multicast"),
            other => write!(f, " safi-{other}"),
        }
    }
}

/// Address Family Identifiers (RFC 4760 §3).
pub mod afi {
    /// IPv4.
    pub const IPV4: u16 = 1;
    /// IPv6.
    pub const IPV6: u16 = 2;
}

/// Subsequent Address Family Identifiers (RFC 4760 §6).
pub mod safi {
    /// Unicast forwarding.
    pub const UNICAST: u8 = 1;
    /// Multicast forwarding.
    pub const MULTICAST: u8 = 2;
}

/// Message types (RFC 4271 §4.1, RFC 2918 §3).
pub mod message_type {
    /// RFC 4271 §4.2.
    pub const OPEN: u8 = 1;
    /// RFC 4271 §4.3.
    pub const UPDATE: u8 = 2;
    /// RFC 4271 §4.5.
    pub const NOTIFICATION: u8 = 3;
    /// RFC 4271 §4.4.
    pub const KEEPALIVE: u8 = 4;
    /// RFC 2918 §3.
    pub const ROUTE_REFRESH: u8 = 5;
}

/// OPEN optional parameter types (RFC 5492 §4, RFC 9072 §2).
pub mod open_parameter {
    /// Capabilities (RFC 5492).
    pub const CAPABILITIES: u8 = 2;
    /// Extended length marker (RFC 9072).
    pub const EXTENDED_LENGTH: u8 = 255;
}

/// Capability codes.
pub mod capability_code {
    /// RFC 4760 §8.
    pub const MULTIPROTOCOL: u8 = 1;
    /// RFC 2918 §2.
    pub const ROUTE_REFRESH: u8 = 2;
    /// RFC 8950 §4.
    pub const EXTENDED_NEXT_HOP: u8 = 5;
    /// RFC 8654 §3.
    pub const EXTENDED_MESSAGE: u8 = 6;
    /// RFC 9234 §4.1.
    pub const ROLE: u8 = 9;
    /// RFC 4724 §3.
    pub const GRACEFUL_RESTART: u8 = 64;
    /// RFC 6793 §3.
    pub const FOUR_OCTET_AS: u8 = 65;
    /// RFC 7911 §4.
    pub const ADD_PATH: u8 = 69;
    /// RFC 7313 §3.1.
    pub const ENHANCED_ROUTE_REFRESH: u8 = 70;
    /// RFC 9494 §3.
    pub const LONG_LIVED_GRACEFUL_RESTART: u8 = 71;
}

/// Roles of the role capability (RFC 9234 §4.1).
pub mod role {
    /// Sells transit to the other side.
    pub const PROVIDER: u8 = 0;
    /// Route server.
    pub const ROUTE_SERVER: u8 = 1;
    /// Client of a route server.
    pub const ROUTE_SERVER_CLIENT: u8 = 2;
    /// Buys transit from the other side.
    pub const CUSTOMER: u8 = 3;
    /// Lateral peer.
    pub const PEER: u8 = 4;
}

/// Subtypes of ROUTE-REFRESH (RFC 7313 §3.2).
pub mod refresh_subtype {
    /// The sender asks for a family again.
    pub const REQUEST: u8 = 0;
    /// BoRR: what was asked for begins.
    pub const BEGIN: u8 = 1;
    /// EoRR: it is complete.
    pub const END: u8 = 2;
}

/// Bits of the add-path capability (RFC 7911 §4).
pub mod add_path_mode {
    /// The sender takes several paths.
    pub const RECEIVE: u8 = 1;
    /// The sender tells several paths.
    pub const SEND: u8 = 2;
}

/// The 2-octet stand-in for an AS number above 65535 (RFC 6793 §4.2.2).
pub const AS_TRANS: u16 = 23456;

/// A path attribute type code; any value is representable.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeCode(pub u8);

impl AttributeCode {
    /// RFC 4271 §5.1.1.
    pub const ORIGIN: Self = Self(1);
    /// RFC 4271 §5.1.2.
    pub const AS_PATH: Self = Self(2);
    /// RFC 4271 §5.1.3.
    pub const NEXT_HOP: Self = Self(3);
    /// RFC 4271 §5.1.4.
    pub const MULTI_EXIT_DISC: Self = Self(4);
    /// RFC 4271 §5.1.5.
    pub const LOCAL_PREF: Self = Self(5);
    /// RFC 4271 §5.1.6.
    pub const ATOMIC_AGGREGATE: Self = Self(6);
    /// RFC 4271 §5.1.7.
    pub const AGGREGATOR: Self = Self(7);
    /// RFC 1997.
    pub const COMMUNITIES: Self = Self(8);
    /// RFC 4456 §8.
    pub const ORIGINATOR_ID: Self = Self(9);
    /// RFC 4456 §8.
    pub const CLUSTER_LIST: Self = Self(10);
    /// RFC 4760 §3.
    pub const MP_REACH_NLRI: Self = Self(14);
    /// RFC 4760 §4.
    pub const MP_UNREACH_NLRI: Self = Self(15);
    /// RFC 4360 §2.
    pub const EXTENDED_COMMUNITIES: Self = Self(16);
    /// RFC 6793 §3.
    pub const AS4_PATH: Self = Self(17);
    /// RFC 6793 §3.
    pub const AS4_AGGREGATOR: Self = Self(18);
    /// RFC 5701 §2.
    pub const IPV6_EXTENDED_COMMUNITIES: Self = Self(25);
    /// RFC 8092 §3.
    pub const LARGE_COMMUNITIES: Self = Self(32);
    /// RFC 9234 §5.
    pub const ONLY_TO_CUSTOMER: Self = Self(35);
}

impl fmt::Display for AttributeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match crate::attr::table::find(*self) {
            Some(spec) => f.write_str(spec.name),
            None => write!(f, "attribute {}", self.0),
        }
    }
}

impl fmt::Debug for AttributeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({})", self.0)
    }
}

/// Path attribute flag bits (RFC 4271 §4.3).
pub mod attribute_flag {
    /// Set: optional; clear: well-known.
    pub const OPTIONAL: u8 = 0x80;
    /// Passed on by those who do not know it.
    pub const TRANSITIVE: u8 = 0x40;
    /// Somebody on the way did not know it.
    pub const PARTIAL: u8 = 0x20;
    /// The length has two octets.
    pub const EXTENDED_LENGTH: u8 = 0x10;
}

/// AS_PATH segment types (RFC 4271 §4.3, RFC 5065 §3).
pub mod segment_type {
    /// Unordered; refused on receipt (RFC 9774).
    pub const AS_SET: u8 = 1;
    /// Ordered.
    pub const AS_SEQUENCE: u8 = 2;
    /// Confederation sequence (RFC 5065).
    pub const AS_CONFED_SEQUENCE: u8 = 3;
    /// Confederation set (RFC 5065).
    pub const AS_CONFED_SET: u8 = 4;
}

/// NOTIFICATION error codes (RFC 4271 §4.5, RFC 7313 §5, RFC 9687 §3.1).
pub mod error_code {
    /// RFC 4271 §6.1.
    pub const MESSAGE_HEADER: u8 = 1;
    /// RFC 4271 §6.2.
    pub const OPEN: u8 = 2;
    /// RFC 4271 §6.3.
    pub const UPDATE: u8 = 3;
    /// RFC 4271 §6.5.
    pub const HOLD_TIMER_EXPIRED: u8 = 4;
    /// RFC 4271 §6.6.
    pub const FSM: u8 = 5;
    /// RFC 4271 §6.7.
    pub const CEASE: u8 = 6;
    /// RFC 7313 §5.
    pub const ROUTE_REFRESH: u8 = 7;
    /// RFC 9687 §3.1.
    pub const SEND_HOLD_TIMER_EXPIRED: u8 = 8;
}

/// Message header error subcodes (RFC 4271 §6.1).
pub mod header_subcode {
    /// Connection Not Synchronized.
    pub const NOT_SYNCHRONIZED: u8 = 1;
    /// Bad Message Length.
    pub const BAD_LENGTH: u8 = 2;
    /// Bad Message Type.
    pub const BAD_TYPE: u8 = 3;
}

/// OPEN error subcodes (RFC 4271 §6.2, RFC 5492 §5, RFC 9234 §4.2).
pub mod open_subcode {
    /// Unspecific.
    pub const UNSPECIFIC: u8 = 0;
    /// Unsupported Version Number.
    pub const UNSUPPORTED_VERSION: u8 = 1;
    /// Bad Peer AS.
    pub const BAD_PEER_AS: u8 = 2;
    /// Bad BGP Identifier.
    pub const BAD_BGP_ID: u8 = 3;
    /// Unsupported Optional Parameter.
    pub const UNSUPPORTED_PARAMETER: u8 = 4;
    /// Unacceptable Hold Time.
    pub const UNACCEPTABLE_HOLD_TIME: u8 = 6;
    /// Unsupported Capability (RFC 5492 §5).
    pub const UNSUPPORTED_CAPABILITY: u8 = 7;
    /// Role Mismatch (RFC 9234 §4.2).
    pub const ROLE_MISMATCH: u8 = 11;
}

/// UPDATE error subcodes (RFC 4271 §6.3).
pub mod update_subcode {
    /// Malformed Attribute List.
    pub const MALFORMED_ATTRIBUTE_LIST: u8 = 1;
    /// Unrecognized Well-known Attribute.
    pub const UNRECOGNIZED_WELL_KNOWN: u8 = 2;
    /// Missing Well-known Attribute.
    pub const MISSING_WELL_KNOWN: u8 = 3;
    /// Attribute Flags Error.
    pub const ATTRIBUTE_FLAGS: u8 = 4;
    /// Attribute Length Error.
    pub const ATTRIBUTE_LENGTH: u8 = 5;
    /// Invalid ORIGIN Attribute.
    pub const INVALID_ORIGIN: u8 = 6;
    /// Invalid NEXT_HOP Attribute.
    pub const INVALID_NEXT_HOP: u8 = 8;
    /// Optional Attribute Error.
    pub const OPTIONAL_ATTRIBUTE: u8 = 9;
    /// Invalid Network Field.
    pub const INVALID_NETWORK_FIELD: u8 = 10;
    /// Malformed AS_PATH.
    pub const MALFORMED_AS_PATH: u8 = 11;
}

/// FSM error subcodes (RFC 6608 §3).
pub mod fsm_subcode {
    /// Unspecified.
    pub const UNSPECIFIED: u8 = 0;
    /// Receive Unexpected Message in OpenSent State.
    pub const OPEN_SENT: u8 = 1;
    /// Receive Unexpected Message in OpenConfirm State.
    pub const OPEN_CONFIRM: u8 = 2;
    /// Receive Unexpected Message in Established State.
    pub const ESTABLISHED: u8 = 3;
}

/// Well-known communities (RFC 1997 and as noted).
pub mod community {
    /// RFC 8326 §3: what is announced with it is about to go.
    pub const GRACEFUL_SHUTDOWN: u32 = 0xffff_0000;
    /// RFC 9494 §4.1: kept over a long-lived restart, for want of anything better.
    pub const LLGR_STALE: u32 = 0xffff_0006;
    /// RFC 9494 §4.1: not to be kept over one.
    pub const NO_LLGR: u32 = 0xffff_0007;
    /// Not to other ASes.
    pub const NO_EXPORT: u32 = 0xffff_ff01;
    /// To nobody.
    pub const NO_ADVERTISE: u32 = 0xffff_ff02;
    /// Not to other members of a confederation.
    pub const NO_EXPORT_SUBCONFED: u32 = 0xffff_ff03;
    /// RFC 3765: not to lateral peers.
    pub const NO_PEER: u32 = 0xffff_ff04;
}

/// Cease subcodes (RFC 4486 §4, RFC 8538 §3, RFC 9384 §3).
pub mod cease_subcode {
    /// Maximum Number of Prefixes Reached.
    pub const MAXIMUM_PREFIXES: u8 = 1;
    /// Administrative Shutdown.
    pub const ADMINISTRATIVE_SHUTDOWN: u8 = 2;
    /// Peer De-configured.
    pub const PEER_DECONFIGURED: u8 = 3;
    /// Administrative Reset.
    pub const ADMINISTRATIVE_RESET: u8 = 4;
    /// Connection Rejected.
    pub const CONNECTION_REJECTED: u8 = 5;
    /// Other Configuration Change.
    pub const OTHER_CONFIGURATION_CHANGE: u8 = 6;
    /// Connection Collision Resolution.
    pub const COLLISION_RESOLUTION: u8 = 7;
    /// Out of Resources.
    pub const OUT_OF_RESOURCES: u8 = 8;
    /// Hard Reset (RFC 8538).
    pub const HARD_RESET: u8 = 9;
    /// BFD Down (RFC 9384).
    pub const BFD_DOWN: u8 = 10;
}

/// ROUTE-REFRESH error subcodes (RFC 7313 §5).
pub mod route_refresh_subcode {
    /// Invalid Message Length.
    pub const INVALID_LENGTH: u8 = 1;
}

/// The registry's name of an error code.
#[must_use]
pub fn error_name(code: u8) -> Option<&'static str> {
    Some(match code {
        error_code::MESSAGE_HEADER => "Message Header Error",
        error_code::OPEN => "OPEN Message Error",
        error_code::UPDATE => "UPDATE Message Error",
        error_code::HOLD_TIMER_EXPIRED => "Hold Timer Expired",
        error_code::FSM => "Finite State Machine Error",
        error_code::CEASE => "Cease",
        error_code::ROUTE_REFRESH => "ROUTE-REFRESH Message Error",
        error_code::SEND_HOLD_TIMER_EXPIRED => "Send Hold Timer Expired",
        _ => return None,
    })
}

const HEADER_NAMES: &[&str] = &[
    "",
    "Connection Not Synchronized",
    "Bad Message Length",
    "Bad Message Type",
];
const OPEN_NAMES: &[&str] = &[
    "",
    "Unsupported Version Number",
    "Bad Peer AS",
    "Bad BGP Identifier",
    "Unsupported Optional Parameter",
    "",
    "Unacceptable Hold Time",
    "Unsupported Capability",
    "",
    "",
    "",
    "Role Mismatch",
];
const UPDATE_NAMES: &[&str] = &[
    "",
    "Malformed Attribute List",
    "Unrecognized Well-known Attribute",
    "Missing Well-known Attribute",
    "Attribute Flags Error",
    "Attribute Length Error",
    "Invalid ORIGIN Attribute",
    "",
    "Invalid NEXT_HOP Attribute",
    "Optional Attribute Error",
    "Invalid Network Field",
    "Malformed AS_PATH",
];
const FSM_NAMES: &[&str] = &[
    "",
    "Receive Unexpected Message in OpenSent State",
    "Receive Unexpected Message in OpenConfirm State",
    "Receive Unexpected Message in Established State",
];
const CEASE_NAMES: &[&str] = &[
    "",
    "Maximum Number of Prefixes Reached",
    "Administrative Shutdown",
    "Peer De-configured",
    "Administrative Reset",
    "Connection Rejected",
    "Other Configuration Change",
    "Connection Collision Resolution",
    "Out of Resources",
    "Hard Reset",
    "BFD Down",
];
const ROUTE_REFRESH_NAMES: &[&str] = &["", "Invalid Message Length"];

/// The registry's name of a subcode; `None` for 0 (unspecific) and for unassigned values.
#[must_use]
pub fn subcode_name(code: u8, subcode: u8) -> Option<&'static str> {
    let names = match code {
        error_code::MESSAGE_HEADER => HEADER_NAMES,
        error_code::OPEN => OPEN_NAMES,
        error_code::UPDATE => UPDATE_NAMES,
        error_code::FSM => FSM_NAMES,
        error_code::CEASE => CEASE_NAMES,
        error_code::ROUTE_REFRESH => ROUTE_REFRESH_NAMES,
        _ => &[],
    };
    names
        .get(usize::from(subcode))
        .copied()
        .filter(|name| !name.is_empty())
}
