//! What `GET /v1/status` answers. Stable: fields may be added, never renamed or given another meaning
//! without a new `version`.

use serde::{Deserialize, Serialize};

/// The version of this shape.
pub const VERSION: u32 = 1;

/// The whole answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// [`VERSION`].
    pub version: u32,
    /// Of the daemon.
    pub pid: u32,
    /// Since its start.
    pub uptime_seconds: u64,
    /// Rules, routes, settings and the network configuration are in place, now.
    pub ready: bool,
    /// Null: it is not.
    pub ready_since_seconds: Option<u64>,
    /// When everything was looked at last; null: not yet.
    pub last_check_seconds: Option<u64>,
    /// How often that was.
    pub checks: u64,
    /// How often something failed.
    pub failed_checks: u64,
    /// What somebody else had changed and was put back, since the start.
    pub repaired: u64,
    /// Why it is not ready.
    pub failures: Vec<String>,
    /// What deserves attention all the same.
    pub notes: Vec<String>,
    /// Of this node.
    #[serde(rename = "podCIDRs")]
    pub pod_cidrs: Vec<String>,
    /// Where the network configuration is.
    pub conflist: String,
}
