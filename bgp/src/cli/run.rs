//! `rcni-bgp run`: becomes `rcni-bgpd`, the program beside this one.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Parser;
use rcni_config::paths;
use rcni_control::cli::{LogOptions, ServeOptions};
use rcni_control::log::Begun;

use super::{REFUSED, beside, complain, load, runtime};
use crate::daemon::{self, Own};
use crate::{log, memory};

/// Has the daemon and nothing else: what is not in it is not resident.
const PROGRAM: &str = "rcni-bgpd";
/// As this program's command line has it; kept, so that a list of processes shows what was called.
const COMMAND: &str = "run";

/// The daemon of rcni-bgp; call it as `rcni-bgp run`.
#[derive(Debug, Parser)]
#[command(name = "rcni-bgp run", version)]
struct Arguments {
    #[command(flatten)]
    options: Options,
}

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

/// All of `rcni-bgpd`'s `main`.
#[must_use]
pub fn daemon() -> ExitCode {
    let mut given: Vec<OsString> = std::env::args_os().collect();
    if given.get(1).is_some_and(|word| word == COMMAND) {
        given.remove(1);
    }
    serve(&Arguments::parse_from(given).options)
}

pub(super) fn run(options: &Options) -> ExitCode {
    let mut given = std::env::args_os();
    let name = given.next().unwrap_or_default();
    // Returns only if it fails.
    let error = Command::new(beside(PROGRAM)).arg0(name).args(given).exec();
    if error.kind() != ErrorKind::NotFound {
        complain(format!(
            "cannot become {PROGRAM}, and runs by itself: {error}"
        ));
    }
    serve(options)
}

fn serve(options: &Options) -> ExitCode {
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
