//! The command line.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use rcni_config::{FelixConfig, kernel, load_felix, paths};

use crate::agent::{APPLIED, Agent};
use crate::desired::{self, Desired};
use crate::state::{State, current_epoch};
use crate::table::render;
use crate::table::runner::SystemRunner;
use crate::{blackhole, clean, compat};

/// The configuration is refused; nothing was changed.
const REFUSED: u8 = 2;

/// The rcni node agent: forwarding rules, translation, node settings and the CNI configuration.
#[derive(Debug, Parser)]
#[command(name = "felix-lite", version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  felix-lite check /etc/rcni/felix.yaml          is the file right?
  felix-lite render                              what would be done, without doing it
  felix-lite run                                 do it, and keep it so
  felix-lite run --oneshot                       do it, and exit
  felix-lite clean                               undo it

Exit codes: 0 fine, 2 the configuration is refused and nothing was changed, 1 anything else.
RUST_LOG=debug shows more.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the node ready for pods, and keep it so until stopped. What was done stays after that.
    Run {
        #[command(flatten)]
        files: Files,
        /// Do it once and exit: 0 if the node is ready, else 1.
        #[arg(long)]
        oneshot: bool,
    },
    /// Undo all that `run` did: rules, blackhole routes, settings, the CNI configuration.
    Clean {
        #[command(flatten)]
        files: Files,
    },
    /// Check a configuration file and change nothing.
    Check {
        /// The file.
        #[arg(default_value = paths::FELIX_CONFIG)]
        file: PathBuf,
    },
    /// Print what `run` would make of a node that has nothing, and change nothing.
    Render {
        /// The configuration.
        #[arg(long, value_name = "FILE", default_value = paths::FELIX_CONFIG)]
        config: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct Files {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = paths::FELIX_CONFIG)]
    config: PathBuf,
    /// Where changed settings' old values are kept.
    #[arg(long, value_name = "DIR", default_value = paths::FELIX_STATE_DIR)]
    state_dir: PathBuf,
}

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Command::Run { files, oneshot } => run(&files, oneshot),
        Command::Clean { files } => clean_up(&files),
        Command::Check { file } => check(&file),
        Command::Render { config } => print_rendered(&config),
    };
    outcome.unwrap_or_else(|error| {
        complain(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}

fn say(text: &str) {
    // Whoever does not read any more does not want to know.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "felix-lite: {text}");
}

/// A configuration, or the exit code after having said what is wrong.
fn load(file: &Path) -> Result<(FelixConfig, Desired), ExitCode> {
    let refused = |text: String| {
        let _ = writeln!(std::io::stderr(), "{text}");
        ExitCode::from(REFUSED)
    };
    let config = load_felix(file).map_err(|errors| refused(errors.to_string()))?;
    let desired = desired::desired(&config);
    Ok((config, desired))
}

fn run(files: &Files, oneshot: bool) -> anyhow::Result<ExitCode> {
    let (config, desired) = match load(&files.config) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(code),
    };
    need_root()?;
    start_logging();
    let state = State::open(&files.state_dir, &current_epoch())?;
    let refresh = Duration::from_secs(u64::from(config.refresh_secs));
    let mut agent = Agent::new(desired, refresh, SystemRunner, state);
    runtime()?.block_on(async {
        if !oneshot {
            agent.run().await.context("cannot listen to the kernel")?;
            return Ok(ExitCode::SUCCESS);
        }
        let pass = agent.pass().await;
        pass.log_changes(APPLIED);
        for failure in &pass.failures {
            tracing::error!("{failure}");
        }
        if !pass.is_ready() {
            return Ok(ExitCode::FAILURE);
        }
        tracing::info!("node ready");
        Ok(ExitCode::SUCCESS)
    })
}

fn clean_up(files: &Files) -> anyhow::Result<ExitCode> {
    // Without a file (it was removed first), the record says what there is to clean.
    let (protocol, conflists) = if files.config.exists() {
        match load(&files.config) {
            Ok((config, desired)) => (config.protocol, vec![desired.conflist.path]),
            Err(code) => return Ok(code),
        }
    } else {
        complain(&format!(
            "{} does not exist: cleaning by the record in {}",
            files.config.display(),
            files.state_dir.display()
        ));
        (kernel::PROTOCOL, Vec::new())
    };
    need_root()?;
    let mut state = State::open(&files.state_dir, &current_epoch())?;
    let work = clean::clean(&SystemRunner, &mut state, protocol, &conflists);
    let cleaned = runtime()?.block_on(work);
    for what in &cleaned.done {
        say(what);
    }
    if cleaned.failures.is_empty() {
        let nothing = cleaned.done.is_empty();
        say(if nothing { "nothing to clean" } else { "clean" });
        return Ok(ExitCode::SUCCESS);
    }
    for failure in &cleaned.failures {
        complain(&failure.to_string());
    }
    Ok(ExitCode::FAILURE)
}

fn check(file: &Path) -> anyhow::Result<ExitCode> {
    match load(file) {
        Ok((_, desired)) => {
            let pods = desired.blackholes.iter().map(ToString::to_string);
            let pods = pods.collect::<Vec<_>>().join(", ");
            say(&format!("{}: fine; pods {pods}", file.display()));
            Ok(ExitCode::SUCCESS)
        }
        Err(code) => Ok(code),
    }
}

fn print_rendered(file: &Path) -> anyhow::Result<ExitCode> {
    let desired = match load(file) {
        Ok((_, desired)) => desired,
        Err(code) => return Ok(code),
    };
    say("# settings");
    for setting in &desired.settings {
        say(&format!(
            "{} = {}    # {}",
            setting.name.replace('/', "."),
            setting.value,
            setting.why
        ));
    }
    let (value, why) = compat::rendered(desired.compat_mode);
    let name = compat::COMPAT_MODE.replace('/', ".");
    say(&format!("{name} = {value}    # {why}"));
    for rules in &desired.rules {
        say(&format!(
            "\n# {}-restore --noflush -w",
            rules.family.iptables()
        ));
        say(render::explained(rules).trim_end());
    }
    say("\n# routes");
    for range in &desired.blackholes {
        say(&blackhole::as_command(*range, desired.protocol));
    }
    say(&format!("\n# {}", desired.conflist.path.display()));
    say(desired.conflist.text.trim_end());
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")
}

fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false)
        .init();
}

/// `CAP_NET_ADMIN`, linux/capability.h.
const CAP_NET_ADMIN: u32 = 12;

/// One clear line now instead of a refusal by each of the kernel's parts.
fn need_root() -> anyhow::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    // Unreadable: let the kernel decide.
    let allowed = effective.is_none_or(|bits| bits >> CAP_NET_ADMIN & 1 == 1);
    anyhow::ensure!(
        allowed,
        "not allowed to change this node's network: run it as root (CAP_NET_ADMIN)"
    );
    Ok(())
}
