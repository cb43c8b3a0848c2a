//! Values that know where they were written.

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

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = serde_saphyr::Spanned::<T>::deserialize(deserializer)?;
        Ok(Self {
            value: spanned.value,
            place: spanned.referenced.into(),
        })
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
