//! The command line of `rcni-bench`.

use std::io::Write;

use anyhow::Result;
use clap::Parser;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::{cni, fib};

/// Compares rcni with the programs that others use for the same.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// Routes
    #[arg(long, default_value_t = 100_000)]
    routes: u32,
    /// Repetitions of each subject, interleaved
    #[arg(long, default_value_t = 5)]
    repeat: usize,
    /// Only these subjects, by name ("kernel" is the floor)
    #[arg(long, value_delimiter = ',')]
    subject: Vec<String>,
}

impl Cli {
    fn wants(&self, name: &str) -> bool {
        self.subject.is_empty() || self.subject.iter().any(|one| one == name)
    }
}

/// Runs what was asked for.
///
/// # Errors
/// A subject does not do what it should.
pub fn run(cli: &Cli) -> Result<()> {
    files_as_under_systemd()?;
    let mut out = std::io::stdout();
    if cli.subject == ["cni"] {
        let scale = cni::Scale {
            pods: cli.routes,
            parallel: 8,
            rounds: 2,
        };
        for (who, times) in cni::run(scale)? {
            let [add, del, add_rate, del_rate] =
                [&times.add, &times.del, &times.add_rate, &times.del_rate]
                    .map(|values| cni::Times::samples(values));
            writeln!(
                out,
                "{:30} ADD {:.2} p99 {:.2} DEL {:.2} p99 {:.2} rate {:.0} {:.0}",
                who.name(),
                add.median() * 1e3,
                add.percentile(99) * 1e3,
                del.median() * 1e3,
                del.percentile(99) * 1e3,
                add_rate.median(),
                del_rate.median()
            )?;
        }
        return Ok(());
    }
    for _ in 0..cli.repeat {
        if cli.wants("kernel") {
            writeln!(out, "kernel {:?}", fib::floor(cli.routes)?)?;
        }
        for subject in fib::SUBJECTS {
            if !cli.wants(subject.name) {
                continue;
            }
            writeln!(
                out,
                "{} {:?}",
                subject.name,
                fib::run(subject, cli.routes, 4)?
            )?;
        }
    }
    Ok(())
}

/// What systemd gives to services, and Debian's own unit to FRR: some programs look after every
/// descriptor that they could have.
fn files_as_under_systemd() -> Result<()> {
    const SOFT: u64 = 1_024;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, SOFT.min(hard), hard)?;
    Ok(())
}
