//! All routes, in parts: no question takes longer than its part.

use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

use super::Speaker;
use super::api::PeerId;
use super::status::RouteStatus;
use crate::rib::PathStatus;
use crate::wire::{Nlri, Prefix};

/// Paths in a part; those of one prefix stay together.
const PATHS: usize = 4096;

/// Which prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// All.
    All,
    /// This one.
    Exact(Prefix),
    /// What lies in it, itself included.
    Within(Prefix),
    /// What it lies in, itself included.
    Covering(Prefix),
}

impl Listing {
    /// So few prefixes that they are one part.
    fn is_short(self) -> bool {
        matches!(self, Self::Exact(_) | Self::Covering(_))
    }
}

/// A part of what was asked for.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// By prefix; of one prefix the own network first.
    pub routes: Vec<RouteStatus>,
    /// What the next part comes after. `None`: there is none.
    pub next: Option<Prefix>,
}

impl Speaker {
    /// The paths of up to `most` prefixes that come after a given one.
    #[must_use]
    pub fn list(&self, listing: Listing, after: Option<Prefix>, most: usize) -> Listed {
        let prefixes = match listing {
            Listing::Exact(prefix) => vec![prefix],
            Listing::Covering(prefix) => wider(prefix.ip(), prefix.prefix()).collect(),
            Listing::All | Listing::Within(_) => self.prefixes(listing, after, most),
        };
        let mut listed = Listed::default();
        let full = prefixes.len() >= most && !listing.is_short();
        let last = prefixes.last().copied().filter(|_| full);
        for prefix in prefixes {
            if let Listing::Within(network) = listing
                && prefix.prefix() < network.prefix()
            {
                continue;
            }
            self.paths_of(prefix, &mut listed.routes);
            if listed.routes.len() >= PATHS && !listing.is_short() {
                listed.next = Some(prefix);
                return listed;
            }
        }
        listed.next = last;
        listed
    }

    fn prefixes(&self, listing: Listing, after: Option<Prefix>, most: usize) -> Vec<Prefix> {
        let adj_in = self.rib.adj_in();
        let known = |prefix: &Prefix| Some(*prefix) != after;
        let mut prefixes: Vec<Prefix> = match listing {
            Listing::Within(network) => {
                // Ordered by address first, so that these are neighbours.
                let first = Prefix::new(network.network(), 0).unwrap_or(network);
                let begin = after.unwrap_or(first);
                let within = |prefix: &Prefix| network.contains(prefix.ip());
                let learned = adj_in.from(begin).map(|(prefix, _)| prefix);
                let own = self.rib.networks_from(Bound::Included(begin));
                let learned = learned.filter(known).take_while(within).take(most);
                learned
                    .chain(own.filter(known).take_while(within).take(most))
                    .collect()
            }
            _ => {
                let learned = adj_in.after(after, |_| false).map(|(prefix, _)| prefix);
                let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
                let own = self.rib.networks_from(begin);
                learned.take(most).chain(own.take(most)).collect()
            }
        };
        prefixes.sort_unstable();
        prefixes.dedup();
        prefixes.truncate(most);
        prefixes
    }

    fn paths_of(&self, prefix: Prefix, to: &mut Vec<RouteStatus>) {
        let adj_in = self.rib.adj_in();
        if self.rib.is_own(&prefix)
            && let Some(own) = self.rib.loc().get(&prefix)
        {
            to.push(RouteStatus {
                prefix,
                peer: None,
                path_id: 0,
                attributes: own.attributes,
                stale: false,
                status: PathStatus::Best,
            });
        }
        let learned = adj_in.paths_with_ids(&prefix);
        to.extend(learned.map(|(path, path_id)| {
            let nlri = Nlri { prefix, path_id };
            self.route(nlri, path)
        }));
    }

    /// The most specific prefix with a path that an address lies in.
    #[must_use]
    pub fn covering(&self, address: IpAddr) -> Option<Prefix> {
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let mut prefixes = wider(address, longest).rev();
        prefixes.find(|prefix| {
            self.rib.is_own(prefix) || self.rib.adj_in().paths(prefix).next().is_some()
        })
    }

    /// What a peer is called.
    #[must_use]
    pub fn name_of(&self, peer: PeerId) -> Option<&str> {
        let neighbor = self.neighbors.get(peer.index())?;
        Some(&neighbor.config.name)
    }

    pub(super) fn route(&self, nlri: Nlri, path: &crate::rib::Path) -> RouteStatus {
        RouteStatus {
            prefix: nlri.prefix,
            path_id: nlri.path_id,
            peer: Some(path.peer()),
            attributes: Arc::clone(&path.attributes),
            stale: self.rib.adj_in().is_stale(&nlri.prefix, path),
            status: path.status,
        }
    }
}

/// The prefixes up to this length that an address lies in, the widest first.
fn wider(address: IpAddr, length: u8) -> impl DoubleEndedIterator<Item = Prefix> {
    (0..=length).filter_map(move |length| {
        let of_length = Prefix::new(address, length).ok()?;
        Prefix::new(of_length.network(), length).ok()
    })
}
