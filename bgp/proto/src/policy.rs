//! Import and export rules: prefix and length, first match decides.
//!
//! ```text
//! prefix -> rule 0 -> rule 1 -> ... -> no match: reject        (there is at least one rule)
//!                                      no rule at all: default (RFC 8212 on import from eBGP)
//! ```
//!
//! A [`Policy`] is one direction of one peer: the rules of its filters one after the other, per
//! family. The verdict names what decided, so that a refused route can say why.

use std::fmt;
use std::sync::Arc;

use crate::iana::Family;
use crate::wire::Prefix;

/// What a rule does with what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Let it pass.
    Accept,
    /// Refuse it.
    Reject,
}

/// How a rule compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// The prefix is the rule's, and its length within the range.
    Equal,
    /// Not `Equal`.
    NotEqual,
    /// The prefix lies in the rule's, and its length within the range.
    In,
    /// Not `In`.
    NotIn,
}

/// A condition on a prefix. A prefix of the other family never matches, whatever the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PrefixMatch {
    /// How to compare.
    pub operator: Operator,
    /// With what.
    pub cidr: Prefix,
    /// Shortest prefix length, inclusive.
    pub min_len: u8,
    /// Longest prefix length, inclusive.
    pub max_len: u8,
}

impl PrefixMatch {
    /// Does it hold for the prefix?
    #[must_use]
    pub fn matches(&self, prefix: &Prefix) -> bool {
        if prefix.is_ipv4() != self.cidr.is_ipv4() {
            return false;
        }
        let length = (self.min_len..=self.max_len).contains(&prefix.prefix());
        let equal =
            prefix.network() == self.cidr.network() && prefix.prefix() == self.cidr.prefix();
        let within = prefix.prefix() >= self.cidr.prefix() && self.cidr.contains(prefix.network());
        match self.operator {
            Operator::Equal => equal && length,
            Operator::NotEqual => !(equal && length),
            Operator::In => within && length,
            Operator::NotIn => !(within && length),
        }
    }
}

/// One rule, with the name under which a refused route reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// E.g. `from-fabric importV4[0]`.
    pub name: Arc<str>,
    /// What to do.
    pub action: Action,
    /// With which prefixes; `None`: all.
    pub matches: Option<PrefixMatch>,
}

/// One direction of one peer: rules per family. The default has no rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    ipv4: Arc<[Rule]>,
    ipv6: Arc<[Rule]>,
}

/// What decided about a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DecidedBy {
    /// The rule with this index of the family's rules; [`Policy::rule_name`] names it.
    Rule(u16),
    /// There are rules, but none matched.
    NoMatch,
    /// There are no rules and the peer is external (RFC 8212).
    NoPolicy,
    /// There are no rules, and the default for this direction decided.
    Default,
}

/// A decision and its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// Accept or reject.
    pub action: Action,
    /// By what.
    pub by: DecidedBy,
}

impl Verdict {
    /// Does the route pass?
    #[must_use]
    pub fn accepted(&self) -> bool {
        self.action == Action::Accept
    }
}

impl Policy {
    /// A policy of these rules, in order. Rules beyond the 65535th of a family have no effect.
    #[must_use]
    pub fn new(ipv4: Vec<Rule>, ipv6: Vec<Rule>) -> Self {
        Self {
            ipv4: ipv4.into(),
            ipv6: ipv6.into(),
        }
    }

    /// Are there rules for this family?
    #[must_use]
    pub fn has_rules(&self, family: Family) -> bool {
        match family {
            Family::IPV4_UNICAST => !self.ipv4.is_empty(),
            Family::IPV6_UNICAST => !self.ipv6.is_empty(),
            _ => false,
        }
    }

    /// Accepts everything of both families: handy for routers without restrictions.
    #[must_use]
    pub fn accept_all() -> Self {
        let rule = Rule {
            name: Arc::from("accept all"),
            action: Action::Accept,
            matches: None,
        };
        Self::new(vec![rule.clone()], vec![rule])
    }

