//! The loop: desired state, apply, watch, repair.
//!
//! ```text
//!            .-- event (settled 100 ms) --.
//!  pass  <---+-- refreshIntervalSeconds   +--  pass: settings -> blackhole -> rules -> conflist
//!            '-- retry after a failure ---'
//! ```
//!
//! A pass looks at everything and changes the difference; a step that fails does not keep the others
//! from being done, except the conflist, which is written only when all others are in place. At the
//! end (SIGTERM) everything stays as it is.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::blackhole::{BlackholeError, Blackholes};
use crate::conflist::{self, ConflistError, Written};
use crate::desired::Desired;
use crate::monitor::Monitor;
use crate::schedule::Schedule;
use crate::state::{State, StateError};
use crate::sysctl::{SysctlError, Sysctls};
use crate::table::apply::{Applier, TableError};
use crate::table::backend::{self, Backend, Store};
use crate::table::legacy::{Probe, Size};
use crate::table::model::RuleSet;
use crate::table::runner::Runner;

/// How often the size of legacy tables is asked for.
const LEGACY_POLL: Duration = Duration::from_secs(1);

/// Why a step of a pass failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Settings.
    #[error(transparent)]
    Setting(#[from] SysctlError),
    /// Rules.
    #[error(transparent)]
    Rules(#[from] TableError),
    /// Routes.
    #[error(transparent)]
    Blackhole(#[from] BlackholeError),
    /// The runtime's configuration.
    #[error(transparent)]
    Conflist(#[from] ConflistError),
    /// The record of what was changed.
    #[error(transparent)]
    State(#[from] StateError),
}

/// What a pass did.
#[derive(Debug, Default)]
pub struct Pass {
    /// What was not as it should be and is now.
    pub repaired: Vec<String>,
    /// What failed.
    pub failures: Vec<StepError>,
}

impl Pass {
    /// Everything is in place.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.failures.is_empty()
    }

    /// One line for each thing that was done; `verb` is what it was for.
    pub fn log_changes(&self, verb: &str) {
        for what in &self.repaired {
            // On a running node, a repair is somebody else's doing and worth knowing.
            if verb == REPAIRED {
                tracing::warn!("{verb}: {what}");
            } else {
                tracing::info!("{verb}: {what}");
            }
        }
    }
}

/// What the first pass does.
pub const APPLIED: &str = "applied";
/// What all further passes do.
const REPAIRED: &str = "repaired";

/// One node's agent.
#[derive(Debug)]
pub struct Agent<R> {
    desired: Desired,
    refresh: Duration,
    runner: R,
    state: State,
    sysctls: Sysctls,
    applier: Option<Applier<R>>,
    blackholes: Option<Blackholes>,
    preferred: Option<std::path::PathBuf>,
}

impl<R: Runner + Clone> Agent<R> {
    /// For this node; nothing is done yet.
    pub fn new(desired: Desired, refresh: Duration, runner: R, state: State) -> Self {
        Self {
            desired,
            refresh,
            runner,
            state,
            sysctls: Sysctls::default(),
            applier: None,
            blackholes: None,
            preferred: None,
        }
    }

    /// Looks at everything once and changes the difference.
    pub async fn pass(&mut self) -> Pass {
        let mut pass = Pass::default();
        for setting in &self.desired.settings {
            match self.sysctls.ensure(setting, &mut self.state) {
                Ok(changed) => pass.repaired.extend(changed),
                Err(error) => pass.failures.push(error.into()),
            }
        }
        match self.blackhole().await {
            Ok(changed) => pass.repaired.extend(changed),
            Err(error) => pass.failures.push(error.into()),
        }
        // After what takes no time: on a node with many rules, reading them takes a second.
        match self.rules().await {
            Ok(found) => pass.repaired.extend(found),
            Err(error) => pass.failures.push(error),
        }
        if pass.failures.is_empty() {
            match self.conflist() {
                Ok(changed) => pass.repaired.extend(changed),
                Err(error) => pass.failures.push(error),
            }
        }
        pass
    }

    async fn rules(&mut self) -> Result<Vec<String>, StepError> {
        if self.applier.is_none() {
            let backend = self.choose_backend().await?;
            self.applier = Some(Applier::new(self.runner.clone(), backend));
        }
        let Some(applier) = &self.applier else {
            return Ok(Vec::new());
        };
        let plan = applier.plan(&self.desired.rules).await?;
        if applier.backend().store == Store::Nft {
            let known = &mut self.state.record.tables;
            let count = known.len();
            let new = plan.creates.iter().map(|table| table.as_str().to_owned());
            let new: Vec<_> = new.filter(|table| !known.contains(table)).collect();
            known.extend(new);
            if known.len() > count {
                self.state.store()?;
            }
        }
        applier.apply(&self.desired.rules, &plan).await?;
        Ok(plan.found)
    }

    /// The backend to use; what is ours in the other one is removed from there.
    async fn choose_backend(&self) -> Result<Backend, TableError> {
        let choice = backend::choose(&self.runner, self.desired.backend).await?;
        let store = choice.backend.store;
        tracing::info!(backend = %store, "iptables-{store} is used ({})", choice.reason);
        if choice.both_used {
            tracing::warn!(
                "both iptables-nft and iptables-legacy have rules of other programs: a packet has \
                 to pass both, and what is accepted in {store} can still be dropped in the other"
            );
        }
        if choice.other_has_own
            && let Some(other) = choice.other
        {
            let nothing = RuleSet::empty(self.desired.rules.family);
            tracing::info!("removing own rules from iptables-{}", other.store);
            let other = Applier::new(self.runner.clone(), other);
            let plan = other.plan(&nothing).await?;
            other.apply(&nothing, &plan).await?;
        }
        Ok(choice.backend)
    }

    async fn blackhole(&mut self) -> Result<Vec<String>, BlackholeError> {
        let routes = match self.blackholes.take() {
            Some(routes) => routes,
            None => Blackholes::open(self.desired.protocol)?,
        };
        // A socket that failed is not used again.
        let changed = routes.ensure(&self.desired.blackholes).await?;
        self.blackholes = Some(routes);
        Ok(changed)
    }

    fn conflist(&mut self) -> Result<Option<String>, StepError> {
        let wanted = &self.desired.conflist;
        if self.state.record.conflist.as_ref() != Some(&wanted.path) {
            // Before the one from before is removed: the node would have none of ours.
            conflist::replaceable(&wanted.path)?;
            // The name was configured differently before: two of ours would be one too many.
            if let Some(old) = self.state.record.conflist.replace(wanted.path.clone()) {
                conflist::remove(&old)?;
            }
            self.state.store()?;
        }
        let written = conflist::ensure(wanted)?;
        let path = wanted.path.display();
        let preferred = conflist::preferred_to(&wanted.path);
        if preferred != self.preferred {
            if let Some(other) = &preferred {
                let other = other.display();
                tracing::warn!(
                    "{other} sorts before {path}: the container runtime uses that one, and new \
                     pods do not get rcni"
                );
            }
            self.preferred = preferred;
        }
        Ok(match written {
            Written::AlreadyRight => None,
            Written::Created => Some(format!("wrote {path}")),
            Written::Replaced => Some(format!("{path} was different, is replaced")),
        })
    }

    /// Runs until SIGTERM or SIGINT.
    ///
    /// # Errors
    /// No events or signals can be had; nothing was changed.
    pub async fn run(mut self) -> std::io::Result<()> {
        let folder = self.desired.conflist.path.parent().map(ToOwned::to_owned);
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut monitor = Monitor::open(folder.as_deref())?;
        let mut schedule = Schedule::new(self.refresh);
        let mut legacy = LegacyWatch::default();
        let mut verb = APPLIED;
        loop {
            let pass = self.pass().await;
            pass.log_changes(verb);
            schedule.report(&pass);
            if pass.is_ready() {
                verb = REPAIRED;
            }
            schedule.after(&pass, Instant::now());
            if let Some(folder) = &folder {
                monitor.watch(folder);
            }
            legacy.remember(&self);
            loop {
                tokio::select! {
                    () = tokio::time::sleep_until(schedule.next) => break,
                    event = monitor.next() => {
                        tracing::debug!(?event, "somebody changed something");
                        schedule.event(Instant::now());
                    }
                    () = legacy.changed() => schedule.event(Instant::now()),
                    _ = terminate.recv() => return stopped(),
                    _ = interrupt.recv() => return stopped(),
                }
            }
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is the result of `run`")]
fn stopped() -> std::io::Result<()> {
    tracing::info!(
        "stopping; rules, routes and the conflist stay (`felix-lite clean` removes them)"
    );
    Ok(())
}

/// The sizes of the tables that we have rules in, if those are legacy ones.
#[derive(Debug, Default)]
struct LegacyWatch {
    probe: Option<Probe>,
    tables: Vec<(&'static str, Option<Size>)>,
}

impl LegacyWatch {
    fn remember<R: Runner + Clone>(&mut self, agent: &Agent<R>) {
        let store = agent
            .applier
            .as_ref()
            .map(|applier| applier.backend().store);
        if store != Some(Store::Legacy) {
            self.probe = None;
            return;
        }
        if self.probe.is_none() {
            self.probe = Probe::open().ok();
        }
        let Some(probe) = &self.probe else {
            return;
        };
        // Asking about a table creates it: only those that have something of ours.
        let tables = agent.desired.rules.tables.iter();
        let used = tables.filter(|table| !table.chains.is_empty());
        let names = used.map(|table| table.name.as_str());
        self.tables = names.map(|name| (name, probe.size(name))).collect();
    }

    /// Returns when a size has changed. Cancel safe.
    async fn changed(&self) {
        let Some(probe) = &self.probe else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(LEGACY_POLL).await;
            let mut tables = self.tables.iter();
            if tables.any(|(name, size)| probe.size(name) != *size) {
                return;
            }
        }
    }
}
