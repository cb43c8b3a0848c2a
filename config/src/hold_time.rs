//! The hold time of a session.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A hold time to propose in OPEN: 0 (no keepalives at all) or 3 to 65535 seconds (RFC 4271 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct HoldTime(u16);

/// 1 and 2 seconds are refused by every peer ("Unacceptable Hold Time", RFC 4271 §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hold time of 1 or 2 seconds is not allowed (RFC 4271 §4.2)")]
pub struct HoldTimeError;

impl HoldTime {
    /// 90 s, the value that RFC 4271 §10 suggests.
    pub const DEFAULT: Self = Self(90);

    /// Checks that `secs` is 0 or at least 3.
    ///
    /// # Errors
    /// [`HoldTimeError`] for 1 and 2.
    pub fn new(secs: u16) -> Result<Self, HoldTimeError> {
        match secs {
            1 | 2 => Err(HoldTimeError),
            _ => Ok(Self(secs)),
        }
    }

    /// Seconds; 0 means that the session has no hold timer.
    #[must_use]
    pub fn secs(self) -> u16 {
        self.0
    }
}

impl Default for HoldTime {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl TryFrom<u16> for HoldTime {
    type Error = HoldTimeError;

    fn try_from(secs: u16) -> Result<Self, HoldTimeError> {
        Self::new(secs)
    }
}

impl From<HoldTime> for u16 {
    fn from(hold_time: HoldTime) -> Self {
        hold_time.secs()
    }
}

impl fmt::Display for HoldTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_and_two_seconds_are_refused() {
        for secs in 0..=u16::MAX {
            assert_eq!(
                HoldTime::new(secs).is_err(),
                secs == 1 || secs == 2,
                "{secs}"
            );
        }
        assert!(serde_json::from_str::<HoldTime>("2").is_err());
        assert_eq!(HoldTime::default().to_string(), "90 s");
    }
}
