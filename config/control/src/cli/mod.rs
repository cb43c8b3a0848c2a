//! What the command lines of all daemons have in common: `events` and `log`, how the log is begun, and how
//! an answer is printed.

pub mod events;
pub mod log;

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use crate::client::AskError;
use crate::log::{Begun, Format, begin};
use crate::record::Kind;

/// The daemon cannot be asked, or the question is refused.
pub const REFUSED: u8 = 2;

/// For people or for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// Text.
    Table,
    /// As the daemon said it.
    Json,
}

/// Where a daemon is asked, beside its socket's path.
#[derive(Clone, Debug, clap::Args)]
pub struct ServeOptions {
    /// A group, by name or number, whose members may ask on the control socket as well as root, and order
    #[arg(long, value_name = "GROUP")]
    pub socket_group: Option<String>,
    /// Answer /metrics, /healthz and /readyz on this address, too, to everybody who reaches it: such as
    /// 10.0.1.11:9179, or [::]:9179 for all. Default: nowhere
    #[arg(long, value_name = "IP:PORT")]
    pub metrics_address: Option<SocketAddr>,
}

/// How a daemon logs.
#[derive(Clone, Debug, clap::Args)]
pub struct LogOptions {
    /// error, warn, info, debug, trace, or directives like MODULE=debug,info
    /// [default: $RCNI_LOG, else info]
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// text for people, json for programs: an object a line
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

impl LogOptions {
    /// See [`begin`].
    ///
    /// # Errors
    /// What cannot be understood, as a sentence.
    pub fn begin(&self, thread: &str, kind: Kind) -> Result<Begun, String> {
        let format = match self.log_format {
            LogFormat::Text => Format::Text,
            LogFormat::Json => Format::Json,
        };
        begin(self.log_level.as_deref(), format, thread, kind)
    }
}

/// Asks, on one thread: 0, or [`REFUSED`] with a line that says why.
pub(crate) fn ask(name: &str, answer: impl Future<Output = Result<(), AskError>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let asked = match runtime {
        Ok(runtime) => runtime.block_on(answer).map_err(|error| error.to_string()),
        Err(error) => Err(format!("cannot start: {error}")),
    };
    match asked {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(name, &error);
            REFUSED.into()
        }
    }
}

/// A line to stderr, for whoever called.
pub(crate) fn complain(name: &str, text: &str) {
    // Where stderr is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "{name}: {text}");
}

/// To stdout. A reader that has seen enough (`| head`) is not an error.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// For terminals whose owner did not ask for none (<https://no-color.org>).
#[must_use]
pub fn colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
