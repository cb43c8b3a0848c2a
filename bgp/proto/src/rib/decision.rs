//! The decision process (RFC 4271 §9.1) as one pure, total function.
//!
//! Before it, paths drop out that are not eligible at all: rejected by the import rules, own AS in
//! the AS_PATH (§9.1.2), own address as next hop. Then, in this order, until one is left:
//!
//! 1. an own network beats what is learned; what is not long-lived stale beats what is (RFC 9494
//!    §4.2),
//! 2. highest LOCAL_PREF, 100 where it is missing (§9.1.1),
//! 3. shortest AS_PATH (§9.1.2.2 a),
//! 4. lowest ORIGIN (b),
//! 5. lowest MED among the paths from one neighbouring AS, 0 where it is missing (c),
//! 6. learned over eBGP before iBGP (d),
//!
//!    *what is left here is equal: the multipath set, of which the first [`Multipath::most`] next hops
//!    are used in the order of what follows; what another reflector says of the same next hop counts
//!    once. All are external or all internal. The AS_PATHs have one length; they may differ
//!    ([`Multipath::relax`]), or else only those paths are used beside the best one that have the
//!    same.*
//!
//! 7. lowest BGP Identifier, ORIGINATOR_ID in its place if there is one (f, RFC 4456 §9),
//! 8. shortest CLUSTER_LIST (RFC 4456 §9),
//! 9. lowest peer address (g); then the lower peer number,
//! 10. lowest path identifier of one peer's paths (RFC 7911), so that the order is total.
//!
//! Deliberately absent: the IGP metric (e; there is no IGP here, next hops are neighbours or
//! reached through kernel routes) and the age of routes (RFC 5004): the result depends on the set
//! of paths and on nothing else, not on the order in which they came.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::export::is_long_lived_stale;
use crate::attr::{NextHop, PathAttributes};
use crate::policy::DecidedBy;
use crate::speaker::is_link_local;

/// LOCAL_PREF of a path that carries none.
pub const DEFAULT_LOCAL_PREF: u32 = 100;

/// Who told a path, as far as the decision cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Teller {
    /// Originated here.
    Own,
    /// A peer.
    Peer {
        /// eBGP, else iBGP.
        external: bool,
        /// A client of ours (RFC 4456); the decision does not care.
        client: bool,
        /// Its BGP Identifier.
        bgp_id: Ipv4Addr,
        /// Its address.
        address: IpAddr,
        /// Its number, the last resort.
        number: u32,
    },
}

/// One eligible path.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// What the path says.
    pub attributes: &'a PathAttributes,
    /// Who says so.
    pub teller: Teller,
    /// Which of its paths.
    pub path_id: u32,
}

/// The step at which a path lost, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// 1: there is an own network.
    OwnNetwork,
    /// 1: long-lived stale.
    LongLivedStale,
    /// 2: lower LOCAL_PREF.
    LocalPref,
    /// 3: longer AS_PATH.
    AsPathLength,
    /// 4: worse ORIGIN.
    Origin,
    /// 5: higher MED.
    Med,
    /// 6: internal.
    External,
    /// 7: higher BGP Identifier.
    BgpId,
    /// 8: longer CLUSTER_LIST.
    ClusterList,
    /// 9: higher address.
    PeerAddress,
    /// 10: higher path identifier.
    PathId,
    /// Equal, but the AS_PATH is another one and must be the same.
    OtherAsPath,
    /// Equal, but as many others as may be are in use.
    MaximumPaths,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OwnNetwork => "an own network is preferred",
            Self::LongLivedStale => "long-lived stale",
            Self::LocalPref => "lower LOCAL_PREF",
            Self::AsPathLength => "longer AS_PATH",
            Self::Origin => "worse ORIGIN",
            Self::Med => "higher MED",
            Self::External => "internal, an external path exists",
            Self::BgpId => "higher BGP Identifier",
            Self::ClusterList => "longer CLUSTER_LIST",
            Self::PeerAddress => "higher peer address",
            Self::PathId => "higher path identifier of the same peer",
            Self::OtherAsPath => "equal, but with another AS_PATH (multipathRelax is false)",
            Self::MaximumPaths => "equal, but enough paths are in use",
        })
    }
}

