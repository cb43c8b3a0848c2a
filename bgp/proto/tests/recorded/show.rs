//! What became of a recording, as text.

use std::fmt::Write;

use rcni_bgp_proto::Family;
use rcni_bgp_proto::attr::{Aggregator, PathAttributes};
use rcni_bgp_proto::speaker::{RouteStatus, SessionStatus};
use rcni_bgp_proto::validate::Negotiated;

fn list<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    items.iter().map(show).collect::<Vec<_>>().join(" ")
}

fn octets(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// All that was received, in the order of the attributes' codes.
pub(crate) fn attributes(of: &PathAttributes) -> String {
    let mut out = format!("{} [{}]", of.origin, of.as_path);
    if let Some(next_hop) = &of.next_hop {
        let _ = write!(out, " next hop {next_hop}");
    }
    if let Some(med) = of.med {
        let _ = write!(out, " med {med}");
    }
    if let Some(local_pref) = of.local_pref.get() {
        let _ = write!(out, " local_pref {local_pref}");
    }
    if of.atomic_aggregate {
        out.push_str(" atomic");
    }
    if let Some(Aggregator { asn, bgp_id }) = of.aggregator() {
        let _ = write!(out, " aggregator {asn} {bgp_id}");
    }
    let communities = list(&of.communities, |c| format!("{}:{}", c >> 16, c & 0xffff));
    let extended = list(of.extended_communities(), |c| octets(c));
    let large = list(of.large_communities(), |[a, b, c]| format!("{a}:{b}:{c}"));
    let unknown = list(of.unknown(), |unknown| {
        let value = octets(&unknown.value);
        format!("{:02x} {}={value}", unknown.flags, unknown.code.0)
    });
    let partial = of
        .rare
        .as_ref()
        .map(|rare| list(&rare.partial, |code| code.0.to_string()));
    for (name, text) in [
        ("communities", communities),
        ("extended", extended),
        ("large", large),
        ("unknown", unknown),
        ("partial", partial.unwrap_or_default()),
    ] {
        if !text.is_empty() {
            let _ = write!(out, " {name} {text}");
        }
    }
    out
}

/// One path, with what became of it.
pub(crate) fn route(route: &RouteStatus) -> String {
    let stale = if route.stale { ", stale" } else { "" };
    let id = match route.path_id {
        0 => String::new(),
        id => format!(" path {id}"),
    };
    let what = attributes(&route.attributes);
    format!("{}{id} ({}{stale}): {what}", route.prefix, route.status)
}

pub(crate) fn session(session: &SessionStatus) -> String {
    let families: Vec<String> = session.families.iter().map(ToString::to_string).collect();
    format!(
        "hold {} id {} {}",
        session.hold_time_secs,
        session.peer_bgp_id,
        families.join(", ")
    )
}

/// What the two OPENs of the recording have in common.
pub(crate) fn negotiated(negotiated: &Negotiated) -> String {
    let options = &negotiated.options;
    let families = |families: &[Family]| list(families, ToString::to_string);
    let restart = negotiated.peer_graceful_restart.as_ref().map(|restart| {
        let kept = list(&restart.families, |(family, forwarding)| {
            format!("{family} (F {forwarding})")
        });
        format!(
            "graceful restart {} s, R {}, {kept}",
            restart.time_secs, restart.restart
        )
    });
    let all = [
        Some(format!("hold {}", negotiated.hold_time_secs)),
        Some(families(&negotiated.families)),
        options.four_octet_as.then(|| "4-octet AS".to_owned()),
        options
            .extended_message
            .then(|| "extended messages".to_owned()),
        negotiated.route_refresh.then(|| "route refresh".to_owned()),
        options
            .enhanced_route_refresh
            .then(|| "enhanced".to_owned()),
        restart,
        Some(families(&options.extended_next_hop))
            .filter(|list| !list.is_empty())
            .map(|list| format!("IPv6 next hops of {list}")),
        Some(families(&options.add_path.receive))
            .filter(|list| !list.is_empty())
            .map(|list| format!("several paths of {list}")),
    ];
    let all: Vec<String> = all.into_iter().flatten().collect();
    format!("negotiated: {}", all.join(", "))
}
