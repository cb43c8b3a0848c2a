//! `felix-lite clean`: everything that `run` made is removed, and nothing else is: conflist,
//! blackhole, rules, settings. Goes on past errors and reports them all; can be repeated.

use std::io;
use std::path::PathBuf;

use crate::agent::StepError;
use crate::blackhole::Blackholes;
use crate::conflist;
use crate::state::State;
use crate::sysctl::Sysctls;
use crate::table::apply::TableError;
use crate::table::keeper;
use crate::table::leftover::Outcome;
use crate::table::model::{Family, TableName};
use crate::table::runner::Runner;

/// What was done and what was not.
#[derive(Debug, Default)]
pub struct Cleaned {
    /// One sentence for each thing.
    pub done: Vec<String>,
    /// What is still there.
    pub failures: Vec<StepError>,
}

/// Cleans the node. `conflists` are the paths that the configuration names; the one in the record is
/// removed as well.
pub async fn clean<R: Runner + Clone>(
    runner: &R,
    state: &mut State,
    protocol: u8,
    conflists: &[PathBuf],
) -> Cleaned {
    let mut cleaned = Cleaned::default();
    let recorded = state.record.conflist.clone();
    for path in recorded.iter().chain(conflists) {
        match conflist::remove(path) {
            Ok(true) => cleaned.done.push(format!("removed {}", path.display())),
            Ok(false) => {}
            Err(error) => cleaned.failures.push(error.into()),
        }
    }
    let routes = Blackholes::open(protocol);
    let routes = match &routes {
        Ok(routes) => routes.ensure(&[]).await,
        Err(_) => routes.map(|_| Vec::new()),
    };
    match routes {
        Ok(done) => cleaned.done.extend(done),
        Err(error) => cleaned.failures.push(error.into()),
    }
    rules(runner, state, &mut cleaned).await;
    let (done, errors) = Sysctls::default().restore(state);
    cleaned.done.extend(done);
    cleaned
        .failures
        .extend(errors.into_iter().map(StepError::from));
    // Also a table that somebody uses by now: it can go when that has ended.
    let kept = if cleaned.failures.is_empty() && state.record.tables.is_empty() {
        state.remove()
    } else {
        state.store()
    };
    cleaned.failures.extend(kept.err().map(StepError::from));
    cleaned
}

async fn rules<R: Runner + Clone>(runner: &R, state: &mut State, cleaned: &mut Cleaned) {
    for family in Family::ALL {
        let (done, failures) = keeper::sweep(runner, family).await;
        cleaned.done.extend(done);
        let failures = failures.into_iter();
        cleaned.failures.extend(failures.map(StepError::from));
    }
    let (done, failures) = remove_tables(&mut state.record.tables, keeper::remove_table);
    cleaned.done.extend(done);
    let failures = failures.into_iter();
    cleaned.failures.extend(failures.map(StepError::from));
}

/// Removes the tables that have nothing in them. Those that are not removed stay in `tables`, so
/// that the next `clean` tries again.
fn remove_tables(
    tables: &mut Vec<String>,
    mut remove: impl FnMut(Family, TableName) -> io::Result<Outcome>,
) -> (Vec<String>, Vec<TableError>) {
    let (mut done, mut failures) = (Vec::new(), Vec::new());
    tables.retain(|recorded| {
        // A name that we never use was not recorded by us.
        let Some((family, table)) = keeper::recorded_table(recorded) else {
            return false;
        };
        let name = table.as_str();
        match remove(family, table) {
            Ok(Outcome::Removed) => {
                let program = family.iptables();
                done.push(format!(
                    "{program}-nft, table {name}: removed, nothing was in it"
                ));
                false
            }
            Ok(Outcome::Gone) => false,
            Ok(Outcome::Used) => true,
            Err(source) => {
                let table = name.to_owned();
                failures.push(TableError::NotRemoved {
                    family,
                    table,
                    source,
                });
                true
            }
        }
    });
    (done, failures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_is_not_removed_stays_in_the_record() {
        let mut tables = ["filter", "ip6 nat", "unknown"].map(str::to_owned).to_vec();
        let (done, failures) = remove_tables(&mut tables, |family, table| match (family, table) {
            (Family::V4, TableName::Filter) => Err(io::Error::other("no answer")),
            (Family::V6, TableName::Nat) => Ok(Outcome::Used),
            other => panic!("{other:?} is not ours"),
        });
        assert_eq!(tables, ["filter", "ip6 nat"]);
        assert!(done.is_empty(), "{done:?}");
        let said: Vec<_> = failures.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("table filter") && said[0].contains("no answer"));
        let (done, failures) = remove_tables(&mut tables, |_, _| Ok(Outcome::Removed));
        assert_eq!((tables.len(), done.len(), failures.len()), (0, 2, 0));
        assert!(done[1].starts_with("ip6tables-nft, table nat"), "{done:?}");
    }
}
