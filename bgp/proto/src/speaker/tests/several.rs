//! Several paths of a prefix (RFC 7911) and roles (RFC 9234) through networks of speakers.

use super::net::Net;
use super::{prefix, speaker, transit};
use crate::fsm::State;
use crate::iana::Family;
use crate::policy::{Action, Changes, Conditions, NeighborMatch, NextHopChange, Policy, Rule};
use crate::rib::{PathStatus, Unusable};
use crate::speaker::{AddPath, Input, Offer, PeerConfig, Role, StopMode};

const SHARED: &str = "10.9.0.0/24";

fn add_path(receive: bool, send: u8) -> Offer {
    Offer {
        add_path: AddPath { receive, send },
        ..Offer::default()
    }
}

/// Three sources of one prefix, a node in the middle, and one behind it. The first source is the
/// nearest, the last one is further away.
fn star(send: u8) -> Net {
    let mut net = Net::new();
    let mut middle = speaker(65000, 1, &[]);
    for n in 0..3_u8 {
        let mut source = speaker(65001 + u32::from(n), 11 + n, &[SHARED]);
        source.peers = vec![transit(&format!("10.0.{n}.2"), 65000)];
        net.add(source);
        middle
            .peers
            .push(transit(&format!("10.0.{n}.1"), 65001 + u32::from(n)));
    }
    middle.peers.push(PeerConfig {
        offer: add_path(false, send),
        ..transit("10.0.3.2", 65009)
    });
    let middle = net.add(middle);
    let mut behind = speaker(65009, 9, &[]);
    behind.peers = vec![PeerConfig {
        offer: add_path(true, 0),
        ..transit("10.0.3.1", 65000)
    }];
    let behind = net.add(behind);
    for n in 0..3 {
        net.link(
            (n, &format!("10.0.{n}.1")),
            (middle, &format!("10.0.{n}.2")),
        );
    }
    net.link((middle, "10.0.3.1"), (behind, "10.0.3.2"));
    net
}

/// Identifier and the source's AS.
fn paths(net: &Net, node: usize) -> Vec<(u32, u32)> {
    let routes = net.speaker(node).routes();
    let routes = routes.filter(|route| route.prefix == prefix(SHARED));
    let mut paths: Vec<_> = routes
        .map(|route| {
            (
                route.path_id,
                route.attributes.as_path.origin_asn().unwrap(),
            )
        })
        .collect();
    paths.sort_unstable();
    paths
}

#[test]
fn a_peer_has_the_best_paths_and_their_names_stay() {
    let mut net = star(2);
    net.start_all();
    net.run_secs(10);
    let behind = 4;
    assert_eq!(net.state(behind, 0), State::Established);
    let before = paths(&net, behind);
    assert_eq!(before.len(), 2, "{before:?}");
    assert_eq!((before[0].0, before[1].0), (1, 2));
    assert_eq!(net.peer(3, 3).prefixes.advertised, 2);
    // The source of the first path goes: the other keeps its name.
    let gone = usize::try_from(before[0].1 - 65001).unwrap();
    let text = "gone".to_owned();
    net.input(
        gone,
        crate::speaker::Input::Stop(crate::speaker::StopMode::Shutdown(text)),
    );
    net.run_secs(10);
    let after = paths(&net, behind);
    assert_eq!(after.len(), 2, "{after:?}");
    assert!(after.contains(&before[1]), "{before:?} {after:?}");
    assert_eq!(net.fib(behind), [format!("{SHARED} via 10.0.3.1")]);
}

/// The place of a path is another's, which looks the same here; the export rules ask who told it.
#[test]
fn who_tells_a_path_matters_to_rules_that_ask() {
    let set = |changes| Rule::new("set", Action::Accept, None).set(changes);
    let med = |med| Changes {
        med: Some(med),
        ..Changes::default()
    };
    let shared = Changes {
        next_hop: Some(NextHopChange::Address(super::ip("10.0.9.9"))),
        ..Changes::default()
    };
    let mut net = star(1);
    net.reconfigure(3, |config| {
        for (n, peer) in config.peers[..3].iter_mut().enumerate() {
            peer.asn = 65001.into();
            peer.name = format!("source-{n}");
            peer.import = Policy::new(vec![set(shared.clone())], vec![]);
        }
        let first = Conditions {
            neighbor: NeighborMatch {
                name: Some("source-0".into()),
                ..NeighborMatch::default()
            },
            ..Conditions::default()
        };
        let rules = vec![set(med(1)).when(first), set(med(2))];
        config.peers[3].export = Policy::new(rules, vec![]);
    });
    for source in 1..3 {
        net.reconfigure(source, |config| config.asn = 65001);
    }
    net.start_all();
    net.run_secs(10);
    let meds = |net: &Net| {
        let routes = net.speaker(4).routes();
        let routes = routes.filter(|route| route.prefix == prefix(SHARED));
        routes.map(|route| route.attributes.med).collect::<Vec<_>>()
    };
    assert_eq!(net.fib(3), [format!("{SHARED} via 10.0.9.9")]);
    assert_eq!(meds(&net), [Some(1)]);
    let text = "gone".to_owned();
    net.input(0, Input::Stop(StopMode::Shutdown(text)));
    net.run_secs(10);
    assert_eq!(meds(&net), [Some(2)]);
}

