//! `rcni-bgp watch`.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use rcni_config::paths;

use super::{REFUSED, complain};
use crate::watch;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// From one question to the next
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    interval: Duration,
    /// The socket of the daemon
    #[arg(long, value_name = "PATH", default_value = paths::BGP_SOCKET)]
    socket: PathBuf,
}

fn interval(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (Duration::from_millis(200)..=Duration::from_secs(60)).contains(&time) {
        return Ok(time);
    }
    Err("write 200ms to 60s".to_owned())
}

pub(super) fn run(options: &Options) -> ExitCode {
    if !(io::stdout().is_terminal() && io::stdin().is_terminal()) {
        complain(
            "watch needs a terminal; elsewhere use `rcni-bgp status` and `rcni-bgp events --follow`",
        );
        return REFUSED.into();
    }
    match watch::run(&options.socket, options.interval) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format!("the terminal fails: {error}"));
            ExitCode::FAILURE
        }
    }
}
