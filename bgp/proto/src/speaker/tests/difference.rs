//! What each field of the configuration means to a speaker that runs.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{ip, only, peer, prefix, speaker};
use crate::bfd;
use crate::iana::Family;
use crate::speaker::difference::{Change, Difference, Effect, Field};
use crate::speaker::{
    LimitAction, MaximumPrefixes, NextHopMode, PeerConfig, Remote, RemoteAs, RemovePrivate, Role,
    SpeakerConfig,
};

fn config() -> SpeakerConfig {
    let mut config = speaker(65001, 1, &["10.244.1.0/24"]);
    config.peers = vec![peer("10.0.0.2", 65002), peer("10.0.0.3", 65003), range()];
    config
}

fn range() -> PeerConfig {
    let network = prefix("10.9.0.0/16");
    PeerConfig {
        name: "rack".to_owned(),
        remote: Remote::Range { network, limit: 5 },
        passive: true,
        ..peer("0.0.0.0", 65009)
    }
}

fn between(before: &SpeakerConfig, after: &SpeakerConfig) -> Difference {
    Difference::between(before, after, &BTreeSet::new())
}

fn changes(before: &SpeakerConfig, after: &SpeakerConfig) -> Vec<(String, Change)> {
    let peers = between(before, after).peers.into_iter();
    let peers = peers.filter(|peer| peer.change != Change::Unchanged);
    peers.map(|peer| (peer.name, peer.change)).collect()
}

type OfPeer = fn(&mut PeerConfig);
type OfSpeaker = fn(&mut SpeakerConfig);

/// All that can be different about a peer. What `difference.rs` takes apart is here, too: a field that
/// nobody has added does not compile there, and its `Field` is missing here.
const PEER: &[(Field, Effect, OfPeer)] = &[
    (Field::Name, Effect::Live, |p| p.name = "other".to_owned()),
    (Field::Place, Effect::Anew, |p| {
        let (address, port) = (ip("10.0.0.9"), 179);
        p.remote = Remote::Address { address, port };
    }),
    (Field::Port, Effect::Reset, |p| {
        let (address, port) = (ip("10.0.0.2"), 1179);
        p.remote = Remote::Address { address, port };
    }),
    (Field::RemoteAs, Effect::Reset, |p| {
        p.asn = RemoteAs::External;
    }),
    (Field::LocalAs, Effect::Reset, |p| p.local_asn = Some(65009)),
    (Field::Passive, Effect::Live, |p| p.passive = true),
    (Field::LocalAddress, Effect::Reset, |p| {
        p.local_address = Some(ip("10.0.0.1"));
    }),
    (Field::HoldTime, Effect::Reset, |p| {
        p.timers.hold_time_secs = 9;
    }),
    (Field::Keepalive, Effect::Live, |p| {
        p.timers.keepalive_secs = Some(7);
    }),
    (Field::ConnectRetry, Effect::Live, |p| {
        p.timers.connect_retry = Duration::from_secs(60);
    }),
    (Field::Bfd, Effect::Live, |p| {
        p.timers.bfd = Some(bfd::Profile::default());
    }),
    (Field::Families, Effect::Reset, |p| {
        p.families.push(Family::IPV6_UNICAST);
    }),
    (Field::ExtendedMessages, Effect::Reset, |p| {
        p.offer.extended_messages = false;
    }),
    (Field::AddPathReceive, Effect::Reset, |p| {
        p.offer.add_path.receive = true;
    }),
    (Field::AddPathSend, Effect::Reset, |p| {
        p.offer.add_path.send = 2;
    }),
    (Field::Role, Effect::Reset, |p| {
        p.offer.role = Some(Role::Customer);
    }),
    (Field::RoleStrict, Effect::Reset, |p| {
        p.offer.role_strict = true;
    }),
    (Field::EnforceFirstAs, Effect::Reset, |p| {
        p.enforce_first_as = false;
    }),
    (Field::AllowOwnAs, Effect::Live, |p| {
        p.knobs.allow_own_as = 1;
    }),
    (Field::AsOverride, Effect::Live, |p| {
        p.knobs.as_override = true;
    }),
    (Field::RemovePrivate, Effect::Live, |p| {
        p.knobs.remove_private = Some(RemovePrivate::Remove);
    }),
    (Field::NextHop, Effect::Live, |p| {
        p.knobs.next_hop = NextHopMode::Keep;
    }),
    (Field::Client, Effect::Live, |p| p.knobs.client = true),
    (Field::HonorShutdown, Effect::Live, |p| {
        p.knobs.honor_graceful_shutdown = false;
    }),
    (Field::MaximumPrefixes, Effect::Live, |p| {
        p.limits = Some(MaximumPrefixes {
            ipv4: Some(1000),
            ipv6: None,
            warning_percent: 75,
            action: LimitAction::Warn,
        });
    }),
    (Field::Import, Effect::Live, |p| {
        p.import = only("10.0.0.0/8", 8, 24);
    }),
    (Field::Export, Effect::Live, |p| {
        p.export = only("10.0.0.0/8", 8, 24);
    }),
];

