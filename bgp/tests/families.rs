//! Two daemons and a link with both families, passwords, and what an operator gets wrong.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, also in its helpers"
)]

mod common;

use common::{Daemon, Namespace, pair, wait};

/// A speaker with its pod networks and one peer.
struct Speaker {
    asn: u32,
    id: &'static str,
    networks: &'static str,
    peer: &'static str,
}

impl Speaker {
    fn config(&self) -> String {
        let Self {
            asn,
            id,
            networks,
            peer,
        } = self;
        format!(
            "apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {{name: default}}
spec: {{asNumber: {asn}, routerID: {id}, networks: [{networks}]}}
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {{name: other}}
spec: {{{peer}, connectRetrySeconds: 1, filters: [all]}}
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
}

const A: Speaker = Speaker {
    asn: 65001,
    id: "10.0.0.1",
    networks: "{cidr: 10.244.1.0/24}, {cidr: 'fd00:10:244:1::/64'}",
    peer: "peerIP: 10.0.0.2, asNumber: 65002",
};
const B: Speaker = Speaker {
    asn: 65002,
    id: "10.0.0.2",
    networks: "{cidr: 10.244.2.0/24}, {cidr: 'fd00:10:244:2::/64'}",
    peer: "peerIP: 10.0.0.1, asNumber: 65001",
};
const A_V6: &str = "peerIP: 'fd00:10::2', asNumber: 65002";
const B_V6: &str = "peerIP: 'fd00:10::1', asNumber: 65001";

/// [`pair`] with fd00:10::1/64 and fd00:10::2/64 beside the IPv4 addresses.
fn dual_pair() -> (Namespace, Namespace) {
    let (a, b) = pair();
    for (namespace, number) in [(&a, 1), (&b, 2)] {
        namespace.ip(&format!("address add fd00:10::{number}/64 dev eth0 nodad"));
    }
    (a, b)
}

fn routes_are(namespace: &Namespace, v4: &[&str], v6: &[&str]) {
    wait(&format!("the routes are {v4:?} and {v6:?}"), || {
        let found = (namespace.own_routes(), namespace.own_routes_v6());
        (found.0 == v4 && found.1 == v6).then_some(())
    });
}

const A_V4_ROUTES: [&str; 1] = ["10.244.2.0/24 via 10.0.0.2 dev eth0 metric 77"];
const A_V6_ROUTES: [&str; 1] = ["fd00:10:244:2::/64 via fd00:10::2 dev eth0 metric 77"];
const B_V4_ROUTES: [&str; 1] = ["10.244.1.0/24 via 10.0.0.1 dev eth0 metric 77"];
const B_V6_ROUTES: [&str; 1] = ["fd00:10:244:1::/64 via fd00:10::1 dev eth0 metric 77"];

#[test]
fn one_session_over_either_family_brings_both_into_the_kernel() {
    for (a_peer, b_peer) in [(A.peer, B.peer), (A_V6, B_V6)] {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = dual_pair();
        let config = Speaker { peer: a_peer, ..A }.config();
        let daemon_a = Daemon::start(&a, folder.path(), "a", &config);
        let config = Speaker { peer: b_peer, ..B }.config();
        let daemon_b = Daemon::start(&b, folder.path(), "b", &config);
        routes_are(&a, &A_V4_ROUTES, &A_V6_ROUTES);
        routes_are(&b, &B_V4_ROUTES, &B_V6_ROUTES);
        let json = wait("all is counted", || {
            let json = daemon_a.json()?;
            let peer = &json["peers"][0];
            (peer["prefixes"]["installed"] == 2 && peer["prefixes"]["advertised"] == 2)
                .then_some(json)
        });
        let peer = &json["peers"][0];
        assert_eq!(
            peer["families"],
            serde_json::json!(["ipv4 unicast", "ipv6 unicast"])
        );
        for family in ["ipv4", "ipv6"] {
            let counts = &peer["prefixesByFamily"][family];
            for count in ["received", "accepted", "best", "installed", "advertised"] {
                assert_eq!(counts[count], 1, "{family} {count}: {json}");
            }
        }
        assert_eq!(peer["notes"], serde_json::json!([]));
        assert_eq!(json["conflicts"], serde_json::json!([]));
        drop(daemon_b);
        // Killed, with graceful restart: nothing goes.
        routes_are(&a, &A_V4_ROUTES, &A_V6_ROUTES);
    }
}

#[test]
fn an_own_address_that_comes_later_is_used_without_a_reset() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = dual_pair();
    a.ip("address del fd00:10::1/64 dev eth0");
    let daemon = Daemon::start(&a, folder.path(), "a", &A.config());
    let _other = Daemon::start(&b, folder.path(), "b", &B.config());
    routes_are(&b, &B_V4_ROUTES, &[]);
    let peer = daemon.established()["peers"][0].clone();
    let note = peer["notes"][0].as_str().unwrap_or_default().to_owned();
    assert!(
        note.contains("ipv6 unicast") && note.contains("eth0 has no global IPv6 address"),
        "{peer}"
    );
    let table = String::from_utf8(daemon.status(&[]).stdout).unwrap();
    assert!(table.contains("note: ipv6 unicast"), "{table}");

    a.ip("address add fd00:10::1/64 dev eth0 nodad");
    routes_are(&b, &B_V4_ROUTES, &B_V6_ROUTES);
    a.ip("address add fd00:10::9/64 dev eth0 nodad");
    a.ip("address del fd00:10::1/64 dev eth0");
    routes_are(
        &b,
        &B_V4_ROUTES,
        &["fd00:10:244:1::/64 via fd00:10::9 dev eth0 metric 77"],
    );
    let log = daemon.log();
    assert_eq!(log.matches("-> Established").count(), 1, "{log}");
}

#[test]
fn a_machine_with_ipv6_switched_off_works_with_ipv4() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = pair();
    let off = a
        .command("sysctl")
        .args(["-qw", "net.ipv6.conf.all.disable_ipv6=1"])
        .status()
        .unwrap();
    assert!(off.success());
    let _daemon = Daemon::start(&a, folder.path(), "a", &A.config());
    let _other = Daemon::start(&b, folder.path(), "b", &B.config());
    routes_are(&b, &B_V4_ROUTES, &[]);
    assert_eq!(a.own_routes(), A_V4_ROUTES);
}

