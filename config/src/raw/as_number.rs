//! A neighbour's AS: a number, or what it is to ours.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Int;

/// `65000`, `internal` or `external`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsNumber {
    /// This one; its range is checked later, by name.
    Number(Int),
    /// The one that this side has in the session.
    Internal,
    /// Any other.
    External,
}

const INTERNAL: &str = "internal";
const EXTERNAL: &str = "external";

struct AsNumberVisitor;

impl Visitor<'_> for AsNumberVisitor {
    type Value = AsNumber;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number, {INTERNAL} or {EXTERNAL}")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<AsNumber, E> {
        Ok(AsNumber::Number(Int(value)))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<AsNumber, E> {
        let unexpected = || E::invalid_value(Unexpected::Unsigned(value), &self);
        let number = i64::try_from(value).map_err(|_| unexpected())?;
        Ok(AsNumber::Number(Int(number)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<AsNumber, E> {
        match text {
            INTERNAL => Ok(AsNumber::Internal),
            EXTERNAL => Ok(AsNumber::External),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }
}

impl<'de> Deserialize<'de> for AsNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AsNumberVisitor)
    }
}

impl Serialize for AsNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => number.serialize(serializer),
            Self::Internal => INTERNAL.serialize(serializer),
            Self::External => EXTERNAL.serialize(serializer),
        }
    }
}

/// The one form in which a structural schema may say "a number or a text"; bounds are about the
/// former, the pattern about the latter.
#[cfg(feature = "crd")]
impl schemars::JsonSchema for AsNumber {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AsNumber".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "x-kubernetes-int-or-string": true,
            "minimum": 1,
            "maximum": 4_294_967_295_i64,
            "pattern": format!("^({INTERNAL}|{EXTERNAL})$"),
        })
    }
}
