//! Log lines: to stderr, one per event, with peer and prefix as fields.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use rcni_bgp_proto::bfd::News;
use rcni_bgp_proto::fsm::State;
use rcni_bgp_proto::iana::{cease_subcode, error_code};
use rcni_bgp_proto::speaker::{Event, EventKind, PeerId};
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

/// The events of the speaker as lines. Of what a peer can cause as often as it likes there is one
/// line a second and peer, and the number of those that were left out.
#[derive(Debug, Default)]
pub struct Log {
    floods: HashMap<(Option<PeerId>, Flood), (Quiet, String)>,
}

/// What a peer, or who wants to be one, can cause as often as it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Flood {
    UpdateProblem,
    Refused,
    Notification,
    Step,
    Limit,
    Bfd,
}

impl Flood {
    fn of(kind: &EventKind) -> Option<Self> {
        match kind {
            EventKind::UpdateProblem(_) => Some(Self::UpdateProblem),
            EventKind::Refused(_) => Some(Self::Refused),
            EventKind::Limit(_) => Some(Self::Limit),
            EventKind::Bfd(_) => Some(Self::Bfd),
            EventKind::NotificationSent(_) | EventKind::NotificationReceived(_) => {
                Some(Self::Notification)
            }
            EventKind::StateChange { from, to, .. }
                if *from < State::Established && *to < State::Established =>
            {
                Some(Self::Step)
            }
            _ => None,
        }
    }

    fn quiet(self) -> Quiet {
        match self {
            Self::UpdateProblem | Self::Refused => Quiet::new(1, Duration::from_secs(1)),
            // A session that comes up has some of them in a second.
            Self::Notification | Self::Step | Self::Limit | Self::Bfd => Quiet::default(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::UpdateProblem => "malformed UPDATEs",
            Self::Refused => "refused connections",
            Self::Notification => "NOTIFICATIONs",
            Self::Step => "changes of state",
            Self::Limit => "lines about maximum prefixes",
            Self::Bfd => "lines about BFD",
        }
    }
}

impl Log {
    /// Writes an event, unless there are too many like it.
    pub fn event(&mut self, event: &Event) {
        if let Some(flood) = Flood::of(&event.kind) {
            let name = event.name.as_deref().unwrap_or("-");
            let entry = self.floods.entry((event.peer, flood));
            let (quiet, last) = entry.or_insert_with(|| (flood.quiet(), String::new()));
            name.clone_into(last);
            if !quiet.allows(event.at) {
                return;
            }
        }
        write(event);
    }

    /// Says how many were left out, where that is due.
    pub fn tick(&mut self, now: Instant) {
        for ((_, flood), (quiet, peer)) in &mut self.floods {
            if let Some(count) = quiet.swallowed(now) {
                let what = flood.name();
                warn!(peer, "{count} more {what} were not written to the log");
            }
        }
        // One that comes again begins anew.
        self.floods.retain(|_, (quiet, _)| !quiet.is_over(now));
    }

    /// When [`Log::tick`] has something to say.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.floods
            .values()
            .filter_map(|(quiet, _)| quiet.due())
            .min()
    }
}

/// What peers said in it was escaped by the speaker and is so again: a log is read on terminals.
fn write(event: &Event) {
    let peer = event.name.as_deref().unwrap_or("-");
    let text = escape(&event.kind.to_string());
    match &event.kind {
        // Two connections that crossed: nothing is wrong.
        EventKind::NotificationSent(words) | EventKind::NotificationReceived(words)
            if words.code == error_code::CEASE
                && words.subcode == cease_subcode::COLLISION_RESOLUTION =>
        {
            debug!(peer, "{text}");
        }
        EventKind::StateChange { cause: Some(_), .. }
        | EventKind::NotificationSent(_)
        | EventKind::NotificationReceived(_)
        | EventKind::Conflict { .. }
        | EventKind::LongLivedKept { .. }
        | EventKind::Bfd(News::Down(_) | News::PeerOff)
        | EventKind::Limit(_)
        | EventKind::UpdateProblem(_) => warn!(peer, "{text}"),
        EventKind::EndOfRib(_) | EventKind::Refreshed { .. } | EventKind::Refused(_) => {
            debug!(peer, "{text}");
        }
        EventKind::StateChange { to, .. } if *to < State::Established => {
            debug!(peer, "{text}");
        }
        EventKind::StateChange { .. }
        | EventKind::Bfd(_)
        | EventKind::StaleKept { .. }
        | EventKind::StaleFlushed(_)
        | EventKind::Returned { .. }
        | EventKind::Synced { .. } => info!(peer, "{text}"),
    }
}

