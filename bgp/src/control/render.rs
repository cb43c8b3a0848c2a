//! A status as a table for people.
//!
//! Fits 80 columns: long names are shortened; where addresses and numbers need more than a line
//! has, the counts go to a line of their own.

mod bfd;
mod kernel;
mod peer;

use std::fmt::Write;

use super::model::{Peer, Prefixes, Stale, Status};
use rcni_control::text::escape;

/// Columns that a table may use.
const WIDTH: usize = 80;
/// A name is not shortened below this.
const NAME_LEAST: usize = 8;
/// How many refused kernel routes and conflicts are listed.
const FAILED_SHOWN: usize = 10;

const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

const HEAD: [&str; 9] = [
    "PEER", "ADDRESS", "AS", "STATE", "SINCE", "RECV", "ACC", "ADV", "INST",
];
/// Columns from here on are numbers.
const COUNTS: usize = 5;
const STATE: usize = 3;

/// Everything about the peers of this name or address, or about all; `None`: there is none such.
#[must_use]
pub fn wide(status: &Status, name: Option<&str>, colour: bool) -> Option<String> {
    let drained = status.operation.drain.is_drained();
    let mut peers = status
        .peers
        .iter()
        .filter(|peer| name.is_none_or(|name| peer.is(name)))
        .peekable();
    if name.is_some() {
        peers.peek()?;
    }
    let blocks = peers.map(|peer| {
        let mut out = String::new();
        peer::whole(&mut out, peer, drained, colour);
        out
    });
    Some(blocks.collect::<Vec<_>>().join("\n"))
}

/// The table. `colour` only for terminals.
#[must_use]
pub fn table(status: &Status, colour: bool) -> String {
    let mut out = String::new();
    header(&mut out, status);
    drained(&mut out, status, colour);
    if let Some(line) = status.listener.trouble() {
        let _ = writeln!(out, "{line}");
    }
    for note in &status.listener.notes {
        wrapped(&mut out, note);
    }
    bfd::troubles(&mut out, status);
    conflicts(&mut out, status, colour);
    configuration(&mut out, status, colour);
    out.push('\n');
    if status.peers.is_empty() {
        let none = match status.ranges.is_empty() && status.links.is_empty() {
            true => "no peers are configured\n",
            false => "nobody has come yet\n",
        };
        out.push_str(none);
    } else {
        peers(&mut out, status, colour);
    }
    ranges(&mut out, status);
    links(&mut out, status);
    kernel::failed(&mut out, status);
    kernel::foreign(&mut out, status);
    out
}

// Writing to a string cannot fail, so the results of `write!` are dropped below.

fn header(out: &mut String, status: &Status) {
    let kernel = &status.kernel;
    let up = status.peers.iter().filter(|peer| peer.is_up()).count();
    let _ = writeln!(
        out,
        "router id {}, AS {}, up {}, {up} of {} peers established",
        status.router_id,
        status.asn,
        duration(status.uptime_seconds),
        status.peers.len(),
    );
    if kernel.install {
        let _ = write!(
            out,
            "kernel routes (proto {} metric {} table {}): {} installed",
            kernel.protocol, kernel.metric, kernel.table, kernel.installed,
        );
        for (count, word) in [
            (kernel.pending, "pending"),
            (kernel.stale, "stale"),
            (kernel.failed_count, "failed"),
            (kernel.degraded_count, "degraded"),
        ] {
            if count > 0 {
                let _ = write!(out, ", {count} {word}");
            }
        }
        out.push('\n');
        kernel::next_hops(out, status);
        if let Some(trouble) = &kernel.trouble {
            wrapped(out, trouble);
        }
        if !status.operation.synced {
            out.push_str(
                "  after a restart: what peers send is installed when all have sent everything, or \
                 after a while; until then the routes of before stay\n",
            );
        }
    } else {
        out.push_str("kernel routes: not installed (spec.kernel.install is false)\n");
    }
}

fn drained(out: &mut String, status: &Status, colour: bool) {
    let drain = &status.operation.drain;
    let since = duration(drain.since_seconds.unwrap_or_default());
    let (paint, plain) = if colour { (RED, PLAIN) } else { ("", "") };
    if drain.is_drained() {
        let _ = writeln!(
            out,
            "{paint}drained since {since}{plain}: no sessions and no routes until `rcni-bgp undrain`"
        );
    } else if drain.is_draining() {
        let _ = writeln!(
            out,
            "{paint}draining since {since}{plain}: all is announced with GRACEFUL_SHUTDOWN; \
             `rcni-bgp drain`\n  goes on, `rcni-bgp undrain` takes it back"
        );
    } else if drain.is_returning() {
        let names: Vec<String> = drain.waiting.iter().map(|name| escape(name)).collect();
        let what = match names.is_empty() {
            true => "the kernel has all routes".to_owned(),
            false => format!("all routes of {} are here", names.join(", ")),
        };
        let _ = writeln!(
            out,
            "{paint}coming back since {since}{plain}: all is announced with GRACEFUL_SHUTDOWN until {what}"
        );
    }
}

