//! Filters in the speaker's words.

use std::net::IpAddr;
use std::sync::Arc;

use rcni_bgp_proto::policy::{
    self, AsPathMatch, CommunityMatch, Conditions, NeighborMatch, PathRegex, Policy,
};
use rcni_config::{Asn, Cidr, Filter};

/// One direction of all filters, one after the other, each rule with a name that finds it in the
/// file: `from-fabric importV4[0]`.
pub(super) fn direction(
    filters: &[Arc<Filter>],
    word: &str,
    v4: fn(&Filter) -> &[rcni_config::Rule],
    v6: fn(&Filter) -> &[rcni_config::Rule],
) -> Policy {
    let family = |rules: fn(&Filter) -> &[rcni_config::Rule], suffix: &str| {
        let numbered = |filter: &Arc<Filter>| {
            let name = filter.name.clone();
            let field = format!("{word}{suffix}");
            rules(filter)
                .iter()
                .enumerate()
                .map(move |(index, rule)| converted(rule, &format!("{name} {field}[{index}]")))
                .collect::<Vec<_>>()
        };
        filters.iter().flat_map(numbered).collect()
    };
    Policy::new(family(v4, "V4"), family(v6, "V6"))
}

fn converted(rule: &rcni_config::Rule, name: &str) -> policy::Rule {
    let asked = &rule.matches;
    let matches = asked.prefix.map(|matches| policy::PrefixMatch {
        operator: match matches.operator {
            rcni_config::Operator::Equal => policy::Operator::Equal,
            rcni_config::Operator::NotEqual => policy::Operator::NotEqual,
            rcni_config::Operator::In => policy::Operator::In,
            rcni_config::Operator::NotIn => policy::Operator::NotIn,
        },
        cidr: matches.cidr.network(),
        min_len: matches.min_len,
        max_len: matches.max_len,
    });
    let (action, set) = match &rule.action {
        rcni_config::Action::Accept(set) => (policy::Action::Accept, changes(set)),
        rcni_config::Action::Reject => (policy::Action::Reject, policy::Changes::default()),
    };
    policy::Rule::new(name, action, matches)
        .when(conditions(asked))
        .set(set)
}

fn conditions(asked: &rcni_config::Conditions) -> Conditions {
    Conditions {
        communities: CommunityMatch {
            any_of: ones(&asked.communities.any_of),
            all_of: ones(&asked.communities.all_of),
            none_of: ones(&asked.communities.none_of),
        },
        as_path: AsPathMatch {
            contains: asked.as_path.contains.map(Asn::get),
            origin: asked.as_path.origin.map(Asn::get),
            neighbor: asked.as_path.neighbor.map(Asn::get),
            min_len: asked.as_path.min_length,
            max_len: asked.as_path.max_length,
            regex: asked
                .as_path
                .regex
                .as_ref()
                .map(|regex| PathRegex::new(regex.regex().clone())),
        },
        next_hop: asked.next_hop.as_ref().map(Cidr::network),
        neighbor: NeighborMatch {
            name: asked.neighbor.name.as_deref().map(Arc::from),
            address: asked.neighbor.address.as_ref().map(Cidr::network),
            asn: asked.neighbor.asn.map(Asn::get),
        },
        source: asked.source.map(|source| match source {
            rcni_config::Source::Own => policy::Source::Own,
            rcni_config::Source::External => policy::Source::External,
            rcni_config::Source::Internal => policy::Source::Internal,
            rcni_config::Source::RemotePeers => policy::Source::Peers,
        }),
    }
}

fn changes(set: &rcni_config::Changes) -> policy::Changes {
    policy::Changes {
        local_pref: set.local_preference,
        med: set.med,
        next_hop: set.next_hop.map(|next_hop| match next_hop {
            rcni_config::NextHopChange::Address(address) => {
                policy::NextHopChange::Address(IpAddr::to_canonical(&address))
            }
            rcni_config::NextHopChange::Own => policy::NextHopChange::Own,
            rcni_config::NextHopChange::Unchanged => policy::NextHopChange::Unchanged,
        }),
        prepend: set.prepend.map(|prepend| policy::Prepend {
            count: prepend.count,
            asn: prepend.asn.map(Asn::get),
        }),
        communities: policy::CommunityChanges {
            remove: set.communities.remove.iter().map(pattern).collect(),
            add: set.communities.add.iter().map(community).collect(),
        },
    }
}

fn ones(list: &[rcni_config::Community]) -> Box<[policy::CommunityPattern]> {
    let ones = list.iter().map(community);
    ones.map(policy::CommunityPattern::One).collect()
}

fn community(community: &rcni_config::Community) -> policy::Community {
    match *community {
        rcni_config::Community::Standard(value) => policy::Community::Standard(value),
        rcni_config::Community::Extended(value) => policy::Community::Extended(value.to_be_bytes()),
        rcni_config::Community::Large {
            global,
            local1,
            local2,
        } => policy::Community::Large([global, local1, local2]),
    }
}