/// Keeps twenty thousand lines about twenty thousand prefixes out of the log.
#[derive(Debug)]
pub struct Quiet {
    most: u32,
    window: Duration,
    begun: Option<Instant>,
    lines: u32,
    swallowed: u64,
}

impl Default for Quiet {
    /// Ten lines in ten seconds.
    fn default() -> Self {
        Self::new(10, Duration::from_secs(10))
    }
}

impl Quiet {
    /// So many lines in one window; the rest is counted.
    #[must_use]
    pub fn new(most: u32, window: Duration) -> Self {
        Self {
            most,
            window,
            begun: None,
            lines: 0,
            swallowed: 0,
        }
    }

    /// Whether one more line may be written.
    pub fn allows(&mut self, now: Instant) -> bool {
        if self
            .begun
            .is_none_or(|begun| now.duration_since(begun) >= self.window)
        {
            self.begun = Some(now);
            self.lines = 0;
        }
        self.lines += 1;
        let allowed = self.lines <= self.most;
        self.swallowed += u64::from(!allowed);
        allowed
    }

    /// How many lines were swallowed since the last call, once their window is over.
    pub fn swallowed(&mut self, now: Instant) -> Option<u64> {
        let over = self
            .begun
            .is_some_and(|begun| now.duration_since(begun) >= self.window);
        (over && self.swallowed > 0).then(|| std::mem::take(&mut self.swallowed))
    }

    /// Nothing is left to be said, and the next line may be written.
    #[must_use]
    pub fn is_over(&self, now: Instant) -> bool {
        let over = |begun: Instant| now.duration_since(begun) >= self.window;
        self.swallowed == 0 && self.begun.is_none_or(over)
    }

    /// When [`Quiet::swallowed`] has something to say.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        (self.swallowed > 0).then_some(self.begun? + self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_then_a_number_then_ten_lines_again() {
        let (mut quiet, start) = (Quiet::default(), Instant::now());
        let window = Duration::from_secs(10);
        let written = (0..1000).filter(|_| quiet.allows(start)).count();
        assert_eq!((written, quiet.due()), (10, Some(start + window)));
        assert_eq!(quiet.swallowed(start), None);
        assert_eq!(quiet.swallowed(start + window), Some(990));
        assert_eq!((quiet.swallowed(start + window), quiet.due()), (None, None));
        assert!(quiet.allows(start + window));
    }

    #[test]
    fn a_flood_is_a_line_a_second_and_a_number_and_the_others_are_not_concerned() {
        let (mut log, start) = (Log::default(), Instant::now());
        let event = |peer: u32, secs: u64| Event {
            at: start + Duration::from_secs(secs),
            peer: Some(PeerId(peer)),
            name: Some(format!("peer-{peer}")),
            kind: EventKind::UpdateProblem("ORIGIN".to_owned()),
        };
        for _ in 0..1000 {
            log.event(&event(1, 0));
        }
        log.event(&event(2, 0));
        let left_out = |log: &Log, peer: u32| {
            let key = (Some(PeerId(peer)), Flood::UpdateProblem);
            log.floods.get(&key).map(|(quiet, _)| quiet.swallowed)
        };
        assert_eq!((left_out(&log, 1), left_out(&log, 2)), (Some(999), Some(0)));
        let second = start + Duration::from_secs(1);
        assert_eq!(log.due(), Some(second));
        log.tick(second);
        assert_eq!(
            (log.due(), log.floods.len()),
            (None, 0),
            "and takes no room any more"
        );
        log.event(&event(1, 2));
        assert_eq!(left_out(&log, 1), Some(0));
    }
}
