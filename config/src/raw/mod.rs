//! The configuration as it is written: the one definition of all fields.
//!
//! The same structs read a YAML file and a custom resource (feature `crd`); a [`Located`] value keeps
//! its line, so that what is refused later, by meaning, is still reported with its place.

mod as_number;
mod bfd;
mod bgp;
mod felix;
mod filter;
mod int;
mod limits;
mod located;
mod peer;
mod secret;

pub use as_number::AsNumber;
pub use bfd::*;
pub use bgp::*;
pub use felix::*;
pub use filter::*;
pub use int::Int;
pub use limits::*;
pub(crate) use located::LOCATED;
pub use located::{Located, Place};
pub use peer::*;
pub use secret::Secret;

use serde::{Deserialize, Serialize};

/// `apiVersion` of all kinds.
pub const API_VERSION: &str = "rcni.io/v1alpha1";

/// `metadata` of a document in a file. What else Kubernetes keeps there has no meaning in a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// The object's name, unique among those of its kind.
    pub name: Located<String>,
}

/// One document of a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Document<S> {
    /// [`API_VERSION`].
    pub api_version: Located<String>,
    /// Which of the specs.
    pub kind: Located<String>,
    /// The object's name.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: Located<S>,
}

/// A spec with its object's name, from wherever it came.
#[derive(Clone, Debug)]
pub struct Object<S> {
    /// `metadata.name`.
    pub name: Located<String>,
    /// What is wanted.
    pub spec: S,
    /// Where it begins: for what is missing in it.
    pub place: Place,
    /// How many lines of the file are before the document; its places count from there.
    pub line_offset: usize,
}

/// All objects that concern `rcni-bgp`.
#[derive(Clone, Debug, Default)]
pub struct SpeakerObjects {
    /// There must be exactly one.
    pub configurations: Vec<Object<BGPConfigurationSpec>>,
    /// The neighbours.
    pub peers: Vec<Object<BGPPeerSpec>>,
    /// What the neighbours' `filters` name.
    pub filters: Vec<Object<BGPFilterSpec>>,
    /// What the neighbours' `bfdProfile` names.
    pub bfd_profiles: Vec<Object<BFDProfileSpec>>,
}
