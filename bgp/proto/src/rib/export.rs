//! What a peer is told of a Loc-RIB route: whether at all, and with which attributes.
//!
//! Per prefix, in this order: never back to where it came from; iBGP does not pass on iBGP
//! (RFC 4271 §9.2.1; there is no reflection yet); NO_ADVERTISE, NO_EXPORT (RFC 1997), NOPEER where
//! the own role is that of a lateral peer (RFC 3765); long-lived stale routes only to who takes them
//! (RFC 9494 §4.3); no route leak (RFC 9234 §5); not to an AS that
//! is already in the path, which would only drop it; the export rules.

use std::fmt;
use std::sync::Arc;

use super::decision::DEFAULT_LOCAL_PREF;
use super::leak;
use super::loc::{LocRoute, Source};
use crate::attr::{NextHop, PathAttributes};
use crate::iana::{Family, community};
use crate::policy::{Changes, DecidedBy, Informant, Memo, NextHopChange, Policy, Subject};
use crate::speaker::{OwnAddresses, PeerId, is_link_local};
use crate::validate::Role;
use crate::wire::Prefix;

/// In the first octet of an extended community: not beyond the AS (RFC 4360 §2).
const NON_TRANSITIVE: u8 = 0x40;

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
    /// The peer is on the interface's link: link-local addresses mean something to it.
    pub on_link: bool,
    /// It takes IPv6 next hops of IPv4 prefixes (RFC 8950).
    pub extended_next_hop: bool,
    /// The own role towards it (RFC 9234).
    pub role: Option<Role>,
    /// The export rules.
    pub policy: Policy,
    /// What of restarts and shutdowns it is told.
    pub graceful: Graceful,
}

/// What of restarts and shutdowns a peer is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Graceful {
    /// This speaker is about to go: everything carries GRACEFUL_SHUTDOWN (RFC 8326 §4), and to
    /// internal peers the lowest LOCAL_PREF.
    pub draining: bool,
    /// The peer takes long-lived stale routes (RFC 9494 §4.3).
    pub long_lived: bool,
}

impl Target {
    fn external(&self) -> bool {
        self.asn != self.local_asn
    }

    fn external_role(&self) -> Option<Role> {
        self.role.filter(|_| self.external())
    }

    /// The next hop of what is ours: on a shared link the global address with the link-local one
    /// (RFC 2545 §3); of IPv4 prefixes an IPv6 one where there is no other and the peer takes it.
    #[must_use]
    pub fn own_next_hop(&self, family: Family) -> Option<NextHop> {
        let v6 = || {
            let global = self.own.v6?;
            let link_local = self.own.link_local().filter(|_| self.on_link);
            Some(match link_local {
                Some(link_local) => NextHop::V6LinkLocal { global, link_local },
                None => NextHop::V6(global),
            })
        };
        match family {
            Family::IPV4_UNICAST => {
                let v4 = self.own.v4.map(NextHop::V4);
                v4.or_else(|| v6().filter(|_| self.extended_next_hop))
            }
            Family::IPV6_UNICAST => v6(),
            _ => None,
        }
    }

    /// Can it be told?
    fn takes(&self, next_hop: &NextHop, family: Family) -> bool {
        match next_hop {
            NextHop::V4(_) => family == Family::IPV4_UNICAST,
            _ => family != Family::IPV4_UNICAST || self.extended_next_hop,
        }
    }

    /// The next hop of a path: of what internal peers are told of others' the one that was learned,
    /// if it can be told, else our own.
    fn next_hop(&self, attributes: &PathAttributes, own: bool, family: Family) -> Option<NextHop> {
        let learned = attributes.next_hop.filter(|_| !own && !self.external());
        let kept = learned.and_then(beyond_the_link);
        let kept = kept.filter(|next_hop| self.takes(next_hop, family));
        kept.or_else(|| self.own_next_hop(family))
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
    /// It is long-lived stale, and the peer does not take that (RFC 9494 §4.3).
    LongLivedStale,
    /// It would be a route leak: its OTC says only to customers (RFC 9234 §5).
    RouteLeak,
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
            Self::LongLivedStale => {
                f.write_str("long-lived stale, and the peer has no long-lived graceful restart")
            }
            Self::RouteLeak => f.write_str("it would be a route leak: OTC says only to customers"),
            Self::PeerAs => f.write_str("the peer's AS is in the path"),
            Self::Policy(by) => write!(f, "export: {by}"),
            Self::NoNextHop => f.write_str("no own address of its family on this session"),
        }
    }
}

