//! The command line.

mod ask;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{CommandFactory, Parser, Subcommand};
use rcni_config::{FelixConfig, kernel, load_felix, paths};
use rcni_control::cli::{self, LogOptions, Output, ServeOptions};
use rcni_control::log::Begun;
use rcni_control::server::{listen, serve, serve_tcp};
use rcni_control::socket;

use crate::agent::{APPLIED, Agent};
use crate::control::PROGRAM;
use crate::control::server::{Known, public, router};
use crate::control::told::Told;
use crate::desired::{self, Desired};
use crate::state::{State, current_epoch};
use crate::table::render;
use crate::table::runner::SystemRunner;
use crate::{blackhole, clean, compat};

/// The configuration is refused; nothing was changed.
const REFUSED: u8 = 2;
/// Writes the log.
const LOG_THREAD: &str = "felix-lite-log";

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
  felix-lite status                              is the node ready, and if not, why?
  felix-lite events --since 10m                  what was put back, what failed

Exit codes: 0 fine, 2 the configuration is refused and nothing was changed, 1 anything else.
`felix-lite log debug --for 10m` shows more.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the node ready for pods, and keep it so until stopped. What was done stays after that.
    Run {
        #[command(flatten)]
        files: Files,
        /// Do it once and exit: 0 if the node is ready, else 1.
        #[arg(long)]
        oneshot: bool,
        #[command(flatten)]
        asked: Asked,
        #[command(flatten)]
        serve: ServeOptions,
        #[command(flatten)]
        log: LogOptions,
    },
    /// Show whether the node is ready, and what is wrong: 0 it is, 1 it is not, 2 the agent cannot be asked.
    Status {
        /// table for people, json for programs
        #[arg(short, long, value_enum, default_value_t = Output::Table)]
        output: Output,
        #[command(flatten)]
        asked: Asked,
    },
    /// Show what has happened: what was put back, what failed.
    Events {
        #[command(flatten)]
        options: cli::events::Options,
        #[command(flatten)]
        asked: Asked,
    },
    /// Show or change what the running agent logs.
    Log {
        #[command(flatten)]
        options: cli::log::Options,
        #[command(flatten)]
        asked: Asked,
    },
    /// Print the numbers of the running agent, as Prometheus reads them.
    Metrics {
        #[command(flatten)]
        asked: Asked,
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
    /// Print completions for a shell.
    Completions {
        /// Which.
        shell: clap_complete::Shell,
    },
    /// Print what `run` would make of a node that has nothing, and change nothing.
    Render {
        /// The configuration.
        #[arg(long, value_name = "FILE", default_value = paths::FELIX_CONFIG)]
        config: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct Asked {
    /// The control socket of the agent.
    #[arg(long, value_name = "PATH", default_value = paths::FELIX_SOCKET)]
    socket: PathBuf,
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
        Command::Run {
            files,
            oneshot: true,
            log,
            ..
        } => once(&files, &log),
        Command::Run {
            files,
            asked,
            serve,
            log,
            ..
        } => run(&files, &asked.socket, &serve, &log),
        Command::Status { output, asked } => Ok(ask::status(&asked.socket, output)),
        Command::Events { options, asked } => Ok(options.run(PROGRAM, &asked.socket)),
        Command::Log { options, asked } => Ok(options.run(PROGRAM, &asked.socket)),
        Command::Metrics { asked } => Ok(ask::metrics(&asked.socket)),
        Command::Clean { files } => clean_up(&files),
        Command::Check { file } => check(&file),
        Command::Render { config } => print_rendered(&config),
        Command::Completions { shell } => {
            print_completions(shell);
            Ok(ExitCode::SUCCESS)
        }
    };
    outcome.unwrap_or_else(|error| {
        complain(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}

fn print_completions(shell: clap_complete::Shell) {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "felix-lite", &mut text);
    // As below.
    let _ = std::io::stdout().write_all(&text);
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

/// All that a run needs, or the exit code after having said what is wrong.
fn prepare(files: &Files) -> anyhow::Result<Result<Agent<SystemRunner>, ExitCode>> {
    let (config, desired) = match load(&files.config) {
        Ok(loaded) => loaded,
        Err(code) => return Ok(Err(code)),
    };
    need_root()?;
    let state = State::open(&files.state_dir, &current_epoch())?;
    let refresh = Duration::from_secs(u64::from(config.refresh_secs));
    Ok(Ok(Agent::new(desired, refresh, SystemRunner, state)))
}

fn once(files: &Files, log: &LogOptions) -> anyhow::Result<ExitCode> {
    let _log = log.begin(LOG_THREAD, kind).map_err(anyhow::Error::msg)?;
    let mut agent = match prepare(files)? {
        Ok(agent) => agent,
        Err(code) => return Ok(code),
    };
    runtime()?.block_on(async {
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

fn run(
    files: &Files,
    socket: &Path,
    options: &ServeOptions,
    log: &LogOptions,
) -> anyhow::Result<ExitCode> {
    let Begun {
        levels,
        events,
        flush: _flush,
    } = log.begin(LOG_THREAD, kind).map_err(anyhow::Error::msg)?;
    let agent = match prepare(files)? {
        Ok(agent) => agent,
        Err(code) => return Ok(code),
    };
    let told = Told::new(agent.fixed(), Instant::now());
    runtime()?.block_on(async {
        let metrics = options.metrics_address.map(listen).transpose();
        let metrics = metrics.map_err(anyhow::Error::msg)?;
        let socket = socket::bind(socket, PROGRAM, options.socket_group.as_deref())?;
        let known = Known {
            told: told.clone(),
            events,
            levels,
        };
        if let Some(listener) = metrics {
            tokio::spawn(serve_tcp(listener, public(known.clone())));
        }
        tokio::spawn(serve(socket, router(known)));
        agent
            .run(&told)
            .await
            .context("cannot listen to the kernel")?;
        Ok(ExitCode::SUCCESS)
    })
}

/// What a part of the agent records, by the path of its module: `felix-lite events` shows it.
fn kind(module: &str) -> &'static str {
    let inner = module.strip_prefix("felix_lite::").unwrap_or_default();
    match inner.split("::").next().unwrap_or_default() {
        "table" | "source" | "nfnetlink" => "rules",
        "sysctl" | "uplink" | "compat" | "linkdown" => "settings",
        // What is put back says itself what it is.
        _ => "agent",
    }
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
