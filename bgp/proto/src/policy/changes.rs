//! What an accepting rule changes in a route.

use std::net::IpAddr;

use super::community::{Community, CommunityPattern};
use crate::attr::{AsPath, PathAttributes};

/// See the fields. The default changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Changes {
    /// LOCAL_PREF; external peers are not told (RFC 4271 §5.1.5).
    pub local_pref: Option<u32>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// NEXT_HOP.
    pub next_hop: Option<NextHopChange>,
    /// Makes AS_PATH longer.
    pub prepend: Option<Prepend>,
    /// Communities of all kinds.
    pub communities: CommunityChanges,
}

/// Another next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NextHopChange {
    /// This one.
    Address(IpAddr),
    /// This side's address in the session; means nothing on import.
    Own,
    /// As it is, whatever the session would do; means nothing on import.
    Unchanged,
}

/// What is put before an AS path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prepend {
    /// How often.
    pub count: u8,
    /// Which AS number; `None`: this side's in the session.
    pub asn: Option<u32>,
}

/// Communities that a route loses, and then gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CommunityChanges {
    /// Taken away first.
    pub remove: Box<[CommunityPattern]>,
    /// Added then, unless they are there.
    pub add: Box<[Community]>,
}

impl Changes {
    /// Nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The path longer, if so: before anything else is done to it. `local_asn` is ours in the
    /// session.
    #[must_use]
    pub fn lengthened(&self, path: &AsPath, local_asn: u32) -> Option<AsPath> {
        let Prepend { count, asn } = self.prepend?;
        Some(path.prepend(asn.unwrap_or(local_asn), count.into()))
    }

    /// All that means the same in both directions: LOCAL_PREF, MED, communities.
    pub fn apply(&self, to: &mut PathAttributes) {
        to.local_pref = self.local_pref.or(to.local_pref.get()).into();
        to.med = self.med.or(to.med);
        self.communities.apply(to);
    }

    /// The path as it is used, from a peer to which `local_asn` is ours.
    #[must_use]
    pub fn import(&self, received: &PathAttributes, local_asn: u32) -> PathAttributes {
        let mut out = received.clone();
        self.apply(&mut out);
        if let Some(path) = self.lengthened(&received.as_path, local_asn) {
            out.as_path = path;
        }
        if let Some(NextHopChange::Address(address)) = self.next_hop {
            out.next_hop = Some(address.into());
        }
        out
    }
}

impl CommunityChanges {
    fn apply(&self, to: &mut PathAttributes) {
        if !self.remove.is_empty() {
            self.remove_from(to);
        }
        let mut standard = Vec::new();
        for community in &self.add {
            match *community {
                Community::Standard(value) => {
                    if !to.communities.contains(&value) && !standard.contains(&value) {
                        standard.push(value);
                    }
                }
                Community::Extended(value) => {
                    insert(&mut to.rare_mut().extended_communities, value);
                }
                Community::Large(value) => insert(&mut to.rare_mut().large_communities, value),
            }
        }
        if !standard.is_empty() {
            let before = to.communities.iter().copied();
            to.communities = before.chain(standard).collect();
        }
    }

    fn remove_from(&self, from: &mut PathAttributes) {
        let goes = |community| self.remove.iter().any(|pattern| pattern.matches(community));
        if from
            .communities
            .iter()
            .any(|c| goes(Community::Standard(*c)))
        {
            let left = from.communities.iter().copied();
            from.communities = left.filter(|c| !goes(Community::Standard(*c))).collect();
        }
        let Some(rare) = &mut from.rare else { return };
        rare.extended_communities
            .retain(|c| !goes(Community::Extended(*c)));
        rare.large_communities
            .retain(|c| !goes(Community::Large(*c)));
        if self.remove.contains(&CommunityPattern::All) {
            rare.ipv6_extended_communities.clear();
        }
        from.drop_empty_tail();
    }
}

fn insert<T: PartialEq>(list: &mut Vec<T>, value: T) {
    if !list.contains(&value) {
        list.push(value);
    }
}
