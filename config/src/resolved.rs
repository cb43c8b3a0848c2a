//! The configuration after all checks: what is here can be used as it is.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use crate::{Asn, Cidr};

mod bfd;
mod filter;
mod kernel;
mod limits;
mod peer;

pub use bfd::BfdProfile;
pub use filter::{
    Action, AsPathMatch, Changes, CommunityChanges, CommunityMatch, Conditions, Filter,
    NeighborMatch, NextHopChange, Operator, PrefixMatch, Prepend, Rule, Source,
};
pub use kernel::{KernelConfig, NextHopGroups, NodeAddresses, ResilientGroups};
pub use limits::{LimitAction, MaximumPrefixes};
pub use peer::{
    AddPath, AoAlgorithm, AoKey, Capabilities, NextHopMode, PeerConfig, Remote, RemoteAs,
    RemovePrivateAs, Role, RouteHandling, Security, Timers, Ttl,
};

/// All that `rcni-bgp` is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpeakerConfig {
    /// The speaker's own autonomous system.
    pub asn: Asn,
    /// The BGP identifier (RFC 6286): never 0.0.0.0.
    pub router_id: Ipv4Addr,
    /// Of a route reflector's cluster (RFC 4456): never 0.0.0.0.
    pub cluster_id: Ipv4Addr,
    /// TCP port to listen on; never 0.
    pub listen_port: u16,
    /// Own addresses to listen on, without duplicates; empty: all, of both families.
    pub bind_addresses: Vec<IpAddr>,
    /// Prefixes originated here; none lies within another.
    pub networks: Vec<Cidr>,
    /// Which equal paths a route uses.
    pub multipath: Multipath,
    /// RFC 4724.
    pub graceful_restart: GracefulRestart,
    /// What others know this node by.
    pub node_addresses: NodeAddresses,
    /// How routes are written into the kernel.
    pub kernel: KernelConfig,
    /// Sorted by name; no two have one address or one range.
    pub peers: Vec<PeerConfig>,
    /// All filters by name, also those that no peer uses.
    pub filters: BTreeMap<String, Arc<Filter>>,
}

/// Which equal paths a route uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multipath {
    /// How many; at least 1.
    pub maximum_paths: u8,
    /// Whether they may go through different ASes.
    pub relax: bool,
}

/// The bounds of a graceful restart (RFC 4724) and of what comes after (RFC 9494).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GracefulRestart {
    /// How long peers are asked to wait for our return: 0 to 4095 s, as the capability has 12 bits.
    pub restart_secs: u16,
    /// How long a returning peer's old routes are kept at most while it sends them again.
    pub stale_secs: u16,
    /// How long peers are asked to keep our routes as the last resort; 0: not offered. 24 bits.
    pub long_lived_secs: u32,
}

/// An address family; routes are always unicast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressFamily {
    /// AFI 1.
    Ipv4,
    /// AFI 2.
    Ipv6,
}

impl AddressFamily {
    /// Both, sorted.
    pub const ALL: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    /// The family of `cidr`.
    #[must_use]
    pub fn of(cidr: &Cidr) -> Self {
        if cidr.is_ipv4() {
            Self::Ipv4
        } else {
            Self::Ipv6
        }
    }
}

/// `IPv4` or `IPv6`.
impl fmt::Display for AddressFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}

/// All that `felix-lite` is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FelixConfig {
    /// The node's own pod ranges: at least one, of one family or of both, disjoint, each within
    /// `cluster_cidrs` if there are any of its family.
    pub pod_cidrs: Vec<Cidr>,
    /// The ranges of all pods of the cluster; not translated. At least one of each family that is
    /// translated and has pod ranges.
    pub cluster_cidrs: Vec<Cidr>,
    /// Where the nodes' addresses live; not translated.
    pub node_cidrs: Vec<Cidr>,
    /// Further destinations that are not translated.
    pub non_masquerade_cidrs: Vec<Cidr>,
    /// Whether what IPv4 pods send out of the cluster gets the node's address.
    pub masquerade: bool,
    /// The same for IPv6.
    pub masquerade_ipv6: bool,
    /// What the node is known by: what is translated gets it, while the node has it.
    pub node_addresses: NodeAddresses,
    /// Which iptables is used.
    pub iptables_backend: IptablesBackend,
    /// Whether the kernel tells of routes with their next hops.
    pub nexthop_compat_mode: NexthopCompatMode,
    /// The network configuration for the container runtime.
    pub cni: CniConfig,
    /// How often everything is looked at again and put right, in seconds; at least 1.
    pub refresh_secs: u32,
    /// Route protocol number of the blackhole; see [`crate::kernel::protocol_reserved_for`].
    pub protocol: u8,
}

/// Which of the two iptables programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IptablesBackend {
    /// The one that the node's existing rules are in.
    Auto,
    /// `iptables-nft`.
    Nft,
    /// `iptables-legacy`.
    Legacy,
}

/// `net.ipv4.nexthop_compat_mode`: how the kernel tells of routes that use nexthop objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NexthopCompatMode {
    /// Disabled unless a program that needs it runs on the node.
    Auto,
    /// With their next hops.
    Enabled,
    /// With the objects' numbers only, which makes a change of an object fast.
    Disabled,
}

/// What goes into the conflist, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CniConfig {
    /// Absolute.
    pub conf_dir: PathBuf,
    /// A plain file name that ends with `.conflist`.
    pub conf_name: String,
    /// The CNI network's name.
    pub network_name: String,
    /// MTU of the pods' links in bytes; `None`: as the node's uplink has.
    pub mtu: Option<u32>,
    /// Where address reservations are; absolute.
    pub data_dir: PathBuf,
}
