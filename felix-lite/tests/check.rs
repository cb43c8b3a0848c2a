//! `felix-lite check FILE`: every mistake in one run, exit code 2; no root needed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn check(file: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_felix-lite"));
    command.arg("check").arg(file).output().unwrap()
}

fn config(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../config")
        .join(file)
}

#[test]
fn every_mistake_is_listed_and_nothing_else() {
    let file = config("tests/golden/mistakes-felix.yaml");
    let output = check(&file);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(output.stdout, b"");
    let said = String::from_utf8(output.stderr).unwrap();
    let named = format!("{}:", file.display());
    let expected = include_str!("../../config/tests/golden/mistakes-felix.txt");
    assert_eq!(said.replace(&named, "felix.yaml:"), expected);
}

#[test]
fn what_is_right_is_said_with_its_pods() {
    for (sample, pods) in [
        ("two-node", "10.244.1.0/24"),
        ("dual-stack", "10.244.1.0/24, fd00:10:244:1::/64"),
        ("ipv6-only", "fd00:10:244:1::/64"),
    ] {
        let file = config(&format!("samples/{sample}/node1-felix.yaml"));
        let output = check(&file);
        assert_eq!(output.status.code(), Some(0));
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said, format!("{}: fine; pods {pods}\n", file.display()));
        assert_eq!(output.stderr, b"");
    }
}

#[test]
fn a_file_that_is_not_there_is_refused() {
    let output = check(Path::new("/nonexistent/felix.yaml"));
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("/nonexistent/felix.yaml: cannot be read"),
        "{said}"
    );
}

#[test]
fn standard_input_is_read_by_either_name() {
    let text = std::fs::read(config("samples/two-node/node1-felix.yaml")).unwrap();
    for name in ["-", "/dev/stdin"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_felix-lite"));
        command.args(["check", name]).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&text).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said, format!("{name}: fine; pods 10.244.1.0/24\n"));
    }
}
