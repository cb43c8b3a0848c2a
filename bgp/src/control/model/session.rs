//! What kind of peer it is, what was agreed with it, and what was said.

use rcni_bgp_proto::fsm::{Counters, Messages};
use rcni_bgp_proto::iana::error_name;
use rcni_bgp_proto::speaker::{PeerStatus, RangeStatus, SessionStatus};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Limits, Session};

/// What kind of peer it is, and what was said so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Details {
    /// Our AS number towards it.
    #[serde(rename = "localASN")]
    pub local_asn: u32,
    /// It came from a peerRange.
    pub dynamic: bool,
    /// The link without which its address says nothing; null for all but link-local ones.
    pub interface: Option<String>,
    /// We reflect for it (RFC 4456).
    pub client: bool,
    /// By `rcni-bgp peer shutdown`.
    pub shut_down: bool,
    /// Times the session was Established since the daemon's start.
    pub established: u64,
    /// Since the daemon's start.
    pub messages: Both,
    /// How many prefixes it may announce; null: any number.
    pub maximum_prefixes: Option<Limits>,
    /// Routes of an earlier session.
    pub stale: Stale,
    /// Its ends and capabilities; null while not Established.
    pub session: Option<Session>,
}

/// Routes that are kept although the session in which they came is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Stale {
    /// All (RFC 4724).
    pub routes: usize,
    /// Of these, long-lived ones (RFC 9494): the last resort.
    pub long_lived_routes: usize,
    /// For how long the others are kept, at most.
    pub seconds_left: Option<u64>,
    /// For how long these are.
    pub long_lived_seconds_left: Option<u64>,
}

impl Stale {
    fn new(peer: &PeerStatus, now: Instant) -> Self {
        let left = |until: Option<Instant>| {
            let left = until?.saturating_duration_since(now);
            Some((left + Duration::from_millis(999)).as_secs())
        };
        Self {
            routes: peer.prefixes.stale,
            long_lived_routes: peer.prefixes.long_lived,
            seconds_left: left(peer.kept.until),
            long_lived_seconds_left: left(peer.kept.long_lived_until),
        }
    }
}

/// Messages in both directions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Both {
    /// From the peer.
    pub received: Counts,
    /// To the peer.
    pub sent: Counts,
}

/// Messages in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Counts {
    /// All.
    pub total: u64,
    /// UPDATEs among them.
    pub updates: u64,
    /// NOTIFICATIONs among them by the name of their error code, where there were any.
    pub notifications: BTreeMap<String, u64>,
}

/// What was agreed; nulls and no families while not Established.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Negotiated {
    /// Seconds; 0 is none.
    pub hold_time_seconds: Option<u16>,
    /// Seconds: a third of the hold time, or what is configured if that is less; 0 is none.
    pub keepalive_seconds: Option<u16>,
    /// `ipv4 unicast`, `ipv6 unicast`.
    #[serde(default)]
    pub families: Vec<String>,
}

/// A peerRange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Range {
    /// Configured name.
    pub name: String,
    /// Configured.
    pub network: String,
    /// Peers that it has now.
    pub peers: usize,
    /// Configured.
    pub maximum_peers: usize,
    /// Refused over the maximum since the daemon's start.
    pub refused: u64,
}

impl Details {
    pub(super) fn new(peer: &PeerStatus, now: Instant) -> Self {
        let kind = &peer.kind;
        let limits = peer.prefixes.limits.as_ref();
        let Counters { received, sent } = &kind.counters;
        Self {
            local_asn: kind.local_asn,
            dynamic: kind.dynamic,
            interface: peer.interface.as_ref().map(|own| own.name.clone()),
            client: kind.client,
            shut_down: kind.held_down,
            established: peer.established_count,
            messages: Both {
                received: received.into(),
                sent: sent.into(),
            },
            stale: Stale::new(peer, now),
            maximum_prefixes: limits.map(|limits| Limits::new(limits, now)),
            session: peer.session.as_ref().map(Session::from),
        }
    }
}

impl From<&Messages> for Counts {
    fn from(messages: &Messages) -> Self {
        let named = (0_u8..).zip(&messages.notifications);
        let named = named.filter(|(_, count)| **count > 0);
        let named = named.map(|(code, count)| (error_name(code).unwrap_or("unknown"), *count));
        Self {
            total: messages.total,
            updates: messages.updates,
            notifications: named
                .map(|(name, count)| (name.to_owned(), count))
                .collect(),
        }
    }
}

impl From<&SessionStatus> for Negotiated {
    fn from(session: &SessionStatus) -> Self {
        Self {
            hold_time_seconds: Some(session.hold_time_secs),
            keepalive_seconds: Some(session.keepalive_secs),
            families: session.families.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<RangeStatus> for Range {
    fn from(range: RangeStatus) -> Self {
        Self {
            name: range.name,
            network: range.network.to_string(),
            peers: range.peers,
            maximum_peers: range.limit,
            refused: range.refused,
        }
    }
}
