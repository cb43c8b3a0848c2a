//! Both families' rules: which backend each has, and what a pass does with them.

use rcni_config::IptablesBackend;

use super::apply::{Applier, TableError};
use super::backend::{self, Backend, Choice, Store};
use super::leftover;
use super::legacy::{Probe, Size};
use super::model::{Family, RuleSet, TableName};
use super::runner::Runner;
use crate::agent::StepError;
use crate::state::State;

/// The rules of the node, kept as they should be.
#[derive(Debug)]
pub struct Keeper<R> {
    runner: R,
    wanted: IptablesBackend,
    appliers: Vec<Applier<R>>,
    /// Families that have no pods any more were looked at.
    swept: bool,
    told_sweeping: bool,
}

/// A table's name in the record: `nat` is IPv4's, `ip6 nat` is IPv6's.
#[must_use]
pub fn recorded_name(family: Family, table: TableName) -> String {
    match family {
        Family::V4 => table.as_str().to_owned(),
        Family::V6 => format!("ip6 {}", table.as_str()),
    }
}

/// The reverse of [`recorded_name`]; nothing for a name that we never write.
#[must_use]
pub fn recorded_table(name: &str) -> Option<(Family, TableName)> {
    match name.strip_prefix("ip6 ") {
        Some(table) => Some((Family::V6, TableName::from_name(table)?)),
        None => Some((Family::V4, TableName::from_name(name)?)),
    }
}

impl<R: Runner + Clone> Keeper<R> {
    /// Nothing is looked at yet.
    pub fn new(runner: R, wanted: IptablesBackend) -> Self {
        Self {
            runner,
            wanted,
            appliers: Vec::new(),
            swept: false,
            told_sweeping: false,
        }
    }

    /// Brings every family's rules to what is wanted, and removes what is left of a family that is
    /// not wanted any more. One family's failure does not keep the other from being done.
    pub async fn ensure(
        &mut self,
        desired: &[RuleSet],
        state: &mut State,
    ) -> (Vec<String>, Vec<StepError>) {
        let (mut done, mut failures) = (Vec::new(), Vec::new());
        for rules in desired {
            match self.family(rules, state).await {
                Ok(found) => done.extend(found),
                Err(error) => failures.push(error),
            }
        }
        done.extend(self.sweep_others(desired).await);
        (done, failures)
    }

    /// Removes what is left of families that are not wanted any more. That a node that does not use
    /// a family cannot read its rules is no reason not to be ready: it is said once, and tried again.
    async fn sweep_others(&mut self, desired: &[RuleSet]) -> Vec<String> {
        let mut done = Vec::new();
        let mut whole = true;
        for family in Family::ALL {
            let wanted = desired.iter().any(|rules| rules.family == family);
            if self.swept || wanted {
                continue;
            }
            let (found, errors) = sweep(&self.runner, family).await;
            done.extend(found);
            for error in &errors {
                if self.told_sweeping {
                    tracing::debug!("{error}");
                } else {
                    tracing::warn!("cannot look for own rules of a family without pods: {error}");
                }
            }
            whole &= errors.is_empty();
        }
        self.swept |= whole;
        self.told_sweeping = !whole;
        done
    }

    async fn family(
        &mut self,
        rules: &RuleSet,
        state: &mut State,
    ) -> Result<Vec<String>, StepError> {
        let family = rules.family;
        if !self
            .appliers
            .iter()
            .any(|one| one.backend().family == family)
        {
            let backend = self.choose(family).await?;
            self.appliers
                .push(Applier::new(self.runner.clone(), backend));
        }
        let mut appliers = self.appliers.iter();
        let Some(applier) = appliers.find(|one| one.backend().family == family) else {
            return Ok(Vec::new());
        };
        let plan = applier.plan(rules).await?;
        if applier.backend().store == Store::Nft {
            let known = &mut state.record.tables;
            let count = known.len();
            let new = plan
                .creates
                .iter()
                .map(|table| recorded_name(family, *table));
            let new: Vec<_> = new.filter(|table| !known.contains(table)).collect();
            known.extend(new);
            if known.len() > count {
                state.store()?;
            }
        }
        Ok(applier.apply(rules, &plan).await?)
    }

