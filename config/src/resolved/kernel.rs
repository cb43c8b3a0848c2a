//! How routes look in the kernel.

use std::net::{Ipv4Addr, Ipv6Addr};

/// How BGP routes are marked in the kernel: ours are told by all three together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelConfig {
    /// Route protocol number; see [`crate::kernel::protocol_reserved_for`].
    pub protocol: u8,
    /// Metric (priority); never 0.
    pub metric: u32,
    /// Metric for `0.0.0.0/0` and `::/0`; never 0.
    pub default_route_metric: u32,
    /// Table; never 0.
    pub table: u32,
    /// False: routes are learned and shown, the kernel's tables are left alone (a route reflector).
    pub install: bool,
    /// How several next hops of a route are written.
    pub next_hop_groups: NextHopGroups,
}

/// How routes with several next hops are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHopGroups {
    /// With the kernel's nexthop groups where it has them.
    Auto,
    /// With resilient ones.
    Resilient(ResilientGroups),
    /// All next hops in every route (`RTA_MULTIPATH`).
    Never,
}

/// How a resilient group is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResilientGroups {
    /// What connections are spread over; at least as many as a route may have next hops.
    pub buckets: u16,
    /// A bucket moves when nothing was sent for so long; at most a week.
    pub idle_secs: u32,
    /// After so long buckets move anyway; 0: never. At most a week.
    pub unbalanced_secs: u32,
}

/// The kernel's own defaults, but for iproute2's number of buckets, which has none.
impl Default for ResilientGroups {
    fn default() -> Self {
        Self {
            buckets: 128,
            idle_secs: 120,
            unbalanced_secs: 0,
        }
    }
}

/// What others know this node by: neither loopback, link-local nor anything else that no other
/// host could answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeAddresses {
    /// The source of what the node sends over IPv4 routes; `None`: as the kernel chooses.
    pub v4: Option<Ipv4Addr>,
    /// The same for IPv6.
    pub v6: Option<Ipv6Addr>,
}
