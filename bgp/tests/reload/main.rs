//! A daemon whose file changes while it runs: what an operator would see. The daemon under test, 10.0.0.1,
//! has two others as peers, 10.0.0.2 and 10.0.0.3, in a namespace of their own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, also in its helpers"
)]

#[path = "../common/mod.rs"]
mod common;
mod lab;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::{Daemon, PROGRAM, pair, wait};
use lab::{File, Lab, other, said};
use rustix::process::Signal;
use serde_json::Value;

fn count(log: &str, words: &str) -> usize {
    log.lines().filter(|line| line.contains(words)).count()
}

#[test]
fn however_the_file_is_written_the_difference_is_applied_and_sessions_stay() {
    let lab = Lab::start(&File::default());
    // In place.
    lab.write(&File {
        networks: "{cidr: 10.244.1.0/24}, {cidr: 10.244.2.0/24}",
        ..File::default()
    });
    lab.receives(0, 2);
    lab.receives(1, 2);
    // Renamed over.
    let new = lab.folder.path().join("new");
    let reject = File {
        action: "Reject",
        ..File::default()
    };
    fs::write(&new, reject.text()).unwrap();
    fs::rename(&new, lab.file()).unwrap();
    lab.routes_are(&["10.3.0.0/16"]);
    lab.receives(0, 1);
    // A signal, and an order that waits.
    let default = File::default();
    lab.write(&default);
    lab.hub.signal(Signal::HUP);
    lab.routes_are(&["10.2.0.0/16", "10.3.0.0/16"]);
    // The order comes before the file has been quiet for long enough, sooner or later.
    let mut told = String::new();
    for round in 0..50 {
        lab.write(if round % 2 == 0 { &reject } else { &default });
        let output = lab.order(&["reload"]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        told = said(&output);
        if told.contains("peer two") {
            break;
        }
    }
    assert_eq!(
        told,
        "peer two: takes effect in the session: import rules\n"
    );
    lab.write(&reject);
    lab.routes_are(&["10.3.0.0/16"]);
    let again = lab.order(&["reload", "-o", "json"]);
    let json: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(json["peers"], Value::Array(vec![]), "nothing is left to do");
    assert_eq!((lab.times("two"), lab.times("three")), (1, 1));
    let log = lab.hub.log();
    assert_eq!(count(&log, "RESET"), 0, "{log}");
}

/// As in a pod: the file is a link into a folder that is a link, which is swapped.
#[test]
fn a_config_map_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let version = |name: &str, file: &File| {
        fs::create_dir(root.join(name)).unwrap();
        fs::write(root.join(name).join("hub.yaml"), file.text()).unwrap();
        symlink(name, root.join("..data_tmp")).unwrap();
        fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    };
    version("..2026_1", &File::default());
    symlink("..data/hub.yaml", root.join("hub.yaml")).unwrap();
    let (here, _there) = pair();
    // `Daemon::start` writes through the link.
    let hub = Daemon::start(&here, root, "hub", &File::default().text());
    let peers = |count: usize| {
        wait(&format!("{count} peers"), || {
            let json = hub.json()?;
            (json["peers"].as_array()?.len() == count).then_some(())
        });
    };
    peers(2);
    let one = File {
        three: false,
        ..File::default()
    };
    for (name, file, count) in [("..2026_2", &one, 1), ("..2026_3", &File::default(), 2)] {
        version(name, file);
        peers(count);
        let old = if count == 1 { "..2026_1" } else { "..2026_2" };
        fs::remove_dir_all(root.join(old)).unwrap();
    }
    assert!(hub.json().unwrap()["configuration"]["refused"].is_null());
}