/// Why a path does not take part in the decision at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unusable {
    /// The own AS is in the AS_PATH: a loop (RFC 4271 §9.1.2).
    OwnAs,
    /// Our own announcement that comes back, of a network that is ours or was a moment ago.
    Echo,
    /// The next hop is unspecified, multicast, loopback or missing (RFC 4271 §6.3).
    NextHop,
    /// The next hop is an own address (RFC 4271 §5.1.3).
    OwnNextHop,
    /// The next hop is link-local and no link is shared with the peer.
    LinkLocalNextHop,
    /// ORIGINATOR_ID is our own BGP Identifier: a loop (RFC 4456 §8).
    OriginatorId,
    /// The own cluster is in the CLUSTER_LIST: a loop (RFC 4456 §8).
    ClusterList,
    /// OTC says that it cannot come from this peer (RFC 9234 §5).
    RouteLeak,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OwnAs => "own AS in the AS_PATH",
            Self::Echo => "our own announcement comes back",
            Self::NextHop => "next hop is not usable",
            Self::OwnNextHop => "next hop is an own address",
            Self::LinkLocalNextHop => "next hop is link-local and the peer is not on the link",
            Self::OriginatorId => "ORIGINATOR_ID is this speaker",
            Self::ClusterList => "the own cluster is in the CLUSTER_LIST",
            Self::RouteLeak => "route leak: by its OTC this peer must not announce it",
        })
    }
}

/// What became of a path, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PathStatus {
    /// Accepted, not decided yet: selection is deferred after a restart.
    Pending,
    /// The best path.
    Best,
    /// Equal to the best path and used beside it.
    Multipath,
    /// Lost at this step.
    Lost(Step),
    /// Never took part.
    Unusable(Unusable),
    /// Refused by the import rules.
    Rejected(DecidedBy),
}

impl PathStatus {
    /// Accepted by the import rules and usable.
    #[must_use]
    pub fn is_eligible(self) -> bool {
        !matches!(self, Self::Unusable(_) | Self::Rejected(_))
    }

    /// In use for forwarding.
    #[must_use]
    pub fn is_used(self) -> bool {
        matches!(self, Self::Best | Self::Multipath)
    }
}

impl fmt::Display for PathStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => f.write_str("waits for the end of the restart"),
            Self::Best => f.write_str("best"),
            Self::Multipath => f.write_str("multipath"),
            Self::Lost(step) => write!(f, "not best: {step}"),
            Self::Unusable(why) => write!(f, "not usable: {why}"),
            Self::Rejected(by) => write!(f, "rejected: {by}"),
        }
    }
}

/// The outcome: one status per candidate, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Index of the best path; `None` only without candidates.
    pub best: Option<usize>,
    /// `Best`, `Multipath` or `Lost` for each candidate.
    pub statuses: Vec<PathStatus>,
}

/// Which equal paths share a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multipath {
    /// So many next hops at most; 0 and 1 both mean one path.
    pub most: usize,
    /// Their AS_PATHs may differ.
    pub relax: bool,
}

impl Multipath {
    /// The best path alone.
    pub const ONE: Self = Self {
        most: 1,
        relax: true,
    };
}

/// Chooses among eligible paths.
#[must_use]
pub fn decide(candidates: &[Candidate<'_>], multipath: Multipath) -> Decision {
    if candidates.len() <= 1 {
        let statuses = candidates.iter().map(|_| PathStatus::Best).collect();
        return Decision {
            best: (!candidates.is_empty()).then_some(0),
            statuses,
        };
    }
    let mut field = Field::new(candidates);
    field.keep_least(Step::OwnNetwork, |c| u32::from(c.teller != Teller::Own));
    field.keep_least(Step::LongLivedStale, |c| {
        u32::from(is_long_lived_stale(c.attributes))
    });
    field.keep_least(Step::LocalPref, |c| {
        u32::MAX - c.attributes.local_pref.get().unwrap_or(DEFAULT_LOCAL_PREF)
    });
    field.keep_least(Step::AsPathLength, |c| {
        u32::try_from(c.attributes.as_path.path_len()).unwrap_or(u32::MAX)
    });
    field.keep_least(Step::Origin, |c| c.attributes.origin as u32);
    field.keep_least_med();
    field.keep_least(Step::External, |c| {
        u32::from(matches!(
            c.teller,
            Teller::Peer {
                external: false,
                ..
            }
        ))
    });
    field.finish(multipath)
}

/// The paths that are still in, and the status of those that are not.
struct Field<'a, 'b> {
    candidates: &'b [Candidate<'a>],
    alive: Vec<usize>,
    statuses: Vec<PathStatus>,
}