#[test]
fn check_takes_ipv6_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bgp.yaml");
    let only = Speaker {
        networks: "{cidr: 'fd00:10:244:1::/64'}",
        peer: "peerIP: 'fd00:10::2', sourceAddress: 'fd00:10::1', asNumber: 65002, families: [ipv6]",
        ..A
    };
    std::fs::write(&file, only.config()).unwrap();
    let check = std::process::Command::new(common::PROGRAM)
        .arg("check")
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&check.stderr);
    assert_eq!(check.status.code(), Some(0), "{said}");
}

#[test]
fn without_a_common_family_both_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = dual_pair();
    let only = |speaker: &Speaker, family: &str| {
        let peer = format!("{}, families: [{family}]", speaker.peer);
        speaker.config().replace(speaker.peer, &peer)
    };
    let first = Daemon::start(&a, folder.path(), "a", &only(&A, "ipv4"));
    let second = Daemon::start(&b, folder.path(), "b", &only(&B, "ipv6"));
    for daemon in [&first, &second] {
        let text = last_error(daemon, "no-common-family");
        assert!(text.contains("2/7") && text.contains("ipv"), "{text}");
    }
}

/// The text, once the first peer's last error has this class.
fn last_error(daemon: &Daemon, class: &str) -> String {
    wait(&format!("the class is {class}"), || {
        let json = daemon.json()?;
        let error = &json["peers"][0]["lastError"];
        (error["class"] == class).then(|| error["text"].as_str().unwrap().to_owned())
    })
}

