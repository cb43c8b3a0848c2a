//! `rcni-bgp check FILE`: every mistake in one run, exit code 2; no root needed.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, also in its helpers"
)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn check(file: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rcni-bgp"));
    command.arg("check").arg(file).output().unwrap()
}

fn config(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../config")
        .join(file)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn every_mistake_is_listed_and_nothing_else() {
    let file = config("tests/golden/mistakes-bgp.yaml");
    let output = check(&file);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(output.stdout, b"");
    let named = format!("{}:", file.display());
    let said = text(&output.stderr).replace(&named, "bgp.yaml:");
    assert_eq!(
        said,
        include_str!("../../config/tests/golden/mistakes-bgp.txt")
    );
}

#[test]
fn what_is_right_is_said() {
    for sample in ["two-node", "ipv6-only"] {
        let file = config(&format!("samples/{sample}/node1-bgp.yaml"));
        let output = check(&file);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(
            text(&output.stdout).contains(": fine: AS 65001"),
            "{output:?}"
        );
        assert_eq!(text(&output.stderr), "");
    }
}

#[test]
fn passwords_that_others_can_read_are_warned_of_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bgp.yaml");
    let sample = std::fs::read_to_string(config("samples/two-node/node1-bgp.yaml")).unwrap();
    let with = sample.replace(
        "peerIP: 10.0.1.1",
        "password: hush-hush\n  peerIP: 10.0.1.1",
    );
    assert_ne!(sample, with);
    std::fs::write(&file, with).unwrap();
    for (mode, warns) in [(0o644, true), (0o640, true), (0o600, false)] {
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        let output = check(&file);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let said = text(&output.stderr);
        assert_eq!(
            said.contains("warning") && said.contains("chmod 0600"),
            warns,
            "{said}"
        );
        assert!(!said.contains("hush-hush"), "{said}");
    }
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rcni-bgp"));
        let output = command.args(["completions", shell]).output().unwrap();
        let script = text(&output.stdout);
        for word in ["rcni-bgp", "undrain", "events", "--covering"] {
            // fish writes long options without their dashes.
            let word = if shell == "fish" {
                word.trim_start_matches('-')
            } else {
                word
            };
            assert!(script.contains(word), "{shell} knows no {word}");
        }
    }
}
