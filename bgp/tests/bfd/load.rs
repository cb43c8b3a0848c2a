//! Three times 50 ms, while routes by the ten thousand come and go: nobody is taken for dead.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::common::{Daemon, pair, wait};
use super::{config, peer, times, wait_up};

/// In a test run; `RCNI_BFD_ROUTES` and `RCNI_BFD_SECONDS` make it more.
const ROUTES: usize = 5_000;
const SECONDS: u64 = 5;

fn number(variable: &str, default: u64) -> u64 {
    let given = std::env::var(variable).ok();
    given.map_or(default, |given| given.parse().unwrap())
}

fn networks(count: usize) -> String {
    let mut text = String::new();
    for index in 0..count {
        let (a, b) = (index >> 8, index & 255);
        write!(text, "{{cidr: {}.{}.{b}.0/24}},", 11 + (a >> 8), a & 255).unwrap();
    }
    text
}

#[test]
fn no_false_down_while_routes_load() {
    let routes = usize::try_from(number("RCNI_BFD_ROUTES", ROUTES as u64)).unwrap();
    let time = Duration::from_secs(number("RCNI_BFD_SECONDS", SECONDS));
    let (a, b) = pair();
    let folder = tempfile::tempdir().unwrap();
    let [ours, theirs] = ["10.0.0.2, asNumber: 65002", "10.0.0.1, asNumber: 65001"];
    let text = config(65001, &format!("peerIP: {ours}"), &times(50), "");
    let hearer = Daemon::start(&a, folder.path(), "a", &text);
    let theirs = format!("peerIP: {theirs}");
    let teller = |networks: &str| config(65002, &theirs, &times(50), networks);
    let (few, many) = (teller(""), teller(&networks(routes)));
    let speaker = Daemon::start(&b, folder.path(), "b", &few);
    wait_up(&hearer);
    hearer.established();
    let file = folder.path().join("b.yaml");
    let begun = Instant::now();
    let mut rounds = 0;
    while begun.elapsed() < time || rounds == 0 {
        for (text, count) in [(&many, routes), (&few, 0)] {
            std::fs::write(&file, text).unwrap();
            let waited = Instant::now();
            loop {
                let status = hearer.json().unwrap();
                if status["kernel"]["installed"] == count {
                    break;
                }
                assert!(waited.elapsed() < Duration::from_secs(120), "{status}");
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        rounds += 1;
    }
    for daemon in [&hearer, &speaker] {
        let peer = wait("status", || peer(daemon));
        assert_eq!(peer["bfd"]["downs"], 0, "{}", daemon.log());
        assert_eq!(peer["bfd"]["intervals"]["detectionMicros"], 150_000);
        assert_eq!(peer["established"], 1);
    }
    eprintln!(
        "{rounds} times {routes} routes in {:?}: no session of BFD went down",
        begun.elapsed()
    );
}
