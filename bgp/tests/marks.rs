//! What a start finds of the runs before. `spec.kernel` changes: what was installed with the marks of before
//! goes when what has the new ones is there, and nothing of others does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, also in its helpers"
)]

mod common;

use common::{Daemon, Namespace, PROGRAM, pair, wait};
use rustix::process::Signal;

fn config(asn: u32, own: u8, other: u8, peer_asn: u32, networks: &str, kernel: &str) -> String {
    format!(
        "apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {{name: default}}
spec: {{asNumber: {asn}, routerID: 10.0.0.{own}, networks: [{networks}], kernel: {{{kernel}}}}}
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {{name: other}}
spec: {{peerIP: 10.0.0.{other}, asNumber: {peer_asn}, connectRetrySeconds: 1, filters: [all]}}
---
apiVersion: rcni.io/v1alpha1
kind: BGPFilter
metadata: {{name: all}}
spec:
  importV4: [{{action: Accept}}]
  importV6: [{{action: Accept}}]
"
    )
}

const OTHER: &str = "{cidr: 10.244.2.0/24}, {cidr: 0.0.0.0/0}, {cidr: \"fd00:2::/64\"}";

/// Prefix and metric of each route of protocol 77, 78 or static.
fn routes(namespace: &Namespace) -> Vec<String> {
    let mut found = Vec::new();
    for family in ["-4", "-6"] {
        for protocol in ["77", "78", "static"] {
            let text = namespace.ip(&format!(
                "-o {family} route show table all proto {protocol}"
            ));
            for line in text.lines() {
                let words: Vec<&str> = line.split_whitespace().collect();
                let after = |name| {
                    let at = words.iter().position(|word| *word == name)?;
                    words.get(at + 1).copied()
                };
                let metric = after("metric").unwrap_or("0");
                found.push(format!("{protocol} {} {metric}", words[0]));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn routes_with_the_marks_of_before_go_when_the_new_ones_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = pair();
    for (namespace, address) in [(&a, "fd00::1/64"), (&b, "fd00::2/64")] {
        namespace.ip(&format!("address add {address} dev eth0 nodad"));
    }
    let _right = Daemon::start(
        &b,
        folder.path(),
        "b",
        &config(65002, 2, 1, 65001, OTHER, ""),
    );
    // Others', at the same places or with nearly the same marks.
    let foreign = [
        "route add 10.9.0.0/16 via 10.0.0.2 proto static metric 77",
        "route add 10.244.2.0/24 via 10.0.0.2 proto static metric 78",
        "route add 10.10.0.0/16 via 10.0.0.2 proto 77 metric 80",
    ];
    foreign.iter().for_each(|line| drop(a.ip(line)));
    let others = [
        "77 10.10.0.0/16 80",
        "static 10.244.2.0/24 78",
        "static 10.9.0.0/16 77",
    ];
    let is = |protocol: &str, metric: &str, default: &str| {
        let mut wanted: Vec<String> = others.iter().map(ToString::to_string).collect();
        if !protocol.is_empty() {
            wanted.push(format!("{protocol} 10.244.2.0/24 {metric}"));
            wanted.push(format!("{protocol} default {default}"));
            wanted.push(format!("{protocol} fd00:2::/64 {metric}"));
        }
        wanted.sort();
        wait(&format!("routes of {protocol} {metric}"), || {
            let found = routes(&a);
            (found == wanted).then_some(())
        });
    };
    let start = |kernel: &str| {
        let text = config(65001, 1, 2, 65002, "{cidr: 10.244.1.0/24}", kernel);
        Daemon::start(&a, folder.path(), "a", &text)
    };
    let mut daemon = start("");
    is("77", "77", "20077");
    for (kernel, protocol, metric, default) in [
        ("metric: 99", "77", "99", "20077"),
        ("metric: 99, defaultRouteMetric: 555", "77", "99", "555"),
        // Where the old ones stand in the way of the new ones.
        (
            "protocol: 78, metric: 99, defaultRouteMetric: 555",
            "78",
            "99",
            "555",
        ),
        ("", "77", "77", "20077"),
        ("install: false", "", "", ""),
        ("", "77", "77", "20077"),
    ] {
        daemon.signal(Signal::KILL);
        daemon.ended();
        daemon = start(kernel);
        is(protocol, metric, default);
    }
    assert!(!daemon.log().contains("cannot remove"), "{}", daemon.log());
}

/// Killed before its own routes are there, and then no start but an uninstallation.
#[test]
fn clean_knows_the_marks_of_before() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = pair();
    let start = |kernel: &str| {
        let text = config(65001, 1, 2, 65002, "{cidr: 10.244.1.0/24}", kernel);
        Daemon::start(&a, folder.path(), "a", &text)
    };
    let other = config(65002, 2, 1, 65001, "{cidr: 10.244.2.0/24}", "");
    let mut right = Daemon::start(&b, folder.path(), "b", &other);
    let mut daemon = start("");
    let before = ["77 10.244.2.0/24 77"];
    wait("the route", || (routes(&a) == before).then_some(()));
    for daemon in [&mut right, &mut daemon] {
        daemon.signal(Signal::KILL);
        daemon.ended();
    }
    daemon = start("metric: 99");
    wait("it runs", || daemon.json());
    daemon.signal(Signal::KILL);
    daemon.ended();
    assert_eq!(routes(&a), before);
    let mut clean = a.command(PROGRAM);
    let clean = clean.args(["clean", "--socket"]).arg(&daemon.socket);
    let clean = clean.arg("--config").arg(folder.path().join("a.yaml"));
    let output = clean.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(routes(&a), [""; 0]);
    let left = std::fs::read_dir(folder.path()).unwrap();
    let left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = left.filter(|name| name.starts_with("a.sock")).collect();
    assert_eq!(left, [""; 0]);
}

/// Killed before it is through, with a third set of marks after that.
#[test]
fn marks_are_not_forgotten_by_who_is_killed_in_between() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = pair();
    let start = |kernel: &str| {
        let text = config(65001, 1, 2, 65002, "{cidr: 10.244.1.0/24}", kernel);
        Daemon::start(&a, folder.path(), "a", &text)
    };
    let other = config(65002, 2, 1, 65001, "{cidr: 10.244.2.0/24}", "");
    let mut right = Daemon::start(&b, folder.path(), "b", &other);
    let mut daemon = start("");
    wait("the route", || {
        (routes(&a) == ["77 10.244.2.0/24 77"]).then_some(())
    });
    right.signal(Signal::KILL);
    right.ended();
    for kernel in ["metric: 88", "metric: 99"] {
        daemon.signal(Signal::KILL);
        daemon.ended();
        daemon = start(kernel);
        wait("it waits for its peer", || {
            (daemon.json()?["kernel"]["metric"].as_u64()? > 77).then_some(())
        });
        assert_eq!(
            routes(&a),
            ["77 10.244.2.0/24 77"],
            "kept, as nobody is there"
        );
    }
    let _right = Daemon::start(&b, folder.path(), "b", &other);
    wait("the new one alone", || {
        (routes(&a) == ["77 10.244.2.0/24 99"]).then_some(())
    });
}

/// A reflector beside the data path, whose peers come from a range: it cannot know who else will come.
#[test]
fn who_has_no_routes_and_no_graceful_restart_waits_for_nobody() {
    let namespace = common::lonely();
    for (secs, waits) in [(120, true), (0, false)] {
        let folder = tempfile::tempdir().unwrap();
        let own = format!(
            "kernel: {{install: false}}, bindAddresses: [10.0.0.2], \
             gracefulRestart: {{restartTimeSeconds: {secs}}}"
        );
        let text = format!(
            "apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {{name: default}}
spec: {{asNumber: 65000, routerID: 10.0.0.2, {own}}}
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {{name: nodes}}
spec: {{peerRange: 10.0.0.0/24, asNumber: internal, routeReflectorClient: true}}
"
        );
        let client = "apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {name: default}
spec:
  {asNumber: 65000, routerID: 10.0.0.3, kernel: {install: false}, bindAddresses: [10.0.0.3]}
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {name: reflector}
spec: {peerIP: 10.0.0.2, sourceAddress: 10.0.0.3, asNumber: internal, connectRetrySeconds: 1}
";
        if waits {
            namespace.ip("address add 10.0.0.3/24 dev eth0");
        }
        let mut reflector = Daemon::start(&namespace, folder.path(), "reflector", &text);
        let other = Daemon::start(&namespace, folder.path(), "client", client);
        other.established();
        reflector.signal(Signal::KILL);
        reflector.ended();
        drop(other);
        let reflector = Daemon::start(&namespace, folder.path(), "reflector", &text);
        let json = wait("an answer", || reflector.json());
        assert_eq!(json["synced"], !waits, "restartTimeSeconds: {secs}");
    }
}

#[test]
fn a_node_address_that_the_node_has_not_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let node = Namespace::new();
    node.ip("address add 10.9.9.1/32 dev lo");
    let config = config(65001, 1, 2, 65002, "", "").replace(
        "networks: []",
        "networks: [], nodeAddresses: [10.9.9.9, \"fd00:9::9\"]",
    );
    let daemon = Daemon::start(&node, folder.path(), "a", &config);
    let said = |what: &str, address: &str| {
        let log = daemon.log();
        let lines = log.lines().filter(|line| line.contains(what));
        lines.filter(|line| line.contains(address)).count()
    };
    const MISSING: &str = "does not have the address of spec.nodeAddresses";
    for address in ["10.9.9.9", "fd00:9::9"] {
        wait(address, || (said(MISSING, address) > 0).then_some(()));
    }
    node.ip("address add 10.9.9.9/32 dev lo");
    wait("it is there", || {
        (said("has the address of spec.nodeAddresses now", "10.9.9.9") > 0).then_some(())
    });
    assert_eq!(said(MISSING, "10.9.9.9"), 1);
    assert_eq!(said(MISSING, "fd00:9::9"), 1);
}
