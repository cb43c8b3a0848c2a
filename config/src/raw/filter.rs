//! Import and export rules in `rcni-bgp`'s file.

use serde::{Deserialize, Serialize};

use super::{Int, Located};

/// Rules for what is taken from and sent to the neighbours that name this filter.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(kube::CustomResource, schemars::JsonSchema))]
#[cfg_attr(
    feature = "crd",
    kube(
        group = "rcni.io",
        version = "v1alpha1",
        kind = "BGPFilter",
        plural = "bgpfilters",
        singular = "bgpfilter",
        doc = "Import and export rules."
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BGPFilterSpec {
    /// For IPv4 routes from the neighbour; the first rule that matches decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub import_v4: Vec<Located<RuleSpec>>,
    /// For IPv4 routes to the neighbour; the first rule that matches decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub export_v4: Vec<Located<RuleSpec>>,
    /// For IPv6 routes from the neighbour; the first rule that matches decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub import_v6: Vec<Located<RuleSpec>>,
    /// For IPv6 routes to the neighbour; the first rule that matches decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub export_v6: Vec<Located<RuleSpec>>,
}

/// One rule. It matches what fulfils all its conditions; without any, every route.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleSpec {
    /// What becomes of a route that matches.
    pub action: ActionSpec,
    /// How the route's prefix is compared with cidr; goes together with cidr.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_operator: Option<Located<OperatorSpec>>,
    /// The prefix to compare with; of the family that the list is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cidr: Option<Located<String>>,
    /// For In and NotIn: which lengths within cidr are meant. Default: from cidr's own length to 32
    /// or 128.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix_length: Option<Located<PrefixLengthSpec>>,
    /// Condition: the route's communities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub communities: Option<Located<CommunitiesSpec>>,
    /// Condition: the autonomous systems that the route went through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_path: Option<Located<AsPathSpec>>,
    /// Condition: the received next hop is this address, or lies in this prefix; of either family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<Located<String>>,
    /// Condition: the neighbour that told the route; own networks have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbor: Option<Located<NeighborSpec>>,
    /// Condition: where the route comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Located<SourceSpec>>,
    /// What is changed in a route that is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<Located<SetSpec>>,
}

/// Accept or Reject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum ActionSpec {
    /// The route is used or sent.
    Accept,
    /// The route is not used or sent.
    Reject,
}

/// Equal, NotEqual, In or NotIn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum OperatorSpec {
    /// The route is exactly cidr.
    Equal,
    /// The route is anything but exactly cidr.
    NotEqual,
    /// The route lies within cidr, with a length in prefixLength.
    In,
    /// All that In would not match.
    NotIn,
}

/// A range of prefix lengths.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PrefixLengthSpec {
    /// The shortest; not shorter than cidr. Default: cidr's own length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 0, max = 128)))]
    pub min: Option<Located<Int>>,
    /// The longest. Default: 32 or 128.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 0, max = 128)))]
    pub max: Option<Located<Int>>,
}

/// A condition about communities. A community is written as 65000:100, as rt:65000:100 or
/// ro:65000:100 (extended; also with an IPv4 address), as ext:0x and 16 hexadecimal digits
/// (extended), as 65000:1:2 (large), or by its name: no-export, no-advertise, no-export-subconfed,
/// no-peer, blackhole, graceful-shutdown, llgr-stale, no-llgr, accept-own.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommunitiesSpec {
    /// The route has at least one of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 64)))]
    pub any_of: Option<Located<Vec<Located<String>>>>,
    /// The route has all of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 64)))]
    pub all_of: Option<Located<Vec<Located<String>>>>,
    /// The route has none of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 64)))]
    pub none_of: Option<Located<Vec<Located<String>>>>,
}

/// A condition about the AS path; all that is given must hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AsPathSpec {
    /// This autonomous system is somewhere in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 4_294_967_295_i64)))]
    pub contains: Option<Located<Int>>,
    /// This one is the last: it originated the route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 4_294_967_295_i64)))]
    pub origin: Option<Located<Int>>,
    /// This one is the first: it told us, or the one who told us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 4_294_967_295_i64)))]
    pub neighbor: Option<Located<Int>>,
    /// It is at least so long, 0 to 65535, counted as for the best path: a set is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 0, max = 65535)))]
    pub min_length: Option<Located<Int>>,
    /// It is at most so long, 0 to 65535.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 0, max = 65535)))]
    pub max_length: Option<Located<Int>>,
    /// This regular expression matches somewhere in the path written as 65001 65002 {65003}. As in
    /// other routers, _ is the start, the end or what separates two numbers: _65002_ is the AS 65002,
    /// and 65002 alone also a part of 165002. At most 256 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 256)))]
    pub regex: Option<Located<String>>,
}

/// A condition about the neighbour that told the route; all that is given must hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NeighborSpec {
    /// The name of its BGPPeer; for neighbours of a peerRange, the range's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Located<String>>,
    /// Its address, or a prefix that it lies in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Located<String>>,
    /// Its autonomous system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 4_294_967_295_i64)))]
    pub as_number: Option<Located<Int>>,
}

/// Own, External, Internal or RemotePeers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum SourceSpec {
    /// One of the speaker's own networks.
    Own,
    /// An eBGP neighbour.
    External,
    /// An iBGP neighbour.
    Internal,
    /// Any neighbour.
    RemotePeers,
}

/// What is changed in a route that is accepted: before it is judged, or before it is sent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetSpec {
    /// LOCAL_PREF, 0 to 4294967295; greater is preferred. eBGP neighbours are not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 0, max = 4_294_967_295_i64)))]
    pub local_preference: Option<Located<Int>>,
    /// MULTI_EXIT_DISC, 0 to 4294967295; less is preferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 0, max = 4_294_967_295_i64)))]
    pub med: Option<Located<Int>>,
    /// An address of the family that the list is for; in export rules also self (this side's
    /// address) or unchanged (as it was received).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<Located<String>>,
    /// Put an AS number before the AS path, to make it longer.
    #[serde(
        rename = "prependASPath",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub prepend_as_path: Option<PrependSpec>,
    /// Communities that the route gets or loses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub communities: Option<Located<SetCommunitiesSpec>>,
}

/// What is put before the AS path.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrependSpec {
    /// How often, 1 to 16.
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 16)))]
    pub count: Located<Int>,
    /// Which AS number, 1 to 4294967295. Default: this side's in the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 4_294_967_295_i64)))]
    pub as_number: Option<Located<Int>>,
}

/// Communities that a route gets or loses. First some are removed, then some are added.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetCommunitiesSpec {
    /// These are added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 64)))]
    pub add: Option<Located<Vec<Located<String>>>>,
    /// These are removed: communities, 65000:* or 65000:*:* for all that begin so, or all for every
    /// one of the three kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 64)))]
    pub remove: Option<Located<Vec<Located<String>>>>,
}
