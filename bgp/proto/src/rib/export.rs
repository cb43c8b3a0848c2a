//! What a peer is told of a Loc-RIB route: whether at all, and with which attributes.
//!
//! Per prefix, in this order: never back to where it came from; from one internal peer to another
//! only as a reflector (RFC 4271 §9.2.1, RFC 4456 §6); NO_ADVERTISE, NO_EXPORT (RFC 1997), NOPEER where
//! the own role is that of a lateral peer (RFC 3765); long-lived stale routes only to who takes them
//! (RFC 9494 §4.3); no route leak (RFC 9234 §5); not to an AS that
//! is already in the path, which would only drop it, unless its number is overridden; not without a
//! next hop; the export rules. Without rules:
//!
//! | learned from \ told to | client | other internal peer | external peer |
//! | --- | --- | --- | --- |
//! | here (own network) | yes | yes | yes |
//! | client | yes | yes | if a rule says so |
//! | other internal peer | yes | never | if a rule says so |
//! | external peer | yes | if a rule says so | if a rule says so |
//!
//! The next hop of what was learned, by [`NextHopMode`](super::NextHopMode); what is ours has always our own:
//!
//! | | internal peer | external peer |
//! | --- | --- | --- |
//! | Auto | the learned one; our own where that cannot be told | the learned one if it is a third party's, on a network that both of us share; else our own |
//! | Own | our own, also of what is reflected | our own |
//! | Keep | the learned one, else nothing is told | the learned one wherever the peer is, else nothing is told |
//!
//! What cannot be told is a link-local address alone, and an IPv6 one of an IPv4 prefix to a peer that
//! does not take it (RFC 8950). A peer is never told its own address (RFC 4271 §5.1.3).
//!
//! The AS_PATH for external peers, in this order: private numbers are taken out or replaced by ours,
//! but for the peer's own; with AS override the peer's number is replaced by ours; what a rule says is
//! put in front, then ours.
//! AS4_PATH for 2-octet peers is made of what came out of that.

mod target;

use std::fmt;

use super::decision::DEFAULT_LOCAL_PREF;
use super::knobs::RemovePrivate;
use super::leak;
use super::loc::{LocRoute, Source};
use crate::attr::as_path::is_private;
use crate::attr::{AsPath, OptionalU32, PathAttributes};
use crate::iana::{Family, community};
use crate::policy::{Changes, DecidedBy, Informant, Memo, Subject, Verdict};
use crate::validate::Role;
use crate::wire::Prefix;
pub use target::{Graceful, Target, Who};

/// In the first octet of an extended community: not beyond the AS (RFC 4360 §2).
const NON_TRANSITIVE: u8 = 0x40;

/// Why a peer is not told a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// It came from this peer.
    SplitHorizon,
    /// From one internal peer to another, and neither is a client.
    InternalToInternal,
    /// Reflected, it would come back to where it entered the AS (RFC 4456 §8).
    Originator,
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
    /// The learned next hop is to be kept, and cannot be told to this peer.
    NextHopKept,
    /// The next hop is the peer itself.
    PeerNextHop,
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SplitHorizon => f.write_str("it came from this peer"),
            Self::InternalToInternal => f.write_str("learned from another internal peer"),
            Self::Originator => f.write_str("the peer is its originator"),
            Self::Community => f.write_str("a community forbids it"),
            Self::LongLivedStale => {
                f.write_str("long-lived stale, and the peer has no long-lived graceful restart")
            }
            Self::RouteLeak => f.write_str("it would be a route leak: OTC says only to customers"),
            Self::PeerAs => f.write_str("the peer's AS is in the path"),
            Self::Policy(by) => write!(f, "export: {by}"),
            Self::NoNextHop => f.write_str("no own address of its family on this session"),
            Self::NextHopKept => {
                f.write_str("its next hop is to be kept and means nothing to this peer")
            }
            Self::PeerNextHop => f.write_str("its next hop is the peer itself"),
        }
    }
}

