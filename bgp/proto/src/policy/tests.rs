mod conditions;

use super::*;
use crate::attr::PathAttributes;

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn rule(action: Action, operator: Operator, cidr: &str, min_len: u8, max_len: u8) -> Rule {
    let cidr = prefix(cidr);
    let matches = PrefixMatch {
        operator,
        cidr,
        min_len,
        max_len,
    };
    Rule::new(
        format!("{action:?} {operator:?} {cidr}"),
        action,
        Some(matches),
    )
}

fn informant(external: bool) -> Informant {
    Informant {
        name: "tor".into(),
        address: [10, 0, 1, 1].into(),
        asn: 65000,
        external,
    }
}

/// By the prefix alone.
fn import(policy: &Policy, prefix: &Prefix, external: bool) -> (Action, DecidedBy) {
    let subject = Subject {
        prefix,
        attributes: &PathAttributes::default(),
        from: Some(&informant(external)),
    };
    let verdict = policy.import(&subject, &mut Memo::default());
    (verdict.action, verdict.by)
}

fn export(policy: &Policy, prefix: &Prefix, own: bool) -> bool {
    let from = informant(true);
    let subject = Subject {
        prefix,
        attributes: &PathAttributes::default(),
        from: (!own).then_some(&from),
    };
    policy
        .export(&subject, &mut Memo::default(), own)
        .accepted()
}

#[test]
fn the_range_of_lengths_limits_in_and_its_negation() {
    let within = rule(Action::Accept, Operator::In, "10.244.0.0/16", 24, 28)
        .matches
        .unwrap();
    for (text, expected) in [
        ("10.244.1.0/24", true),
        ("10.244.1.16/28", true),
        ("10.244.1.17/32", false),
        ("10.244.0.0/16", false),
        ("10.245.1.0/24", false),
        ("10.0.0.0/8", false),
        ("::/0", false),
    ] {
        assert_eq!(within.matches(&prefix(text)), expected, "{text}");
        let negated = PrefixMatch {
            operator: Operator::NotIn,
            ..within
        };
        let same_family = prefix(text).is_ipv4();
        assert_eq!(
            negated.matches(&prefix(text)),
            same_family && !expected,
            "not {text}"
        );
    }
}

#[test]
fn equal_needs_address_and_length() {
    let equal = rule(Action::Accept, Operator::Equal, "0.0.0.0/0", 0, 0)
        .matches
        .unwrap();
    assert!(equal.matches(&prefix("0.0.0.0/0")));
    assert!(!equal.matches(&prefix("0.0.0.0/1")));
    let negated = PrefixMatch {
        operator: Operator::NotEqual,
        ..equal
    };
    assert!(!negated.matches(&prefix("0.0.0.0/0")));
    assert!(negated.matches(&prefix("0.0.0.0/1")));
}

#[test]
fn the_first_match_decides_and_is_named() {
    let policy = Policy::new(
        vec![
            rule(Action::Reject, Operator::In, "10.244.9.0/24", 0, 32),
            rule(Action::Accept, Operator::In, "10.244.0.0/16", 24, 24),
        ],
        vec![],
    );
    let refused = import(&policy, &prefix("10.244.9.0/24"), true);
    assert_eq!(refused, (Action::Reject, DecidedBy::Rule(0)));
    assert_eq!(
        policy.rule_name(&prefix("10.244.9.0/24"), refused.1),
        Some(&"Reject In 10.244.9.0/24".into())
    );
    assert!(import(&policy, &prefix("10.244.8.0/24"), true).0 == Action::Accept);
    let missed = import(&policy, &prefix("192.0.2.0/24"), false);
    assert_eq!(missed, (Action::Reject, DecidedBy::NoMatch));
    // The other family has no rules: its default applies.
    assert_eq!(
        import(&policy, &prefix("2001:db8::/32"), true).1,
        DecidedBy::NoPolicy
    );
}

#[test]
fn defaults_follow_rfc_8212_and_export_own_networks_only() {
    let none = Policy::default();
    let prefix = prefix("10.244.1.0/24");
    assert_eq!(import(&none, &prefix, true).1, DecidedBy::NoPolicy);
    assert!(import(&none, &prefix, true).0 == Action::Reject);
    assert!(import(&none, &prefix, false).0 == Action::Accept);
    assert!(export(&none, &prefix, true));
    assert!(!export(&none, &prefix, false));
    assert!(export(&Policy::accept_all(), &prefix, false));
}
