//! Path attributes: the values, the table that knows each code, and their codec.

pub mod as_path;
pub mod mp;
pub mod next_hop;
mod optional;
pub mod table;
mod values;
mod write;

use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::Bytes;

pub use as_path::{AsPath, SegmentKind};
pub use next_hop::NextHop;
pub use optional::OptionalU32;

use crate::iana::AttributeCode;

/// ORIGIN (RFC 4271 §5.1.1); the order is that of preference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// Interior to the originating AS.
    #[default]
    Igp,
    /// Learned via EGP.
    Egp,
    /// Learned by other means.
    Incomplete,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Igp => "igp",
            Self::Egp => "egp",
            Self::Incomplete => "incomplete",
        })
    }
}

/// AGGREGATOR (RFC 4271 §5.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Aggregator {
    /// AS number of the aggregating speaker; four octets also from a 2-octet peer where
    /// AS4_AGGREGATOR told it.
    pub asn: u32,
    /// Its BGP identifier.
    pub bgp_id: Ipv4Addr,
}

/// An attribute that is passed on without being understood (RFC 4271 §5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnknownAttribute {
    /// Flags to send: as received, with Partial set, without the extended length bit.
    pub flags: u8,
    /// Type code.
    pub code: AttributeCode,
    /// Value; an own copy that keeps no receive buffer alive.
    pub value: Bytes,
}

/// The attributes of a path. One [`std::sync::Arc`] of it is shared by all prefixes of an
/// UPDATE; what few paths have is in a boxed tail, so that the common case is small.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PathAttributes {
    /// ORIGIN.
    pub origin: Origin,
    /// ATOMIC_AGGREGATE is present.
    pub atomic_aggregate: bool,
    /// AS_PATH, with AS4_PATH merged in.
    pub as_path: AsPath,
    /// From NEXT_HOP or MP_REACH_NLRI; `None` only for paths made here that have none yet.
    pub next_hop: Option<NextHop>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF; received only from internal peers.
    pub local_pref: OptionalU32,
    /// COMMUNITIES (RFC 1997) in the order of the wire.
    pub communities: Box<[u32]>,
    /// Attributes that few paths have; read it through the accessors.
    pub rare: Option<Box<RareAttributes>>,
}

// With its counters and the allocator's word that is 112 octets; one octet more would be 128.
const _: () = assert!(size_of::<PathAttributes>() <= 88);

/// The tail of [`PathAttributes`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RareAttributes {
    /// AGGREGATOR.
    pub aggregator: Option<Aggregator>,
    /// ORIGINATOR_ID (RFC 4456).
    pub originator_id: Option<Ipv4Addr>,
    /// CLUSTER_LIST (RFC 4456), nearest cluster first.
    pub cluster_list: Vec<Ipv4Addr>,
    /// EXTENDED COMMUNITIES (RFC 4360).
    pub extended_communities: Vec<[u8; 8]>,
    /// IPv6 address specific extended communities (RFC 5701).
    pub ipv6_extended_communities: Vec<[u8; 20]>,
    /// LARGE_COMMUNITIES (RFC 8092): global administrator and two local parts.
    pub large_communities: Vec<[u32; 3]>,
    /// Only to Customer: the AS that put it in (RFC 9234).
    pub only_to_customer: Option<u32>,
    /// Optional transitive attributes of the table that came with Partial set: it stays set
    /// (RFC 4271 §5).
    pub partial: Vec<AttributeCode>,
    /// Optional transitive attributes that are not in the table, in ascending order of code.
    pub unknown: Vec<UnknownAttribute>,
    /// Nothing of the wire: that these are not as received.
    pub changed: Option<Arc<Changed>>,
    /// Nothing of the wire: the BGP Identifier of the internal peer that told the path, where it
    /// may be reflected. It is the ORIGINATOR_ID then, unless there is one (RFC 4456 §8), and a part
    /// of the attributes so that what others are told is a function of these alone.
    pub told_by: Option<Ipv4Addr>,
}

/// What a path was before import rules changed it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Changed {
    /// As received.
    pub received: Arc<PathAttributes>,
    /// The name of what changed it.
    pub by: Arc<str>,
}

