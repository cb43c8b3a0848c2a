//! What is known of the configuration's file.

use serde::{Deserialize, Serialize};

/// The file, and whether the daemon runs with what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Configuration {
    /// Its path.
    pub file: String,
    /// Since it was last read and accepted.
    pub accepted_seconds: u64,
    /// Null while the file is fine: else the daemon goes on with what it had.
    pub refused: Option<Refused>,
    /// What of the file takes effect at the next start only, one line each.
    pub next_start: Vec<String>,
    /// What should not stay so, one line each.
    pub warnings: Vec<String>,
}

/// Why the file is not used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// For so long.
    pub since_seconds: u64,
    /// How many are in `errors`, or would be if it were not cut off.
    pub error_count: usize,
    /// One line each, `FILE:LINE:COLUMN: …`; the first hundred.
    pub errors: Vec<String>,
}
