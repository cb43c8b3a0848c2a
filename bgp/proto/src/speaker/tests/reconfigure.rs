//! Another configuration while sessions are up: what stays, what goes, and with which words.

mod ranges;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::net::Net;
use super::{ip, only, peer, prefix, speaker, transit};
use crate::Notification;
use crate::fsm::State;
use crate::iana::{Family, cease_subcode};
use crate::policy::Policy;
use crate::speaker::{
    EventKind, Input, Order, Output, PeerConfig, PeerId, Remote, RemoteAs, Speaker, SpeakerConfig,
    StopMode,
};

/// A hub at 10.0.`n`.1 with peers at 10.0.`n`.2, AS 65010 + n, which announces 10.`n`.0.0/16 and
/// 10.77.0.0/16.
fn star(spokes: u8) -> Net {
    let mut net = Net::new();
    let mut config = speaker(65001, 1, &["10.244.0.0/24"]);
    config.peers = (1..=spokes).map(spoke_of_hub).collect();
    let hub = net.add(config);
    for n in 1..=spokes {
        add_spoke(&mut net, hub, n);
    }
    net.start_all();
    net.run_secs(5);
    for n in 0..spokes {
        assert_eq!(net.state(hub, n.into()), State::Established);
    }
    net
}

fn spoke_of_hub(n: u8) -> PeerConfig {
    PeerConfig {
        name: format!("spoke-{n}"),
        ..transit(&format!("10.0.{n}.2"), 65010 + u32::from(n))
    }
}

fn add_spoke(net: &mut Net, hub: usize, n: u8) -> usize {
    let own = format!("10.{n}.0.0/16");
    let mut config = speaker(65010 + u32::from(n), 10 + n, &[&own, "10.77.0.0/16"]);
    config.peers = vec![peer(&format!("10.0.{n}.1"), 65001)];
    let node = net.add(config);
    net.link(
        (hub, &format!("10.0.{n}.1")),
        (node, &format!("10.0.{n}.2")),
    );
    node
}

/// How often each session of the hub came up.
fn times(net: &Net) -> Vec<(String, u64)> {
    let peers = net.status(0).peers.into_iter();
    let peers = peers.map(|peer| (peer.name, peer.established_count));
    peers.collect()
}

fn counts(net: &Net) -> Vec<u64> {
    times(net).into_iter().map(|(_, count)| count).collect()
}

/// The subcodes of the Ceases that a node got, but for collisions; of one within a Hard Reset, that.
fn heard(net: &Net, node: usize) -> Vec<u8> {
    let words = net.nodes[node]
        .events
        .iter()
        .filter_map(|event| match event {
            EventKind::NotificationReceived(words) => Some(words),
            _ => None,
        });
    let subcodes = words.map(subcode);
    let collision = cease_subcode::COLLISION_RESOLUTION;
    subcodes.filter(|subcode| *subcode != collision).collect()
}

fn subcode(words: &Notification) -> u8 {
    match words.subcode {
        cease_subcode::HARD_RESET => words.data[1],
        subcode => subcode,
    }
}

#[test]
fn rules_networks_and_other_peers_touch_no_session() {
    let mut net = star(3);
    net.reconfigure(0, |config| {
        config.networks.push(prefix("10.244.1.0/24"));
        config.peers[0].export = Policy::default();
        config.peers[1].import = only("10.2.0.0/16", 16, 16);
        config.peers[2].timers.keepalive_secs = Some(2);
        config.maximum_paths = 1;
        config.graceful_restart.stale_secs = 7;
    });
    net.run_secs(5);
    assert_eq!(counts(&net), [1, 1, 1]);
    assert_eq!(net.nodes[0].fib[&prefix("10.77.0.0/16")].len(), 1);
    assert!(net.nodes[1].fib.contains_key(&prefix("10.244.1.0/24")));
    assert!(!net.nodes[1].fib.contains_key(&prefix("10.2.0.0/16")));
    assert!(net.nodes[2].fib.contains_key(&prefix("10.1.0.0/16")));
    assert_eq!(net.peer(0, 1).prefixes.rejected, 1);
    assert_eq!(net.peer(0, 2).session.unwrap().keepalive_secs, 2);
    // All back.
    net.reconfigure(0, |config| {
        config.networks.pop();
        config.peers[0].export = Policy::accept_all();
        config.peers[1].import = Policy::accept_all();
        config.maximum_paths = 8;
    });
    net.run_secs(5);
    assert_eq!(counts(&net), [1, 1, 1]);
    assert_eq!(net.nodes[0].fib[&prefix("10.77.0.0/16")].len(), 3);
    assert!(!net.nodes[1].fib.contains_key(&prefix("10.244.1.0/24")));
    assert!(net.nodes[1].fib.contains_key(&prefix("10.2.0.0/16")));
    assert_eq!(net.peer(0, 1).prefixes.rejected, 0);
    let last = heard(&net, 1).len() + heard(&net, 2).len() + heard(&net, 3).len();
    assert_eq!(last, 0, "nobody was told anything");
}

