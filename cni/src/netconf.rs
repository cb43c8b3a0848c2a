//! The network configuration on stdin: first as the runtime wrote it, then as something that cannot
//! be wrong.
//!
//! Unknown keys are accepted (runtimes pass through whatever an operator or a newer list layout put
//! there); known keys with a wrong type or value are refused. What only ADD needs, ranges and
//! requests, is looked at by ADD only: DEL must work with a configuration that became wrong since.

mod wanted;

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnetwork::IpNetwork;
use rcni_config::paths;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::error::{CniError, code};
use crate::ipam::Store;
use crate::ipam::range::{self, RangeSet, RawRange};
use crate::naming;
use crate::route;

/// The longest configuration that is read, in bytes.
pub const STDIN_MAX: usize = 16 * 1024 * 1024;
/// The IPAM type that is served here; every other one is a plugin to execute.
pub const OWN_IPAM: &str = "rcni";
/// IPv4 needs 68 bytes (RFC 791), see [`IPV6_MTU_MIN`]; a veth takes no more than 65535.
const MTU_RANGE: std::ops::RangeInclusive<u32> = 68..=65_535;

/// What every link that carries IPv6 must take, in bytes (RFC 8200 §5). The kernel does no IPv6 on
/// an interface with less.
pub const IPV6_MTU_MIN: u32 = 1280;

/// The versions of the specification that ADD and DEL speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SpecVersion {
    /// 0.3.0
    V0_3_0,
    /// 0.3.1
    V0_3_1,
    /// 0.4.0
    V0_4_0,
    /// 1.0.0
    V1_0_0,
    /// 1.1.0
    V1_1_0,
}

impl SpecVersion {
    /// All of them, oldest first.
    pub const ALL: [Self; 5] = [
        Self::V0_3_0,
        Self::V0_3_1,
        Self::V0_4_0,
        Self::V1_0_0,
        Self::V1_1_0,
    ];
    /// What VERSION announces: those whose every verb is served. 1.1.0 is not, as long as GC and
    /// STATUS are missing; ADD and DEL take it all the same.
    pub const ANNOUNCED: [Self; 4] = [Self::V0_3_0, Self::V0_3_1, Self::V0_4_0, Self::V1_0_0];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V0_3_0 => "0.3.0",
            Self::V0_3_1 => "0.3.1",
            Self::V0_4_0 => "0.4.0",
            Self::V1_0_0 => "1.0.0",
            Self::V1_1_0 => "1.1.0",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == text)
    }
}

impl fmt::Display for SpecVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The configuration as it was written: only what is used, everything else is passed over.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawNetConf {
    cni_version: Option<String>,
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    mtu: Option<u32>,
    ipam: Option<Value>,
    dns: Option<Value>,
    prev_result: Option<Value>,
    runtime_config: Option<Value>,
    args: Option<Value>,
    plugins: Option<IgnoredAny>,
}

/// A configuration that can be worked with.
#[derive(Debug)]
pub struct NetConf {
    /// In which the result is written.
    pub version: SpecVersion,
    /// The network's name: an identifier, safe in a path.
    pub name: String,
    /// If configured, in bytes.
    pub mtu: Option<u32>,
    /// Who gives out addresses.
    pub ipam: Ipam,
    /// Passed on to the result.
    pub dns: Option<Value>,
    /// The result of the plugins before this one.
    pub prev_result: Option<Value>,
    runtime_config: Option<Value>,
    args: Option<Value>,
}

/// Who gives out addresses.
#[derive(Debug)]
pub enum Ipam {
    /// This plugin.
    Own(OwnIpam),
    /// Another plugin of that name.
    Delegate(String),
    /// Nobody: ADD refuses that.
    Absent,
}

/// Our own address management, as configured.
#[derive(Debug)]
pub struct OwnIpam {
    /// Where the reservations are.
    pub store: Store,
    raw: Value,
}

/// The part of [`OwnIpam`] that only ADD needs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawOwnIpam {
    ranges: Option<Vec<Vec<RawRange>>>,
    /// host-local's old form, one range at the top.
    #[serde(flatten)]
    single: RawRange,
    routes: Option<Vec<RawRoute>>,
}

#[derive(Debug, Deserialize)]
struct RawRoute {
    dst: String,
    gw: Option<String>,
}

/// What ADD works with.
#[derive(Debug)]
pub struct Pool {
    /// One address from each.
    pub sets: Vec<RangeSet>,
    /// Where the pod's routes lead.
    pub routes: Vec<IpNetwork>,
}

