//! Waiting for something to become true, with a deadline and the last thing seen.

use std::fmt::Display;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const PAUSE: Duration = Duration::from_millis(20);

/// Asks `look` again and again until it answers `Ok`; its `Err` is an observation, not a failure.
///
/// # Errors
/// `what` did not become true in time; the message holds the last observation.
pub fn wait_until<T, E: Display>(
    deadline: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<T, E>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        match look() {
            Ok(value) => return Ok(value),
            Err(seen) if start.elapsed() >= deadline => {
                bail!("{what}: not within {deadline:?}; last seen:\n{seen:#}")
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_observation_is_told() {
        let mut count = 0;
        let error = wait_until(Duration::from_millis(50), "the moon", || {
            count += 1;
            Err::<(), _>(format!("seen {count}"))
        })
        .unwrap_err()
        .to_string();
        assert!(
            error.contains("the moon") && error.contains(&format!("seen {count}")),
            "{error}"
        );
    }
}
