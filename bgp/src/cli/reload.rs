//! `rcni-bgp reload`.

use std::path::PathBuf;
use std::process::ExitCode;

use rcni_config::paths;

use super::check::{Output, show};
use super::{REFUSED, complain, runtime};
use crate::control::client;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// text for people, json for programs
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// The socket of the daemon
    #[arg(long, value_name = "PATH", default_value = paths::BGP_SOCKET)]
    socket: PathBuf,
}

pub(super) fn run(options: &Options) -> ExitCode {
    let Some(runtime) = runtime() else {
        return REFUSED.into();
    };
    match runtime.block_on(client::reload(&options.socket)) {
        Ok((report, json)) => {
            show(&report, &json, options.output);
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(error);
            REFUSED.into()
        }
    }
}
