//! All that is known of an address. Stable as JSON: fields may be added, never renamed or given another
//! meaning without a new `version`.

use std::net::IpAddr;

use rcni_control::events::Event;
use serde::{Deserialize, Serialize};

use crate::control::routes::Route;

/// The version of this shape.
pub const VERSION: u32 = 1;

/// The whole answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// [`VERSION`].
    pub version: u32,
    /// What was asked.
    pub address: IpAddr,
    /// In one sentence.
    pub verdict: Verdict,
    /// What the kernel does with a packet to it.
    pub kernel: Kernel,
    /// What BGP knows of it.
    pub bgp: Bgp,
    /// What rules do with it.
    pub rules: Rules,
}

/// What is wrong, or that nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Verdict {
    /// Nothing wrong was found.
    pub ok: bool,
    /// For people.
    pub text: String,
}

/// The kernel's side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Kernel {
    /// Why it could not be asked.
    pub trouble: Option<String>,
    /// The route that is used; null: there is none.
    pub route: Option<Used>,
    /// Why there is none: `blackhole`, `unreachable`, `prohibit`, or `no route`.
    pub refusal: Option<String>,
}

/// A route of the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Used {
    /// `10.244.2.0/24`.
    pub prefix: String,
    /// `unicast`, `local`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Who made it: `rcni`, `kernel`, `static`, `zebra`, …, or a number.
    pub protocol: String,
    /// It has rcni-bgp's protocol, metric and table.
    pub ours: bool,
    /// Its metric.
    pub metric: u32,
    /// Its table.
    pub table: u32,
    /// The preferred source.
    pub source: Option<IpAddr>,
    /// Where it leads.
    pub hops: Vec<Hop>,
}

/// One way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Hop {
    /// Null: the address itself is on the link.
    pub gateway: Option<IpAddr>,
    /// The link.
    pub link: Link,
    /// The kernel's state of the neighbour: `reachable`, `stale`, `failed`, …; null: not known to it.
    pub neighbor: Option<String>,
}

/// A link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// `eth0`.
    pub name: String,
    /// What it says of itself; of a pod's link `namespace/pod`.
    pub alias: Option<String>,
    /// Switched on.
    pub up: bool,
    /// Something comes through.
    pub carrier: bool,
    /// Bytes.
    pub mtu: u32,
}

impl Link {
    /// Of a pod of this node, by its name.
    #[must_use]
    pub fn is_of_pod(&self) -> bool {
        crate::discovery::kernel::is_pod_link(&self.name)
    }
}

/// The daemon's side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Bgp {
    /// Why it could not be asked.
    pub trouble: Option<String>,
    /// It runs in another network namespace than this command: the kernel's side is not of its node.
    pub elsewhere: bool,
    /// Every path of the most specific prefix that it knows, with what became of it.
    pub paths: Vec<Route>,
    /// What keeps that prefix out of the kernel.
    pub not_installed: Option<String>,
    /// Sessions that are down, with the causes.
    pub down: Vec<String>,
    /// How many sessions are established.
    pub established: usize,
    /// What has happened to that prefix and to the peers of its paths, the newest last.
    pub changes: Vec<Event>,
}

/// felix-lite's side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// Why it could not be asked.
    pub trouble: Option<String>,
    /// It is one of this node's pods' addresses, used or not.
    #[serde(default)]
    pub own_pod_range: bool,
    /// What rules do, for people.
    #[serde(default)]
    pub lines: Vec<String>,
    /// What of them is not in place.
    #[serde(default)]
    pub failures: Vec<String>,
}
