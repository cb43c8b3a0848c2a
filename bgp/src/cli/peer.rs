//! `rcni-bgp peer`.

use std::path::PathBuf;
use std::process::ExitCode;

use rcni_config::paths;

use super::{REFUSED, complain, print, runtime};
use crate::control::client;
use crate::control::orders::{PeerOrder, Verb};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Options {
    /// End the session and keep it down until `start` (Cease/Administrative Shutdown)
    Shutdown(Told),
    /// Let the session come up again
    Start(Named),
    /// End the session and begin it again (Cease/Administrative Reset)
    Reset(Told),
}

#[derive(Debug, clap::Args)]
pub(super) struct Named {
    /// As `rcni-bgp status` shows it; a peer of a range is called RANGE/ADDRESS
    name: String,
    /// The socket of the daemon
    #[arg(long, value_name = "PATH", default_value = paths::BGP_SOCKET)]
    socket: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(super) struct Told {
    #[command(flatten)]
    named: Named,
    /// For the operator on the other side, 255 octets of UTF-8 at most (RFC 9003)
    #[arg(long, value_name = "TEXT", default_value = "")]
    message: String,
}

pub(super) fn run(options: Options) -> ExitCode {
    let (verb, named, message) = match options {
        Options::Shutdown(told) => (Verb::Shutdown, told.named, told.message),
        Options::Start(named) => (Verb::Start, named, String::new()),
        Options::Reset(told) => (Verb::Reset, told.named, told.message),
    };
    let order = PeerOrder {
        peer: named.name,
        order: verb,
        message,
    };
    if let Err(text) = order.check() {
        complain(text);
        return REFUSED.into();
    }
    let Some(runtime) = runtime() else {
        return REFUSED.into();
    };
    let done = runtime.block_on(client::order(&named.socket, &order));
    match done {
        Ok(text) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(error);
            REFUSED.into()
        }
    }
}
