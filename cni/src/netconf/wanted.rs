//! What the pod asks for itself: addresses and a MAC address.

use std::net::IpAddr;

use serde_json::Value;

use super::NetConf;
use crate::error::CniError;
use crate::naming::HOST_MAC;

impl NetConf {
    /// The addresses that the pod asks for, of either family: `runtimeConfig.ips`, else
    /// `args.cni.ips`, else `CNI_ARGS`' `IP` (several with commas between them).
    ///
    /// # Errors
    /// Code 7 if one is not an address.
    pub fn wanted_addresses(&self, cni_args_ip: Option<&str>) -> Result<Vec<IpAddr>, CniError> {
        let listed = |value: Option<&Value>| {
            value
                .and_then(Value::as_array)
                .filter(|list| !list.is_empty())
                .map(|list| {
                    list.iter()
                        .map(|item| item.as_str().unwrap_or_default().to_owned())
                        .collect::<Vec<_>>()
                })
        };
        let from_runtime = listed(self.runtime_config.as_ref().and_then(|v| v.get("ips")));
        let from_args = listed(self.args.as_ref().and_then(|v| v.pointer("/cni/ips")));
        let from_environment = cni_args_ip.map(|ips| ips.split(',').map(str::to_owned).collect());
        from_runtime
            .or(from_args)
            .or(from_environment)
            .unwrap_or_default()
            .iter()
            .map(|text| {
                let address = text.split_once('/').map_or(text.as_str(), |(ip, _)| ip);
                // A mapped address is the IPv4 address that it stands for.
                let parsed = address.trim().parse().map(|ip: IpAddr| ip.to_canonical());
                parsed.map_err(|_| {
                    CniError::config(
                        format!("the requested address {text:?} is not an IP address"),
                        "correct ips in runtimeConfig or args.cni, or IP in CNI_ARGS",
                    )
                })
            })
            .collect()
    }

    /// The MAC address that the pod asks for: `runtimeConfig.mac`, else `CNI_ARGS`' `MAC`.
    ///
    /// # Errors
    /// Code 7 if it is no MAC address, or one that no pod can have.
    pub fn wanted_mac(&self, cni_args_mac: Option<&str>) -> Result<Option<[u8; 6]>, CniError> {
        let from_runtime = self
            .runtime_config
            .as_ref()
            .and_then(|value| value.get("mac"))
            .and_then(Value::as_str)
            .filter(|mac| !mac.is_empty());
        let Some(text) = from_runtime.or(cni_args_mac) else {
            return Ok(None);
        };
        parse_mac(text).map(Some).map_err(|reason| {
            CniError::config(
                format!("the requested MAC address {text:?} {reason}"),
                "write one like 02:00:00:00:00:01 in runtimeConfig.mac, or MAC in CNI_ARGS, or none",
            )
        })
    }
}

/// Reads a MAC address that a pod can have; else says what it is.
pub(super) fn parse_mac(text: &str) -> Result<[u8; 6], &'static str> {
    let mac =
        six_bytes(text).ok_or("is not six bytes in hexadecimal with ':' or '-' between them")?;
    match mac {
        [0, 0, 0, 0, 0, 0] => Err("is all zeros, which no interface can have"),
        [first, ..] if first & 1 != 0 => Err("is a multicast address, not a unicast one"),
        HOST_MAC => Err("is the one of the node's end, the pod's gateway"),
        _ => Ok(mac),
    }
}

fn six_bytes(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split([':', '-']);
    for byte in &mut mac {
        // Digits only: `from_str_radix` would also take "+2".
        let digits = |part: &&str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
        let part = parts.next().filter(|part| part.len() == 2).filter(digits)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}
