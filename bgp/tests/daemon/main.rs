//! Two daemons and a link: what an operator would see.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, also in its helpers"
)]

#[path = "../common/mod.rs"]
mod common;

mod refused;
mod strangers;
mod told;
mod watched;

use std::io::Read;
use std::time::{Duration, Instant};

use common::{Daemon, Namespace, PROGRAM, SOON, pair, wait};
use refused::one_line;
use rustix::process::Signal;

/// The file of a speaker with one peer; `peer` and `networks` are YAML flow items.
fn config(asn: u32, router_id: &str, networks: &str, peer: &str) -> String {
    format!(
        "apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {{name: default}}
spec: {{asNumber: {asn}, routerID: {router_id}, networks: [{networks}]}}
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
"
    )
}

const A_PEER: &str = "peerIP: 10.0.0.2, asNumber: 65002";
const B_PEER: &str = "peerIP: 10.0.0.1, asNumber: 65001";

fn config_a() -> String {
    config(65001, "10.0.0.1", "{cidr: 10.244.1.0/24}", A_PEER)
}

fn config_b() -> String {
    config(
        65002,
        "10.0.0.2",
        "{cidr: 10.244.2.0/24}, {cidr: 10.244.3.0/24}",
        B_PEER,
    )
}

const A_ROUTES: [&str; 2] = [
    "10.244.2.0/24 via 10.0.0.2 dev eth0 metric 77",
    "10.244.3.0/24 via 10.0.0.2 dev eth0 metric 77",
];
const B_ROUTES: [&str; 1] = ["10.244.1.0/24 via 10.0.0.1 dev eth0 metric 77"];

fn routes_are(namespace: &Namespace, expected: &[&str]) {
    wait(&format!("the routes are {expected:?}"), || {
        let mut routes = namespace.own_routes();
        routes.sort();
        (routes == expected).then_some(())
    });
}

#[test]
fn routes_are_exchanged_survive_sigkill_and_are_adopted() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = pair();
    let first = Daemon::start(&a, folder.path(), "a", &config_a());
    let other = Daemon::start(&b, folder.path(), "b", &config_b());
    routes_are(&a, &A_ROUTES);
    routes_are(&b, &B_ROUTES);
    first.established();
    let shown = other.established();
    assert_eq!(shown["asn"], 65002);
    // What was called has become the program that has nothing but the daemon.
    let program = std::fs::read_link(format!("/proc/{}/exe", shown["pid"])).unwrap();
    assert_eq!(program.file_name().unwrap(), "rcni-bgpd");
    assert_eq!(shown["peers"][0]["type"], "external");
    let counts = wait("all is counted", || {
        let json = first.json()?;
        let counts = json["peers"][0]["prefixes"].clone();
        (counts["installed"] == 2 && counts["advertised"] == 1).then_some(counts)
    });
    assert_eq!(
        (&counts["received"], &counts["best"]),
        (&2.into(), &2.into())
    );

    // Killed: nothing of the kernel's changes, here or there.
    let pid = shown["pid"].as_u64();
    first.signal(Signal::KILL);
    drop(first);
    assert_eq!(a.own_routes().len(), 2);
    assert_eq!(b.own_routes(), B_ROUTES);

    // Back: what is there is adopted; no route is missing for a moment.
    let monitor = Watched::start(&a);
    let there = Watched::start(&b);
    let second = Daemon::start(&a, folder.path(), "a", &config_a());
    second.established();
    wait("learned again", || {
        let json = second.json()?;
        (json["kernel"]["installed"] == 2 && json["kernel"]["stale"] == 0).then_some(())
    });
    assert!(second.log().contains("adopted=2"), "{}", second.log());
    assert_eq!(monitor.route_changes(), [""; 0]);
    assert_eq!(there.route_changes(), [""; 0]);
    assert_eq!(other.json().unwrap()["pid"].as_u64(), pid);
}

#[test]
fn one_that_learns_nothing_is_kept_by_its_peers_over_a_restart_too() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = pair();
    let advertises_only = config_a().replace("action: Accept", "action: Reject");
    let first = Daemon::start(&a, folder.path(), "a", &advertises_only);
    let _other = Daemon::start(&b, folder.path(), "b", &config_b());
    first.established();
    routes_are(&b, &B_ROUTES);
    first.signal(Signal::KILL);
    drop(first);
    assert_eq!(a.own_routes(), [""; 0]);
    let there = Watched::start(&b);
    let second = Daemon::start(&a, folder.path(), "a", &advertises_only);
    second.established();
    wait("its routes are announced again", || {
        let json = second.json()?;
        (json["peers"][0]["prefixes"]["advertised"] == 1).then_some(())
    });
    assert_eq!(there.route_changes(), [""; 0]);
}

/// `ip monitor route`, to see whether a route was ever gone.
struct Watched {
    child: std::process::Child,
    marker: Namespaced,
}

/// Where to put the marker.
struct Namespaced(u32);