const SPEAKER: &[(Field, Effect, OfSpeaker)] = &[
    (Field::Asn, Effect::Reset, |c| c.asn = 65100),
    (Field::RouterId, Effect::Reset, |c| {
        c.router_id = [10, 255, 0, 9].into();
    }),
    (Field::Networks, Effect::Live, |c| {
        c.networks.push(prefix("10.244.2.0/24"));
    }),
    (Field::MaximumPaths, Effect::Live, |c| c.maximum_paths = 2),
    (Field::MultipathRelax, Effect::Live, |c| {
        c.multipath_relax = false;
    }),
    (Field::ClusterId, Effect::Live, |c| {
        c.cluster_id = [1, 1, 1, 1].into();
    }),
    (Field::RestartTime, Effect::Reset, |c| {
        c.graceful_restart.restart_secs = 60;
    }),
    (Field::StaleTime, Effect::Live, |c| {
        c.graceful_restart.stale_secs = 60;
    }),
    (Field::LongLivedTime, Effect::Reset, |c| {
        c.graceful_restart.long_lived_secs = 60;
    }),
];

fn as_change(effect: Effect, field: Field) -> Change {
    match effect {
        Effect::Live => Change::Live(vec![field]),
        Effect::Reset => Change::Reset(vec![field]),
        Effect::Anew => Change::Anew(vec![field]),
    }
}

#[test]
fn each_field_of_a_peer_concerns_that_peer_alone() {
    for (field, effect, change) in PEER {
        let (before, mut after) = (config(), config());
        change(&mut after.peers[0]);
        assert_eq!(field.effect(), *effect, "{field:?}");
        let name = after.peers[0].name.clone();
        let expected = (name.clone(), as_change(*effect, *field));
        assert_eq!(changes(&before, &after), [expected], "{field:?}");
        // And back.
        let expected = (before.peers[0].name.clone(), as_change(*effect, *field));
        assert_eq!(changes(&after, &before), [expected], "{field:?}");
        assert!(between(&before, &after).speaker.is_empty());
        assert!(!between(&before, &after).is_none(), "{field:?}");
    }
}

#[test]
fn each_field_of_the_speaker_concerns_all_or_none() {
    for (field, effect, change) in SPEAKER {
        let (before, mut after) = (config(), config());
        change(&mut after);
        let difference = between(&before, &after);
        assert_eq!(difference.speaker, [*field]);
        assert_eq!(field.effect(), *effect, "{field:?}");
        let expected = match effect {
            Effect::Live => Change::Unchanged,
            effect => as_change(*effect, *field),
        };
        let all = difference.peers.iter().all(|peer| peer.change == expected);
        assert!(all, "{field:?}: {:?}", difference.peers);
    }
}

#[test]
fn no_field_is_forgotten_in_these_tables() {
    let tables = PEER.iter().map(|(field, ..)| *field);
    let tables = tables.chain(SPEAKER.iter().map(|(field, ..)| *field));
    // These have tests of their own.
    let ranges = [Field::Network, Field::Links, Field::Limit];
    let tables = tables.chain(ranges);
    let tables = tables.chain([Field::PathsTold, Field::Sockets]);
    let known: BTreeSet<Field> = tables.collect();
    let last = Field::Sockets as usize;
    assert_eq!(known.len(), last + 1, "of {last} before the last one");
    let numbers = known.iter().map(|field| *field as usize);
    assert!(numbers.eq(0..=last));
}

#[test]
fn nothing_is_no_difference_and_neither_is_what_only_the_start_needs() {
    let before = config();
    let mut after = config();
    (after.seed, after.restarting) = (77, true);
    // 0 and 1 both mean one; order is not meaning.
    after.networks = vec![prefix("10.1.0.0/16"), prefix("10.2.0.0/16")];
    let mut turned = after.clone();
    turned.networks.reverse();
    assert!(between(&after, &turned).is_none());
    after.networks = before.networks.clone();
    after.peers.reverse();
    assert!(between(&before, &after).is_none());
}

#[test]
fn several_fields_are_all_named_and_the_worst_counts() {
    let (before, mut after) = (config(), config());
    after.peers[1].timers.hold_time_secs = 9;
    after.peers[1].import = only("10.0.0.0/8", 8, 24);
    after.maximum_paths = 1;
    let fields = vec![Field::HoldTime, Field::Import];
    let expected = ("peer-10.0.0.3".to_owned(), Change::Reset(fields));
    assert_eq!(changes(&before, &after), [expected]);
    after.asn = 65100;
    let found = changes(&before, &after);
    let fields = vec![Field::Asn, Field::HoldTime, Field::Import];
    assert_eq!(found[1].1, Change::Reset(fields));
    assert_eq!(found[2].1, Change::Reset(vec![Field::Asn]));
}

