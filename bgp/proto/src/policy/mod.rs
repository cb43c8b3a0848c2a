//! Import and export rules: the first that matches decides, and changes what it lets pass.
//!
//! ```text
//! prefix, attributes, who told it
//!    -> rule 0 -> rule 1 -> ... -> no match: reject        (there is at least one rule)
//!         |                        no rule at all: default (RFC 8212 on import from eBGP)
//!         +-- prefix fits? conditions hold? --> accept, with changes; or reject
//! ```
//!
//! A [`Policy`] is one direction of one peer: the rules of its filters one after the other, per
//! family. The verdict names what decided, so that a refused or changed route can say why.
//!
//! A rule looks at the prefix first. What else it asks is answered once per attribute set, in a
//! [`Memo`]: so a table of a million prefixes costs a comparison of prefixes each, and a regular
//! expression only as often as there are paths.

mod changes;
mod community;
mod conditions;
mod prefix;

use std::fmt;
use std::sync::Arc;

use crate::iana::Family;
use crate::wire::Prefix;
pub use changes::{Changes, CommunityChanges, NextHopChange, Prepend};
pub use community::{Community, CommunityMatch, CommunityPattern};
pub use conditions::{
    AsPathMatch, Conditions, Informant, NeighborMatch, PathRegex, REGEX_PATH_MAX, Source, Subject,
};
pub use prefix::{Operator, PrefixMatch};

/// What a rule does with what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Let it pass.
    Accept,
    /// Refuse it.
    Reject,
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
    /// What else must hold; `None`: nothing.
    when: Option<Box<Conditions>>,
    /// What it changes in what it lets pass; `None`: nothing.
    set: Option<Arc<Changes>>,
}

impl Rule {
    /// A rule about prefixes; `None`: all.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, action: Action, matches: Option<PrefixMatch>) -> Self {
        Self {
            name: name.into(),
            action,
            matches,
            when: None,
            set: None,
        }
    }

    /// The same, where these hold, too.
    #[must_use]
    pub fn when(self, conditions: Conditions) -> Self {
        let when = (!conditions.is_empty()).then(|| Box::new(conditions));
        Self { when, ..self }
    }

    /// The same, changing this in what it lets pass.
    #[must_use]
    pub fn set(self, changes: Changes) -> Self {
        let set = (!changes.is_empty()).then(|| Arc::new(changes));
        Self { set, ..self }
    }
}

/// One direction of one peer: rules per family. The default has no rules.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    ipv4: Arc<[Rule]>,
    ipv6: Arc<[Rule]>,
    /// A rule asks more than the prefix.
    about_paths: bool,
    /// A rule asks who told a route.
    asks_who: bool,
}

impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        let same = |a: &Arc<[Rule]>, b: &Arc<[Rule]>| Arc::ptr_eq(a, b) || a == b;
        same(&self.ipv4, &other.ipv4) && same(&self.ipv6, &other.ipv6)
    }
}

impl Eq for Policy {}

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// Accept or reject.
    pub action: Action,
    /// By what.
    pub by: DecidedBy,
    /// What changes in a route that passes.
    pub set: Option<&'a Arc<Changes>>,
}

impl Verdict<'_> {
    /// Does the route pass?
    #[must_use]
    pub fn accepted(&self) -> bool {
        self.action == Action::Accept
    }

    fn of(accepts: bool, by: DecidedBy) -> Self {
        Self {
            action: if accepts {
                Action::Accept
            } else {
                Action::Reject
            },
            by,
            set: None,
        }
    }
}

/// What was found out about one path: which rules' conditions hold for it, whatever the prefix. To
/// be used with one [`Policy`], one attribute set and one informant.
#[derive(Debug, Default)]
pub struct Memo {
    ipv4: Vec<Option<bool>>,
    ipv6: Vec<Option<bool>>,
    text: Option<Box<str>>,
}

