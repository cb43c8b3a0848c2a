//! What a peer is told of a Loc-RIB route: whether at all, and with which attributes.
//!
//! Per prefix, in this order: never back to where it came from; iBGP does not pass on iBGP
//! (RFC 4271 §9.2.1; there is no reflection yet); NO_ADVERTISE, NO_EXPORT (RFC 1997); not to an
//! AS that is already in the path, which would only drop it; the export rules.

use std::fmt;

use super::decision::DEFAULT_LOCAL_PREF;
use super::loc::{LocRoute, Source};
use crate::attr::{NextHop, PathAttributes};
use crate::iana::Family;
use crate::policy::{DecidedBy, Policy};
use crate::speaker::{OwnAddresses, PeerId, is_link_local};
use crate::wire::Prefix;

const NO_EXPORT: u32 = 0xffff_ff01;
const NO_ADVERTISE: u32 = 0xffff_ff02;
const NO_EXPORT_SUBCONFED: u32 = 0xffff_ff03;

/// The peer, as far as exporting to it cares.
#[derive(Clone, Debug)]
pub struct Target {
    /// Which.
    pub peer: PeerId,
    /// Its AS number.
    pub asn: u32,
    /// Own AS number.
    pub local_asn: u32,
    /// Own addresses at the session: the next hops of what is ours.
    pub own: OwnAddresses,
    /// The export rules.
    pub policy: Policy,
}

impl Target {
    fn external(&self) -> bool {
        self.asn != self.local_asn
    }
}

/// Why a peer is not told a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// It came from this peer.
    SplitHorizon,
    /// From one internal peer to another.
    InternalToInternal,
    /// A community says so.
    Community,
    /// The peer's AS is in the path.
    PeerAs,
    /// The export rules.
    Policy(DecidedBy),
    /// The session's interface has no address of the family that could be the next hop.
    NoNextHop,
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SplitHorizon => f.write_str("it came from this peer"),
            Self::InternalToInternal => f.write_str("learned from another internal peer"),
            Self::Community => f.write_str("a community forbids it"),
            Self::PeerAs => f.write_str("the peer's AS is in the path"),
            Self::Policy(by) => write!(f, "export: {by}"),
            Self::NoNextHop => f.write_str("no own address of its family on this session"),
        }
    }
}

/// May the peer be told?
///
/// # Errors
/// Why not.
pub fn permit(prefix: &Prefix, route: &LocRoute, to: &Target) -> Result<(), Withheld> {
    let external = to.external();
    match route.source {
        Source::Peer { id, .. } if id == to.peer => return Err(Withheld::SplitHorizon),
        Source::Peer {
            external: false, ..
        } if !external => {
            return Err(Withheld::InternalToInternal);
        }
        _ => {}
    }
    let forbids = |community: &u32| match *community {
        NO_ADVERTISE => true,
        NO_EXPORT | NO_EXPORT_SUBCONFED => external,
        _ => false,
    };
    if route.attributes.communities.iter().any(forbids) {
        return Err(Withheld::Community);
    }
    if external && route.attributes.as_path.contains(to.asn) {
        return Err(Withheld::PeerAs);
    }
    let own = route.source == Source::Own;
    if (external || own) && to.own.next_hop(Family::of(prefix)).is_none() {
        return Err(Withheld::NoNextHop);
    }
    let verdict = to.policy.export(prefix, own);
    if verdict.accepted() {
        Ok(())
    } else {
        Err(Withheld::Policy(verdict.by))
    }
}

/// The attributes for the peer: a function of the route's attributes, of whether the route is our
/// own, of its family and of the peer, so that prefixes with the same attributes can share a message.
#[must_use]
pub fn transform(
    attributes: &PathAttributes,
    own: bool,
    family: Family,
    to: &Target,
) -> PathAttributes {
    let mut out = attributes.clone();
    if to.external() {
        out.as_path = out.as_path.prepend(to.local_asn, 1);
        out.next_hop = to.own.next_hop(family);
        // RFC 4271 §5.1.4 and §5.1.5: neither MED nor LOCAL_PREF of others crosses the border.
        out.med = None;
        out.local_pref = None;
        // Non-transitive, for the inside of an AS (RFC 4456 §8).
        if let Some(rare) = &mut out.rare {
            rare.originator_id = None;
            rare.cluster_list.clear();
        }
    } else {
        out.local_pref = Some(out.local_pref.unwrap_or(DEFAULT_LOCAL_PREF));
        out.next_hop = match out.next_hop {
            Some(next_hop) if !own => beyond_the_link(next_hop),
            _ => None,
        }
        .or_else(|| to.own.next_hop(family));
    }
    out
}

/// The next hop as it is told to internal peers (RFC 4271 §5.1.3: unchanged), who need not be on
/// the link where it was learned: without its link-local address. `None` if it has no other.
fn beyond_the_link(next_hop: NextHop) -> Option<NextHop> {
    let address = next_hop.address();
    (!is_link_local(address)).then(|| NextHop::from(address))
}
