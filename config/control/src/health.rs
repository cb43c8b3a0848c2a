//! `/readyz`: whether the node may be used, part by part.

use std::fmt::Write as _;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// One thing that must be as it should for the node to be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// A word: `rules`, `conflist`.
    pub name: String,
    /// Why it is not; null: it is.
    pub failure: Option<String>,
}

impl Check {
    /// As it should be, or why not.
    #[must_use]
    pub fn new(name: &str, outcome: Result<(), String>) -> Self {
        Self {
            name: name.to_owned(),
            failure: outcome.err(),
        }
    }
}

/// The answer, in the words of Kubernetes' own: a line for each check, and 200 if all are good, else 503.
#[must_use]
pub fn answer(checks: &[Check]) -> Response {
    let ready = checks.iter().all(|check| check.failure.is_none());
    let status = match ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, text(checks, ready)).into_response()
}

fn text(checks: &[Check], ready: bool) -> String {
    let mut out = String::new();
    for check in checks {
        // Writing to a string cannot fail.
        let _ = match &check.failure {
            None => writeln!(out, "[+]{} ok", check.name),
            Some(why) => writeln!(out, "[-]{} failed: {why}", check.name),
        };
    }
    let passed = if ready { "passed" } else { "failed" };
    let _ = writeln!(out, "readyz check {passed}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_is_enough_and_is_named() {
        let good = Check::new("rules", Ok(()));
        let bad = Check::new("conflist", Err("no room on the disk".to_owned()));
        assert_eq!(answer(&[]).status(), StatusCode::OK);
        assert_eq!(answer(std::slice::from_ref(&good)).status(), StatusCode::OK);
        let both = [good, bad];
        assert_eq!(answer(&both).status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            text(&both, false),
            "[+]rules ok\n[-]conflist failed: no room on the disk\nreadyz check failed\n"
        );
    }
}
