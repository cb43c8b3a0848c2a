//! VERSION: which versions of the specification are served in full.

use serde_json::{Value, json};

use crate::error::{CniError, code};
use crate::netconf::{self, SpecVersion};

/// The answer, in the version that was asked in. Stdin may be empty.
///
/// # Errors
/// Code 6 if stdin is something, but no JSON object.
pub fn version(stdin: &[u8]) -> Result<Value, CniError> {
    match netconf::check_object(stdin) {
        Err(error) if error.code != code::IO => return Err(error),
        _ => {}
    }
    let newest = SpecVersion::V1_0_0.as_str().to_owned();
    let asked = netconf::peek_version(stdin).filter(|version| !version.is_empty());
    Ok(json!({
        "cniVersion": asked.unwrap_or(newest),
        "supportedVersions": SpecVersion::ANNOUNCED.map(SpecVersion::as_str),
    }))
}
