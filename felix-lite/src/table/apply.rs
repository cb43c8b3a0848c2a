//! Reads, compares, writes once, and looks whether it held.

use super::backend::{Backend, PACKAGE};
use super::diff::{self, Plan};
use super::model::{Family, RuleSet};
use super::runner::{RunError, Runner};
use super::save::{self, Snapshot};

/// Why the rules are not as they should be.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// No such program.
    #[error("there is no {program} on this node: install the package {PACKAGE}")]
    Missing {
        /// Which.
        program: String,
    },
    /// The rules could not be read.
    #[error("{program} cannot read the rules: {said}")]
    Unreadable {
        /// Which.
        program: String,
        /// Its own words, on one line.
        said: String,
    },
    /// A table that `nft` filled with what iptables cannot show.
    #[error(
        "{}table {table} has rules that {} cannot show, made by nft directly: \
         move those to a table of their own",
        .family.prefix(),
        .family.iptables()
    )]
    Incompatible {
        /// Whose.
        family: Family,
        /// Which.
        table: String,
    },
    /// The rules were refused.
    #[error("{program} refused {line:?}: {said}{hint}")]
    Refused {
        /// Which program.
        program: String,
        /// The line that it named, or else the first.
        line: String,
        /// Its own words, on one line.
        said: String,
        /// What to look at.
        hint: String,
    },
    /// The rules were written, and were different right after.
    #[error("somebody else changes the rules at the same time: {0}")]
    NotHeld(String),
    /// A foreign rule enters an own chain.
    #[error("a chain has to stay while a rule of somebody else enters it; delete that rule: {0}")]
    InUse(String),
    /// The kernel did not say whether an own table is empty, or did not remove it.
    #[error("cannot remove {}table {table} ({source}): run clean again", .family.prefix())]
    NotRemoved {
        /// Whose.
        family: Family,
        /// Which.
        table: String,
        /// Why.
        source: std::io::Error,
    },
    /// A program did not run.
    #[error(transparent)]
    Run(RunError),
}

impl From<RunError> for TableError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::NotFound(program) => Self::Missing { program },
            error => Self::Run(error),
        }
    }
}

/// How long iptables waits for its own lock (legacy), in seconds.
const LOCK_WAIT_SECS: &str = "10";

/// Brings one backend's rules to what is wanted.
#[derive(Debug)]
pub struct Applier<R> {
    runner: R,
    backend: Backend,
}

impl<R: Runner> Applier<R> {
    /// For this backend.
    pub fn new(runner: R, backend: Backend) -> Self {
        Self { runner, backend }
    }

    /// The backend.
    #[must_use]
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// What would have to be changed. Changes nothing.
    ///
    /// # Errors
    /// The rules cannot be read.
    pub async fn plan(&self, desired: &RuleSet) -> Result<Plan, TableError> {
        let actual = self.read().await?;
        let wanted = |table: &String| desired.tables.iter().any(|t| t.name.as_str() == table);
        if let Some(table) = actual.incompatible.into_iter().find(wanted) {
            let family = desired.family;
            return Err(TableError::Incompatible { family, table });
        }
        let plan = diff::plan(
            desired,
            &Snapshot {
                tables: actual.tables,
                incompatible: Vec::new(),
            },
        );
        Ok(plan)
    }

    /// Carries out a plan by one `iptables-restore`, and verifies. If somebody was faster, it is
    /// planned again, once. Returns all that was found on the way, also by the second plan.
    ///
    /// # Errors
    /// The rules were refused, or are different again. Tables before the refused one are written.
    pub async fn apply(&self, desired: &RuleSet, plan: &Plan) -> Result<Vec<String>, TableError> {
        let mut plan = plan.clone();
        let mut found = Vec::new();
        let mut attempts = 0;
        while !plan.found.is_empty() {
            if attempts == 2 {
                return Err(TableError::NotHeld(plan.found.join("; ")));
            }
            attempts += 1;
            let new = plan.found.iter().filter(|what| !found.contains(*what));
            found.extend(new.cloned().collect::<Vec<_>>());
            let outcome = self.write(&plan.text).await;
            let next = self.plan(desired).await?;
            // Refused for the rules' sake, and not because of a race: writing them again is
            // useless.
            if let Err(error) = outcome
                && (next.text == plan.text || attempts == 2)
            {
                return Err(error);
            }
            plan = next;
        }
        match plan.in_use.first() {
            Some(rule) => Err(TableError::InUse(rule.clone())),
            None => Ok(found),
        }
    }