#[test]
fn ranges_are_known_by_network_or_name_and_how_many_paths_are_told_can_change() {
    let (before, mut after) = (config(), config());
    let network = prefix("10.9.0.0/16");
    after.peers[2].remote = Remote::Range { network, limit: 6 };
    let rack = |change| ("rack".to_owned(), change);
    let live = Change::Live(vec![Field::Limit]);
    assert_eq!(changes(&before, &after), [rack(live)]);
    let network = prefix("10.9.0.0/17");
    after.peers[2].remote = Remote::Range { network, limit: 5 };
    let other = Change::Live(vec![Field::Network]);
    assert_eq!(changes(&before, &after), [rack(other)]);
    after.peers[2].remote = peer("10.9.0.0", 1).remote;
    let anew = Change::Anew(vec![Field::Place]);
    assert_eq!(changes(&before, &after), [rack(anew)]);

    let (mut before, mut after) = (config(), config());
    before.peers[0].offer.add_path.send = 2;
    after.peers[0].offer.add_path.send = 4;
    let live = Change::Live(vec![Field::PathsTold]);
    assert_eq!(
        changes(&before, &after),
        [("peer-10.0.0.2".to_owned(), live)]
    );
}

#[test]
fn peers_come_and_go_and_are_known_under_other_names_and_in_other_places() {
    let (before, mut after) = (config(), config());
    after.peers.remove(1);
    after.peers.insert(0, peer("10.0.0.4", 65004));
    let name = |end: &str| format!("peer-10.0.0.{end}");
    assert_eq!(
        changes(&before, &after),
        [(name("4"), Change::Added), (name("3"), Change::Removed)]
    );
    // Two swap names: their sessions are with their addresses.
    let mut after = config();
    (after.peers[0].name, after.peers[1].name) = (name("3"), name("2"));
    let renamed = Change::Live(vec![Field::Name]);
    assert_eq!(
        changes(&before, &after),
        [(name("3"), renamed.clone()), (name("2"), renamed)]
    );
    // One gets another's address, whose own is gone.
    let mut after = config();
    after.peers[0].remote = after.peers[1].remote.clone();
    after.peers.remove(1);
    let found = between(&before, &after);
    let change = |index: usize| found.peers[index].change.clone();
    let fields = vec![Field::Name, Field::RemoteAs];
    assert_eq!(
        (change(0), found.peers[0].before),
        (Change::Reset(fields), Some(1))
    );
    assert_eq!(
        (change(2), found.peers[2].before),
        (Change::Removed, Some(0))
    );
}

#[test]
fn other_sockets_are_another_session() {
    let config = config();
    let sockets = BTreeSet::from(["rack".to_owned(), "nobody".to_owned()]);
    let difference = Difference::between(&config, &config, &sockets);
    let changed = difference.peers.iter();
    let changed = changed.filter(|peer| peer.change != Change::Unchanged);
    let changed: Vec<_> = changed.map(|peer| (&peer.name[..], &peer.change)).collect();
    assert_eq!(changed, [("rack", &Change::Reset(vec![Field::Sockets]))]);
}

#[test]
fn networks_are_told_apart() {
    let (before, mut after) = (config(), config());
    after.networks = vec![prefix("10.244.2.0/24")];
    let difference = between(&before, &after);
    assert_eq!(difference.originated, [prefix("10.244.2.0/24")]);
    assert_eq!(difference.withdrawn, [prefix("10.244.1.0/24")]);
}

#[test]
fn other_links_are_no_other_router() {
    let on = |links: &str, address: Option<&str>, port| {
        let mut config = config();
        config.peers[0].remote = Remote::Link {
            links: links.to_owned(),
            address: address.map(|text| text.parse().unwrap()),
            port,
        };
        config
    };
    let name = config().peers[0].name.clone();
    let of = |change| vec![(name.clone(), change)];
    let one = on("eth0", None, 179);
    assert!(changes(&one, &one).is_empty());
    let links = of(Change::Live(vec![Field::Links]));
    assert_eq!(changes(&one, &on("eth*", None, 179)), links);
    assert_eq!(changes(&one, &on("eth0", Some("fe80::1"), 179)), links);
    let port = of(Change::Reset(vec![Field::Port]));
    assert_eq!(changes(&one, &on("eth0", None, 1179)), port);
    let place = of(Change::Anew(vec![Field::Place]));
    assert_eq!(changes(&config(), &one), place);
}
