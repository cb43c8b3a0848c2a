//! `rcni-lab`: labs from containerlab files, by hand.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use rcni_tests::cli::{Cli, run};

fn main() -> ExitCode {
    let done = run(Cli::parse());
    rcni_tests::interrupt::hold();
    match done {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to do if even this cannot be written.
            let _ = writeln!(std::io::stderr(), "rcni-lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}
