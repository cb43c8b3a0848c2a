//! `rcni-bgp drain`, `undrain` and `clean`, as an operator runs them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, also in its helpers"
)]

mod common;

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use common::{Daemon, Namespace, PROGRAM, pair, wait};
use rustix::process::Signal;

fn config(asn: u32, own: u8, other: u8, peer_asn: u32) -> String {
    format!(
        "apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {{name: default}}
spec: {{asNumber: {asn}, routerID: 10.0.0.{own}, networks: [{{cidr: 10.244.{own}.0/24}}]}}
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
"
    )
}

const A_ROUTE: &str = "10.244.2.0/24 via 10.0.0.2 dev eth0 metric 77";
const B_ROUTE: &str = "10.244.1.0/24 via 10.0.0.1 dev eth0 metric 77";

struct Two {
    folder: tempfile::TempDir,
    a: Namespace,
    b: Namespace,
    left: Daemon,
    right: Daemon,
}

impl Two {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = pair();
        let left = Daemon::start(&a, folder.path(), "a", &config(65001, 1, 2, 65002));
        let right = Daemon::start(&b, folder.path(), "b", &config(65002, 2, 1, 65001));
        let two = Self {
            folder,
            a,
            b,
            left,
            right,
        };
        two.up();
        two
    }

    fn up(&self) {
        wait("both have their routes", || {
            let there = self.a.own_routes() == [A_ROUTE] && self.b.own_routes() == [B_ROUTE];
            there.then_some(())
        });
    }

    fn restart_left(&mut self) {
        let text = config(65001, 1, 2, 65002);
        self.left = Daemon::start(&self.a, self.folder.path(), "a", &text);
    }

    /// A command for the left one.
    fn command(&self, arguments: &[&str]) -> Output {
        let mut command = self.a.command(PROGRAM);
        command
            .args(arguments)
            .arg("--socket")
            .arg(&self.left.socket);
        command.output().unwrap()
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        let said = format!("{arguments:?}: {output:?}");
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn exists(&self, name: &str) -> bool {
        self.folder.path().join(name).exists()
    }

    fn state(&self) -> String {
        let json = wait("an answer", || self.left.json());
        json["drain"]["state"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_drained_node_is_out_of_use_until_somebody_takes_it_back() {
    let mut two = Two::start();
    assert_eq!(two.state(), "off");
    let begun = Instant::now();
    let said = two.ok(&["drain", "--wait", "2", "--message", "rack 7 moves"]);
    assert!(begun.elapsed() >= Duration::from_secs(2), "{said}");
    assert!(said.contains("GRACEFUL_SHUTDOWN to 1 peers"), "{said}");
    assert!(said.ends_with("takes the node into use again\n"), "{said}");
    assert_eq!(two.a.own_routes(), [""; 0]);
    wait("the other side", || {
        two.b.own_routes().is_empty().then_some(())
    });
    let error = two.right.json().unwrap()["peers"][0]["lastError"].clone();
    assert_eq!(error["class"], "admin-shutdown");
    assert!(
        error["text"].as_str().unwrap().contains("rack 7 moves"),
        "{error}"
    );
    assert_eq!(two.state(), "drained");
    assert!(
        !two.exists("a.sock.ran"),
        "nothing that the next start could go on with"
    );
    let table = String::from_utf8(two.left.status(&[]).stdout).unwrap();
    assert!(table.contains("drained since"), "{table}");
    assert!(table.contains("`rcni-bgp undrain` starts it"), "{table}");
    // Once more is no error, and a start of the daemon no way back.
    assert!(two.ok(&["drain"]).contains("already"));
    for signal in [Signal::TERM, Signal::KILL] {
        two.left.signal(signal);
        two.left.ended();
        two.restart_left();
        assert_eq!(two.state(), "drained");
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(two.right.json().unwrap()["peers"][0]["established"], 1);
    }
    let said = two.ok(&["undrain", "--wait", "30"]);
    assert!(said.ends_with("in use\n"), "{said}");
    assert_eq!(two.state(), "off");
    assert_eq!(two.a.own_routes(), [A_ROUTE], "before it is in use");
    two.up();
    two.ok(&["undrain"]);
    assert_eq!(two.state(), "off");
    assert!(!two.exists("a.sock.drained"));
}

/// Who comes back waits for who is not there, and goes on doing so after a crash.
#[test]
fn a_node_on_its_way_back_says_whom_it_waits_for() {
    let mut two = Two::start();
    two.ok(&["drain", "--wait", "0"]);
    two.right.signal(Signal::STOP);
    let late = two.command(&["undrain", "--wait", "1"]);
    assert_eq!(late.status.code(), Some(1), "{late:?}");
    let text = String::from_utf8(late.stderr).unwrap();
    assert!(text.contains("waiting for other"), "{text}");
    let is_waiting = |two: &Two| {
        assert_eq!(two.state(), "returning");
        let table = String::from_utf8(two.left.status(&[]).stdout).unwrap();
        let words = "with GRACEFUL_SHUTDOWN until all routes of other are here";
        assert!(table.contains(words), "{table}");
    };
    is_waiting(&two);
    let refused = two.command(&["drain", "--wait", "0"]);
    assert_eq!(refused.status.code(), Some(0), "{refused:?}");
    two.ok(&["undrain"]);
    two.left.signal(Signal::KILL);
    two.left.ended();
    two.restart_left();
    is_waiting(&two);
    two.right.signal(Signal::CONT);
    two.ok(&["undrain", "--wait", "60"]);
    two.up();
    assert!(!two.exists("a.sock.drained"));
}

#[test]
fn an_interrupted_drain_closes_nothing_and_can_be_taken_back() {
    let mut two = Two::start();
    let mut child = two
        .a
        .command(PROGRAM)
        .args(["drain", "--wait", "600", "--socket"])
        .arg(&two.left.socket)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait("it waits", || (two.state() == "draining").then_some(()));
    std::thread::sleep(Duration::from_millis(500));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    two.up();
    assert_eq!(two.state(), "draining");
    // It goes on announcing so, whoever kills it.
    two.left.signal(Signal::KILL);
    two.left.ended();
    two.restart_left();
    two.left.established();
    assert_eq!(two.state(), "draining");
    // Taken back, while somebody else waits to close.
    let mut other = two
        .a
        .command(PROGRAM)
        .args(["drain", "--wait", "3", "--socket"])
        .arg(&two.left.socket)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(1));
    two.ok(&["undrain"]);
    assert_eq!(other.wait().unwrap().code(), Some(2));
    two.up();
    wait("in use", || (two.state() == "off").then_some(()));
}

#[test]
fn a_mark_is_removed_without_a_daemon_too() {
    let mut two = Two::start();
    two.ok(&["drain", "--wait", "0"]);
    two.left.signal(Signal::TERM);
    two.left.ended();
    let said = two.ok(&["undrain"]);
    assert!(said.contains("the daemon does not run"), "{said}");
    let refused = two.command(&["undrain"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert_eq!(two.command(&["drain"]).status.code(), Some(2));
    two.restart_left();
    two.up();
    wait("in use", || (two.state() == "off").then_some(()));
    assert!(!two.exists("a.sock.drained"));
}

/// What is not ours, and looks more or less like it.
const FOREIGN: [&str; 17] = [
    "route add blackhole 10.244.1.0/24 proto 77 metric 4278198272",
    "route add 10.244.1.7/32 dev eth0 proto 77",
    "route add 10.77.0.0/16 via 10.0.0.2 proto static metric 77",
    "route add 10.78.0.0/16 via 10.0.0.2 proto 77 metric 77 table 100",
    "route add 10.80.0.0/16 via 10.0.0.2 proto zebra metric 20",
    "nexthop add id 8 via 10.0.0.2 dev eth0 proto 77",
    "nexthop add id 9 via 10.0.0.2 dev eth0 proto zebra",
    "nexthop add id 11 via 10.0.0.2 dev eth0 proto 77",
    "nexthop add id 12 group 11/9 proto zebra",
    "route add 10.79.0.0/16 nhid 8 proto static",
    // The kernel keeps it apart from ours by its class.
    "route add 10.244.2.0/24 via 10.0.0.2 proto 77 metric 77 tos 0x10",
    "-6 route add fd00:99::/64 via fd00::2 proto static metric 77",
    "-6 route add fd00:98::/64 via fd00::2 proto 77 metric 78",
    "-6 route add blackhole fd00:97::/64 proto 77 metric 77",
    // In one route with ours later.
    "-6 route add fd00:2::/64 via fd00::3 proto static metric 77",
    "rule add from 10.244.1.0/24 table 100 prio 1001",
    "-6 rule add from fd00::/64 table 100 prio 1001 protocol zebra",
];

const OURS: [&str; 11] = [
    // The kernel says of all gateways of a route the protocol of the first.
    "-6 route del fd00:2::/64 proto static",
    "-6 route add fd00:2::/64 via fd00::2 proto 77 metric 77",
    "-6 route append fd00:2::/64 via fd00::3 proto static metric 77",
    "-6 route add fd00:4::/64 via fd00::2 proto 77 metric 77",
    "-6 route add default via fd00::2 proto 77 metric 20077",
    "route add default via 10.0.0.2 proto 77 metric 20077",
    "nexthop add id 7 via 10.0.0.2 dev eth0 proto 77",
    "nexthop add id 10 group 7 proto 77",
    "rule add from 10.244.1.0/24 table 100 prio 1000 protocol 77",
    "rule add not fwmark 0x7 iif lo lookup 100 suppress_prefixlength 0 prio 1002 protocol 77",
    "-6 rule add from fd00::/64 table 100 prio 1000 protocol 77",
];

/// Everything in the kernel that could be removed.
fn everything(namespace: &Namespace) -> Vec<String> {
    let all = [
        "route show table all",
        "nexthop show",
        "rule show",
        "-6 rule show",
    ]
    .map(|what| namespace.ip(what));
    let lines = all.iter().flat_map(|text| text.lines());
    // The kernel's own, which come and go with IPv6's duplicate detection.
    let lines = lines.filter(|line| !line.contains("fe80::") && !line.contains("ff00::"));
    lines.map(str::to_owned).collect()
}

#[test]
fn clean_removes_what_is_ours_and_nothing_else() {
    let mut two = Two::start();
    let file = two.folder.path().join("a.yaml");
    let file = file.to_str().unwrap().to_owned();
    let clean = ["clean", "--config", &file];
    let refused = two.command(&clean);
    assert_eq!(refused.status.code(), Some(2));
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(text.contains("stop it first"), "{text}");
    two.left.signal(Signal::KILL);
    two.left.ended();
    assert_eq!(two.a.own_routes(), [A_ROUTE]);
    two.a.ip(&format!(
        "route del {}",
        A_ROUTE.replace(" metric", " proto 77 metric")
    ));
    two.a.ip("address add fd00::1/64 dev eth0 nodad");
    FOREIGN.iter().for_each(|line| drop(two.a.ip(line)));
    let before = everything(&two.a);
    two.a.ip(&format!(
        "route add {}",
        A_ROUTE.replace(" metric", " proto 77 metric")
    ));
    OURS.iter().for_each(|line| drop(two.a.ip(line)));
    assert_ne!(everything(&two.a), before);

    let said = two.ok(&clean);
    assert_eq!(everything(&two.a), before, "{said}");
    for words in [
        // Not counted is the one that was another's, too: of that the kernel refuses a part.
        "removed 4 routes",
        "removed 2 nexthop objects",
        "removed 3 rules",
        "a.sock.ran",
        "left nexthop objects 8, 11",
        "left 6 routes of protocol 77",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!two.exists("a.sock") && !two.exists("a.sock.ran"));
    let again = two.ok(&clean);
    assert!(again.starts_with("nothing to remove\n"), "{again}");
    assert_eq!(everything(&two.a), before);
}

/// It would have its routes back before anybody has noticed that they were gone.
#[test]
fn clean_does_not_claim_what_a_daemon_with_another_socket_puts_back() {
    let two = Two::start();
    let none = two.folder.path().join("none.sock");
    let mut command = two.a.command(PROGRAM);
    let cleaned = command
        .args(["clean", "--socket"])
        .arg(&none)
        .arg("--config")
        .arg(two.folder.path().join("a.yaml"));
    let cleaned = cleaned.output().unwrap();
    assert_eq!(cleaned.status.code(), Some(1), "{cleaned:?}");
    let text = String::from_utf8(cleaned.stderr).unwrap();
    assert!(text.contains("they are there again"), "{text}");
    two.up();
}

#[test]
fn clean_without_a_file_that_is_all_right_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let namespace = common::lonely();
    let run = |file: &Path| {
        let mut command = namespace.command(PROGRAM);
        command.args(["clean", "--config"]).arg(file);
        command.arg("--socket").arg(folder.path().join("none.sock"));
        command.output().unwrap()
    };
    let missing = folder.path().join("missing.yaml");
    assert_eq!(run(&missing).status.code(), Some(2));
    let broken = folder.path().join("broken.yaml");
    std::fs::write(&broken, "kind: What").unwrap();
    let refused = run(&broken);
    assert_eq!(refused.status.code(), Some(2));
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(text.contains("mend it, or give another"), "{text}");
}
