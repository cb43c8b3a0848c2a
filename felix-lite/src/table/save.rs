//! What `iptables-save` says, reduced to what concerns us: other people's rules are counted and
//! not kept, since there can be a hundred thousand of them.

use std::collections::BTreeMap;

use super::model::OWN_PREFIX;
use super::render::TAG;

/// A rule of ours in a chain that is not ours, or a foreign rule that enters a chain of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jump {
    /// The chain that has the rule.
    pub chain: String,
    /// The rule's place in it, from 0.
    pub position: usize,
    /// What follows `-A CHAIN `, exactly as it was printed.
    pub spec: String,
    /// Its comment, without quotes.
    pub tag: String,
    /// The own chain that is entered.
    pub target: String,
}

/// One table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableView {
    /// The own chains: for each rule its comment (empty if it has none).
    pub own: BTreeMap<String, Vec<String>>,
    /// Own jump rules, in order.
    pub jumps: Vec<Jump>,
    /// Rules that others made and that enter an own chain.
    pub borrowed: Vec<Jump>,
    /// How many foreign rules, foreign chains and policies other than ACCEPT there are.
    pub foreign: usize,
}

/// All tables of one backend.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// By name; a table that the kernel does not have is absent.
    pub tables: BTreeMap<String, TableView>,
    /// Tables that hold what iptables cannot show, made by `nft` directly.
    pub incompatible: Vec<String>,
}

impl Snapshot {
    /// How much other people have in this backend.
    #[must_use]
    pub fn foreign(&self) -> usize {
        self.tables.values().map(|table| table.foreign).sum()
    }

    /// Whether anything of ours is in this backend.
    #[must_use]
    pub fn has_own(&self) -> bool {
        let mut tables = self.tables.values();
        tables.any(|table| !table.own.is_empty() || !table.jumps.is_empty())
    }
}

/// Reads the output of `iptables-save` (any version, with or without counters). Lines that are not
/// understood belong to somebody else.
#[must_use]
pub fn parse(text: &str) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let mut table = TableView::default();
    let mut name = String::new();
    let mut place = BTreeMap::<String, usize>::new();
    for line in text.lines() {
        if let Some(next) = line.strip_prefix('*') {
            name = next.trim().to_owned();
            table = TableView::default();
            place.clear();
        } else if line == "COMMIT" {
            snapshot
                .tables
                .insert(std::mem::take(&mut name), std::mem::take(&mut table));
        } else if let Some(chain) = line.strip_prefix(':') {
            declared(&mut table, chain);
        } else if let Some(table) = incompatible(line) {
            snapshot.incompatible.push(table.to_owned());
        } else if let Some(rule) = rule_of(line) {
            appended(&mut table, &mut place, rule);
        }
    }
    snapshot
}

fn declared(table: &mut TableView, line: &str) {
    let mut words = line.split_whitespace();
    let (Some(chain), Some(policy)) = (words.next(), words.next()) else {
        return;
    };
    if chain.starts_with(OWN_PREFIX) {
        table.own.entry(chain.to_owned()).or_default();
    } else if policy != "ACCEPT" {
        table.foreign += 1;
    }
}

/// `# Table `filter' is incompatible, use 'nft' tool.`
fn incompatible(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("# Table `")?;
    let (table, rest) = rest.split_once('\'')?;
    rest.contains("incompatible").then_some(table)
}

/// Chain and rule of an `-A` line, also after `[packets:bytes]`.
fn rule_of(line: &str) -> Option<(&str, &str)> {
    let line = match line.strip_prefix('[') {
        Some(counted) => counted.split_once("] ")?.1,
        None => line,
    };
    let rest = line.strip_prefix("-A ")?;
    Some(rest.split_once(' ').unwrap_or((rest, "")))
}

fn appended(table: &mut TableView, place: &mut BTreeMap<String, usize>, rule: (&str, &str)) {
    let (chain, spec) = rule;
    let tag = option(spec, "--comment ").unwrap_or_default();
    if chain.starts_with(OWN_PREFIX) {
        let rules = table.own.entry(chain.to_owned()).or_default();
        rules.push(tag.to_owned());
        return;
    }
    let position = match place.get_mut(chain) {
        Some(next) => {
            *next += 1;
            *next
        }
        None => {
            place.insert(chain.to_owned(), 0);
            0
        }
    };
    let target = option(spec, "-j ").or_else(|| option(spec, "-g "));
    let target = target.filter(|target| target.starts_with(OWN_PREFIX));
    let Some(target) = target else {
        table.foreign += 1;
        return;
    };
    let jump = Jump {
        chain: chain.to_owned(),
        position,
        spec: spec.to_owned(),
        tag: tag.to_owned(),
        target: target.to_owned(),
    };
    if tag.starts_with(TAG) {
        table.jumps.push(jump);
    } else {
        table.foreign += 1;
        table.borrowed.push(jump);
    }
}

/// The value of an option, without quotes. `flag` must stand at the start or after a space, and not
/// within a quoted text.
fn option<'a>(spec: &'a str, flag: &str) -> Option<&'a str> {
    let mut quoted = false;
    let mut previous = b' ';
    for (at, byte) in spec.bytes().enumerate() {
        if byte == b'"' && previous != b'\\' {
            quoted = !quoted;
        }
        let rest = spec.get(at..).unwrap_or_default();
        if !quoted && previous == b' ' && rest.starts_with(flag) {
            let value = rest.get(flag.len()..)?;
            return match value.strip_prefix('"') {
                Some(text) => text.split('"').next(),
                None => value.split(' ').next(),
            };
        }
        previous = byte;
    }
    None
}
