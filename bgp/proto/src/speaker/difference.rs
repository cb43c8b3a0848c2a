//! What another configuration means to a speaker that runs: pure, and the one place that knows.
//!
//! | | |
//! | --- | --- |
//! | [`Effect::Live`] | takes effect at once, sessions stay |
//! | [`Effect::Reset`] | is in the OPEN, or in what the connection was made with: the session ends with Cease/Other Configuration Change (6/6) and begins again |
//! | [`Effect::Anew`] | another router: the old one is told Cease/Peer De-configured (6/3) and its routes go, the new one begins like any other |
//!
//! Peers of the two configurations are the same if they have name and place (address or network) in
//! common; else if they have the place, under another name; else if they have the name, at another
//! place.
//!
//! Every field is looked at: the functions of `fields` take the structs apart without `..`, so that a new
//! field does not compile before somebody has said what its change means.

mod fields;

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};

use self::fields::{of_peer, of_speaker};
use super::api::{PeerConfig, Remote, SpeakerConfig};
use crate::wire::Prefix;

/// What can be different. The first ones are of the speaker, the others of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// Own AS number.
    Asn,
    /// BGP Identifier.
    RouterId,
    /// Prefixes that are originated here.
    Networks,
    /// How many paths may share a prefix.
    MaximumPaths,
    /// Whether their AS_PATHs may differ.
    MultipathRelax,
    /// The cluster that is reflected for (RFC 4456).
    ClusterId,
    /// How long peers are asked to keep our routes.
    RestartTime,
    /// How long a peer's routes are kept.
    StaleTime,
    /// How long peers are asked to keep our routes after that (RFC 9494).
    LongLivedTime,
    /// Only what it is called.
    Name,
    /// Address; or a range where there was an address, and the other way round.
    Place,
    /// The network of a range: who is not in it any more is removed, the others notice nothing.
    Network,
    /// The links of those who are found there: who is on none of them any more is removed, the others
    /// notice nothing.
    Links,
    /// TCP port that is dialled.
    Port,
    /// How many peers a range may have.
    Limit,
    /// The peer's AS number.
    RemoteAs,
    /// Own AS number towards the peer.
    LocalAs,
    /// Who dials.
    Passive,
    /// Own address.
    LocalAddress,
    /// Proposed hold time.
    HoldTime,
    /// Keepalive interval.
    Keepalive,
    /// ConnectRetryTime.
    ConnectRetry,
    /// Whether and how the way to the peer is watched.
    Bfd,
    /// Address families.
    Families,
    /// Extended messages (RFC 8654).
    ExtendedMessages,
    /// Whether several paths are taken (RFC 7911).
    AddPathReceive,
    /// Whether several paths are told.
    AddPathSend,
    /// How many are, where there are several.
    PathsTold,
    /// Own role (RFC 9234).
    Role,
    /// Whether the peer must say its role.
    RoleStrict,
    /// Whether paths must begin with the peer's AS.
    EnforceFirstAs,
    /// How many own AS numbers are no loop.
    AllowOwnAs,
    /// Whether the peer's AS number is overridden.
    AsOverride,
    /// What becomes of private AS numbers.
    RemovePrivate,
    /// Which next hop the peer is told.
    NextHop,
    /// Whether it is a client (RFC 4456).
    Client,
    /// Whether its GRACEFUL_SHUTDOWN is heeded (RFC 8326).
    HonorShutdown,
    /// How many prefixes it may announce.
    MaximumPrefixes,
    /// Import rules.
    Import,
    /// Export rules.
    Export,
    /// What the caller's sockets have of the configuration.
    Sockets,
}

/// What a difference does to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing.
    Live,
    /// It ends and begins again.
    Reset,
    /// It ends, and another begins.
    Anew,
}

impl Field {
    /// What a change of this one does to the session that it concerns; of the speaker's fields, to
    /// all.
    #[must_use]
    pub fn effect(self) -> Effect {
        match self {
            Self::Place => Effect::Anew,
            Self::Asn
            | Self::RouterId
            | Self::RestartTime
            | Self::LongLivedTime
            | Self::Port
            | Self::RemoteAs
            | Self::LocalAs
            | Self::LocalAddress
            | Self::HoldTime
            | Self::Families
            | Self::ExtendedMessages
            | Self::AddPathReceive
            | Self::AddPathSend
            | Self::Role
            | Self::RoleStrict
            | Self::EnforceFirstAs
            | Self::Sockets => Effect::Reset,
            Self::Networks
            | Self::MaximumPaths
            | Self::MultipathRelax
            | Self::ClusterId
            | Self::AllowOwnAs
            | Self::AsOverride
            | Self::RemovePrivate
            | Self::NextHop
            | Self::Client
            | Self::HonorShutdown
            | Self::StaleTime
            | Self::Name
            | Self::Network
            | Self::Links
            | Self::Limit
            | Self::Passive
            | Self::Keepalive
            | Self::ConnectRetry
            | Self::Bfd
            | Self::PathsTold
            | Self::MaximumPrefixes
            | Self::Import
            | Self::Export => Effect::Live,
        }
    }
}

/// What becomes of a peer, or of all peers of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Unchanged,
    /// It takes effect in the session.
    Live(Vec<Field>),
    /// The session has to begin again, for these or for all of the speaker's.
    Reset(Vec<Field>),
    /// It is another router now.
    Anew(Vec<Field>),
    /// There was none.
    Added,
    /// There is none any more.
    Removed,
}

