//! What `GET /v1/status` answers. Stable: fields may be added, never renamed or given another
//! meaning without a new `version`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use rcni_bgp_proto::fsm::State;
use rcni_bgp_proto::speaker::{self, PeerId, PeerStatus, PrefixCounts, SpeakerStatus};
use serde::{Deserialize, Serialize};

use super::drain::DrainStatus;
use crate::bfd::{ByPeer, Report};
use crate::discovery::Links;
use crate::fib::{FibStatus, Ownership};

mod bfd;
mod capabilities;
mod configuration;
mod kernel;
mod limits;
mod links;
mod listener;
mod session;

pub use bfd::{Bfd, BfdSockets, Intervals};
pub use capabilities::{Capability, Session};
pub use configuration::{Configuration, Refused};
pub use kernel::{Failed, ForeignRoute, Kernel, NextHops, Others, RepairedBy};
pub use limits::{Limit, Limits};
pub use links::Link;
pub use listener::Listener;
pub use session::{Both, Counts as MessageCounts, Details, Negotiated, Range, Stale};

/// The version of this shape.
pub const VERSION: u32 = 1;

/// The whole answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// [`VERSION`].
    pub version: u32,
    /// Own AS number.
    pub asn: u32,
    /// BGP identifier.
    #[serde(rename = "routerID")]
    pub router_id: Ipv4Addr,
    /// Of the daemon.
    pub pid: u32,
    /// Since the daemon's start.
    pub uptime_seconds: u64,
    /// In the order of their names.
    pub peers: Vec<Peer>,
    /// The kernel's side.
    pub kernel: Kernel,
    /// Own networks that others announce, too; the first hundred.
    #[serde(default)]
    pub conflicts: Vec<Conflict>,
    /// What the speaker is about.
    #[serde(flatten)]
    pub operation: Operation,
    /// Networks whose addresses may become peers.
    #[serde(default)]
    pub ranges: Vec<Range>,
    /// What is true of BFD as a whole.
    #[serde(default)]
    pub bfd: BfdSockets,
    /// Links on which neighbours are looked for.
    #[serde(default)]
    pub links: Vec<Link>,
    /// Connections that others began.
    #[serde(default)]
    pub listener: Listener,
    /// The longest time that the sessions' thread was busy with one thing, in microseconds since the
    /// start: so late a KEEPALIVE may have been.
    #[serde(default)]
    pub slowest_step_micros: u64,
    /// The file, and whether the daemon runs with what is in it.
    #[serde(default)]
    pub configuration: Configuration,
}

/// Whether routes are complete, and the node in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Operation {
    /// False after a restart, as long as route selection waits for the peers' End-of-RIB
    /// (RFC 4724 §4.1): what they send is not in the kernel yet, what was there stays.
    #[serde(default = "yes")]
    pub synced: bool,
    /// Whose initial routes are waited for since the start, a minute at most: peers, and ranges and links
    /// where others may come from.
    #[serde(default)]
    pub learning: Vec<String>,
    /// On the way out of use?
    #[serde(default)]
    pub drain: DrainStatus,
}

/// One network, or a part of it, on two nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Conflict {
    /// What is announced.
    pub prefix: String,
    /// The name of the peer that announces it.
    pub peer: String,
    /// The AS path there.
    pub as_path: String,
    /// For people: what it means and what to do.
    pub text: String,
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    /// Configured name.
    pub name: String,
    /// Configured address, or the one that was found on the link.
    pub address: IpAddr,
    /// The peer's AS number; null as long as it is not known (`asNumber: external`).
    pub asn: Option<u32>,
    /// `external` or `internal`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `Idle`, `Connect`, `Active`, `OpenSent`, `OpenConfirm` or `Established`.
    pub state: String,
    /// In this state.
    pub since_seconds: u64,
    /// Why the last connection or attempt ended.
    pub last_error: Option<LastError>,
    /// Until the next dial, if one is planned.
    pub next_attempt_seconds: Option<u64>,
    /// What was agreed.
    #[serde(flatten)]
    pub negotiated: Negotiated,
    /// What kind of peer it is, and what was said.
    #[serde(flatten)]
    pub details: Details,
    /// Route counts, all families together.
    pub prefixes: Prefixes,
    /// The same by family.
    #[serde(default)]
    pub prefixes_by_family: ByFamily,
    /// The way to it, if that is watched.
    #[serde(default)]
    pub bfd: Option<Bfd>,
    /// What deserves attention although the session is up, or why it may be down.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Route counts of one peer by family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ByFamily {
    /// Of IPv4 unicast.
    pub ipv4: Prefixes,
    /// Of IPv6 unicast.
    pub ipv6: Prefixes,
}