/// Routes of an earlier session.
fn stale(out: &mut String, stale: Stale) {
    let longer = stale.long_lived_routes;
    for (routes, left, what) in [
        (
            stale.routes.saturating_sub(longer),
            stale.seconds_left,
            "stale",
        ),
        (longer, stale.long_lived_seconds_left, "long-lived stale"),
    ] {
        if routes > 0 {
            let left = left.map_or_else(String::new, |secs| {
                format!(" for up to {} more", duration(secs))
            });
            let _ = writeln!(out, "  {routes} routes are kept as {what}{left}");
        }
    }
}

fn peers(out: &mut String, status: &Status, colour: bool) {
    let peers = &status.peers;
    let drained = status.operation.drain.is_drained();
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(peers.iter().map(row));
    let widths = widths(&rows);
    let one_line = widths.iter().sum::<usize>() + HEAD.len() - 1 <= WIDTH;
    let columns = if one_line { HEAD.len() } else { COUNTS };
    for (index, row) in rows.iter().enumerate() {
        let peer = index.checked_sub(1).and_then(|index| peers.get(index));
        line(
            out,
            &row[..columns],
            &widths,
            peer.filter(|_| colour).map(Peer::is_up),
        );
        let Some(peer) = peer else {
            continue;
        };
        if !one_line {
            let [.., received, accepted, advertised, installed] = row;
            let _ = writeln!(
                out,
                "    received {received}, accepted {accepted}, advertised {advertised}, \
                 installed {installed}"
            );
        }
        by_family(out, peer);
        bfd::path(out, peer);
        stale(out, peer.details.stale);
        if let Some(limits) = &peer.details.maximum_prefixes {
            let _ = writeln!(out, "    maximum prefixes: {}", limits.text());
        }
        if !peer.is_up() {
            trouble(out, peer, drained);
        }
        for note in &peer.notes {
            wrapped(out, &format!("note: {}", escape(note)));
        }
    }
}

/// Where both families have routes.
fn by_family(out: &mut String, peer: &Peer) {
    let families = [
        ("ipv4", peer.prefixes_by_family.ipv4),
        ("ipv6", peer.prefixes_by_family.ipv6),
    ];
    if families
        .iter()
        .any(|(_, counts)| *counts == Prefixes::default())
    {
        return;
    }
    for (family, counts) in families {
        let _ = writeln!(
            out,
            "    {family}: received {}, accepted {}, advertised {}, installed {}",
            counts.received, counts.accepted, counts.advertised, counts.installed
        );
    }
}

/// Above everything else: nothing that follows can be trusted while they last.
fn conflicts(out: &mut String, status: &Status, colour: bool) {
    if status.conflicts.is_empty() {
        return;
    }
    let (paint, plain) = if colour { (RED, PLAIN) } else { ("", "") };
    let _ = writeln!(
        out,
        "\n{paint}*** CONFLICT: {} announced by others, too ***{plain}",
        match status.conflicts.len() {
            1 => "1 own network is".to_owned(),
            count => format!("{count} prefixes of own networks are"),
        }
    );
    for conflict in status.conflicts.iter().take(FAILED_SHOWN) {
        wrapped(out, &escape(&conflict.text));
    }
    if status.conflicts.len() > FAILED_SHOWN {
        out.push_str("  and more: `-o json` lists them\n");
    }
}

/// Nothing, where the daemon runs with what its file says.
fn configuration(out: &mut String, status: &Status, colour: bool) {
    let known = &status.configuration;
    let file = escape(&known.file);
    if let Some(refused) = &known.refused {
        let (paint, plain) = if colour { (RED, PLAIN) } else { ("", "") };
        let since = duration(refused.since_seconds);
        let _ = writeln!(
            out,
            "\n{paint}configuration refused{plain} for {since}, the one before it is in use:"
        );
        for error in refused.errors.iter().take(FAILED_SHOWN) {
            wrapped(out, &escape(error));
        }
        if refused.error_count > FAILED_SHOWN {
            let _ = writeln!(out, "  and more: `rcni-bgp check {file}` lists them");
        }
    }
    for line in known.next_start.iter().chain(&known.warnings) {
        wrapped(out, &escape(line));
    }
}

