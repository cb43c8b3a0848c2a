//! Everything about one peer, for people.

use std::fmt::Write;

use rcni_control::text::escape;

use super::{GREEN, PLAIN, RED, bfd, duration, stale, wrapped};
use crate::control::model::{Capability, MessageCounts, Peer, Prefixes, Session};

const COUNTS: [&str; 6] = [
    "RECEIVED",
    "ACCEPTED",
    "REJECTED",
    "BEST",
    "INSTALLED",
    "ADVERTISED",
];
/// Columns of a family's name.
const FAMILY: usize = 14;
/// Columns of a capability's name.
const NAME: usize = 30;

// Writing to a string cannot fail, so the results of `write!` are dropped below.

/// A block of lines. `drained`: the node is out of use.
pub(super) fn whole(out: &mut String, peer: &Peer, drained: bool, colour: bool) {
    head(out, peer, colour);
    if let Some(session) = &peer.details.session {
        let _ = writeln!(
            out,
            "  {} - {}, router id {}",
            session.local, session.remote, session.router_id
        );
    }
    let agreed = &peer.negotiated;
    if let (Some(hold), Some(keepalive)) = (agreed.hold_time_seconds, agreed.keepalive_seconds) {
        let text = match hold {
            0 => "no hold time: a silent peer stays".to_owned(),
            hold => format!("hold time {hold} s, keepalive {keepalive} s"),
        };
        let _ = writeln!(out, "  {text}");
    }
    if peer.is_up() {
        last_error(out, peer);
    } else {
        super::trouble(out, peer, drained);
    }
    for note in &peer.notes {
        wrapped(out, &escape(note));
    }
    bfd::path(out, peer);
    stale(out, peer.details.stale);
    messages(out, peer);
    prefixes(out, peer);
    if let Some(limits) = &peer.details.maximum_prefixes {
        let _ = writeln!(out, "  maximum prefixes: {}", limits.text());
    }
    if let Some(session) = &peer.details.session {
        capabilities(out, session);
    }
}

fn head(out: &mut String, peer: &Peer, colour: bool) {
    let asn = peer
        .asn
        .map_or_else(|| "?".to_owned(), |asn| asn.to_string());
    let mut kind = vec![peer.kind.as_str()];
    kind.extend(peer.details.client.then_some("client of this reflector"));
    kind.extend(peer.details.dynamic.then_some("came from a range"));
    let _ = writeln!(
        out,
        "{} {} AS {asn} ({}), our AS {}",
        escape(&peer.name),
        peer.place(),
        kind.join(", "),
        peer.details.local_asn,
    );
    let (paint, plain) = match (colour, peer.is_up()) {
        (false, _) => ("", ""),
        (true, true) => (GREEN, PLAIN),
        (true, false) => (RED, PLAIN),
    };
    let state = match peer.details.shut_down {
        true => "shut down by command",
        false => &peer.state,
    };
    let times = match peer.details.established {
        1 => "once".to_owned(),
        times => format!("{times} times"),
    };
    let since = duration(peer.since_seconds);
    let _ = writeln!(
        out,
        "  {paint}{state}{plain} for {since}; established {times} since the daemon's start"
    );
}

fn last_error(out: &mut String, peer: &Peer) {
    if let Some(error) = &peer.last_error {
        let age = duration(error.age_seconds);
        let text = escape(&error.text);
        wrapped(
            out,
            &format!("last error {age} ago: {}: {text}", error.class),
        );
    }
}

fn messages(out: &mut String, peer: &Peer) {
    let text = |counts: &MessageCounts| {
        let mut text = format!("{} ({} UPDATEs", counts.total, counts.updates);
        for (name, count) in &counts.notifications {
            let _ = write!(text, ", {count} NOTIFICATION {name}");
        }
        text + ")"
    };
    let both = &peer.details.messages;
    let (received, sent) = (text(&both.received), text(&both.sent));
    wrapped(out, &format!("messages received {received}, sent {sent}"));
}

fn prefixes(out: &mut String, peer: &Peer) {
    let _ = write!(out, "  {:<FAMILY$}", "PREFIXES");
    for head in COUNTS {
        let _ = write!(out, " {head}");
    }
    out.push('\n');
    let families = peer.prefixes_by_family;
    for (family, counts) in [
        ("ipv4 unicast", families.ipv4),
        ("ipv6 unicast", families.ipv6),
    ] {
        if counts == Prefixes::default() && !peer.negotiated.families.iter().any(|f| f == family) {
            continue;
        }
        let numbers = [
            counts.received,
            counts.accepted,
            counts.rejected,
            counts.best,
            counts.installed,
            counts.advertised,
        ];
        let _ = write!(out, "  {family:<FAMILY$}");
        for (number, head) in numbers.into_iter().zip(COUNTS) {
            let width = head.len();
            let _ = write!(out, " {number:>width$}");
        }
        out.push('\n');
    }
}

fn capabilities(out: &mut String, session: &Session) {
    let _ = writeln!(out, "  {:<NAME$} SENT RECEIVED IN USE", "CAPABILITIES");
    for capability in &session.capabilities {
        let Capability {
            name,
            sent,
            received,
            in_use,
        } = capability;
        let word = |is: bool| if is { "yes" } else { "-" };
        let _ = writeln!(
            out,
            "  {:<NAME$} {:<4} {:<8} {}",
            escape(name),
            word(sent.is_some()),
            word(received.is_some()),
            word(*in_use),
        );
        for (side, value) in [("sent", sent), ("received", received)] {
            if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
                wrapped(out, &format!("  {side}: {}", escape(value)));
            }
        }
    }
}
