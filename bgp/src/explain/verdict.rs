//! What is wrong, in one sentence: the first thing that would keep a packet from its way. Pure.

use super::facts::{Facts, Hop, Used, Verdict};

/// Of everything else that is in `facts`.
#[must_use]
pub fn verdict(facts: &Facts) -> Verdict {
    let wrong = wrong(facts);
    Verdict {
        ok: wrong.is_none(),
        text: wrong.unwrap_or_else(|| fine(facts)),
    }
}

fn wrong(facts: &Facts) -> Option<String> {
    let address = facts.address;
    if let Some(trouble) = &facts.kernel.trouble {
        return Some(trouble.clone());
    }
    let Some(route) = &facts.kernel.route else {
        return Some(no_route(facts));
    };
    if route.kind == "local" {
        return None;
    }
    if let Some(pod) = pod(route) {
        return of_pod(facts, pod);
    }
    // A wider route than the one that BGP has: its own is not there.
    let known = facts.bgp.paths.first().map(|path| path.prefix.as_str());
    if let Some(prefix) = known.filter(|prefix| *prefix != route.prefix && best(facts)) {
        let why = facts.bgp.not_installed.as_deref();
        let why = why.unwrap_or("it is not in the kernel, `rcni-bgp status` may say why");
        return Some(format!(
            "BGP has a route to {prefix}, and packets to {address} take {} instead: {why}",
            route.prefix
        ));
    }
    if let Some(broken) = broken(route) {
        return Some(broken);
    }
    facts
        .rules
        .failures
        .first()
        .map(|failure| format!("routes are in order, rules are not: {failure}"))
}

fn best(facts: &Facts) -> bool {
    facts
        .bgp
        .paths
        .iter()
        .any(|path| path.state == "best" && path.peer.is_some())
}

fn pod(route: &Used) -> Option<&Hop> {
    route.hops.first().filter(|hop| hop.link.is_of_pod())
}

fn of_pod(facts: &Facts, hop: &Hop) -> Option<String> {
    let address = facts.address;
    let link = &hop.link;
    let pod = link.alias.as_deref().unwrap_or("a pod of this node");
    if !link.up || !link.carrier {
        return Some(format!(
            "{address} is {pod}, whose link {} is down: the pod's end is switched off or gone",
            link.name
        ));
    }
    match hop.neighbor.as_deref() {
        Some("failed" | "incomplete") => Some(format!(
            "{address} is {pod}, and nobody answers for it behind {}: the pod has lost its address, or its \
             interface is down",
            link.name
        )),
        _ => facts.rules.failures.first().map(|failure| {
            format!("{address} is {pod}, whose route is in order; rules are not: {failure}")
        }),
    }
}

fn no_route(facts: &Facts) -> String {
    let (address, bgp) = (facts.address, &facts.bgp);
    let refusal = facts.kernel.refusal.as_deref().unwrap_or("no route");
    if refusal == "blackhole" && facts.rules.own_pod_range {
        return format!(
            "{address} belongs to this node's pods, and no pod has it: packets to it are dropped"
        );
    }
    if refusal != "no route" {
        return format!(
            "this node has a route of type {refusal} for {address}: packets to it are dropped"
        );
    }
    if let Some(trouble) = &bgp.trouble {
        return format!("this node has no route to {address}, and {trouble}");
    }
    if best(facts) {
        let why = bgp
            .not_installed
            .as_deref()
            .unwrap_or("`rcni-bgp status` may say why");
        return format!("BGP has a route to {address} that is not in the kernel: {why}");
    }
    let unused = bgp.paths.iter().find(|path| path.peer.is_some());
    if let Some((path, peer)) = unused.and_then(|path| Some((path, path.peer.as_ref()?))) {
        let why = path.reason.as_deref().unwrap_or(&path.state);
        return format!(
            "{peer} tells a route to {} that is not used ({}): {why}",
            path.prefix, path.state
        );
    }
    match bgp.down.first() {
        None => format!("no peer tells this node a route to {address}, and all sessions are up"),
        Some(down) => {
            let (count, all) = (bgp.down.len(), bgp.down.len() + bgp.established);
            format!(
                "no peer tells this node a route to {address}, and {count} of {all} sessions are down: {down}"
            )
        }
    }
}

/// A way that leads nowhere. The kernel goes on using the others.
fn broken(route: &Used) -> Option<String> {
    let wrong: Vec<String> = route.hops.iter().filter_map(of_hop).collect();
    let first = wrong.first()?;
    Some(match route.hops.len() {
        1 => format!("the route to {} leads nowhere: {first}", route.prefix),
        all => format!(
            "{} of {all} ways to {} lead nowhere, and the connections that are on them: {first}",
            wrong.len(),
            route.prefix
        ),
    })
}

fn of_hop(hop: &Hop) -> Option<String> {
    let link = &hop.link;
    if !link.up {
        return Some(format!("link {} is switched off", link.name));
    }
    if !link.carrier {
        return Some(format!("link {} has no carrier", link.name));
    }
    let who = hop
        .gateway
        .map_or_else(|| "the address".to_owned(), |gateway| gateway.to_string());
    matches!(hop.neighbor.as_deref(), Some("failed" | "incomplete")).then(|| {
        format!(
            "{who} does not answer on {} (ARP or neighbour discovery)",
            link.name
        )
    })
}

fn fine(facts: &Facts) -> String {
    let address = facts.address;
    let Some(route) = &facts.kernel.route else {
        return format!("nothing is known of {address}");
    };
    if route.kind == "local" {
        return format!("{address} is an address of this node");
    }
    if let Some(hop) = pod(route) {
        let pod = hop.link.alias.as_deref().unwrap_or("a pod of this node");
        return format!(
            "{address} is {pod} on this node, behind {}: nothing wrong was found",
            hop.link.name
        );
    }
    let ways: Vec<String> = route
        .hops
        .iter()
        .map(|hop| match hop.gateway {
            Some(gateway) => format!("{gateway} on {}", hop.link.name),
            None => format!("the link {}", hop.link.name),
        })
        .collect();
    let ways = ways.join(", ");
    format!("packets to {address} leave by {ways}: nothing wrong was found on this node")
}

#[cfg(test)]
mod tests;
