//! Each condition and each change, and all of them together against a plain interpreter.

use std::time::Instant;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use regex_lite::Regex;

use super::*;
use crate::attr::{AsPath, NextHop, SegmentKind};

const C: Community = Community::Standard(0xfde8_0064);
const NO_EXPORT: Community = Community::Standard(0xffff_ff01);
const RT: Community = Community::Extended([0, 2, 0xfd, 0xe8, 0, 0, 0, 1]);
const LARGE: Community = Community::Large([65000, 1, 2]);

fn path() -> PathAttributes {
    let mut path = PathAttributes {
        as_path: AsPath::from_segments([
            (SegmentKind::Sequence, &[65000, 65010][..]),
            (SegmentKind::Set, &[65020, 65021]),
            (SegmentKind::Sequence, &[65030]),
        ]),
        next_hop: Some(NextHop::V6LinkLocal {
            global: "fd00::1".parse().unwrap(),
            link_local: "fe80::1".parse().unwrap(),
        }),
        communities: [0xfde8_0064, 0xffff_ff01].into(),
        ..PathAttributes::default()
    };
    path.rare_mut().extended_communities = vec![[0, 2, 0xfd, 0xe8, 0, 0, 0, 1]];
    path.rare_mut().large_communities = vec![[65000, 1, 2]];
    path
}

fn holds(conditions: &Conditions, from: Option<&Informant>) -> bool {
    let attributes = path();
    let subject = Subject {
        prefix: &prefix("10.0.0.0/8"),
        attributes: &attributes,
        from,
    };
    let rule = Rule::new("r", Action::Accept, None).when(conditions.clone());
    let policy = Policy::new(vec![rule], vec![]);
    policy
        .export(&subject, &mut Memo::default(), false)
        .accepted()
}

fn communities(any: &[Community], all: &[Community], none: &[Community]) -> Conditions {
    let ones = |list: &[Community]| list.iter().copied().map(CommunityPattern::One).collect();
    Conditions {
        communities: CommunityMatch {
            any_of: ones(any),
            all_of: ones(all),
            none_of: ones(none),
        },
        ..Conditions::default()
    }
}

fn as_path(as_path: AsPathMatch) -> Conditions {
    Conditions {
        as_path,
        ..Conditions::default()
    }
}

fn regex(pattern: &str) -> PathRegex {
    PathRegex::new(Regex::new(pattern).unwrap())
}

#[test]
fn communities_of_the_three_kinds() {
    let other = Community::Standard(1);
    for (any, all, none, expected) in [
        (&[][..], &[][..], &[][..], true),
        (&[C], &[], &[], true),
        (&[other, RT], &[], &[], true),
        (&[other], &[], &[], false),
        (&[], &[C, RT, LARGE, NO_EXPORT], &[], true),
        (&[], &[C, other], &[], false),
        (&[], &[], &[other], true),
        (&[], &[], &[other, LARGE], false),
        (&[C], &[RT], &[other], true),
        (&[C], &[RT], &[NO_EXPORT], false),
        // The same numbers are another kind's.
        (&[Community::Large([0, 0, 0xfde8_0064])], &[], &[], false),
    ] {
        let asked = communities(any, all, none);
        assert_eq!(holds(&asked, None), expected, "{any:?} {all:?} {none:?}");
    }
    for (pattern, expected) in [
        (CommunityPattern::StandardOf(65000), true),
        (CommunityPattern::StandardOf(65001), false),
        (CommunityPattern::LargeOf(65000), true),
        (CommunityPattern::LargeOf(1), false),
        (CommunityPattern::All, true),
    ] {
        let asked = Conditions {
            communities: CommunityMatch {
                any_of: [pattern].into(),
                ..CommunityMatch::default()
            },
            ..Conditions::default()
        };
        assert_eq!(holds(&asked, None), expected, "{pattern:?}");
    }
}

#[test]
fn as_paths() {
    type Ask = fn(&mut AsPathMatch);
    let table: [(Ask, bool); 13] = [
        (|ask| ask.contains = Some(65010), true),
        (|ask| ask.contains = Some(65021), true),
        (|ask| ask.contains = Some(6501), false),
        (|ask| ask.origin = Some(65030), true),
        (|ask| ask.origin = Some(65010), false),
        (|ask| ask.neighbor = Some(65000), true),
        (|ask| ask.neighbor = Some(65010), false),
        // Two, a set, one.
        (|ask| (ask.min_len, ask.max_len) = (Some(4), Some(4)), true),
        (|ask| ask.min_len = Some(5), false),
        (|ask| ask.max_len = Some(3), false),
        (|ask| ask.regex = Some(regex("^65000 65010 ")), true),
        (|ask| ask.regex = Some(regex("^65010")), false),
        (
            |ask| (ask.contains, ask.origin) = (Some(65010), Some(1)),
            false,
        ),
    ];
    for (ask, expected) in table {
        let mut asked = AsPathMatch::default();
        ask(&mut asked);
        assert_eq!(holds(&as_path(asked.clone()), None), expected, "{asked:?}");
    }
}