impl Watched {
    fn start(namespace: &Namespace) -> Self {
        let child = namespace
            .command("ip")
            .args(["monitor", "route"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // It says nothing when it has subscribed: give it a marker until it shows.
        std::thread::sleep(Duration::from_millis(300));
        Self {
            child,
            marker: Namespaced(namespace.pid()),
        }
    }

    /// All changes to 10.244.0.0/16 so far. A marker shows that everything before was heard.
    fn route_changes(mut self) -> Vec<String> {
        let marker = std::process::Command::new("nsenter")
            .args(["--target", &self.marker.0.to_string(), "--net", "--"])
            .args(["ip", "route", "add", "unreachable", "198.51.100.77/32"])
            .status()
            .unwrap();
        assert!(marker.success());
        let mut out = self.child.stdout.take().unwrap();
        let mut heard = Vec::new();
        let deadline = Instant::now() + SOON;
        while !String::from_utf8_lossy(&heard).contains("198.51.100.77") {
            assert!(
                Instant::now() < deadline,
                "the monitor did not hear the marker"
            );
            let mut buffer = [0; 4096];
            let count = out.read(&mut buffer).unwrap();
            assert!(count > 0, "ip monitor ended");
            heard.extend_from_slice(&buffer[..count]);
        }
        let text = String::from_utf8(heard).unwrap();
        text.lines()
            .filter(|line| line.contains("10.244."))
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_stop_leaves_routes_and_a_withdrawal_removes_them() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = pair();
    let mut first = Daemon::start(&a, folder.path(), "a", &config_a());
    let other = Daemon::start(&b, folder.path(), "b", &config_b());
    routes_are(&a, &A_ROUTES);
    routes_are(&b, &B_ROUTES);
    first.signal(Signal::TERM);
    assert_eq!(first.ended(), Some(0));
    assert!(!first.socket.exists());
    assert_eq!(a.own_routes().len(), 2);
    wait("the other notices", || {
        (other.json()?["peers"][0]["state"] != "Established").then_some(())
    });
    let log = other.log();
    // Both dial: one connection may have lost against the other.
    let told = |line: &&str| line.contains("received NOTIFICATION") && !line.contains("(6/7)");
    assert_eq!(log.lines().find(told), None, "{log}");
    assert_eq!(b.own_routes(), B_ROUTES, "graceful restart keeps them");

    // Started again without its network: adopted routes stay, the other side drops the stale one.
    let config = config(65001, "10.0.0.1", "", A_PEER);
    let _second = Daemon::start(&a, folder.path(), "a", &config);
    routes_are(&b, &[]);
    routes_are(&a, &A_ROUTES);
}

#[test]
fn adopted_routes_that_nobody_announces_are_swept_after_end_of_rib() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = pair();
    a.ip("route add 10.244.9.0/24 via 10.0.0.2 proto 77 metric 77");
    a.ip("route add 10.244.2.0/24 via 10.0.0.2 proto 77 metric 77");
    a.ip("route add 10.99.0.0/24 via 10.0.0.2 proto static metric 77");
    let daemon = Daemon::start(&a, folder.path(), "a", &config_a());
    wait("it runs", || daemon.json());
    assert_eq!(a.own_routes().len(), 2);
    let _other = Daemon::start(&b, folder.path(), "b", &config_b());
    routes_are(&a, &A_ROUTES);
    assert!(a.ip("route show").contains("10.99.0.0/24"));
}

#[test]
fn status_tells_people_and_scripts() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = pair();
    let mut daemon = Daemon::start(&a, folder.path(), "a", &config_a());
    // Nobody is there yet.
    wait("the refusal is known", || {
        let json = daemon.json()?;
        (json["peers"][0]["lastError"]["class"] == "refused").then_some(())
    });
    let down = daemon.status(&[]);
    assert_eq!(down.status.code(), Some(1));
    let text = String::from_utf8(down.stdout).unwrap();
    assert!(
        text.contains("0 of 1 peers established") && text.contains("refused, "),
        "{text}"
    );
    assert!(!text.contains('\x1b'), "colour in a pipe: {text}");

    let _other = Daemon::start(&b, folder.path(), "b", &config_b());
    let json = daemon.established();
    assert_eq!(json["version"], 1);
    assert_eq!(json["routerID"], "10.0.0.1");
    assert_eq!(json["peers"][0]["holdTimeSeconds"], 90);
    assert_eq!(json["peers"][0]["keepaliveSeconds"], 30);
    assert_eq!(json["kernel"]["protocol"], 77);
    assert_eq!(daemon.status(&[]).status.code(), Some(0));
    let whole = String::from_utf8(daemon.status(&["10.0.0.2"]).stdout).unwrap();
    for line in [
        "hold time 90 s, keepalive 30 s",
        "four-octet-as                  yes  yes      yes",
    ] {
        assert!(whole.contains(line), "{whole}");
    }
    assert!(
        whole.lines().all(|line| line.chars().count() <= 80),
        "{whole}"
    );
    let one = daemon.status(&["other", "-o", "json"]).stdout;
    let one: serde_json::Value = serde_json::from_slice(&one).unwrap();
    let remote = one["peers"][0]["session"]["remote"].as_str().unwrap();
    assert!(remote.starts_with("10.0.0.2:"), "{remote}");
    let none = daemon.status(&["nobody"]);
    assert_eq!(none.status.code(), Some(2));
    one_line(
        &none.stderr,
        &["there is no peer \"nobody\"", "there are other"],
    );

    // The socket is root's alone.
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(&daemon.socket).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    daemon.signal(Signal::KILL);
    assert_eq!(daemon.ended(), None, "ended by a signal");
    let dead = daemon.status(&[]);
    assert_eq!(dead.status.code(), Some(2));
    one_line(&dead.stderr, &["is not running", "a.sock"]);
    let absent = std::process::Command::new(PROGRAM)
        .args(["status", "--socket", "/nonexistent/bgp.sock"])
        .output()
        .unwrap();
    assert_eq!(absent.status.code(), Some(2));
    one_line(
        &absent.stderr,
        &["is not running", "/nonexistent/bgp.sock", "--socket"],
    );
}
