//! What a document is, or was meant to be: its `kind`, and where that is wrong, what is most like it
//! or has such fields. Only so can the rest of the document be read.

use serde::de::DeserializeOwned;

use super::read::What;
use super::tree::{Entry, Node, Value};
use crate::paths;
use crate::raw::{
    BFDProfileSpec, BGPConfigurationSpec, BGPFilterSpec, BGPPeerSpec, FelixConfigurationSpec, Place,
};
use crate::similar::closest;

/// Which kinds a file may have, and where those of the other program belong.
pub(super) struct Kinds {
    pub(super) own: &'static [&'static str],
    foreign: &'static [&'static str],
    foreign_file: &'static str,
}

const BGP_KINDS: &[&str] = &["BGPConfiguration", "BGPPeer", "BGPFilter", "BFDProfile"];
const NODE_KINDS: &[&str] = &["FelixConfiguration"];
pub(super) const SPEAKER_KINDS: Kinds = Kinds {
    own: BGP_KINDS,
    foreign: NODE_KINDS,
    foreign_file: paths::FELIX_CONFIG,
};
pub(super) const FELIX_KINDS: Kinds = Kinds {
    own: NODE_KINDS,
    foreign: BGP_KINDS,
    foreign_file: paths::BGP_CONFIG,
};

/// A kind that this file does not have.
pub(super) struct Refused {
    pub(super) reason: String,
    pub(super) hint: String,
    /// What the document is read as.
    pub(super) meant: Option<&'static str>,
}

/// The document's kind if this file may have it.
pub(super) fn judge(root: &Node, kinds: &Kinds) -> Result<&'static str, Refused> {
    let given = root.field("kind");
    let text = given.and_then(Node::text);
    let is = |known: &&&'static str| Some(**known) == text;
    if let Some(known) = kinds.own.iter().find(is) {
        return Ok(known);
    }
    if let Some(known) = kinds.foreign.iter().find(is) {
        return Err(foreign(root, kinds, known));
    }
    let all: Vec<&'static str> = kinds.own.iter().chain(kinds.foreign).copied().collect();
    let like = text.and_then(|text| alike(text, &all));
    // A file for one kind only, and nothing that speaks against it.
    let only = kinds
        .own
        .first()
        .filter(|_| kinds.own.len() == 1 && text.is_none());
    let meant = like.or_else(|| by_fields(root, &all)).or(only.copied());
    let known = kinds.own.join(", ");
    let hint = match meant {
        Some(meant) if kinds.foreign.contains(&meant) => format!(
            "did you mean {meant}? That belongs into the other program's file ({}); here: {known}",
            kinds.foreign_file
        ),
        Some(meant) if kinds.own.len() > 1 => format!("did you mean {meant}? There are {known}"),
        Some(meant) => format!("write {meant}"),
        None => format!("write one of {known}"),
    };
    let reason = match (given, text) {
        (_, Some(text)) => format!("unknown kind {text:?}"),
        (Some(_), None) => "is not a kind".to_owned(),
        (None, None) => "is required".to_owned(),
    };
    Err(Refused {
        reason,
        hint,
        meant,
    })
}

/// The other program's, unless its fields say that only the kind is wrong.
fn foreign(root: &Node, kinds: &Kinds, known: &'static str) -> Refused {
    let all: Vec<&'static str> = kinds.own.iter().copied().chain([known]).collect();
    let meant = by_fields(root, &all).unwrap_or(known);
    let mut hint = format!("move it to the other program's ({})", kinds.foreign_file);
    if meant != known {
        hint = format!("write {meant}, which has such fields, or {hint}");
    }
    Refused {
        reason: format!("a {known} does not belong into this file"),
        hint,
        meant: Some(meant),
    }
}

/// `FelixConfig`, `BGPPeers`.
fn alike(given: &str, known: &[&'static str]) -> Option<&'static str> {
    const LEAST: usize = 5;
    closest(given, known).or_else(|| {
        let given = given.to_ascii_lowercase();
        let begins = |name: &&&str| {
            let name = name.to_ascii_lowercase();
            given.len() >= LEAST && (name.starts_with(&given) || given.starts_with(&name))
        };
        known.iter().find(begins).copied()
    })
}

/// The one whose spec has the most of the fields that are there.
fn by_fields(root: &Node, kinds: &[&'static str]) -> Option<&'static str> {
    let Value::Map(entries) = &root.field("spec")?.value else {
        return None;
    };
    let score = |kind: &&'static str| {
        let known = fields(kind);
        let there = entries.iter().filter(|entry| !entry.dropped);
        // More than any spec has: who writes so many has written no spec.
        let matching = there
            .take(64)
            .filter(|entry| closest(&entry.key, known).is_some());
        (matching.count(), *kind)
    };
    let mut scores: Vec<(usize, &'static str)> = kinds.iter().map(score).collect();
    scores.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    match scores.as_slice() {
        [(best, kind), rest @ ..] if rest.iter().all(|(score, _)| score < best) => Some(kind),
        _ => None,
    }
}

fn fields(kind: &str) -> &'static [&'static str] {
    match kind {
        "BGPConfiguration" => fields_of::<BGPConfigurationSpec>(),
        "BGPPeer" => fields_of::<BGPPeerSpec>(),
        "BGPFilter" => fields_of::<BGPFilterSpec>(),
        "BFDProfile" => fields_of::<BFDProfileSpec>(),
        _ => fields_of::<FelixConfigurationSpec>(),
    }
}

/// The answer to a field that nobody has.
fn fields_of<S: DeserializeOwned>() -> &'static [&'static str] {
    let place = Place::default();
    let nobody = Entry {
        key: String::new(),
        place,
        node: Node::any(place),
        dropped: false,
    };
    let value = Value::Map(vec![nobody]);
    let answer = <S as serde::Deserialize>::deserialize(&Node { place, value });
    match answer.map(drop).map_err(|error| error.what) {
        Err(What::Unknown(known)) => known,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_tells_its_fields() {
        for (kind, field) in [
            ("BGPConfiguration", "routerID"),
            ("BGPPeer", "peerIP"),
            ("BGPFilter", "importV4"),
            ("BFDProfile", "detectMultiplier"),
            ("FelixConfiguration", "podCIDRs"),
        ] {
            assert!(fields(kind).contains(&field), "{kind}: {:?}", fields(kind));
        }
    }

    #[test]
    fn names_that_are_alike() {
        let all: Vec<&str> = [BGP_KINDS, NODE_KINDS].concat();
        for (given, expected) in [
            ("FelixConfig", Some("FelixConfiguration")),
            ("bgppeers", Some("BGPPeer")),
            ("BGPConfig", Some("BGPConfiguration")),
            ("BGPPeerSpec", Some("BGPPeer")),
            ("BGP", None),
            ("IPPool", None),
            ("", None),
        ] {
            assert_eq!(alike(given, &all), expected, "{given}");
        }
    }
}
