//! `rcni-bgp drain` and `rcni-bgp undrain`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use rcni_bgp_proto::speaker::Drain;
use rcni_config::paths;
use tokio::time::{Instant, sleep};

use super::{REFUSED, complain, print, runtime};
use crate::control::client::{self, AskError};
use crate::control::drain::{DrainOrder, DrainStatus, Step};
use crate::control::model::Status;
use crate::drained::{Drained, Mark};
use rcni_control::text::escape;

/// For peers to take everything: who does not read for so long is not waited for.
const TELLING: Duration = Duration::from_secs(30);
/// For sessions to end and kernel routes to go.
const CLOSING: Duration = Duration::from_secs(30);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// How long traffic may move away, from when all peers have been told
    #[arg(long, value_name = "SECS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=3600))]
    wait: u64,
    /// For the operators on the other side, 255 octets of UTF-8 at most (RFC 9003)
    #[arg(long, value_name = "TEXT", default_value = "")]
    message: String,
    /// The socket of the daemon
    #[arg(long, value_name = "PATH", default_value = paths::BGP_SOCKET)]
    socket: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(super) struct Back {
    /// How long to wait until the node is in use again
    #[arg(long, value_name = "SECS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=3600))]
    wait: u64,
    /// The socket of the daemon
    #[arg(long, value_name = "PATH", default_value = paths::BGP_SOCKET)]
    socket: PathBuf,
}

pub(super) fn run(options: &Options) -> ExitCode {
    let close = DrainOrder {
        step: Step::Close,
        message: options.message.clone(),
    };
    if let Err(text) = close.check() {
        complain(text);
        return REFUSED.into();
    }
    let Some(runtime) = runtime() else {
        return REFUSED.into();
    };
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = drain(options, &close) => ended.map(|()| true),
            _ = tokio::signal::ctrl_c() => Ok(false),
        }
    });
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            complain(
                "interrupted: what was done stays (`rcni-bgp status` says how far it is); \
                 `rcni-bgp drain` goes on, `rcni-bgp undrain` takes it back",
            );
            ExitCode::FAILURE
        }
        Err(error) => {
            complain(error);
            REFUSED.into()
        }
    }
}

async fn drain(options: &Options, close: &DrainOrder) -> Result<(), AskError> {
    let socket = &options.socket;
    let status = order(socket, Step::Announce).await?;
    if status.is_drained() {
        let secs = status.since_seconds.unwrap_or_default();
        let since = crate::control::render::duration(secs);
        print(&format!(
            "drained since {since} already; `rcni-bgp undrain` takes the node into use again\n"
        ));
        return Ok(());
    }
    let (status, _) = client::status(socket).await?;
    let up = status.peers.iter().filter(|peer| peer.is_up()).count();
    print(&format!(
        "all routes are announced with GRACEFUL_SHUTDOWN to {up} peers, so that traffic takes \
         other paths\n"
    ));
    told(socket).await?;
    if up > 0 && options.wait > 0 {
        print(&format!("waiting {} s for traffic to move\n", options.wait));
        sleep(Duration::from_secs(options.wait)).await;
    }
    client::drain(socket, close).await?;
    print("sessions end, learned routes go\n");
    closed(socket).await?;
    print("drained; `rcni-bgp undrain` takes the node into use again\n");
    Ok(())
}

async fn order(socket: &Path, step: Step) -> Result<DrainStatus, AskError> {
    let message = String::new();
    client::drain(socket, &DrainOrder { step, message }).await
}

/// Until all peers have everything.
async fn told(socket: &Path) -> Result<(), AskError> {
    let deadline = Instant::now() + TELLING;
    loop {
        let (status, _) = client::status(socket).await?;
        let waiting = status.operation.drain.waiting;
        if waiting.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let names: Vec<String> = waiting.iter().map(|name| escape(name)).collect();
            complain(format!(
                "not told within {} s, and not waited for: {}",
                TELLING.as_secs(),
                names.join(", ")
            ));
            return Ok(());
        }
        sleep(PAUSE).await;
    }
}

/// Until nothing of ours is in use any more.
async fn closed(socket: &Path) -> Result<(), AskError> {
    let deadline = Instant::now() + CLOSING;
    loop {
        let (status, _) = client::status(socket).await?;
        if is_closed(&status) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            complain(
                "sessions or kernel routes are still there; `rcni-bgp status` says which, it goes \
                 on by itself",
            );
            return Ok(());
        }
        sleep(PAUSE).await;
    }
}

fn is_closed(status: &Status) -> bool {
    let kernel = &status.kernel;
    let routes = kernel.installed + kernel.stale + kernel.pending;
    routes == 0
        && !status
            .peers
            .iter()
            .any(super::super::control::model::Peer::is_up)
}

pub(super) fn undo(options: &Back) -> ExitCode {
    let Some(runtime) = runtime() else {
        return REFUSED.into();
    };
    let socket = &options.socket;
    match runtime.block_on(back(options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) if error.is_no_daemon() && has_mark(socket) => {
            let returning = Mark {
                step: Drain::Off,
                since: SystemTime::now(),
            };
            match Drained::beside(socket).and_then(|mark| mark.write(Some(&returning))) {
                Ok(()) => {
                    print(
                        "the daemon does not run; its next start takes the node into use again\n",
                    );
                    ExitCode::SUCCESS
                }
                Err(error) => {
                    let path = Drained::path_beside(socket);
                    complain(format!("cannot replace {}: {error}", path.display()));
                    ExitCode::FAILURE
                }
            }
        }
        Err(error) => {
            complain(error);
            REFUSED.into()
        }
    }
}

/// Orders it, and waits as long as is wanted. False: it was not in use by then.
async fn back(options: &Back) -> Result<bool, AskError> {
    let socket = &options.socket;
    order(socket, Step::Off).await?;
    print(
        "sessions come up again; all is announced with GRACEFUL_SHUTDOWN until what peers tell is in the \
         kernel (`rcni-bgp status` shows it)\n",
    );
    if options.wait == 0 {
        return Ok(true);
    }
    let deadline = Instant::now() + Duration::from_secs(options.wait);
    loop {
        let (status, _) = client::status(socket).await?;
        let drain = status.operation.drain;
        match drain.state.as_str() {
            "off" => {
                print("in use\n");
                return Ok(true);
            }
            "returning" if Instant::now() < deadline => sleep(PAUSE).await,
            "returning" => {
                let names: Vec<String> = drain.waiting.iter().map(|name| escape(name)).collect();
                let what = match names.is_empty() {
                    true => "the kernel".to_owned(),
                    false => names.join(", "),
                };
                complain(format!(
                    "not in use within {} s, it goes on by itself; waiting for {what}",
                    options.wait
                ));
                return Ok(false);
            }
            other => {
                complain(format!(
                    "somebody else has taken the node out of use: {other}"
                ));
                return Ok(false);
            }
        }
    }
}

/// A drain that nobody has taken back yet.
fn has_mark(socket: &Path) -> bool {
    let read = Drained::beside(socket).and_then(|mark| mark.read());
    let returns = matches!(read, Ok(Some(mark)) if mark.step == Drain::Off);
    !returns && Drained::path_beside(socket).exists()
}
