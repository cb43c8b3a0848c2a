//! Peers and the daemon as a whole, as a status has them.

use super::{Exposition, Kind};
use crate::control::model::{Peer, Prefixes, Status};

/// Everything about sessions. Peers are those that are configured, and no more of a range than its
/// maximum.
pub fn sessions(out: &mut Exposition, status: &Status) {
    daemon(out, status);
    if status.peers.is_empty() {
        return;
    }
    let help = "Whether the session with a peer is established.";
    each(out, status, "rcni_bgp_peer_up", Kind::Gauge, help, |peer| {
        u64::from(peer.is_up())
    });
    let help = "Seconds that the session has been in its state.";
    each(
        out,
        status,
        "rcni_bgp_peer_state_seconds",
        Kind::Gauge,
        help,
        |peer| peer.since_seconds,
    );
    let help = "Times that the session came up.";
    let name = "rcni_bgp_peer_established_total";
    each(out, status, name, Kind::Counter, help, |peer| {
        peer.details.established
    });
    last_errors(out, status);
    messages(out, status);
    prefixes(out, status);
}

fn daemon(out: &mut Exposition, status: &Status) {
    let help = "1, with the version.";
    out.family("rcni_bgp_build_info", Kind::Gauge, help)
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    let help = "Seconds since the daemon was started.";
    out.family("rcni_bgp_uptime_seconds", Kind::Gauge, help)
        .sample(&[], status.uptime_seconds);
    let up = status.peers.iter().filter(|peer| peer.is_up()).count();
    let help = "Peers by whether their sessions are established.";
    out.family("rcni_bgp_peers", Kind::Gauge, help)
        .sample(&[("state", "established")], up as u64)
        .sample(&[("state", "down")], (status.peers.len() - up) as u64);
    let help = "Whether all initial routes are here, or not waited for any more.";
    let complete = status.operation.synced && status.operation.learning.is_empty();
    out.family("rcni_bgp_complete", Kind::Gauge, help)
        .sample(&[], u64::from(complete));
    let help = "Whether the node is in use, or on which part of the way out of it.";
    let mut family = out.family("rcni_bgp_drain", Kind::Gauge, help);
    for state in ["off", "draining", "drained", "returning"] {
        let is = status.operation.drain.state == state;
        family.sample(&[("state", state)], u64::from(is));
    }
    let help = "Prefixes of own networks that others announce, too.";
    out.family("rcni_bgp_conflicts", Kind::Gauge, help)
        .sample(&[], status.conflicts.len() as u64);
    let help = "Whether the configuration file is refused, and the one before it in use.";
    out.family("rcni_bgp_configuration_refused", Kind::Gauge, help)
        .sample(&[], u64::from(status.configuration.refused.is_some()));
    let help = "Connections that others began, by what became of them.";
    let listener = &status.listener;
    out.family("rcni_bgp_connections_total", Kind::Counter, help)
        .sample(&[("result", "accepted")], listener.accepted)
        .sample(&[("result", "stranger")], listener.refused_strangers)
        .sample(&[("result", "too_many")], listener.refused_too_many)
        .sample(&[("result", "too_far")], listener.refused_too_far)
        .sample(&[("result", "half_open")], listener.half_open_dropped);
}

fn each(
    out: &mut Exposition,
    status: &Status,
    name: &'static str,
    kind: Kind,
    help: &str,
    value: impl Fn(&Peer) -> u64,
) {
    let mut family = out.family(name, kind, help);
    for peer in &status.peers {
        family.sample(&[("peer", &peer.name)], value(peer));
    }
}

/// Only where there was one: the class is a word of a short list.
fn last_errors(out: &mut Exposition, status: &Status) {
    let known = || {
        status
            .peers
            .iter()
            .filter_map(|peer| Some((peer, peer.last_error.as_ref()?)))
    };
    if known().next().is_none() {
        return;
    }
    let help = "Seconds since the last connection or attempt of a peer ended, with the cause.";
    let mut family = out.family("rcni_bgp_peer_last_error_age_seconds", Kind::Gauge, help);
    for (peer, error) in known() {
        let labels = [("peer", &*peer.name), ("class", &*error.class)];
        family.sample(&labels, error.age_seconds);
    }
}

fn messages(out: &mut Exposition, status: &Status) {
    let help = "Messages of BGP.";
    let mut family = out.family("rcni_bgp_peer_messages_total", Kind::Counter, help);
    for peer in &status.peers {
        let both = &peer.details.messages;
        for (direction, counts) in [("received", &both.received), ("sent", &both.sent)] {
            let notifications = counts.notifications.values().sum::<u64>();
            let others = counts.total.saturating_sub(counts.updates + notifications);
            for (kind, count) in [
                ("update", counts.updates),
                ("notification", notifications),
                ("other", others),
            ] {
                let labels = [
                    ("peer", &*peer.name),
                    ("direction", direction),
                    ("type", kind),
                ];
                family.sample(&labels, count);
            }
        }
    }
}

fn prefixes(out: &mut Exposition, status: &Status) {
    let help = "Routes of a peer: received, and of these accepted, rejected (or unusable), best (in use) \
                and installed in the kernel; advertised to it.";
    let mut family = out.family("rcni_bgp_peer_prefixes", Kind::Gauge, help);
    for peer in &status.peers {
        let families = peer.prefixes_by_family;
        for (name, counts) in [("ipv4", families.ipv4), ("ipv6", families.ipv6)] {
            for (state, count) in states(counts) {
                let labels = [("peer", &*peer.name), ("family", name), ("state", state)];
                family.sample(&labels, count as u64);
            }
        }
    }
    let help = "Routes that are kept of an earlier session of a peer.";
    let name = "rcni_bgp_peer_stale_prefixes";
    each(out, status, name, Kind::Gauge, help, |peer| {
        peer.details.stale.routes as u64
    });
}

fn states(counts: Prefixes) -> [(&'static str, usize); 6] {
    [
        ("received", counts.received),
        ("accepted", counts.accepted),
        ("rejected", counts.rejected),
        ("best", counts.best),
        ("installed", counts.installed),
        ("advertised", counts.advertised),
    ]
}
