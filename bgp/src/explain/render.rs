//! An explanation for people.

use std::fmt::Write;

use rcni_control::text::escape;

use super::Facts;
use super::facts::{Hop, Used};
use crate::control::routes::text as route_text;

const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

// Writing to a string cannot fail, so the results of `write!` are dropped below.

/// The verdict first, and what it rests on after it. `colour` only for terminals.
#[must_use]
pub fn text(facts: &Facts, colour: bool) -> String {
    let mut out = String::new();
    let (paint, plain) = match (colour, facts.verdict.ok) {
        (false, _) => ("", ""),
        (true, true) => (GREEN, PLAIN),
        (true, false) => (RED, PLAIN),
    };
    let _ = writeln!(out, "{paint}{}{plain}", escape(&facts.verdict.text));
    kernel(&mut out, facts);
    bgp(&mut out, facts);
    rules(&mut out, facts);
    if !facts.bgp.changes.is_empty() {
        out.push_str("\nlast changes\n");
    }
    for event in &facts.bgp.changes {
        let of = event
            .peer
            .as_deref()
            .or(event.prefix.as_deref())
            .unwrap_or_default();
        let text = escape(&event.text);
        let _ = writeln!(out, "  {} {}: {text}", escape(&event.time), escape(of));
    }
    out
}

fn kernel(out: &mut String, facts: &Facts) {
    out.push_str("\nkernel\n");
    let kernel = &facts.kernel;
    if facts.bgp.elsewhere {
        out.push_str(
            "  (rcni-bgp runs in another network namespace: this is not what its node does; ask there)\n",
        );
    }
    if let Some(trouble) = &kernel.trouble {
        let _ = writeln!(out, "  {}", escape(trouble));
    }
    if let Some(refusal) = &kernel.refusal {
        let _ = writeln!(out, "  {refusal}");
    }
    if let Some(route) = &kernel.route {
        used(out, route);
    }
}

fn used(out: &mut String, route: &Used) {
    let whose = if route.ours { ", rcni-bgp's" } else { "" };
    let _ = write!(
        out,
        "  {} {} (proto {} metric {} table {}{whose})",
        route.kind, route.prefix, route.protocol, route.metric, route.table
    );
    if let Some(source) = route.source {
        let _ = write!(out, ", source {source}");
    }
    out.push('\n');
    for way in &route.hops {
        hop(out, way);
    }
}

fn hop(out: &mut String, hop: &Hop) {
    let link = &hop.link;
    let state = match (link.up, link.carrier) {
        (false, _) => "switched off",
        (true, false) => "no carrier",
        (true, true) => "up",
    };
    let _ = match hop.gateway {
        Some(gateway) => write!(out, "    via {gateway} dev {}", escape(&link.name)),
        None => write!(out, "    dev {}", escape(&link.name)),
    };
    if let Some(alias) = &link.alias {
        let _ = write!(out, " ({})", escape(alias));
    }
    let _ = write!(out, ": {state}, MTU {}", link.mtu);
    if let Some(neighbor) = &hop.neighbor {
        let _ = write!(out, ", neighbour {neighbor}");
    }
    out.push('\n');
}

fn bgp(out: &mut String, facts: &Facts) {
    out.push_str("\nBGP\n");
    let bgp = &facts.bgp;
    if let Some(trouble) = &bgp.trouble {
        let _ = writeln!(out, "  {}", escape(trouble));
        return;
    }
    let mut before = String::new();
    for path in &bgp.paths {
        for line in route_text(path, &mut before).lines() {
            let _ = writeln!(out, "  {line}");
        }
    }
    if bgp.paths.is_empty() {
        out.push_str("  no peer tells a route to it, and it is in no own network\n");
    }
    if let Some(why) = &bgp.not_installed {
        let _ = writeln!(out, "  not in the kernel: {}", escape(why));
    }
    for down in &bgp.down {
        let _ = writeln!(out, "  session down: {}", escape(down));
    }
}

fn rules(out: &mut String, facts: &Facts) {
    out.push_str("\nrules\n");
    let rules = &facts.rules;
    for line in rules.trouble.iter().chain(&rules.lines) {
        let _ = writeln!(out, "  {}", escape(line));
    }
    for failure in &rules.failures {
        let _ = writeln!(out, "  not in place: {}", escape(failure));
    }
}
