//! What the YAML reader refuses, in the words of somebody who writes configurations.

use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter};

use super::document::Header;
use super::split::Slice;
use crate::raw::Place;
use crate::resolve::Report;
use crate::secrets::{is_about_secrets, is_around_secrets};

/// Puts `error` into the report, with its place in the whole file.
pub(super) fn explain(
    report: &mut Report,
    slice: &Slice<'_>,
    header: Option<&Header>,
    error: &Error,
) {
    // The place where an alias is used is the one to look at; its message is about the value.
    let place = error.locations().map(|both| both.reference_location.into());
    let place: Place = place.unwrap_or_default();
    let place = place.moved_down(slice.line_offset);
    let mut error = error;
    while let Error::AliasError { error: inner, .. } | Error::WithSnippet { error: inner, .. } =
        error
    {
        error = inner;
    }
    let (mut reason, hint) = wrong_yaml(error);
    if is_about_secrets(slice.text) || is_around_secrets(slice.text) {
        reason = without_quoted(&reason);
    }
    let label = header.map(|header| header.label(slice.line_offset));
    report.refuse(place, &label.unwrap_or_default().text, &reason, &hint);
}

/// Without what the reader quotes from the text, except single signs.
fn without_quoted(reason: &str) -> String {
    let mut out = String::new();
    for quote in ['`', '"'] {
        let text = if out.is_empty() { reason } else { &out };
        let parts = text.split(quote).enumerate();
        let parts = parts.map(|(index, part)| match index % 2 {
            1 if part.chars().count() > 1 => "***",
            _ => part,
        });
        let hidden = parts.collect::<Vec<_>>().join(&quote.to_string());
        out = hidden;
    }
    out
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
pub(super) fn wanted(name: &str) -> &str {
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
