//! Deadlines by kind. A timer is only a remembered instant: who owns the table asks for what is
//! due, and the earliest deadline of all tables is when the caller should tick.

use std::time::Instant;

/// The deadlines of one machine; `N` kinds, each an index (an enum's discriminant).
#[derive(Clone, Debug)]
pub struct TimerTable<const N: usize> {
    deadlines: [Option<Instant>; N],
}

impl<const N: usize> Default for TimerTable<N> {
    fn default() -> Self {
        Self {
            deadlines: [None; N],
        }
    }
}

/// A kind of timer: its place in the table.
pub trait TimerKind: Copy {
    /// Less than the table's `N`.
    fn index(self) -> usize;
}

impl<const N: usize> TimerTable<N> {
    /// Starts, or starts anew.
    pub fn set(&mut self, kind: impl TimerKind, at: Instant) {
        if let Some(deadline) = self.deadlines.get_mut(kind.index()) {
            *deadline = Some(at);
        }
    }

    /// Stops; nothing happens if it does not run.
    pub fn stop(&mut self, kind: impl TimerKind) {
        if let Some(deadline) = self.deadlines.get_mut(kind.index()) {
            *deadline = None;
        }
    }

    /// Stops all.
    pub fn stop_all(&mut self) {
        self.deadlines = [None; N];
    }

    /// When it is due, if it runs.
    #[must_use]
    pub fn get(&self, kind: impl TimerKind) -> Option<Instant> {
        self.deadlines.get(kind.index()).copied().flatten()
    }

    /// True once per expiry: a timer that is due is stopped by the question.
    pub fn take_due(&mut self, kind: impl TimerKind, now: Instant) -> bool {
        let due = self.get(kind).is_some_and(|at| at <= now);
        if due {
            self.stop(kind);
        }
        due
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.deadlines.iter().flatten().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[derive(Clone, Copy)]
    enum Kind {
        A,
        B,
    }
    impl TimerKind for Kind {
        fn index(self) -> usize {
            self as usize
        }
    }

    #[test]
    fn a_timer_is_due_once_and_not_before_its_time() {
        let start = Instant::now();
        let mut table = TimerTable::<2>::default();
        table.set(Kind::A, start + Duration::from_secs(2));
        table.set(Kind::B, start + Duration::from_secs(1));
        assert_eq!(table.next(), Some(start + Duration::from_secs(1)));
        assert!(!table.take_due(Kind::A, start + Duration::from_secs(1)));
        assert!(table.take_due(Kind::B, start + Duration::from_secs(1)));
        assert!(!table.take_due(Kind::B, start + Duration::from_secs(9)));
        assert_eq!(table.next(), Some(start + Duration::from_secs(2)));
        table.stop_all();
        assert_eq!(table.next(), None);
    }
}
