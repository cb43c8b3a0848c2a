//! Entry point of `felix-lite`; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    felix_lite::cli::main()
}