#[test]
fn next_hops_of_either_family() {
    for (net, expected) in [
        ("fd00::/16", true),
        ("fe80::/10", true),
        ("fd00::1/128", true),
        ("fd00::2/128", false),
        ("0.0.0.0/0", false),
    ] {
        let asked = Conditions {
            next_hop: Some(prefix(net)),
            ..Conditions::default()
        };
        assert_eq!(holds(&asked, None), expected, "{net}");
    }
}

#[test]
fn neighbours_and_sources() {
    let (external, internal) = (informant(true), informant(false));
    let source = |source| Conditions {
        source: Some(source),
        ..Conditions::default()
    };
    for (asked, own, from_external, from_internal) in [
        (Source::Own, true, false, false),
        (Source::External, false, true, false),
        (Source::Internal, false, false, true),
        (Source::Peers, false, true, true),
    ] {
        let asked = source(asked);
        assert_eq!(holds(&asked, None), own);
        assert_eq!(holds(&asked, Some(&external)), from_external);
        assert_eq!(holds(&asked, Some(&internal)), from_internal);
    }
    let neighbor = |name: Option<&str>, address: Option<&str>, asn| Conditions {
        neighbor: NeighborMatch {
            name: name.map(Into::into),
            address: address.map(prefix),
            asn,
        },
        ..Conditions::default()
    };
    for (asked, expected) in [
        (neighbor(Some("tor"), None, None), true),
        (neighbor(Some("to"), None, None), false),
        (neighbor(None, Some("10.0.1.0/24"), None), true),
        (neighbor(None, Some("10.0.1.2/32"), None), false),
        (neighbor(None, Some("::/0"), None), false),
        (neighbor(None, None, Some(65000)), true),
        (neighbor(None, None, Some(65001)), false),
        (
            neighbor(Some("tor"), Some("10.0.1.1/32"), Some(65000)),
            true,
        ),
        (neighbor(Some("tor"), Some("10.0.1.1/32"), Some(1)), false),
    ] {
        assert_eq!(holds(&asked, Some(&external)), expected, "{asked:?}");
        assert!(!holds(&asked, None), "own networks have no neighbour");
    }
}

#[test]
fn communities_go_and_then_come() {
    let after = |remove: &[CommunityPattern], add: &[Community]| {
        let changes = Changes {
            communities: CommunityChanges {
                remove: remove.into(),
                add: add.into(),
            },
            ..Changes::default()
        };
        let mut path = path();
        changes.apply(&mut path);
        path
    };
    let gone = after(&[CommunityPattern::All], &[]);
    assert!(gone.communities.is_empty() && gone.rare.is_none());
    let replaced = after(&[CommunityPattern::All], &[C, C, RT]);
    assert_eq!(*replaced.communities, [0xfde8_0064]);
    assert_eq!(replaced.extended_communities().len(), 1);
    assert!(replaced.large_communities().is_empty());
    let some = after(&[CommunityPattern::StandardOf(65000)], &[]);
    assert_eq!(*some.communities, [0xffff_ff01]);
    assert_eq!(some.large_communities().len(), 1);
    // What is there is not added again.
    assert_eq!(after(&[], &[C, RT, LARGE]), path());
}

/// However bad the pattern, and however long the path: as many steps as there are characters. The
/// expressions that take a backtracking engine for ever.
#[test]
fn regular_expressions_are_linear() {
    let ones = vec![1_111_111_111; REGEX_PATH_MAX];
    let long = PathAttributes {
        as_path: AsPath::from_sequence(&ones),
        ..PathAttributes::default()
    };
    let begun = Instant::now();
    for pattern in ["(1+)+$x", "(1|1)*2", "(1*)*3", "(.*)(.*)(.*)(.*)4"] {
        let asked = as_path(AsPathMatch {
            regex: Some(regex(pattern)),
            ..AsPathMatch::default()
        });
        let subject = Subject {
            prefix: &prefix("10.0.0.0/8"),
            attributes: &long,
            from: None,
        };
        assert!(
            !asked.hold(&subject, Action::Accept, &mut None),
            "{pattern}"
        );
    }
    // Not a measurement: a backtracking engine would not be through when the sun burns out.
    assert!(begun.elapsed().as_secs() < 60);
    // Longer ones are not looked at, and do not get past a rule by that.
    let ones = vec![1_111_111_111; REGEX_PATH_MAX + 1];
    let longer = PathAttributes {
        as_path: AsPath::from_sequence(&ones),
        ..PathAttributes::default()
    };
    let asked = as_path(AsPathMatch {
        regex: Some(regex("1")),
        ..AsPathMatch::default()
    });
    for (attributes, action, expected) in [
        (&long, Action::Accept, true),
        (&longer, Action::Accept, false),
        (&longer, Action::Reject, true),
    ] {
        let subject = Subject {
            prefix: &prefix("10.0.0.0/8"),
            attributes,
            from: None,
        };
        assert_eq!(asked.hold(&subject, action, &mut None), expected);
    }
}

