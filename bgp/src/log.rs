//! Log lines: to stderr, one per event, with peer and prefix as fields.

use std::io::IsTerminal;

use rcni_bgp_proto::speaker::{Event, EventKind, PeerId};
use tracing::{debug, info, warn};
use tracing_subscriber::EnvFilter;

use crate::text::escape;

/// The variable that sets the level where no option does.
pub const VARIABLE: &str = "RCNI_LOG";

/// Begins to log. `level` is a level or directives like `rcni_bgp::fib=debug,info`; without,
/// [`VARIABLE`] decides, and without that `info`.
///
/// # Errors
/// What cannot be understood, as a sentence.
pub fn begin(level: Option<&str>) -> Result<(), String> {
    let variable = std::env::var(VARIABLE).ok();
    let (source, directives) = match (level, variable.as_deref()) {
        (Some(level), _) => ("--log-level", level),
        (None, Some(level)) => (VARIABLE, level),
        (None, None) => ("", "info"),
    };
    let filter = EnvFilter::try_new(directives)
        .map_err(|error| format!("{source}: {error}; write error, warn, info, debug or trace"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .try_init()
        .map_err(|error| error.to_string())
}

/// An event of the speaker. What peers said in it was escaped by the speaker and is so again:
/// a log is read on terminals.
pub fn event<'a>(event: &Event, name: impl Fn(PeerId) -> &'a str) {
    let peer = event.peer.map_or("-", name);
    let text = escape(&event.kind.to_string());
    match &event.kind {
        EventKind::StateChange { cause: Some(_), .. }
        | EventKind::NotificationSent(_)
        | EventKind::NotificationReceived(_)
        | EventKind::UpdateProblem(_) => warn!(peer, "{text}"),
        EventKind::EndOfRib(_) | EventKind::Refused(_) => debug!(peer, "{text}"),
        EventKind::StateChange { to, .. } if *to < rcni_bgp_proto::fsm::State::Established => {
            debug!(peer, "{text}");
        }
        EventKind::StateChange { .. }
        | EventKind::StaleKept { .. }
        | EventKind::StaleFlushed(_)
        | EventKind::Synced { .. } => info!(peer, "{text}"),
    }
}
