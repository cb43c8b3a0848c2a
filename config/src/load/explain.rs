//! What the YAML reader refuses, in the words of somebody who writes configurations.

use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter};

use super::document::{Failure, Header};
use super::split::Slice;
use crate::raw::Place;
use crate::resolve::Report;

/// Puts `failure` into the report, with its place in the whole file.
pub(super) fn explain(
    report: &mut Report,
    slice: &Slice<'_>,
    header: Option<&Header>,
    failure: Failure,
) {
    let Failure { mut path, error } = failure;
    // The place where an alias is used is the one to look at; its message is about the value.
    let place = error.locations().map(|both| both.reference_location.into());
    let place: Place = place.unwrap_or_default();
    let place = place.moved_down(slice.line_offset);
    let (leaf, reason, hint) = explanation(&error);
    if matches!(*error, Error::ExternalMessage { .. }) {
        // Where the text is no YAML, the reader's idea of the field is a guess.
        path.clear();
    }
    if let Some(leaf) = leaf.filter(|leaf| !ends_with(&path, leaf)) {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(&leaf);
    }
    if let Some(header) = header {
        let name = header.name.as_deref().unwrap_or("without a name");
        let space = if path.is_empty() { "" } else { " " };
        path = format!("{path}{space}({} {name})", header.kind);
    }
    report.refuse(place, &path, &reason, &hint);
}

fn ends_with(path: &str, leaf: &str) -> bool {
    path.strip_suffix(leaf)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The last step of the path if the error names it, the reason, and what to write instead.
fn explanation(error: &Error) -> (Option<String>, String, String) {
    match error {
        Error::AliasError { error, .. } | Error::WithSnippet { error, .. } => explanation(error),
        Error::SerdeUnknownField {
            field, expected, ..
        } => {
            let known = expected.join(", ");
            let hint = match closest(field, expected) {
                Some(meant) => format!("did you mean {meant}? Known here: {known}"),
                None => format!("known here: {known}"),
            };
            (Some(field.clone()), "unknown field".to_owned(), hint)
        }
        Error::SerdeMissingField { field, .. } => (
            Some((*field).to_owned()),
            "is required".to_owned(),
            format!("add {field}"),
        ),
        Error::DuplicateMappingKey { key, .. } => (
            key.clone(),
            "is given twice".to_owned(),
            "keep one of them".to_owned(),
        ),
        Error::SerdeUnknownVariant {
            variant, expected, ..
        } => {
            let hint = format!("write one of {}", expected.join(", "));
            (None, format!("unknown value {variant:?}"), hint)
        }
        _ => {
            let (reason, hint) = wrong_value(error).unwrap_or_else(|| wrong_yaml(error));
            (None, reason, hint)
        }
    }
}

/// A value that its field cannot have.
fn wrong_value(error: &Error) -> Option<(String, String)> {
    let plain = |reason: &str, hint: &str| (reason.to_owned(), hint.to_owned());
    Some(match error {
        Error::SerdeInvalidType {
            unexpected,
            expected,
            ..
        }
        | Error::SerdeInvalidValue {
            unexpected,
            expected,
            ..
        } => {
            let reason = match unexpected.as_str() {
                "unit value" | "null" => "has no value".to_owned(),
                unexpected => format!("wrong type: {unexpected}"),
            };
            (reason, format!("write {}", wanted(expected)))
        }
        Error::InvalidScalar { ty, .. } => {
            ("wrong type".to_owned(), format!("write {}", wanted(ty)))
        }
        Error::Unexpected { expected, .. } => (
            "wrong type".to_owned(),
            format!("write {}", wanted(expected)),
        ),
        Error::InvalidBooleanStrict { .. } => plain("is not a boolean", "write true or false"),
        Error::NullIntoString { .. } => plain("has no value", "write a text"),
        Error::Eof { .. } => plain("ends too early", "write the missing value"),
        _ => return None,
    })
}

/// What the document may not have anywhere.
fn wrong_yaml(error: &Error) -> (String, String) {
    let plain = |reason: &str, hint: &str| (reason.to_owned(), hint.to_owned());
    match error {
        Error::MergeKeyNotAllowed { .. } => {
            plain("merge keys (<<) are not supported", "write the fields out")
        }
        Error::UnknownAnchor { .. } => plain(
            "the alias (*name) has no anchor (&name) in this document",
            "write the value out",
        ),
        Error::MultipleDocuments { .. } => plain(
            "more than one document in one",
            "put a line with only --- between them",
        ),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => {
            let reason = format!(
                "is too large, too deep or has too many aliases: {}",
                text(error)
            );
            (
                reason,
                "write the values out, one object per document".to_owned(),
            )
        }
        _ => (
            format!("is not valid YAML: {}", text(error)),
            "correct the syntax".to_owned(),
        ),
    }
}

fn text(error: &Error) -> String {
    UserMessageFormatter.format_message(error).into_owned()
}

/// The reader's names for types, in words.
fn wanted(name: &str) -> &str {
    match name {
        "bool" | "boolean" | "a boolean" => "true or false",
        "string" | "a string" | "string scalar" => "a text",
        "mapping start" | "mapping" => "fields (name: value)",
        "sequence start" | "sequence" | "a sequence" => {
            "a list ([a, b], or lines that begin with -)"
        }
        name if name.starts_with("struct ") => "fields (name: value)",
        name => name,
    }
}

/// The known name that was probably meant: the same in other case, or at most two letters off.
pub(super) fn closest<'k>(given: &str, known: &[&'k str]) -> Option<&'k str> {
    if given.len() > 64 {
        return None;
    }
    let given = given.to_ascii_lowercase();
    let scored = known
        .iter()
        .map(|name| (distance(&given, &name.to_ascii_lowercase()), *name));
    let (score, name) = scored.min_by_key(|(score, _)| *score)?;
    (score <= 2 && score * 2 < name.len()).then_some(name)
}

/// Levenshtein's: letters to add, drop or replace.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(&b) {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("ab", "ba", 2),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn only_what_is_close_is_suggested() {
        let known = ["peerIP", "asNumber", "min"];
        assert_eq!(closest("peerip", &known), Some("peerIP"));
        assert_eq!(closest("asNumbr", &known), Some("asNumber"));
        assert_eq!(closest("max", &known), None);
        assert_eq!(closest("bfd", &known), None);
    }
}
