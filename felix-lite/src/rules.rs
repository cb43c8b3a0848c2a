//! Which rules a node needs. Pure: ranges in, chains out; nothing is per pod.

use std::net::IpAddr;

use rcni_config::Cidr;

use crate::table::model::{
    Action, Chain, Family, Hook, Match, OWN_PREFIX, Rule, RuleSet, Table, TableName,
};

/// Names of the pods' links on the node start with this; `rcni` makes them.
pub const POD_LINK_PREFIX: &str = "rcni";

/// What the rules depend on; all ranges of one family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    /// The node's own pod ranges.
    pub pods: Vec<Cidr>,
    /// Destinations that see a pod's own address: all pods, all nodes, and further exemptions.
    pub untranslated: Vec<Cidr>,
    /// Whether everything else sees the node's address.
    pub masquerade: bool,
    /// Which address of the node's; `None`: that of the link that it leaves by.
    pub source: Option<IpAddr>,
}

impl Ranges {
    /// The address that a rule names.
    #[must_use]
    pub fn translated_to(&self) -> Option<IpAddr> {
        self.source
            .filter(|_| self.masquerade && !self.pods.is_empty())
    }
}

/// The chains of one family.
#[must_use]
pub fn rule_set(family: Family, ranges: &Ranges) -> RuleSet {
    let nat = if ranges.masquerade && !ranges.pods.is_empty() {
        vec![postrouting(ranges)]
    } else {
        Vec::new()
    };
    let filter = if ranges.pods.is_empty() {
        Vec::new()
    } else {
        vec![forward(ranges)]
    };
    RuleSet {
        family,
        tables: vec![
            Table {
                name: TableName::Filter,
                chains: filter,
            },
            Table {
                name: TableName::Nat,
                chains: nat,
            },
        ],
    }
}

fn forward(ranges: &Ranges) -> Chain {
    let link = POD_LINK_PREFIX.to_owned();
    let mut rules: Vec<Rule> = ranges
        .pods
        .iter()
        .map(|pods| Rule {
            matches: vec![Match::Source(*pods), Match::InLinkPrefix(link.clone())],
            action: Action::Accept,
            why: format!("from a pod of this node, with an address of {pods}"),
        })
        .collect();
    rules.push(Rule {
        matches: vec![Match::OutLinkPrefix(link)],
        action: Action::Accept,
        why: "to a pod of this node: only a pod's own route leads out by such a link".to_owned(),
    });
    Chain {
        name: format!("{OWN_PREFIX}FORWARD"),
        hook: Hook::Forward,
        rules,
    }
}

fn postrouting(ranges: &Ranges) -> Chain {
    let mut rules: Vec<Rule> = outermost(&ranges.untranslated)
        .into_iter()
        .map(|range| Rule {
            matches: destination(range),
            action: Action::Return,
            why: format!("{range} sees the pod's own address"),
        })
        .collect();
    let leaves = ranges.pods.iter().map(|pods| match ranges.source {
        None => Rule {
            matches: vec![Match::Source(*pods)],
            action: Action::Masquerade,
            why: format!("what leaves the cluster from {pods} gets the node's address"),
        },
        Some(source) => Rule {
            matches: vec![Match::Source(*pods)],
            action: Action::Snat(source),
            why: format!(
                "what leaves the cluster from {pods} gets {source}, whichever uplink it takes, and \
                 keeps it when it takes another"
            ),
        },
    });
    rules.extend(leaves);
    Chain {
        name: format!("{OWN_PREFIX}POSTROUTING"),
        hook: Hook::Postrouting,
        rules,
    }
}

/// A range of length 0 is every destination, and no condition at all.
fn destination(range: Cidr) -> Vec<Match> {
    if range.prefix_len() == 0 {
        Vec::new()
    } else {
        vec![Match::Destination(range)]
    }
}

