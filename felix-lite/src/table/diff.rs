//! From what is to what should be: the smallest restore file, and a sentence for every difference.

use std::fmt::Write as _;

use super::model::{Chain, Family, RuleSet, Table, TableName};
use super::render::{self, Rendered};
use super::save::{Snapshot, TableView};

/// What has to be done. Nothing, if `found` is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What is not as it should be, for the log.
    pub found: Vec<String>,
    /// For `iptables-restore --noflush`.
    pub text: String,
    /// Tables that the kernel does not have yet and that this creates.
    pub creates: Vec<TableName>,
    /// Own chains that have to stay, empty, because a foreign rule enters them: that rule.
    pub in_use: Vec<String>,
}

/// Compares. Chains and jumps that are right are not mentioned in the text, so that they keep their
/// counters.
#[must_use]
pub fn plan(desired: &RuleSet, actual: &Snapshot) -> Plan {
    let mut plan = Plan::default();
    let nothing = TableView::default();
    for table in &desired.tables {
        let name = table.name.as_str();
        let view = actual.tables.get(name);
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for chain in &table.chains {
            let view = view.unwrap_or(&nothing);
            wanted(desired.family, table, chain, view, &mut lines, &mut found);
        }
        if let Some(view) = view {
            leftover(table, view, &mut lines, &mut found, &mut plan.in_use);
        }
        if found.is_empty() {
            continue;
        }
        if view.is_none() {
            plan.creates.push(table.name);
        }
        let _ = write!(plan.text, "*{name}\n{}", lines.join());
        plan.text.push_str("COMMIT\n");
        let found = found
            .into_iter()
            .map(|what| format!("{}table {name}: {what}", desired.family.prefix()));
        plan.found.extend(found);
    }
    plan
}

/// One table's lines, in the order in which they have to stand.
#[derive(Default)]
struct Lines {
    declare: String,
    append: String,
    delete: String,
    insert: String,
    remove: String,
}

impl Lines {
    fn join(&self) -> String {
        [
            &self.declare,
            &self.append,
            &self.delete,
            &self.insert,
            &self.remove,
        ]
        .map(String::as_str)
        .concat()
    }
}

/// A chain that should be there.
fn wanted(
    family: Family,
    table: &Table,
    chain: &Chain,
    view: &TableView,
    lines: &mut Lines,
    found: &mut Vec<String>,
) {
    let rules = render::chain(family, table, chain);
    if let Some(difference) = chain_difference(&chain.name, &rules, view) {
        found.push(difference);
        // With --noflush, declaring a chain of one's own empties it if it is there.
        let _ = writeln!(lines.declare, ":{} - [0:0]", chain.name);
        for rule in &rules {
            let _ = writeln!(lines.append, "-A {} {}", chain.name, rule.spec);
        }
    }
    let hook = chain.hook.as_str();
    let jump = render::jump(family, table, chain);
    let mut present = view.jumps.iter().filter(|own| own.target == chain.name);
    let right =
        |own: &super::save::Jump| own.chain == hook && own.position == 0 && own.tag == jump.tag;
    let first = present.next();
    if first.is_some_and(right) && present.next().is_none() {
        return;
    }
    found.push(match first {
        None => format!("the jump from {hook} to {} is missing", chain.name),
        Some(own) if own.chain == hook && own.position > 0 => format!(
            "the jump to {} is not the first rule of {hook} but number {}",
            chain.name,
            own.position + 1
        ),
        Some(_) => format!("the jump from {hook} to {} is not as it was", chain.name),
    });
    for own in view.jumps.iter().filter(|own| own.target == chain.name) {
        let _ = writeln!(lines.delete, "-D {} {}", own.chain, own.spec);
    }
    let _ = writeln!(lines.insert, "-I {hook} 1 {}", jump.spec);
}

fn chain_difference(name: &str, rules: &[Rendered], view: &TableView) -> Option<String> {
    let Some(present) = view.own.get(name) else {
        return Some(format!("chain {name} is missing"));
    };
    if present.iter().eq(rules.iter().map(|rule| &rule.tag)) {
        return None;
    }
    let wanted = |tag: &&String| rules.iter().any(|rule| rule.tag == **tag);
    let kept = present.iter().filter(wanted).count();
    Some(format!(
        "chain {name} has {kept} of its {} rules, and {} others",
        rules.len(),
        present.len() - kept
    ))
}

/// Own chains and jumps that should not be there.
fn leftover(
    table: &Table,
    view: &TableView,
    lines: &mut Lines,
    found: &mut Vec<String>,
    in_use: &mut Vec<String>,
) {
    let is_wanted = |name: &str| table.chains.iter().any(|chain| chain.name == name);
    for jump in view.jumps.iter().filter(|jump| !is_wanted(&jump.target)) {
        found.push(format!(
            "the jump from {} to {} is left over",
            jump.chain, jump.target
        ));
        let _ = writeln!(lines.delete, "-D {} {}", jump.chain, jump.spec);
    }
    for (name, rules) in view.own.iter().filter(|(name, _)| !is_wanted(name)) {
        let mut borrowers = view.borrowed.iter().filter(|jump| &jump.target == name);
        if let Some(borrower) = borrowers.next() {
            in_use.push(format!(
                "-t {} -A {} {}",
                table.name.as_str(),
                borrower.chain,
                borrower.spec
            ));
            if !rules.is_empty() {
                found.push(format!("chain {name} is left over"));
                let _ = writeln!(lines.remove, "-F {name}");
            }
            continue;
        }
        found.push(format!("chain {name} is left over"));
        let _ = writeln!(lines.remove, "-F {name}\n-X {name}");
    }
}
