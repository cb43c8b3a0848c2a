//! `rcni-bgp metrics` of a daemon with routes, rivals and repairs.

use std::process::Command;

use crate::common::{PROGRAM, wait};
use crate::lab::{Lab, ONE, Options, TWO};

fn metrics(lab: &Lab) -> String {
    let output = Command::new(PROGRAM)
        .args(["metrics", "--socket"])
        .arg(&lab.daemon.socket)
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_kernels_side_is_counted() {
    let lab = Lab::new(&Options::default());
    lab.survives(&["-4 route flush proto 77"]);
    lab.user("add", ONE, "metric 20");
    lab.user("replace", TWO, "metric 77");
    lab.all_but(&TWO, "but those that are replaced");
    let expected = [
        "rcni_bgp_kernel_install 1",
        "rcni_bgp_kernel_routes{state=\"installed\"} 2",
        "rcni_bgp_kernel_routes{state=\"failed\"} 2",
        "rcni_bgp_kernel_foreign_routes{effect=\"preferred\"} 2",
        "rcni_bgp_kernel_foreign_routes{effect=\"in_the_way\"} 2",
        "rcni_bgp_kernel_foreign_routes{effect=\"beside\"} 0",
    ];
    wait("all is counted", || {
        let text = metrics(&lab);
        let told = |wanted: &&str| text.lines().any(|line| line == *wanted);
        expected.iter().all(told).then_some(())
    });
    // A flush goes on until it finds nothing, and we put routes back meanwhile.
    let repaired = |cause: &str| {
        let name = format!("rcni_bgp_kernel_routes_repaired_total{{cause=\"{cause}\"}} ");
        let text = metrics(&lab);
        let count = text.lines().find_map(|line| line.strip_prefix(&name));
        count.unwrap().parse::<u64>().unwrap()
    };
    assert!(repaired("deleted") + repaired("audit") + repaired("link") >= 2);
}

#[test]
fn whoever_cannot_be_asked_is_said() {
    let output = Command::new(PROGRAM)
        .args(["metrics", "--socket", "/nonexistent/rcni.sock"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("the daemon is not running"), "{text}");
}
