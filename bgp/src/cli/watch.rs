//! `rcni-bgp watch`: becomes `rcni-bgp-watch`, the program beside this one.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use rcni_config::paths;

use super::{REFUSED, beside, complain};

/// A terminal's library is resident in whatever program has it: not in the daemon.
const PROGRAM: &str = "rcni-bgp-watch";

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
    let program = beside(PROGRAM);
    // Returns only if it fails.
    let error = Command::new(&program)
        .arg("--interval-millis")
        .arg(options.interval.as_millis().to_string())
        .arg("--socket")
        .arg(&options.socket)
        .exec();
    complain(format!(
        "cannot run {}: {error}; it belongs beside rcni-bgp. `rcni-bgp status` and `rcni-bgp events \
         --follow` show the same",
        program.display()
    ));
    REFUSED.into()
}
