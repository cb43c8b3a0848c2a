//! What a running daemon tells of what has happened, and what it logs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use super::common::{Daemon, Namespace, PROGRAM, pair, wait};
use super::{config_a, config_b};
use crate::refused::one_line;

/// `rcni-bgp` with these arguments, asked at this daemon's socket.
fn ask(daemon: &Daemon, arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(arguments)
        .arg("--socket")
        .arg(&daemon.socket)
        .output()
        .unwrap()
}

fn events(daemon: &Daemon, arguments: &[&str]) -> Vec<Value> {
    let output = ask(daemon, &[&["events", "-o", "json"], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let page: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(page["version"], 1);
    page["events"].as_array().unwrap().clone()
}

fn text(event: &Value) -> &str {
    event["text"].as_str().unwrap()
}

/// What `-o json` prints is as its schema says.
fn fits(name: &str, answer: &Value) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/observability/schemas");
    let schema = std::fs::read(folder.join(format!("{name}.json"))).unwrap();
    let schema: Value = serde_json::from_slice(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(answer)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{name}: {errors:#?}\n{answer:#}");
}

#[test]
fn what_is_printed_as_json_is_as_its_schema_says() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = pair();
    let daemon = Daemon::start(&a, folder.path(), "a", &config_a());
    let answer = |arguments: &[&str]| -> Value {
        let output = ask(&daemon, &[arguments, &["-o", "json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap()
    };
    wait("it answers", || daemon.json());
    // Down, and up.
    fits("bgp-status", &answer(&["status"]));
    let _other = Daemon::start(&b, folder.path(), "b", &config_b());
    daemon.established();
    fits("bgp-status", &answer(&["status"]));
    fits("bgp-status", &answer(&["status", "other"]));
    fits("events", &answer(&["events"]));
    wait("routes", || {
        answer(&["routes"])["routes"]
            .as_array()
            .filter(|all| all.len() > 2)
            .map(drop)
    });
    fits("bgp-explain", &answer(&["explain", "10.244.2.7"]));
    fits("bgp-routes", &answer(&["routes"]));
}

#[test]
fn events_name_causes_and_counts_and_can_be_followed_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = pair();
    let mut daemon = Daemon::start(&a, folder.path(), "a", &config_a());
    let _other = Daemon::start(&b, folder.path(), "b", &config_b());
    daemon.established();
    wait("End-of-RIB with its count", || {
        let sessions = events(&daemon, &["--peer", "other", "--kind", "session"]);
        let is = |event: &Value| text(event) == "End-of-RIB for ipv4 unicast; routes received: 2";
        sessions.iter().any(is).then_some(())
    });
    let mut follow = Command::new(PROGRAM)
        .args(["events", "--follow", "-n", "1", "--socket"])
        .arg(&daemon.socket)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    daemon.orders(&["reset", "other"]);
    let mut until = |what: &str| {
        let line = lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.contains(what));
        line.unwrap_or_else(|| panic!("no line with {what}"))
    };
    let line = until("Established -> Idle");
    assert!(
        line.contains(" session ") && line.contains("other: "),
        "{line}"
    );
    assert!(!line.contains('\x1b'), "colour in a pipe: {line}");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended(), Some(0));
    let daemon = Daemon::start(&a, folder.path(), "a", &config_a());
    daemon.established();
    let line = until("-> Established");
    assert!(line.contains("other: "), "{line}");
    follow.kill().unwrap();
    follow.wait().unwrap();

    // What somebody else does to routes is kept under its own kind, with the prefix.
    let b_route = "10.244.2.0/24";
    wait("the route is there", || {
        a.ip("route show").contains(b_route).then_some(())
    });
    a.ip(&format!("route del {b_route} proto 77"));
    let drift = wait("the repair is told", || {
        let kernel = events(&daemon, &["--kind", "kernel"]);
        kernel.into_iter().find(|event| event["prefix"] == b_route)
    });
    assert_eq!(drift["severity"], "warning");
    assert!(text(&drift).contains(" by="), "{drift}");
    assert_eq!(
        events(&daemon, &["--since", "2100-01-01T00:00:00Z"]),
        [Value::Null; 0]
    );
    let all = events(&daemon, &[]);
    let last = events(&daemon, &["-n", "2"]);
    assert!(all.len() > 2 && last.len() == 2, "{all:?}");
    let refused = ask(&daemon, &["events", "--since", "yesterday"]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn routes_are_shown_by_what_became_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = pair();
    let daemon = Daemon::start(&a, folder.path(), "a", &config_a());
    let _other = Daemon::start(&b, folder.path(), "b", &config_b());
    daemon.established();
    let shown = |arguments: &[&str]| {
        let output = ask(&daemon, &[&["routes", "-o", "json"], arguments].concat());
        assert!(output.stderr.is_empty(), "{output:?}");
        let page: Value = serde_json::from_slice(&output.stdout).unwrap();
        let prefixes = page["routes"].as_array().unwrap().iter();
        let prefixes: Vec<String> = prefixes
            .map(|route| route["prefix"].as_str().unwrap().to_owned())
            .collect();
        prefixes
    };
    let theirs = ["10.244.2.0/24", "10.244.3.0/24"];
    wait("both routes", || {
        (shown(&["--best", "--peer", "other"]).len() == 2).then_some(())
    });
    for prefix in theirs {
        assert!(shown(&["--received"]).contains(&prefix.to_owned()));
        assert!(shown(&["--accepted", "--family", "ipv4"]).contains(&prefix.to_owned()));
    }
    assert!(shown(&["--rejected"]).is_empty());
    assert!(shown(&["--family", "ipv6"]).is_empty());
    assert_eq!(shown(&["10.244.3.7", "--covering"]), ["10.244.3.0/24"]);
    assert_eq!(
        shown(&["--advertised", "--peer", "other"]),
        ["10.244.1.0/24"]
    );
    let nobody = ask(&daemon, &["routes", "--advertised"]);
    assert_eq!(nobody.status.code(), Some(2));
    one_line(&nobody.stderr, &["--advertised needs a peer"]);
}

/// A daemon that logs objects from level warn on, to a pipe.
struct Terse {
    child: Child,
    socket: PathBuf,
}

impl Terse {
    fn start(namespace: &Namespace, folder: &Path) -> Self {
        let (file, socket) = (folder.join("a.yaml"), folder.join("a.sock"));
        std::fs::write(&file, config_a()).unwrap();
        let child = namespace
            .command(PROGRAM)
            .args([
                "run",
                "--log-level",
                "warn",
                "--log-format",
                "json",
                "--config",
            ])
            .arg(&file)
            .arg("--socket")
            .arg(&socket)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let terse = Self { child, socket };
        wait("it answers", || {
            terse.ask(&["log"]).status.success().then_some(())
        });
        terse
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments)
            .arg("--socket")
            .arg(&self.socket)
            .output()
            .unwrap()
    }

    fn says(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.ask(arguments).stdout).unwrap()
    }

    /// All lines, after its end.
    fn lines(mut self) -> Vec<Value> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, Signal::TERM).unwrap();
        let lines = BufReader::new(self.child.stderr.take().unwrap()).lines();
        lines
            .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
            .collect()
    }
}