#[test]
fn without_the_capability_there_is_one_path_without_a_name() {
    let mut net = star(0);
    net.start_all();
    net.run_secs(10);
    let [(0, _)] = paths(&net, 4)[..] else {
        panic!("{:?}", paths(&net, 4))
    };
}

/// `left` announces and hears with this role, `right` with that one.
fn roles(left: Option<Role>, right: Option<Role>, strict: bool) -> Net {
    let mut net = Net::new();
    let offer = |role| Offer {
        role,
        role_strict: strict,
        ..Offer::default()
    };
    let mut config = speaker(65001, 1, &["10.1.0.0/24"]);
    config.peers = vec![PeerConfig {
        offer: offer(left),
        ..transit("10.0.0.2", 65002)
    }];
    let a = net.add(config);
    let mut config = speaker(65002, 2, &["10.2.0.0/24"]);
    config.peers = vec![PeerConfig {
        offer: offer(right),
        ..transit("10.0.0.1", 65001)
    }];
    let b = net.add(config);
    net.link((a, "10.0.0.1"), (b, "10.0.0.2"));
    net.start_all();
    net.run_secs(5);
    net
}

#[test]
fn roles_that_fit_mark_routes_and_others_make_no_session() {
    let net = roles(Some(Role::Provider), Some(Role::Customer), true);
    let otc = |node: usize, text: &str| {
        let mut routes = net.speaker(node).routes();
        let route = routes.find(|route| route.prefix == prefix(text) && route.peer.is_some());
        route.map(|route| route.attributes.only_to_customer())
    };
    assert_eq!(
        otc(1, "10.1.0.0/24"),
        Some(Some(65001)),
        "from the provider"
    );
    assert_eq!(otc(0, "10.2.0.0/24"), Some(None), "from the customer");

    for (left, right, strict, word) in [
        (
            Some(Role::Customer),
            Some(Role::Customer),
            false,
            "must be provider",
        ),
        (Some(Role::Provider), None, true, "does not say its own"),
    ] {
        let net = roles(left, right, strict);
        assert_ne!(net.state(0, 0), State::Established);
        let said = net.peer(0, 0).last_error.unwrap().text;
        assert!(said.contains("Role Mismatch (2/11)"), "{said}");
        let both = [0, 1].map(|node| net.peer(node, 0).last_error.unwrap().text);
        assert!(both.iter().any(|said| said.contains(word)), "{both:?}");
    }
    // Not strict: it works without.
    let net = roles(Some(Role::Provider), None, false);
    assert_eq!(net.state(0, 0), State::Established);
}

/// A customer with two providers that tells one what the other said: the leak is seen by the one
/// that has roles, even if the customer has none.
#[test]
fn a_leak_is_not_used_and_says_why() {
    let mut net = Net::new();
    let with = |role, peer: PeerConfig| PeerConfig {
        offer: Offer {
            role: Some(role),
            ..Offer::default()
        },
        ..peer
    };
    let mut config = speaker(65001, 1, &["10.1.0.0/24"]);
    config.peers = vec![with(Role::Provider, transit("10.0.1.2", 65000))];
    let first = net.add(config);
    let mut config = speaker(65000, 2, &[]);
    config.peers = vec![transit("10.0.1.1", 65001), transit("10.0.2.1", 65002)];
    let customer = net.add(config);
    let mut config = speaker(65002, 3, &[]);
    config.peers = vec![with(Role::Provider, transit("10.0.2.2", 65000))];
    let second = net.add(config);
    net.link((first, "10.0.1.1"), (customer, "10.0.1.2"));
    net.link((customer, "10.0.2.2"), (second, "10.0.2.1"));
    net.start_all();
    net.run_secs(10);
    let routes: Vec<_> = net.speaker(second).routes().collect();
    assert_eq!(routes.len(), 1);
    assert_eq!(routes[0].status, PathStatus::Unusable(Unusable::RouteLeak));
    assert_eq!(routes[0].attributes.only_to_customer(), Some(65001));
    assert!(net.fib(second).is_empty());
    let counts = net.peer(second, 0).prefixes.by_family[0];
    assert_eq!((counts.0, counts.1.rejected), (Family::IPV4_UNICAST, 1));
}