/// May the peer be told? Then: what the export rules change. `from`: who told the route, `None` if it
/// is our own; `memo`: of these rules, this path and this informant.
///
/// # Errors
/// Why not.
pub fn permit<'a>(
    prefix: &Prefix,
    route: &LocRoute,
    to: &'a Target,
    from: Option<&Informant>,
    memo: &mut Memo,
) -> Result<Option<&'a Arc<Changes>>, Withheld> {
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
        community::NO_ADVERTISE => true,
        community::NO_EXPORT | community::NO_EXPORT_SUBCONFED => external,
        community::NO_PEER => to.external_role() == Some(Role::Peer),
        _ => false,
    };
    if route.attributes.communities.iter().any(forbids) {
        return Err(Withheld::Community);
    }
    if external && !to.graceful.long_lived && is_long_lived_stale(&route.attributes) {
        return Err(Withheld::LongLivedStale);
    }
    let leaks = |role| leak::would_leak(role, &route.attributes);
    if to.external_role().is_some_and(leaks) {
        return Err(Withheld::RouteLeak);
    }
    if external && route.attributes.as_path.contains(to.asn) {
        return Err(Withheld::PeerAs);
    }
    let own = route.source == Source::Own;
    let subject = Subject {
        prefix,
        attributes: &route.attributes,
        from,
    };
    let verdict = to.policy.export(&subject, memo, own);
    if !verdict.accepted() {
        return Err(Withheld::Policy(verdict.by));
    }
    let set = verdict.set.map(|set| &**set);
    let next_hop = next_hop(&route.attributes, own, Family::of(prefix), to, set);
    next_hop.map(|_| verdict.set).ok_or(Withheld::NoNextHop)
}

/// As a rule has it, else as it is usual towards the peer.
fn next_hop(
    attributes: &PathAttributes,
    own: bool,
    family: Family,
    to: &Target,
    set: Option<&Changes>,
) -> Option<NextHop> {
    match set.and_then(|set| set.next_hop) {
        Some(NextHopChange::Address(address)) => {
            let next_hop = NextHop::from(address);
            to.takes(&next_hop, family).then_some(next_hop)
        }
        Some(NextHopChange::Unchanged) if !own => {
            let learned = attributes.next_hop.and_then(beyond_the_link);
            learned.filter(|next_hop| to.takes(next_hop, family))
        }
        Some(NextHopChange::Own) => to.own_next_hop(family),
        _ => to.next_hop(attributes, own, family),
    }
}

/// The attributes for the peer: a function of the route's attributes, of whether the route is our
/// own, of its family, of the peer and of what a rule changes, so that prefixes with the same
/// attributes can share a message.
///
/// What a rule puts before the AS_PATH comes before our own number does, so that ours is the first all
/// the same; all else that it changes comes last, so that it is what the peer hears (RFC 4271 §5.1.5:
/// LOCAL_PREF only inside of the AS).
#[must_use]
pub fn transform(
    attributes: &PathAttributes,
    own: bool,
    family: Family,
    to: &Target,
    set: Option<&Changes>,
) -> PathAttributes {
    let mut out = attributes.clone();
    out.forget_changed();
    out.next_hop = next_hop(attributes, own, family, to, set);
    let longer = set.and_then(|set| set.lengthened(&out.as_path, to.local_asn));
    out.as_path = longer.unwrap_or(out.as_path);
    if to.external() {
        out.as_path = out.as_path.prepend(to.local_asn, 1);
        // RFC 4271 §5.1.4 and §5.1.5: neither MED nor LOCAL_PREF of others crosses the border.
        out.med = None;
        out.local_pref = None;
        if let Some(rare) = &mut out.rare {
            // Non-transitive, for the inside of an AS (RFC 4456 §8).
            rare.originator_id = None;
            rare.cluster_list.clear();
            // RFC 4360 §6, RFC 5701 §2.
            let crosses = |kind: &u8| kind & NON_TRANSITIVE == 0;
            rare.extended_communities.retain(|[kind, ..]| crosses(kind));
            rare.ipv6_extended_communities
                .retain(|[kind, ..]| crosses(kind));
        }
        if let Some(role) = to.external_role() {
            leak::mark_out(role, to.local_asn, &mut out);
        }
    } else {
        out.local_pref = Some(out.local_pref.unwrap_or(DEFAULT_LOCAL_PREF));
    }
    if let Some(set) = set {
        set.apply(&mut out);
        out.local_pref = out.local_pref.filter(|_| !to.external());
    }
    be_graceful(&mut out, to);
    out
}

/// The last word, whatever rules said.
fn be_graceful(out: &mut PathAttributes, to: &Target) {
    if to.graceful.draining {
        out.add_community(community::GRACEFUL_SHUTDOWN);
        out.local_pref = out.local_pref.map(|_| 0);
    }
    // RFC 9494 §4.6: an internal peer that does not know what the community means takes it for
    // the last resort, too, and keeps it within the AS.
    if is_long_lived_stale(out) && !to.graceful.long_lived {
        out.add_community(community::NO_EXPORT);
        out.local_pref = out.local_pref.map(|_| 0);
    }
}

/// Kept, here or further away, although its teller has been gone for long (RFC 9494 §4.2).
pub(super) fn is_long_lived_stale(attributes: &PathAttributes) -> bool {
    attributes.has_community(community::LLGR_STALE)
}

/// The next hop as it is told to internal peers (RFC 4271 §5.1.3: unchanged), who need not be on
/// the link where it was learned: without its link-local address. `None` if it has no other.
fn beyond_the_link(next_hop: NextHop) -> Option<NextHop> {
    let address = next_hop.address();
    (!is_link_local(address)).then(|| NextHop::from(address))
}