impl Drop for Terse {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_level_changes_while_the_daemon_runs_and_lines_may_be_json() {
    let folder = tempfile::tempdir().unwrap();
    let namespace = Namespace::new();
    let daemon = Terse::start(&namespace, folder.path());
    assert_eq!(daemon.says(&["log"]), "log level warn, as at the start\n");
    // What is not written is an event all the same.
    let kept = daemon.says(&["events"]);
    assert!(kept.contains(" runs"), "{kept}");
    let changed = daemon.says(&["log", "info", "--for", "10m"]);
    assert!(
        changed.contains("log level info; at the start it was warn"),
        "{changed}"
    );
    let refused = daemon.ask(&["log", "rcni_bgp=loud"]);
    assert_eq!(refused.status.code(), Some(2));
    one_line(&refused.stderr, &["error, warn, info, debug or trace"]);
    let reset = daemon.says(&["log", "--reset"]);
    assert_eq!(reset, "log level warn, as at the start\n");

    let lines = daemon.lines();
    let messages = lines.iter().filter_map(|line| line["message"].as_str());
    let messages: Vec<&str> = messages.collect();
    assert!(
        messages.contains(&"log level by command: info"),
        "{messages:?}"
    );
    assert!(
        !messages.iter().any(|message| message.contains(" runs")),
        "{messages:?}"
    );
    assert!(
        lines
            .iter()
            .all(|line| line["level"].is_string() && line["timestamp"].is_string())
    );
}

#[test]
fn a_groups_members_may_ask() {
    let folder = tempfile::tempdir().unwrap();
    let namespace = Namespace::new();
    let (file, socket) = (folder.path().join("a.yaml"), folder.path().join("a.sock"));
    std::fs::write(&file, config_a()).unwrap();
    let mut child = namespace
        .command(PROGRAM)
        .args([
            "run",
            "--log-level",
            "error",
            "--socket-group",
            "4242",
            "--config",
        ])
        .arg(&file)
        .arg("--socket")
        .arg(&socket)
        .spawn()
        .unwrap();
    let data = wait("the socket is there", || std::fs::metadata(&socket).ok());
    assert_eq!((data.mode() & 0o777, data.gid()), (0o660, 4242));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// What a request is answered with over TCP: the status line's code, and the body.
fn over_tcp(namespace: &Namespace, request: &str) -> (u16, String) {
    let request = format!("{request} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
    let answer = namespace.run(move || async move {
        let mut stream = TcpStream::connect("127.0.0.1:9179").unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        body.to_owned(),
    )
}

#[test]
fn readiness_and_numbers_are_there_for_everybody_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = pair();
    let (file, socket) = (folder.path().join("a.yaml"), folder.path().join("a.sock"));
    std::fs::write(&file, config_a()).unwrap();
    let start = |socket: &Path, log: Stdio| {
        let mut command = a.command(PROGRAM);
        command
            .args(["run", "--metrics-address", "127.0.0.1:9179", "--config"])
            .arg(&file);
        command
            .arg("--socket")
            .arg(socket)
            .stderr(log)
            .spawn()
            .unwrap()
    };
    let mut child = start(&socket, Stdio::null());
    wait("it answers", || socket.exists().then_some(()));
    assert_eq!(over_tcp(&a, "GET /healthz"), (200, "ok\n".to_owned()));
    let (code, why) = over_tcp(&a, "GET /readyz");
    assert_eq!(code, 503, "{why}");
    assert!(
        why.contains("[-]end-of-rib failed: waiting for the initial routes of other\n"),
        "{why}"
    );
    assert!(
        why.contains("[-]sessions failed: none of 1 sessions is established\n"),
        "{why}"
    );
    let _other = Daemon::start(&b, folder.path(), "b", &config_b());
    wait("it is ready", || {
        (over_tcp(&a, "GET /readyz").0 == 200).then_some(())
    });
    let (code, numbers) = over_tcp(&a, "GET /metrics");
    assert_eq!(code, 200);
    for line in [
        "rcni_bgp_peer_up{peer=\"other\"} 1\n",
        "rcni_bgp_complete 1\n",
    ] {
        assert!(numbers.contains(line), "{numbers}");
    }
    // Secrets and orders are for the socket.
    for request in [
        "GET /v1/status",
        "GET /v1/events",
        "POST /v1/drain",
        "POST /v1/log",
    ] {
        assert_eq!(over_tcp(&a, request).0, 404, "{request}");
    }
    // A second one finds the port taken, and says so.
    let second = start(&folder.path().join("c.sock"), Stdio::piped())
        .wait_with_output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(
        said.contains("cannot listen on --metrics-address 127.0.0.1:9179"),
        "{said}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_group_that_is_not_there_is_said_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let namespace = Namespace::new();
    let file = folder.path().join("a.yaml");
    std::fs::write(&file, config_a()).unwrap();
    let output = namespace
        .command(PROGRAM)
        .args([
            "run",
            "--log-level",
            "error",
            "--socket-group",
            "no:such",
            "--config",
        ])
        .arg(&file)
        .arg("--socket")
        .arg(folder.path().join("a.sock"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    one_line(&output.stderr, &["--socket-group no:such", "/etc/group"]);
}
