//! Autonomous system numbers.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An autonomous system number: 1 to 4294967295, never 0 (RFC 7607) or 23456 (RFC 6793).
///
/// Written and read in plain decimal ("asplain", RFC 5396).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Asn(NonZeroU32);

/// RFC 6793 §9.
const AS_TRANS: u32 = 23456;

/// Why a value is not an [`Asn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AsnError {
    /// AS 0 must not be used by a speaker or appear in a path.
    #[error("AS 0 is reserved (RFC 7607)")]
    Zero,
    /// AS_TRANS stands for numbers that a 2-octet peer cannot read, and is nobody's.
    #[error("AS 23456 is reserved (AS_TRANS, RFC 6793)")]
    Trans,
    /// Not a decimal number of at most 32 bits.
    #[error("an AS number is a decimal number from 1 to 4294967295")]
    NotANumber,
}

impl Asn {
    /// Checks that `value` may be a speaker's.
    ///
    /// # Errors
    /// [`AsnError::Zero`], [`AsnError::Trans`].
    pub fn new(value: u32) -> Result<Self, AsnError> {
        if value == AS_TRANS {
            return Err(AsnError::Trans);
        }
        NonZeroU32::new(value).map(Self).ok_or(AsnError::Zero)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl TryFrom<u32> for Asn {
    type Error = AsnError;

    fn try_from(value: u32) -> Result<Self, AsnError> {
        Self::new(value)
    }
}

impl From<Asn> for u32 {
    fn from(asn: Asn) -> Self {
        asn.get()
    }
}

impl FromStr for Asn {
    type Err = AsnError;

    fn from_str(text: &str) -> Result<Self, AsnError> {
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AsnError::NotANumber);
        }
        Self::new(text.parse().map_err(|_| AsnError::NotANumber)?)
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_what_is_no_number_are_refused() {
        assert_eq!(Asn::new(0), Err(AsnError::Zero));
        assert_eq!("0".parse::<Asn>(), Err(AsnError::Zero));
        assert_eq!("23456".parse::<Asn>(), Err(AsnError::Trans));
        for text in ["", "-1", "+1", "1.10", "4294967296", "AS1", " 1"] {
            assert_eq!(text.parse::<Asn>(), Err(AsnError::NotANumber), "{text:?}");
        }
    }

    #[test]
    fn the_largest_four_octet_number_survives_text_and_json() {
        let asn: Asn = "4294967295".parse().unwrap();
        assert_eq!(asn.get(), u32::MAX);
        assert_eq!(asn.to_string(), "4294967295");
        assert_eq!(serde_json::to_string(&asn).unwrap(), "4294967295");
        assert_eq!(serde_json::from_str::<Asn>("65001").unwrap().get(), 65001);
        assert!(serde_json::from_str::<Asn>("0").is_err());
    }
}
