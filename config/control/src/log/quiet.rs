//! Repeats of a line.

use std::time::{Duration, Instant};

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

    /// How many were swallowed since then, so far.
    #[must_use]
    pub fn held_back(&self) -> u64 {
        self.swallowed
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
}
