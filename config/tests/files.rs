//! Whole files: unreadable ones, and texts made to exhaust the reader.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may fail a test"
)]

use std::fmt::Write as _;
use std::fs;

use rcni_config::load::{MAX_DOCUMENTS, MAX_FILE_BYTES};
use rcni_config::{ConfigErrors, load_felix, load_speaker, parse_speaker, readable_passwords};

const NODE: &str = "apiVersion: rcni.io/v1alpha1\nkind: BGPConfiguration\nmetadata: {name: default}\nspec:\n  asNumber: 65001\n  routerID: 10.0.1.11\n";

fn only(errors: &ConfigErrors) -> String {
    assert_eq!(errors.0.len(), 1, "{errors}");
    errors.to_string()
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent.yaml");
    let shown = absent.display();
    for error in [
        load_speaker(&absent).unwrap_err(),
        load_felix(&absent).unwrap_err(),
    ] {
        assert_eq!(
            only(&error),
            format!(
                "{shown}: cannot be read: No such file or directory (os error 2); check the path \
                 and its permissions"
            )
        );
    }
    let error = load_speaker(folder.path()).unwrap_err();
    let shown = folder.path().display();
    assert_eq!(
        only(&error),
        format!("{shown}: is not a regular file; name a YAML file, or - to read standard input")
    );
}

#[test]
fn a_device_that_never_ends_is_not_read() {
    let error = load_speaker("/dev/zero".as_ref()).unwrap_err();
    assert_eq!(
        only(&error),
        "/dev/zero: is not a regular file; name a YAML file, or - to read standard input"
    );
}

/// Nobody writes into it: opening it would wait for ever.
#[test]
fn a_pipe_is_refused_without_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe.yaml");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success(), "mkfifo is needed");
    let shown = path.display().to_string();
    let (done, answer) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(load_speaker(&path).unwrap_err()));
    let answer = answer.recv_timeout(std::time::Duration::from_secs(30));
    assert_eq!(
        only(&answer.expect("it waits for a writer")),
        format!("{shown}: is not a regular file; name a YAML file, or - to read standard input")
    );
}

#[test]
fn what_is_not_utf8_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latin1.yaml");
    fs::write(&path, b"a: 1\nb: \xfc\n").unwrap();
    let shown = path.display();
    assert_eq!(
        only(&load_speaker(&path).unwrap_err()),
        format!("{shown}:2: is not UTF-8 text (at byte 8); save it as UTF-8")
    );
}

#[test]
fn a_file_is_read_up_to_its_bound() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.yaml");
    let limit = usize::try_from(MAX_FILE_BYTES).unwrap();
    let mut text = NODE.to_owned();
    text.push_str(&"#".repeat(limit - NODE.len()));
    fs::write(&path, &text).unwrap();
    load_speaker(&path).unwrap();

    text.push('#');
    fs::write(&path, &text).unwrap();
    let expected = format!(
        "{}: is larger than 4194304 bytes; a configuration is never that large: check that it is \
         the right file",
        path.display()
    );
    assert_eq!(only(&load_speaker(&path).unwrap_err()), expected);
    let error = parse_speaker("text", &text).unwrap_err();
    assert!(only(&error).starts_with("text: is larger than"), "{error}");
}

/// Refused in few words; without the bounds these would take memory and time without end.
#[track_caller]
fn bomb(text: &str, reason: &str) {
    let error = parse_speaker("bomb.yaml", text)
        .expect_err("accepted")
        .to_string();
    assert!(error.contains(reason), "{error}");
    assert!(error.len() < 2000, "{} bytes of error", error.len());
}

const TOO_MUCH: &str = "is too large, too deep or has too many aliases";

#[test]
fn aliases_do_not_multiply() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..30 {
        let below = level - 1;
        let list = vec![format!("*a{below}"); 10].join(", ");
        writeln!(text, "a{level}: &a{level} [{list}]").unwrap();
    }
    bomb(&text, TOO_MUCH);
    bomb(
        &format!("{NODE}  networks: *a\nx: &a [*a, *a]\n"),
        "no anchor",
    );
}

