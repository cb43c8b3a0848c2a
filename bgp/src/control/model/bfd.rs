//! The ways to peers, as BFD sees them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rcni_bgp_proto::bfd::{Discards, Hop};
use serde::{Deserialize, Serialize};

use crate::bfd::{Report, Reported};

/// One session of BFD.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Bfd {
    /// `AdminDown`, `Down`, `Init` or `Up`.
    pub state: String,
    /// In this state.
    pub since_seconds: u64,
    /// The peer's state, as it said last.
    pub remote_state: String,
    /// Why this side changed its state last.
    pub diagnostic: String,
    /// Why the peer did.
    pub remote_diagnostic: String,
    /// Over routers (port 4784), else over the link (3784).
    pub multihop: bool,
    /// Own and the peer's (0: unknown).
    pub discriminators: [u32; 2],
    /// What is in use.
    pub intervals: Intervals,
    /// Packets sent, taken, dropped by reason (where there were any), and not sent by the system.
    pub packets: Packets,
    /// How often it came up, and went down from up.
    pub ups: u64,
    /// See `ups`.
    pub downs: u64,
    /// Why the system sends nothing.
    pub trouble: Option<String>,
}

/// Times in use, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Intervals {
    /// Between own packets, before jitter; null: none are sent.
    pub transmit_micros: Option<u64>,
    /// Between the peer's.
    pub receive_micros: u64,
    /// After so long a silence it is down; null: the peer is not known.
    pub detection_micros: Option<u64>,
}

/// Numbers of packets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Packets {
    /// To the peer.
    pub sent: u64,
    /// From it, for the session.
    pub received: u64,
    /// From its address, and not for the session.
    pub dropped: BTreeMap<String, u64>,
    /// What the system refused to send.
    pub unsent: u64,
}

/// What is true of BFD as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct BfdSockets {
    /// Dropped packets by reason, whoever sent them; all reasons.
    pub dropped: BTreeMap<String, u64>,
    /// Sessions that are not there, since there are too many.
    pub surplus: u64,
    /// What is wrong.
    pub troubles: Vec<String>,
}

impl Bfd {
    /// As of `now`.
    #[must_use]
    pub fn new(reported: &Reported, now: Instant) -> Self {
        let status = &reported.status;
        let intervals = status.intervals;
        let (own, remote) = status.diagnostics;
        Self {
            state: status.state.to_string(),
            since_seconds: super::elapsed(status.since, now),
            remote_state: status.remote_state.to_string(),
            diagnostic: own.to_string(),
            remote_diagnostic: remote.to_string(),
            multihop: status.hop == Hop::Multi,
            discriminators: [status.discriminators.0, status.discriminators.1],
            intervals: Intervals {
                transmit_micros: intervals.transmit.map(micros),
                receive_micros: micros(intervals.receive),
                detection_micros: intervals.detection.map(micros),
            },
            packets: Packets {
                sent: status.counts.sent,
                received: status.counts.received,
                dropped: dropped(&status.discards, false),
                unsent: reported.unsent,
            },
            ups: status.counts.ups,
            downs: status.counts.downs,
            trouble: reported.trouble.clone(),
        }
    }

    /// Whether both sides hear each other.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state == "Up"
    }
}

impl BfdSockets {
    /// Of all sessions.
    #[must_use]
    pub fn new(report: &Report) -> Self {
        Self {
            dropped: dropped(&report.discards, true),
            surplus: report.surplus,
            troubles: report.troubles.clone(),
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn dropped(discards: &Discards, all: bool) -> BTreeMap<String, u64> {
    let reasons = discards.iter().filter(|(_, count)| all || *count > 0);
    reasons
        .map(|(reason, count)| (reason.as_str().to_owned(), count))
        .collect()
}