/// Without those that lie within another, in the given order.
fn outermost(ranges: &[Cidr]) -> Vec<Cidr> {
    let mut kept: Vec<Cidr> = Vec::new();
    for range in ranges {
        if kept.iter().any(|other| other.contains(range)) {
            continue;
        }
        kept.retain(|other| !range.contains(other));
        kept.push(*range);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::render;

    fn cidrs(list: &[&str]) -> Vec<Cidr> {
        list.iter().map(|cidr| cidr.parse().unwrap()).collect()
    }

    fn two_node() -> Ranges {
        Ranges {
            pods: cidrs(&["10.244.1.0/24"]),
            untranslated: cidrs(&["10.244.0.0/16", "10.0.0.0/16"]),
            masquerade: true,
            source: None,
        }
    }

    #[test]
    fn the_whole_set_is_as_in_the_golden_file() {
        let text = render::explained(&rule_set(Family::V4, &two_node()));
        assert_eq!(text, include_str!("../golden/two-node.rules"));
    }

    #[test]
    fn ipv6_is_as_in_the_golden_files() {
        let mut ranges = Ranges {
            pods: cidrs(&["fd00:10:244:1::/64"]),
            untranslated: cidrs(&["fd00:10:244::/48", "fd00:10:0::/48", "fd00:10:0:5::/64"]),
            masquerade: true,
            source: None,
        };
        let text = render::explained(&rule_set(Family::V6, &ranges));
        assert_eq!(text, include_str!("../golden/ipv6-translated.rules"));
        ranges.masquerade = false;
        let text = render::explained(&rule_set(Family::V6, &ranges));
        assert_eq!(text, include_str!("../golden/ipv6.rules"));
    }

    #[test]
    fn several_ranges_are_as_in_the_golden_file() {
        let ranges = Ranges {
            pods: cidrs(&["10.244.1.0/24", "10.245.8.0/22"]),
            untranslated: cidrs(&[
                "10.244.0.0/16",
                "10.245.0.0/16",
                "192.0.2.7/32",
                "10.244.0.0/14",
            ]),
            masquerade: true,
            source: None,
        };
        let text = render::explained(&rule_set(Family::V4, &ranges));
        assert_eq!(text, include_str!("../golden/several-ranges.rules"));
    }

    #[test]
    fn with_an_address_of_the_nodes_own_everything_leaves_with_it() {
        let source = |text: &str| Some(text.parse().unwrap());
        let ranges = Ranges {
            source: source("10.255.1.1"),
            ..two_node()
        };
        let text = render::explained(&rule_set(Family::V4, &ranges));
        assert_eq!(text, include_str!("../golden/node-address.rules"));
        let ranges = Ranges {
            pods: cidrs(&["fd00:10:244:1::/64"]),
            masquerade: true,
            source: source("fd00:10:255::1"),
            ..Ranges::default()
        };
        let text = render::explained(&rule_set(Family::V6, &ranges));
        assert!(
            text.contains("-j SNAT --to-source fd00:10:255::1 --random-fully"),
            "{text}"
        );
        assert!(!text.contains("MASQUERADE"), "{text}");
        // Another address is another rule.
        let tag = |ranges: &Ranges| {
            let rules = rule_set(Family::V4, ranges);
            render::chain(Family::V4, &rules.tables[1], &rules.tables[1].chains[0])
        };
        let other = Ranges {
            source: source("10.255.1.2"),
            ..two_node()
        };
        assert_ne!(tag(&two_node()), tag(&other));
    }

    #[test]
    fn without_masquerade_nothing_is_wanted_in_nat() {
        let ranges = Ranges {
            masquerade: false,
            ..two_node()
        };
        let rules = rule_set(Family::V4, &ranges);
        assert_eq!(rules.tables[1].name, TableName::Nat);
        assert_eq!(rules.tables[1].chains, Vec::new());
    }

    #[test]
    fn without_pods_of_the_family_nothing_is_wanted() {
        let rules = rule_set(Family::V6, &Ranges::default());
        assert_eq!(rules, RuleSet::empty(Family::V6));
    }

    #[test]
    fn a_hash_depends_on_the_rules_before() {
        let rules = rule_set(Family::V4, &two_node());
        let (table, chain) = (&rules.tables[1], &rules.tables[1].chains[0]);
        let before = render::chain(Family::V4, table, chain);
        let mut swapped = chain.clone();
        swapped.rules.swap(0, 1);
        let after = render::chain(Family::V4, table, &swapped);
        for (old, new) in before.iter().zip(&after) {
            assert_ne!(old.tag, new.tag);
        }
        assert_eq!(before[2].spec.len(), after[2].spec.len());
    }

    #[test]
    fn everything_as_exemption_is_a_rule_without_condition() {
        let rules = outermost(&cidrs(&["10.0.0.0/8", "0.0.0.0/0", "192.0.2.0/24"]));
        assert_eq!(rules, cidrs(&["0.0.0.0/0"]));
        assert_eq!(destination(rules[0]), Vec::new());
    }
}
