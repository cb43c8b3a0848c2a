//! What the kernel has, told so that it does not matter how: next hops in a route, or in an object
//! or group that the route names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::common::Namespace;

/// Gateways by prefix; default routes are `default -4` and `default -6`.
pub(crate) type Routes = BTreeMap<String, BTreeSet<String>>;

pub(crate) const FAMILIES: [&str; 2] = ["-4", "-6"];

fn json(namespace: &Namespace, arguments: &str) -> Vec<Value> {
    let text = namespace.ip(arguments);
    match text.trim() {
        "" => vec![],
        text => serde_json::from_str(text).unwrap(),
    }
}

/// Own routes with the gateways that work.
pub(crate) fn ours(namespace: &Namespace) -> Routes {
    let mut routes = Routes::new();
    for family in FAMILIES {
        let shown = format!("-j -d {family} route show table main proto 77");
        for route in json(namespace, &shown) {
            let metric = route["metric"].as_u64().unwrap();
            let (name, own) = match route["dst"].as_str().unwrap() {
                "default" => (format!("default {family}"), 20_077),
                prefix => (prefix.to_owned(), 77),
            };
            if metric == own || (own == 20_077 && metric < own) {
                let hops = gateways(namespace, &route);
                assert!(routes.insert(name, hops).is_none(), "twice: {route}");
            }
        }
    }
    routes
}

fn gateways(namespace: &Namespace, route: &Value) -> BTreeSet<String> {
    if let Some(hops) = route["nexthops"].as_array() {
        return hops.iter().filter_map(gateway).collect();
    }
    if let Some(only) = gateway(route) {
        return [only].into();
    }
    route["nhid"]
        .as_u64()
        .map(|id| object(namespace, id))
        .unwrap_or_default()
}

/// Of a nexthop object, or of the members of a group. One that goes at this moment has none.
fn object(namespace: &Namespace, id: u64) -> BTreeSet<String> {
    let all = json(namespace, "-j nexthop show");
    let Some(found) = all.iter().find(|object| object["id"] == id) else {
        return BTreeSet::new();
    };
    match found["group"].as_array() {
        Some(members) => {
            let ids = members.iter().filter_map(|member| member["id"].as_u64());
            ids.flat_map(|id| object(namespace, id)).collect()
        }
        None => gateway(found).into_iter().collect(),
    }
}

fn gateway(hop: &Value) -> Option<String> {
    let useless = ["dead", "linkdown"].map(Value::from);
    let flags = hop["flags"].as_array();
    if flags.is_some_and(|flags| flags.iter().any(|flag| useless.contains(flag))) {
        return None;
    }
    let address = hop["gateway"].as_str().or(hop["via"]["host"].as_str());
    address.map(str::to_owned)
}

/// Every route of the main table that is neither ours nor the kernel's, line by line.
pub(crate) fn others(namespace: &Namespace) -> Vec<String> {
    let mut lines = Vec::new();
    for family in FAMILIES {
        let text = namespace.ip(&format!("-d -o {family} route show table main"));
        let strange =
            |line: &&str| !line.contains(" proto 77 ") && !line.contains(" proto kernel ");
        lines.extend(text.lines().filter(strange).map(str::to_owned));
    }
    lines
}