impl PathAttributes {
    /// No message has more octets of these, whatever is made of them for a peer without rules.
    pub(crate) fn longest(&self) -> usize {
        // All of fixed length, the headers of all, and what this speaker may put in: its AS number, a
        // cluster, an originator, communities of its own, OTC.
        const REST: usize = 320;
        let rare = self.rare.as_deref();
        let rare = rare.map_or(0, |rare| {
            4 * rare.cluster_list.len()
                + 8 * rare.extended_communities.len()
                + 20 * rare.ipv6_extended_communities.len()
                + 12 * rare.large_communities.len()
                + rare
                    .unknown
                    .iter()
                    .map(|unknown| 4 + unknown.value.len())
                    .sum::<usize>()
        });
        // AS4_PATH beside AS_PATH.
        REST + 2 * self.as_path.wire_len(true) + 4 * self.communities.len() + rare
    }

    /// What import rules made these of, if they are not as received.
    #[must_use]
    pub fn changed(&self) -> Option<&Changed> {
        self.rare.as_ref()?.changed.as_deref()
    }

    /// As received: these, or what import rules made them of.
    #[must_use]
    pub fn received(self: &Arc<Self>) -> &Arc<Self> {
        self.changed().map_or(self, |changed| &changed.received)
    }

    /// Do both say the same, whatever they were made of?
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        if self.changed().is_none() && other.changed().is_none() {
            return self == other;
        }
        let plain = |attributes: &Self| {
            let mut plain = attributes.clone();
            plain.forget_changed();
            plain
        };
        plain(self) == plain(other)
    }

    /// Forgets what these were made of.
    pub fn forget_changed(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.changed = None;
            self.drop_empty_tail();
        }
    }

    /// Equal values are equal, however they came about.
    pub(crate) fn drop_empty_tail(&mut self) {
        if self.rare.as_deref() == Some(&RareAttributes::default()) {
            self.rare = None;
        }
    }

    /// AGGREGATOR.
    #[must_use]
    pub fn aggregator(&self) -> Option<Aggregator> {
        self.rare.as_ref()?.aggregator
    }

    /// ORIGINATOR_ID.
    #[must_use]
    pub fn originator_id(&self) -> Option<Ipv4Addr> {
        self.rare.as_ref()?.originator_id
    }

    /// CLUSTER_LIST, empty where absent.
    #[must_use]
    pub fn cluster_list(&self) -> &[Ipv4Addr] {
        self.rare.as_ref().map_or(&[], |rare| &rare.cluster_list)
    }

    /// EXTENDED COMMUNITIES, empty where absent.
    #[must_use]
    pub fn extended_communities(&self) -> &[[u8; 8]] {
        self.rare
            .as_ref()
            .map_or(&[], |rare| &rare.extended_communities)
    }

    /// LARGE_COMMUNITIES, empty where absent.
    #[must_use]
    pub fn large_communities(&self) -> &[[u32; 3]] {
        self.rare
            .as_ref()
            .map_or(&[], |rare| &rare.large_communities)
    }

    /// Only to Customer.
    #[must_use]
    pub fn only_to_customer(&self) -> Option<u32> {
        self.rare.as_ref()?.only_to_customer
    }

    /// Who told the path, where it may be reflected.
    #[must_use]
    pub fn told_by(&self) -> Option<Ipv4Addr> {
        self.rare.as_ref()?.told_by
    }

    /// Attributes that are passed on without being understood.
    #[must_use]
    pub fn unknown(&self) -> &[UnknownAttribute] {
        self.rare.as_ref().map_or(&[], |rare| &rare.unknown)
    }

    /// Is it there (RFC 1997)?
    #[must_use]
    pub fn has_community(&self, community: u32) -> bool {
        self.communities.contains(&community)
    }

    /// Behind the others, if it is not there.
    pub fn add_community(&mut self, community: u32) {
        if !self.has_community(community) {
            let mut communities = std::mem::take(&mut self.communities).into_vec();
            communities.push(community);
            self.communities = communities.into();
        }
    }

    /// The tail, made where absent.
    pub fn rare_mut(&mut self) -> &mut RareAttributes {
        self.rare.get_or_insert_default()
    }
}
