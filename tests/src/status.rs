//! `rcni-bgp status -o json`, as far as the lab looks at it.
//!
//! Own types on purpose: the shape is promised to users, so it is read here as a user reads it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::lab::node::Node;

/// The state of a session that is up (RFC 4271 §8.2.2).
pub const ESTABLISHED: &str = "Established";

/// One speaker.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Own AS.
    pub asn: u32,
    /// Own identifier.
    #[serde(rename = "routerID")]
    pub router_id: String,
    /// Process.
    pub pid: i32,
    /// All configured peers.
    pub peers: Vec<Peer>,
    /// What is in the kernel.
    pub kernel: Kernel,
    /// Own networks that others announce, too.
    pub conflicts: Vec<Conflict>,
    /// Links on which neighbours are looked for.
    #[serde(default)]
    pub links: Vec<Link>,
}

/// A link on which a neighbour is looked for.
#[derive(Clone, Debug, Deserialize)]
pub struct Link {
    /// Name of the BGPPeer.
    pub peer: String,
    /// Name, or pattern.
    pub links: String,
    /// In a word.
    pub state: String,
    /// Address of whoever was found.
    pub neighbor: Option<String>,
}

/// A network on two nodes.
#[derive(Clone, Debug, Deserialize)]
pub struct Conflict {
    /// What is announced.
    pub prefix: String,
    /// By which peer.
    pub peer: String,
    /// In words.
    pub text: String,
}

/// One session.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    /// Name of the BGPPeer.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Its AS.
    pub asn: u32,
    /// State of RFC 4271.
    pub state: String,
    /// How long it has been so, in seconds.
    pub since_seconds: f64,
    /// How many times it was up.
    pub established: u64,
    /// What went wrong last.
    pub last_error: Option<LastError>,
    /// Families of the session, as negotiated: `ipv4 unicast`.
    pub families: Vec<String>,
    /// Counts, all families together.
    pub prefixes: Prefixes,
    /// Counts by `ipv4` and `ipv6`.
    pub prefixes_by_family: BTreeMap<String, Prefixes>,
    /// The way to it, if that is watched.
    #[serde(default)]
    pub bfd: Option<Bfd>,
    /// What deserves attention.
    pub notes: Vec<String>,
}

/// The way to a peer, as BFD sees it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bfd {
    /// State of RFC 5880.
    pub state: String,
    /// How long it has been so.
    pub since_seconds: u64,
    /// Why this side's changed last.
    pub diagnostic: String,
    /// Over routers.
    pub multihop: bool,
    /// What is in use.
    pub intervals: Intervals,
    /// Numbers of packets.
    pub packets: Packets,
    /// How often it came up.
    pub ups: u64,
    /// How often it went down from up.
    pub downs: u64,
}

/// In microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intervals {
    /// Between own packets; none: none are sent.
    pub transmit_micros: Option<u64>,
    /// Between the peer's.
    pub receive_micros: u64,
    /// Of silence, until it is down.
    pub detection_micros: Option<u64>,
}

/// Of a session of BFD.
#[derive(Clone, Debug, Deserialize)]
pub struct Packets {
    /// To the peer.
    pub sent: u64,
    /// From it.
    pub received: u64,
    /// By reason.
    pub dropped: BTreeMap<String, u64>,
}

/// Why a session went down or does not come up.
#[derive(Clone, Debug, Deserialize)]
pub struct LastError {
    /// Class of the cause.
    pub class: String,
    /// In words.
    pub text: String,
}

/// Prefixes of a session.
#[derive(Clone, Debug, Deserialize)]
pub struct Prefixes {
    /// From the peer.
    pub received: u64,
    /// Let in by policy.
    pub accepted: u64,
    /// Kept out by policy.
    pub rejected: u64,
    /// To the peer.
    pub advertised: u64,
}

/// Kernel routes.
#[derive(Clone, Debug, Deserialize)]
pub struct Kernel {
    /// How many are in.
    pub installed: u64,
    /// What cannot be.
    pub failed: Vec<Failed>,
}

/// A route that is not in the kernel.
#[derive(Clone, Debug, Deserialize)]
pub struct Failed {
    /// Which.
    pub prefix: String,
    /// Why.
    pub reason: String,
}

impl Status {
    /// Asks the speaker on `node`.
    ///
    /// # Errors
    /// It does not answer. That a session is down is no error.
    pub fn of(node: &Node) -> Result<Self> {
        let said = node.exec(&["rcni-bgp", "status", "-o", "json"])?;
        if said.status.code() == Some(2) || said.stdout.is_empty() {
            bail!("{}: {}", node.name(), said.stderr.trim());
        }
        serde_json::from_str(&said.stdout)
            .with_context(|| format!("rcni-bgp status on {}: {}", node.name(), said.stdout))
    }

    /// The session with that BGPPeer.
    ///
    /// # Errors
    /// It is not configured.
    pub fn peer(&self, name: &str) -> Result<&Peer> {
        let found = self.peers.iter().find(|peer| peer.name == name);
        found.with_context(|| format!("AS {} has no peer {name}", self.asn))
    }
}

impl Peer {
    /// State and last error in one line.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.last_error {
            Some(error) => format!("{} ({}: {})", self.state, error.class, error.text),
            None => self.state.clone(),
        }
    }
}
