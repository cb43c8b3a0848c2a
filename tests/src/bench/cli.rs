//! The command line of `rcni-bench`.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::peer::ROUTES_MAX;
use super::table::Table;
use super::{cni, fib, machine, memory, overload, readme, scale, subjects, throughput};
use crate::cli::signals;

const EXAMPLES: &str = "Examples:
  rcni-bench                                     # everything, as `make bench`
  rcni-bench --quick                             # small numbers: does it still work?
  rcni-bench fib --subject rcni-bgp --repeat 1   # one subject, to be profiled
  rcni-bench cni --pods 50";

/// Compares rcni with the programs that others use for the same, in network namespaces of its own.
///
/// Needs root, rcni's programs (RCNI_BIN_DIR, or `make build`), and the trees of `rcni-lab peers`.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
pub struct Cli {
    /// What to measure; everything if none
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Routes
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(ROUTES_MAX)))]
    routes: u32,
    /// Repetitions, interleaved
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    repeat: u16,
    /// Only these speakers of `fib` (the floor always runs) and of `scale`
    #[arg(long, value_delimiter = ',')]
    subject: Vec<String>,
    /// Only these scenarios of `scale`
    #[arg(long, value_enum, value_delimiter = ',')]
    scenario: Vec<scale::Scenario>,
    /// Pods of each contender
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pods: u32,
    /// Small numbers for everything
    #[arg(long, conflicts_with_all = ["routes", "repeat", "pods", "write"])]
    quick: bool,
    /// Also put the tables into this file, between its two comments
    #[arg(long, conflicts_with_all = ["parts", "subject", "scenario"])]
    write: Option<PathBuf>,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Many routes from a peer to the kernel and to another peer
    Fib,
    /// Pods attached and detached
    Cni,
    /// Idle daemons
    Memory,
    /// TCP between pods
    Throughput,
    /// What a session notices of others' misbehaviour
    Overload,
    /// Large tables and many peers, without the kernel
    Scale,
}

const PARTS: [Part; 6] = [
    Part::Fib,
    Part::Cni,
    Part::Memory,
    Part::Throughput,
    Part::Overload,
    Part::Scale,
];

/// How much of everything.
#[derive(Clone, Debug)]
pub struct Amount {
    /// Routes.
    pub routes: u32,
    /// Repetitions.
    pub repeat: usize,
    /// Speakers of the routes' part; all if none.
    pub subjects: Vec<String>,
    /// Pods.
    pub pods: cni::Scale,
    /// Duration of a transfer.
    pub seconds: f64,
    /// Peers that misbehave.
    pub overload: overload::Scale,
    /// Large tables.
    pub scale: scale::Scale,
}

/// As `--quick`.
#[must_use]
pub fn quick() -> Amount {
    Amount {
        routes: 1_000,
        repeat: 1,
        subjects: Vec::new(),
        pods: cni::Scale {
            pods: 4,
            parallel: 2,
            rounds: 1,
        },
        seconds: 0.2,
        overload: overload::Scale {
            many: 2_000,
            routes: 1_000,
            time: Duration::from_secs(3),
            rate: 200,
        },
        scale: scale::Scale {
            routes: 2_000,
            clients: 10,
            scenarios: scale::ALL.to_vec(),
        },
    }
}

impl Cli {
    fn amount(&self) -> Amount {
        if self.quick {
            return Amount {
                subjects: self.subject.clone(),
                ..quick()
            };
        }
        Amount {
            routes: self.routes,
            repeat: usize::from(self.repeat),
            subjects: self.subject.clone(),
            pods: cni::Scale {
                pods: self.pods,
                parallel: 8,
                rounds: 3,
            },
            seconds: 3.0,
            overload: overload::Scale {
                many: self.routes.saturating_mul(10).min(ROUTES_MAX),
                routes: self.routes,
                time: Duration::from_secs(20),
                rate: 1_000,
            },
            scale: scale::Scale {
                routes: self.routes.saturating_mul(10).min(ROUTES_MAX - 2),
                clients: 500,
                scenarios: if self.scenario.is_empty() {
                    scale::ALL.to_vec()
                } else {
                    self.scenario.clone()
                },
            },
        }
    }

    fn check(&self) -> Result<()> {
        for name in &self.subject {
            let known = fib::SUBJECTS.map(|subject| subject.name);
            let known = [&known[..], &[scale::ALONE]].concat();
            ensure!(
                known.contains(&name.as_str()),
                "no speaker {name}; there are {}",
                known.join(", ")
            );
        }
        if !nix::unistd::geteuid().is_root() {
            bail!("network namespaces need root");
        }
        Ok(())
    }
}

/// Runs what was asked for and prints it.
///
/// # Errors
/// A subject does not do what it should.
pub fn run(cli: &Cli) -> Result<()> {
    cli.check()?;
    signals::remove_labs_on_interrupt()?;
    files_as_under_systemd()?;
    let start = Instant::now();
    let say = |text: &str| {
        // Progress; that nobody wants to see it is no failure.
        let _ = writeln!(
            std::io::stderr(),
            "[{:4} s] {text}",
            start.elapsed().as_secs()
        );
    };
    let (machine, load) = (machine::describe()?, machine::load()?);
    say(&format!("{machine}; load {load}"));
    let versions = subjects::versions()?;
    let parts = if cli.parts.is_empty() {
        &PARTS[..]
    } else {
        &cli.parts
    };
    let mut text = format!(
        "{machine}; load before the run {load}. {versions}. Subjects, scripted peers and observer \
         share its cores.\n"
    );
    for part in parts {
        for table in measure(*part, &cli.amount(), &say)? {
            text.push('\n');
            text.push_str(&table.to_string());
        }
    }
    say("done");
    write!(std::io::stdout(), "{text}").context("standard output")?;
    if let Some(path) = &cli.write {
        readme::write(path, &text)?;
    }
    Ok(())
}

/// Measures one part.
///
/// # Errors
/// A subject does not do what it should.
pub fn measure(part: Part, amount: &Amount, say: &dyn Fn(&str)) -> Result<Vec<Table>> {
    Ok(match part {
        Part::Fib => {
            let wanted = |name: &str| {
                amount.subjects.is_empty() || amount.subjects.iter().any(|s| s == name)
            };
            vec![fib::table(amount.routes, amount.repeat, &wanted, say)?]
        }
        Part::Cni => {
            say("pods");
            let times = cni::run(amount.pods)?;
            cni::tables(amount.pods, &times).into()
        }
        Part::Memory => {
            say("memory");
            vec![memory::table(amount.repeat.min(3))?]
        }
        Part::Throughput => {
            say("throughput");
            vec![throughput::table(amount.repeat, amount.seconds)?]
        }
        Part::Overload => vec![overload::table(amount.overload, say)?],
        Part::Scale => {
            let wanted = |name: &str| {
                amount.subjects.is_empty() || amount.subjects.iter().any(|s| s == name)
            };
            vec![scale::table(
                &amount.scale,
                amount.repeat.min(3),
                &wanted,
                say,
            )?]
        }
    })
}

/// What systemd gives to services, and Debian's own unit to FRR: some programs look after every
/// descriptor that they could have.
fn files_as_under_systemd() -> Result<()> {
    const SOFT: u64 = 1_024;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, SOFT.min(hard), hard)?;
    Ok(())
}
