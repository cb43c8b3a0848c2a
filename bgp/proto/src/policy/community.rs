//! Communities of the three kinds: conditions on them.

use crate::attr::PathAttributes;

/// One community.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Community {
    /// RFC 1997.
    Standard(u32),
    /// RFC 4360: the eight octets.
    Extended([u8; 8]),
    /// RFC 8092: global administrator and two local parts.
    Large([u32; 3]),
}

/// Which communities are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommunityPattern {
    /// This one.
    One(Community),
    /// All standard ones with these first two octets: `65000:*`.
    StandardOf(u16),
    /// All large ones with this global administrator: `65000:*:*`.
    LargeOf(u32),
    /// Every one of every kind.
    All,
}

impl CommunityPattern {
    /// Is it meant?
    #[must_use]
    pub fn matches(&self, community: Community) -> bool {
        match (self, community) {
            (Self::One(one), other) => *one == other,
            (Self::StandardOf(high), Community::Standard(value)) => value >> 16 == u32::from(*high),
            (Self::LargeOf(global), Community::Large([first, ..])) => *global == first,
            (Self::StandardOf(_) | Self::LargeOf(_), _) => false,
            (Self::All, _) => true,
        }
    }

    fn is_in(&self, attributes: &PathAttributes) -> bool {
        all(attributes).any(|community| self.matches(community))
    }
}

/// All communities of a path.
fn all(attributes: &PathAttributes) -> impl Iterator<Item = Community> + '_ {
    let standard = attributes.communities.iter().copied();
    let extended = attributes.extended_communities().iter().copied();
    let large = attributes.large_communities().iter().copied();
    standard
        .map(Community::Standard)
        .chain(extended.map(Community::Extended))
        .chain(large.map(Community::Large))
}

/// A condition: all of it must hold. An empty list says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommunityMatch {
    /// At least one of these is there.
    pub any_of: Box<[CommunityPattern]>,
    /// Of each of these one is there.
    pub all_of: Box<[CommunityPattern]>,
    /// None of these is there.
    pub none_of: Box<[CommunityPattern]>,
}

impl CommunityMatch {
    /// Does it say nothing?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.any_of.is_empty() && self.all_of.is_empty() && self.none_of.is_empty()
    }

    /// Does it hold for the path?
    #[must_use]
    pub fn matches(&self, attributes: &PathAttributes) -> bool {
        let has = |pattern: &CommunityPattern| pattern.is_in(attributes);
        (self.any_of.is_empty() || self.any_of.iter().any(has))
            && self.all_of.iter().all(has)
            && !self.none_of.iter().any(has)
    }
}
