//! The kernel's side: what is missing, and what others have there.

use std::fmt::Write;

use super::{FAILED_SHOWN, wrapped};
use crate::control::model::{Failed, ForeignRoute, Status};

/// What routes with several next hops use, where that is worth a word.
pub(super) fn next_hops(out: &mut String, status: &Status) {
    let Some(next_hops) = &status.kernel.next_hops else {
        return;
    };
    if let Some(note) = &next_hops.note {
        wrapped(
            out,
            &format!("several next hops: {}: {note}", next_hops.mode),
        );
    }
    for address in &next_hops.missing_node_addresses {
        wrapped(
            out,
            &format!(
                "{address} of spec.nodeAddresses is not an address of this node: routes have no source \
                 until it is"
            ),
        );
    }
    if next_hops.groups > 0 && next_hops.compat_mode == Some(true) {
        wrapped(
            out,
            &format!(
                "{} nexthop groups; net.ipv4.nexthop_compat_mode is 1: a change of one takes as long as \
                 telling all its routes, 0 makes it a message (felix-lite sets it)",
                next_hops.groups
            ),
        );
    }
}

/// What is not in the kernel as it should be.
pub(super) fn failed(out: &mut String, status: &Status) {
    let kernel = &status.kernel;
    listed(
        out,
        "not in the kernel",
        &kernel.failed,
        kernel.failed_count,
    );
    listed(
        out,
        "in the kernel without some of their next hops",
        &kernel.degraded,
        kernel.degraded_count,
    );
}

fn listed(out: &mut String, title: &str, routes: &[Failed], count: usize) {
    if routes.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{title}:");
    for route in routes.iter().take(FAILED_SHOWN) {
        wrapped(out, &format!("{}: {}", route.prefix, route.reason));
    }
    let shown = routes.len().min(FAILED_SHOWN);
    if count > shown {
        let _ = writeln!(out, "  and {} more: `-o json` lists them", count - shown);
    }
}

/// Other programs' routes for the same prefixes: those that change where traffic goes, and every
/// default route. What merely stands by is counted, and a connected network is always preferred.
pub(super) fn foreign(out: &mut String, status: &Status) {
    let others = &status.kernel.others;
    let telling = |route: &&ForeignRoute| {
        route.is_default() || (route.effect != "beside" && route.whose() != "kernel")
    };
    let mut shown = 0;
    for route in others.foreign.iter().filter(telling).take(FAILED_SHOWN) {
        if shown == 0 {
            out.push_str(
                "\nroutes of other programs for the same prefixes, which are left alone:\n",
            );
        }
        shown += 1;
        let ours = match route.is_default() {
            true => others.default_route_metric,
            false => status.kernel.metric,
        };
        wrapped(out, &foreign_route(route, ours));
    }
    if shown > 0 && others.foreign_count > shown {
        let more = others.foreign_count - shown;
        let _ = writeln!(out, "  and {more} more: `-o json` lists them");
    }
}

fn foreign_route(route: &ForeignRoute, ours: u32) -> String {
    let ForeignRoute { prefix, metric, .. } = route;
    let kind = match route.kind.as_str() {
        "unicast" => String::new(),
        kind => format!("{kind}, "),
    };
    let whose = format!("{prefix} ({}, {kind}metric {metric})", route.whose());
    match route.effect.as_str() {
        "preferred" if route.is_default() => format!(
            "{whose} is the default route in use, before ours (metric {ours}): \
             spec.kernel.defaultRouteMetric says which comes first"
        ),
        "preferred" => format!("{whose} is used before ours (metric {ours})"),
        "in the way" => format!("{whose} has the place of ours"),
        _ => format!("{whose} stands behind ours (metric {ours})"),
    }
}
