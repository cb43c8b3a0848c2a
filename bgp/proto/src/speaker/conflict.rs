//! Two nodes with the same pod CIDR: a peer announces what is originated here.
//!
//! What is no pod CIDR may well be announced by several: default routes and aggregates by
//! routers, single addresses by all who serve them. So of an own network that is shorter than a
//! node's pod CIDR can be, only the same prefix elsewhere is a conflict and not its parts; default
//! routes and host routes never are.

use super::api::PeerId;
use super::{Neighbor, Speaker};
use crate::attr::PathAttributes;
use crate::rib::{Path, has_parts};
use crate::wire::{Nlri, Prefix};

/// How many of them are listed.
pub const CONFLICTS_SHOWN: usize = 100;

/// A path for an own network, or for a part of one, that did not begin here. Judged before
/// policy: a path that the rules reject tells of the mistake all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// What is announced.
    pub prefix: Prefix,
    /// The own network that it lies in.
    pub network: Prefix,
    /// By whom.
    pub peer: PeerId,
    /// The path; empty if an internal peer originates it itself.
    pub as_path: String,
    /// The AS where it was originated, if the path says so.
    pub origin_asn: Option<u32>,
}

impl Speaker {
    /// At most [`CONFLICTS_SHOWN`].
    pub(super) fn conflicts(&self) -> Vec<Conflict> {
        let networks = &self.config.networks;
        let found = networks.iter().flat_map(|network| {
            // All there is lies in a default route.
            let (adj_in, parts) = (self.rib.adj_in(), has_parts(network));
            let within = parts.then(|| adj_in.within(*network));
            let same = (!parts).then(|| adj_in.paths(network).map(|path| (*network, path)));
            let within = within.into_iter().flatten();
            let within = within.chain(same.into_iter().flatten());
            let within = within.filter(|(prefix, _)| collides(*network, *prefix));
            within.filter_map(|(prefix, path)| self.conflict(*network, prefix, path))
        });
        found.take(CONFLICTS_SHOWN).collect()
    }

    fn conflict(&self, network: Prefix, prefix: Prefix, path: &Path) -> Option<Conflict> {
        let neighbor = self.neighbors.get(path.peer().index())?;
        let received = path.attributes.received();
        self.is_foreign(neighbor, received).then(|| Conflict {
            prefix,
            network,
            peer: path.peer(),
            as_path: received.as_path.to_string(),
            origin_asn: received.as_path.origin_asn(),
        })
    }

    /// Those of the prefixes that conflict with own networks and were not announced like this
    /// before: the first and how many more.
    pub(super) fn new_conflicts(
        &self,
        neighbor: &Neighbor,
        prefixes: &[Nlri],
        attributes: &PathAttributes,
    ) -> Option<(Prefix, usize)> {
        let networks = &self.config.networks;
        let ours = |prefix: &&Prefix| networks.iter().any(|network| collides(*network, **prefix));
        let new = |prefix: &&Prefix| {
            let mut known = self.rib.adj_in().paths(prefix);
            !known.any(|path| {
                path.peer() == neighbor.id && **path.attributes.received() == *attributes
            })
        };
        let prefixes = prefixes.iter().map(|nlri| &nlri.prefix);
        let mut conflicting = prefixes.filter(ours).filter(new);
        let first = conflicting.next()?;
        self.is_foreign(neighbor, attributes)
            .then(|| (*first, conflicting.count()))
    }

    /// Not our own announcement that comes back: with our AS in the path, reflected, or with our
    /// AS replaced by the peer's (as-override), which makes a path of that AS alone.
    fn is_foreign(&self, neighbor: &Neighbor, attributes: &PathAttributes) -> bool {
        let path = &attributes.as_path;
        let overridden = path.path_len() > 1 && path.asns().all(|asn| Some(asn) == neighbor.asn);
        !path.contains(self.config.asn)
            && !path.contains(neighbor.local_asn)
            && !overridden
            && attributes.originator_id() != Some(self.config.router_id)
    }
}

/// Whether an announcement of `prefix` by another is at odds with the own `network`.
fn collides(network: Prefix, prefix: Prefix) -> bool {
    let host = if network.is_ipv4() { 32 } else { 128 };
    let length = network.prefix();
    let inside = length < prefix.prefix() && network.contains(prefix.ip());
    length > 0 && length < host && (network == prefix || has_parts(&network) && inside)
}
