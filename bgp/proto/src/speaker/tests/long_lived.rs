//! Long-lived graceful restart (RFC 9494) between speakers.

mod bytes;

use super::net::Net;
use super::{peer, prefix, speaker, transit};
use crate::iana::Family;
use crate::iana::community::{LLGR_STALE, NO_EXPORT};
use crate::rib::{PathStatus, Step};
use crate::speaker::{
    EventKind, GracefulRestartConfig, Input, Order, PeerConfig, PeerId, RouteStatus,
};

const HOUR: u32 = 3600;

fn lasting(long_lived_secs: u32) -> GracefulRestartConfig {
    GracefulRestartConfig {
        long_lived_secs,
        ..GracefulRestartConfig::default()
    }
}

/// Two nodes with a network of their own and one of both, a router, and two more nodes that
/// hear from it: one with long-lived restart, and one without graceful restart at all.
fn fabric() -> Net {
    let mut net = Net::new();
    let node = |id: u8, own: &[&str], secs| {
        let mut config = speaker(65000 + u32::from(id), id, own);
        config.graceful_restart = lasting(secs);
        config.peers = vec![peer(&format!("10.0.{id}.1"), 65000)];
        config
    };
    net.add(node(1, &["10.1.0.0/24", "10.9.0.0/24"], HOUR));
    net.add(node(2, &["10.2.0.0/24", "10.9.0.0/24"], HOUR));
    net.add(node(3, &[], HOUR));
    let mut config = node(4, &[], 0);
    config.graceful_restart.restart_secs = 0;
    net.add(config);
    let mut config = speaker(65000, 100, &[]);
    config.graceful_restart = lasting(2 * HOUR);
    config.peers = (1..=4)
        .map(|id: u8| PeerConfig {
            passive: true,
            ..transit(&format!("10.0.{id}.10"), 65000 + u32::from(id))
        })
        .collect();
    let tor = net.add(config);
    for id in 1..=4 {
        let (node, own) = (format!("10.0.{id}.10"), format!("10.0.{id}.1"));
        net.link((id - 1, &node), (tor, &own));
    }
    net.start_all();
    net.run_secs(10);
    assert_eq!(
        net.fib(TOR),
        [
            "10.1.0.0/24 via 10.0.1.10",
            "10.2.0.0/24 via 10.0.2.10",
            "10.9.0.0/24 via 10.0.1.10 10.0.2.10"
        ]
    );
    net
}

const TOR: usize = 4;

fn route(net: &Net, node: usize, text: &str) -> Option<RouteStatus> {
    let mut routes = net.speaker(node).routes();
    routes.find(|route| route.prefix == prefix(text) && route.peer == Some(PeerId(0)))
}

fn is_last_resort(route: &RouteStatus) -> bool {
    route.attributes.has_community(LLGR_STALE)
}

#[test]
fn who_does_not_come_back_is_the_last_resort_for_its_long_time() {
    let mut net = fabric();
    net.kill(0);
    net.run_secs(119);
    assert!(!is_last_resort(&route(&net, TOR, "10.1.0.0/24").unwrap()));
    let kept = net.peer(TOR, 0).kept;
    assert!(
        kept.until.is_some() && kept.long_lived_until.is_none(),
        "{kept:?}"
    );
    assert_eq!(net.fib(3).len(), 3);
    net.run_secs(2);
    // What nobody else has is used further on, and only then.
    assert_eq!(
        net.fib(TOR),
        [
            "10.1.0.0/24 via 10.0.1.10",
            "10.2.0.0/24 via 10.0.2.10",
            "10.9.0.0/24 via 10.0.2.10"
        ]
    );
    let lost = route(&net, TOR, "10.9.0.0/24").unwrap();
    assert_eq!(lost.status, PathStatus::Lost(Step::LongLivedStale));
    let status = net.peer(TOR, 0);
    assert_eq!((status.prefixes.stale, status.prefixes.long_lived), (2, 2));
    assert!(status.kept.until.is_none() && status.kept.long_lived_until.is_some());
    let kept = EventKind::LongLivedKept {
        family: Family::IPV4_UNICAST,
        routes: 2,
        secs: HOUR.into(),
    };
    assert!(net.nodes[TOR].events.contains(&kept));
    // Who takes such routes is told, the other one has it withdrawn.
    assert!(is_last_resort(&route(&net, 2, "10.1.0.0/24").unwrap()));
    assert_eq!(net.fib(2).len(), 3);
    assert!(route(&net, 3, "10.1.0.0/24").is_none());
    assert_eq!(
        net.fib(3),
        ["10.2.0.0/24 via 10.0.4.1", "10.9.0.0/24 via 10.0.4.1"]
    );

    // The smaller of the two times.
    net.run_secs(u64::from(HOUR) - 3);
    assert_eq!(net.fib(TOR).len(), 3);
    net.run_secs(3);
    assert_eq!(
        net.fib(TOR),
        ["10.2.0.0/24 via 10.0.2.10", "10.9.0.0/24 via 10.0.2.10"]
    );
    assert_eq!(net.peer(TOR, 0).kept, crate::speaker::KeptStatus::default());
    assert!(route(&net, 2, "10.1.0.0/24").is_none());
}