impl Peer {
    /// Whether routes are exchanged.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state == State::Established.as_str()
    }

    /// Whether that is its name, or its address.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name == name || self.place() == name || name.parse() == Ok(self.address)
    }

    /// Where it is: `10.0.1.1`, `fe80::1%eth0`.
    #[must_use]
    pub fn place(&self) -> String {
        zoned(self.address, self.details.interface.as_deref())
    }
}

/// Why a connection or an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LastError {
    /// A word for scripts: `refused`, `unreachable`, `timed-out`, `wrong-as`, ….
    pub class: String,
    /// For people.
    pub text: String,
    /// How long ago.
    pub age_seconds: u64,
}

/// Route counts of one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Prefixes {
    /// All that it has announced.
    pub received: usize,
    /// Usable and passed by the import rules.
    pub accepted: usize,
    /// The others.
    pub rejected: usize,
    /// In use.
    pub best: usize,
    /// In use and in the kernel as they should be.
    pub installed: usize,
    /// What it has from us.
    pub advertised: usize,
}

/// What an answer is made of.
#[derive(Debug)]
pub struct Parts {
    /// From the core.
    pub speaker: SpeakerStatus,
    /// From the core: per peer, how many of its best routes are not in the kernel, IPv4 and IPv6.
    pub not_installed: Vec<[usize; 2]>,
    /// From the core: per peer, why it may be down.
    pub hints: BTreeMap<PeerId, String>,
    /// From the core: whether the node is in use.
    pub drain: DrainStatus,
    /// From the core: the longest time that it was busy with one thing.
    pub slowest: Duration,
    /// From the core: which peer has which session of BFD.
    pub watched: ByPeer,
    /// From BFD's thread.
    pub bfd: Report,
    /// From the fib task.
    pub fib: FibStatus,
    /// Configured.
    pub owner: Ownership,
    /// Configured.
    pub install: bool,
    /// When the daemon started.
    pub started: Instant,
    /// From the core.
    pub links: Links,
    /// From the gate and the core.
    pub listener: Listener,
    /// From the reloader.
    pub configuration: Configuration,
}