/// Reads a configuration.
///
/// # Errors
/// Codes 1 (version), 5 (nothing there), 6 (not JSON), 7 (content).
pub fn parse(stdin: &[u8]) -> Result<NetConf, CniError> {
    let raw: RawNetConf = decode(stdin)?;
    let version = version(raw.cni_version.as_deref())?;
    if raw.plugins.is_some() {
        return Err(CniError::config(
            "the configuration is a list (it has \"plugins\")",
            "a runtime passes one plugin's entry with the list's name and cniVersion; pass that",
        ));
    }
    let name = raw.name.unwrap_or_default();
    naming::check_identifier(&name).map_err(|error| {
        CniError::config(format!("name: {error}"), "correct \"name\" in the conflist")
    })?;
    plugin_name("type", raw.kind.as_deref())?;
    let mtu = raw.mtu.filter(|mtu| *mtu != 0);
    if let Some(mtu) = mtu.filter(|mtu| !MTU_RANGE.contains(mtu)) {
        return Err(CniError::config(
            format!("mtu {mtu} is out of range"),
            "write 68 (with IPv6 1280) to 65535, or leave mtu out to follow the uplinks",
        ));
    }
    Ok(NetConf {
        version,
        ipam: ipam(raw.ipam, &name)?,
        name,
        mtu,
        dns: raw.dns,
        prev_result: raw.prev_result,
        runtime_config: raw.runtime_config,
        args: raw.args,
    })
}

/// The `cniVersion` as it was written, if it can be read at all: for VERSION and for errors.
#[must_use]
pub fn peek_version(stdin: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct OnlyVersion {
        #[serde(rename = "cniVersion")]
        cni_version: String,
    }
    serde_json::from_slice::<OnlyVersion>(stdin)
        .ok()
        .map(|only| only.cni_version)
}

/// Whether this is a JSON object at all.
///
/// # Errors
/// Codes 5 and 6.
pub fn check_object(stdin: &[u8]) -> Result<(), CniError> {
    #[derive(Deserialize)]
    struct Anything {}
    decode::<Anything>(stdin).map(drop)
}

fn decode<'a, T: Deserialize<'a>>(stdin: &'a [u8]) -> Result<T, CniError> {
    let first = stdin.iter().find(|byte| !byte.is_ascii_whitespace());
    match first {
        None => {
            return Err(CniError::new(
                code::IO,
                "no network configuration on stdin",
                "pass one plugin's configuration as JSON on stdin",
            ));
        }
        Some(b'{') => {}
        Some(_) => {
            return Err(CniError::new(
                code::DECODE,
                "the configuration on stdin is not a JSON object",
                "pass one plugin's configuration as JSON on stdin",
            ));
        }
    }
    serde_json::from_slice(stdin).map_err(|error| {
        let code = if error.is_data() {
            code::INVALID_CONFIG
        } else {
            code::DECODE
        };
        CniError::new(
            code,
            format!("the configuration on stdin cannot be read: {error}"),
            "correct the conflist at the place named (line and column are those of the plugin's entry)",
        )
    })
}

fn version(text: Option<&str>) -> Result<SpecVersion, CniError> {
    let known = SpecVersion::ALL.map(SpecVersion::as_str).join(", ");
    text.and_then(SpecVersion::parse).ok_or_else(|| {
        CniError::new(
            code::INCOMPATIBLE_VERSION,
            match text {
                Some(text) => format!("cniVersion {text:?} is not supported"),
                None => "cniVersion is missing (which means 0.2.0 or older)".to_owned(),
            },
            format!("write one of {known}"),
        )
    })
}

/// A plugin's name goes into a path that is executed.
fn plugin_name(field: &str, name: Option<&str>) -> Result<String, CniError> {
    let name = name.unwrap_or_default();
    let bad = |c: char| c == '/' || c == '\0' || c.is_control();
    if name.is_empty() || name == "." || name == ".." || name.contains(bad) {
        return Err(CniError::config(
            format!("{field} {name:?} is not a plugin's name"),
            format!("write the file name of a plugin in \"{field}\", without a path"),
        ));
    }
    Ok(name.to_owned())
}

fn ipam(raw: Option<Value>, network: &str) -> Result<Ipam, CniError> {
    let Some(raw) = raw.filter(|raw| !raw.is_null()) else {
        return Ok(Ipam::Absent);
    };
    if !raw.is_object() {
        return Err(CniError::config(
            "ipam is not an object",
            "write \"ipam\": {\"type\": \"rcni\", \"ranges\": [[{\"subnet\": \"…\"}]]}",
        ));
    }
    let kind = plugin_name("ipam.type", raw.get("type").and_then(Value::as_str))?;
    if kind != OWN_IPAM {
        return Ok(Ipam::Delegate(kind));
    }
    let data_dir = match raw.get("dataDir") {
        None | Some(Value::Null) => PathBuf::from(paths::CNI_DATA_DIR),
        Some(Value::String(path)) if path.is_empty() => PathBuf::from(paths::CNI_DATA_DIR),
        Some(Value::String(path)) if Path::new(path).is_absolute() => PathBuf::from(path),
        Some(other) => {
            return Err(CniError::config(
                format!("ipam.dataDir {other} is not an absolute path"),
                "write an absolute path, or leave dataDir out",
            ));
        }
    };
    Ok(Ipam::Own(OwnIpam {
        store: Store::new(&data_dir, network),
        raw,
    }))
}

