//! `rcni-bgp explain`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use rcni_config::paths;
use rcni_control::cli::{Output, colour};

use super::{REFUSED, print, runtime};
use crate::explain::{gather, render};

/// Something is wrong.
const WRONG: u8 = 1;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Of a pod, a node, or anything else
    address: IpAddr,
    /// table for people, json for programs
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// The socket of the daemon
    #[arg(long, value_name = "PATH", default_value = paths::BGP_SOCKET)]
    socket: PathBuf,
    /// The socket of felix-lite, which tells of rules [default: /run/rcni/felix.sock, if it is there]
    #[arg(long, value_name = "PATH")]
    felix_socket: Option<PathBuf>,
}

pub(super) fn run(options: &Options) -> ExitCode {
    let Some(runtime) = runtime() else {
        return REFUSED.into();
    };
    let agent = options.felix_socket.as_deref();
    let address = options.address.to_canonical();
    let facts = runtime.block_on(gather::facts(address, &options.socket, agent));
    match options.output {
        Output::Table => print(&render::text(&facts, colour())),
        // Strings and numbers always fit.
        Output::Json => print(&format!(
            "{}\n",
            serde_json::to_string(&facts).unwrap_or_default()
        )),
    }
    // Whom nobody answers knows half of it.
    if facts.bgp.trouble.is_some() {
        REFUSED.into()
    } else if facts.verdict.ok {
        ExitCode::SUCCESS
    } else {
        WRONG.into()
    }
}
