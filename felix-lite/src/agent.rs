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
use crate::compat::{self, CompatMode};
use crate::conflist::{self, ConflistError, Written};
use crate::control::told::{Fixed, Told};
use crate::desired::Desired;
use crate::linkdown;
use crate::monitor::Monitor;
use crate::schedule::Schedule;
use crate::source::Sources;
use crate::state::{State, StateError};
use crate::sysctl::{self, SysctlError, Sysctls};
use crate::table::apply::TableError;
use crate::table::keeper::{Keeper, LegacyWatch};
use crate::table::model::RuleSet;
use crate::table::runner::Runner;
use crate::uplink::{self, UplinkError};

/// Why a step of a pass failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Settings.
    #[error(transparent)]
    Setting(#[from] SysctlError),
    /// Uplinks that live on router advertisements.
    #[error(transparent)]
    Uplink(#[from] UplinkError),
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

impl StepError {
    /// Which part of the node it is about.
    #[must_use]
    pub fn part(&self) -> &'static str {
        match self {
            Self::Setting(_) | Self::Uplink(_) | Self::State(_) => "settings",
            Self::Rules(_) => "rules",
            Self::Blackhole(_) => "routes",
            Self::Conflist(_) => "conflist",
        }
    }
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
    state: State,
    sysctls: Sysctls,
    tables: Keeper<R>,
    blackholes: Option<Blackholes>,
    preferred: Option<std::path::PathBuf>,
    compat_mode: CompatMode,
    sources: Sources,
    /// As they should be, with the addresses that the node has.
    rules: Vec<RuleSet>,
    /// Why uplinks without carrier are not left out.
    linkdown: Option<String>,
}

impl<R: Runner + Clone> Agent<R> {
    /// For this node; nothing is done yet.
    pub fn new(desired: Desired, refresh: Duration, runner: R, state: State) -> Self {
        let compat_mode = CompatMode::new(desired.compat_mode, refresh);
        Self {
            tables: Keeper::new(runner, desired.backend),
            desired,
            refresh,
            state,
            sysctls: Sysctls::default(),
            blackholes: None,
            preferred: None,
            compat_mode,
            sources: Sources::default(),
            rules: Vec::new(),
            linkdown: None,
        }
    }

    /// What it is about.
    #[must_use]
    pub fn fixed(&self) -> Fixed {
        Fixed {
            pod_cidrs: self.desired.blackholes.clone(),
            conflist: self.desired.conflist.path.display().to_string(),
            refresh: self.refresh,
        }
    }

    /// Looks at everything once and changes the difference.
    pub async fn pass(&mut self) -> Pass {
        let mut pass = Pass::default();
        self.settings(&mut pass).await;
        self.next_hops(&mut pass).await;
        match self.blackhole().await {
            Ok(changed) => pass.repaired.extend(changed),
            Err(error) => pass.failures.push(error.into()),
        }
        // After what takes no time: on a node with many rules, reading them takes a second.
        self.rules = self.sources.rules(&self.desired);
        let (found, failures) = self.tables.ensure(&self.rules, &mut self.state).await;
        pass.repaired.extend(found);
        pass.failures.extend(failures);
        if pass.failures.is_empty() {
            match self.conflist() {
                Ok(changed) => pass.repaired.extend(changed),
                Err(error) => pass.failures.push(error),
            }
        }
        pass
    }

    async fn settings(&mut self, pass: &mut Pass) {
        for setting in &self.desired.settings {
            if *setting == sysctl::FORWARDING_IPV6 {
                if let Err(error) = self.sysctls.ipv6_on() {
                    pass.failures.push(error.into());
                }
                match uplink::keep_listening(&self.sysctls, &mut self.state).await {
                    Ok(changed) => pass.repaired.extend(changed),
                    Err(error) => {
                        // Going on would cost the node its default route.
                        pass.failures.push(error.into());
                        continue;
                    }
                }
            }
            match self.sysctls.ensure(setting, &mut self.state) {
                Ok(changed) => pass.repaired.extend(changed),
                Err(error) => pass.failures.push(error.into()),
            }
        }
    }

    /// What only makes routes better keeps no node from being ready.
    async fn next_hops(&mut self, pass: &mut Pass) {
        let now = std::time::Instant::now();
        match self.compat_mode.ensure(&self.sysctls, &mut self.state, now) {
            compat::Outcome::Done(changed) => pass.repaired.extend(changed),
            compat::Outcome::Missing => {
                let rules = self.desired.rules.iter();
                let families: Vec<_> = rules.map(|rules| rules.family).collect();
                match linkdown::ensure(&self.sysctls, &families, &mut self.state).await {
                    Ok(changed) => {
                        pass.repaired.extend(changed);
                        self.linkdown = None;
                    }
                    Err(error) => {
                        let error = error.to_string();
                        if self.linkdown.as_ref() != Some(&error) {
                            tracing::warn!("links without carrier stay in routes: {error}");
                        }
                        self.linkdown = Some(error);
                    }
                }
            }
        }
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
                tracing::warn!("{}", self.outdone(other));
            }
            self.preferred = preferred;
        }
        Ok(match written {
            Written::AlreadyRight => None,
            Written::Created => Some(format!("wrote {path}")),
            Written::Replaced => Some(format!("{path} was different, is replaced")),
        })
    }

    /// What deserves attention although the node is ready.
    fn notes(&self) -> Vec<String> {
        let linkdown = self.linkdown.iter();
        let linkdown =
            linkdown.map(|error| format!("links without carrier stay in routes: {error}"));
        let preferred = self.preferred.iter().map(|other| self.outdone(other));
        linkdown
            .chain(preferred)
            .chain(self.sources.notes())
            .collect()
    }

    fn outdone(&self, other: &std::path::Path) -> String {
        format!(
            "{} sorts before {}: the container runtime uses that one, and new pods do not get rcni",
            other.display(),
            self.desired.conflist.path.display()
        )
    }

    /// Leaves what each pass finds in `told`, and runs until SIGTERM or SIGINT.
    ///
    /// # Errors
    /// No events or signals can be had; nothing was changed.
    pub async fn run(mut self, told: &Told) -> std::io::Result<()> {
        let folder = self.desired.conflist.path.parent().map(ToOwned::to_owned);
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let families: Vec<_> = self
            .desired
            .rules
            .iter()
            .map(|rules| rules.family)
            .collect();
        let mut monitor = Monitor::open(&families, folder.as_deref())?;
        let mut schedule = Schedule::new(self.refresh);
        let mut verb = APPLIED;
        loop {
            let pass = self.pass().await;
            pass.log_changes(verb);
            schedule.report(&pass);
            told.passed(&pass, self.notes(), &self.rules, std::time::Instant::now());
            if pass.is_ready() {
                verb = REPAIRED;
            }
            schedule.after(&pass, Instant::now());
            if let Some(folder) = &folder {
                monitor.watch(folder);
            }
            let legacy: LegacyWatch = self.tables.legacy_watch(&self.desired.rules);
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