#[test]
fn a_network_that_others_have_too_becomes_theirs_and_ours_again() {
    let mut net = star(2);
    let shared = prefix("10.77.0.0/16");
    assert_eq!(net.nodes[0].fib[&shared].len(), 2);
    net.reconfigure(0, |config| config.networks.push(shared));
    net.run_secs(1);
    // Ours: not in the FIB, and told to all as ours.
    assert!(!net.nodes[0].fib.contains_key(&shared));
    assert_eq!(net.status(0).conflicts.len(), 2);
    net.reconfigure(0, |config| {
        config.networks.retain(|network| *network != shared);
    });
    net.run_secs(1);
    assert_eq!(net.nodes[0].fib[&shared].len(), 2);
    assert!(net.status(0).conflicts.is_empty());
    assert_eq!(counts(&net), [1, 1]);
}

#[test]
fn another_hold_time_resets_that_session_alone_and_no_packet_is_lost() {
    let mut net = star(3);
    let before = net.nodes.iter().map(|node| node.fib_log.len());
    let before: Vec<usize> = before.collect();
    net.reconfigure(0, |config| config.peers[1].timers.hold_time_secs = 30);
    net.run(Duration::from_millis(5));
    assert_eq!(heard(&net, 2), [cease_subcode::OTHER_CONFIGURATION_CHANGE]);
    assert_ne!(net.state(0, 1), State::Established);
    // Both have N: routes stay as stale until they come again.
    assert_eq!(net.peer(0, 1).prefixes.stale, 2);
    net.run_secs(5);
    assert_eq!(counts(&net), [1, 2, 1]);
    assert_eq!(net.peer(0, 1).session.unwrap().hold_time_secs, 30);
    let after = net.nodes.iter().map(|node| node.fib_log.len());
    assert!(after.eq(before), "the kernel has noticed nothing");
    assert_eq!((heard(&net, 1), heard(&net, 3)), (vec![], vec![]));
}

#[test]
fn who_is_removed_is_told_so_and_leaves_nothing() {
    let mut net = star(3);
    let gone = prefix("10.2.0.0/16");
    assert!(net.nodes[0].fib.contains_key(&gone));
    net.reconfigure(0, |config| drop(config.peers.remove(1)));
    net.run(Duration::from_millis(5));
    assert_eq!(heard(&net, 2), [cease_subcode::PEER_DECONFIGURED]);
    // Not kept as stale, on neither side.
    assert!(!net.nodes[0].fib.contains_key(&gone));
    assert!(net.nodes[2].fib.is_empty());
    assert_eq!(net.nodes[0].fib[&prefix("10.77.0.0/16")].len(), 2);
    assert!(!net.nodes[1].fib.contains_key(&gone));
    let names = times(&net);
    assert_eq!(
        names,
        [("spoke-1".to_owned(), 1), ("spoke-3".to_owned(), 1)]
    );
    // It comes again and again, and is a stranger.
    net.run_secs(100);
    assert_eq!(times(&net), names);
    assert_ne!(net.state(2, 0), State::Established);
    // The others' numbers are what they were; the next one gets the free place.
    assert_eq!(
        (net.peer(0, 0).name, net.peer(0, 2).name),
        ("spoke-1".into(), "spoke-3".into())
    );
    net.reconfigure(0, |config| config.peers.insert(0, spoke_of_hub(2)));
    net.run_secs(90);
    assert_eq!(net.peer(0, 1).name, "spoke-2");
    assert_eq!(net.state(0, 1), State::Established);
    let names = times(&net).into_iter().map(|(name, _)| name);
    assert!(names.eq(["spoke-2", "spoke-1", "spoke-3"]), "as configured");
    assert_eq!(counts(&net), [1, 1, 1]);
}

#[test]
fn new_ones_come_up_beside_the_others_also_many_times() {
    let mut net = star(2);
    for n in [3, 4] {
        let node = add_spoke(&mut net, 0, n);
        net.start(node);
    }
    for round in 0..20 {
        net.reconfigure(0, |config| {
            config.peers.truncate(2);
            config.peers.push(spoke_of_hub(3 + round % 2));
        });
        net.run_secs(70);
        let last = net.status(0).peers.pop().unwrap();
        assert_eq!(last.state, State::Established, "round {round}");
        assert!(last.id.0 < 4, "places are used again");
        let gone = format!("10.{}.0.0/16", 4 - round % 2);
        assert!(!net.nodes[0].fib.contains_key(&prefix(&gone)));
    }
    assert_eq!(counts(&net)[..2], [1, 1]);
}