    /// The backend to use; what is ours in the other one is removed from there.
    async fn choose(&self, family: Family) -> Result<Backend, TableError> {
        let hint = self.appliers.first().map(|one| one.backend().store);
        let choice = backend::choose(&self.runner, family, self.wanted, hint).await?;
        announce(&choice);
        if choice.other_has_own
            && let Some(other) = choice.other
        {
            tracing::info!("removing own rules from {other}");
            remove_own(&Applier::new(self.runner.clone(), other)).await?;
        }
        Ok(choice.backend)
    }

    /// What to watch where the kernel reports nothing.
    #[must_use]
    pub fn legacy_watch(&self, desired: &[RuleSet]) -> LegacyWatch {
        let appliers = self.appliers.iter().map(Applier::backend);
        let legacy = appliers.filter(|backend| backend.store == Store::Legacy);
        let watched = legacy.filter_map(|backend| {
            let mut rules = desired.iter();
            let rules = rules.find(|rules| rules.family == backend.family)?;
            // Asking about a table creates it: only those that have something of ours.
            let used = rules.tables.iter().filter(|table| !table.chains.is_empty());
            let probe = Probe::open(backend.family).ok()?;
            let names = used.map(|table| table.name.as_str());
            let sizes = names.map(|name| (name, probe.size(name))).collect();
            Some((probe, sizes))
        });
        LegacyWatch(watched.collect())
    }
}

fn announce(choice: &Choice) {
    let backend = &choice.backend;
    tracing::info!(backend = %backend.store, "{backend} is used ({})", choice.reason);
    if choice.both_used {
        let name = backend.family.iptables();
        tracing::warn!(
            "both {name}-nft and {name}-legacy have rules of other programs: a packet has to pass \
             both, and what is accepted in {} can still be dropped in the other",
            backend.store
        );
    }
}

/// Removes all that is ours; says what that was.
async fn remove_own<R: Runner>(applier: &Applier<R>) -> Result<Vec<String>, TableError> {
    let nothing = RuleSet::empty(applier.backend().family);
    let plan = applier.plan(&nothing).await?;
    applier.apply(&nothing, &plan).await
}

/// Removes what is ours of one family from every backend. Programs that are not there, and a kernel
/// that does not have the family, are no matter: then nothing of ours can be in it.
pub async fn sweep<R: Runner + Clone>(
    runner: &R,
    family: Family,
) -> (Vec<String>, Vec<TableError>) {
    let (mut done, mut failures) = (Vec::new(), Vec::new());
    let backends = match backend::all(runner, family).await {
        Ok(backends) => backends,
        Err(error) => return (done, vec![error]),
    };
    for backend in backends {
        let name = backend.to_string();
        let store = backend.store;
        match remove_own(&Applier::new(runner.clone(), backend)).await {
            Ok(found) => {
                let said = found
                    .into_iter()
                    .map(|what| format!("{name}, {what}: removed"));
                done.extend(said);
            }
            // The other store's programs need not work on this kernel.
            Err(TableError::Unreadable { said, .. })
                if store == Store::Legacy || backend::is_absent(&said) => {}
            Err(error) => failures.push(error),
        }
    }
    (done, failures)
}

/// Removes a recorded table if nothing is in it.
///
/// # Errors
/// The kernel does not answer.
pub fn remove_table(family: Family, table: TableName) -> std::io::Result<leftover::Outcome> {
    leftover::remove_if_empty(family, table.as_str())
}

/// The sizes of the legacy tables that we have rules in.
#[derive(Debug, Default)]
pub struct LegacyWatch(Vec<(Probe, Sizes)>);

/// By the table's name.
type Sizes = Vec<(&'static str, Option<Size>)>;

impl LegacyWatch {
    /// How often a size is asked for.
    const POLL: std::time::Duration = std::time::Duration::from_secs(1);

    /// Returns when a size has changed. Cancel safe.
    pub async fn changed(&self) {
        if self.0.is_empty() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(Self::POLL).await;
            let mut all = self.0.iter();
            let differs = |(probe, sizes): &(Probe, Sizes)| {
                sizes.iter().any(|(name, size)| probe.size(name) != *size)
            };
            if all.any(differs) {
                return;
            }
        }
    }
}
