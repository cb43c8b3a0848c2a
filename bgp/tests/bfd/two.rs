//! Two of our own.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use super::common::{Daemon, Namespace, pair, wait};
use super::{config, peer, times, wait_bfd, wait_up};

fn both(ends: (&Namespace, &Namespace), peers: [&str; 2], millis: u32) -> (TempDir, [Daemon; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let networks = ["{cidr: 10.244.1.0/24}", "{cidr: 10.244.2.0/24}"];
    let texts = [0, 1].map(|index| {
        let asn = 65001 + u32::try_from(index).unwrap();
        config(asn, peers[index], &times(millis), networks[index])
    });
    let daemons = [
        Daemon::start(ends.0, folder.path(), "a", &texts[0]),
        Daemon::start(ends.1, folder.path(), "b", &texts[1]),
    ];
    (folder, daemons)
}

const STATIC: [&str; 2] = [
    "peerIP: 10.0.0.2, asNumber: 65002",
    "peerIP: 10.0.0.1, asNumber: 65001",
];

/// Nothing gets through any more, and nobody is told.
fn cut(namespace: &Namespace) {
    let rules = "table inet cut { chain in { type filter hook prerouting priority -400; \
                 iifname eth0 drop; }; }; table netdev cut { chain out { type filter hook egress \
                 device eth0 priority 0; drop; }; }";
    let done = namespace.command("nft").arg(rules).status();
    assert!(done.unwrap().success());
}

fn mend(namespace: &Namespace) {
    for family in ["inet", "netdev"] {
        let delete = ["delete", "table", family, "cut"];
        let done = namespace.command("nft").args(delete).status();
        assert!(done.unwrap().success());
    }
}

/// Up, down by silence with its cause and all routes gone, and back.
fn life(ends: (&Namespace, &Namespace), daemons: &[Daemon; 2], multihop: bool) {
    for daemon in daemons {
        let bfd = wait_up(daemon);
        assert_eq!(bfd["multihop"], multihop);
        daemon.established();
        assert_eq!(peer(daemon).unwrap()["established"], 1);
    }
    wait("the routes of both", || {
        (!ends.0.own_routes().is_empty() && !ends.1.own_routes().is_empty()).then_some(())
    });
    cut(ends.0);
    let begun = Instant::now();
    wait("the routes are gone", || {
        (ends.0.own_routes().is_empty() && ends.1.own_routes().is_empty()).then_some(())
    });
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    for daemon in daemons {
        let peer = peer(daemon).unwrap();
        assert_eq!(peer["lastError"]["class"], "bfd-down", "{peer}");
        assert_eq!(peer["bfd"]["downs"], 1);
    }
    mend(ends.0);
    for daemon in daemons {
        wait_up(daemon);
        daemon.established();
    }
}

#[test]
fn on_the_link() {
    let (a, b) = pair();
    let (_folder, daemons) = both((&a, &b), STATIC, 100);
    life((&a, &b), &daemons, false);
}

#[test]
fn on_the_link_in_ipv6() {
    let (a, b) = pair();
    for (namespace, end) in [(&a, 1), (&b, 2)] {
        namespace.ip(&format!("address add fd00::{end}/64 dev eth0 nodad"));
    }
    let peers = [
        "peerIP: 'fd00::2', asNumber: 65002",
        "peerIP: 'fd00::1', asNumber: 65001, passive: true",
    ];
    let (_folder, daemons) = both((&a, &b), peers, 100);
    life((&a, &b), &daemons, false);
}

/// Behind a router it is another port, and less than TTL 255 that arrives.
#[test]
fn over_a_router() {
    let (a, router) = pair();
    let c = Namespace::new();
    let link = format!("link add eth1 type veth peer name eth0 netns {}", c.pid());
    router.ip(&link);
    router.ip("address add 10.0.1.2/24 dev eth1");
    c.ip("address add 10.0.1.1/24 dev eth0");
    router.ip("link set eth1 up");
    c.ip("link set eth0 up");
    let forward = ["-qw", "net.ipv4.ip_forward=1"];
    let done = router.command("sysctl").args(forward).status();
    assert!(done.unwrap().success());
    a.ip("route add 10.0.1.0/24 via 10.0.0.2");
    c.ip("route add 10.0.0.0/24 via 10.0.1.2");
    let peers = [
        "peerIP: 10.0.1.1, asNumber: 65002, multihop: 2",
        "peerIP: 10.0.0.1, asNumber: 65001, multihop: 2",
    ];
    let (_folder, daemons) = both((&a, &c), peers, 100);
    // The next hop is an address behind the router: found there.
    life((&a, &c), &daemons, true);
}

#[test]
fn internal_peers() {
    let (a, b) = pair();
    let peers = [
        "peerIP: 10.0.0.2, asNumber: internal, localASNumber: 64999",
        "peerIP: 10.0.0.1, asNumber: internal, localASNumber: 64999",
    ];
    let (_folder, daemons) = both((&a, &b), peers, 100);
    life((&a, &b), &daemons, false);
}

/// One that comes from a range is watched when it has come, and no longer when it is gone.
#[test]
fn out_of_a_range() {
    let (a, b) = pair();
    let peers = [STATIC[0], "peerRange: 10.0.0.0/24, asNumber: external"];
    let (_folder, [first, second]) = both((&a, &b), peers, 100);
    wait_up(&first);
    wait_up(&second);
    first.established();
    cut(&a);
    wait("it is gone", || {
        let status = second.json()?;
        status["peers"].as_array()?.is_empty().then_some(())
    });
    mend(&a);
    wait_up(&second);
    second.established();
}

/// A planned stop and a crash look the same to the peer's routes: they stay.
#[test]
fn routes_stay_while_the_peer_is_upgraded_and_after_a_crash() {
    for signal in [Signal::TERM, Signal::KILL] {
        let (a, b) = pair();
        let (folder, [first, mut second]) = both((&a, &b), STATIC, 100);
        wait_up(&first);
        first.established();
        wait("the route", || (!a.own_routes().is_empty()).then_some(()));
        second.signal(signal);
        second.ended();
        wait_bfd(&first, "BFD is down", |bfd| bfd["state"] != "Up");
        // Longer than the detection time.
        std::thread::sleep(Duration::from_secs(1));
        assert!(!a.own_routes().is_empty(), "{}", first.log());
        let text = std::fs::read_to_string(folder.path().join("b.yaml")).unwrap();
        let again = Daemon::start(&b, folder.path(), "b", &text);
        wait_up(&again);
        again.established();
        assert!(!a.own_routes().is_empty(), "{}", first.log());
        std::thread::sleep(Duration::from_secs(1));
        let peer = peer(&first).unwrap();
        // The session of before and the one after: none that was lost at once.
        assert_eq!(peer["established"], 2, "{}", first.log());
        assert_eq!(peer["state"], "Established");
        assert!(!a.own_routes().is_empty(), "{}", first.log());
    }
}

/// Without an answer BGP waits for three seconds and does without.
#[test]
fn a_peer_without_bfd() {
    let (a, b) = pair();
    let folder = tempfile::tempdir().unwrap();
    let ours = config(65001, STATIC[0], &times(100), "");
    let first = Daemon::start(&a, folder.path(), "a", &ours);
    let theirs = config(65002, STATIC[1], "", "").replace("bfdProfile: fast, ", "");
    let second = Daemon::start(&b, folder.path(), "b", &theirs);
    let begun = Instant::now();
    first.established();
    assert!(
        begun.elapsed() > Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert!(second.established()["peers"][0]["bfd"].is_null());
    let bfd = peer(&first).unwrap()["bfd"].clone();
    assert_eq!(bfd["state"], "Down");
    assert_eq!(bfd["packets"]["received"], 0);
    let table = first.status(&[]).stdout;
    let table = String::from_utf8(table).unwrap();
    assert!(table.contains("BFD: Down for"), "{table}");
    assert!(table.contains("the peer has not said anything"), "{table}");
}

/// Two programs cannot have one port; BGP goes on, and status says what is wrong until it is mended.
#[test]
fn the_port_is_taken() {
    let (a, b) = pair();
    let taken = a.run(|| async { std::net::UdpSocket::bind("0.0.0.0:3784").unwrap() });
    let (_folder, [first, second]) = both((&a, &b), STATIC, 100);
    let status = first.established();
    let trouble = status["bfd"]["troubles"][0].as_str().unwrap();
    assert!(
        trouble.contains("3784") && trouble.contains("another program"),
        "{trouble}"
    );
    drop(taken);
    wait_up(&first);
    wait_up(&second);
    assert!(
        first.json().unwrap()["bfd"]["troubles"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

/// The file changes on one side: other times while it is up, then none, then some again; no session of BGP
/// notices.
#[test]
fn the_file_changes() {
    let (a, b) = pair();
    let (folder, [first, second]) = both((&a, &b), STATIC, 100);
    wait_up(&first);
    first.established();
    let before = peer(&first).unwrap();
    let file = folder.path().join("a.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let slower = text.replace("IntervalMilliseconds: 100", "IntervalMilliseconds: 400");
    std::fs::write(&file, slower).unwrap();
    for daemon in [&first, &second] {
        wait_bfd(daemon, "three times 400 ms", |bfd| {
            bfd["intervals"]["detectionMicros"] == 1_200_000
        });
    }
    let now = peer(&first).unwrap();
    assert_eq!(now["bfd"]["downs"], before["bfd"]["downs"]);
    std::fs::write(&file, text.replace("bfdProfile: fast, ", "")).unwrap();
    let off = wait_bfd(&second, "the other side hears of it", |bfd| {
        bfd["state"] == "Down"
    });
    assert_eq!(off["remoteState"], "AdminDown");
    assert!(peer(&first).unwrap()["bfd"].is_null());
    std::thread::sleep(Duration::from_secs(1));
    std::fs::write(&file, text).unwrap();
    wait_up(&first);
    wait_up(&second);
    for daemon in [&first, &second] {
        let now = peer(daemon).unwrap();
        assert_eq!(now["state"], "Established");
        assert_eq!(
            now["established"],
            before["established"],
            "{}",
            daemon.log()
        );
    }
}

/// The address that a session comes from is another one when the link has an address, too: so is BFD's, or
/// the peer would drop its packets.
#[test]
fn the_address_of_the_link_comes_later_than_that_of_the_node() {
    let (a, b) = pair();
    a.ip("address del 10.0.0.1/24 dev eth0");
    a.ip("address add 10.9.9.9/32 dev lo");
    let internal = |asn, address: &str, more: &str| {
        let peer = format!("peerIP: {address}, asNumber: internal, localASNumber: 64999{more}");
        config(asn, &peer, &times(100), "")
    };
    let folder = tempfile::tempdir().unwrap();
    let ours = internal(65001, "10.0.0.2", "");
    let ours = ours.replace("networks: []", "nodeAddresses: [10.9.9.9]");
    let first = Daemon::start(&a, folder.path(), "a", &ours);
    let theirs = internal(65002, "10.0.0.1", ", passive: true");
    let second = Daemon::start(&b, folder.path(), "b", &theirs);
    wait_bfd(&first, "it cannot send", |bfd| {
        bfd["packets"]["unsent"].as_u64() > Some(0)
    });
    a.ip("address add 10.0.0.1/24 dev eth0");
    for daemon in [&first, &second] {
        let bfd = wait_up(daemon);
        assert_eq!(bfd["multihop"], false);
        daemon.established();
    }
}
