//! `felix-lite clean`: everything that `run` made is removed, in the opposite order, and nothing
//! else is. Goes on past errors and reports them all; can be repeated.

use std::path::PathBuf;

use crate::agent::StepError;
use crate::blackhole::Blackholes;
use crate::conflist;
use crate::state::State;
use crate::sysctl::Sysctls;
use crate::table::apply::{Applier, TableError};
use crate::table::backend::{self, Store};
use crate::table::leftover;
use crate::table::model::{Family, RuleSet, TableName};
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
    let kept = if cleaned.failures.is_empty() {
        state.remove()
    } else {
        state.store()
    };
    cleaned.failures.extend(kept.err().map(StepError::from));
    cleaned
}

async fn rules<R: Runner + Clone>(runner: &R, state: &mut State, cleaned: &mut Cleaned) {
    let backends = match backend::all(runner).await {
        Ok(backends) => backends,
        Err(error) => {
            cleaned.failures.push(error.into());
            return;
        }
    };
    let nothing = RuleSet::empty(Family::V4);
    for backend in backends {
        let store = backend.store;
        let applier = Applier::new(runner.clone(), backend);
        let outcome = match applier.plan(&nothing).await {
            Ok(plan) => applier.apply(&nothing, &plan).await.map(|()| plan.found),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(found) => {
                let said = found
                    .into_iter()
                    .map(|what| format!("iptables-{store}, {what}: removed"));
                cleaned.done.extend(said);
            }
            // Nothing of ours can be in a table of which nothing can be read... that is for the
            // other store's programs, which need not work on this kernel.
            Err(TableError::Unreadable { .. }) if store == Store::Legacy => {}
            Err(error) => cleaned.failures.push(error.into()),
        }
    }
    for table in std::mem::take(&mut state.record.tables) {
        let known = TableName::from_name(&table).is_some();
        if known && matches!(leftover::remove_if_empty(&table), Ok(true)) {
            cleaned.done.push(format!(
                "iptables-nft, table {table}: removed, nothing was in it"
            ));
        }
    }
}