#[test]
fn what_is_no_configuration_changes_nothing_and_is_said_until_it_is_fine() {
    let lab = Lab::start(&File::default());
    let bad: [(&str, Vec<u8>, &str); 5] = [
        ("empty", vec![], "is empty"),
        (
            "half written",
            File::default().text().into_bytes()[..300].to_vec(),
            "unclosed bracket",
        ),
        ("no YAML", b"a: [1,\n b: }".to_vec(), "hub.yaml:"),
        ("no text", vec![0xff, 0xfe, 0x00], "UTF-8"),
        (
            "a refused value",
            File {
                two: ", holdTimeSeconds: 2",
                ..File::default()
            }
            .text()
            .into_bytes(),
            "holdTimeSeconds",
        ),
    ];
    for (what, bytes, words) in bad {
        fs::write(lab.file(), bytes).unwrap();
        let refused = wait(what, || {
            let refused = lab.is_refused();
            refused["errors"]
                .to_string()
                .contains(words)
                .then_some(refused)
        });
        assert_eq!(
            refused["errorCount"],
            refused["errors"].as_array().unwrap().len()
        );
    }
    let text = said(&lab.hub.status(&[]));
    assert!(text.contains("configuration refused for"), "{text}");
    assert!(text.contains("hub.yaml:9:"), "with the line: {text}");
    // Whoever waits for it is told, too.
    let output = lab.order(&["reload"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("holdTimeSeconds"),
        "{}",
        said(&output)
    );
    let log = lab.hub.log();
    assert_eq!(
        count(&log, "hub.yaml:9: spec.holdTimeSeconds"),
        1,
        "once: {log}"
    );
    // Gone, and back as it was.
    fs::remove_file(lab.file()).unwrap();
    wait("it is gone", || {
        let refused = lab.is_refused();
        refused["errors"]
            .to_string()
            .contains("cannot be read")
            .then_some(())
    });
    lab.write(&File::default());
    lab.is_fine();
    assert!(!said(&lab.hub.status(&[])).contains("configuration"));
    assert_eq!((lab.times("two"), lab.times("three")), (1, 1));
    lab.routes_are(&["10.2.0.0/16", "10.3.0.0/16"]);
    assert!(lab.hub.log().contains("the configuration is fine again"));
}

#[test]
fn what_is_in_the_open_resets_that_session_alone_and_is_said_before() {
    let lab = Lab::start(&File::default());
    let new = File {
        two: ", holdTimeSeconds: 30",
        ..File::default()
    };
    let (text, code) = lab.compared(&new);
    assert_eq!(
        text,
        "peer two: RESET of the session, for another spec.holdTimeSeconds\n"
    );
    assert_eq!(code, Some(1));
    assert_eq!((lab.times("two"), lab.times("three")), (1, 1), "only asked");
    lab.write(&new);
    wait("it is up again", || (lab.times("two") == 2).then_some(()));
    assert_eq!(lab.is_up("two")["holdTimeSeconds"], 30);
    assert_eq!(lab.times("three"), 1);
    let log = lab.hub.log();
    assert_eq!(
        count(
            &log,
            "RESET of the session, for another spec.holdTimeSeconds"
        ),
        1,
        "{log}"
    );
    let there = lab.others[0].log();
    assert!(
        there.contains("Other Configuration Change (6/6)"),
        "{there}"
    );
    assert!(
        !lab.others[1].log().contains("(6/6)"),
        "{}",
        lab.others[1].log()
    );
    let (text, code) = lab.compared(&new);
    assert_eq!((&text[..], code), ("nothing is different\n", Some(0)));
    // A candidate that is wrong is refused with its own name and lines.
    let (text, code) = lab.compared(&File {
        two: ", holdTimeSeconds: 1",
        ..File::default()
    });
    assert!(text.contains("candidate.yaml:9:"), "{text}");
    assert_eq!(code, Some(2));
}

#[test]
fn peers_come_and_go_and_who_is_shut_down_stays_so() {
    let lab = Lab::start(&File::default());
    lab.hub
        .orders(&["shutdown", "two", "--message", "for good"]);
    lab.write(&File {
        three: false,
        ..File::default()
    });
    wait("it is gone", || lab.peer("three").is_none().then_some(()));
    wait("and told so", || {
        let log = lab.others[1].log();
        log.contains("De-configured").then_some(())
    });
    lab.routes_are(&[]);
    lab.write(&File {
        two: ", holdTimeSeconds: 30",
        ..File::default()
    });
    lab.is_up("three");
    let two = lab.peer("two").unwrap();
    assert_eq!(two["shutDown"], true);
    lab.routes_are(&["10.3.0.0/16"]);
    lab.hub.orders(&["start", "two"]);
    lab.is_up("two");
}

#[test]
fn a_hundred_rewrites_in_a_row_come_to_the_last_one() {
    let lab = Lab::start(&File::default());
    for round in 0..100 {
        lab.write(&File {
            networks: match round % 3 {
                0 => "{cidr: 10.244.1.0/24}",
                1 => "{cidr: 10.244.1.0/24}, {cidr: 10.244.2.0/24}",
                _ => "{cidr: 10.244.3.0/24}",
            },
            action: if round % 2 == 0 { "Accept" } else { "Reject" },
            ..File::default()
        });
        // Some of them long enough to be read.
        std::thread::sleep(Duration::from_millis(if round % 10 == 0 { 400 } else { 5 }));
    }
    lab.write(&File {
        networks: "{cidr: 10.244.1.0/24}, {cidr: 10.244.2.0/24}, {cidr: 10.244.3.0/24}",
        ..File::default()
    });
    lab.receives(0, 3);
    lab.receives(1, 3);
    lab.routes_are(&["10.2.0.0/16", "10.3.0.0/16"]);
    assert_eq!((lab.times("two"), lab.times("three")), (1, 1));
    assert!(lab.configuration()["refused"].is_null());
}

#[test]
fn sockets_are_exchanged_under_sessions_and_a_taken_port_refuses_it_all() {
    let lab = Lab::start(&File::default());
    let taken = lab.here.run(|| async {
        tokio::net::TcpListener::bind("10.0.0.1:1179")
            .await
            .unwrap()
            .into_std()
            .unwrap()
    });
    let new = File {
        speaker: ", listenPort: 1179",
        networks: "{cidr: 10.244.9.0/24}, {cidr: 10.244.8.0/24}",
        ..File::default()
    };
    lab.write(&new);
    let refused = lab.is_refused();
    assert!(
        refused["errors"][0]
            .as_str()
            .unwrap()
            .contains("port 1179 is taken"),
        "{refused}"
    );
    let sockets = lab.here.command("ss").args(["-ltnH"]).output().unwrap();
    assert!(said(&sockets).contains(":179 "), "{}", said(&sockets));
    assert_eq!(
        lab.others[0].json().unwrap()["peers"][0]["prefixes"]["received"],
        1
    );
    drop(taken);
    let output = lab.order(&["reload"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    lab.receives(0, 2);
    let sockets = lab.here.command("ss").args(["-ltnH"]).output().unwrap();
    assert!(said(&sockets).contains(":1179 "), "{}", said(&sockets));
    assert!(!said(&sockets).contains(":179 "), "{}", said(&sockets));
    assert_eq!((lab.times("two"), lab.times("three")), (1, 1));
    // One that is mistyped is listened on, too, and nobody can connect to it.
    lab.write(&File {
        speaker: ", bindAddresses: [192.0.2.77]",
        ..File::default()
    });
    wait("that is said", || {
        let log = lab.hub.log();
        log.contains("has an address that this node has not")
            .then_some(())
    });
    assert_eq!((lab.times("two"), lab.times("three")), (1, 1));
}

#[test]
fn a_password_comes_into_force_on_both_ways_into_a_session() {
    let lab = Lab::start(&File::default());
    // Only the others dial: what counts is the listening socket.
    let with = |password: &'static str| File {
        two: password,
        ..File::default()
    };
    lab.write(&with(", passive: true, password: geheim"));
    wait("the session is reset", || {
        (lab.peer("two")?["state"] != "Established").then_some(())
    });
    fs::write(
        lab.folder.path().join("other-2.yaml"),
        other(2, ", password: geheim"),
    )
    .unwrap();
    lab.is_up("two");
    assert_eq!(lab.times("three"), 1);
    // And away again, on both sides; now this one dials.
    lab.write(&with(""));
    fs::write(
        lab.folder.path().join("other-2.yaml"),
        other(2, ", passive: true"),
    )
    .unwrap();
    wait("it is up without", || (lab.times("two") == 3).then_some(()));
    let text = format!("{}{}", lab.hub.log(), lab.others[0].log());
    assert!(!text.contains("geheim"));
    drop(lab.there);
}

#[test]
fn what_waits_for_the_next_start_and_open_files_are_said() {
    let lab = Lab::start(&File::default());
    let new = File {
        speaker: ", kernel: {metric: 99}",
        ..File::default()
    };
    let (text, code) = lab.compared(&new);
    let line = "spec.kernel.metric: takes effect at the next start of rcni-bgp";
    assert_eq!((text, code), (format!("{line}\n"), Some(0)));
    lab.write(&new);
    wait("status has it", || {
        (lab.configuration()["nextStart"][0] == line).then_some(())
    });
    assert!(said(&lab.hub.status(&[])).contains("takes effect at the next start"));
    assert_eq!(count(&lab.hub.log(), line), 1);
    assert!(
        lab.here
            .own_routes()
            .iter()
            .all(|line| line.contains("metric 77"))
    );
    // Passwords that everybody can read.
    let open = File {
        two: ", password: geheim",
        ..File::default()
    };
    lab.write(&open);
    fs::set_permissions(lab.file(), fs::Permissions::from_mode(0o644)).unwrap();
    wait("it is warned of", || {
        let warnings = lab.configuration()["warnings"].to_string();
        (warnings.contains("0644") && lab.configuration()["nextStart"][0].is_null()).then_some(())
    });
    fs::set_permissions(lab.file(), fs::Permissions::from_mode(0o600)).unwrap();
    wait("and not any more", || {
        (lab.configuration()["warnings"].as_array()?.is_empty()).then_some(())
    });
}

#[test]
fn nobody_is_asked_who_does_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let ask = |arguments: &[&str]| {
        let output = Command::new(PROGRAM)
            .args(arguments)
            .arg("--socket")
            .arg(Path::new(folder.path()).join("no.sock"))
            .output()
            .unwrap();
        (said(&output), output.status.code())
    };
    let file = folder.path().join("bgp.yaml");
    fs::write(&file, File::default().text()).unwrap();
    for arguments in [
        &["reload"][..],
        &["check", file.to_str().unwrap(), "--against-running"],
    ] {
        let (text, code) = ask(arguments);
        assert!(text.contains("the daemon is not running"), "{text}");
        assert_eq!(code, Some(2));
    }
}
