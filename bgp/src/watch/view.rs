//! What is shown: the last status, how fast its numbers change, and the last events.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use rcni_control::events::Event;

use super::asker::Told;
use crate::control::model::{Peer, Status};

/// Events that are kept for larger terminals.
const EVENTS: usize = 200;

/// UPDATEs in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// From the peer.
    pub received: f64,
    /// To it.
    pub sent: f64,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub struct View {
    /// The last one, also if it is old.
    pub status: Option<Box<Status>>,
    /// Why there is no newer one.
    pub trouble: Option<String>,
    /// By the peer's name.
    pub rates: HashMap<String, Rates>,
    /// The newest last.
    pub events: VecDeque<Event>,
    /// The first peer that is shown.
    pub top: usize,
    /// When the last status came, unless there is trouble.
    pub(super) at: Option<Instant>,
}

impl View {
    /// An answer.
    pub fn hear(&mut self, told: Told) {
        self.events.extend(told.events);
        let more = self.events.len().saturating_sub(EVENTS);
        self.events.drain(..more);
        match told.status {
            Ok(status) => {
                self.rates = self.measured(&status, told.at);
                self.at = Some(told.at);
                self.status = Some(status);
                self.trouble = None;
            }
            Err(trouble) => {
                self.rates.clear();
                self.at = None;
                self.trouble = Some(trouble);
            }
        }
    }

    /// The first peer that is shown is so many further on; drawing keeps it in its bounds.
    pub fn scroll(&mut self, lines: isize) {
        self.top = self.top.saturating_add_signed(lines);
    }

    fn measured(&self, status: &Status, at: Instant) -> HashMap<String, Rates> {
        let (Some(before), Some(then)) = (&self.status, self.at) else {
            return HashMap::new();
        };
        // Another daemon counts from nought.
        if before.pid != status.pid {
            return HashMap::new();
        }
        let secs = at.saturating_duration_since(then).as_secs_f64();
        if secs <= 0.0 {
            return self.rates.clone();
        }
        let before: HashMap<&str, &Peer> = before
            .peers
            .iter()
            .map(|peer| (peer.name.as_str(), peer))
            .collect();
        let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / secs;
        let rates = status.peers.iter().filter_map(|peer| {
            let (now, then) = (
                &peer.details.messages,
                &before.get(peer.name.as_str())?.details.messages,
            );
            let rates = Rates {
                received: rate(now.received.updates, then.received.updates),
                sent: rate(now.sent.updates, then.sent.updates),
            };
            Some((peer.name.clone(), rates))
        });
        rates.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::control::render::tests::{peer, status};

    fn told(updates: u64, at: Instant, pid: u32) -> Told {
        let mut tor = peer("tor", "10.0.1.1");
        tor.details.messages.received.updates = updates;
        let mut status = status(vec![tor]);
        status.pid = pid;
        Told {
            at,
            status: Ok(Box::new(status)),
            events: vec![],
        }
    }

    #[test]
    fn rates_are_between_two_answers_of_one_daemon() {
        let (mut view, start) = (View::default(), Instant::now());
        let later = |secs| start + Duration::from_secs(secs);
        view.hear(told(100, start, 1));
        assert_eq!(view.rates.get("tor"), None);
        view.hear(told(300, later(2), 1));
        let rates = Rates {
            received: 100.0,
            sent: 0.0,
        };
        assert_eq!(view.rates.get("tor"), Some(&rates));
        view.hear(told(5, later(3), 2));
        assert_eq!(view.rates.get("tor"), None, "it was started again");
        view.hear(Told {
            at: later(4),
            status: Err("not running".to_owned()),
            events: vec![],
        });
        assert!(view.status.is_some() && view.trouble.is_some());
        view.hear(told(9, later(5), 2));
        assert_eq!((view.rates.get("tor"), &view.trouble), (None, &None));
    }
}