fn pattern(pattern: &rcni_config::CommunityPattern) -> policy::CommunityPattern {
    match pattern {
        rcni_config::CommunityPattern::One(one) => policy::CommunityPattern::One(community(one)),
        rcni_config::CommunityPattern::StandardOf(high) => {
            policy::CommunityPattern::StandardOf(*high)
        }
        rcni_config::CommunityPattern::LargeOf(global) => {
            policy::CommunityPattern::LargeOf(*global)
        }
        rcni_config::CommunityPattern::All => policy::CommunityPattern::All,
    }
}

#[cfg(test)]
mod tests {
    use rcni_bgp_proto::policy::{
        Changes, Community, CommunityChanges, CommunityPattern, NextHopChange, Prepend, Source,
    };

    use super::*;

    const TEXT: &str = r#"
apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {name: default}
spec: {asNumber: 65001, routerID: 10.0.1.11}
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {name: tor}
spec: {peerIP: 10.0.1.1, asNumber: 65000, filters: [all]}
---
apiVersion: rcni.io/v1alpha1
kind: BGPFilter
metadata: {name: all}
spec:
  importV4:
    - action: Accept
      communities: {anyOf: ["65000:100", no-export], allOf: ["rt:65000:1"], noneOf: ["65000:1:2"]}
      asPath: {contains: 65010, origin: 65011, neighbor: 65000, minLength: 2, maxLength: 5, regex: "_65010_"}
      nextHop: 10.0.1.0/24
      neighbor: {name: tor, address: 10.0.1.1, asNumber: 65000}
      source: External
      set:
        localPreference: 0
        med: 5
        nextHop: 10.0.1.9
        prependASPath: {count: 2, asNumber: 65000}
        communities: {add: ["65001:1"], remove: [all, "65000:*", "1:2:3", "70000:*:*"]}
  exportV6:
    - {action: Accept, source: Own, set: {nextHop: self, prependASPath: {count: 1}}}
    - {action: Reject}
"#;

    #[test]
    fn each_word_of_a_rule() {
        let config = rcni_config::parse_speaker("bgp.yaml", TEXT).unwrap();
        let filter = &config.peers[0].filters[0];
        let rule = converted(&filter.import_v4[0], "all importV4[0]");
        let one = CommunityPattern::One;
        let when = Conditions {
            communities: CommunityMatch {
                any_of: [0xfde8_0064, 0xffff_ff01]
                    .map(|value| one(Community::Standard(value)))
                    .into(),
                all_of: [one(Community::Extended([0, 2, 0xfd, 0xe8, 0, 0, 0, 1]))].into(),
                none_of: [one(Community::Large([65000, 1, 2]))].into(),
            },
            as_path: AsPathMatch {
                contains: Some(65010),
                origin: Some(65011),
                neighbor: Some(65000),
                min_len: Some(2),
                max_len: Some(5),
                regex: filter.import_v4[0]
                    .matches
                    .as_path
                    .regex
                    .as_ref()
                    .map(|regex| PathRegex::new(regex.regex().clone())),
            },
            next_hop: Some("10.0.1.0/24".parse().unwrap()),
            neighbor: NeighborMatch {
                name: Some("tor".into()),
                address: Some("10.0.1.1/32".parse().unwrap()),
                asn: Some(65000),
            },
            source: Some(Source::External),
        };
        assert!(when.as_path.regex.is_some());
        let set = Changes {
            local_pref: Some(0),
            med: Some(5),
            next_hop: Some(NextHopChange::Address([10, 0, 1, 9].into())),
            prepend: Some(Prepend {
                count: 2,
                asn: Some(65000),
            }),
            communities: CommunityChanges {
                remove: [
                    CommunityPattern::All,
                    CommunityPattern::StandardOf(65000),
                    one(Community::Large([1, 2, 3])),
                    CommunityPattern::LargeOf(70000),
                ]
                .into(),
                add: [Community::Standard(0xfde9_0001)].into(),
            },
        };
        let expected = policy::Rule::new("all importV4[0]", policy::Action::Accept, None);
        assert_eq!(rule, expected.when(when).set(set));
    }

    #[test]
    fn what_own_networks_are_told_with() {
        let config = rcni_config::parse_speaker("bgp.yaml", TEXT).unwrap();
        let filter = &config.peers[0].filters[0];
        let rule = converted(&filter.export_v6[0], "all exportV6[0]");
        let when = Conditions {
            source: Some(Source::Own),
            ..Conditions::default()
        };
        let set = Changes {
            next_hop: Some(NextHopChange::Own),
            prepend: Some(Prepend {
                count: 1,
                asn: None,
            }),
            ..Changes::default()
        };
        let expected = policy::Rule::new("all exportV6[0]", policy::Action::Accept, None);
        assert_eq!(rule, expected.when(when).set(set));
        let rest = converted(&filter.export_v6[1], "all exportV6[1]");
        assert_eq!(
            rest,
            policy::Rule::new("all exportV6[1]", policy::Action::Reject, None)
        );
    }
}
