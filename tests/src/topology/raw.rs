//! The file as it is written: one field per key that the lab honours or may ignore.
//!
//! `deny_unknown_fields` everywhere: a key that is not here cannot be honoured, and pretending
//! would make a lab that behaves otherwise than in containerlab. Values keep their place in the
//! file, so that what is refused later can still name its line.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) name: Spanned<String>,
    /// Prefix of container names; namespaces have none.
    #[serde(default, rename = "prefix")]
    _prefix: Option<IgnoredAny>,
    pub(super) topology: Spanned<Body>,
}

/// `topology:`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    #[serde(default)]
    pub(super) defaults: Option<Node>,
    #[serde(default)]
    pub(super) kinds: BTreeMap<String, Option<Node>>,
    #[serde(default)]
    pub(super) groups: BTreeMap<String, Option<Node>>,
    pub(super) nodes: BTreeMap<String, Spanned<Option<Node>>>,
    #[serde(default)]
    pub(super) links: Vec<Spanned<Link>>,
}

/// A node, or what a group, a kind or the defaults say about nodes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Node {
    pub(super) kind: Option<Spanned<String>>,
    pub(super) group: Option<Spanned<String>>,
    pub(super) image: Option<Spanned<String>>,
    pub(super) cmd: Option<Spanned<String>>,
    pub(super) entrypoint: Option<Spanned<String>>,
    pub(super) network_mode: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) exec: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) binds: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, Spanned<Scalar>>,
    #[serde(default)]
    pub(super) sysctls: BTreeMap<String, Spanned<Scalar>>,
    /// Nodes are privileged; only the opposite would have a meaning.
    pub(super) privileged: Option<Spanned<Scalar>>,
    // Without a meaning for namespaces: they describe the container around the node.
    #[serde(rename = "labels")]
    _labels: Option<IgnoredAny>,
    #[serde(rename = "image-pull-policy")]
    _image_pull_policy: Option<IgnoredAny>,
    #[serde(rename = "restart-policy")]
    _restart_policy: Option<IgnoredAny>,
    #[serde(rename = "auto-remove")]
    _auto_remove: Option<IgnoredAny>,
    #[serde(rename = "cap-add")]
    _cap_add: Option<IgnoredAny>,
}

/// A value that containerlab turns into a string.
#[derive(Debug)]
pub(super) enum Scalar {
    Bool(bool),
    Integer(i64),
    Number(f64),
    Text(String),
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ScalarVisitor)
    }
}

/// By hand, because a derived one explains itself in words of its implementation.
struct ScalarVisitor;

impl Visitor<'_> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, true or false")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar::Integer(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Scalar, E> {
        Ok(i64::try_from(value).map_or_else(|_| Scalar::Text(value.to_string()), Scalar::Integer))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Scalar, E> {
        Ok(Scalar::Number(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(value.to_owned()))
    }
}

impl Scalar {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
            Self::Text(value) => value.clone(),
        }
    }
}

/// A link in the short form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    pub(super) endpoints: Vec<Spanned<String>>,
    pub(super) mtu: Option<Spanned<Scalar>>,
}
