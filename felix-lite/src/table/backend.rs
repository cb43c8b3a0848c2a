//! Which iptables: the kernel has two rule stores that do not see each other, and rules belong where
//! the node's other rules are.

use std::fmt;

use rcni_config::IptablesBackend;

use super::apply::{TableError, one_line};
use super::model::Family;
use super::runner::{RunError, Runner};
use super::save::{self, Snapshot};

/// One of the kernel's two stores of iptables rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// nf_tables, by `iptables-nft`.
    Nft,
    /// ip_tables, by `iptables-legacy`.
    Legacy,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.family.iptables(), self.store)
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nft => "nft",
            Self::Legacy => "legacy",
        })
    }
}

/// A store and the programs for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Whose rules.
    pub family: Family,
    /// Which store.
    pub store: Store,
    /// Prints all rules.
    pub save: String,
    /// Changes rules.
    pub restore: String,
}

/// What was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// To be used.
    pub backend: Backend,
    /// The other one, if its programs are there.
    pub other: Option<Backend>,
    /// Whether something of ours is in the other one.
    pub other_has_own: bool,
    /// Why, for the log.
    pub reason: String,
    /// Both stores have rules of other people: a packet has to pass both.
    pub both_used: bool,
}

/// The package that has the programs, by its usual name.
pub const PACKAGE: &str = "iptables";

/// A backend whose programs are there.
struct Candidate {
    backend: Backend,
    view: Snapshot,
    /// The plain name `iptables` leads here.
    default: bool,
}

/// Looks which programs are there and where rules of `family` are. Reading creates no tables.
/// `hint` is where the other family's rules are, for a node that says nothing itself.
///
/// # Errors
/// The wanted programs are missing, or do not run.
pub async fn choose<R: Runner>(
    runner: &R,
    family: Family,
    wanted: IptablesBackend,
    hint: Option<Store>,
) -> Result<Choice, TableError> {
    let plain = store_of(runner, family.iptables()).await?;
    let nft = candidate(runner, family, Store::Nft, plain).await?;
    let legacy = candidate(runner, family, Store::Legacy, plain).await?;
    let name = family.iptables();
    match (wanted, nft, legacy) {
        (IptablesBackend::Auto, Some(nft), Some(legacy)) => Ok(by_rules(nft, legacy, hint)),
        (IptablesBackend::Auto, Some(only), None) | (IptablesBackend::Auto, None, Some(only)) => {
            Ok(chosen(only, None, "the only one on this node".to_owned()))
        }
        (IptablesBackend::Nft, Some(nft), legacy) => {
            Ok(chosen(nft, legacy, "as configured".to_owned()))
        }
        (IptablesBackend::Legacy, nft, Some(legacy)) => {
            Ok(chosen(legacy, nft, "as configured".to_owned()))
        }
        (IptablesBackend::Nft, None, _) => Err(missing(&format!("{name}-nft"))),
        (IptablesBackend::Legacy, _, None) => Err(missing(&format!("{name}-legacy"))),
        (IptablesBackend::Auto, None, None) => Err(missing(name)),
    }
}

/// Every backend of `family` whose programs are there, for removing what is ours from all of them.
///
/// # Errors
/// A program does not run.
pub async fn all<R: Runner>(runner: &R, family: Family) -> Result<Vec<Backend>, TableError> {
    let plain = store_of(runner, family.iptables()).await?;
    let nft = programs(runner, family, Store::Nft, plain).await?;
    let legacy = programs(runner, family, Store::Legacy, plain).await?;
    Ok([nft, legacy].into_iter().flatten().collect())
}

fn missing(program: &str) -> TableError {
    TableError::Missing {
        program: program.to_owned(),
    }
}

fn by_rules(nft: Candidate, legacy: Candidate, hint: Option<Store>) -> Choice {
    let (in_nft, in_legacy) = (nft.view.foreign(), legacy.view.foreign());
    let counted = format!("other rules: {in_nft} in nft, {in_legacy} in legacy");
    let nft_first = match in_nft.cmp(&in_legacy) {
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Less => false,
        // Nobody else says: stay where we are, else beside the other family's rules, else where
        // the plain name leads.
        std::cmp::Ordering::Equal if nft.view.has_own() != legacy.view.has_own() => {
            nft.view.has_own()
        }
        std::cmp::Ordering::Equal => match hint {
            Some(store) => store == Store::Nft,
            None => nft.default || !legacy.default,
        },
    };
    if nft_first {
        chosen(nft, Some(legacy), counted)
    } else {
        chosen(legacy, Some(nft), counted)
    }
}

fn chosen(this: Candidate, other: Option<Candidate>, reason: String) -> Choice {
    let others_view = other.as_ref().map(|other| &other.view);
    Choice {
        other_has_own: others_view.is_some_and(Snapshot::has_own),
        both_used: this.view.foreign() > 0 && others_view.is_some_and(|view| view.foreign() > 0),
        reason,
        backend: this.backend,
        other: other.map(|other| other.backend),
    }
}

async fn programs<R: Runner>(
    runner: &R,
    family: Family,
    store: Store,
    plain: Option<Store>,
) -> Result<Option<Backend>, TableError> {
    let name = family.iptables();
    let own_name = format!("{name}-{store}");
    let program = if store_of(runner, &own_name).await? == Some(store) {
        own_name
    } else if plain == Some(store) {
        name.to_owned()
    } else {
        return Ok(None);
    };
    Ok(Some(Backend {
        family,
        store,
        save: format!("{program}-save"),
        restore: format!("{program}-restore"),
    }))
}

/// How a store says that the kernel does not have it, in which case it has no rules.
const ABSENT: [&str; 4] = [
    "Table does not exist",
    "do you need to insmod",
    "Failed to initialize nft: Protocol not supported",
    "Could not fetch rule set generation id: Invalid argument",
];

/// Whether this says that the kernel does not have the store at all.
pub(crate) fn is_absent(said: &str) -> bool {
    ABSENT.iter().any(|phrase| said.contains(phrase))
}

async fn candidate<R: Runner>(
    runner: &R,
    family: Family,
    store: Store,
    plain: Option<Store>,
) -> Result<Option<Candidate>, TableError> {
    let Some(backend) = programs(runner, family, store, plain).await? else {
        return Ok(None);
    };
    let printed = match runner.run(&backend.save, &[], "").await {
        Ok(printed) if printed.success => printed.stdout,
        Ok(failed) if is_absent(&failed.stderr) => String::new(),
        // The choice is for the whole run: not one by a momentary failure.
        Ok(failed) => {
            return Err(TableError::Unreadable {
                program: backend.save,
                said: one_line(&failed.stderr),
            });
        }
        Err(RunError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(Some(Candidate {
        backend,
        view: save::parse(&printed),
        default: plain == Some(store),
    }))
}

/// Where this program's rules go, by its own words: `iptables v1.8.9 (nf_tables)`.
async fn store_of<R: Runner>(runner: &R, program: &str) -> Result<Option<Store>, TableError> {
    match runner.run(program, &["--version"], "").await {
        Ok(answer) if answer.success && answer.stdout.contains("nf_tables") => Ok(Some(Store::Nft)),
        // Before 1.8 there was only one, and it did not say which.
        Ok(answer) if answer.success => Ok(Some(Store::Legacy)),
        Ok(_) | Err(RunError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
