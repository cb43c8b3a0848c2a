//! `rcni-bgp metrics`.

use std::path::PathBuf;
use std::process::ExitCode;

use rcni_config::paths;

use super::{REFUSED, complain, print, runtime};
use crate::control::client;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The socket of the daemon
    #[arg(long, value_name = "PATH", default_value = paths::BGP_SOCKET)]
    socket: PathBuf,
}

pub(super) fn run(options: &Options) -> ExitCode {
    let Some(runtime) = runtime() else {
        return REFUSED.into();
    };
    match runtime.block_on(client::metrics(&options.socket)) {
        Ok(text) => {
            print(&String::from_utf8_lossy(&text));
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(error);
            REFUSED.into()
        }
    }
}
