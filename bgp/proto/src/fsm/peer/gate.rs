//! A peer whose way is watched is not spoken to before BFD says that it is there, or a bound has passed:
//! a session that comes up first would be ended by the BFD Down that the other side's session has yet
//! to go through.

use std::time::{Duration, Instant};

use super::{Context, Peer, PeerOutput, Timer};
use crate::fsm::PathDown;
use crate::fsm::connection::ConnectionInput;

/// From BFD's word to an own dial, before jitter. The peer has heard it at the same moment, and some (FRR) dial
/// then: two connections that cross are what they give an Established session up for.
const AFTER_OPENING: Duration = Duration::from_millis(500);

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Gate {
    closed: Option<Instant>,
    /// A dial waits for it, and for nothing else.
    dial_waits: bool,
}

impl Gate {
    /// Until when it is closed.
    pub(super) fn until(&self, now: Instant) -> Option<Instant> {
        self.closed.filter(|until| *until > now)
    }

    /// Until when a dial is put off, if it is.
    pub(super) fn holds_dial(&mut self, now: Instant) -> Option<Instant> {
        let until = self.until(now);
        self.dial_waits = until.is_some();
        until
    }
}

impl Peer {
    pub(super) fn set_gate(&mut self, until: Option<Instant>, ctx: &Context<'_>) {
        self.gate.closed = until;
        if until.is_none() {
            // What waited for it alone; `settle` follows.
            self.timers.stop(Timer::Settle);
            if std::mem::take(&mut self.gate.dial_waits) && self.dial.is_none() {
                let pause = self.jitter(AFTER_OPENING);
                self.timers.set(Timer::Redial, ctx.now + pause);
            }
        }
    }

    pub(super) fn path_down(
        &mut self,
        path: &PathDown,
        ctx: &mut Context<'_>,
        out: &mut Vec<PeerOutput>,
    ) {
        if let Some(dial) = self.dial.take() {
            self.timers.stop(Timer::Dial);
            out.push(PeerOutput::Close(dial));
            // Put off by the gate.
            self.dial(ctx, out);
        }
        for conn in self.conns() {
            let input = ConnectionInput::Fail(super::Cause::Path(path.clone()));
            self.feed(conn, input, ctx, out);
        }
    }
}