#[test]
fn nesting_is_bounded() {
    for depth in [1_000, 1_000_000] {
        bomb(
            &format!("{NODE}  networks: {}", "[".repeat(depth)),
            "bomb.yaml:7",
        );
        bomb(
            &format!("{NODE}  networks: {}", "{a: ".repeat(depth)),
            "bomb.yaml:7",
        );
    }
    let mut text = format!("{NODE}  networks:\n");
    for depth in 2..1_000 {
        writeln!(text, "{}a:", "  ".repeat(depth)).unwrap();
    }
    bomb(&text, "bomb.yaml");
    bomb(&"- ".repeat(500_000), "bomb.yaml:1");
}

#[test]
fn documents_are_bounded() {
    let text = "---\na: 1\n".repeat(MAX_DOCUMENTS + 1);
    bomb(&text, "has more than 10000 documents");
    // Empty ones are nothing, however many.
    let text = "---\n".repeat(1_000_000);
    bomb(&text, "is empty");
}

#[test]
fn many_nodes_are_bounded() {
    let text = format!("{NODE}  networks: [{}]\n", "{}, ".repeat(300_000));
    bomb(&text, TOO_MUCH);
    let text = format!("{NODE}{}", "  x: y\n".repeat(300_000));
    bomb(&text, "bomb.yaml");
}

/// The greatest files that anybody could mean still work: a route reflector with many clients.
#[test]
fn five_thousand_peers_are_fine() {
    let mut text = NODE.to_owned();
    for peer in 0..5_000_u32 {
        let ip = std::net::Ipv4Addr::from(0x0a01_0000 + peer);
        writeln!(
            text,
            "---\napiVersion: rcni.io/v1alpha1\nkind: BGPPeer\nmetadata: {{name: p{peer}}}\nspec: \
             {{peerIP: {ip}, asNumber: 65000}}"
        )
        .unwrap();
    }
    assert_eq!(parse_speaker("rr.yaml", &text).unwrap().peers.len(), 5_000);
}

#[test]
fn passwords_that_others_can_read_are_told() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bgp.yaml");
    let peer = "---\napiVersion: rcni.io/v1alpha1\nkind: BGPPeer\nmetadata: {name: a}\nspec: {peerIP: \
                10.0.1.1, asNumber: 65000, password: geheim}\n";
    let warning = |text: &str, mode| {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let config = load_speaker(&path).unwrap();
        readable_passwords(&path, &config).map(|warning| warning.to_string())
    };
    let with = format!("{NODE}{peer}");
    assert_eq!(warning(NODE, 0o644), None, "nothing to hide");
    for mode in [0o600, 0o400, 0o700] {
        assert_eq!(warning(&with, mode), None, "{mode:o}");
    }
    for mode in [0o644, 0o640, 0o604, 0o602] {
        let expected = format!(
            "{}: has passwords, and others than its owner may use it (mode {mode:04o}); chmod 0600",
            path.display()
        );
        assert_eq!(warning(&with, mode), Some(expected));
    }
}

/// All are the same mistake; only the first ones are worth a search for what was meant.
#[test]
fn thousands_of_lost_filters_are_answered() {
    let mut text = NODE.to_owned();
    for number in 0..1_000 {
        writeln!(
            text,
            "---\napiVersion: rcni.io/v1alpha1\nkind: BGPFilter\nmetadata: {{name: \
             from-fabric-{number}}}\nspec: {{}}\n---\napiVersion: rcni.io/v1alpha1\nkind: BGPPeer\n\
             metadata: {{name: p{number}}}\nspec: {{peerIP: 10.1.{}.{}, asNumber: 1, filters: \
             [to-fabric-{number}]}}",
            number / 250,
            number % 250 + 1
        )
        .unwrap();
    }
    let errors = parse_speaker("bgp.yaml", &text).unwrap_err();
    assert_eq!(errors.0.len(), 101);
    assert!(
        errors.0[0].hint.starts_with("there are: from-fabric-0, "),
        "{errors}"
    );
}
