//! A status for people.

use std::fmt::Write;
use std::time::Duration;

use rcni_control::text::escape;

use super::model::Status;

const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

/// `colour` only for terminals.
#[must_use]
pub fn text(status: &Status, colour: bool) -> String {
    let (paint, plain) = match (colour, status.ready) {
        (false, _) => ("", ""),
        (true, true) => (GREEN, PLAIN),
        (true, false) => (RED, PLAIN),
    };
    let age = |secs: u64| humantime::format_duration(Duration::from_secs(secs)).to_string();
    let mut out = String::new();
    // Writing to a string cannot fail, so the results are dropped.
    let _ = match status.ready_since_seconds.filter(|_| status.ready) {
        Some(secs) => writeln!(out, "node {paint}ready{plain} for {}", age(secs)),
        None => writeln!(out, "node {paint}not ready{plain}"),
    };
    for failure in &status.failures {
        let _ = writeln!(out, "  {}", escape(failure));
    }
    for note in &status.notes {
        let _ = writeln!(out, "  note: {}", escape(note));
    }
    let last = match status.last_check_seconds {
        Some(secs) => format!("{} ago", age(secs)),
        None => "not yet".to_owned(),
    };
    let _ = writeln!(
        out,
        "pods {}; {}",
        status.pod_cidrs.join(", "),
        escape(&status.conflist)
    );
    let _ = writeln!(
        out,
        "up {}, last check {last}, {} checks, {} of them failed, {} things put back",
        age(status.uptime_seconds),
        status.checks,
        status.failed_checks,
        status.repaired
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_comes_right_after_the_verdict() {
        let mut status = Status {
            version: 1,
            pid: 7,
            uptime_seconds: 3_725,
            ready: false,
            ready_since_seconds: None,
            last_check_seconds: Some(4),
            checks: 12,
            failed_checks: 3,
            repaired: 2,
            failures: vec!["rules: no\u{1b}pe".to_owned()],
            notes: vec![],
            pod_cidrs: vec!["10.244.1.0/24".to_owned()],
            conflist: "/etc/cni/net.d/10-rcni.conflist".to_owned(),
        };
        assert_eq!(
            text(&status, false),
            "node not ready\n  rules: no\\u{1b}pe\n\
             pods 10.244.1.0/24; /etc/cni/net.d/10-rcni.conflist\n\
             up 1h 2m 5s, last check 4s ago, 12 checks, 3 of them failed, 2 things put back\n"
        );
        status.ready = true;
        status.ready_since_seconds = Some(60);
        assert!(text(&status, true).starts_with("node \u{1b}[32mready\u{1b}[0m for 1m\n"));
    }
}
