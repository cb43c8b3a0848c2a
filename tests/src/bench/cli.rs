//! The command line of `rcni-bench`.

use std::io::Write;

use anyhow::Result;
use clap::Parser;

use super::fib;

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
    let mut out = std::io::stdout();
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
