//! Texts that no error and no log may show.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::Located;

/// A secret as it was written. Its `Debug` hides it, and so do the errors about it; it is serialized
/// as it is.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "crd", schemars(inline))]
#[serde(transparent)]
pub struct Secret(
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 80)))]
    /// The text itself.
    pub String,
);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a value that is no text is called; serde's own words would repeat the value.
const NO_TEXT: Unexpected<'_> = Unexpected::Other("not a text");

struct SecretVisitor;

impl Visitor<'_> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text in quotes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
        Ok(Secret(text.to_owned()))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Secret, E> {
        Err(E::invalid_type(NO_TEXT, &self))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Secret, E> {
        Err(E::invalid_type(NO_TEXT, &self))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Secret, E> {
        Err(E::invalid_type(NO_TEXT, &self))
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<Secret, E> {
        Err(E::invalid_type(NO_TEXT, &self))
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<Secret, E> {
        Err(E::invalid_type(NO_TEXT, &self))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Secret, E> {
        Err(E::invalid_type(NO_TEXT, &self))
    }
}

/// A text only, so that what looks like a number is asked to be quoted: `0123` and `1e3` would mean
/// something else to the next program that reads the file.
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

/// A secret (or what has some) that is there: a field without a value is refused, since an empty
/// variable of a template must not switch authentication off.
pub(super) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Located<T>>, D::Error> {
    Located::deserialize(deserializer).map(Some)
}
