//! `rcni-bgp run`.

use std::path::PathBuf;
use std::process::ExitCode;

use rcni_config::paths;
use rcni_control::cli::{LogOptions, ServeOptions};
use rcni_control::log::Begun;

use super::{REFUSED, complain, load, runtime};
use crate::daemon::{self, Own};
use crate::{log, memory};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The configuration: BGPConfiguration, BGPPeer and BGPFilter documents
    #[arg(long, value_name = "FILE", default_value = paths::BGP_CONFIG)]
    config: PathBuf,
    /// Where `rcni-bgp status` asks
    #[arg(long, value_name = "PATH", default_value = paths::BGP_SOCKET)]
    socket: PathBuf,
    #[command(flatten)]
    serve: ServeOptions,
    #[command(flatten)]
    log: LogOptions,
}

pub(super) fn run(options: &Options) -> ExitCode {
    memory::share_heap();
    let Begun {
        levels,
        events,
        flush,
    } = match options.log.begin("rcni-bgp-log", log::kind) {
        Ok(begun) => begun,
        Err(text) => {
            complain(text);
            return REFUSED.into();
        }
    };
    let Some(config) = load(&options.config) else {
        return REFUSED.into();
    };
    let Some(runtime) = runtime() else {
        return ExitCode::FAILURE;
    };
    let own = Own {
        socket: &options.socket,
        serve: &options.serve,
        levels,
        events,
    };
    let ended = runtime.block_on(daemon::run(&config, &options.config, own));
    // Before the last words.
    drop(flush);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(error);
            ExitCode::FAILURE
        }
    }
}
