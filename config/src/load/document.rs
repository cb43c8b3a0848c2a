//! One document: its text as a tree, and its header, to know what it is.

use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Error, Options};

use super::kind::{self, Kinds};
use super::split::Slice;
use super::tree::{Node, Value};
use crate::raw::{API_VERSION, Place};
use crate::resolve::{Label, Report};

/// What a document says that it is.
pub(super) struct Header {
    pub(super) kind: String,
    pub(super) name: Option<String>,
}

impl Header {
    pub(super) fn label(&self, line_offset: usize) -> Label {
        Label::new(&self.kind, self.name.as_deref(), line_offset)
    }
}

/// The document as a tree; fields that are given twice are reported and dropped.
pub(super) fn tree(report: &mut Report, slice: &Slice<'_>) -> Result<Node, Box<Error>> {
    let mut root = parse(slice.text)?;
    let mut secrets = Vec::new();
    // In both forms: an alias of a number is shown in the one that was read.
    root.secrets(&mut secrets);
    root.as_written(&slice.text.lines().collect::<Vec<&str>>());
    root.secrets(&mut secrets);
    report.hide(secrets);
    let found = (root.field("kind").and_then(Node::text), name_of(&root));
    let label = match found {
        (Some(kind), name) => Label::new(kind, name.as_deref(), slice.line_offset),
        (None, _) => Label::default(),
    };
    root.drop_repeated("", &mut |path, entry| {
        let place = entry.place.moved_down(slice.line_offset);
        report.refuse_field(place, path, &label, "is given twice", "keep one of them");
    });
    Ok(root)
}

fn name_of(root: &Node) -> Option<String> {
    let name = root.field("metadata")?.field("name")?;
    name.text().map(str::to_owned)
}

/// Of a document whose text is wrong somewhere: what the lines above `spec:` say that it is.
pub(super) fn header_above_spec(slice: &Slice<'_>) -> Option<Header> {
    let lines = slice.text.split_inclusive('\n');
    let above = lines
        .take_while(|line| !line.starts_with("spec"))
        .map(str::len)
        .sum();
    let root = parse(slice.text.get(..above)?).ok()?;
    Some(Header {
        kind: root.field("kind")?.text()?.to_owned(),
        name: name_of(&root),
    })
}

/// What the document is, or is taken for; `None` if it has no fields at all. What is wrong with its
/// header is reported and put right, so that the rest can be read.
pub(super) fn check(
    report: &mut Report,
    slice: &Slice<'_>,
    root: &mut Node,
    kinds: &Kinds,
) -> Option<Header> {
    if !matches!(root.value, Value::Map(_)) {
        let place = root.place.moved_down(slice.line_offset);
        report.refuse(place, "", "wrong type", "write fields (name: value)");
        // It may have been meant as the object that the file must have, and as nothing's filter.
        report.remember_broken(kinds.own.first().map(ToString::to_string), None);
        return None;
    }
    let name = name_of(root);
    let given = root.field("kind");
    let place = given.map_or_else(Place::default, |node| node.place);
    let written = given.and_then(Node::text).map(str::to_owned);
    let label = Label::new(
        written.as_deref().unwrap_or_default(),
        name.as_deref(),
        slice.line_offset,
    );
    let kind = match kind::judge(root, kinds) {
        Ok(kind) => kind.to_owned(),
        Err(refused) => {
            let place = match given {
                Some(_) => place.moved_down(slice.line_offset),
                None => slice.first_content(),
            };
            report.refuse_field(place, "kind", &label, &refused.reason, &refused.hint);
            if refused.meant.is_none() {
                report.remember_broken(None, name.clone());
            }
            let kind = refused.meant.map(str::to_owned).or(written);
            let kind = kind.unwrap_or_default();
            let value = Value::Text(kind.clone());
            root.set("kind", Node { place, value });
            kind
        }
    };
    let header = Header { kind, name };
    api_version(report, slice, root, &header.label(slice.line_offset));
    Some(header)
}

fn api_version(report: &mut Report, slice: &Slice<'_>, root: &mut Node, label: &Label) {
    let given = root.field("apiVersion");
    let (place, reason) = match given {
        Some(node) if node.text() == Some(API_VERSION) => return,
        Some(node) => {
            let reason = match node.text() {
                Some(text) => format!("unknown version {text:?}"),
                None => "is not a version".to_owned(),
            };
            (node.place.moved_down(slice.line_offset), reason)
        }
        None => (slice.first_content(), "is required".to_owned()),
    };
    let hint = format!("write {API_VERSION}");
    report.refuse_unread(place, "apiVersion", label, &reason, &hint);
    root.set("apiVersion", Node::any(Place::default()));
}

fn parse(text: &str) -> Result<Node, Box<Error>> {
    serde_saphyr::from_str_with_options(text, options()).map_err(Box::new)
}

/// No text of at most [`super::MAX_FILE_BYTES`] needs more time or memory than a moment's.
fn options() -> Options {
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
        // Both come, and both are looked at: see `Node::drop_repeated`.
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        emit_comments: false,
        with_snippet: false,
    }
}
