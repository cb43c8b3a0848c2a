//! The kernel's side of a status.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::fib::drift::{Cause, Repairs};
use crate::fib::rivals::{self, Effect, Foreign, RivalStatus};
use crate::fib::{FibStatus, ObjectsStatus, Ownership, Prefix};

/// The kernel's side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Kernel {
    /// Own route protocol number.
    pub protocol: u8,
    /// Own metric.
    pub metric: u32,
    /// Own table.
    pub table: u32,
    /// Whether routes are installed at all.
    pub install: bool,
    /// Wanted and there.
    pub installed: usize,
    /// Adopted from an earlier run and not learned again yet.
    pub stale: usize,
    /// About to be written.
    pub pending: usize,
    /// How many are in `failed`, or would be if it were not cut off.
    pub failed_count: usize,
    /// Refused, and tried again from time to time; the first hundred.
    pub failed: Vec<Failed>,
    /// How many are in `degraded`, or would be if it were not cut off.
    #[serde(default)]
    pub degraded_count: usize,
    /// Installed, but without some of their next hops; the first hundred.
    #[serde(default)]
    pub degraded: Vec<Failed>,
    /// Why nobody knows what the kernel has, and what is done about it.
    #[serde(default)]
    pub trouble: Option<String>,
    /// What routes with several next hops use; null where none are installed.
    #[serde(default)]
    pub next_hops: Option<NextHops>,
    /// What other programs do.
    #[serde(flatten)]
    pub others: Others,
}

/// What routes with several next hops use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct NextHops {
    /// `groups`: nexthop groups, shared by routes; `resilient`: such that keep flows where they are;
    /// `multipath`: gateways of their own.
    pub mode: String,
    /// Own groups in the kernel.
    pub groups: usize,
    /// Own nexthop objects, groups among them.
    pub objects: usize,
    /// `net.ipv4.nexthop_compat_mode`; null where this kernel has no such setting.
    pub compat_mode: Option<bool>,
    /// Why it is so, or what the kernel refuses.
    pub note: Option<String>,
    /// Those of `spec.nodeAddresses` that this node does not have: routes come without a source.
    #[serde(default)]
    pub missing_node_addresses: Vec<IpAddr>,
}

impl From<ObjectsStatus> for NextHops {
    fn from(status: ObjectsStatus) -> Self {
        Self {
            mode: status.mode.to_owned(),
            groups: status.groups,
            objects: status.objects,
            compat_mode: status.compat_mode,
            note: status.note,
            missing_node_addresses: status.missing_sources,
        }
    }
}

/// What other programs do to own routes, and beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Others {
    /// Own routes that were put back or put right after somebody else changed them, since the start.
    pub repaired: u64,
    /// The same by cause.
    #[serde(default)]
    pub repaired_by: RepairedBy,
    /// Own metric of default routes.
    #[serde(default)]
    pub default_route_metric: u32,
    /// How many are in `foreign`, or would be if it were not cut off.
    #[serde(default)]
    pub foreign_count: usize,
    /// Other programs' routes in the own table for prefixes that are ours, too: default routes
    /// first, then by effect; the first hundred.
    #[serde(default)]
    pub foreign: Vec<ForeignRoute>,
}

/// How often own routes were put back or put right, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RepairedBy {
    /// Another program deleted it.
    pub deleted: u64,
    /// Another program changed it, or put its own in its place.
    pub changed: u64,
    /// It went with a link or an address.
    pub link: u64,
    /// Found by a look at all routes, without a word before.
    pub audit: u64,
}

impl From<Repairs> for RepairedBy {
    fn from(repairs: Repairs) -> Self {
        Self {
            deleted: repairs.of(Cause::Deleted),
            changed: repairs.of(Cause::Changed),
            link: repairs.of(Cause::Link),
            audit: repairs.of(Cause::Audit),
        }
    }
}

/// A route of another program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ForeignRoute {
    /// Which.
    pub prefix: String,
    /// Its protocol number.
    pub protocol: u8,
    /// The protocol's usual name; null if there is none.
    pub protocol_name: Option<String>,
    /// `unicast`, `blackhole`, `unreachable`, `prohibit`, …; the number if that is not known.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its metric.
    pub metric: u32,
    /// Its table, which is ours.
    pub table: u32,
    /// `preferred`: traffic follows it and not ours. `in the way`: ours cannot be created.
    /// `beside`: ours is used.
    pub effect: String,
}

impl ForeignRoute {
    fn new((route, effect): (Foreign, Effect), owner: &Ownership) -> Self {
        let kind = rivals::kind_name(route.kind);
        Self {
            prefix: route.prefix.to_string(),
            protocol: route.protocol,
            protocol_name: rivals::protocol_name(route.protocol).map(str::to_owned),
            kind: kind.map_or_else(|| route.kind.to_string(), str::to_owned),
            metric: route.metric,
            table: owner.table,
            effect: effect.to_string(),
        }
    }

    /// `zebra`, or `protocol 200`.
    #[must_use]
    pub fn whose(&self) -> String {
        let name = self.protocol_name.clone();
        name.unwrap_or_else(|| format!("protocol {}", self.protocol))
    }

    /// Whether it is a default route.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.prefix.ends_with("/0")
    }
}

/// A route that is not in the kernel, or not as BGP has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Failed {
    /// Which.
    pub prefix: String,
    /// Why.
    pub reason: String,
}

impl Kernel {
    pub(super) fn new(fib: FibStatus, owner: &Ownership, install: bool) -> Self {
        Self {
            protocol: owner.protocol,
            metric: owner.metric,
            table: owner.table,
            install,
            installed: fib.installed,
            stale: fib.stale,
            pending: fib.pending,
            failed_count: fib.failed_count,
            failed: listed(fib.failed),
            degraded_count: fib.degraded_count,
            degraded: listed(fib.degraded),
            trouble: fib.trouble,
            next_hops: fib.objects.map(NextHops::from),
            others: Others::new(fib.repaired, fib.repairs, fib.rivals, owner),
        }
    }
}

impl Others {
    fn new(repaired: u64, repairs: Repairs, rivals: RivalStatus, owner: &Ownership) -> Self {
        let foreign = rivals.listed.into_iter();
        Self {
            repaired,
            repaired_by: repairs.into(),
            default_route_metric: owner.default_route_metric,
            foreign_count: rivals.counts.iter().sum(),
            foreign: foreign
                .map(|rival| ForeignRoute::new(rival, owner))
                .collect(),
        }
    }
}

fn listed(routes: Vec<(Prefix, String)>) -> Vec<Failed> {
    let told = |(prefix, reason): (Prefix, String)| Failed {
        prefix: prefix.to_string(),
        reason,
    };
    routes.into_iter().map(told).collect()
}
