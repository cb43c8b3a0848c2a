//! What is wanted against what the kernel has, as another program reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use super::*;

/// Gateways of each prefix.
pub type Routes = BTreeMap<Prefix, BTreeSet<NextHop>>;

/// `ip -j` with these arguments, in the namespace of the calling thread.
pub fn shown(arguments: &str) -> Vec<Value> {
    let output = Command::new("ip")
        .arg("-j")
        .args(arguments.split(' '))
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip -j {arguments}: {complaint}");
    if output.stdout.is_empty() {
        return Vec::new();
    }
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Own routes of both families; what uses a nexthop object has its gateways.
pub fn own_routes() -> Routes {
    let objects = shown("nexthop show");
    let mut own = Routes::new();
    for family in ["-4", "-6"] {
        for route in shown(&format!("{family} route show table main proto 77")) {
            let prefix = destination(&route, family);
            let metric = route["metric"].as_u64().unwrap_or_default();
            if metric != u64::from(OWNER.metric_of(prefix)) {
                continue;
            }
            let gateways = match route["nhid"].as_u64() {
                Some(id) => of_object(&objects, id),
                None => of_route(&route),
            };
            // IPv6: `ip` may show one route in several.
            own.entry(prefix).or_default().extend(gateways);
        }
    }
    own
}

/// All that is neither ours nor the kernel's, as it is shown.
pub fn foreign_routes() -> Vec<String> {
    let mut all = Vec::new();
    for family in ["-4", "-6"] {
        for route in shown(&format!("{family} route show table all")) {
            let protocol = route["protocol"].as_str().unwrap_or_default();
            if !["77", "rcni", "kernel", "ra"].contains(&protocol) {
                all.push(route.to_string());
            }
        }
    }
    all.sort();
    all
}

fn destination(route: &Value, family: &str) -> Prefix {
    match route["dst"].as_str().unwrap() {
        "default" if family == "-4" => prefix("0.0.0.0/0"),
        "default" => prefix("::/0"),
        text => prefix(text),
    }
}

fn of_object(objects: &[Value], id: u64) -> BTreeSet<NextHop> {
    let object = objects.iter().find(|object| object["id"] == id);
    let object = object.unwrap_or_else(|| panic!("a route uses nexthop {id}, which is not there"));
    match object["group"].as_array() {
        Some(members) => members
            .iter()
            .flat_map(|member| of_object(objects, member["id"].as_u64().unwrap()))
            .collect(),
        None => of_route(object),
    }
}

fn of_route(route: &Value) -> BTreeSet<NextHop> {
    match route["nexthops"].as_array() {
        Some(several) => several.iter().filter_map(gateway).collect(),
        None => gateway(route).into_iter().collect(),
    }
}

fn gateway(value: &Value) -> Option<NextHop> {
    let address = value["gateway"]
        .as_str()
        .or_else(|| value["via"]["host"].as_str())?;
    let mut hop = hop(address);
    if matches!(hop.address, std::net::IpAddr::V6(v6) if v6.is_unicast_link_local()) {
        let name = value["dev"].as_str().unwrap();
        let index = std::fs::read_to_string(format!("/sys/class/net/{name}/ifindex"));
        hop.interface = index.ok().and_then(|text| text.trim().parse().ok());
    }
    Some(hop)
}

/// Where the two differ.
pub fn differences(wanted: &Routes, there: &Routes) -> Vec<String> {
    let prefixes: BTreeSet<_> = wanted.keys().chain(there.keys()).collect();
    let differ = prefixes
        .into_iter()
        .filter(|prefix| wanted.get(prefix) != there.get(prefix));
    differ
        .map(|prefix| {
            let (wanted, there) = (wanted.get(prefix), there.get(prefix));
            format!("{prefix}: wanted {wanted:?}, there {there:?}")
        })
        .collect()
}

/// Waits until the kernel has what is wanted, and the task says so.
pub async fn agree(fib: &Running, wanted: &Routes, within: Duration) {
    let deadline = Instant::now() + within;
    loop {
        let differences = differences(wanted, &own_routes());
        let mut status = fib.status().await;
        status.unsettled.truncate(5);
        status.failed.truncate(5);
        let quiet = status.failed_count == 0 && status.pending == 0 && status.trouble.is_none();
        if differences.is_empty() && quiet && status.installed == wanted.len() {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "no agreement within {within:?}: {} differ, such as {:#?}\n{status:#?}",
            differences.len(),
            &differences[..differences.len().min(5)],
        );
        sleep(Duration::from_millis(50)).await;
    }
}
