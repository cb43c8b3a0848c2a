//! In use, on the way out, out of use, or on the way back; and the marks that tell the next start of it.

use std::time::{Instant, SystemTime};

use rcni_bgp_proto::speaker::{Drain, DrainState, Input};
use tracing::{info, warn};

use super::Core;
use crate::control::drain::{DrainError, DrainOrder, DrainStatus, Step};
use crate::drained::{Drained, Mark};
use crate::marker::Marker;

/// The marks beside the control socket, and what they say.
#[derive(Debug, Default)]
pub struct Marks {
    /// Left at every session.
    ran: Option<Marker>,
    /// Left by a drain.
    drained: Option<Drained>,
    /// What it says.
    mark: Option<Mark>,
}

impl Marks {
    /// Both, with what is there now; without one where `/proc` cannot be read.
    #[must_use]
    pub fn new(ran: Option<Marker>, drained: Option<Drained>) -> Self {
        let mark = drained.as_ref().and_then(|drained| {
            let path = drained.path().display();
            drained.read().unwrap_or_else(|error| {
                // Not by itself into use again.
                warn!(%path, %error, "this mark cannot be read: `rcni-bgp undrain` removes it");
                let step = Drain::Close(String::new());
                let since = SystemTime::now();
                Some(Mark { step, since })
            })
        });
        Self { ran, drained, mark }
    }

    fn leave(&mut self, step: &Drain) -> std::io::Result<()> {
        let is_back = |step: &Drain| *step == Drain::Off;
        let since = match &self.mark {
            // It began then.
            Some(mark) if is_back(&mark.step) == is_back(step) => mark.since,
            _ => SystemTime::now(),
        };
        let step = step.clone();
        self.replace(Some(Mark { step, since }))
    }

    fn replace(&mut self, mark: Option<Mark>) -> std::io::Result<()> {
        if let Some(drained) = &self.drained {
            drained.write(mark.as_ref())?;
        }
        self.mark = mark;
        Ok(())
    }
}

impl Core {
    /// Goes on where the last run was: before the start.
    #[must_use]
    pub fn marked(mut self, marks: Marks) -> Self {
        if let Some(mark) = &marks.mark {
            match mark.step {
                Drain::Close(_) => warn!(
                    "this node is drained: no sessions and no routes until `rcni-bgp undrain`"
                ),
                Drain::Announce => warn!(
                    "this node is being drained: everything is announced with GRACEFUL_SHUTDOWN \
                     until `rcni-bgp drain` goes on or `rcni-bgp undrain` takes it back"
                ),
                Drain::Off => {
                    info!("{}", Step::Off.describe());
                    self.input(Input::Drain(Drain::Close(String::new())));
                }
            }
            self.input(Input::Drain(mark.step.clone()));
        }
        self.marks = marks;
        self
    }

    /// A session is up.
    pub(super) fn mark(&mut self) {
        if let Some(Err(error)) = self.marks.ran.as_ref().map(Marker::leave) {
            warn!("the next start will not know of this one: {error}");
            self.marks.ran = None;
        }
    }

    /// Takes the node out of use, step by step, or into use again.
    ///
    /// # Errors
    /// Not what can be done now, or the mark cannot be written.
    pub(super) fn drain(&mut self, order: DrainOrder) -> Result<DrainStatus, DrainError> {
        let state = self.speaker.drain_state();
        let step = match (order.step, state) {
            (Step::Announce, DrainState::Closed)
            | (Step::Off, DrainState::Off | DrainState::Returning(_)) => {
                return Ok(self.drain_status());
            }
            (Step::Announce, _) => Drain::Announce,
            (Step::Close, DrainState::Off | DrainState::Returning(_)) => {
                return Err(DrainError::NotDraining);
            }
            (Step::Close, _) => Drain::Close(order.message),
            (Step::Off, _) => Drain::Off,
        };
        // First, so that a crash in between makes nothing undone.
        self.marks.leave(&step).map_err(DrainError::mark)?;
        info!("by command: {}", order.step.describe());
        if order.step == Step::Close
            && let Some(ran) = &self.marks.ran
        {
            // Nothing is left to be kept: the next start is a cold one.
            ran.remove();
        }
        self.input(Input::Drain(step));
        Ok(self.drain_status())
    }

    /// In use again.
    pub(super) fn returned(&mut self) {
        if let Err(error) = self.marks.replace(None) {
            warn!("the next start will take itself for one after a drain: {error}");
            self.marks.mark = None;
        }
    }

    /// How far it is.
    pub(super) fn drain_status(&self) -> DrainStatus {
        let since = self.marks.mark.as_ref().map(|mark| mark.since);
        let unready = self.speaker.unready(Instant::now());
        DrainStatus::new(self.speaker.drain_state(), since, &unready)
    }
}
