//! Routes for people: each prefix once, a line for each of its paths, and under it what there is to
//! be said of it.

use std::fmt::Write;

use super::{Attributes, LOCAL_PREF, Route};
use rcni_control::text::escape;

/// `before`: the prefix of the last one, which is not said again.
#[must_use]
pub fn text(route: &Route, before: &mut String) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail, so the results of `write!` are dropped below.
    if *before != route.prefix {
        let _ = writeln!(out, "{}", route.prefix);
        before.clone_from(&route.prefix);
    }
    let _ = write!(out, "  {:<9} ", route.state);
    let told = route.state == "told";
    match (&route.peer, &route.attributes.next_hop) {
        (None, _) => out.push_str("own network"),
        (Some(peer), _) if told || route.state == "withheld" => {
            let _ = write!(out, "from {}", escape(peer));
        }
        (Some(peer), next_hop) => {
            let next_hop = next_hop.as_deref().unwrap_or("no next hop");
            let _ = write!(out, "{next_hop} from {}", escape(peer));
        }
    }
    if route.path_id != 0 {
        let _ = write!(out, " (path {})", route.path_id);
    }
    if route.stale {
        out.push_str(", stale");
    }
    if let Some(reason) = &route.reason {
        let _ = write!(out, ": {}", escape(reason));
    }
    if let Some(rule) = route.rule.as_ref().filter(|_| told) {
        let _ = write!(out, " by {}", escape(rule));
    }
    out.push('\n');
    if told {
        // Of the path as the peer sees it: the next hop is no longer that of who told it here.
        let next_hop = route.attributes.next_hop.as_deref().unwrap_or("none");
        let mut said = attributes(&route.attributes, None);
        // External peers hear of none, and to internal ones this says nothing.
        said.retain(|word| *word != format!("local pref {LOCAL_PREF}"));
        let _ = writeln!(out, "            next hop {next_hop}, {}", said.join(", "));
        return out;
    }
    if route.peer.is_none() {
        return out;
    }
    let said = attributes(&route.attributes, None);
    let _ = writeln!(out, "            {}", said.join(", "));
    if let Some(received) = &route.received {
        let rule = route.rule.as_deref().unwrap_or("a rule");
        let differs = attributes(received, Some(&route.attributes));
        let differs = differs.join(", ");
        let _ = writeln!(out, "            changed by {}", escape(rule));
        let _ = writeln!(out, "            as received: {differs}");
    }
    out
}

/// Only what differs from the other, if there is one.
fn attributes(these: &Attributes, other: Option<&Attributes>) -> Vec<String> {
    let mut said = Vec::new();
    let mut say = |differs: bool, there: bool, text: String| {
        if other.map_or(there, |_| differs) {
            said.push(text);
        }
    };
    let next_hop = these.next_hop.as_deref().unwrap_or("none");
    let differs = other.is_some_and(|other| other.next_hop != these.next_hop);
    say(differs, false, format!("next hop {next_hop}"));
    let path = match these.as_path.as_str() {
        "" => "empty AS path".to_owned(),
        path => format!("AS path {path}"),
    };
    let differs = other.is_some_and(|other| other.as_path != these.as_path);
    say(differs, true, path);
    let differs = other.is_some_and(|other| other.local_preference != these.local_preference);
    say(
        differs,
        true,
        format!("local pref {}", these.local_preference),
    );
    let med = these
        .med
        .map_or("no MED".to_owned(), |med| format!("MED {med}"));
    let differs = other.is_some_and(|other| other.med != these.med);
    say(differs, these.med.is_some(), med);
    let differs = other.is_some_and(|other| other.origin != these.origin);
    say(
        differs,
        these.origin != "igp",
        format!("origin {}", these.origin),
    );
    let communities = match these.communities.is_empty() {
        true => "no communities".to_owned(),
        false => format!("communities {}", these.communities.join(" ")),
    };
    let differs = other.is_some_and(|other| other.communities != these.communities);
    say(differs, !these.communities.is_empty(), communities);
    if let (Some(id), None) = (&these.originator_id, other) {
        let clusters = these.cluster_list.join(" ");
        say(false, true, format!("originator {id}, clusters {clusters}"));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Attributes {
        Attributes {
            next_hop: Some("10.0.1.1".to_owned()),
            local_preference: 100,
            med: None,
            origin: "igp".to_owned(),
            as_path: "65000 65002".to_owned(),
            communities: vec!["65000:100".to_owned()],
            originator_id: None,
            cluster_list: vec![],
            only_to_customer: None,
        }
    }

    fn route(peer: Option<&str>, state: &str) -> Route {
        Route {
            prefix: "10.244.2.0/24".to_owned(),
            peer: peer.map(str::to_owned),
            path_id: 0,
            state: state.to_owned(),
            reason: None,
            rule: None,
            stale: false,
            attributes: plain(),
            received: None,
        }
    }

    #[test]
    fn each_prefix_once_with_all_that_is_to_be_said() {
        let changed = Route {
            rule: Some("from-fabric importV4[0]".to_owned()),
            attributes: Attributes {
                local_preference: 200,
                med: Some(5),
                communities: vec![],
                ..plain()
            },
            received: Some(plain()),
            stale: true,
            ..route(Some("tor-a"), "best")
        };
        let rejected = Route {
            reason: Some("from-fabric importV4[1]".to_owned()),
            rule: Some("from-fabric importV4[1]".to_owned()),
            path_id: 7,
            ..route(Some("tor-b"), "rejected")
        };
        let mut before = String::new();
        let all = [route(None, "best"), changed, rejected];
        let text: String = all.iter().map(|route| text(route, &mut before)).collect();
        assert_eq!(
            text,
            "\
10.244.2.0/24
  best      own network
  best      10.0.1.1 from tor-a, stale
            AS path 65000 65002, local pref 200, MED 5
            changed by from-fabric importV4[0]
            as received: local pref 100, no MED, communities 65000:100
  rejected  10.0.1.1 from tor-b (path 7): from-fabric importV4[1]
            AS path 65000 65002, local pref 100, communities 65000:100
"
        );
    }
}
