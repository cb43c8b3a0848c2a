//! Import and export rules.

mod changes;
mod communities;
mod conditions;
mod prefix;

use std::cell::Cell;
use std::collections::BTreeSet;

use super::subject::Subject;
use crate::raw::{ActionSpec, BGPFilterSpec, Located, Object, RuleSpec};
use crate::{Action, Filter, Rule};

/// Which of a filter's four lists a rule is in.
#[derive(Clone, Copy)]
struct List {
    name: &'static str,
    ipv4: bool,
    export: bool,
}

/// What is known beyond one filter.
pub(super) struct Context<'a> {
    /// The peers that there are.
    peers: BTreeSet<&'a str>,
    /// Regular expressions of all filters so far: each has memory of its own.
    regexes: Cell<usize>,
}

impl<'a> Context<'a> {
    pub(super) fn new(peers: BTreeSet<&'a str>) -> Self {
        let regexes = Cell::default();
        Self { peers, regexes }
    }
}

/// The filter, without the rules that were refused.
pub(super) fn filter(
    subject: &mut Subject<'_>,
    object: &Object<BGPFilterSpec>,
    context: &Context<'_>,
) -> Filter {
    let spec = &object.spec;
    let mut rules = |name, ipv4, export, rules| {
        let list = List { name, ipv4, export };
        self::rules(subject, list, rules, context)
    };
    Filter {
        name: object.name.value.clone(),
        import_v4: rules("importV4", true, false, &spec.import_v4),
        export_v4: rules("exportV4", true, true, &spec.export_v4),
        import_v6: rules("importV6", false, false, &spec.import_v6),
        export_v6: rules("exportV6", false, true, &spec.export_v6),
    }
}

fn rules(
    subject: &mut Subject<'_>,
    list: List,
    rules: &[Located<RuleSpec>],
    context: &Context<'_>,
) -> Vec<Rule> {
    let mut resolved = Vec::with_capacity(rules.len());
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("spec.{}[{index}]", list.name);
        let action = action(subject, &path, list, &rule.value);
        let conditions = conditions::conditions(subject, &path, list, rule, context);
        if let (Some(action), Some(matches)) = (action, conditions) {
            resolved.push(Rule { matches, action });
        }
    }
    resolved
}

fn action(subject: &mut Subject<'_>, path: &str, list: List, spec: &RuleSpec) -> Option<Action> {
    let changes = spec
        .set
        .as_ref()
        .map(|set| changes::changes(subject, &format!("{path}.set"), list, set));
    match (spec.action, changes) {
        (ActionSpec::Accept, changes) => Some(Action::Accept(changes.unwrap_or_default())),
        (ActionSpec::Reject, None) => Some(Action::Reject),
        (ActionSpec::Reject, Some(_)) => {
            let unread = subject.is_unread(&format!("{path}.action"));
            if let Some(set) = spec.set.as_ref().filter(|_| !unread) {
                let reason = "has no meaning with Reject: nothing is left to be changed";
                let hint = "remove it, or write action: Accept";
                subject.refuse(set.place, &format!("{path}.set"), reason, hint);
            }
            None
        }
    }
}
