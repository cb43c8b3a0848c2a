//! Our own announcements that come back, and AS numbers in paths that are no loops.
//!
//! ```text
//!          spine 65200
//!          /         \
//!     tor 65101   tor 65102      both override the nodes' AS
//!          \       /     \
//!         node 65000   node 65000
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::net::Net;
use super::solo::{self, PEER, Solo, announcement};
use super::{only, peer, prefix, speaker, transit};
use crate::attr::AsPath;
use crate::rib::{PathStatus, Step, Unusable};
use crate::speaker::{ConnId, Input, Knobs, PeerConfig};

const OWN: &str = "10.244.1.0/24";
const PART: &str = "10.244.1.128/25";
const NODE: usize = 0;
const OTHER: usize = 1;

fn overridden(address: &str) -> PeerConfig {
    PeerConfig {
        knobs: Knobs {
            as_override: true,
            ..Knobs::default()
        },
        passive: true,
        ..transit(address, 65000)
    }
}

/// The node tells only the first ToR of its network: so the second has it from the spine, and tells
/// it the node.
fn fabric(seed: u64) -> Net {
    let mut net = Net::new();
    net.jitter = Some(SmallRng::seed_from_u64(seed));
    net.delay = Duration::from_millis(200);
    let mut node = speaker(65000, 1, &[OWN]);
    node.peers = vec![
        peer("10.1.0.1", 65101),
        PeerConfig {
            export: only("10.99.0.0/16", 24, 24),
            ..peer("10.2.0.1", 65102)
        },
    ];
    let mut other = speaker(65000, 2, &["10.244.2.0/24"]);
    other.peers = vec![peer("10.3.0.1", 65102)];
    let mut first = speaker(65101, 11, &[]);
    first.peers = vec![overridden("10.1.0.2"), transit("10.4.0.1", 65200)];
    let mut second = speaker(65102, 12, &[]);
    second.peers = vec![
        overridden("10.2.0.2"),
        overridden("10.3.0.2"),
        transit("10.5.0.1", 65200),
    ];
    let mut spine = speaker(65200, 13, &[]);
    spine.peers = vec![transit("10.4.0.2", 65101), transit("10.5.0.2", 65102)];
    for config in [node, other, first, second, spine] {
        net.add(config);
    }
    net.link((NODE, "10.1.0.2"), (2, "10.1.0.1"));
    net.link((NODE, "10.2.0.2"), (3, "10.2.0.1"));
    net.link((OTHER, "10.3.0.2"), (3, "10.3.0.1"));
    net.link((2, "10.4.0.2"), (4, "10.4.0.1"));
    net.link((3, "10.5.0.2"), (4, "10.5.0.1"));
    net.start_all();
    net.run_secs(30);
    net
}

/// What the node has of a prefix from each ToR.
fn heard(net: &Net, text: &str) -> Vec<(u32, String, PathStatus)> {
    let routes = net.speaker(NODE).routes();
    let routes = routes.filter(|route| route.prefix == prefix(text));
    let learned = routes.filter_map(|route| {
        let path = route.attributes.as_path.to_string();
        Some((route.peer?.0, path, route.status))
    });
    let mut learned: Vec<_> = learned.collect();
    learned.sort_by_key(|(_, path, _)| path.len());
    learned
}

#[test]
fn what_the_other_nodes_of_the_as_announce_is_used() {
    let net = fabric(1);
    assert_eq!(
        net.fib(NODE),
        ["10.244.2.0/24 via 10.2.0.1"],
        "the short way, and nothing of our own"
    );
    let [short, long] = &heard(&net, "10.244.2.0/24")[..] else {
        panic!("from both")
    };
    assert_eq!(*short, (1, "65102 65102".to_owned(), PathStatus::Best));
    assert_eq!(long.1, "65101 65200 65102 65101");
    assert_eq!(net.fib(OTHER), ["10.244.1.0/24 via 10.3.0.1"]);
}

#[test]
fn an_own_network_that_comes_back_is_never_used_also_after_it_was_withdrawn() {
    let echo = PathStatus::Lost(Step::OwnNetwork);
    for seed in 0..20 {
        let mut net = fabric(seed);
        let back = (1, "65102 65200 65101 65102".to_owned(), echo);
        assert_eq!(heard(&net, OWN), [back], "seed {seed}");
        net.reconfigure(NODE, |config| config.networks.clear());
        net.run_secs(60);
        let log = &net.nodes[NODE].fib_log;
        let ours = log.iter().filter(|(_, network, _)| *network == prefix(OWN));
        assert_eq!(ours.count(), 0, "seed {seed}");
        assert_eq!(heard(&net, OWN), [], "seed {seed}");
        assert!(net.nodes.iter().all(|n| !n.fib.contains_key(&prefix(OWN))));
    }
}

