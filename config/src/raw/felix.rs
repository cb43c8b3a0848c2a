//! The kind of `felix-lite`'s file. It is about one node, so it is no custom resource.

use serde::{Deserialize, Serialize};

use super::{Int, Located};

/// What `felix-lite` keeps true on its node. Exactly one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FelixConfigurationSpec {
    /// The node's own pod ranges.
    #[serde(rename = "podCIDRs")]
    pub pod_cidrs: Located<Vec<Located<String>>>,
    /// The ranges of all pods of the cluster: traffic to them is not translated.
    #[serde(
        rename = "clusterCIDRs",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    pub cluster_cidrs: Vec<Located<String>>,
    /// Where the nodes' addresses live: traffic to them is not translated.
    #[serde(rename = "nodeCIDRs", default, skip_serializing_if = "Vec::is_empty")]
    pub node_cidrs: Vec<Located<String>>,
    /// Further destinations that are not translated.
    #[serde(
        rename = "nonMasqueradeCIDRs",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    pub non_masquerade_cidrs: Vec<Located<String>>,
    /// Translate what IPv4 pods send out of the cluster. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masquerade: Option<Located<bool>>,
    /// Translate what IPv6 pods send out of the cluster. Default: false.
    #[serde(
        rename = "masqueradeIPv6",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub masquerade_ipv6: Option<Located<bool>>,
    /// What the node is known by, at most one address of each family, as in the speaker's file: what is
    /// translated gets it. Default: none, and the address of the link that it leaves by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub node_addresses: Vec<Located<String>>,
    /// Which iptables. Default: auto.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iptables_backend: Option<IptablesBackendSpec>,
    /// Whether the kernel writes out the next hops of routes that share them. Default: auto.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nexthop_compat_mode: Option<NexthopCompatModeSpec>,
    /// How often everything is looked at again, 1 to 86400. Default: 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_interval_seconds: Option<Located<Int>>,
    /// The container runtime's network configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cni: Option<CniSpec>,
    /// How the blackhole for the pod ranges is marked in the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<FelixKernelSpec>,
}

/// Which of the two iptables programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IptablesBackendSpec {
    /// The one that the node's existing rules are in.
    Auto,
    /// `iptables-nft`.
    Nft,
    /// `iptables-legacy`.
    Legacy,
}

/// `net.ipv4.nexthop_compat_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NexthopCompatModeSpec {
    /// Disabled unless a program that needs it runs on the node.
    Auto,
    /// 1: each route is told with its next hops.
    Enabled,
    /// 0: with the number of its nexthop object only.
    Disabled,
}

/// What goes into the conflist, and where.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CniSpec {
    /// Absolute folder. Default: /etc/cni/net.d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conf_dir: Option<Located<String>>,
    /// File name, ending with .conflist. Default: 10-rcni.conflist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conf_name: Option<Located<String>>,
    /// The CNI network's name. Default: rcni.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_name: Option<Located<String>>,
    /// MTU of the pods' links, 576 to 65535. Default: as the node's uplink has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<Located<Int>>,
    /// Absolute folder of the address reservations. Default: /var/lib/cni/networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<Located<String>>,
}

/// How `felix-lite`'s own routes are marked.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FelixKernelSpec {
    /// Route protocol number; the same as in the speaker's file. Default: 77.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Located<Int>>,
}
