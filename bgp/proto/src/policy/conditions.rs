//! Conditions on what a route is, beside its prefix.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use regex_lite::Regex;

use super::Action;
use super::community::CommunityMatch;
use crate::attr::{AsPath, NextHop, PathAttributes};
use crate::wire::Prefix;

/// No regular expression is asked about paths of more numbers: the longest seen in the world have
/// some dozens, and whoever sends thousands is not to decide how long we think about it. Nor does he
/// get past a rule by it: one that rejects is taken to match, one that accepts is not.
pub const REGEX_PATH_MAX: usize = 1024;

/// Who told a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Informant {
    /// The configured name; that of the range for a peer that came from one.
    pub name: Arc<str>,
    /// Its address.
    pub address: IpAddr,
    /// Its AS number.
    pub asn: u32,
    /// eBGP, else iBGP.
    pub external: bool,
}

/// What a policy is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The prefix.
    pub prefix: &'a Prefix,
    /// On import as received, on export as in use.
    pub attributes: &'a PathAttributes,
    /// `None`: originated here.
    pub from: Option<&'a Informant>,
}

/// Where a route comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Originated here.
    Own,
    /// An external peer.
    External,
    /// An internal peer.
    Internal,
    /// Any peer.
    Peers,
}

impl Source {
    fn matches(self, from: Option<&Informant>) -> bool {
        match self {
            Self::Own => from.is_none(),
            Self::External => from.is_some_and(|from| from.external),
            Self::Internal => from.is_some_and(|from| !from.external),
            Self::Peers => from.is_some(),
        }
    }
}

/// A condition about who told a route; never holds for what is originated here. `None` says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NeighborMatch {
    /// The name.
    pub name: Option<Arc<str>>,
    /// The address lies within.
    pub address: Option<Prefix>,
    /// The AS number.
    pub asn: Option<u32>,
}

impl NeighborMatch {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn matches(&self, from: &Informant) -> bool {
        self.name.as_ref().is_none_or(|name| *name == from.name)
            && self.address.is_none_or(|net| net.contains(from.address))
            && self.asn.is_none_or(|asn| asn == from.asn)
    }
}

/// A regular expression over a path as text, see [`AsPathMatch::regex`]. Whoever makes it bounds its
/// size; the time to match is linear in the path for every expression.
#[derive(Clone)]
pub struct PathRegex(Regex);

impl PathRegex {
    /// One that is compiled.
    #[must_use]
    pub fn new(regex: Regex) -> Self {
        Self(regex)
    }
}

impl fmt::Debug for PathRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PathRegex({})", self.0.as_str())
    }
}

impl PartialEq for PathRegex {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for PathRegex {}

/// A condition about an AS path: all that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AsPathMatch {
    /// It is somewhere in it.
    pub contains: Option<u32>,
    /// It is the last: it originated the route.
    pub origin: Option<u32>,
    /// It is the first: the neighbouring AS.
    pub neighbor: Option<u32>,
    /// At least so long, counted as the decision does.
    pub min_len: Option<u16>,
    /// At most so long.
    pub max_len: Option<u16>,
    /// Matches somewhere in `65001 65002 {65003}`: decimal, one space in between. Of paths of more
    /// than [`REGEX_PATH_MAX`] numbers see there.
    pub regex: Option<PathRegex>,
}

impl AsPathMatch {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// `text` is the path as text, made where it is needed for the first time.
    fn matches(&self, path: &AsPath, action: Action, text: &mut Option<Box<str>>) -> bool {
        let length = || path.path_len();
        self.contains.is_none_or(|asn| path.contains(asn))
            && (self.origin.is_none() || self.origin == path.origin_asn())
            && (self.neighbor.is_none() || self.neighbor == path.first())
            && self.min_len.is_none_or(|min| length() >= min.into())
            && self.max_len.is_none_or(|max| length() <= max.into())
            && self.regex.as_ref().is_none_or(|PathRegex(regex)| {
                if path.asns().take(REGEX_PATH_MAX + 1).count() > REGEX_PATH_MAX {
                    return action == Action::Reject;
                }
                let text = text.get_or_insert_with(|| path.to_string().into());
                regex.is_match(text)
            })
    }
}

/// All that a rule asks of a route beside its prefix. The default asks nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Its communities.
    pub communities: CommunityMatch,
    /// Its AS path.
    pub as_path: AsPathMatch,
    /// Its next hop lies within, of either family; of two addresses either.
    pub next_hop: Option<Prefix>,
    /// Who told it.
    pub neighbor: NeighborMatch,
    /// Where it comes from.
    pub source: Option<Source>,
}

impl Conditions {
    /// Nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Does it matter who told a route?
    #[must_use]
    pub fn ask_who(&self) -> bool {
        self.source.is_some() || !self.neighbor.is_empty()
    }

    /// `action`: of the rule, for what cannot be found out.
    pub(super) fn hold(
        &self,
        subject: &Subject<'_>,
        action: Action,
        text: &mut Option<Box<str>>,
    ) -> bool {
        let Subject {
            attributes, from, ..
        } = subject;
        // From what is cheap to what is dear.
        self.source.is_none_or(|source| source.matches(*from))
            && (self.neighbor.is_empty() || from.is_some_and(|from| self.neighbor.matches(from)))
            && self
                .next_hop
                .is_none_or(|net| lies_within(&net, attributes.next_hop.as_ref()))
            && (self.communities.is_empty() || self.communities.matches(attributes))
            && (self.as_path.is_empty() || self.as_path.matches(&attributes.as_path, action, text))
    }
}

fn lies_within(network: &Prefix, next_hop: Option<&NextHop>) -> bool {
    next_hop.is_some_and(|next_hop| {
        let beside = match *next_hop {
            NextHop::V6LinkLocal { link_local, .. } => Some(IpAddr::from(link_local)),
            _ => None,
        };
        network.contains(next_hop.address())
            || beside.is_some_and(|beside| network.contains(beside))
    })
}