#[test]
fn another_address_is_another_router() {
    let mut net = star(2);
    let node = add_spoke(&mut net, 0, 3);
    net.start(node);
    // The same AS, so that it could be taken for the same.
    net.reconfigure(0, |config| {
        config.peers[0].remote = spoke_of_hub(3).remote;
        config.peers[0].asn = 65013.into();
    });
    net.run(Duration::from_millis(10));
    assert_eq!(heard(&net, 1), [cease_subcode::PEER_DECONFIGURED]);
    assert!(!net.nodes[0].fib.contains_key(&prefix("10.1.0.0/16")));
    net.run_secs(60);
    let [first, second] = &net.status(0).peers[..] else {
        panic!()
    };
    assert_eq!(
        (&first.name[..], first.address),
        ("spoke-1", ip("10.0.3.2"))
    );
    assert_eq!(first.state, State::Established);
    assert_eq!(second.established_count, 1);
    assert!(net.nodes[0].fib.contains_key(&prefix("10.3.0.0/16")));
}

#[test]
fn another_name_is_no_matter() {
    let mut net = star(2);
    net.reconfigure(0, |config| {
        config.peers[0].name = "spoke-2".to_owned();
        config.peers[1].name = "spoke-1".to_owned();
    });
    net.run_secs(1);
    let expected = [("spoke-2".to_owned(), 1), ("spoke-1".to_owned(), 1)];
    assert_eq!(times(&net), expected);
    assert_eq!(net.speaker(0).find("spoke-2"), Some(PeerId(0)));
}

#[test]
fn who_is_shut_down_stays_so() {
    let mut net = star(2);
    let shutdown = Order::Shutdown("for good".to_owned());
    let peer = PeerId(0);
    net.input(
        0,
        Input::Order {
            peer,
            order: shutdown,
        },
    );
    net.run_secs(1);
    net.reconfigure(0, |config| config.peers[0].timers.hold_time_secs = 30);
    net.run_secs(100);
    assert!(net.peer(0, 0).kind.held_down);
    assert_eq!(net.state(0, 0), State::Idle);
    // At another address, too, in whichever place.
    let node = add_spoke(&mut net, 0, 3);
    net.start(node);
    net.reconfigure(0, |config| {
        config.peers[0] = PeerConfig {
            name: "spoke-1".to_owned(),
            ..spoke_of_hub(3)
        }
    });
    net.run_secs(100);
    let moved = net.status(0).peers.swap_remove(0);
    assert!(moved.kind.held_down);
    assert_eq!(moved.established_count, 0);
    let (peer, order) = (moved.id, Order::Start);
    net.input(0, Input::Order { peer, order });
    net.run_secs(60);
    assert_eq!(net.status(0).peers[0].state, State::Established);
    assert_eq!(net.status(0).peers[1].established_count, 1);
}

#[test]
fn dialling_can_be_begun_and_given_up() {
    let mut net = star(1);
    // Nobody dials any more: what is up stays, what is lost stays lost.
    net.reconfigure(0, |config| config.peers[0].passive = true);
    net.reconfigure(1, |config| config.peers[0].passive = true);
    net.run_secs(1);
    assert_eq!(counts(&net), [1]);
    let (peer, order) = (PeerId(0), Order::Reset(String::new()));
    net.input(0, Input::Order { peer, order });
    net.run_secs(200);
    assert_eq!(net.state(0, 0), State::Active);
    net.reconfigure(0, |config| config.peers[0].passive = false);
    net.run_secs(1);
    assert_eq!(net.state(0, 0), State::Established);
}

#[test]
fn a_shorter_pause_between_dials_begins_at_once() {
    let mut net = Net::new();
    let mut config = speaker(65001, 1, &[]);
    config.peers = vec![spoke_of_hub(1)];
    config.peers[0].timers.connect_retry = Duration::from_secs(3600);
    net.add(config);
    net.start(0);
    // Refused five times, then it waits.
    net.run_secs(60);
    let wait = net.peer(0, 0).next_attempt.unwrap();
    net.reconfigure(0, |config| {
        config.peers[0].timers.connect_retry = Duration::from_secs(10);
    });
    let sooner = net.peer(0, 0).next_attempt.unwrap();
    assert!(wait - sooner > Duration::from_secs(1000));
}