/// What a rule asks, in words that the interpreter below reads anew for each route.
#[derive(Clone, Debug)]
struct Asked {
    prefix: Option<(u8, u8)>,
    community: Option<(u32, u8)>,
    asn: Option<(u32, u8)>,
    source: Option<u8>,
    accepts: bool,
}

fn asked() -> impl Strategy<Value = Asked> {
    let few = 0..4_u32;
    (
        option::of((0..4_u8, 8..25_u8)),
        option::of((few.clone(), 0..3_u8)),
        option::of((few, 0..4_u8)),
        option::of(0..4_u8),
        any::<bool>(),
    )
        .prop_map(|(prefix, community, asn, source, accepts)| Asked {
            prefix,
            community,
            asn,
            source,
            accepts,
        })
}

impl Asked {
    fn rule(&self, index: usize) -> Rule {
        let matches = self.prefix.map(|(second, length)| PrefixMatch {
            operator: Operator::In,
            cidr: prefix(&format!("10.{second}.0.0/16")),
            min_len: 16,
            max_len: length.max(16),
        });
        let action = match self.accepts {
            true => Action::Accept,
            false => Action::Reject,
        };
        let mut when = Conditions::default();
        if let Some((value, list)) = self.community {
            let one: Box<[_]> = [CommunityPattern::One(Community::Standard(value))].into();
            match list {
                0 => when.communities.any_of = one,
                1 => when.communities.all_of = one,
                _ => when.communities.none_of = one,
            }
        }
        if let Some((asn, how)) = self.asn {
            match how {
                0 => when.as_path.contains = Some(asn),
                1 => when.as_path.origin = Some(asn),
                2 => when.as_path.neighbor = Some(asn),
                _ => when.as_path.regex = Some(regex(&format!("(^| ){asn}( |$)"))),
            }
        }
        when.source = self.source.map(|source| match source {
            0 => Source::Own,
            1 => Source::External,
            2 => Source::Internal,
            _ => Source::Peers,
        });
        Rule::new(format!("rule {index}"), action, matches).when(when)
    }

    fn applies(&self, route: &Route) -> bool {
        let lies = |(second, length): (u8, u8)| {
            route.second == second && (16..=length.max(16)).contains(&route.length)
        };
        let has = |value: u32| route.communities.contains(&value);
        let path = &route.path;
        self.prefix.is_none_or(lies)
            && self
                .community
                .is_none_or(|(value, list)| has(value) == (list < 2))
            && self.asn.is_none_or(|(asn, how)| match how {
                1 => path.last() == Some(&asn),
                2 => path.first() == Some(&asn),
                _ => path.contains(&asn),
            })
            && self.source.is_none_or(|source| match source {
                0 => route.teller.is_none(),
                1 => route.teller == Some(true),
                2 => route.teller == Some(false),
                _ => route.teller.is_some(),
            })
    }
}

#[derive(Clone, Debug)]
struct Route {
    second: u8,
    length: u8,
    communities: Vec<u32>,
    path: Vec<u32>,
    teller: Option<bool>,
}

fn route() -> impl Strategy<Value = Route> {
    (
        0..4_u8,
        16..25_u8,
        vec(0..4_u32, 0..3),
        vec(0..4_u32, 0..4),
        option::of(any::<bool>()),
    )
        .prop_map(|(second, length, communities, path, teller)| Route {
            second,
            length,
            communities,
            path,
            teller,
        })
}

proptest! {
    /// One memo for all prefixes of a path, as the judge and the packing use it.
    #[test]
    fn the_policy_says_what_its_rules_say(
        rules in vec(asked(), 1..8),
        route in route(),
        prefixes in vec((0..4_u8, 16..25_u8), 1..6),
    ) {
        let compiled = rules.iter().enumerate().map(|(index, rule)| rule.rule(index));
        let policy = Policy::new(compiled.collect(), vec![]);
        let attributes = PathAttributes {
            as_path: AsPath::from_sequence(&route.path),
            communities: route.communities.clone().into(),
            ..PathAttributes::default()
        };
        let from = route.teller.map(informant);
        let mut memo = Memo::default();
        for (second, length) in prefixes {
            let route = Route { second, length, ..route.clone() };
            let prefix = prefix(&format!("10.{second}.0.0/{length}"));
            let subject = Subject { prefix: &prefix, attributes: &attributes, from: from.as_ref() };
            let verdict = policy.export(&subject, &mut memo, true);
            let first = rules.iter().position(|rule| rule.applies(&route));
            let expected = match first {
                Some(index) => (rules[index].accepts, DecidedBy::Rule(index.try_into().unwrap())),
                None => (false, DecidedBy::NoMatch),
            };
            prop_assert_eq!((verdict.accepted(), verdict.by), expected);
        }
    }
}
