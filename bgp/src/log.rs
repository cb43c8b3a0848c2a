//! What the speaker tells, as log lines: one per event, the peer as a field. `rcni-control` writes them,
//! and keeps them as events.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rcni_bgp_proto::bfd::News;
use rcni_bgp_proto::fsm::State;
use rcni_bgp_proto::iana::{cease_subcode, error_code};
use rcni_bgp_proto::speaker::{Event, EventKind, PeerId};
use tracing::{debug, info, warn};

use rcni_control::log::Quiet;
use rcni_control::text::escape;

/// What a part of the daemon records, by the path of its module: `rcni-bgp events` shows it.
#[must_use]
pub fn kind(module: &str) -> &'static str {
    let inner = module.strip_prefix("rcni_bgp::").unwrap_or_default();
    match inner.split("::").next().unwrap_or_default() {
        "log" => "session",
        "fib" => "kernel",
        "reload" => "configuration",
        "discovery" => "link",
        "bfd" => "bfd",
        "transport" => "connection",
        // Orders, marks, what concerns the node as a whole.
        _ => "daemon",
    }
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
        EventKind::Refreshed { .. } | EventKind::Refused(_) => {
            debug!(peer, "{text}");
        }
        EventKind::StateChange { to, .. } if *to < State::Established => {
            debug!(peer, "{text}");
        }
        EventKind::StateChange { .. }
        | EventKind::EndOfRib { .. }
        | EventKind::Bfd(_)
        | EventKind::StaleKept { .. }
        | EventKind::StaleFlushed(_)
        | EventKind::Returned { .. }
        | EventKind::Synced { .. } => info!(peer, "{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            log.floods.get(&key).map(|(quiet, _)| quiet.held_back())
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

    #[test]
    fn every_part_has_its_word() {
        for (module, word) in [
            ("rcni_bgp::log", "session"),
            ("rcni_bgp::fib::task::told", "kernel"),
            ("rcni_bgp::reload", "configuration"),
            ("rcni_bgp::core::drain", "daemon"),
            ("rcni_control::log", "daemon"),
        ] {
            assert_eq!(kind(module), word, "{module}");
        }
    }
}
