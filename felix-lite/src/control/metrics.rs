//! What Prometheus reads of the agent.

use rcni_control::exposition::{Exposition, Kind};

use super::model::Status;

/// Everything.
#[must_use]
pub fn all(status: &Status) -> Exposition {
    let mut out = Exposition::default();
    let help = "Whether rules, routes, settings and the network configuration are in place, now.";
    out.family("rcni_felix_ready", Kind::Gauge, help)
        .sample(&[], u64::from(status.ready));
    let help =
        "Times that the whole node was looked at, and those of them in which something failed.";
    out.family("rcni_felix_checks_total", Kind::Counter, help)
        .sample(&[("result", "ok")], status.checks - status.failed_checks)
        .sample(&[("result", "failed")], status.failed_checks);
    let help =
        "Rules, routes, settings and files that somebody else had changed and that were put back.";
    out.family("rcni_felix_repaired_total", Kind::Counter, help)
        .sample(&[], status.repaired);
    if let Some(secs) = status.last_check_seconds {
        let help = "Seconds since the whole node was looked at last.";
        out.family("rcni_felix_last_check_age_seconds", Kind::Gauge, help)
            .sample(&[], secs);
    }
    out
}
