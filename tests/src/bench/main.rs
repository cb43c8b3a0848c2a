//! `rcni-bench`: the comparison benchmarks of `make bench`.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use rcni_tests::bench::cli::{Cli, run};

fn main() -> ExitCode {
    let done = run(&Cli::parse());
    rcni_tests::interrupt::hold();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do if even this cannot be written.
            let _ = writeln!(std::io::stderr(), "rcni-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