#[test]
fn who_comes_back_late_is_as_good_as_new() {
    let mut net = fabric();
    net.kill(0);
    net.run_secs(1000);
    assert!(is_last_resort(&route(&net, TOR, "10.1.0.0/24").unwrap()));
    net.restart(0);
    net.run_secs(30);
    assert!(!is_last_resort(&route(&net, TOR, "10.1.0.0/24").unwrap()));
    let status = net.peer(TOR, 0);
    assert_eq!(status.prefixes.stale, 0);
    assert_eq!(status.kept, crate::speaker::KeptStatus::default());
    assert_eq!(net.fib(TOR)[2], "10.9.0.0/24 via 10.0.1.10 10.0.2.10");
    assert_eq!(net.fib(3).len(), 3);
    // Its own network went nowhere in between.
    let own = prefix("10.1.0.0/24");
    let changes = net.nodes[TOR]
        .fib_log
        .iter()
        .filter(|change| change.1 == own);
    assert_eq!(changes.count(), 1);
}

#[test]
fn who_comes_back_without_its_routes_has_none() {
    let mut net = fabric();
    net.kill(0);
    net.nodes[0].fib.clear();
    net.run_secs(1000);
    net.restart(0);
    net.run_secs(30);
    assert!(net.nodes[TOR].events.contains(&EventKind::StaleFlushed(2)));
    assert_eq!(net.fib(TOR).len(), 3);
}

/// A departure from RFC 8538 §4, and what makes it harmless: see `Cause::may_be_restart`.
#[test]
fn who_falls_silent_is_the_last_resort_at_once() {
    let mut net = fabric();
    net.set_cut("10.0.1.1", "10.0.1.10", true);
    net.run_secs(95);
    assert_eq!(net.fib(TOR)[0], "10.1.0.0/24 via 10.0.1.10");
    assert_eq!(net.fib(TOR)[2], "10.9.0.0/24 via 10.0.2.10");
    assert!(net.peer(TOR, 0).kept.until.is_none());
    net.run_secs(HOUR.into());
    assert_eq!(net.fib(TOR).len(), 2);
}

#[test]
fn a_shutdown_and_a_drain_end_it() {
    let mut net = fabric();
    net.kill(0);
    net.run_secs(200);
    let peer = PeerId(0);
    net.input(
        TOR,
        Input::Order {
            peer,
            order: Order::Shutdown(String::new()),
        },
    );
    net.run_secs(1);
    assert_eq!(net.peer(TOR, 0).prefixes.received, 0);
    net.kill(1);
    net.run_secs(200);
    net.input(
        TOR,
        Input::Drain(crate::speaker::Drain::Close(String::new())),
    );
    net.run_secs(1);
    assert!(net.fib(TOR).is_empty());
}

/// Internal peers that do not know what the community means.
#[test]
fn internal_peers_without_it_take_it_for_the_last_resort_too() {
    let mut net = Net::new();
    let mut config = speaker(65001, 1, &["10.1.0.0/24"]);
    config.graceful_restart = lasting(HOUR);
    config.peers = vec![peer("10.0.1.1", 65000)];
    net.add(config);
    let mut config = speaker(65000, 100, &[]);
    config.graceful_restart = lasting(HOUR);
    config.peers = vec![transit("10.0.1.10", 65001), transit("10.0.2.2", 65000)];
    net.add(config);
    let mut config = speaker(65000, 101, &[]);
    config.graceful_restart.restart_secs = 0;
    config.peers = vec![peer("10.0.2.1", 65000)];
    net.add(config);
    net.link((0, "10.0.1.10"), (1, "10.0.1.1"));
    net.link((1, "10.0.2.1"), (2, "10.0.2.2"));
    net.start_all();
    net.run_secs(10);
    net.kill(0);
    net.run_secs(130);
    let there = route(&net, 2, "10.1.0.0/24").unwrap();
    assert_eq!(there.attributes.communities[..], [LLGR_STALE, NO_EXPORT]);
    assert_eq!(there.attributes.local_pref, Some(0));
}
