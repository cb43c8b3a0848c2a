//! What `POST /v1/drain` takes, and what is said of it.

use std::time::SystemTime;

use rcni_bgp_proto::speaker::DrainState;
use serde::{Deserialize, Serialize};

/// Names that are listed.
const WAITING_SHOWN: usize = 20;

/// The whole request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Announce everything with GRACEFUL_SHUTDOWN.
    Announce,
    /// End all sessions and forget what was learned.
    Close,
    /// Into use again.
    Off,
}

impl Step {
    /// For the log.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Announce => "draining: everything is announced with GRACEFUL_SHUTDOWN",
            Self::Close => "drained: all sessions end, learned routes go",
            Self::Off => "not drained any more: sessions may come up",
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
#[serde(rename_all = "camelCase", default)]
pub struct DrainStatus {
    /// `off`, `draining` (announced with GRACEFUL_SHUTDOWN) or `drained` (no sessions).
    pub state: String,
    /// Since it began, across restarts of the daemon.
    pub since_seconds: Option<u64>,
    /// Peers with a session to which not everything has been handed over yet; the first twenty.
    pub waiting: Vec<String>,
}

impl DrainStatus {
    /// As of now.
    #[must_use]
    pub fn new<'a>(
        state: DrainState,
        since: Option<SystemTime>,
        untold: impl Iterator<Item = &'a str>,
    ) -> Self {
        let secs = |since: SystemTime| since.elapsed().unwrap_or_default().as_secs();
        let state = match state {
            DrainState::Off => "off",
            DrainState::Announcing => "draining",
            DrainState::Closed => "drained",
        };
        Self {
            state: state.to_owned(),
            since_seconds: since.map(secs),
            waiting: untold.take(WAITING_SHOWN).map(str::to_owned).collect(),
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_stable() {
        let order: DrainOrder = serde_json::from_str(r#"{"step":"close","message":"a"}"#).unwrap();
        assert_eq!(order.step, Step::Close);
        let names = (0..30).map(|_| "tor");
        let status = DrainStatus::new(DrainState::Announcing, Some(SystemTime::now()), names);
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
