//! Neighbours that are found on links: daemons in namespaces whose links have no address of their own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, also in its helpers"
)]

mod accepts;
#[path = "../common/mod.rs"]
mod common;
mod found;
mod hostile;
mod waiting;

use std::time::{Duration, Instant};

use common::Namespace;
use serde_json::Value;

/// A namespace whose links can be used as soon as they are up.
fn namespace() -> Namespace {
    let namespace = Namespace::new();
    namespace.set("net.ipv6.conf.default.accept_dad", 0);
    namespace.set("net.ipv6.conf.all.forwarding", 1);
    namespace.set("net.ipv4.ip_forward", 1);
    namespace
}

/// Joins two by a link with the given names, and sets both ends up.
fn join(one: (&Namespace, &str), other: (&Namespace, &str)) {
    one.0.ip(&format!(
        "link add {} type veth peer name {} netns {}",
        one.1,
        other.1,
        other.0.pid()
    ));
    for (namespace, link) in [one, other] {
        namespace.ip(&format!("link set {link} up"));
    }
}

/// Two of them, joined by `eth0` at both ends.
fn two() -> (Namespace, Namespace) {
    let (a, b) = (namespace(), namespace());
    join((&a, "eth0"), (&b, "eth0"));
    (a, b)
}

/// The link-local address of a link, once it has one.
fn link_local(namespace: &Namespace, link: &str) -> String {
    common::wait("a link-local address", || {
        let said = namespace.ip(&format!("-6 -o address show dev {link} scope link"));
        let mut address = said.split_whitespace().skip_while(|word| *word != "inet6");
        let address = address.nth(1)?;
        Some(address.split('/').next()?.to_owned())
    })
}

/// Gives a link this address and no other.
fn only_address(namespace: &Namespace, link: &str, address: &str) {
    namespace.ip(&format!("link set {link} addrgenmode none"));
    namespace.ip(&format!("-6 address flush dev {link}"));
    namespace.ip(&format!("address add {address}/64 dev {link} nodad"));
}

/// A speaker that takes everything, and announces 10.244.N.0/24 and fd00:10:244:N::/64.
fn config(number: u8, peer: &str) -> String {
    format!(
        "apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {{name: default}}
spec:
  asNumber: 6500{number}
  routerID: 10.255.0.{number}
  networks: [{{cidr: 10.244.{number}.0/24}}, {{cidr: 'fd00:10:244:{number}::/64'}}]
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {{name: other}}
spec: {{{peer}, asNumber: external, connectRetrySeconds: 1, filters: [all]}}
{}",
        common::FILTER_ALL
    )
}

/// For what takes its time: a router that falls silent.
fn wait_long<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn state(json: &Value) -> &str {
    json["links"][0]["state"].as_str().unwrap_or_default()
}

fn notes(json: &Value) -> String {
    json["links"][0]["notes"].to_string()
}
