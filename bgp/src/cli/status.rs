//! `rcni-bgp status`.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use rcni_config::paths;

use super::{REFUSED, complain, print, runtime};
use crate::control::model::{Link, Peer, Status};
use crate::control::{client, render};

/// At least one session is down, or somebody is missing on a link.
const DOWN: u8 = 1;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// table for people, json for programs
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// The socket of the daemon
    #[arg(long, value_name = "PATH", default_value = paths::BGP_SOCKET)]
    socket: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    Table,
    Json,
}

pub(super) fn run(options: &Options) -> ExitCode {
    let Some(runtime) = runtime() else {
        return REFUSED.into();
    };
    let (status, text) = match runtime.block_on(client::status(&options.socket)) {
        Ok(answer) => answer,
        Err(error) => {
            complain(error);
            return REFUSED.into();
        }
    };
    match options.output {
        Output::Table => print(&render::table(&status, colour())),
        // As the daemon said it: also what a newer daemon knows more.
        Output::Json => print(&format!("{}\n", String::from_utf8_lossy(&text))),
    }
    exit_code(&status)
}

fn exit_code(status: &Status) -> ExitCode {
    let missing = status.links.iter().any(Link::is_missing);
    if !missing && status.peers.iter().all(Peer::is_up) {
        ExitCode::SUCCESS
    } else {
        DOWN.into()
    }
}

/// For terminals whose owner did not ask for none (<https://no-color.org>).
fn colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
