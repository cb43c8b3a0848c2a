//! The Loc-RIB: the best path of each prefix and the next hops in use.
//!
//! It is no table of its own. The best path of a prefix is that path in the [Adj-RIBs-In](super::adj_in)
//! that the decision has called so, or an own network; the next hops are the prefix' mark there
//! ([`super::hops`]). So a route costs nothing here, and nobody can disagree.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Bound;
use std::sync::Arc;

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

use super::{Rib, Teller};
use crate::attr::PathAttributes;
use crate::iana::Family;
use crate::speaker::{NextHops, PeerId};
use crate::wire::Prefix;

/// Where a best path came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Originated here.
    Own,
    /// A peer.
    Peer {
        /// Which.
        id: PeerId,
        /// eBGP, else iBGP.
        external: bool,
        /// A client of ours (RFC 4456).
        client: bool,
    },
}

impl Source {
    /// A peer that is this teller.
    #[must_use]
    pub fn of(id: PeerId, teller: Teller) -> Self {
        match teller {
            Teller::Own => Self::Own,
            Teller::Peer {
                external, client, ..
            } => Self::Peer {
                id,
                external,
                client,
            },
        }
    }
}

/// The best path of a prefix.
#[derive(Clone, Debug)]
pub struct LocRoute {
    /// Where it came from.
    pub source: Source,
    /// Its attributes as received.
    pub attributes: Arc<PathAttributes>,
    /// Next hops of the best path and its equals, sorted; empty for own networks. Shared between
    /// prefixes that have the same.
    pub next_hops: NextHops,
}

/// What a change of the Loc-RIB means to others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocChange {
    /// New next hops for the FIB, if they changed; empty: remove.
    pub fib: Option<NextHops>,
    /// Peers see the difference.
    pub export: bool,
    /// They do not, but they may be others who may have it, or were told nothing lately
    /// ([`super::Tellable`]).
    pub unsure: bool,
}

/// The first of all prefixes of its family.
const DEFAULT_V4: Prefix =
    IpNetwork::V4(match Ipv4Network::new_checked(Ipv4Addr::UNSPECIFIED, 0) {
        Some(prefix) => prefix,
        None => unreachable!(),
    });
/// The same of IPv6.
const DEFAULT_V6: Prefix =
    IpNetwork::V6(match Ipv6Network::new_checked(Ipv6Addr::UNSPECIFIED, 0) {
        Some(prefix) => prefix,
        None => unreachable!(),
    });

/// What the Loc-RIB says of a prefix, to compare with later.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) best: Option<(Source, Arc<PathAttributes>)>,
    /// The number of the next hops.
    pub(super) hops: u32,
}

/// A part of a walk.
#[derive(Debug)]
pub(super) struct Walked {
    /// Those with a route, in order.
    pub(super) prefixes: Vec<Prefix>,
    /// Where to go on. `None`: this was the last part.
    pub(super) next: Option<Prefix>,
}

/// The view.
#[derive(Clone, Copy, Debug)]
pub struct LocRib<'a> {
    pub(super) rib: &'a Rib,
}

impl<'a> LocRib<'a> {
    /// The best path of a prefix.
    #[must_use]
    pub fn get(&self, prefix: &Prefix) -> Option<LocRoute> {
        let Said { best, hops } = self.rib.said(prefix);
        best.map(|(source, attributes)| LocRoute {
            source,
            attributes,
            next_hops: self.rib.hops.get(hops),
        })
    }

    /// Prefixes in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rib.routes
    }

    /// Is there nothing?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All routes, own networks first.
    pub fn iter(self) -> impl Iterator<Item = (Prefix, LocRoute)> + use<'a> {
        let rib = self.rib;
        let own = rib.networks.iter().copied();
        let best = rib
            .adj_in
            .from(DEFAULT_V4)
            .chain(rib.adj_in.from(DEFAULT_V6));
        let best = best.filter_map(|(prefix, best)| best.then_some(prefix));
        own.chain(best)
            .filter_map(move |prefix| Some((prefix, Self { rib }.get(&prefix)?)))
    }

    /// Prefixes of a family after a given one: those among the next `most` that are known at all.
    pub(super) fn walk(&self, last: Option<Prefix>, family: Family, most: usize) -> Walked {
        let from = last.unwrap_or(match family {
            Family::IPV6_UNICAST => DEFAULT_V6,
            _ => DEFAULT_V4,
        });
        let mut walked = Walked {
            prefixes: Vec::new(),
            next: None,
        };
        let known = self.rib.adj_in.from(from);
        let known = known.filter(|(prefix, _)| Some(*prefix) != last);
        let mut visited = 0;
        for (prefix, best) in known.take(most) {
            visited += 1;
            walked.prefixes.extend(best.then_some(prefix));
            walked.next = Some(prefix);
        }
        if visited < most {
            walked.next = None;
        }
        let begin = last.map_or(Bound::Included(from), Bound::Excluded);
        let end = walked.next.map_or(Bound::Unbounded, Bound::Included);
        let own = self.rib.networks.range((begin, end)).copied();
        let of_family = |prefix: &Prefix| Family::of(prefix) == family;
        walked.prefixes.extend(own);
        walked.prefixes.retain(of_family);
        walked.prefixes.sort_unstable();
        walked
    }
}

impl Rib {
    /// The Loc-RIB's word on a prefix.
    pub(super) fn said(&self, prefix: &Prefix) -> Said {
        if self.networks.contains(prefix) {
            return Said {
                best: Some((Source::Own, Arc::clone(&self.own))),
                hops: 0,
            };
        }
        let Some((best, hops)) = self.adj_in.best(prefix) else {
            return Said::default();
        };
        let best = best.map(|path| {
            let id = path.peer();
            let teller = self.tellers.get(id.index()).copied().flatten();
            let gone = Source::Peer {
                id,
                external: false,
                client: false,
            };
            let source = teller.map_or(gone, |teller| Source::of(id, teller));
            (source, Arc::clone(&path.attributes))
        });
        Said { best, hops }
    }
}