    async fn read(&self) -> Result<Snapshot, TableError> {
        let program = &self.backend.save;
        let printed = self.runner.run(program, &[], "").await?;
        if printed.success {
            return Ok(save::parse(&printed.stdout));
        }
        Err(TableError::Unreadable {
            program: program.clone(),
            said: one_line(&printed.stderr),
        })
    }

    async fn write(&self, text: &str) -> Result<(), TableError> {
        let program = &self.backend.restore;
        let args = ["--noflush", "-w", LOCK_WAIT_SECS];
        let done = self.runner.run(program, &args, text).await?;
        if done.success {
            return Ok(());
        }
        let number = line_number(&done.stderr).unwrap_or(1);
        let line = text.lines().nth(number.saturating_sub(1));
        let line = line.unwrap_or_default().to_owned();
        Err(TableError::Refused {
            program: program.clone(),
            hint: hint(&line, &done.stderr),
            said: one_line(&done.stderr),
            line,
        })
    }
}

/// All of a program's complaint on one line, without its advice to read the manual.
pub(super) fn one_line(said: &str) -> String {
    let lines = said.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("Try `"));
    let text = lines.collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(400) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// The number in `line 5 failed`, `line 5: RULE_APPEND failed` or `occurred at line: 5`.
fn line_number(said: &str) -> Option<usize> {
    let (_, rest) = said.split_once("line")?;
    let digits = rest.trim_start_matches([':', ' ']);
    let end = digits.find(|c: char| !c.is_ascii_digit());
    let number = digits.get(..end.unwrap_or(digits.len()))?;
    // `split_once` finds the first; a message can have the word without a number before it.
    number.parse().ok().or_else(|| line_number(rest))
}

/// What the kernel or iptables probably lacks, by what the refused line needs.
fn hint(line: &str, said: &str) -> String {
    if said.contains("lock") {
        return "; another program holds the xtables lock".to_owned();
    }
    if said.contains("Permission denied") || said.contains("you must be root") {
        return "; root (CAP_NET_ADMIN) is needed".to_owned();
    }
    let mut needs = Vec::new();
    if line.contains("MASQUERADE") {
        needs.push("xt_MASQUERADE with --random-fully");
    }
    if line.contains("--comment") {
        needs.push("xt_comment");
    }
    if needs.is_empty() || line.starts_with("-D") {
        return String::new();
    }
    format!(
        "; the kernel or iptables may lack {} (a module that is not installed or not loaded)",
        needs.join(" or ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refused_line_is_found_in_each_version_s_words() {
        for (said, number) in [
            ("iptables-nft-restore: line 12 failed: No chain/target", 12),
            (
                "iptables-restore v1.8.9 (nf_tables): \nline 5: RULE_APPEND failed",
                5,
            ),
            (
                "unknown option \"--foo\"\nError occurred at line: 2\nTry `x",
                2,
            ),
            ("baseline, or line\nError occurred at line: 7", 7),
        ] {
            assert_eq!(line_number(said), Some(number), "{said}");
        }
        assert_eq!(line_number("nothing of that kind"), None);
        assert_eq!(line_number("line"), None);
    }

    #[test]
    fn a_complaint_becomes_one_line() {
        let said = "a failed\n\nError occurred at line: 2\nTry `iptables-restore -h'\n";
        assert_eq!(one_line(said), "a failed Error occurred at line: 2");
    }
}
