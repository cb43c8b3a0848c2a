//! How the way to a neighbour is watched.

use serde::{Deserialize, Serialize};

use super::{Int, Located};

/// Times of BFD (RFC 5880) for the neighbours that name this profile.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(kube::CustomResource, schemars::JsonSchema))]
#[cfg_attr(
    feature = "crd",
    kube(
        group = "rcni.io",
        version = "v1alpha1",
        kind = "BFDProfile",
        plural = "bfdprofiles",
        singular = "bfdprofile",
        doc = "Times of BFD (RFC 5880) for the neighbours that name this profile."
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BFDProfileSpec {
    /// Pause between packets to the neighbour, 10 to 60000; longer if the neighbour takes fewer.
    /// Default: 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 10, max = 60000)))]
    pub transmit_interval_milliseconds: Option<Located<Int>>,
    /// The shortest pause between the neighbour's packets that this side can bear, 10 to 60000.
    /// Default: 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 10, max = 60000)))]
    pub receive_interval_milliseconds: Option<Located<Int>>,
    /// After so many lost packets of this side in a row the neighbour takes it for gone, 1 to 255.
    /// Default: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 255)))]
    pub detect_multiplier: Option<Located<Int>>,
    /// Send nothing before the neighbour has. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passive: Option<bool>,
    /// For neighbours behind routers: packets with a lower TTL are dropped, 1 to 254. Neighbours on
    /// the link must have 255. Default: 254.
    #[serde(
        rename = "minimumTTL",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 254)))]
    pub minimum_ttl: Option<Located<Int>>,
}
