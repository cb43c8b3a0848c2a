//! CHECK: whether what ADD made is still there. Reads only.

use super::Request;
use crate::error::CniError;

/// Checks.
///
/// # Errors
/// What is missing.
pub fn check(_request: &Request) -> Result<(), CniError> {
    Err(CniError::environment(
        "CNI_COMMAND CHECK is not offered yet",
        "set \"disableCheck\": true in the conflist",
    ))
}
