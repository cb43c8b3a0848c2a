//! What `POST /v1/drain` takes, and what is said of it.

use std::time::SystemTime;

use rcni_bgp_proto::speaker::DrainState;
use serde::{Deserialize, Serialize};

/// Names that are listed.
const WAITING_SHOWN: usize = 20;

/// The whole request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DrainOrder {
    /// What to do.
    pub step: Step,
    /// For the operators on the other side (RFC 9003), with `close`.
    #[serde(default)]
    pub message: String,
}

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Announce everything with GRACEFUL_SHUTDOWN.
    Announce,
    /// End all sessions and forget what was learned.
    Close,
    /// Into use again, as soon as what peers tell is in the kernel.
    Off,
}

impl Step {
    /// For the log.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Announce => "draining: everything is announced with GRACEFUL_SHUTDOWN",
            Self::Close => "drained: all sessions end, learned routes go",
            Self::Off => {
                "coming back into use: announced with GRACEFUL_SHUTDOWN until what peers tell is in the kernel"
            }
        }
    }
}

impl DrainOrder {
    /// Whether it can be carried out.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        super::orders::check_message(&self.message)
    }
}

/// Why a step is not done.
#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    /// Somebody has taken it back.
    #[error("the node is not being drained (any more); nothing was closed")]
    NotDraining,
    /// The file.
    #[error(
        "cannot write the mark that a drained node has beside its socket: {0}; nothing was done"
    )]
    Mark(std::io::Error),
}

impl DrainError {
    pub(crate) fn mark(error: std::io::Error) -> Self {
        Self::Mark(error)
    }
}

/// Whether the node is in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct DrainStatus {
    /// `off`, `draining` (announced with GRACEFUL_SHUTDOWN), `drained` (no sessions) or `returning`
    /// (sessions come up, announced with GRACEFUL_SHUTDOWN).
    pub state: String,
    /// Since it began, or began to return, across restarts of the daemon.
    pub since_seconds: Option<u64>,
    /// Peers with a session to which not everything has been handed over yet; on the way back, peers
    /// whose routes are waited for, ranges and links that others may come from (none: the kernel is). The first twenty.
    pub waiting: Vec<String>,
}

impl DrainStatus {
    /// As of now.
    #[must_use]
    pub fn new(state: DrainState, since: Option<SystemTime>, unready: &[&str]) -> Self {
        let secs = |since: SystemTime| since.elapsed().unwrap_or_default().as_secs();
        let state = match state {
            DrainState::Off => "off",
            DrainState::Announcing => "draining",
            DrainState::Closed => "drained",
            DrainState::Returning(_) => "returning",
        };
        let waiting = unready.iter().take(WAITING_SHOWN);
        Self {
            state: state.to_owned(),
            since_seconds: since.map(secs),
            waiting: waiting.map(|name| (*name).to_owned()).collect(),
        }
    }

    /// Not in use at all.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.state == "drained"
    }

    /// On the way.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.state == "draining"
    }

    /// On the way back.
    #[must_use]
    pub fn is_returning(&self) -> bool {
        self.state == "returning"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_stable() {
        let order: DrainOrder = serde_json::from_str(r#"{"step":"close","message":"a"}"#).unwrap();
        assert_eq!(order.step, Step::Close);
        let names = ["tor"; 30];
        let status = DrainStatus::new(DrainState::Announcing, Some(SystemTime::now()), &names);
        assert_eq!(status.waiting.len(), 20);
        let text = serde_json::to_string(&DrainStatus {
            waiting: vec![],
            ..status
        })
        .unwrap();
        assert_eq!(
            text,
            r#"{"state":"draining","sinceSeconds":0,"waiting":[]}"#
        );
        let long = DrainOrder {
            step: Step::Close,
            message: "x".repeat(256),
        };
        assert!(long.check().unwrap_err().contains("256 octets"));
    }
}
