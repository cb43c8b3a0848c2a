//! Import and export rules after all checks.

use std::net::IpAddr;

use crate::{AsPathRegex, Asn, Cidr, Community, CommunityPattern};

/// Rules for import and export, per family.
///
/// For one direction and family, a peer's filters are tried in their order, in each the rules in
/// theirs; the first rule that matches decides. What happens if none does:
///
/// | the peer's filters have | import, eBGP | import, iBGP | export |
/// | --- | --- | --- | --- |
/// | a rule for this direction and family | reject | reject | reject |
/// | none | reject all (RFC 8212) | accept all | own `networks`; what a reflector reflects |
///
/// What a reflector (RFC 4456) reflects: to a client everything, from a client everything to any iBGP
/// peer. With export rules, the candidates are all best routes and the own `networks`. Whatever the
/// rules say, a route never returns to the peer that it came from, iBGP routes go to iBGP peers only
/// from or to a client, and a path with the peer's own AS in it is not sent to that peer unless that
/// is overridden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// `metadata.name`.
    pub name: String,
    /// For IPv4 routes from the peer; empty: says nothing about them.
    pub import_v4: Vec<Rule>,
    /// For IPv4 routes to the peer; empty: says nothing about them.
    pub export_v4: Vec<Rule>,
    /// For IPv6 routes from the peer; empty: says nothing about them.
    pub import_v6: Vec<Rule>,
    /// For IPv6 routes to the peer; empty: says nothing about them.
    pub export_v6: Vec<Rule>,
}

/// One step of a [`Filter`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which routes it is about.
    pub matches: Conditions,
    /// What becomes of them.
    pub action: Action,
}

/// What a [`Rule`] decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The route is used or sent, with these changes.
    Accept(Changes),
    /// The route is kept as refused, with this rule as the reason.
    Reject,
}

/// Which routes a [`Rule`] matches: those for which all of it holds. The default matches every route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Its prefix.
    pub prefix: Option<PrefixMatch>,
    /// Its communities, of all three kinds.
    pub communities: CommunityMatch,
    /// The ASes that it went through.
    pub as_path: AsPathMatch,
    /// The received next hop lies within; of either family. Own networks have none.
    pub next_hop: Option<Cidr>,
    /// Who told us; own networks match no neighbor.
    pub neighbor: NeighborMatch,
    /// Where it comes from. Never [`Source::Own`] in import rules, nor with a neighbor.
    pub source: Option<Source>,
}

/// A condition about communities; an empty list says nothing. No two lists contradict each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommunityMatch {
    /// At least one of these.
    pub any_of: Vec<Community>,
    /// All of these.
    pub all_of: Vec<Community>,
    /// None of these.
    pub none_of: Vec<Community>,
}

/// A condition about the AS path: all that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AsPathMatch {
    /// Somewhere in it.
    pub contains: Option<Asn>,
    /// The last.
    pub origin: Option<Asn>,
    /// The first.
    pub neighbor: Option<Asn>,
    /// Counted as the decision does (a set is one); not greater than `max_length`.
    pub min_length: Option<u16>,
    /// Counted likewise.
    pub max_length: Option<u16>,
    /// Matches somewhere in the path as text.
    pub regex: Option<AsPathRegex>,
}

/// A condition about who told us the route: all that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NeighborMatch {
    /// The name of a BGPPeer that exists; a dynamic neighbour has its range's.
    pub name: Option<String>,
    /// Its address lies within.
    pub address: Option<Cidr>,
    /// Its AS.
    pub asn: Option<Asn>,
}

/// Where a route comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The own `networks`.
    Own,
    /// An eBGP peer.
    External,
    /// An iBGP peer.
    Internal,
    /// Any peer.
    RemotePeers,
}

/// What an accepting [`Rule`] changes. The default changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// LOCAL_PREF; eBGP peers are not told.
    pub local_preference: Option<u32>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// NEXT_HOP.
    pub next_hop: Option<NextHopChange>,
    /// Makes AS_PATH longer.
    pub prepend: Option<Prepend>,
    /// Communities of all three kinds.
    pub communities: CommunityChanges,
}

/// Another next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHopChange {
    /// This one, of the rule's family.
    Address(IpAddr),
    /// This side's address in the session; only in export rules.
    Own,
    /// As it was received, whatever the session would do; only in export rules.
    Unchanged,
}

/// What is put before an AS path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepend {
    /// How often: 1 to 16.
    pub count: u8,
    /// Which AS; `None`: this side's in the session.
    pub asn: Option<Asn>,
}

/// Communities that a route loses and then gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommunityChanges {
    /// Taken away first.
    pub remove: Vec<CommunityPattern>,
    /// Added then.
    pub add: Vec<Community>,
}

/// A test of a route's prefix, with Calico's meaning.
///
/// The route is *inside* if it lies within `cidr` and its length is in `min_len..=max_len`. `Equal`
/// and `In` match what is inside, `NotEqual` and `NotIn` match everything else: the negation is of
/// both conditions together. For `Equal` and `NotEqual` both lengths are `cidr`'s own, so that only
/// `cidr` itself is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixMatch {
    /// How the prefixes are compared.
    pub operator: Operator,
    /// What the route's prefix is compared with; of the rule's family.
    pub cidr: Cidr,
    /// The shortest length inside; not less than `cidr`'s own.
    pub min_len: u8,
    /// The longest length inside; not less than `min_len`.
    pub max_len: u8,
}

/// How a [`PrefixMatch`] compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// The route is exactly `cidr`.
    Equal,
    /// The route is anything but exactly `cidr`.
    NotEqual,
    /// The route lies within `cidr` (or is `cidr`) and its length is in the range.
    In,
    /// Everything that [`Operator::In`] would not match.
    NotIn,
}