/// One peer or range of either configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerDifference {
    /// What it is called now, or was.
    pub name: String,
    /// What becomes of it.
    pub change: Change,
    /// Index in the earlier configuration.
    pub before: Option<usize>,
    /// Index in the later one.
    pub after: Option<usize>,
}

/// See the [module](self).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Of the speaker itself.
    pub speaker: Vec<Field>,
    /// Networks that are originated from now on.
    pub originated: Vec<Prefix>,
    /// Networks that are not any more.
    pub withdrawn: Vec<Prefix>,
    /// All peers, in the later configuration's order, then those that are only in the earlier one.
    pub peers: Vec<PeerDifference>,
}

impl Difference {
    /// From one to the other. `sockets`: peers (by their later names) whose connections the caller
    /// would make in another way. What a speaker is told only for its start (`restarting`, `seed`) is
    /// no difference.
    #[must_use]
    pub fn between(
        before: &SpeakerConfig,
        after: &SpeakerConfig,
        sockets: &BTreeSet<String>,
    ) -> Self {
        let speaker = of_speaker(before, after);
        let of_all = speaker.iter().copied();
        let of_all: Vec<Field> = of_all.filter(|f| f.effect() == Effect::Reset).collect();
        let pairs = pairs(&before.peers, &after.peers);
        let mut gone = vec![true; before.peers.len()];
        let mut peers = Vec::with_capacity(after.peers.len());
        for (index, (peer, pair)) in after.peers.iter().zip(pairs).enumerate() {
            let old = pair.and_then(|pair| before.peers.get(pair));
            if let Some(gone) = pair.and_then(|pair| gone.get_mut(pair)) {
                *gone = false;
            }
            let change = old.map_or(Change::Added, |old| {
                let mut fields = of_all.clone();
                fields.extend(of_peer(old, peer));
                let moved = sockets.contains(&peer.name);
                fields.extend(moved.then_some(Field::Sockets));
                change(fields)
            });
            peers.push(PeerDifference {
                name: peer.name.clone(),
                change,
                before: pair,
                after: Some(index),
            });
        }
        let gone = gone.into_iter().enumerate().filter(|(_, gone)| *gone);
        peers.extend(gone.filter_map(|(index, _)| {
            Some(PeerDifference {
                name: before.peers.get(index)?.name.clone(),
                change: Change::Removed,
                before: Some(index),
                after: None,
            })
        }));
        Self {
            speaker,
            originated: without(&after.networks, &before.networks),
            withdrawn: without(&before.networks, &after.networks),
            peers,
        }
    }

    /// Is it nothing?
    #[must_use]
    pub fn is_none(&self) -> bool {
        let same = |peer: &PeerDifference| peer.change == Change::Unchanged;
        self.speaker.is_empty() && self.peers.iter().all(same)
    }
}

fn without(all: &[Prefix], others: &[Prefix]) -> Vec<Prefix> {
    let others: BTreeSet<&Prefix> = others.iter().collect();
    let left = all.iter().filter(|prefix| !others.contains(prefix));
    left.copied().collect()
}

fn change(fields: Vec<Field>) -> Change {
    match fields.iter().map(|field| field.effect()).max() {
        None => Change::Unchanged,
        Some(Effect::Live) => Change::Live(fields),
        Some(Effect::Reset) => Change::Reset(fields),
        Some(Effect::Anew) => Change::Anew(fields),
    }
}

/// Where it is: another place is another router. An address that is spoken to from two own addresses
/// is two peers.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Place<'a> {
    At(IpAddr, Option<IpAddr>),
    Within(Prefix),
    On(&'a str, Option<Ipv6Addr>),
}

fn place(peer: &PeerConfig) -> Place<'_> {
    match &peer.remote {
        Remote::Address { address, .. } => Place::At(*address, peer.local_address),
        Remote::Range { network, .. } => Place::Within(*network),
        Remote::Link { links, address, .. } => Place::On(links, *address),
        Remote::Neighbor {
            address, interface, ..
        } => Place::On(&interface.name, Some(*address)),
    }
}

/// For each of the later ones, which of the earlier ones it was.
fn pairs(before: &[PeerConfig], after: &[PeerConfig]) -> Vec<Option<usize>> {
    let names = before.iter().map(|peer| peer.name.as_str());
    let names: HashMap<&str, usize> = names.zip(0..).collect();
    let places: HashMap<Place<'_>, usize> = before.iter().map(place).zip(0..).collect();
    let mut pairs = vec![None; after.len()];
    let mut taken = vec![false; before.len()];
    let by_name = |peer: &PeerConfig| names.get(peer.name.as_str()).copied();
    let by_place = |peer: &PeerConfig| places.get(&place(peer)).copied();
    let by_both = |peer: &PeerConfig| by_name(peer).filter(|it| by_place(peer) == Some(*it));
    let mut pair_by = |rule: &dyn Fn(&PeerConfig) -> Option<usize>| {
        for (peer, pair) in after.iter().zip(&mut pairs) {
            if pair.is_none()
                && let Some(found) = rule(peer)
                && let Some(taken) = taken.get_mut(found)
                && !std::mem::replace(taken, true)
            {
                *pair = Some(found);
            }
        }
    };
    pair_by(&by_both);
    pair_by(&by_place);
    pair_by(&by_name);
    pairs
}
