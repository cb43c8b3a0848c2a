//! Randomness for pauses, so that many nodes that lost the same thing do not return in step.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// 64 random bits, fresh each time. Not for secrets.
#[must_use]
pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Between three quarters of `pause` and all of it (RFC 4271 §10).
#[must_use]
pub fn jitter(pause: Duration) -> Duration {
    // 0..=255 of 255: a quarter in fine steps.
    let part = u32::from(random().to_le_bytes()[0]);
    pause - pause / 4 * part / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_between_three_quarters_and_all_and_varies() {
        let pause = Duration::from_secs(8);
        let drawn: std::collections::HashSet<Duration> = (0..200).map(|_| jitter(pause)).collect();
        assert!(
            drawn
                .iter()
                .all(|d| (Duration::from_secs(6)..=pause).contains(d))
        );
        assert!(drawn.len() > 20, "{drawn:?}");
    }
}