impl<'a, 'b> Field<'a, 'b> {
    fn new(candidates: &'b [Candidate<'a>]) -> Self {
        Self {
            candidates,
            alive: (0..candidates.len()).collect(),
            statuses: vec![PathStatus::Best; candidates.len()],
        }
    }

    fn drop_if(&mut self, step: Step, mut loses: impl FnMut(&Candidate<'a>) -> bool) {
        let Self {
            candidates,
            alive,
            statuses,
        } = self;
        alive.retain(|&index| {
            let lost = candidates.get(index).is_none_or(&mut loses);
            if let Some(status) = statuses.get_mut(index).filter(|_| lost) {
                *status = PathStatus::Lost(step);
            }
            !lost
        });
    }

    fn living(&self) -> impl Iterator<Item = &Candidate<'a>> {
        self.alive
            .iter()
            .filter_map(|&index| self.candidates.get(index))
    }

    fn keep_least(&mut self, step: Step, key: impl Fn(&Candidate<'a>) -> u32) {
        if self.alive.len() > 1
            && let Some(least) = self.living().map(&key).min()
        {
            self.drop_if(step, |candidate| key(candidate) != least);
        }
    }

    /// MED compares only within one neighbouring AS; the set of survivors is the same whatever
    /// the order of comparison.
    fn keep_least_med(&mut self) {
        if self.alive.len() <= 1 {
            return;
        }
        let mut least: BTreeMap<Option<u32>, u32> = BTreeMap::new();
        for candidate in self.living() {
            let med = candidate.attributes.med.unwrap_or(0);
            least
                .entry(candidate.attributes.as_path.first())
                .and_modify(|lowest| *lowest = med.min(*lowest))
                .or_insert(med);
        }
        self.drop_if(Step::Med, |candidate| {
            let med = candidate.attributes.med.unwrap_or(0);
            least
                .get(&candidate.attributes.as_path.first())
                .is_some_and(|lowest| med > *lowest)
        });
    }

    /// Steps 7 to 10 choose the best; the others of the field share with it or lost to it.
    fn finish(mut self, multipath: Multipath) -> Decision {
        let candidates = self.candidates;
        self.alive
            .sort_by(|&a, &b| match (candidates.get(a), candidates.get(b)) {
                (Some(a), Some(b)) => break_tie(a, b).0,
                _ => Ordering::Equal,
            });
        let best = self.alive.first().copied();
        let winner = best.and_then(|best| candidates.get(best));
        let mut used = 1;
        let mut known: Vec<_> = winner.and_then(gateway).into_iter().collect();
        for &index in self.alive.iter().skip(1) {
            let Some((winner, loser)) = winner.zip(candidates.get(index)) else {
                continue;
            };
            let status = if multipath.most <= 1 {
                PathStatus::Lost(break_tie(winner, loser).1)
            } else if !multipath.relax && loser.attributes.as_path != winner.attributes.as_path {
                PathStatus::Lost(Step::OtherAsPath)
            } else if gateway(loser).is_some_and(|gateway| known.contains(&gateway)) {
                PathStatus::Multipath
            } else if used < multipath.most {
                used += 1;
                known.extend(gateway(loser));
                PathStatus::Multipath
            } else {
                PathStatus::Lost(Step::MaximumPaths)
            };
            if let Some(slot) = self.statuses.get_mut(index) {
                *slot = status;
            }
        }
        Decision {
            best,
            statuses: self.statuses,
        }
    }
}

/// The next hop, where it is the same one whoever says it: a link-local one is not.
fn gateway(candidate: &Candidate<'_>) -> Option<IpAddr> {
    match candidate.attributes.next_hop? {
        NextHop::V6LinkLocal { .. } => None,
        next_hop => Some(next_hop.address()).filter(|address| !is_link_local(*address)),
    }
}

/// Steps 7 to 10: the order, and the step that made it.
fn break_tie(a: &Candidate<'_>, b: &Candidate<'_>) -> (Ordering, Step) {
    let id = |c: &Candidate<'_>| match c.teller {
        Teller::Own => Ipv4Addr::UNSPECIFIED,
        Teller::Peer { bgp_id, .. } => c.attributes.originator_id().unwrap_or(bgp_id),
    };
    let clusters = |c: &Candidate<'_>| c.attributes.cluster_list().len();
    let address = |c: &Candidate<'_>| match c.teller {
        Teller::Own => None,
        Teller::Peer {
            address, number, ..
        } => Some((address, number)),
    };
    let by_id = id(a).cmp(&id(b));
    if by_id.is_ne() {
        return (by_id, Step::BgpId);
    }
    let by_clusters = clusters(a).cmp(&clusters(b));
    if by_clusters.is_ne() {
        return (by_clusters, Step::ClusterList);
    }
    let by_address = address(a).cmp(&address(b));
    if by_address.is_ne() {
        return (by_address, Step::PeerAddress);
    }
    (a.path_id.cmp(&b.path_id), Step::PathId)
}
