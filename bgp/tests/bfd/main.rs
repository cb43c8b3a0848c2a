//! BFD over real sockets: two daemons, and one with a scripted peer that says what it should not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, also in its helpers"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../overload/peer.rs"]
#[allow(dead_code, clippy::indexing_slicing, reason = "of another test")]
mod feed;

mod hostile;
mod load;
mod two;

use common::{Daemon, wait};
use serde_json::Value;

/// The file of a speaker with one peer (YAML flow items); `times` of its BFDProfile.
fn config(asn: u32, peer: &str, times: &str, networks: &str) -> String {
    let retry = match peer.contains("peerRange") {
        true => "",
        false => ", connectRetrySeconds: 1",
    };
    format!(
        "apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {{name: default}}
spec: {{asNumber: {asn}, routerID: 10.0.0.{}, networks: [{networks}]}}
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {{name: other}}
spec: {{{peer}, bfdProfile: fast{retry}, filters: [all]}}
---
apiVersion: rcni.io/v1alpha1
kind: BFDProfile
metadata: {{name: fast}}
spec: {{{times}}}
---
apiVersion: rcni.io/v1alpha1
kind: BGPFilter
metadata: {{name: all}}
spec: {{importV4: [{{action: Accept}}]}}
",
        asn % 100
    )
}

fn times(millis: u32) -> String {
    format!("transmitIntervalMilliseconds: {millis}, receiveIntervalMilliseconds: {millis}")
}

/// The first peer.
fn peer(daemon: &Daemon) -> Option<Value> {
    Some(daemon.json()?["peers"][0].clone())
}

/// Waits until its BFD is as `is_it` says.
fn wait_bfd(daemon: &Daemon, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    wait(what, || {
        let bfd = peer(daemon)?["bfd"].clone();
        is_it(&bfd).then_some(bfd)
    })
}

fn wait_up(daemon: &Daemon) -> Value {
    wait_bfd(daemon, "BFD is up", |bfd| bfd["state"] == "Up")
}
