//! `rcni-bgp check`.

use std::path::PathBuf;
use std::process::ExitCode;

use rcni_config::paths;

use super::{REFUSED, complain, load, print, runtime};
use crate::control::client;
use crate::reload::report::{Candidate, Report};

/// It would be accepted, and sessions would end.
const RESETS: u8 = 1;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The file
    #[arg(value_name = "FILE", default_value = paths::BGP_CONFIG)]
    file: PathBuf,
    /// Ask the running daemon what this file would change, and which sessions would be reset
    #[arg(long)]
    against_running: bool,
    /// With --against-running: text for people, json for programs
    #[arg(short, long, value_enum, default_value_t = Output::Text, requires = "against_running")]
    output: Output,
    /// The socket of the daemon
    #[arg(long, value_name = "PATH", default_value = paths::BGP_SOCKET)]
    socket: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    Text,
    Json,
}

pub(super) fn run(options: &Options) -> ExitCode {
    if options.against_running {
        return compare(options);
    }
    let file = &options.file;
    let Some(config) = load(file) else {
        return REFUSED.into();
    };
    print(&format!(
        "{}: fine: AS {}, router id {}, {} networks, {} peers, {} filters\n",
        file.display(),
        config.asn,
        config.router_id,
        config.networks.len(),
        config.peers.len(),
        config.filters.len(),
    ));
    ExitCode::SUCCESS
}

/// The candidate goes to the daemon: what that runs with, and its passwords, stay there.
fn compare(options: &Options) -> ExitCode {
    let text = match rcni_config::read_text(&options.file) {
        Ok(text) => text,
        Err(errors) => {
            errors.iter().for_each(complain);
            return REFUSED.into();
        }
    };
    let candidate = Candidate {
        name: options.file.display().to_string(),
        text,
    };
    let Some(runtime) = runtime() else {
        return REFUSED.into();
    };
    match runtime.block_on(client::compare(&options.socket, &candidate)) {
        Ok((report, json)) => {
            show(&report, &json, options.output);
            if report.resets() {
                RESETS.into()
            } else {
                ExitCode::SUCCESS
            }
        }
        Err(error) => {
            complain(error);
            REFUSED.into()
        }
    }
}

pub(super) fn show(report: &Report, json: &[u8], output: Output) {
    match output {
        Output::Text => print(&report.to_string()),
        // As the daemon said it: also what a newer daemon knows more.
        Output::Json => print(&format!("{}\n", String::from_utf8_lossy(json))),
    }
}
