//! Neighbours that get in each other's way.
//!
//! A key for a range is one for every address in it, as the kernel sees it: what connects from there
//! without a signature is dropped before anybody could know that it has a peer of its own.

use std::collections::HashMap;

use ipnetwork::IpNetwork;

use super::remote;
use crate::raw::{BGPPeerSpec, Object, Place};
use crate::resolve::Report;
use crate::resolve::subject::Subject;
use crate::{AoKey, Cidr, LinkPattern, PeerConfig, Remote, Security};

type Found<'a> = (&'a Object<BGPPeerSpec>, PeerConfig);

/// All of them against each other.
pub(super) fn check(report: &mut Report, peers: &[Found<'_>]) {
    on_links(report, peers);
    let mut seen: HashMap<Cidr, &Found<'_>> = HashMap::new();
    let mut distinct = Vec::new();
    for peer in peers {
        let Some(network) = peer.1.remote.network() else {
            continue;
        };
        if let Some(other) = seen.get(&network) {
            refuse_same(report, peer, other);
        } else {
            seen.insert(network, peer);
            distinct.push((network, peer));
        }
    }
    for (inner, peer) in distinct {
        let wider = (0..inner.prefix_len()).rev();
        let wider = wider.filter_map(|length| {
            let network = IpNetwork::new(inner.ip(), length).ok()?;
            seen.get(&Cidr::masked(network))
        });
        let refused = wider.filter_map(|outer| Some((outer, conflict(&peer.1, &outer.1)?)));
        if let Some((outer, (reason, hint))) = refused.into_iter().next() {
            let (place, path) = remote::place(&peer.0.spec);
            let mut subject = Subject::new(report, "BGPPeer", peer.0);
            let reason = format!(
                "{} lies in the range {} of BGPPeer {}{}, {reason}",
                peer.1.remote,
                outer.1.remote,
                outer.0.name.value,
                line_of(&mut subject, outer),
            );
            subject.refuse(place, path, &reason, hint);
        }
    }
}

/// A link has one neighbour that is looked for, or some that are written; a pattern is for those of its
/// links that nobody names.
fn on_links(report: &mut Report, peers: &[Found<'_>]) {
    let mut seen: HashMap<&LinkPattern, Vec<&Found<'_>>> = HashMap::new();
    for peer in peers {
        let Remote::Link { links, address, .. } = &peer.1.remote else {
            continue;
        };
        let others = seen.entry(links).or_default();
        let clashes = |other: &&Found<'_>| match (&other.1.remote, address) {
            (
                Remote::Link {
                    address: Some(other),
                    ..
                },
                Some(address),
            ) => other == address,
            _ => true,
        };
        let other = others.iter().copied().find(clashes);
        others.push(peer);
        let Some(other) = other else { continue };
        let (place, path) = remote::place(&peer.0.spec);
        let mut subject = Subject::new(report, "BGPPeer", peer.0);
        let reason = format!(
            "{links} is already the link of BGPPeer {}{}",
            other.0.name.value,
            line_of(&mut subject, other)
        );
        let hint = "there is one session with whoever is on a link; remove one of the two, or write \
                    both as link-local peerIP";
        subject.refuse(place, path, &reason, hint);
    }
}

fn line_of(subject: &mut Subject<'_>, other: &Found<'_>) -> String {
    let (place, _) = remote::place(&other.0.spec);
    let there = Subject::new(subject.report, "BGPPeer", other.0).absolute(place);
    line(there)
}

fn line(place: Place) -> String {
    let line = place.known_line().map(|line| format!(" (line {line})"));
    line.unwrap_or_default()
}

fn refuse_same(report: &mut Report, peer: &Found<'_>, other: &Found<'_>) {
    let (place, path) = remote::place(&peer.0.spec);
    let mut subject = Subject::new(report, "BGPPeer", peer.0);
    let remote = &peer.1.remote;
    let what = match (remote, &other.1.remote) {
        (Remote::Address { .. }, Remote::Address { .. }) => "address",
        (Remote::Range { .. }, Remote::Range { .. }) => "range",
        _ => "only address",
    };
    let hint = match what {
        "address" => "there is one session to one address; remove one of the two",
        "range" => "a connection belongs to one BGPPeer; remove one of the two",
        _ => "a range of one address leaves nothing beside it; remove one of the two",
    };
    let reason = format!(
        "{remote} is already the {what} of BGPPeer {}{}",
        other.0.name.value,
        line_of(&mut subject, other)
    );
    subject.refuse(place, path, &reason, hint);
}

/// Why the inner one cannot be told from the outer one by the kernel.
fn conflict(inner: &PeerConfig, outer: &PeerConfig) -> Option<(&'static str, &'static str)> {
    match (&inner.security, &outer.security) {
        (_, Security::None) | (Security::Md5(_), Security::Md5(_)) => None,
        (Security::None, _) => Some((
            "which has a key: the kernel drops what comes from there without a signature",
            "give this one a password or keys, too, of the same kind; or take it out of the range",
        )),
        (Security::Ao(inner), Security::Ao(outer)) if !share_an_id(inner, outer) => None,
        (Security::Ao(_), Security::Ao(_)) => Some((
            "which has a TCP-AO key with the same ID: the kernel keeps one",
            "give the keys of this one other IDs, on both sides",
        )),
        _ => Some((
            "which has signatures of the other kind: the kernel takes one kind for an address",
            "write password in both, or tcpAO in both",
        )),
    }
}

fn share_an_id(inner: &[AoKey], outer: &[AoKey]) -> bool {
    inner.iter().any(|a| {
        outer
            .iter()
            .any(|b| a.send_id == b.send_id || a.receive_id == b.receive_id)
    })
}
