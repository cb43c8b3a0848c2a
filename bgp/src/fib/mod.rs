//! From the Loc-RIB into the kernel's tables, and back again when somebody else changes them.
//!
//! ```text
//!   Output::Fib ---> task (owns everything here) <--- monitor (what others changed)
//!                      |            ^
//!                      v            | outcome per prefix
//!                  reconcile ---> netlink (batches, dumps) ---> kernel
//!                  (desired set     |
//!                   against ours)   message (bytes <-> routes)
//!                      |
//!                      +-- resolve: next hops -> gateways on links
//!                      +-- objects: gateways -> nexthop groups, which routes share
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
pub mod numbers;
pub mod objects;
pub mod reconcile;
pub mod resolve;
pub mod rivals;
pub mod task;
pub mod wire;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnetwork::IpNetwork;
use message::nexthop::Resilient;
use objects::Mode;
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

/// What the task is told at its start.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Marks of own routes.
    pub owner: Ownership,
    /// What routes with several gateways use.
    pub groups: Groups,
    /// Source addresses of what the node itself sends along installed routes, one a family.
    pub sources: [Option<IpAddr>; 2],
}

/// What routes with several gateways use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Groups {
    /// Nexthop groups, where the kernel has them.
    #[default]
    Auto,
    /// Groups that keep flows where they are when members change.
    Resilient(Resilient),
    /// Gateways of their own.
    Never,
}

impl Groups {
    /// What that means on this kernel.
    #[must_use]
    pub fn mode(self, has_objects: bool) -> Mode {
        match self {
            Self::Never => Mode::Multipath("spec.kernel.nextHopGroups is Never"),
            _ if !has_objects => Mode::Multipath("this kernel has no nexthop objects (Linux 5.3)"),
            Self::Auto => Mode::Groups,
            Self::Resilient(resilient) => Mode::Resilient(resilient),
        }
    }
}

impl From<Ownership> for Settings {
    fn from(owner: Ownership) -> Self {
        Self {
            owner,
            groups: Groups::Auto,
            sources: [None; 2],
        }
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
    /// route has none, is of a shape that is never made here, or names a nexthop object and the
    /// kernel does not tell what is behind it.
    pub gateways: Vec<Gateway>,
    /// `RTA_NH_ID`: the nexthop object that it uses.
    pub object: Option<u32>,
    /// `RTA_PREFSRC`.
    pub source: Option<IpAddr>,
    /// It has what own routes never have, and leads elsewhere than its gateways say or with other
    /// properties: encapsulation, a gateway that is only declared to be on the link, weights, an MTU.
    pub extras: bool,
}

impl KernelRoute {
    /// What it says about where packets go; with extras it is none that is ever wanted.
    #[must_use]
    pub fn target(&self) -> Target {
        let path = match self.object {
            _ if self.extras => Path::Hops(Arc::default()),
            Some(id) => Path::Object(id),
            None => Path::Hops(self.gateways.as_slice().into()),
        };
        Target {
            path,
            source: self.source,
        }
    }
}

/// A neighbour to which packets are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gateway {
    /// Of either family.
    pub address: IpAddr,
    /// Index of the link that it is on; 0: not known.
    pub interface: u32,
}

impl Gateway {
    /// As the speaker and people say it: the interface counts only where the address says nothing
    /// without.
    #[must_use]
    pub fn next_hop(&self) -> NextHop {
        let link_local = matches!(self.address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        NextHop {
            address: self.address,
            interface: (link_local && self.interface != 0).then_some(self.interface),
        }
    }
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Path {
    /// To these gateways, which it names itself, each with its link: the same address on another link is
    /// another gateway. Without one (only tests write such) the kernel finds it.
    Hops(Arc<[Gateway]>),
    /// To where the nexthop object with this number leads.
    Object(u32),
}

/// What is written for a prefix.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Where packets go.
    pub path: Path,
    /// The source address of what this node itself sends there (`RTA_PREFSRC`).
    pub source: Option<IpAddr>,
}

impl From<&[Gateway]> for Target {
    fn from(gateways: &[Gateway]) -> Self {
        Self {
            path: Path::Hops(gateways.into()),
            source: None,
        }
    }
}

impl Target {
    /// The gateways that the route names itself; none where it has an object.
    #[must_use]
    pub fn hops(&self) -> &[Gateway] {
        match &self.path {
            Path::Hops(hops) => hops,
            Path::Object(_) => &[],
        }
    }
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
    /// What routes with several gateways use; none where none are installed.
    pub objects: Option<ObjectsStatus>,
}

/// What routes with several gateways use, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectsStatus {
    /// `groups`, `resilient` or `multipath`.
    pub mode: &'static str,
    /// Own groups in the kernel.
    pub groups: usize,
    /// Own nexthop objects, groups among them.
    pub objects: usize,
    /// `net.ipv4.nexthop_compat_mode`: whether the kernel tells routes with their gateways, too, which
    /// makes a change of a group as slow as there are routes; none where the kernel has no such setting.
    pub compat_mode: Option<bool>,
    /// Why it is so, or what the kernel refuses.
    pub note: Option<String>,
    /// Configured as the source of what is sent along routes, and not an address of this node.
    pub missing_sources: Vec<IpAddr>,
}

/// How many refused, and how many degraded, prefixes a [`FibStatus`] lists.
pub const FAILED_SHOWN: usize = 100;