impl Status {
    /// Puts an answer together, as of `now`.
    #[must_use]
    pub fn new(parts: Parts, now: Instant) -> Self {
        let fib = parts.fib;
        let conflicts = conflicts(&parts.speaker);
        let synced = parts.speaker.synced;
        let ranges = parts
            .speaker
            .ranges
            .iter()
            .cloned()
            .map(Range::from)
            .collect();
        let peer = |peer: PeerStatus| {
            let missing = parts
                .not_installed
                .get(peer.id.index())
                .copied()
                .unwrap_or_default();
            let missing = if parts.install {
                missing
            } else {
                peer.prefixes.by_family.map(|(_, counts)| counts.best)
            };
            let hint = parts.hints.get(&peer.id).cloned();
            let bfd = parts.watched.get(&peer.id);
            let bfd = bfd.and_then(|id| parts.bfd.sessions.get(id));
            let bfd = bfd.map(|reported| Bfd::new(reported, now));
            Peer {
                bfd,
                ..Peer::new(peer, missing, hint, now)
            }
        };
        Self {
            version: VERSION,
            asn: parts.speaker.asn,
            router_id: parts.speaker.router_id,
            pid: std::process::id(),
            uptime_seconds: elapsed(parts.started, now),
            peers: parts.speaker.peers.into_iter().map(peer).collect(),
            kernel: Kernel::new(fib, &parts.owner, parts.install),
            conflicts,
            operation: Operation {
                synced,
                learning: parts.speaker.learning,
                drain: parts.drain,
            },
            ranges,
            bfd: BfdSockets::new(&parts.bfd),
            links: parts.links.reports.iter().map(Link::from).collect(),
            listener: parts.listener,
            configuration: parts.configuration,
            slowest_step_micros: u64::try_from(parts.slowest.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

impl Peer {
    fn new(
        peer: PeerStatus,
        not_installed: [usize; 2],
        hint: Option<String>,
        now: Instant,
    ) -> Self {
        let session = peer.session.as_ref();
        let [(_, v4), (_, v6)] = peer.prefixes.by_family;
        let [missing_v4, missing_v6] = not_installed;
        let notes = session.map(|session| session.notes.clone());
        let details = Details::new(&peer, now);
        Self {
            name: peer.name,
            address: peer.address,
            asn: peer.kind.asn,
            details,
            kind: if peer.kind.external {
                "external"
            } else {
                "internal"
            }
            .to_owned(),
            state: peer.state.as_str().to_owned(),
            since_seconds: elapsed(peer.since, now),
            last_error: peer.last_error.map(|error| LastError {
                class: error.class.as_str().to_owned(),
                text: error.text,
                age_seconds: elapsed(error.at, now),
            }),
            // Rounded up: "in 0 s" would be over already.
            next_attempt_seconds: peer.next_attempt.map(|at| {
                let left = at.saturating_duration_since(now);
                (left + Duration::from_millis(999)).as_secs()
            }),
            negotiated: session.map(Negotiated::from).unwrap_or_default(),
            prefixes: Prefixes::new(peer.prefixes.total, missing_v4 + missing_v6),
            prefixes_by_family: ByFamily {
                ipv4: Prefixes::new(v4, missing_v4),
                ipv6: Prefixes::new(v6, missing_v6),
            },
            bfd: None,
            notes: notes.unwrap_or_default().into_iter().chain(hint).collect(),
        }
    }
}

impl Prefixes {
    fn new(counts: PrefixCounts, not_installed: usize) -> Self {
        Self {
            received: counts.received,
            accepted: counts.accepted,
            rejected: counts.rejected,
            best: counts.best,
            installed: counts.best.saturating_sub(not_installed),
            advertised: counts.advertised,
        }
    }
}

fn yes() -> bool {
    true
}

fn conflicts(speaker: &SpeakerStatus) -> Vec<Conflict> {
    let told = |conflict: &speaker::Conflict| {
        let mut peers = speaker.peers.iter();
        let peer = peers.find(|peer| peer.id == conflict.peer)?;
        let other = match conflict.origin_asn {
            Some(asn) => format!("the node that AS {asn} announces it for"),
            None => "the other node".to_owned(),
        };
        let inside = if conflict.network == conflict.prefix {
            String::new()
        } else {
            ", of which it is a part".to_owned()
        };
        let text = format!(
            "peer {} ({}) announces {} (AS path {}), and this node originates {}{inside}: two \
             nodes have the same pod CIDR, and what is sent there reaches either. Find {other}, \
             give one of the two another pod CIDR (networks in bgp.yaml, podCIDRs in felix.yaml; \
             in Kubernetes the Node's spec.podCIDRs), and make its pods anew",
            peer.name,
            zoned(
                peer.address,
                peer.interface.as_ref().map(|own| own.name.as_str())
            ),
            conflict.prefix,
            shown(&conflict.as_path),
            conflict.network,
        );
        Some(Conflict {
            prefix: conflict.prefix.to_string(),
            peer: peer.name.clone(),
            as_path: conflict.as_path.clone(),
            text,
        })
    };
    speaker.conflicts.iter().filter_map(told).collect()
}

/// `10.0.1.1`, `fe80::1%eth0`.
fn zoned(address: IpAddr, interface: Option<&str>) -> String {
    match interface {
        Some(interface) => format!("{address}%{interface}"),
        None => address.to_string(),
    }
}

fn shown(as_path: &str) -> &str {
    if as_path.is_empty() { "empty" } else { as_path }
}

fn elapsed(since: Instant, now: Instant) -> u64 {
    now.saturating_duration_since(since).as_secs()
}
