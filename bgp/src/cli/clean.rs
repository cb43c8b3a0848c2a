//! `rcni-bgp clean`.

use std::path::PathBuf;
use std::process::ExitCode;

use rcni_config::paths;

use super::{REFUSED, complain, load, print, runtime};
use crate::clean::{self, Cleaned};
use crate::control::client::{self, AskError};
use crate::convert;
use crate::fib::Ownership;
use crate::fib::former::Former;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The configuration, for the marks of own routes (spec.kernel); without a file those of the
    /// defaults are meant
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The socket of the daemon that ran
    #[arg(long, value_name = "PATH", default_value = paths::BGP_SOCKET)]
    socket: PathBuf,
}

pub(super) fn run(options: &Options) -> ExitCode {
    let Some(owner) = owner(options) else {
        return REFUSED.into();
    };
    let Some(runtime) = runtime() else {
        return REFUSED.into();
    };
    let socket = &options.socket;
    match runtime.block_on(client::status(socket)) {
        Err(error) if error.is_no_daemon() => {}
        Err(AskError::Forbidden(path)) => {
            complain(format!(
                "not allowed to open {}: clean as root",
                path.display()
            ));
            return REFUSED.into();
        }
        _ => {
            complain(format!(
                "rcni-bgp runs: it answers on {}, and would put back what is removed; stop it first \
                 (`systemctl disable --now rcni-bgp`, or delete the DaemonSet)",
                socket.display()
            ));
            return REFUSED.into();
        }
    }
    let former = Former::beside(socket);
    let former = former.as_ref().map_or(&[][..], Former::others);
    let cleaned = runtime.block_on(async {
        let mut cleaned = clean::kernel(&owner, former).await?;
        clean::links(socket, &mut cleaned).await;
        std::io::Result::Ok(cleaned)
    });
    match cleaned {
        Ok(mut cleaned) => {
            clean::files(socket, &mut cleaned);
            report(&cleaned)
        }
        Err(error) => {
            complain(format!(
                "cannot work with the kernel's routes: {error}; clean as root"
            ));
            ExitCode::FAILURE
        }
    }
}

/// How own routes are told.
fn owner(options: &Options) -> Option<Ownership> {
    let default = PathBuf::from(paths::BGP_CONFIG);
    let file = match &options.config {
        Some(file) => file.clone(),
        None if default.exists() => default,
        None => return Some(Ownership::default()),
    };
    let config = load(&file);
    if config.is_none() {
        complain(format!(
            "how own routes are marked is not known without {}: mend it, or give another file with \
             --config",
            file.display()
        ));
    }
    config.map(|config| convert::ownership(&config.kernel))
}

fn report(cleaned: &Cleaned) -> ExitCode {
    let Cleaned {
        removed,
        left,
        failed,
    } = cleaned;
    if removed.is_empty() && failed.is_empty() {
        print("nothing to remove\n");
    }
    for text in removed {
        print(&format!("removed {text}\n"));
    }
    for text in left {
        print(&format!("left {text}\n"));
    }
    for text in failed {
        complain(format!("cannot remove {text}"));
    }
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
