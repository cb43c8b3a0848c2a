//! The Loc-RIB: the best path of each prefix and the next hops in use.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

use super::table::PrefixMap;
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
    },
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
    /// Peers may have to be told.
    pub export: bool,
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

/// The table.
#[derive(Debug, Default)]
pub struct LocRib {
    routes: PrefixMap<LocRoute>,
}

impl LocRib {
    /// The best path of a prefix.
    #[must_use]
    pub fn get(&self, prefix: &Prefix) -> Option<&LocRoute> {
        self.routes.get(prefix)
    }

    /// Prefixes in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Is there nothing?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// All routes by prefix.
    pub fn iter(&self) -> impl Iterator<Item = (Prefix, &LocRoute)> {
        self.routes.iter()
    }

    /// Prefixes of a family after a given one, in order: a walk that can be interrupted.
    pub fn after(&self, last: Option<Prefix>, family: Family) -> impl Iterator<Item = Prefix> + '_ {
        let from = last.unwrap_or(match family {
            Family::IPV6_UNICAST => DEFAULT_V6,
            _ => DEFAULT_V4,
        });
        self.routes
            .range_from(from)
            .map(|(prefix, _)| prefix)
            .filter(move |prefix| Family::of(prefix) == family && Some(*prefix) != last)
    }

    /// Replaces (or with `None` removes) the route of a prefix, and says what that changed.
    pub fn update(&mut self, prefix: Prefix, route: Option<LocRoute>) -> LocChange {
        let new_hops = route.as_ref().map(|route| route.next_hops.clone());
        let new_hops = new_hops.unwrap_or_default();
        let told = route
            .as_ref()
            .map(|route| (route.source, Arc::clone(&route.attributes)));
        let old = match route {
            Some(route) => self.routes.insert(prefix, route),
            None => self.routes.remove(&prefix),
        };
        let changed = match &old {
            Some(old) => old.next_hops != new_hops,
            None => !new_hops.is_empty(),
        };
        let was_told = old.map(|route| (route.source, route.attributes));
        LocChange {
            fib: changed.then_some(new_hops),
            export: was_told != told,
        }
    }
}
