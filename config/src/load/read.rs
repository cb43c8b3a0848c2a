//! The fields of a tree, by serde. An error knows the node that it is about.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};

use super::tree::{Entry, Node, Value};
use crate::raw::LOCATED;

/// From a node to one of its children, by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step(pub(super) usize);

/// What is wrong, and with which node: the steps from it up to the root.
#[derive(Debug)]
pub(super) struct ReadError {
    pub(super) steps: Vec<Step>,
    pub(super) what: What,
}

/// What is wrong with a node.
#[derive(Debug)]
pub(super) enum What {
    /// The last step leads to a field that nobody knows.
    Unknown(&'static [&'static str]),
    /// The node has no such field.
    Missing(&'static str),
    /// The text is none of these.
    Variant(String, &'static [&'static str]),
    /// Another type than the one that is wanted.
    Type { found: String, wanted: String },
    /// A number, as it is written, that no field can have; and what is wanted.
    Number(String, String),
    /// Anything else.
    Other(String),
}

impl ReadError {
    fn new(what: What) -> Self {
        Self {
            steps: Vec::new(),
            what,
        }
    }

    fn below(mut self, step: usize) -> Self {
        self.steps.push(Step(step));
        self
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.what)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(What::Other(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::new(What::Type {
            found: found.to_string(),
            wanted: wanted.to_string(),
        })
    }

    fn invalid_value(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::invalid_type(found, wanted)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(What::Variant(variant.to_owned(), expected))
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(What::Unknown(expected))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(What::Missing(field))
    }
}

impl Node {
    fn mismatch(&self, wanted: &dyn Expected) -> ReadError {
        let found = match &self.value {
            Value::Null | Value::Any(_) => Unexpected::Unit,
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Int(value) => Unexpected::Signed(*value),
            Value::Number(text) => {
                return ReadError::new(What::Number(text.clone(), wanted.to_string()));
            }
            Value::Text(text) => Unexpected::Str(text),
            Value::List(_) => Unexpected::Other("a list"),
            Value::Map(_) => Unexpected::Other("fields (name: value)"),
        };
        de::Error::invalid_type(found, wanted)
    }
}

/// The words that a field knows.
struct OneOf(&'static [&'static str]);

impl Expected for OneOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of {}", self.0.join(", "))
    }
}

/// What `Any` is where a number or a text may be wanted, at each attempt.
const GUESSES: u8 = 2;

impl<'de> Deserializer<'de> for &'de Node {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(value) => visitor.visit_i64(*value),
            Value::Number(_) => Err(self.mismatch(&visitor)),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::List(_) | Value::Map(_) => Err(self.mismatch(&visitor)),
            Value::Any(0) => visitor.visit_i64(0),
            Value::Any(1..=GUESSES) => visitor.visit_str(""),
            Value::Any(_) => visitor.visit_unit(),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.value {
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Any(_) => visitor.visit_bool(false),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.value {
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::Any(_) => visitor.visit_str(""),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.value {
            Value::List(items) => visitor.visit_seq(Items(items.iter().enumerate())),
            Value::Null | Value::Any(_) => visitor.visit_seq(Items([].iter().enumerate())),
            _ => Err(self.mismatch(&visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let entries: &[Entry] = match &self.value {
            Value::Map(entries) => entries,
            Value::Null | Value::Any(_) => &[],
            _ => return Err(self.mismatch(&visitor)),
        };
        visitor.visit_map(Fields {
            entries: entries.iter().enumerate(),
            current: None,
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        if name == LOCATED {
            return visitor.visit_seq(Located {
                node: self,
                parts: 0,
            });
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.value {
            Value::Text(text) => visitor.visit_enum(Variant(text)),
            // The last ones are those that allow the most around them.
            Value::Any(_) => visitor.visit_enum(Variant(variants.last().copied().unwrap_or(""))),
            _ => Err(self.mismatch(&OneOf(variants))),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple
        tuple_struct identifier
    }
}

struct Items<'de>(std::iter::Enumerate<std::slice::Iter<'de, Node>>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        let Some((index, node)) = self.0.next() else {
            return Ok(None);
        };
        let value = seed.deserialize(node).map_err(|error| error.below(index))?;
        Ok(Some(value))
    }
}

struct Fields<'de> {
    entries: std::iter::Enumerate<std::slice::Iter<'de, Entry>>,
    current: Option<(usize, &'de Node)>,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        let next = self.entries.find(|(_, entry)| !entry.dropped);
        let Some((index, entry)) = next else {
            return Ok(None);
        };
        self.current = Some((index, &entry.node));
        let key: StrDeserializer<'_, ReadError> = entry.key.as_str().into_deserializer();
        let key = seed.deserialize(key).map_err(|error| error.below(index))?;
        Ok(Some(key))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, ReadError> {
        let Some((index, node)) = self.current.take() else {
            return Err(de::Error::custom("a value without its name"));
        };
        seed.deserialize(node).map_err(|error| error.below(index))
    }
}

/// Line, column, value: what `raw::Located` asks for.
struct Located<'de> {
    node: &'de Node,
    parts: u8,
}

impl<'de> SeqAccess<'de> for Located<'de> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        self.parts += 1;
        let number = |number: usize| IntoDeserializer::<ReadError>::into_deserializer(number);
        let value = match self.parts {
            1 => seed.deserialize(number(self.node.place.line))?,
            2 => seed.deserialize(number(self.node.place.column))?,
            3 => seed.deserialize(self.node)?,
            _ => return Ok(None),
        };
        Ok(Some(value))
    }
}

struct Variant<'de>(&'de str);

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = ReadError;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), ReadError> {
        let name: StrDeserializer<'_, ReadError> = self.0.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, ReadError> {
        Err(de::Error::custom("none of our enums has values"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, ReadError> {
        Err(de::Error::custom("none of our enums has values"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, ReadError> {
        Err(de::Error::custom("none of our enums has values"))
    }
}