fn row(peer: &Peer) -> [String; 9] {
    let counts = peer.prefixes;
    [
        escape(&peer.name),
        escape(&peer.place()),
        peer.asn
            .map_or_else(|| "?".to_owned(), |asn| asn.to_string()),
        if peer.details.shut_down {
            "ShutDown".to_owned()
        } else {
            peer.state.clone()
        },
        duration(peer.since_seconds),
        counts.received.to_string(),
        counts.accepted.to_string(),
        counts.advertised.to_string(),
        counts.installed.to_string(),
    ]
}

/// As wide as the content; the name gives way first.
fn widths(rows: &[[String; 9]]) -> [usize; 9] {
    let mut widths = [0; 9];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let gaps = HEAD.len() - 1;
    let others: usize = widths.iter().skip(1).sum::<usize>() + gaps;
    // Two lines leave the counts' width to the name.
    let counts: usize = widths.iter().skip(COUNTS).map(|width| width + 1).sum();
    let room = match WIDTH.checked_sub(others) {
        Some(room) if room >= NAME_LEAST => room,
        _ => WIDTH.saturating_sub(others - counts).max(NAME_LEAST),
    };
    widths[0] = widths[0].min(room);
    widths
}

fn line(out: &mut String, cells: &[String], widths: &[usize; 9], up: Option<bool>) {
    let mut text = String::new();
    for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let gap = if index == 0 { "" } else { " " };
        let cell = shortened(cell, *width);
        let _ = if index >= COUNTS - 1 || index == STATE - 1 {
            write!(text, "{gap}{cell:>width$}")
        } else {
            match up.filter(|_| index == STATE) {
                Some(up) => {
                    let paint = if up { GREEN } else { RED };
                    write!(text, "{gap}{paint}{cell:<width$}{PLAIN}")
                }
                None => write!(text, "{gap}{cell:<width$}"),
            }
        };
    }
    out.push_str(text.trim_end());
    out.push('\n');
}

fn trouble(out: &mut String, peer: &Peer, drained: bool) {
    let limits = peer.details.maximum_prefixes.as_ref();
    let limits = limits.filter(|limits| limits.down);
    let back = limits.map(|limits| limits.restart_in_seconds);
    let next = match peer.next_attempt_seconds {
        _ if peer.details.shut_down || back == Some(None) => {
            format!("`rcni-bgp peer start {}` starts it", peer.name)
        }
        _ if let Some(Some(secs)) = back => format!("not again before {}", duration(secs)),
        Some(secs) => format!("next attempt in {}", duration(secs)),
        // Neither dialled nor let in.
        None if drained => "`rcni-bgp undrain` starts it".to_owned(),
        None => "waiting for the peer".to_owned(),
    };
    let text = match &peer.last_error {
        Some(error) => format!(
            "{}, {} ago: {}; {next}",
            error.class,
            duration(error.age_seconds),
            escape(&error.text)
        ),
        None => format!("no error so far; {next}"),
    };
    wrapped(out, &text);
}

/// Networks from which peers may come.
fn ranges(out: &mut String, status: &Status) {
    for range in &status.ranges {
        let mut text = format!(
            "range {} {}: {} of {} peers",
            escape(&range.name),
            range.network,
            range.peers,
            range.maximum_peers
        );
        if range.refused > 0 {
            let _ = write!(text, ", {} refused over the maximum", range.refused);
        }
        wrapped(out, &text);
    }
}

/// Links about which there is something to say.
fn links(out: &mut String, status: &Status) {
    for link in &status.links {
        let name = link.interface.as_ref().unwrap_or(&link.links);
        let (name, peer) = (escape(name), escape(&link.peer));
        if !link.is_found() || !link.notes.is_empty() {
            let notes = link.notes.iter().map(|note| escape(note));
            let notes: Vec<String> = notes.collect();
            wrapped(
                out,
                &format!("link {name} ({peer}) {}: {}", link.state, notes.join("; ")),
            );
        }
    }
}

/// Indented, and further where it continues.
fn wrapped(out: &mut String, text: &str) {
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column == 0 {
            out.push_str("  ");
            column = 2;
        } else if column + 1 + length > WIDTH {
            out.push_str("\n    ");
            column = 4;
        } else {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out.push('\n');
}

fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Two units at most: `45s`, `3m12s`, `5h04m`, `12d03h`.
#[must_use]
pub fn duration(secs: u64) -> String {
    let (minutes, hours, days) = (secs / 60, secs / 3600, secs / 86_400);
    if days > 0 {
        format!("{days}d{:02}h", hours % 24)
    } else if hours > 0 {
        format!("{hours}h{:02}m", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes}m{:02}s", secs % 60)
    } else {
        format!("{secs}s")
    }
}

#[cfg(test)]
pub(crate) mod tests;
