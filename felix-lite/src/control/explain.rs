//! `GET /v1/explain?address=…`: what this node's rules do with packets from and to an address. Pure: the
//! rules as they should be now, and whether they are in place.

use std::net::IpAddr;

use rcni_config::Cidr;
use rcni_control::text::escape;
use serde::{Deserialize, Serialize};

use crate::table::model::{Action, Family, Hook, Match, Rule, RuleSet};

/// The version of this shape.
pub const VERSION: u32 = 1;

/// What is asked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// Of a pod, a node, or anything else.
    pub address: String,
}

impl ExplainRequest {
    /// The address.
    ///
    /// # Errors
    /// It is none.
    pub fn address(&self) -> Result<IpAddr, String> {
        let parsed = self
            .address
            .parse::<IpAddr>()
            .map(|address| address.to_canonical());
        parsed.map_err(|_| {
            let given = escape(&self.address);
            format!("{given} is no address: write one like 10.244.1.2 or fd00::2\n")
        })
    }
}

/// The whole answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// [`VERSION`].
    pub version: u32,
    /// It is one of this node's pods' addresses, used or not.
    pub own_pod_range: bool,
    /// What rules do, for people.
    pub lines: Vec<String>,
    /// What of them is not in place.
    pub failures: Vec<String>,
}

/// What `rules` do with packets from and to `address`; `pods`: this node's ranges.
#[must_use]
pub fn explain(
    address: IpAddr,
    pods: &[Cidr],
    rules: &[RuleSet],
    failures: Vec<String>,
) -> Explanation {
    let own = pods.iter().find(|range| range.contains_ip(address));
    let lines = match own {
        Some(range) => of_own_pod(address, *range, rules),
        None => of_others(address, rules),
    };
    Explanation {
        version: VERSION,
        own_pod_range: own.is_some(),
        lines,
        failures,
    }
}

fn of_own_pod(address: IpAddr, range: Cidr, rules: &[RuleSet]) -> Vec<String> {
    let mut lines = vec![format!(
        "{address} is in {range}, a range of this node's pods"
    )];
    let forward = |rule: &&Rule| rule.action == Action::Accept;
    for (_, rule) in of(rules, address, Hook::Forward).filter(|(_, rule)| forward(rule)) {
        lines.push(format!("accepted: {}", rule.why));
    }
    lines.push(format!(
        "not accepted here: what a pod of this node sends with an address outside of {range}"
    ));
    let nat = of(rules, address, Hook::Postrouting);
    let leaving = nat.filter(|(_, rule)| rule.matches.iter().all(|is| from(is, address)));
    let leaving: Vec<String> = leaving.map(|(_, rule)| done(rule)).collect();
    lines.push(match leaving.first() {
        Some(done) => format!("what it sends out of the cluster is {done}"),
        None => "what it sends is not translated".to_owned(),
    });
    lines
}

/// A condition on where a packet of `address` comes from.
fn from(is: &Match, address: IpAddr) -> bool {
    matches!(is, Match::Source(range) if range.contains_ip(address))
}

fn of_others(address: IpAddr, rules: &[RuleSet]) -> Vec<String> {
    let nat = of(rules, address, Hook::Postrouting);
    let mut reached = nat.filter(|(_, rule)| {
        rule.matches.iter().all(|is| match is {
            Match::Destination(range) => range.contains_ip(address),
            // Whoever asks means one of them.
            Match::Source(_) => true,
            Match::InLinkPrefix(_) | Match::OutLinkPrefix(_) => false,
        })
    });
    let translated = match reached.next() {
        Some((_, rule)) if rule.action == Action::Return => {
            format!(
                "what this node's pods send to it is not translated: {}",
                rule.why
            )
        }
        Some((_, rule)) => format!("what this node's pods send to it is {}", done(rule)),
        None => "what this node's pods send to it is not translated".to_owned(),
    };
    let mut accepted = of(rules, address, Hook::Forward).filter(|(_, rule)| {
        rule.action == Action::Accept
            && rule.matches.iter().any(|is| matches!(is, Match::Source(_)))
    });
    let mut lines = vec![translated];
    if accepted.next().is_some() {
        lines.push(
            "what they send to it, and what it sends to them, is accepted in FORWARD".to_owned(),
        );
    }
    lines
}

fn done(rule: &Rule) -> String {
    match rule.action {
        Action::Snat(source) => format!("translated to {source} (SNAT)"),
        Action::Masquerade => {
            "translated to the address of the link that it leaves by (MASQUERADE)".to_owned()
        }
        Action::Accept => "accepted".to_owned(),
        Action::Return => "left to other rules".to_owned(),
    }
}

/// The rules of the address' family at a hook, with their chains.
fn of(rules: &[RuleSet], address: IpAddr, hook: Hook) -> impl Iterator<Item = (&str, &Rule)> {
    let family = if address.is_ipv4() {
        Family::V4
    } else {
        Family::V6
    };
    let of_family = rules.iter().filter(move |rules| rules.family == family);
    let tables = of_family.flat_map(|rules| &rules.tables);
    let chains = tables.flat_map(|table| &table.chains);
    let chains = chains.filter(move |chain| chain.hook == hook);
    chains.flat_map(|chain| chain.rules.iter().map(|rule| (chain.name.as_str(), rule)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::desired;
    use crate::desired::tests::config;

    fn lines(address: &str) -> Vec<String> {
        let desired = desired(&config());
        let address = ExplainRequest {
            address: address.to_owned(),
        }
        .address()
        .unwrap();
        explain(address, &desired.blackholes, &desired.rules, vec![]).lines
    }

    #[test]
    fn a_pod_of_this_node() {
        let said = lines("10.244.1.2");
        assert_eq!(
            said[0],
            "10.244.1.2 is in 10.244.1.0/24, a range of this node's pods"
        );
        assert!(
            said.iter()
                .any(|line| line.starts_with("accepted: from a pod")),
            "{said:?}"
        );
        assert!(
            said.iter()
                .any(|line| line.starts_with("not accepted here")),
            "{said:?}"
        );
        assert!(said.last().unwrap().contains("MASQUERADE"), "{said:?}");
    }

    #[test]
    fn what_is_in_the_cluster_sees_the_pod_and_what_is_not_does_not() {
        let said = lines("10.244.2.17");
        assert!(
            said[0].contains("not translated: 10.244.0.0/16 sees the pod's own address"),
            "{said:?}"
        );
        let said = lines("192.0.2.1");
        assert!(said[0].contains("MASQUERADE"), "{said:?}");
        assert_eq!(said.len(), 2, "{said:?}");
        // A family without pods has no rules.
        assert_eq!(
            lines("2001:db8::1"),
            ["what this node's pods send to it is not translated"]
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let request = ExplainRequest {
            address: "po\u{1b}d".to_owned(),
        };
        let error = request.address().unwrap_err();
        assert!(error.contains("po\\u{1b}d is no address"), "{error}");
    }
}
