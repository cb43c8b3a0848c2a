//! All that is wrong with the fields of one document, not only the first thing.
//!
//! ```text
//! tree --read--> spec                         done
//!        \--> error at a node --> report --> mend the node --> read again
//! ```
//!
//! An unknown field is dropped, or takes the name that was probably meant; a missing one, or a value of the wrong type, becomes a value that
//! every field accepts. What is refused later because of such a value is not reported: the
//! [`Report`] knows which fields were refused.

use serde::de::DeserializeOwned;

use super::explain::wanted;
use super::read::{ReadError, What};
use super::tree::{Node, Value, below};
use crate::raw::{Document, Object, Place};
use crate::resolve::{Label, Report};
use crate::similar::closest;

/// Each attempt mends one thing; more are not shown anyway.
const MAX_ATTEMPTS: usize = 400;

/// The object of a document, with what was refused replaced; `None` if that was too much.
pub(super) fn object<S: DeserializeOwned>(
    report: &mut Report,
    root: &mut Node,
    label: &Label,
    line_offset: usize,
) -> Option<Object<S>> {
    for _ in 0..MAX_ATTEMPTS {
        let error = match Document::<S>::deserialize_from(root) {
            Ok(document) => {
                return Some(Object {
                    name: document.metadata.name,
                    spec: document.spec.value,
                    place: document.spec.place,
                    line_offset,
                });
            }
            Err(error) => error,
        };
        let (place, path) = whereabouts(root, &error);
        let (path, reason, hint) = words(&path, &error.what);
        report.refuse_unread(place.moved_down(line_offset), &path, label, &reason, &hint);
        if report.is_full() || !mend(root, error) {
            return None;
        }
    }
    None
}

/// The place and path of the node that an error is about; for an unknown field, those of its name.
fn whereabouts(root: &Node, error: &ReadError) -> (Place, String) {
    let mut node = root;
    let mut place = root.place;
    let mut path = String::new();
    for step in error.steps.iter().rev() {
        match &node.value {
            Value::List(items) => {
                path = format!("{path}[{}]", step.0);
                let Some(item) = items.get(step.0) else { break };
                (node, place) = (item, item.place);
            }
            Value::Map(entries) => {
                let Some(entry) = entries.get(step.0) else {
                    break;
                };
                path = below(&path, &entry.key);
                (node, place) = (&entry.node, entry.node.place);
                if place == Place::default() || matches!(error.what, What::Unknown(_)) {
                    place = entry.place;
                }
            }
            _ => break,
        }
    }
    (place, path)
}

/// The path of the field, the reason, and what to write instead.
fn words(path: &str, what: &What) -> (String, String, String) {
    let leaf = path.rsplit('.').next().unwrap_or(path);
    let (reason, hint) = match what {
        What::Unknown(expected) => {
            let known = expected.join(", ");
            let hint = match closest(leaf, expected) {
                Some(meant) => format!("did you mean {meant}? Known here: {known}"),
                None => format!("known here: {known}"),
            };
            return (path.to_owned(), "unknown field".to_owned(), hint);
        }
        What::Missing(field) => {
            let path = below(path, field);
            return (path, "is required".to_owned(), format!("add {field}"));
        }
        What::Variant(given, expected) => {
            let all = expected.join(", ");
            let hint = match closest(given, expected) {
                Some(meant) => format!("did you mean {meant}? Write one of {all}"),
                None => format!("write one of {all}"),
            };
            (format!("unknown value {given:?}"), hint)
        }
        What::Type {
            found,
            wanted: name,
        } if found == "unit value" => {
            ("has no value".to_owned(), format!("write {}", wanted(name)))
        }
        What::Number(text, name) if name.starts_with("a whole number") => no_whole_number(text),
        What::Number(text, name) => {
            let hint = format!("write {}", wanted(name));
            (format!("wrong type: number `{text}`"), hint)
        }
        What::Type {
            found,
            wanted: name,
        } => {
            let hint = format!("write {}", wanted(name));
            (format!("wrong type: {found}"), hint)
        }
        What::Other(message) => (message.clone(), String::new()),
    };
    (path.to_owned(), reason, hint)
}

/// What to say about a number that is too large, or not written as whole ones are.
fn no_whole_number(text: &str) -> (String, String) {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits.trim_start_matches('0');
    if whole && plain.len() == digits.len() {
        let reason = format!("number `{text}` is out of range");
        let end = if text.starts_with('-') {
            "greater"
        } else {
            "smaller"
        };
        return (reason, format!("write a {end} one"));
    }
    let hint = if whole {
        let sign = if text.starts_with('-') { "-" } else { "" };
        let plain = if plain.is_empty() { "0" } else { plain };
        format!("write a whole number without leading zeros: `{sign}{plain}`")
    } else {
        "write a whole number in plain digits, without point and exponent".to_owned()
    };
    (format!("wrong type: number `{text}`"), hint)
}

/// Changes the tree so that the same error cannot come again. False if it cannot be done.
fn mend(root: &mut Node, error: ReadError) -> bool {
    let mut steps = error.steps;
    let mut known = None;
    let mut last = None;
    if let What::Unknown(expected) = error.what {
        if steps.is_empty() {
            return false;
        }
        known = Some(expected);
        last = Some(steps.remove(0));
    }
    let mut node = root;
    for step in steps.into_iter().rev() {
        let next = match &mut node.value {
            Value::List(items) => items.get_mut(step.0),
            Value::Map(entries) => entries.get_mut(step.0).map(|entry| &mut entry.node),
            _ => None,
        };
        let Some(next) = next else { return false };
        node = next;
    }
    match (last, error.what) {
        (Some(step), _) => {
            let Value::Map(entries) = &mut node.value else {
                return false;
            };
            let there = entries.iter().filter(|entry| !entry.dropped);
            let present: Vec<String> = there.map(|entry| entry.key.clone()).collect();
            let Some(entry) = entries.get_mut(step.0) else {
                return false;
            };
            match known.and_then(|known| closest(&entry.key, known)) {
                // What is in it is looked at as well, and it is not missing.
                Some(meant) if !present.iter().any(|key| key == meant) => {
                    meant.clone_into(&mut entry.key);
                }
                _ => entry.dropped = true,
            }
            true
        }
        (None, What::Missing(field)) => {
            if !matches!(node.value, Value::Map(_)) {
                node.value = Value::Map(Vec::new());
            }
            let place = node.place;
            node.set(field, Node::any(place));
            true
        }
        (None, _) => {
            node.value = match node.value {
                Value::Any(guess) if guess > 4 => return false,
                Value::Any(guess) => Value::Any(guess + 1),
                _ => Value::Any(0),
            };
            true
        }
    }
}

impl<S: DeserializeOwned> Document<S> {
    fn deserialize_from(root: &Node) -> Result<Self, ReadError> {
        // serde's own way needs a lifetime that `DeserializeOwned` has for every tree.
        serde::Deserialize::deserialize(root)
    }
}
