//! Values that know where they were written.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A line and column, both from 1; 0 where there is none (values that came as JSON).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// From 1; 0 is unknown.
    pub line: usize,
    /// In characters from 1; 0 is unknown.
    pub column: usize,
}

impl Place {
    /// The same place, seen from the beginning of a file with `lines` lines before.
    pub(crate) fn moved_down(self, lines: usize) -> Self {
        if self.line == 0 {
            self
        } else {
            Self {
                line: self.line + lines,
                ..self
            }
        }
    }

    pub(crate) fn known_line(self) -> Option<usize> {
        (self.line > 0).then_some(self.line)
    }

    pub(crate) fn known_column(self) -> Option<usize> {
        (self.column > 0).then_some(self.column)
    }
}

impl From<serde_saphyr::Location> for Place {
    fn from(location: serde_saphyr::Location) -> Self {
        let number = |value: u64| usize::try_from(value).unwrap_or(0);
        Self {
            line: number(location.line()),
            column: number(location.column()),
        }
    }
}

/// A value and its place in the document that it was read from.
///
/// Serializes as the value alone, has the value's schema, and reads from formats without places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it is used; for a YAML alias this is where the alias stands.
    pub place: Place,
}

impl<T> Located<T> {
    /// A value that comes from no file.
    pub fn nowhere(value: T) -> Self {
        Self {
            value,
            place: Place::default(),
        }
    }
}

/// How [`Located`] asks a format for the place of what comes next: as a newtype of this name. A
/// format that has places gives a sequence of line, column and value; any other the value alone.
pub(crate) const LOCATED: &str = "rcni located";

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(LOCATED, LocatedVisitor(PhantomData))
    }
}

struct LocatedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for LocatedVisitor<T> {
    type Value = Located<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Located<T>, D::Error> {
        T::deserialize(deserializer).map(Located::nowhere)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Located<T>, A::Error> {
        let cut = |at| A::Error::invalid_length(at, &"line, column and value");
        let place = Place {
            line: parts.next_element()?.ok_or_else(|| cut(0))?,
            column: parts.next_element()?.ok_or_else(|| cut(1))?,
        };
        let value = parts.next_element()?.ok_or_else(|| cut(2))?;
        Ok(Located { value, place })
    }
}

impl<T: Serialize> Serialize for Located<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

#[cfg(feature = "crd")]
impl<T: schemars::JsonSchema> schemars::JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}
