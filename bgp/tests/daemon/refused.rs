//! What prevents a start, said in one line.

use std::path::Path;

use super::common::{Daemon, Namespace, PROGRAM, wait};
use super::config_a;

/// Such a line; it has all `parts`.
pub(crate) fn one_line(stderr: &[u8], parts: &[&str]) {
    let text = String::from_utf8_lossy(stderr);
    assert_eq!(text.lines().count(), 1, "{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

/// Runs the daemon, which must end by itself with `code` and one line that has all `parts`.
fn refused(namespace: &Namespace, folder: &Path, config: &str, code: i32, parts: &[&str]) {
    let file = folder.join("refused.yaml");
    std::fs::write(&file, config).unwrap();
    let output = namespace
        .command(PROGRAM)
        .args(["run", "--log-level", "error", "--config"])
        .arg(&file)
        .arg("--socket")
        .arg(folder.join("refused.sock"))
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(code),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    one_line(&output.stderr, parts);
    assert!(!folder.join("refused.sock").exists());
}

#[test]
fn what_prevents_a_start_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let namespace = Namespace::new();
    let good = config_a();

    let taken = namespace.run(|| async { std::net::TcpListener::bind("0.0.0.0:179").unwrap() });
    refused(
        &namespace,
        path,
        &good,
        1,
        &["TCP port 179 is taken", "spec.listenPort"],
    );
    drop(taken);

    // nobody, in a folder that it may write.
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let nobody = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    // The program may lie where nobody may not look.
    let program = path.join("rcni-bgp");
    std::fs::copy(PROGRAM, &program).unwrap();
    let bind = ["CAP_NET_BIND_SERVICE"];
    unprivileged(&namespace, &nobody, path, &good, &bind);
    let high = good.replace("networks:", "listenPort: 1790, networks:");
    unprivileged(
        &namespace,
        &nobody,
        path,
        &high,
        &["CAP_NET_ADMIN", "spec.kernel.install"],
    );

    // A file where the socket should be.
    std::fs::write(path.join("file"), "").unwrap();
    let output = namespace
        .command(PROGRAM)
        .args(["run", "--log-level", "error", "--config"])
        .arg(path.join("refused.yaml"))
        .arg("--socket")
        .arg(path.join("file").join("bgp.sock"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    one_line(&output.stderr, &["control socket", "--socket"]);

    let reserved = good.replace("asNumber: 65001", "asNumber: 0");
    refused(
        &namespace,
        path,
        &reserved,
        2,
        &["refused.yaml:4", "spec.asNumber", "AS 0"],
    );
    let check = std::process::Command::new(PROGRAM)
        .arg("check")
        .arg(path.join("refused.yaml"))
        .output()
        .unwrap();
    assert_eq!(check.status.code(), Some(2));
    one_line(&check.stderr, &["spec.asNumber"]);
}

/// As [`refused`] with code 1, by the copy of the program in `folder`.
fn unprivileged(namespace: &Namespace, wrap: &[&str], folder: &Path, config: &str, parts: &[&str]) {
    let file = folder.join("unprivileged.yaml");
    std::fs::write(&file, config).unwrap();
    let (program, arguments) = wrap.split_first().unwrap();
    let output = namespace
        .command(program)
        .args(arguments)
        .arg(folder.join("rcni-bgp"))
        .args(["run", "--log-level", "error", "--config"])
        .arg(&file)
        .arg("--socket")
        .arg(folder.join("unprivileged.sock"))
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    one_line(&output.stderr, parts);
}

#[test]
fn two_daemons_with_one_socket_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let namespace = Namespace::new();
    let first = Daemon::start(&namespace, folder.path(), "a", &config_a());
    wait("it runs", || first.json());
    let elsewhere = Namespace::new();
    let mut second = Daemon::start(&elsewhere, folder.path(), "a", &config_a());
    assert_eq!(second.ended(), Some(1));
    assert!(
        second.log().contains("another rcni-bgp answers"),
        "{}",
        second.log()
    );
    assert!(first.json().is_some(), "the first one still answers");
}
