//! `rcni-bgp run`.

use std::path::PathBuf;
use std::process::ExitCode;

use rcni_config::paths;

use super::{REFUSED, complain, load, runtime};
use crate::{daemon, log, memory};

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The configuration: BGPConfiguration, BGPPeer and BGPFilter documents
    #[arg(long, value_name = "FILE", default_value = paths::BGP_CONFIG)]
    config: PathBuf,
    /// Where `rcni-bgp status` asks
    #[arg(long, value_name = "PATH", default_value = paths::BGP_SOCKET)]
    socket: PathBuf,
    /// error, warn, info, debug, trace, or directives like rcni_bgp::fib=debug,info
    /// [default: $RCNI_LOG, else info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

pub(super) fn run(options: &Options) -> ExitCode {
    memory::share_heap();
    let flush = match log::begin(options.log_level.as_deref()) {
        Ok(flush) => flush,
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
    let ended = runtime.block_on(daemon::run(&config, &options.config, &options.socket));
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
