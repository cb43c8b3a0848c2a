//! `rcni-bgp-watch`: what `rcni-bgp watch` becomes. A program of its own, since a terminal's library would else
//! be resident in every daemon.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use rcni_bgp::watch;

/// This is no terminal.
const REFUSED: u8 = 2;

/// The live view of rcni-bgp; call it as `rcni-bgp watch`, which has the help.
#[derive(Debug, Parser)]
#[command(name = "rcni-bgp-watch", version)]
struct Arguments {
    /// From one question to the next, milliseconds
    #[arg(long)]
    interval_millis: u64,
    /// The socket of the daemon
    #[arg(long)]
    socket: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Where stderr is closed there is nobody to tell.
    let complain = |text: &str| drop(writeln!(io::stderr(), "rcni-bgp: {text}"));
    if !(io::stdout().is_terminal() && io::stdin().is_terminal()) {
        complain(
            "watch needs a terminal; elsewhere use `rcni-bgp status` and `rcni-bgp events --follow`",
        );
        return REFUSED.into();
    }
    match watch::run(
        &arguments.socket,
        Duration::from_millis(arguments.interval_millis),
    ) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("the terminal fails: {error}"));
            ExitCode::FAILURE
        }
    }
}
