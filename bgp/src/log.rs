//! Log lines: to stderr, one per event, with peer and prefix as fields.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use rcni_bgp_proto::speaker::{Event, EventKind};
use tracing::{debug, info, warn};
use tracing_subscriber::EnvFilter;

use crate::text::escape;

mod writer;

pub use writer::Flush;

/// The variable that sets the level where no option does.
pub const VARIABLE: &str = "RCNI_LOG";

/// Begins to log. `level` is a level or directives like `rcni_bgp::fib=debug,info`; without,
/// [`VARIABLE`] decides, and without that `info`.
///
/// # Errors
/// What cannot be understood, as a sentence.
pub fn begin(level: Option<&str>) -> Result<Flush, String> {
    let variable = std::env::var(VARIABLE).ok();
    let (source, directives) = match (level, variable.as_deref()) {
        (Some(level), _) => ("--log-level", level),
        (None, Some(level)) => (VARIABLE, level),
        (None, None) => ("", "info"),
    };
    let filter = EnvFilter::try_new(directives)
        .map_err(|error| format!("{source}: {error}; write error, warn, info, debug or trace"))?;
    let (lines, flush) = writer::start().map_err(|error| format!("cannot log: {error}"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(lines)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .try_init()
        .map_err(|error| error.to_string())?;
    Ok(flush)
}

/// An event of the speaker. What peers said in it was escaped by the speaker and is so again:
/// a log is read on terminals.
pub fn event(event: &Event) {
    let peer = event.name.as_deref().unwrap_or("-");
    let text = escape(&event.kind.to_string());
    match &event.kind {
        EventKind::StateChange { cause: Some(_), .. }
        | EventKind::NotificationSent(_)
        | EventKind::NotificationReceived(_)
        | EventKind::Conflict { .. }
        | EventKind::UpdateProblem(_) => warn!(peer, "{text}"),
        EventKind::EndOfRib(_) | EventKind::Refreshed { .. } | EventKind::Refused(_) => {
            debug!(peer, "{text}");
        }
        EventKind::StateChange { to, .. } if *to < rcni_bgp_proto::fsm::State::Established => {
            debug!(peer, "{text}");
        }
        EventKind::StateChange { .. }
        | EventKind::StaleKept { .. }
        | EventKind::StaleFlushed(_)
        | EventKind::Synced { .. } => info!(peer, "{text}"),
    }
}

/// Lines about single prefixes in one [`WINDOW`]; the rest is counted.
const LINES: u32 = 10;
/// See [`LINES`].
const WINDOW: Duration = Duration::from_secs(10);

/// Keeps twenty thousand lines about twenty thousand prefixes out of the log.
#[derive(Debug, Default)]
pub struct Quiet {
    begun: Option<Instant>,
    lines: u32,
    swallowed: u64,
}

impl Quiet {
    /// Whether one more line may be written.
    pub fn allows(&mut self, now: Instant) -> bool {
        if self
            .begun
            .is_none_or(|begun| now.duration_since(begun) >= WINDOW)
        {
            self.begun = Some(now);
            self.lines = 0;
        }
        self.lines += 1;
        let allowed = self.lines <= LINES;
        self.swallowed += u64::from(!allowed);
        allowed
    }

    /// How many lines were swallowed since the last call, once their window is over.
    pub fn swallowed(&mut self, now: Instant) -> Option<u64> {
        let over = self
            .begun
            .is_some_and(|begun| now.duration_since(begun) >= WINDOW);
        (over && self.swallowed > 0).then(|| std::mem::take(&mut self.swallowed))
    }

    /// When [`Quiet::swallowed`] has something to say.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        (self.swallowed > 0).then_some(self.begun? + WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_then_a_number_then_ten_lines_again() {
        let (mut quiet, start) = (Quiet::default(), Instant::now());
        let written = (0..1000).filter(|_| quiet.allows(start)).count();
        assert_eq!((written, quiet.due()), (10, Some(start + WINDOW)));
        assert_eq!(quiet.swallowed(start), None);
        assert_eq!(quiet.swallowed(start + WINDOW), Some(990));
        assert_eq!((quiet.swallowed(start + WINDOW), quiet.due()), (None, None));
        assert!(quiet.allows(start + WINDOW));
    }
}