#[test]
fn a_wrong_as_is_named_with_the_expected_one() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = pair();
    let wrong = "peerIP: 10.0.0.2, asNumber: 65099";
    let first = Daemon::start(
        &a,
        folder.path(),
        "a",
        &Speaker { peer: wrong, ..A }.config(),
    );
    let second = Daemon::start(&b, folder.path(), "b", &B.config());
    let text = last_error(&first, "wrong-as");
    assert!(
        text.contains("AS 65002") && text.contains("AS 65099"),
        "{text}"
    );
    let text = last_error(&second, "wrong-as");
    assert!(text.contains("does not expect AS 65002 from us"), "{text}");
}

fn with_password(speaker: &Speaker, password: Option<&str>) -> String {
    let peer = match password {
        Some(password) => format!("{}, password: {password}", speaker.peer),
        None => speaker.peer.to_owned(),
    };
    speaker.config().replace(speaker.peer, &peer)
}

#[test]
fn a_session_with_a_password_over_either_family() {
    for (a_peer, b_peer) in [(A.peer, B.peer), (A_V6, B_V6)] {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = dual_pair();
        let config = with_password(&Speaker { peer: a_peer, ..A }, Some("sesame"));
        let daemon = Daemon::start(&a, folder.path(), "a", &config);
        let config = with_password(&Speaker { peer: b_peer, ..B }, Some("sesame"));
        let _other = Daemon::start(&b, folder.path(), "b", &config);
        daemon.established();
        routes_are(&b, &B_V4_ROUTES, &B_V6_ROUTES);
        assert!(!daemon.log().contains("sesame"));
        assert!(!daemon.json().unwrap().to_string().contains("sesame"));
    }
}

#[test]
fn passwords_that_do_not_fit_are_explained_on_both_sides() {
    let cases = [
        (
            Some("sesame"),
            None,
            [
                "most likely not at the peer",
                "spec.password is missing here",
            ],
        ),
        (Some("sesame"), Some("simsim"), ["differs", "differs"]),
    ];
    for (ours, theirs, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = pair();
        let first = Daemon::start(&a, folder.path(), "a", &with_password(&A, ours));
        let second = Daemon::start(&b, folder.path(), "b", &with_password(&B, theirs));
        for (daemon, part) in [&first, &second].into_iter().zip(expected) {
            let text = last_error(daemon, "md5");
            assert!(text.contains(part), "{text}");
            assert_ne!(daemon.json().unwrap()["peers"][0]["state"], "Established");
        }
    }
}

#[test]
fn who_only_waits_for_a_peer_with_the_wrong_password_is_told_in_a_note() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = pair();
    let passive = Speaker {
        peer: "peerIP: 10.0.0.2, asNumber: 65002, passive: true",
        ..A
    };
    let config = with_password(&passive, Some("sesame"));
    let daemon = Daemon::start(&a, folder.path(), "a", &config);
    let other = Daemon::start(&b, folder.path(), "b", &with_password(&B, None));
    let note = wait("a note", || {
        let json = daemon.json()?;
        json["peers"][0]["notes"][0].as_str().map(str::to_owned)
    });
    assert!(note.contains("TCPMD5NotFound"), "{note}");
    // The other side sees silence and nothing else.
    last_error(&other, "timed-out");
}

#[test]
fn one_network_on_two_nodes_is_shouted() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = pair();
    let first = Daemon::start(&a, folder.path(), "a", &A.config());
    let same = Speaker {
        networks: "{cidr: 10.244.1.0/24}, {cidr: 'fd00:10:244:2::/64'}",
        ..B
    };
    let second = Daemon::start(&b, folder.path(), "b", &same.config());
    for (daemon, asn) in [(&first, 65002), (&second, 65001)] {
        let conflict = wait("the conflict is known", || {
            let json = daemon.json()?;
            json["conflicts"].get(0).cloned()
        });
        assert_eq!(conflict["prefix"], "10.244.1.0/24");
        assert_eq!(conflict["peer"], "other");
        assert_eq!(conflict["asPath"], asn.to_string());
        let table = String::from_utf8(daemon.status(&[]).stdout).unwrap();
        assert!(
            table.contains("*** CONFLICT: 1 own network is announced by others, too ***")
                && table.contains(&format!("AS {asn}")),
            "{table}"
        );
        assert!(
            daemon
                .log()
                .contains("CONFLICT: the peer announces 10.244.1.0/24")
        );
    }
    // The own network stays the own network.
    assert_eq!(a.own_routes(), [""; 0]);
    assert_eq!(b.own_routes(), [""; 0]);
}