#[test]
fn a_dial_under_way_is_made_anew() {
    let mut config = speaker(65001, 1, &[]);
    config.peers = vec![spoke_of_hub(1)];
    let now = Instant::now();
    let mut speaker = Speaker::new(config.clone(), now);
    speaker.handle(Input::Start, now);
    let outputs = |speaker: &mut Speaker| -> Vec<Output> {
        let all = std::iter::from_fn(|| speaker.poll_output());
        let others = |output: &Output| !matches!(output, Output::Event(_) | Output::FibSynced);
        all.filter(others).collect()
    };
    let first = outputs(&mut speaker);
    let Some(Output::Dial { conn: old, .. }) = first.first() else {
        panic!("{first:?}")
    };
    let (address, port) = (ip("10.0.1.2"), 1179);
    config.peers[0].remote = Remote::Address { address, port };
    let (config, sockets) = (Box::new(config), BTreeSet::new());
    speaker.handle(Input::Reconfigure { config, sockets }, now);
    let then = outputs(&mut speaker);
    let [Output::Close { conn }, Output::Dial { remote, .. }] = &then[..] else {
        panic!("{then:?}")
    };
    assert_eq!((conn, remote.port()), (old, 1179));
}

#[test]
fn another_as_or_identifier_resets_all() {
    let mut net = star(2);
    net.reconfigure(0, |config| config.router_id = [10, 255, 1, 1].into());
    net.run_secs(10);
    assert_eq!(counts(&net), [2, 2]);
    net.reconfigure(0, |config| config.asn = 65100);
    net.run_secs(1);
    assert_ne!(
        net.state(0, 0),
        State::Established,
        "the others expect 65001"
    );
    for node in [1, 2] {
        net.reconfigure(node, |config| config.peers[0].asn = 65100.into());
    }
    net.run_secs(90);
    assert_eq!(counts(&net), [3, 3]);
    assert_eq!(net.status(0).asn, 65100);
    assert!(
        net.fib(1)
            .iter()
            .any(|line| line.starts_with("10.2.0.0/16"))
    );
}

#[test]
fn who_is_stopped_learns_it_for_the_next_start() {
    let mut net = star(2);
    net.input(0, Input::Stop(StopMode::Shutdown(String::new())));
    net.run_secs(1);
    net.reconfigure(0, |config| {
        config.peers.remove(0);
        config.networks = vec![prefix("10.244.9.0/24")];
    });
    net.run_secs(1);
    assert!(
        net.status(0)
            .peers
            .iter()
            .all(|peer| peer.state == State::Idle)
    );
    net.input(0, Input::Start);
    net.run_secs(60);
    assert_eq!(times(&net), [("spoke-2".to_owned(), 2)]);
    assert!(
        net.fib(2)
            .contains(&"10.244.9.0/24 via 10.0.2.1".to_owned())
    );
}

#[test]
fn while_routes_are_waited_for_own_networks_are_told_at_once() {
    let mut net = star(2);
    net.kill(0);
    net.kill(2);
    net.run_secs(1);
    net.restart(0);
    net.run_secs(5);
    assert!(net.nodes[0].synced.is_empty(), "one is still waited for");
    net.reconfigure(0, |config| {
        config.networks = vec![prefix("10.244.9.0/24"), prefix("10.77.0.0/16")];
    });
    net.run_secs(1);
    assert!(
        net.fib(1)
            .contains(&"10.244.9.0/24 via 10.0.1.1".to_owned())
    );
    assert!(!net.fib(1).iter().any(|line| line.starts_with("10.244.0.0")));
    // Who is not there any more is not waited for.
    net.reconfigure(0, |config| {
        config.networks.pop();
        config.peers.truncate(1);
    });
    net.run_secs(1);
    assert_eq!(net.nodes[0].synced.len(), 1);
    assert_eq!(net.nodes[0].fib[&prefix("10.77.0.0/16")].len(), 1);
    assert!(!net.nodes[0].fib.contains_key(&prefix("10.2.0.0/16")));
}

#[test]
fn other_sockets_reset_and_a_configuration_that_is_the_same_does_not() {
    let mut net = star(2);
    for _ in 0..100 {
        net.reconfigure(0, |_| {});
    }
    net.run_secs(1);
    assert_eq!(counts(&net), [1, 1]);
    let mut config = speaker(65001, 1, &["10.244.0.0/24"]);
    config.peers = (1..=2).map(spoke_of_hub).collect();
    let sockets = BTreeSet::from(["spoke-2".to_owned()]);
    let config = Box::new(config);
    net.input(0, Input::Reconfigure { config, sockets });
    net.run_secs(5);
    assert_eq!(counts(&net), [1, 2]);
    assert_eq!(heard(&net, 2), [cease_subcode::OTHER_CONFIGURATION_CHANGE]);
}

#[test]
fn another_family_is_there_after_the_reset() {
    let mut net = star(1);
    for node in [0, 1] {
        net.reconfigure(node, |config| {
            config.peers[0].families.push(Family::IPV6_UNICAST);
            config.networks.push(prefix(&format!("fd00:{node}::/64")));
        });
    }
    net.run_secs(10);
    let families = net.peer(0, 0).session.unwrap().families;
    assert_eq!(families, [Family::IPV4_UNICAST, Family::IPV6_UNICAST]);
}
