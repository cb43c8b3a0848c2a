//! One document: first its header, to know what it is, then the whole by that kind's fields.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Error, Options};

use super::Kinds;
use super::explain::closest;
use super::split::Slice;
use crate::raw::{API_VERSION, Document, Located, Object};
use crate::resolve::Report;

/// What is wrong with a document's text or types, and at which field.
pub(super) struct Failure {
    pub(super) path: String,
    pub(super) error: Box<Error>,
}

/// What a document says that it is.
pub(super) struct Header {
    pub(super) kind: String,
    pub(super) name: Option<String>,
}

/// The first look at a document; what it does not know is looked at later.
#[derive(Deserialize)]
pub(super) struct RawHeader {
    #[serde(rename = "apiVersion")]
    api_version: Option<Located<String>>,
    kind: Option<Located<String>>,
    metadata: Option<RawName>,
}

#[derive(Deserialize)]
struct RawName {
    name: Option<String>,
}

pub(super) fn header(slice: &Slice<'_>) -> Result<RawHeader, Failure> {
    // Which of two equal keys is meant is asked when the kind is known.
    parse(slice.text, DuplicateKeyPolicy::FirstWins)
}

/// Of a document whose text is wrong somewhere: what the lines above `spec:` say that it is.
pub(super) fn header_above_spec(slice: &Slice<'_>) -> Option<Header> {
    let lines = slice.text.split_inclusive('\n');
    let above = lines
        .take_while(|line| !line.starts_with("spec"))
        .map(str::len)
        .sum();
    let raw: RawHeader = parse(slice.text.get(..above)?, DuplicateKeyPolicy::FirstWins).ok()?;
    Some(Header {
        kind: raw.kind?.value,
        name: raw.metadata.and_then(|metadata| metadata.name),
    })
}

/// The header of a document that this file may have; `None` if it was refused.
pub(super) fn check(
    report: &mut Report,
    slice: &Slice<'_>,
    raw: RawHeader,
    kinds: &Kinds,
) -> Option<Header> {
    let name = raw.metadata.and_then(|metadata| metadata.name);
    let label = |kind: &str| match &name {
        Some(name) => format!(" ({kind} {name})"),
        None => format!(" ({kind})"),
    };
    let absolute = |place: crate::raw::Place| place.moved_down(slice.line_offset);
    let first_line = slice.first_content();
    let known = kinds.own.join(", ");
    let Some(kind) = raw.kind else {
        report.refuse(
            first_line,
            "kind",
            "is required",
            &format!("write one of {known}"),
        );
        report.remember_broken(None, name);
        return None;
    };
    let kind_label = label(&kind.value);
    if kinds.foreign.contains(&kind.value.as_str()) {
        let reason = format!("a {} does not belong into this file", kind.value);
        let hint = format!("move it to the other program's ({})", kinds.foreign_file);
        report.refuse(
            absolute(kind.place),
            &format!("kind{kind_label}"),
            &reason,
            &hint,
        );
        return None;
    }
    if !kinds.own.contains(&kind.value.as_str()) {
        let hint = match closest(&kind.value, kinds.own) {
            Some(meant) => format!("did you mean {meant}? There are {known}"),
            None => format!("write one of {known}"),
        };
        let reason = format!("unknown kind {:?}", kind.value);
        report.refuse(
            absolute(kind.place),
            &format!("kind{kind_label}"),
            &reason,
            &hint,
        );
        report.remember_broken(None, name);
        return None;
    }
    let hint = format!("write {API_VERSION}");
    let field = format!("apiVersion{kind_label}");
    match raw.api_version {
        Some(version) if version.value == API_VERSION => {
            return Some(Header {
                kind: kind.value,
                name,
            });
        }
        Some(version) => {
            let reason = format!("unknown version {:?}", version.value);
            report.refuse(absolute(version.place), &field, &reason, &hint);
        }
        None => report.refuse(first_line, &field, "is required", &hint),
    }
    report.remember_broken(Some(kind.value), name);
    None
}

/// The whole document; its kind and version were checked before.
pub(super) fn object<S: DeserializeOwned>(slice: &Slice<'_>) -> Result<Object<S>, Failure> {
    let document: Document<S> = parse(slice.text, DuplicateKeyPolicy::Error)?;
    Ok(Object {
        name: document.metadata.name,
        spec: document.spec,
        line_offset: slice.line_offset,
    })
}

fn parse<T: DeserializeOwned>(text: &str, duplicates: DuplicateKeyPolicy) -> Result<T, Failure> {
    let mut path = String::new();
    let parsed = serde_saphyr::with_deserializer_from_str_with_options(
        text,
        options(duplicates),
        |deserializer| {
            serde_path_to_error::deserialize(deserializer).map_err(|error| {
                path = field_path(error.path());
                error.into_inner()
            })
        },
    );
    parsed.map_err(|error| Failure {
        path,
        error: Box::new(error),
    })
}

/// No text of at most [`super::MAX_FILE_BYTES`] needs more time or memory than a moment's.
fn options(duplicates: DuplicateKeyPolicy) -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 32,
            flow_nesting_limit: 32,
            max_nodes: 200_000,
            max_events: 500_000,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_recorded_anchor_events: 20_000,
            max_recorded_anchor_bytes: 1 << 20,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 8,
        },
        duplicate_keys: duplicates,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        emit_comments: false,
        with_snippet: false,
    }
}

/// `spec.networks[1].cidr`. The step that `Spanned` adds (see `Located`) is left out: none of our
/// own fields is called `value`.
fn field_path(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("[{index}]")),
            Segment::Map { key } if key == "value" => {}
            Segment::Map { key } | Segment::Enum { variant: key } => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Segment::Unknown => {}
        }
    }
    text
}