    /// May a route from the peer be used? Without rules: from iBGP yes, from eBGP no (RFC 8212).
    #[must_use]
    pub fn import(&self, prefix: &Prefix, external: bool) -> Verdict {
        self.evaluate(prefix).unwrap_or(if external {
            Verdict {
                action: Action::Reject,
                by: DecidedBy::NoPolicy,
            }
        } else {
            Verdict {
                action: Action::Accept,
                by: DecidedBy::Default,
            }
        })
    }

    /// May a route be sent to the peer? Without rules: own networks only.
    #[must_use]
    pub fn export(&self, prefix: &Prefix, own: bool) -> Verdict {
        let action = if own { Action::Accept } else { Action::Reject };
        self.evaluate(prefix).unwrap_or(Verdict {
            action,
            by: DecidedBy::Default,
        })
    }

    /// The name of the rule that a [`DecidedBy::Rule`] means.
    #[must_use]
    pub fn rule_name(&self, prefix: &Prefix, by: DecidedBy) -> Option<&str> {
        match by {
            DecidedBy::Rule(index) => self
                .rules(prefix)
                .get(usize::from(index))
                .map(|rule| &*rule.name),
            _ => None,
        }
    }

    fn rules(&self, prefix: &Prefix) -> &[Rule] {
        if prefix.is_ipv4() {
            &self.ipv4
        } else {
            &self.ipv6
        }
    }

    /// `None` if there is no rule for the family.
    fn evaluate(&self, prefix: &Prefix) -> Option<Verdict> {
        let rules = self.rules(prefix);
        if rules.is_empty() {
            return None;
        }
        let hit = (0..=u16::MAX).zip(rules).find(|(_, rule)| {
            rule.matches
                .is_none_or(|condition| condition.matches(prefix))
        });
        Some(match hit {
            Some((index, rule)) => Verdict {
                action: rule.action,
                by: DecidedBy::Rule(index),
            },
            None => Verdict {
                action: Action::Reject,
                by: DecidedBy::NoMatch,
            },
        })
    }
}

impl fmt::Display for DecidedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(index) => write!(f, "rule {index}"),
            Self::NoMatch => f.write_str("no rule matches"),
            Self::NoPolicy => f.write_str("no import policy for an external peer (RFC 8212)"),
            Self::Default => f.write_str("the default"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    fn rule(action: Action, operator: Operator, cidr: &str, min_len: u8, max_len: u8) -> Rule {
        let cidr = prefix(cidr);
        Rule {
            name: Arc::from(format!("{action:?} {operator:?} {cidr}")),
            action,
            matches: Some(PrefixMatch {
                operator,
                cidr,
                min_len,
                max_len,
            }),
        }
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
        let refused = policy.import(&prefix("10.244.9.0/24"), true);
        assert_eq!(
            refused,
            Verdict {
                action: Action::Reject,
                by: DecidedBy::Rule(0)
            }
        );
        assert_eq!(
            policy.rule_name(&prefix("10.244.9.0/24"), refused.by),
            Some("Reject In 10.244.9.0/24")
        );
        assert!(policy.import(&prefix("10.244.8.0/24"), true).accepted());
        let missed = policy.import(&prefix("192.0.2.0/24"), false);
        assert_eq!(
            missed,
            Verdict {
                action: Action::Reject,
                by: DecidedBy::NoMatch
            }
        );
        // The other family has no rules: its default applies.
        assert_eq!(
            policy.import(&prefix("2001:db8::/32"), true).by,
            DecidedBy::NoPolicy
        );
    }

    #[test]
    fn defaults_follow_rfc_8212_and_export_own_networks_only() {
        let none = Policy::default();
        let prefix = prefix("10.244.1.0/24");
        assert_eq!(none.import(&prefix, true).by, DecidedBy::NoPolicy);
        assert!(!none.import(&prefix, true).accepted());
        assert!(none.import(&prefix, false).accepted());
        assert!(none.export(&prefix, true).accepted());
        assert!(!none.export(&prefix, false).accepted());
        assert!(Policy::accept_all().export(&prefix, false).accepted());
    }
}
