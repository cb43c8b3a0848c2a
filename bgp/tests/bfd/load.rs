//! Three times 50 ms, while routes by the ten thousand come and go: nobody is taken for dead.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::common::{Daemon, pair, wait};
use super::feed::{establish, keepalive, routes};
use super::{config, peer, times, wait_up};

/// In a test run; `RCNI_BFD_ROUTES` and `RCNI_BFD_SECONDS` make it more.
const ROUTES: u32 = 5_000;
const SECONDS: u32 = 5;
/// Of the peer that announces all of them.
const FEED: u8 = 3;
/// Prefixes in an UPDATE.
const PART: u32 = 50;

fn number(variable: &str, default: u32) -> u32 {
    let given = std::env::var(variable).ok();
    given.map_or(default, |given| given.parse().unwrap())
}

/// The two that watch each other, and who feeds the first: what it says is passed on to the second, as the
/// first's own, since the feed's address is on the second's side.
fn files() -> [String; 2] {
    let both = |text: String| {
        text.replace(
            "importV4: [{action: Accept}]",
            "importV4: [{action: Accept}], exportV4: [{action: Accept}]",
        )
    };
    let first = config(
        65001,
        "peerIP: 10.0.0.2, asNumber: 65002, nextHopMode: Self",
        &times(50),
        "",
    );
    let feed = format!(
        "---\napiVersion: rcni.io/v1alpha1\nkind: BGPPeer\nmetadata: {{name: zz-feed}}\n\
         spec: {{peerIP: 10.0.0.{FEED}, asNumber: 65003, passive: true, filters: [all]}}\n"
    );
    let second = config(65002, "peerIP: 10.0.0.1, asNumber: 65001", &times(50), "");
    [both(first + &feed), second]
}

/// While it lasts, the feed lives.
fn until_installed(daemon: &Daemon, wanted: u32, mut feed: Option<&mut TcpStream>) {
    let begun = Instant::now();
    loop {
        if let Some(feed) = &mut feed {
            feed.write_all(&keepalive()).unwrap();
        }
        // No answer is one that takes too long, with as many routes as there may be.
        let status = daemon.json().unwrap_or_default();
        if status["kernel"]["installed"] == wanted {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(200), "{status}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

#[test]
fn no_false_down_while_routes_load() {
    let count = number("RCNI_BFD_ROUTES", ROUTES);
    let time = Duration::from_secs(number("RCNI_BFD_SECONDS", SECONDS).into());
    let (a, b) = pair();
    b.ip(&format!("address add 10.0.0.{FEED}/24 dev eth0"));
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = files();
    let first = Daemon::start(&a, folder.path(), "a", &first);
    let second = Daemon::start(&b, folder.path(), "b", &second);
    wait_up(&first);
    wait_up(&second);
    first.established();
    // From here on; before, one of them may have begun earlier than the other.
    let before = [&first, &second].map(|daemon| peer(daemon).unwrap());
    let begun = Instant::now();
    let mut rounds = 0;
    while begun.elapsed() < time || rounds == 0 {
        let mut feed = establish(&b, FEED);
        for part in (0..count).step_by(PART as usize) {
            feed.write_all(&routes(FEED, part, PART, 64_512)).unwrap();
        }
        until_installed(&first, count, Some(&mut feed));
        until_installed(&second, count, Some(&mut feed));
        drop(feed);
        until_installed(&first, 0, None);
        until_installed(&second, 0, None);
        rounds += 1;
    }
    for (daemon, before) in [&first, &second].into_iter().zip(before) {
        let peer = wait("status", || peer(daemon));
        let (bfd, earlier) = (&peer["bfd"], &before["bfd"]);
        assert_eq!(bfd["downs"], earlier["downs"], "{}", daemon.log());
        assert_eq!(bfd["state"], "Up");
        assert_eq!(bfd["intervals"]["detectionMicros"], 150_000);
        assert_eq!(peer["established"], before["established"]);
    }
    let took = begun.elapsed();
    eprintln!("{rounds} times {count} routes in {took:?}: no session of BFD went down");
}