/// A namespace behind another: 10.0.9.3 and fd00:9::3, joined to its `eth1` with 10.0.9.1 and
/// fd00:9::1.
fn behind(near: &Namespace) -> Namespace {
    let far = Namespace::new();
    let other_end = format!("link add eth1 type veth peer name eth0 netns {}", far.pid());
    near.ip(&other_end);
    for (namespace, link, number) in [(near, "eth1", 1), (&far, "eth0", 3)] {
        namespace.ip(&format!("address add 10.0.9.{number}/24 dev {link}"));
        namespace.ip(&format!("address add fd00:9::{number}/64 dev {link} nodad"));
        namespace.ip(&format!("link set {link} up"));
    }
    far
}

#[test]
fn a_next_hop_that_cannot_be_resolved_is_named_in_status_and_used_once_it_can_be() {
    let folder = tempfile::tempdir().unwrap();
    // far (65003) - a (65001) - b (65001): b hears of far's network with far's next hop.
    let (a, b) = dual_pair();
    let far = behind(&a);
    let to_far = "
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {name: to-far}
spec: {peerIP: 10.0.9.3, asNumber: 65003, connectRetrySeconds: 1, filters: [all]}
";
    let internal = "peerIP: 10.0.0.2, asNumber: 65001";
    let config = Speaker {
        peer: internal,
        ..A
    }
    .config();
    let exporting = config.replace(
        "  importV6: [{action: Accept}]\n",
        "  importV6: [{action: Accept}]\n  exportV4: [{action: Accept}]\n  exportV6: [{action: Accept}]\n",
    );
    let _a = Daemon::start(&a, folder.path(), "a", &format!("{exporting}{to_far}"));
    let of_far = Speaker {
        asn: 65003,
        id: "10.0.9.3",
        networks: "{cidr: 10.244.3.0/24}, {cidr: 'fd00:10:244:3::/64'}",
        peer: "peerIP: 10.0.9.1, asNumber: 65001",
    };
    let _far = Daemon::start(&far, folder.path(), "far", &of_far.config());
    let daemon = Daemon::start(
        &b,
        folder.path(),
        "b",
        &Speaker { asn: 65001, ..B }.config(),
    );

    let failed = wait("both are known to have failed", || {
        let json = daemon.json()?;
        let failed = json["kernel"]["failed"].as_array()?.clone();
        (failed.len() == 2).then_some(failed)
    });
    for (route, (prefix, next_hop)) in failed.iter().zip([
        ("10.244.3.0/24", "10.0.9.3"),
        ("fd00:10:244:3::/64", "fd00:9::3"),
    ]) {
        assert_eq!(route["prefix"], prefix);
        let reason = route["reason"].as_str().unwrap();
        assert!(reason.contains(next_hop), "{reason}");
    }
    let table = String::from_utf8(daemon.status(&[]).stdout).unwrap();
    assert!(
        table.contains("2 failed") && table.contains("10.0.9.3"),
        "{table}"
    );

    b.ip("address add 10.0.9.4/24 dev eth0");
    b.ip("address add fd00:9::4/64 dev eth0 nodad");
    routes_are(
        &b,
        &[
            "10.244.1.0/24 via 10.0.0.1 dev eth0 metric 77",
            "10.244.3.0/24 via 10.0.9.3 dev eth0 metric 77",
        ],
        &[
            "fd00:10:244:1::/64 via fd00:10::1 dev eth0 metric 77",
            "fd00:10:244:3::/64 via fd00:9::3 dev eth0 metric 77",
        ],
    );
}
