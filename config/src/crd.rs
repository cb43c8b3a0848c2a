//! The kinds as custom resources: the same specs ([`crate::raw`]), with the definitions that a
//! cluster needs to know them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

pub use crate::raw::{BFDProfile, BGPConfiguration, BGPFilter, BGPPeer};

/// Says at the head of a generated file where it comes from.
const HEAD: &str = "# Generated from config/src/raw; do not edit. How: config/README.md.\n";

/// All definitions, by the names of their files in `config/crd`.
#[must_use]
pub fn all() -> Vec<(&'static str, CustomResourceDefinition)> {
    vec![
        ("bfdprofiles.yaml", BFDProfile::crd()),
        ("bgpconfigurations.yaml", BGPConfiguration::crd()),
        ("bgpfilters.yaml", BGPFilter::crd()),
        ("bgppeers.yaml", BGPPeer::crd()),
    ]
}

/// A definition as the text of its file.
///
/// # Errors
/// What the serializer says; no definition that compiles has been seen to fail.
pub fn yaml(definition: &CustomResourceDefinition) -> Result<String, serde_saphyr::ser::Error> {
    Ok(format!("{HEAD}{}", serde_saphyr::to_string(definition)?))
}
