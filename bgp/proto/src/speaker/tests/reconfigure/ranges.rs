//! Another configuration of a range, and of those who came from it.

use super::*;

fn range(config: &mut SpeakerConfig, network: &str, limit: u16) {
    let network = prefix(network);
    config.peers.push(PeerConfig {
        name: format!("range-{network}"),
        remote: Remote::Range { network, limit },
        asn: RemoteAs::External,
        passive: true,
        ..spoke_of_hub(0)
    });
}

/// The hub knows its spokes by a range only.
fn ranged(limit: u16) -> Net {
    let mut net = Net::new();
    let mut config = speaker(65001, 1, &["10.244.0.0/24"]);
    range(&mut config, "10.0.0.0/16", limit);
    let hub = net.add(config);
    for n in 1..=3 {
        add_spoke(&mut net, hub, n);
    }
    net.start_all();
    net.run_secs(60);
    net
}

#[test]
fn what_is_said_of_a_range_is_said_of_its_peers() {
    let mut net = ranged(2);
    assert_eq!(counts(&net), [1, 1]);
    net.reconfigure(0, |config| {
        config.peers[0].remote = Remote::Range {
            network: prefix("10.0.0.0/16"),
            limit: 3,
        };
        config.peers[0].export = Policy::default();
    });
    net.run_secs(120);
    assert_eq!(counts(&net), [1, 1, 1], "one more, and nobody was reset");
    assert_eq!(net.fib(1), ["10.244.0.0/24 via 10.0.1.1"]);
    net.reconfigure(0, |config| config.peers[0].timers.hold_time_secs = 30);
    net.run(Duration::from_millis(5));
    for node in 1..=3 {
        let words = heard(&net, node);
        assert_eq!(
            words.last(),
            Some(&cease_subcode::OTHER_CONFIGURATION_CHANGE)
        );
    }
    net.run_secs(60);
    let status = net.status(0);
    assert_eq!(status.ranges[0].peers, 3);
    for peer in status.peers {
        assert_eq!(peer.session.unwrap().hold_time_secs, 30);
    }
}

#[test]
fn peers_of_a_range_go_with_it_or_move_to_what_they_are_now() {
    let mut net = ranged(10);
    assert_eq!(counts(&net), [1, 1, 1]);
    // One gets a peer of its own, one a range of its own.
    net.reconfigure(0, |config| {
        config.peers.push(spoke_of_hub(1));
        range(config, "10.0.2.0/24", 5);
    });
    net.run_secs(60);
    let names = || times(&net).into_iter().map(|(name, _)| name);
    assert!(
        names().eq([
            "spoke-1",
            "range-10.0.0.0/16/10.0.3.2",
            "range-10.0.2.0/24/10.0.2.2"
        ]),
        "{:?}",
        times(&net)
    );
    let counts = net.status(0).ranges.into_iter().map(|range| range.peers);
    assert!(counts.eq([1, 1]));
    assert!(
        net.status(0)
            .peers
            .iter()
            .all(|peer| peer.state == State::Established)
    );
    // The large one goes, with who is still in it.
    net.reconfigure(0, |config| drop(config.peers.remove(0)));
    net.run(Duration::from_millis(5));
    assert_eq!(heard(&net, 3), [cease_subcode::PEER_DECONFIGURED]);
    net.run_secs(60);
    let left: Vec<_> = times(&net).into_iter().map(|(name, _)| name).collect();
    assert_eq!(left, ["spoke-1", "range-10.0.2.0/24/10.0.2.2"]);
    assert!(!net.nodes[0].fib.contains_key(&prefix("10.3.0.0/16")));
    // And all of it.
    net.reconfigure(0, |config| config.peers.clear());
    net.run_secs(1);
    assert!(net.status(0).peers.is_empty() && net.status(0).ranges.is_empty());
    assert!(net.fib(0).is_empty());
    net.reconfigure(0, |config| config.peers = vec![spoke_of_hub(3)]);
    net.run_secs(90);
    assert_eq!(net.status(0).peers[0].state, State::Established);
    assert_eq!(
        net.status(0).peers[0].id,
        PeerId(0),
        "places are free again"
    );
}

/// Who is in both networks notices nothing of the change.
#[test]
fn a_range_can_grow_and_shrink_around_its_peers() {
    let mut net = ranged(10);
    let become_range = |net: &mut Net, network: &str| {
        let network = prefix(network);
        net.reconfigure(0, |config| {
            config.peers[0].remote = Remote::Range { network, limit: 10 }
        });
        net.run(Duration::from_millis(5));
    };
    become_range(&mut net, "10.0.0.0/8");
    net.run_secs(60);
    assert_eq!(counts(&net), [1, 1, 1]);
    add_spoke(&mut net, 0, 4);
    let range = net.status(0).ranges[0].network;
    assert_eq!(range, prefix("10.0.0.0/8"));
    // 10.0.1.2 is not in it.
    become_range(&mut net, "10.0.2.0/23");
    assert_eq!(heard(&net, 1), [cease_subcode::PEER_DECONFIGURED]);
    for node in [2, 3] {
        assert_eq!(heard(&net, node), []);
    }
    net.run_secs(60);
    assert_eq!(counts(&net), [1, 1]);
    assert!(!net.nodes[0].fib.contains_key(&prefix("10.1.0.0/16")));
    assert_eq!(net.status(0).ranges[0].peers, 2);
    // With something that is in the OPEN, too.
    net.reconfigure(0, |config| {
        let network = prefix("10.0.3.0/24");
        config.peers[0].remote = Remote::Range { network, limit: 10 };
        config.peers[0].timers.hold_time_secs = 30;
    });
    net.run_secs(60);
    assert_eq!(heard(&net, 2), [cease_subcode::PEER_DECONFIGURED]);
    assert_eq!(heard(&net, 3), [cease_subcode::OTHER_CONFIGURATION_CHANGE]);
    // And somewhere else altogether.
    become_range(&mut net, "192.0.2.0/24");
    assert!(net.status(0).peers.is_empty() && net.fib(0).is_empty());
    become_range(&mut net, "10.0.0.0/16");
    net.run_secs(120);
    assert_eq!(net.status(0).ranges[0].peers, 3);
}
