//! Rules in iptables' words, each tagged with a hash so that it is known again.

use std::borrow::Cow;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::model::{Action, Chain, Family, Match, Rule, RuleSet, Table};

/// Comments of own rules start with this.
pub const TAG: &str = "rcni:";

/// A rule as it is written after `-A CHAIN ` in a restore file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The whole rule with its comment.
    pub spec: String,
    /// The comment: [`TAG`] and 16 hex digits.
    pub tag: String,
}

/// The chain's rules. A rule's hash covers its own text and all rules before it, so that a missing,
/// moved or foreign rule shows by comparing the hashes in order, whatever spelling the kernel's
/// tools give the rest.
#[must_use]
pub fn chain(family: Family, table: &Table, chain: &Chain) -> Vec<Rendered> {
    let mut before = format!("{family:?} {} {}", table.name.as_str(), chain.name);
    let rules = chain.rules.iter();
    rules
        .map(|rule| {
            let rendered = tagged(&before, &conditions(rule), &action(rule.action));
            before.clone_from(&rendered.tag);
            rendered
        })
        .collect()
}

/// The rule of the built-in chain that enters `chain`.
#[must_use]
pub fn jump(family: Family, table: &Table, chain: &Chain) -> Rendered {
    let hook = chain.hook.as_str();
    let before = format!("{family:?} {} {hook}", table.name.as_str());
    tagged(&before, "", &chain.name)
}

fn tagged(before: &str, conditions: &str, target: &str) -> Rendered {
    let mut hash = Sha256::new();
    for part in [before, "\0", conditions, "\0", target] {
        hash.update(part.as_bytes());
    }
    let mut tag = TAG.to_owned();
    for byte in hash.finalize().iter().take(8) {
        let _ = write!(tag, "{byte:02x}");
    }
    Rendered {
        spec: format!("{conditions}-m comment --comment \"{tag}\" -j {target}"),
        tag,
    }
}

fn conditions(rule: &Rule) -> String {
    let mut text = String::new();
    for condition in &rule.matches {
        // Writing to a String cannot fail.
        let _ = match condition {
            Match::Source(cidr) => write!(text, "-s {cidr} "),
            Match::Destination(cidr) => write!(text, "-d {cidr} "),
            Match::InLinkPrefix(prefix) => write!(text, "-i {prefix}+ "),
            Match::OutLinkPrefix(prefix) => write!(text, "-o {prefix}+ "),
        };
    }
    text
}

fn action(action: Action) -> Cow<'static, str> {
    match action {
        Action::Accept => "ACCEPT".into(),
        Action::Return => "RETURN".into(),
        Action::Masquerade => "MASQUERADE --random-fully".into(),
        Action::Snat(source) => format!("SNAT --to-source {source} --random-fully").into(),
    }
}

/// The whole rule set as a restore file with explanations: what would be applied to a node that has
/// nothing of ours.
#[must_use]
pub fn explained(rules: &RuleSet) -> String {
    let mut text = String::new();
    for table in rules.tables.iter().filter(|table| !table.chains.is_empty()) {
        let _ = writeln!(text, "*{}", table.name.as_str());
        for wanted in &table.chains {
            let _ = writeln!(text, ":{} - [0:0]", wanted.name);
            let rendered = chain(rules.family, table, wanted);
            for (rule, line) in wanted.rules.iter().zip(&rendered) {
                let _ = writeln!(text, "# {}", rule.why);
                let _ = writeln!(text, "-A {} {}", wanted.name, line.spec);
            }
            let enter = jump(rules.family, table, wanted);
            let _ = writeln!(text, "-I {} 1 {}", wanted.hook.as_str(), enter.spec);
        }
        text.push_str("COMMIT\n");
    }
    text
}