#[test]
fn where_a_network_has_gone_to_another_node_it_is_reached_there_after_a_while() {
    let mut net = fabric(1);
    net.reconfigure(NODE, |config| config.networks.clear());
    net.run_secs(5);
    net.reconfigure(OTHER, |config| config.networks.push(prefix(OWN)));
    net.run_secs(10);
    let waits = PathStatus::Unusable(Unusable::Echo);
    assert!(heard(&net, OWN).iter().all(|(.., status)| *status == waits));
    assert!(!net.nodes[NODE].fib.contains_key(&prefix(OWN)));
    net.run_secs(20);
    let hop = format!("{OWN} via 10.2.0.1");
    assert!(net.fib(NODE).contains(&hop), "{:?}", net.fib(NODE));
    // And back, with a part of it.
    net.reconfigure(NODE, |config| config.networks = vec![prefix(OWN)]);
    net.run_secs(10);
    assert!(!net.nodes[NODE].fib.contains_key(&prefix(OWN)));
    net.reconfigure(OTHER, |config| config.networks = vec![prefix(PART)]);
    net.run_secs(60);
    let parts = heard(&net, PART);
    assert!(!parts.is_empty() && parts.iter().all(|(.., status)| *status == waits));
    assert!(!net.nodes[NODE].fib.contains_key(&prefix(PART)));
}

/// A network that becomes ours while others have a part of it: what looks like ours is not used.
#[test]
fn a_network_that_becomes_ours_ends_the_use_of_its_echoes() {
    let mut net = fabric(1);
    net.reconfigure(NODE, |config| config.networks.clear());
    net.run_secs(60);
    net.reconfigure(OTHER, |config| config.networks.push(prefix(PART)));
    net.run_secs(10);
    assert!(net.nodes[NODE].fib.contains_key(&prefix(PART)));
    net.reconfigure(NODE, |config| config.networks = vec![prefix(OWN)]);
    net.run_secs(1);
    assert!(!net.nodes[NODE].fib.contains_key(&prefix(PART)));
}

/// AS 65002 announces a network with this path.
fn announce(solo: &mut Solo, conn: ConnId, network: &str, path: &[u32]) {
    let path = AsPath::from_sequence(path);
    for message in announcement(network, |a| a.as_path = path.clone()) {
        solo.send(conn, &message);
    }
}

/// Own numbers are counted, whichever of the two they are; as many as are allowed are no loop.
#[test]
fn so_many_own_numbers_as_allowed_are_no_loop() {
    let status = |allow_own_as, path: &[u32]| {
        let mut config = solo::config();
        config.peers[0].knobs.allow_own_as = allow_own_as;
        config.peers[0].local_asn = Some(65009);
        let mut solo = Solo::with(config);
        let conn = solo.establish(PEER, 65002);
        announce(&mut solo, conn, "10.244.7.0/24", path);
        let mut routes = solo.speaker.routes();
        routes.find(|route| route.peer.is_some()).unwrap().status
    };
    let looped = PathStatus::Unusable(Unusable::OwnAs);
    for (allowed, path, expected) in [
        (0, &[65002, 65100][..], PathStatus::Best),
        (0, &[65002, 65001], looped),
        (0, &[65002, 65009], looped),
        (1, &[65002, 65001], PathStatus::Best),
        (1, &[65002, 65009, 65100], PathStatus::Best),
        (1, &[65002, 65009, 65001], looped),
        (2, &[65002, 65009, 65100, 65001], PathStatus::Best),
        (2, &[65002, 65001, 65001, 65001], looped),
    ] {
        assert_eq!(status(allowed, path), expected, "{allowed} {path:?}");
    }
}

/// The same without a new session, and back.
#[test]
fn what_is_allowed_can_change_while_the_session_lives() {
    let mut solo = Solo::new();
    let conn = solo.establish(PEER, 65002);
    for network in ["10.244.1.0/24", "10.244.1.64/26", "10.244.7.0/24"] {
        announce(&mut solo, conn, network, &[65002, 65001]);
    }
    let statuses = |solo: &Solo| -> Vec<(String, PathStatus)> {
        let learned = solo.speaker.routes().filter(|r| r.peer.is_some());
        let learned = learned.map(|route| (route.prefix.to_string(), route.status));
        learned.collect()
    };
    let loops = statuses(&solo);
    let looped = PathStatus::Unusable(Unusable::OwnAs);
    assert!(loops.len() == 3 && loops.iter().all(|(_, status)| *status == looped));
    let set = |solo: &mut Solo, allow_own_as| {
        let mut config = Box::new(solo::config());
        config.peers[0].knobs.allow_own_as = allow_own_as;
        let sockets = BTreeSet::new();
        solo.input(Input::Reconfigure { config, sockets });
        while solo.speaker.work(solo.now) {}
    };
    set(&mut solo, 1);
    let echo = PathStatus::Unusable(Unusable::Echo);
    let own = PathStatus::Lost(Step::OwnNetwork);
    let expected = [own, echo, PathStatus::Best];
    let now: Vec<PathStatus> = statuses(&solo).iter().map(|(_, status)| *status).collect();
    assert_eq!(now, expected);
    set(&mut solo, 0);
    assert_eq!(statuses(&solo), loops);
    assert_eq!(solo.speaker.status(solo.now).peers[0].established_count, 1);
}
