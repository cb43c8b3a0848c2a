//! The command line of `rcni-bench`.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::peer::{Family, ROUTES_MAX};
use super::table::Table;
use super::{cni, failover, fib, machine, memory, overload, readme, scale, subjects, throughput};
use crate::cli::signals;

const EXAMPLES: &str = "Examples:
  rcni-bench                                     # everything, as `make bench`
  rcni-bench --quick                             # small numbers: does it still work?
  rcni-bench fib --subject rcni-bgp --repeat 1   # one subject, to be profiled
  rcni-bench fib --write README.md               # only this part's tables are written anew
  rcni-bench cni --pods 50";

/// Compares rcni with the programs that others use for the same, in network namespaces of its own.
///
/// Needs root, rcni's programs (RCNI_BIN_DIR, or `make build`), and the trees of `rcni-lab peers`.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
pub struct Cli {
    /// What to measure; everything but `failover` if none
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Routes
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=i64::from(ROUTES_MAX)))]
    routes: u32,
    /// Repetitions, interleaved
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    repeat: u16,
    /// Only these speakers of `fib` (the floor always runs), of `scale` and of `failover`
    #[arg(long, value_delimiter = ',')]
    subject: Vec<String>,
    /// Only these scenarios of `scale`
    #[arg(long, value_enum, value_delimiter = ',')]
    scenario: Vec<scale::Scenario>,
    /// Only these tables of `fib`
    #[arg(long, value_enum, value_delimiter = ',')]
    case: Vec<FibCase>,
    /// Pods of each contender
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pods: u32,
    /// File in which repetitions of `failover` are kept: a run that was interrupted goes on there
    #[arg(long)]
    resume: Option<PathBuf>,
    /// Picture of `failover`, an SVG
    #[arg(long)]
    plot: Option<PathBuf>,
    /// Small numbers for everything
    #[arg(long, conflicts_with_all = ["routes", "repeat", "pods", "write"])]
    quick: bool,
    /// Also put the tables into this file, between its two comments; with some parts only theirs
    #[arg(long, conflicts_with_all = ["subject", "scenario", "case"])]
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
    /// Packets lost when routers, links and daemons fail; takes more than an hour
    Failover,
}

/// What `fib` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum FibCase {
    /// All routes, IPv4
    Ipv4,
    /// Ten times as many
    Large,
    /// All routes, IPv6
    Ipv6,
    /// Single withdrawals while others come and go
    Churn,
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
    /// Repetitions.
    pub repeat: usize,
    /// Routes into the kernel.
    pub fib: Vec<fib::Rows>,
    /// Single withdrawals.
    pub churn: Option<fib::Churn>,
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
    /// What fails.
    pub failover: failover::Scale,
}

/// Routes into the kernel: `repeat` times, but the `large` table at most three times.
fn fib_rows(routes: u32, large: u32, repeat: usize) -> Vec<fib::Rows> {
    let rows = |family, routes, repeat, slowest| fib::Rows {
        case: fib::Case { family, routes },
        repeat,
        slowest,
    };
    vec![
        rows(Family::V4, routes, repeat, repeat),
        rows(Family::V4, large, repeat.min(3), 1),
        rows(Family::V6, routes, repeat.min(3), repeat.min(3)),
    ]
}

/// As `--quick`.
#[must_use]
pub fn quick() -> Amount {
    Amount {
        repeat: 1,
        fib: fib_rows(1_000, 2_000, 1),
        churn: Some(fib::Churn {
            routes: 1_000,
            withdrawals: 100,
        }),
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
        failover: failover::Scale {
            routes: vec![10],
            repeat: 1,
            speakers: vec![failover::Speaker::Rcni],
            kept: None,
            plot: None,
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
        let large = self.routes.saturating_mul(10).min(ROUTES_MAX);
        let repeat = usize::from(self.repeat);
        Amount {
            repeat,
            fib: self.fib_rows(large, repeat),
            churn: self.wants(FibCase::Churn).then_some(fib::Churn {
                routes: self.routes.min(ROUTES_MAX / 2),
                withdrawals: 1_000,
            }),
            subjects: self.subject.clone(),
            pods: cni::Scale {
                pods: self.pods,
                parallel: 8,
                rounds: 3,
            },
            seconds: 3.0,
            overload: overload::Scale {
                many: large,
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
            failover: failover::Scale {
                routes: vec![10, self.routes],
                repeat,
                speakers: failover::Speaker::ALL
                    .into_iter()
                    .filter(|speaker| {
                        self.subject.is_empty() || self.subject.iter().any(|s| s == speaker.name())
                    })
                    .collect(),
                kept: self.resume.clone(),
                plot: self.plot.clone(),
            },
        }
    }

    fn wants(&self, case: FibCase) -> bool {
        self.case.is_empty() || self.case.contains(&case)
    }

    fn fib_rows(&self, large: u32, repeat: usize) -> Vec<fib::Rows> {
        let cases = [FibCase::Ipv4, FibCase::Large, FibCase::Ipv6];
        let rows = cases.into_iter().zip(fib_rows(self.routes, large, repeat));
        rows.filter(|(case, _)| self.wants(*case))
            .map(|(_, rows)| rows)
            .collect()
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
    let on = format!(
        "{machine}; load before the run {load}. {versions}. Subjects, scripted peers and observer \
         share its cores."
    );
    let mut tables = Vec::new();
    for part in parts {
        tables.extend(measure(*part, &cli.amount(), &say)?);
    }
    say("done");
    let all = tables.iter().map(|table| format!("\n{table}"));
    let text = format!("{on}\n{}", all.collect::<String>());
    write!(std::io::stdout(), "{text}").context("standard output")?;
    match &cli.write {
        Some(path) if cli.parts.is_empty() => readme::write(path, &text),
        Some(path) => readme::write_some(path, &on, &tables),
        None => Ok(()),
    }
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
            let mut tables = Vec::new();
            if !amount.fib.is_empty() {
                tables.push(fib::table(&amount.fib, &wanted, say)?);
            }
            if let Some(churn) = amount.churn {
                tables.push(fib::churn_table(churn, &wanted, say)?);
            }
            tables
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
        Part::Failover => vec![failover::table(&failover::run(&amount.failover, say)?)],
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