impl Memo {
    fn holds(
        &mut self,
        index: usize,
        (when, action): (&Conditions, Action),
        subject: &Subject<'_>,
    ) -> bool {
        let known = match subject.prefix.is_ipv4() {
            true => &mut self.ipv4,
            false => &mut self.ipv6,
        };
        if known.len() <= index {
            known.resize(index + 1, None);
        }
        match known.get_mut(index) {
            Some(known) => *known.get_or_insert_with(|| when.hold(subject, action, &mut self.text)),
            None => when.hold(subject, action, &mut self.text),
        }
    }
}

impl Policy {
    /// A policy of these rules, in order. Rules beyond the 65535th of a family have no effect.
    #[must_use]
    pub fn new(ipv4: Vec<Rule>, ipv6: Vec<Rule>) -> Self {
        let mut rules = ipv4.iter().chain(&ipv6);
        let about_paths = rules.any(|rule| rule.when.is_some());
        let mut asked = ipv4
            .iter()
            .chain(&ipv6)
            .filter_map(|rule| rule.when.as_ref());
        let asks_who = asked.any(|when| when.ask_who());
        Self {
            about_paths,
            asks_who,
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

    /// Does a rule ask more than the prefix?
    #[must_use]
    pub fn is_about_paths(&self) -> bool {
        self.about_paths
    }

    /// Does a rule ask who told a route?
    #[must_use]
    pub fn asks_who(&self) -> bool {
        self.asks_who
    }

    /// Accepts everything of both families: handy for routers without restrictions.
    #[must_use]
    pub fn accept_all() -> Self {
        let rule = Rule::new("accept all", Action::Accept, None);
        Self::new(vec![rule.clone()], vec![rule])
    }

    /// May a route from a peer be used? Without rules: from iBGP yes, from eBGP no (RFC 8212).
    #[must_use]
    pub fn import<'a>(&'a self, subject: &Subject<'_>, memo: &mut Memo) -> Verdict<'a> {
        let external = subject.from.is_some_and(|from| from.external);
        self.evaluate(subject, memo).unwrap_or(if external {
            Verdict::of(false, DecidedBy::NoPolicy)
        } else {
            Verdict::of(true, DecidedBy::Default)
        })
    }

    /// May a route be sent to the peer? `default`: what holds without rules.
    #[must_use]
    pub fn export<'a>(
        &'a self,
        subject: &Subject<'_>,
        memo: &mut Memo,
        default: bool,
    ) -> Verdict<'a> {
        let default = Verdict::of(default, DecidedBy::Default);
        self.evaluate(subject, memo).unwrap_or(default)
    }

    /// The name of the rule that a [`DecidedBy::Rule`] means.
    #[must_use]
    pub fn rule_name(&self, prefix: &Prefix, by: DecidedBy) -> Option<&Arc<str>> {
        match by {
            DecidedBy::Rule(index) => {
                let rule = self.rules(prefix).get(usize::from(index))?;
                Some(&rule.name)
            }
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
    fn evaluate(&self, subject: &Subject<'_>, memo: &mut Memo) -> Option<Verdict<'_>> {
        let rules = self.rules(subject.prefix);
        if rules.is_empty() {
            return None;
        }
        let hit = (0..=u16::MAX).zip(rules).find(|(index, rule)| {
            let fits = |condition: PrefixMatch| condition.matches(subject.prefix);
            let index = usize::from(*index);
            let holds = |when: &Conditions| memo.holds(index, (when, rule.action), subject);
            rule.matches.is_none_or(fits) && rule.when.as_deref().is_none_or(holds)
        });
        Some(match hit {
            Some((index, rule)) => Verdict {
                action: rule.action,
                by: DecidedBy::Rule(index),
                set: rule.set.as_ref().filter(|_| rule.action == Action::Accept),
            },
            None => Verdict::of(false, DecidedBy::NoMatch),
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
mod tests;
