//! From the Loc-RIB into the kernel's tables, and back again when somebody else changes them.
//!
//! ```text
//!   Output::Fib ---> task (owns everything here) <--- monitor (what others changed)
//!                      |            ^
//!                      v            | outcome per prefix
//!                  reconcile ---> netlink (batches, dumps) ---> kernel
//!                  (desired set     |
//!                   against ours)   message (bytes <-> routes)
//! ```
//!
//! A route is ours if protocol, metric, table and type all say so ([`Ownership`]). Nothing else is
//! ever written, replaced or deleted.

pub mod change;
pub mod drift;
pub mod former;
pub mod message;
pub mod monitor;
pub mod netlink;
pub mod reconcile;
pub mod rivals;
pub mod task;
pub mod wire;

use std::fmt;

use ipnetwork::IpNetwork;
pub use rcni_bgp_proto::speaker::{NextHop, NextHops};
use rcni_config::kernel;

/// A destination, without host bits.
pub type Prefix = IpNetwork;

/// How own routes are told from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// Route protocol number (`rtm_protocol`).
    pub protocol: u8,
    /// Metric (`RTA_PRIORITY`) of all but default routes.
    pub metric: u32,
    /// Metric of `0.0.0.0/0` and `::/0`.
    pub default_route_metric: u32,
    /// Table (`RTA_TABLE`).
    pub table: u32,
}

impl Default for Ownership {
    /// Where the configuration says nothing else.
    fn default() -> Self {
        Self {
            protocol: kernel::PROTOCOL,
            metric: kernel::BGP_METRIC,
            default_route_metric: kernel::BGP_DEFAULT_ROUTE_METRIC,
            table: kernel::TABLE_MAIN,
        }
    }
}

impl fmt::Display for Ownership {
    /// As `ip route` has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            protocol,
            metric,
            default_route_metric,
            table,
        } = self;
        write!(
            f,
            "proto {protocol} metric {metric}, defaults {default_route_metric}, table {table}"
        )
    }
}

impl Ownership {
    /// The metric that an own route for `prefix` has.
    #[must_use]
    pub fn metric_of(&self, prefix: Prefix) -> u32 {
        if prefix.prefix() == 0 {
            self.default_route_metric
        } else {
            self.metric
        }
    }

    /// Whether `route` is one of ours.
    #[must_use]
    pub fn owns(&self, route: &KernelRoute) -> bool {
        route.protocol == self.protocol && route.unicast && self.same_place(route)
    }

    /// Whether `route` stands where an own route for its prefix would stand: an own route cannot
    /// be created beside it.
    #[must_use]
    pub fn same_place(&self, route: &KernelRoute) -> bool {
        route.table == self.table && route.metric == self.metric_of(route.prefix)
    }
}

/// A route as the kernel tells it, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelRoute {
    /// Destination.
    pub prefix: Prefix,
    /// `rtm_protocol`.
    pub protocol: u8,
    /// `RTA_PRIORITY`, 0 if absent.
    pub metric: u32,
    /// `RTA_TABLE`, else `rtm_table`.
    pub table: u32,
    /// `rtm_type`; 0 if the route is for some sources or classes only.
    pub kind: u8,
    /// Type is `unicast` (no blackhole, local, …), for all sources and classes.
    pub unicast: bool,
    /// Interface of a route that is not multipath.
    pub interface: Option<u32>,
    /// Gateways that the kernel would use: sorted, without those that it calls dead. Empty if the
    /// route has none or is of a shape that is never made here.
    pub next_hops: Vec<NextHop>,
}

/// What the kernel's side looks like at one moment.
#[derive(Clone, Debug, Default)]
pub struct FibStatus {
    /// Routes that are wanted and are in the kernel as wanted, or as far as their next hops are
    /// usable.
    pub installed: usize,
    /// Adopted from an earlier run and not learned again yet.
    pub stale: usize,
    /// Waiting to be written.
    pub pending: usize,
    /// Refused by the kernel, with the reason, in order of prefix; the first
    /// [`FAILED_SHOWN`] of them.
    pub failed: Vec<(Prefix, String)>,
    /// How many are refused in all.
    pub failed_count: usize,
    /// Of the installed ones those that have fewer next hops than wanted, with the missing next hop
    /// and what to do, in order of prefix; the first [`FAILED_SHOWN`] of them.
    pub degraded: Vec<(Prefix, String)>,
    /// How many are degraded in all.
    pub degraded_count: usize,
    /// How many own routes were put back or put right after somebody else changed them.
    pub repaired: u64,
    /// The same by cause.
    pub repairs: drift::Repairs,
    /// Other programs' routes for the same prefixes.
    pub rivals: rivals::RivalStatus,
    /// All prefixes that are wanted and are not in the kernel as wanted.
    pub unsettled: Vec<Prefix>,
    /// Why nobody knows what the kernel has, and what to do.
    pub trouble: Option<String>,
}

/// How many refused, and how many degraded, prefixes a [`FibStatus`] lists.
pub const FAILED_SHOWN: usize = 100;
