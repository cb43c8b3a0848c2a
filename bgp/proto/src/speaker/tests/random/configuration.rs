//! The configurations that a speaker is given one after the other.

use super::super::{only, prefix, speaker, transit};
use crate::iana::Family;
use crate::speaker::{
    Knobs, LimitAction, MaximumPrefixes, NextHopMode, PeerConfig, Remote, RemoteAs, RemovePrivate,
    SpeakerConfig,
};

/// Each bit is a difference to what 0 is.
pub(super) fn configuration(bits: u16) -> SpeakerConfig {
    let mut config = speaker(65001, 1, &["10.244.1.0/24", "fd00:10:244:1::/64"]);
    config.peers = vec![transit("10.0.0.2", 65002), transit("10.0.0.3", 65003)];
    config.peers.push(PeerConfig {
        passive: true,
        ..transit("10.0.0.4", 65001)
    });
    // The third has IPv4 only.
    for peer in &mut config.peers[..2] {
        peer.families.push(Family::IPV6_UNICAST);
    }
    let is_set = |bit: u16| bits >> bit & 1 == 1;
    if is_set(0) {
        config.networks[0] = prefix("10.244.2.0/24");
    }
    if is_set(1) {
        config.networks.remove(1);
    }
    if is_set(2) {
        config.maximum_paths = 1;
    }
    if is_set(3) {
        config.peers[0].import = only("10.244.1.0/24", 24, 24);
    }
    if is_set(4) {
        config.peers[1].timers.hold_time_secs = 30;
    }
    if is_set(5) {
        config.peers[1].name = "renamed".to_owned();
    }
    if is_set(6) {
        config.router_id = [10, 255, 0, 99].into();
    }
    if is_set(7) {
        config.peers[0].remote = transit("10.0.0.1", 0).remote;
    }
    if is_set(8) {
        config.peers.push(PeerConfig {
            name: "range".to_owned(),
            remote: Remote::Range {
                network: prefix(match is_set(1) {
                    true => "10.0.0.0/28",
                    false => "10.0.0.0/29",
                }),
                limit: 2,
            },
            asn: RemoteAs::External,
            passive: true,
            ..config.peers[0].clone()
        });
    }
    if is_set(9) {
        config.peers.remove(2);
    }
    handling(&mut config, is_set);
    if is_set(10) {
        config.peers.remove(0);
    }
    config
}

/// What is set about the paths of peers.
fn handling(config: &mut SpeakerConfig, is_set: impl Fn(u16) -> bool) {
    let knobs = |config: &mut SpeakerConfig, change: fn(&mut Knobs)| {
        config
            .peers
            .iter_mut()
            .for_each(|peer| change(&mut peer.knobs));
    };
    if is_set(11) {
        knobs(config, |knobs| knobs.allow_own_as = 1);
        config.peers[0].limits = Some(MaximumPrefixes {
            ipv4: Some(2),
            ipv6: Some(1),
            warning_percent: 50,
            action: LimitAction::Drop,
        });
    }
    if is_set(12) {
        knobs(config, |knobs| {
            knobs.as_override = true;
            knobs.remove_private = Some(RemovePrivate::Replace);
        });
        config.multipath_relax = false;
    }
    if is_set(13) {
        knobs(config, |knobs| {
            knobs.next_hop = NextHopMode::Own;
            knobs.honor_graceful_shutdown = false;
        });
    }
    if is_set(14) {
        knobs(config, |knobs| {
            knobs.client = true;
            knobs.remove_private = Some(RemovePrivate::Remove);
        });
    }
    if is_set(15) {
        knobs(config, |knobs| knobs.next_hop = NextHopMode::Keep);
        config.cluster_id = [10, 255, 0, 7].into();
    }
}
