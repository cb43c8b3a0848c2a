//! The kinds of `rcni-bgp`'s file. The comments become the descriptions in the custom resource
//! definitions. Integers are [`Int`] on purpose: what is negative or too large then gets an
//! error that names the field's range, not one about Rust's types.

use serde::{Deserialize, Serialize};

use super::{Int, Located};

/// The speaker itself. Exactly one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(kube::CustomResource, schemars::JsonSchema))]
#[cfg_attr(
    feature = "crd",
    kube(
        group = "rcni.io",
        version = "v1alpha1",
        kind = "BGPConfiguration",
        plural = "bgpconfigurations",
        singular = "bgpconfiguration",
        doc = "The BGP speaker's own settings."
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BGPConfigurationSpec {
    /// The speaker's own autonomous system, 1 to 4294967295.
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 4_294_967_295_i64)))]
    pub as_number: Located<Int>,
    /// The BGP identifier, in the form of an IPv4 address; unique in the network.
    #[serde(rename = "routerID")]
    pub router_id: Located<String>,
    /// The cluster of a route reflector (RFC 4456), in the form of an IPv4 address. Reflectors with
    /// the same one do not take what the other has reflected. Default: routerID.
    #[serde(rename = "clusterID", default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<Located<String>>,
    /// TCP port to listen on. Default: 179.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 65535)))]
    pub listen_port: Option<Located<Int>>,
    /// Own addresses to listen on, and no others. Default: all, of both families.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(length(min = 1)))]
    pub bind_addresses: Option<Located<Vec<Located<String>>>>,
    /// Prefixes that are originated here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<NetworkSpec>,
    /// How many next hops of equal paths a route may use at the same time. Default: 8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 255)))]
    pub maximum_paths: Option<Located<Int>>,
    /// Whether equal paths may go through different autonomous systems, as long as there are
    /// equally many; false: their AS paths must be the same. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multipath_relax: Option<bool>,
    /// What happens to routes while one side of a session restarts (RFC 4724).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graceful_restart: Option<GracefulRestartSpec>,
    /// What others know this node by, at most one address of each family: announced while the node has
    /// it, the source of what the node itself sends over learned routes, and where sessions to far
    /// peers come from. Default: none, and the kernel chooses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(length(max = 2)))]
    pub node_addresses: Vec<Located<String>>,
    /// How routes are written into the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<KernelSpec>,
}

/// One prefix to originate.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// An IPv4 or IPv6 prefix with its length and without host bits.
    pub cidr: Located<String>,
}

/// The bounds of a graceful restart.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GracefulRestartSpec {
    /// How long peers are asked to keep our routes while we are away, 0 to 4095. Default: 120.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 0, max = 4095)))]
    pub restart_time_seconds: Option<Located<Int>>,
    /// How long a returning peer's old routes are kept at most while it sends them again, 1 to
    /// 65535. Default: 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 65535)))]
    pub stale_path_time_seconds: Option<Located<Int>>,
    /// How long peers are asked to keep our routes after that, as the last resort (RFC 9494), 0 to
    /// 16777215; 0: not offered, and only the communities of others are honoured. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 0, max = 16_777_215)))]
    pub long_lived_stale_time_seconds: Option<Located<Int>>,
}

/// How routes are written into the kernel. What is ours is told by protocol, metric and table
/// together.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KernelSpec {
    /// Route protocol number; not one that another program uses. Default: 77.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 5, max = 255)))]
    pub protocol: Option<Located<Int>>,
    /// Metric of routes, at least 1. Default: 77.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 4_294_967_295_i64)))]
    pub metric: Option<Located<Int>>,
    /// Metric of default routes, at least 1; greater than a DHCP client's, so that a BGP default
    /// does not replace an existing one unasked. Default: 20077.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 4_294_967_295_i64)))]
    pub default_route_metric: Option<Located<Int>>,
    /// Routing table. Default: 254, the main table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 4_294_967_295_i64)))]
    pub table: Option<Located<Int>>,
    /// Whether routes are written into the kernel at all. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install: Option<bool>,
    /// How routes with several next hops are written. Default: Auto.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_hop_groups: Option<NextHopGroupsSpec>,
    /// How resilient groups are made; only with nextHopGroups: Resilient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resilient_groups: Option<Located<ResilientGroupsSpec>>,
}

/// How routes with several next hops are written: Auto, Resilient or Never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum NextHopGroupsSpec {
    /// They share the kernel's nexthop groups where it has them (Linux 5.3).
    #[default]
    Auto,
    /// These groups are resilient (Linux 5.13): a next hop that goes or comes moves as few of the
    /// others' connections as possible.
    Resilient,
    /// Each route has all of its next hops in itself.
    Never,
}

/// The buckets of a resilient group: connections are spread over them, and they over next hops.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResilientGroupsSpec {
    /// How many, maximumPaths to 65535. Default: 128, or maximumPaths if that is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 65535)))]
    pub buckets: Option<Located<Int>>,
    /// A bucket moves to another next hop when nothing was sent for so long, 0 to 604800.
    /// Default: 120.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 0, max = 604_800)))]
    pub idle_time_seconds: Option<Located<Int>>,
    /// After so long buckets move anyway, 0 to 604800; 0: never. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 0, max = 604_800)))]
    pub unbalanced_time_seconds: Option<Located<Int>>,
}