impl OwnIpam {
    /// The ranges and routes, for ADD.
    ///
    /// # Errors
    /// Code 7 naming the field; code 2 for a route by another gateway.
    pub fn pool(&self) -> Result<Pool, CniError> {
        let wrong = |reason: String| {
            CniError::config(
                format!("ipam: {reason}"),
                "correct \"ipam\" in the conflist, as in \
                 {\"type\": \"rcni\", \"ranges\": [[{\"subnet\": \"10.244.1.0/24\"}]]}",
            )
        };
        let raw: RawOwnIpam =
            serde_json::from_value(self.raw.clone()).map_err(|error| wrong(error.to_string()))?;
        let mut ranges = raw.ranges.unwrap_or_default();
        if raw.single.subnet.is_some() {
            ranges.insert(0, vec![raw.single]);
        }
        let sets = range::resolve(&ranges).map_err(|error| wrong(format!("ranges: {error}")))?;
        Ok(Pool {
            routes: routes(raw.routes, Families::of_sets(&sets))?,
            sets,
        })
    }
}

/// The families in which a pod has addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Families {
    /// It has an IPv4 address.
    pub ipv4: bool,
    /// It has an IPv6 address.
    pub ipv6: bool,
}

impl Families {
    /// Of these addresses.
    #[must_use]
    pub fn of(addresses: &[IpAddr]) -> Self {
        Self {
            ipv4: addresses.iter().any(IpAddr::is_ipv4),
            ipv6: addresses.iter().any(IpAddr::is_ipv6),
        }
    }

    fn of_sets(sets: &[RangeSet]) -> Self {
        Self {
            ipv4: sets.iter().any(RangeSet::is_ipv4),
            ipv6: !sets.iter().all(RangeSet::is_ipv4),
        }
    }

    /// Whether a route or an address is of one of them.
    #[must_use]
    pub fn cover(self, network: &IpNetwork) -> bool {
        if network.is_ipv4() {
            self.ipv4
        } else {
            self.ipv6
        }
    }

    /// The default routes of these families.
    #[must_use]
    pub fn default_routes(self) -> Vec<IpNetwork> {
        route::DEFAULTS
            .into_iter()
            .filter(|network| self.cover(network))
            .collect()
    }
}

/// Each once, in their order. Routes of a family all go through the same gateway, so that a repeated one
/// says nothing new, and the kernel would refuse it.
pub fn without_doubles<T: Copy + Eq + Hash>(list: &[T]) -> Vec<T> {
    let mut seen = HashSet::new();
    let all = list.iter().copied();
    all.filter(|item| seen.insert(*item)).collect()
}

/// The default routes unless routes are named; an empty list means none.
fn routes(raw: Option<Vec<RawRoute>>, families: Families) -> Result<Vec<IpNetwork>, CniError> {
    let Some(raw) = raw else {
        return Ok(families.default_routes());
    };
    let all = raw
        .iter()
        .map(|route| {
            let to = route_destination(&route.dst)?;
            let gateway = naming::gateway_for(to.ip());
            let named = route.gw.as_deref().filter(|gw| !gw.is_empty());
            if let Some(named) = named.filter(|named| named.parse() != Ok(gateway)) {
                return Err(CniError::unsupported(
                    format!("ipam.routes gw {named:?}"),
                    format!("leave gw out: every such route of a pod goes through {gateway}"),
                ));
            }
            if !families.cover(&to) {
                return Err(CniError::config(
                    format!("ipam.routes: no address of that family is given for dst {to}"),
                    "take the route out, or add a range set of its family to ipam.ranges",
                ));
            }
            Ok(to)
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(without_doubles(&all))
}

/// Reads a route's destination.
///
/// # Errors
/// Code 7.
pub fn route_destination(text: &str) -> Result<IpNetwork, CniError> {
    let network: IpNetwork = text.parse().map_err(|_| {
        CniError::config(
            format!("routes: dst {text:?} is not a network"),
            "write it as 0.0.0.0/0, 10.0.0.0/8 or ::/0",
        )
    })?;
    // Host bits would be refused by the kernel; host-local's users write them now and then.
    Ok(IpNetwork::new(network.network(), network.prefix()).unwrap_or(network))
}

#[cfg(test)]
mod tests;
