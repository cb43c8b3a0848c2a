//! What ADD prints, in the shape of the version that was asked for, and what it printed when the runtime
//! hands it back as `prevResult`.

mod previous;

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde_json::{Map, Value, json};

use crate::error::CniError;
use crate::naming::{HOST_MAC, gateway_for, mac_text};
use crate::netconf::{NetConf, SpecVersion};
use crate::veth::Plan;

pub use previous::{Interface, Previous};

/// What ADD made, to be told.
#[derive(Debug)]
pub struct Outcome<'a> {
    /// The wiring.
    pub plan: &'a Plan,
    /// `CNI_NETNS` as it was given.
    pub sandbox: &'a str,
    /// The delegated IPAM plugin's `dns`.
    pub ipam_dns: Option<Value>,
}

/// The result object. A `prevResult` is kept and ours is added behind it.
///
/// # Errors
/// If `prevResult` is not a result.
pub fn build(conf: &NetConf, outcome: &Outcome<'_>) -> Result<Value, CniError> {
    let mut result = previous(conf)?;
    let plan = outcome.plan;
    let interfaces = list(&mut result, "interfaces")?;
    let pod_index = interfaces.len() + 1;
    interfaces.push(interface(
        conf.version,
        &plan.host_name,
        HOST_MAC,
        plan.mtu,
        None,
    ));
    let sandbox = Some(outcome.sandbox);
    interfaces.push(interface(
        conf.version,
        &plan.pod_name,
        plan.pod_mac,
        plan.mtu,
        sandbox,
    ));
    let ips = list(&mut result, "ips")?;
    for ip in ips.iter_mut() {
        reshape(conf.version, ip)?;
    }
    for address in &plan.addresses {
        ips.push(ip(conf.version, *address, pod_index));
    }
    let routes = list(&mut result, "routes")?;
    for route in &plan.routes {
        let gateway = gateway_for(route.ip()).to_string();
        routes.push(json!({"dst": route.to_string(), "gw": gateway}));
    }
    let dns = conf
        .dns
        .clone()
        .filter(is_set)
        .or_else(|| outcome.ipam_dns.clone());
    if let Some(dns) = dns {
        result.insert("dns".into(), dns);
    }
    result.entry("dns").or_insert_with(|| json!({}));
    result.insert("cniVersion".into(), json!(conf.version.as_str()));
    Ok(Value::Object(result))
}

/// Before 0.3.0 there was one object per family and no interfaces.
fn is_old(previous: &Map<String, Value>) -> bool {
    previous.contains_key("ip4") || previous.contains_key("ip6")
}

fn previous(conf: &NetConf) -> Result<Map<String, Value>, CniError> {
    match &conf.prev_result {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(previous)) if is_old(previous) => Err(CniError::config(
            "prevResult has the shape of 0.2.0 (ip4, ip6)",
            "write 0.3.0 or newer as cniVersion in the conflist",
        )),
        Some(Value::Object(previous)) => Ok(previous.clone()),
        Some(_) => Err(bad_previous("prevResult")),
    }
}

/// Brings another plugin's address into the shape of the version that was asked for: `version` is
/// required before 1.0.0 and must not be there since.
fn reshape(version: SpecVersion, ip: &mut Value) -> Result<(), CniError> {
    let ip = ip.as_object_mut().ok_or_else(|| bad_previous("ips"))?;
    if version >= SpecVersion::V1_0_0 {
        ip.remove("version");
        return Ok(());
    }
    let address = ip.get("address").and_then(Value::as_str);
    let is_ipv6 = address.ok_or_else(|| bad_previous("ips"))?.contains(':');
    ip.insert("version".into(), json!(if is_ipv6 { "6" } else { "4" }));
    Ok(())
}

fn list<'a>(
    result: &'a mut Map<String, Value>,
    name: &str,
) -> Result<&'a mut Vec<Value>, CniError> {
    let entry = result.entry(name).or_insert_with(|| json!([]));
    if entry.is_null() {
        *entry = json!([]);
    }
    entry.as_array_mut().ok_or_else(|| bad_previous(name))
}

fn bad_previous(what: &str) -> CniError {
    CniError::config(
        format!("prevResult: {what} has the wrong type"),
        "the plugin before rcni in the chain printed this; correct or remove it",
    )
}

fn is_set(dns: &Value) -> bool {
    dns.as_object().is_some_and(|dns| !dns.is_empty())
}

fn interface(
    version: SpecVersion,
    name: &str,
    mac: [u8; 6],
    mtu: u32,
    sandbox: Option<&str>,
) -> Value {
    let mut object = Map::new();
    object.insert("name".into(), json!(name));
    object.insert("mac".into(), json!(mac_text(mac)));
    if let Some(sandbox) = sandbox {
        object.insert("sandbox".into(), json!(sandbox));
    }
    if version >= SpecVersion::V1_1_0 {
        object.insert("mtu".into(), json!(mtu));
    }
    Value::Object(object)
}

fn ip(version: SpecVersion, address: IpAddr, interface: usize) -> Value {
    let mut object = Map::new();
    if version < SpecVersion::V1_0_0 {
        let family = if address.is_ipv4() { "4" } else { "6" };
        object.insert("version".into(), json!(family));
    }
    object.insert(
        "address".into(),
        json!(IpNetwork::from(address).to_string()),
    );
    object.insert("gateway".into(), json!(gateway_for(address).to_string()));
    object.insert("interface".into(), json!(interface));
    Value::Object(object)
}
