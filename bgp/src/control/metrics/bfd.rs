//! The ways to peers.

use rcni_bgp_proto::bfd::State;

use super::{Exposition, Kind};
use crate::bfd::Report;

const STATES: [(State, &str); 4] = [
    (State::AdminDown, "admin_down"),
    (State::Down, "down"),
    (State::Init, "init"),
    (State::Up, "up"),
];

/// Everything about BFD.
pub fn bfd(out: &mut Exposition, report: &Report) {
    let help = "Peers whose way is watched by BFD, by the state of the session.";
    let mut family = out.family("rcni_bgp_bfd_sessions", Kind::Gauge, help);
    for (state, name) in STATES {
        let sessions = report.sessions.values();
        let count = sessions.filter(|it| it.status.state == state).count();
        family.sample(&[("state", name)], count as u64);
    }
    let help = "Times that a session of BFD went down from up, for whatever reason.";
    out.family("rcni_bgp_bfd_downs_total", Kind::Counter, help)
        .sample(&[], report.totals.downs);
    let help = "Packets of BFD that were sent, and that were taken.";
    out.family("rcni_bgp_bfd_packets_total", Kind::Counter, help)
        .sample(&[("direction", "sent")], report.totals.sent)
        .sample(&[("direction", "received")], report.totals.received);
    let help =
        "Packets that came to the ports of BFD and were dropped, by the reason (RFC 5880 6.8.6).";
    let name = "rcni_bgp_bfd_packets_dropped_total";
    let mut family = out.family(name, Kind::Counter, help);
    for (reason, count) in report.discards.iter() {
        family.sample(&[("reason", &reason.as_str().replace('-', "_"))], count);
    }
}