/// May the peer be told? Then: by what, and what the export rules change. `from`: who told the route,
/// `None` if it is our own; `memo`: of these rules, this path and this informant.
///
/// # Errors
/// Why not.
pub fn permit<'a>(
    prefix: &Prefix,
    route: &LocRoute,
    to: &'a Target,
    from: Option<&Informant>,
    memo: &mut Memo,
) -> Result<Verdict<'a>, Withheld> {
    let external = to.external();
    if matches!(route.source, Source::Peer { id, .. } if id == to.peer) {
        return Err(Withheld::SplitHorizon);
    }
    if !external
        && let Source::Peer {
            external: false,
            client,
            ..
        } = route.source
    {
        if !client && !to.knobs.client {
            return Err(Withheld::InternalToInternal);
        }
        let originator = route.attributes.originator_id();
        if originator.or(route.attributes.told_by()) == Some(to.who.bgp_id) {
            return Err(Withheld::Originator);
        }
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
    if external && !to.knobs.as_override && route.attributes.as_path.contains(to.asn) {
        return Err(Withheld::PeerAs);
    }
    let own = route.source == Source::Own;
    let by_default = own || reflects(route.source, to);
    let subject = Subject {
        prefix,
        attributes: &route.attributes,
        from,
    };
    let verdict = to.policy.export(&subject, memo, by_default);
    if !verdict.accepted() {
        return Err(Withheld::Policy(verdict.by));
    }
    let set = verdict.set.and_then(|set| set.next_hop);
    to.next_hop(&route.attributes, own, Family::of(prefix), set)?;
    Ok(verdict)
}

/// Is it a reflector's duty to tell? Then it is done where no rule says otherwise.
fn reflects(source: Source, to: &Target) -> bool {
    let from_client = matches!(source, Source::Peer { client: true, .. });
    !to.external() && (from_client || to.knobs.client)
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
    let hop = set.and_then(|set| set.next_hop);
    out.next_hop = to.next_hop(attributes, own, family, hop).ok();
    let told_by = out.rare.as_mut().and_then(|rare| rare.told_by.take());
    if to.external() {
        out.as_path = rewritten(&out.as_path, to);
    }
    let longer = set.and_then(|set| set.lengthened(&out.as_path, to.local_asn));
    out.as_path = longer.unwrap_or(out.as_path);
    if to.external() {
        out.as_path = out.as_path.prepend(to.local_asn, 1);
        // RFC 4271 §5.1.4 and §5.1.5: neither MED nor LOCAL_PREF of others crosses the border.
        out.med = None;
        out.local_pref = OptionalU32::NONE;
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
        let local_pref = out.local_pref.get();
        out.local_pref = local_pref.unwrap_or(DEFAULT_LOCAL_PREF).into();
        // RFC 4456 §8: who told it first, and which clusters it has been through.
        if let Some(told_by) = told_by {
            let rare = out.rare_mut();
            rare.originator_id.get_or_insert(told_by);
            rare.cluster_list.insert(0, to.cluster_id);
        }
    }
    if let Some(set) = set {
        set.apply(&mut out);
        if to.external() {
            out.local_pref = OptionalU32::NONE;
        }
    }
    be_graceful(&mut out, to);
    out
}

/// The last word, whatever rules said.
fn be_graceful(out: &mut PathAttributes, to: &Target) {
    if to.graceful.draining {
        out.add_community(community::GRACEFUL_SHUTDOWN);
        out.local_pref = out.local_pref.get().map(|_| 0).into();
    }
    // RFC 9494 §4.6: an internal peer that does not know what the community means takes it for
    // the last resort, too, and keeps it within the AS.
    if is_long_lived_stale(out) && !to.graceful.long_lived {
        out.add_community(community::NO_EXPORT);
        out.local_pref = out.local_pref.get().map(|_| 0).into();
    }
}

/// Kept, here or further away, although its teller has been gone for long (RFC 9494 §4.2).
pub(super) fn is_long_lived_stale(attributes: &PathAttributes) -> bool {
    attributes.has_community(community::LLGR_STALE)
}

/// See the [module](self).
fn rewritten(path: &AsPath, to: &Target) -> AsPath {
    let others_private = |asn| is_private(asn) && asn != to.asn;
    let mut path = match to.knobs.remove_private {
        Some(RemovePrivate::Remove) => path.without(others_private),
        Some(RemovePrivate::Replace) => path.replace(others_private, to.local_asn),
        None => path.clone(),
    };
    if to.knobs.as_override {
        path = path.replace(|asn| asn == to.asn, to.local_asn);
    }
    path
}
