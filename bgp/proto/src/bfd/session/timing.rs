//! How often packets leave, and after which silence the peer is gone.

use std::time::{Duration, Instant};

use rand::Rng;

use super::{GAP, Poll, Profile, Remote, SLOW, Session, State};

impl Session {
    /// bfd.DesiredMinTxInterval, bfd.RequiredMinRxInterval.
    pub(super) fn wanted(&self) -> (Duration, Duration) {
        let Profile {
            transmit, receive, ..
        } = self.profile;
        match self.state {
            State::Up => (transmit, receive),
            _ => (transmit.max(SLOW), receive),
        }
    }

    /// Something of [`Session::wanted`] is another.
    pub(super) fn renegotiate(&mut self) {
        let (desired, required) = self.wanted();
        if self.state != State::Up {
            (self.timing.transmit, self.timing.receive) = (desired, required);
            return;
        }
        // §6.8.3: what the peer must know first waits for its answer.
        self.timing.transmit = self.timing.transmit.min(desired);
        self.timing.receive = self.timing.receive.max(required);
        self.counts.polls += u64::from(self.poll == Poll::No);
        self.poll = Poll::Asking {
            again: self.poll != Poll::No,
        };
    }

    /// F came.
    pub(super) fn answered(&mut self) {
        match self.poll {
            Poll::No => {}
            Poll::Asking { again: true } => self.poll = Poll::Asking { again: false },
            Poll::Asking { again: false } => {
                self.poll = Poll::No;
                (self.timing.transmit, self.timing.receive) = self.wanted();
            }
        }
    }

    /// Before jitter; `None`: no periodic packets (§6.8.7).
    pub(super) fn interval(&self) -> Option<Duration> {
        let Remote {
            discriminator,
            min_rx,
            demand,
            state,
            ..
        } = self.remote;
        let both_up = self.state == State::Up && state == State::Up;
        let quiet = self.profile.passive && discriminator == 0
            || min_rx.is_zero()
            || demand && both_up && self.poll == Poll::No;
        (!quiet).then(|| self.timing.transmit.max(min_rx))
    }

    /// §6.8.4, asynchronous mode.
    pub(super) fn detection_time(&self) -> Duration {
        let receive = self.timing.receive.max(self.remote.desired_tx);
        receive * u32::from(self.remote.multiplier)
    }

    /// When the next periodic packet is due. `news`: it should not wait.
    pub(super) fn schedule(&mut self, now: Instant, news: bool) {
        let Some(interval) = self.interval() else {
            self.timing.next = None;
            return;
        };
        // §6.8.7: less than the interval by up to a quarter; with a multiplier of 1, by a tenth at least.
        let most = if self.profile.multiplier == 1 {
            0.9
        } else {
            1.0
        };
        let interval = interval.mul_f64(self.rng.random_range(0.75..most));
        let last = self.timing.last_sent;
        let regular = last.map_or(now, |last| last + interval);
        let soon = last.map_or(now, |last| last + GAP);
        let due = if news { regular.min(soon) } else { regular };
        self.timing.next = Some(due.max(now));
    }
}
