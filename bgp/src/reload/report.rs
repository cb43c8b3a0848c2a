//! What another configuration does, for people and scripts: the answer of `rcni-bgp reload` and of
//! `rcni-bgp check --against-running`. Stable like the status.

use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};

use rcni_control::text::escape;

/// The version of this shape.
pub const VERSION: u32 = 1;

/// What `POST /v1/compare` takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Candidate {
    /// The file's name in errors.
    pub name: String,
    /// All of it.
    pub text: String,
}

/// What happens to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Its session stays.
    Live,
    /// Of a range whose network is another: the sessions of those that are in both stay, the others end
    /// with Cease/Peer De-configured (6/3).
    Part,
    /// Its session ends with Cease/Other Configuration Change (6/6), and begins again.
    Reset,
    /// Another router: the session with the old one ends with Cease/Peer De-configured (6/3).
    Anew,
    /// It is new.
    Added,
    /// Its session ends with Cease/Peer De-configured (6/3).
    Removed,
}

impl Effect {
    /// Whether a session ends for it.
    #[must_use]
    pub fn ends_session(self) -> bool {
        matches!(self, Self::Part | Self::Reset | Self::Anew | Self::Removed)
    }
}

/// One peer, or a range with all of its peers, that is concerned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct PeerReport {
    /// Configured name.
    pub name: String,
    /// A `peerRange`.
    #[serde(default)]
    pub range: bool,
    /// What happens.
    pub effect: Effect,
    /// Which fields are different, as the file has them.
    pub fields: Vec<String>,
}

impl PeerReport {
    /// In words, without the name.
    #[must_use]
    pub fn says(&self) -> String {
        let fields = self.fields.join(", ");
        let session = match self.range {
            true => "the sessions of the range",
            false => "the session",
        };
        match self.effect {
            Effect::Live => format!("takes effect in {session}: {fields}"),
            Effect::Part => format!(
                "takes effect in {session}, and those who are not in it any more are removed: {fields}"
            ),
            Effect::Reset => format!("RESET of {session}, for another {fields}"),
            Effect::Anew => {
                format!("RESET of {session}: it is somebody else now, by another {fields}")
            }
            Effect::Added => "new".to_owned(),
            Effect::Removed => format!("removed: {session} ends"),
        }
    }
}

/// The whole answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// Of the speaker itself, one line each.
    pub speaker: Vec<String>,
    /// Of listening sockets, one line each.
    #[serde(default)]
    pub sockets: Vec<String>,
    /// What only takes effect when rcni-bgp starts the next time, one line each.
    pub next_start: Vec<String>,
    /// Those that are concerned, in the order of the file.
    pub peers: Vec<PeerReport>,
    /// What should not stay so, one line each.
    #[serde(default)]
    pub warnings: Vec<String>,
}

impl Report {
    /// Is there nothing that takes effect now?
    #[must_use]
    pub fn is_live_nothing(&self) -> bool {
        self.speaker.is_empty() && self.sockets.is_empty() && self.peers.is_empty()
    }

    /// Whether a session ends for it.
    #[must_use]
    pub fn resets(&self) -> bool {
        self.peers.iter().any(|peer| peer.effect.ends_session())
    }
}

/// One line each.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        for line in self.speaker.iter().chain(&self.sockets) {
            let _ = writeln!(out, "{line}");
        }
        for peer in &self.peers {
            let kind = if peer.range { "range" } else { "peer" };
            let _ = writeln!(out, "{kind} {}: {}", escape(&peer.name), peer.says());
        }
        for line in &self.next_start {
            let _ = writeln!(out, "{line}");
        }
        for line in &self.warnings {
            let _ = writeln!(out, "warning: {line}");
        }
        if self.is_live_nothing() && self.next_start.is_empty() {
            out.push_str("nothing is different\n");
        }
        f.write_str(&out)
    }
}
