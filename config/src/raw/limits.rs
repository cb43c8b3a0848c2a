//! How many prefixes a neighbour may announce.

use serde::{Deserialize, Serialize};

use super::{Int, Located};

/// How many prefixes are taken from a neighbour, before any filter; at least one of ipv4 and ipv6.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MaximumPrefixesSpec {
    /// The limit for IPv4, 1 to 4294967295. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 4_294_967_295_i64)))]
    pub ipv4: Option<Located<Int>>,
    /// The limit for IPv6, 1 to 4294967295. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 4_294_967_295_i64)))]
    pub ipv6: Option<Located<Int>>,
    /// At which part of a limit there is a warning, in percent, 1 to 100. Default: 75.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 100)))]
    pub warning_percent: Option<Located<Int>>,
    /// What happens when there are more: Restart, Shutdown, Drop or Warn. Default: Restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<LimitActionSpec>,
    /// With Restart: how long the session stays down, 1 to 65535. Default: 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 65535)))]
    pub restart_seconds: Option<Located<Int>>,
}

/// What happens to a session with too many prefixes: Restart, Shutdown, Drop or Warn. Default:
/// Restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum LimitActionSpec {
    /// It ends, and comes back after restartSeconds.
    #[default]
    Restart,
    /// It ends, and stays down until somebody says rcni-bgp peer start.
    Shutdown,
    /// It stays, and further prefixes are not taken.
    Drop,
    /// It stays, and it is only said.
    Warn,
}
