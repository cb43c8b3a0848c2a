//! `prevResult`, as CHECK needs it: the chain's final result, in any version from 0.3.0 on. All have
//! the same keys; those that only some have (`ips[].version`, `interfaces[].mtu`) are passed over.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::Deserialize;
use serde_json::Value;

use crate::error::CniError;

/// A result, read back.
#[derive(Debug, Deserialize)]
pub struct Previous {
    #[serde(default)]
    interfaces: Option<Vec<Interface>>,
    #[serde(default)]
    ips: Option<Vec<Ip>>,
    #[serde(default)]
    routes: Option<Vec<Route>>,
}

/// One of its interfaces.
#[derive(Clone, Debug, Deserialize)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its MAC address, or empty.
    #[serde(default)]
    pub mac: String,
    /// `CNI_NETNS` of the pod, or empty for one on the host.
    #[serde(default)]
    pub sandbox: String,
}

#[derive(Debug, Deserialize)]
struct Ip {
    address: IpNetwork,
    interface: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Route {
    dst: IpNetwork,
    gw: Option<IpAddr>,
}

impl Previous {
    /// Reads it.
    ///
    /// # Errors
    /// Code 7 if it is missing or no result.
    pub fn parse(raw: Option<&Value>) -> Result<Self, CniError> {
        let refuse = |reason: String| {
            CniError::config(
                format!("prevResult {reason}"),
                "CHECK needs the result of ADD: the runtime must pass it",
            )
        };
        match raw {
            None | Some(Value::Null) => Err(refuse("is missing".into())),
            Some(raw) => Self::deserialize(raw)
                .map_err(|error| refuse(format!("is not a result of ADD: {error}"))),
        }
    }

    /// The interface of that name in the pod, or on the host.
    #[must_use]
    pub fn interface(&self, name: &str, in_pod: bool) -> Option<&Interface> {
        self.interfaces
            .iter()
            .flatten()
            .find(|interface| interface.name == name && interface.sandbox.is_empty() != in_pod)
    }

    /// The addresses of an interface in the pod, with their prefix lengths. One that names no interface
    /// is of the only one there is.
    #[must_use]
    pub fn addresses(&self, ifname: &str) -> Vec<IpNetwork> {
        let interfaces = self.interfaces.as_deref().unwrap_or_default();
        let mut in_pod = interfaces.iter().filter(|one| !one.sandbox.is_empty());
        let only = in_pod.next().filter(|_| in_pod.next().is_none());
        let interface_of = |ip: &Ip| match ip.interface.map(usize::try_from) {
            Some(Ok(index)) => interfaces.get(index),
            Some(Err(_)) | None => only,
        };
        self.ips
            .iter()
            .flatten()
            .filter(|ip| {
                interface_of(ip).is_some_and(|interface| {
                    interface.name == ifname && !interface.sandbox.is_empty()
                })
            })
            .map(|ip| ip.address)
            .collect()
    }

    /// Where the routes lead that go through the gateway that `gateway_for` names for their family.
    pub fn routes_by(&self, gateway_for: impl Fn(IpAddr) -> IpAddr) -> Vec<IpNetwork> {
        self.routes
            .iter()
            .flatten()
            .filter(|route| route.gw == Some(gateway_for(route.dst.ip())))
            .map(|route| route.dst)
            .collect()
    }
}
