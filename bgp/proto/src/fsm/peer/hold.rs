//! Why a peer is left alone although it is configured.
//!
//! ```text
//!            HoldDown                     Limit
//!  free ----------------> Command     free ------> Limit(until, or until somebody says so)
//!   ^                        |          ^                   |
//!   +--------Release---------+          +---Release, until--+
//! ```
//!
//! A command is stronger: it does not end by time. Both outlast `Stop` and `Start`.

use std::time::Instant;

/// Why there is neither dial nor connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Shut down by command, until `Release`.
    Command,
    /// It announced too many prefixes. `None`: until `Release`.
    Limit(Option<Instant>),
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Hold {
    why: Option<Held>,
    /// Between `Start` and `Stop`.
    wanted: bool,
}

impl Hold {
    pub(super) fn why(&self) -> Option<Held> {
        self.why
    }

    pub(super) fn by_command(&mut self) {
        self.why = Some(Held::Command);
    }

    pub(super) fn by_limit(&mut self, until: Option<Instant>) {
        if self.why != Some(Held::Command) {
            self.why = Some(Held::Limit(until));
        }
    }

    pub(super) fn release(&mut self) {
        self.why = None;
    }

    pub(super) fn set_wanted(&mut self, wanted: bool) {
        self.wanted = wanted;
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// When it ends by itself.
    pub(super) fn until(&self) -> Option<Instant> {
        match self.why {
            Some(Held::Limit(until)) => until.filter(|_| self.wanted),
            _ => None,
        }
    }

    /// Has it ended by itself now?
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        let over = self.until().is_some_and(|until| until <= now);
        if over {
            self.why = None;
        }
        over
    }
}
