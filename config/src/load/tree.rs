//! A document as a tree whose every node knows its place, before anything is known about fields.
//!
//! What is wrong with a field is then wrong with one node, which can be replaced, so that the search
//! goes on behind it: see [`super::mend`].

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::raw::Place;
use crate::secrets::{is_about_secrets, is_around_secrets, is_beside_secrets};

/// A value and where it stands (for an alias: where the alias stands).
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What a document can have.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    /// A number that no field can have, as it is written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// Stands for a value that was refused or is missing, and is accepted by every field. The
    /// number tells which guesses at the wanted type were wrong.
    Any(u8),
}

/// One field.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) node: Node,
    /// It was refused, and is not there for whoever reads on.
    pub(super) dropped: bool,
}

impl Node {
    pub(super) fn any(place: Place) -> Self {
        Self {
            place,
            value: Value::Any(0),
        }
    }

    /// The value of a field, of the first one with this name.
    pub(super) fn field(&self, key: &str) -> Option<&Self> {
        let Value::Map(entries) = &self.value else {
            return None;
        };
        let mut entries = entries.iter().filter(|entry| !entry.dropped);
        let found = entries.find(|entry| entry.key == key)?;
        Some(&found.node)
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Gives a field of a map this value.
    pub(super) fn set(&mut self, key: &str, node: Self) {
        let Value::Map(entries) = &mut self.value else {
            return;
        };
        let place = node.place;
        let mut all = entries.iter_mut().filter(|entry| !entry.dropped);
        match all.find(|entry| entry.key == key) {
            Some(entry) => entry.node = node,
            None => entries.push(Entry {
                key: key.to_owned(),
                place,
                node,
                dropped: false,
            }),
        }
    }

    /// Drops every field that has the name of an earlier one, at any depth; `found` hears of each,
    /// with the path of its map.
    pub(super) fn drop_repeated(&mut self, path: &str, found: &mut impl FnMut(&str, &Entry)) {
        match &mut self.value {
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    item.drop_repeated(&format!("{path}[{index}]"), found);
                }
            }
            Value::Map(entries) => {
                let mut seen = std::collections::HashSet::new();
                for entry in entries.iter_mut() {
                    let path = below(path, &entry.key);
                    if !seen.insert(entry.key.clone()) {
                        found(&path, entry);
                        entry.dropped = true;
                    } else {
                        entry.node.drop_repeated(&path, found);
                    }
                }
            }
            _ => {}
        }
    }

    /// Every text that is the value of a field with such a name, at any depth.
    pub(super) fn secrets(&self, out: &mut Vec<String>) {
        match &self.value {
            Value::List(items) => items.iter().for_each(|item| item.secrets(out)),
            Value::Map(entries) => {
                for entry in entries {
                    if is_about_secrets(&entry.key) {
                        entry.node.texts(out);
                    } else if is_around_secrets(&entry.key) {
                        entry.node.stray_texts(out);
                    }
                    entry.node.secrets(out);
                }
            }
            _ => {}
        }
    }

    /// Gives numbers that no field can have the form in which `lines` have them: `1e3`, `017`.
    pub(super) fn as_written(&mut self, lines: &[&str]) {
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.as_written(lines)),
            Value::Map(entries) => {
                for entry in entries {
                    entry.node.as_written(lines);
                }
            }
            Value::Number(text) => {
                // An alias stands for a number, and lines may be counted otherwise.
                let value = |text: &str| text.parse::<f64>().ok().map(f64::to_bits);
                let there = number_at(self.place, lines);
                if let Some(written) = there.filter(|there| value(there) == value(text)) {
                    *text = written;
                }
            }
            _ => {}
        }
    }

    /// Texts that stand where fields should: most likely a secret without its name.
    fn stray_texts(&self, out: &mut Vec<String>) {
        match &self.value {
            Value::List(items) => items.iter().for_each(|item| item.stray_texts(out)),
            Value::Map(entries) => {
                let others = entries
                    .iter()
                    .filter(|entry| !is_beside_secrets(&entry.key));
                others.for_each(|entry| entry.node.stray_texts(out));
            }
            _ => self.texts(out),
        }
    }

    fn texts(&self, out: &mut Vec<String>) {
        match &self.value {
            Value::Text(text) | Value::Number(text) => out.push(text.clone()),
            Value::Int(number) => out.push(number.to_string()),
            Value::List(items) => items.iter().for_each(|item| item.texts(out)),
            Value::Map(entries) => {
                for entry in entries {
                    out.push(entry.key.clone());
                    entry.node.texts(out);
                }
            }
            _ => {}
        }
    }
}

/// What stands there, as far as it may be a number.
fn number_at(place: Place, lines: &[&str]) -> Option<String> {
    let line = lines.get(place.line.checked_sub(1)?)?;
    let from = line.chars().skip(place.column.checked_sub(1)?);
    let number =
        |sign: &char| sign.is_ascii_alphanumeric() || matches!(sign, '+' | '-' | '.' | '_');
    Some(from.take_while(number).take(100).collect())
}

/// The path of a field, as it may be shown: `password:secret` and `password=secret`, without a space,
/// are names, too.
pub(super) fn below(path: &str, key: &str) -> String {
    let key = if is_about_secrets(path) {
        "***"
    } else if is_about_secrets(key) {
        let end = key.find(|sign: char| !sign.is_ascii_alphanumeric());
        match key.get(..end.unwrap_or(key.len())) {
            None | Some("") => "***",
            Some(name) => name,
        }
    } else {
        // Whatever was meant by it: what stands behind `=` is a value.
        key.split_once('=').map_or(key, |(name, _)| name)
    };
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = serde_saphyr::Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self {
            place: spanned.referenced.into(),
            value: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        let number = || Value::Number(value.to_string());
        Ok(i64::try_from(value).map_or_else(|_| number(), Value::Int))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value.to_string()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = fields.next_key::<serde_saphyr::Spanned<Key>>()? {
            entries.push(Entry {
                key: key.value.0,
                place: key.referenced.into(),
                node: fields.next_value()?,
                dropped: false,
            });
        }
        Ok(Value::Map(entries))
    }
}

/// A field's name. What YAML takes for something else than a text is a name too.
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let key = match Value::deserialize(deserializer)? {
            Value::Text(text) | Value::Number(text) => text,
            Value::Int(number) => number.to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Null => String::new(),
            _ => return Err(D::Error::custom("a list or a map is not a field's name")),
        };
        Ok(Self(key))
    }
}
