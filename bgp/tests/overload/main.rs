//! What others do must not be noticed: a bystander with a hold time of 3 s lives on, memory stays
//! bounded, and what was done is counted. The sizes are for a debug build; `make bench` has the
//! large ones, with figures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails, also in its helpers"
)]

#[path = "../common/mod.rs"]
mod common;
mod peer;

use std::io::Write;
use std::time::{Duration, Instant};

use common::{Daemon, Namespace, pair, wait};
use peer::{Bystander, connect, establish, keepalive, read_until, routes};

/// Who announces, who reads, who stands by.
const FEED: u8 = 2;
const SINK: u8 = 3;
const BYSTANDER: u8 = 4;
const STRANGER: u8 = 5;

/// Prefixes in an UPDATE.
const PART: u32 = 50;

struct Lab {
    daemon: Daemon,
    others: Namespace,
    _own: Namespace,
    _folder: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let (own, others) = pair();
        for last in 3..=40 {
            others.ip(&format!("address add 10.0.0.{last}/24 dev eth0"));
        }
        let peer = |last: u8, more: &str| {
            format!(
                "---\napiVersion: rcni.io/v1alpha1\nkind: BGPPeer\nmetadata: {{name: peer-{last}}}\n\
                 spec: {{peerIP: 10.0.0.{last}, asNumber: {}, passive: true, {more}}}\n",
                65_000 + u32::from(last)
            )
        };
        let config = format!(
            "apiVersion: rcni.io/v1alpha1\nkind: BGPConfiguration\nmetadata: {{name: default}}\n\
             spec: {{asNumber: 65001, routerID: 10.0.0.1}}\n{}{}{}\
             ---\napiVersion: rcni.io/v1alpha1\nkind: BGPPeer\nmetadata: {{name: range}}\n\
             spec: {{peerRange: 10.0.0.32/28, asNumber: external, maximumPeers: 10}}\n\
             ---\napiVersion: rcni.io/v1alpha1\nkind: BGPFilter\nmetadata: {{name: all}}\n\
             spec: {{importV4: [{{action: Accept}}], exportV4: [{{action: Accept}}]}}\n",
            peer(FEED, "filters: [all]"),
            peer(SINK, "filters: [all]"),
            peer(BYSTANDER, "holdTimeSeconds: 3"),
        );
        let folder = tempfile::tempdir().unwrap();
        let daemon = Daemon::start(&own, folder.path(), "dut", &config);
        wait("the daemon answers", || daemon.json());
        Self {
            daemon,
            others,
            _own: own,
            _folder: folder,
        }
    }

    /// Resident memory of its own, bytes: how much of the program's text is resident is the machine's affair.
    fn memory(&self) -> usize {
        let pid = self.daemon.json().unwrap()["pid"].as_u64().unwrap();
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib: usize = line
            .unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap();
        kib * 1024
    }

    fn count(&self, last: u8, what: &str) -> u64 {
        let json = self.daemon.json().unwrap();
        let peers = json["peers"].as_array().unwrap();
        let name = format!("peer-{last}");
        let peer = peers.iter().find(|peer| peer["name"] == name.as_str());
        peer.unwrap()["prefixes"][what].as_u64().unwrap()
    }

    fn listener(&self, what: &str) -> u64 {
        self.daemon.json().unwrap()["listener"][what]
            .as_u64()
            .unwrap()
    }
}

fn announce(to: &mut std::net::TcpStream, count: u32, origin: u32) {
    for first in (0..count).step_by(PART as usize) {
        to.write_all(&routes(FEED, first, PART, origin)).unwrap();
    }
}

#[test]
fn a_peer_with_very_many_routes_comes_and_goes() {
    const COUNT: u32 = 20_000;
    let lab = Lab::new();
    let bystander = Bystander::new(&lab.others, BYSTANDER);
    let before = lab.memory();
    let mut feed = establish(&lab.others, FEED);
    announce(&mut feed, COUNT, 64_512);
    wait("all routes are there", || {
        feed.write_all(&keepalive()).unwrap();
        (lab.count(FEED, "installed") == u64::from(COUNT)).then_some(())
    });
    let grown = lab.memory().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes for {COUNT} routes");
    drop(feed);
    wait("all of them are gone", || {
        let json = lab.daemon.json()?;
        (json["kernel"]["installed"] == 0 && json["kernel"]["pending"] == 0).then_some(())
    });
    bystander.was_heard_in_time();
}

#[test]
fn a_slow_reader_gets_the_newest_state_and_costs_nobody_anything() {
    const COUNT: u32 = 3_000;
    let lab = Lab::new();
    let bystander = Bystander::new(&lab.others, BYSTANDER);
    let sink = establish(&lab.others, SINK);
    let mut feed = establish(&lab.others, FEED);
    let before = lab.memory();
    let reader = read_until(sink, 4_000, 64_999, COUNT as usize);
    for origin in (64_900..64_999).chain([64_999]) {
        announce(&mut feed, COUNT, origin);
    }
    let read = reader.join().unwrap();
    // An UPDATE of 50 prefixes has about 250 octets: all of the history would be 1.5 MB.
    let history = 100 * COUNT as usize * 5;
    assert!(read < history, "{read} octets of {history}");
    let grown = lab.memory().saturating_sub(before);
    assert!(grown < 48 << 20, "{grown} bytes");
    bystander.was_heard_in_time();
}

#[test]
fn a_peer_that_reads_nothing_is_bounded() {
    const COUNT: u32 = 3_000;
    let lab = Lab::new();
    let bystander = Bystander::new(&lab.others, BYSTANDER);
    let mut sink = establish(&lab.others, SINK);
    let mut feed = establish(&lab.others, FEED);
    announce(&mut feed, COUNT, 64_000);
    wait("all routes are there", || {
        (lab.count(FEED, "received") == u64::from(COUNT)).then_some(())
    });
    let before = lab.memory();
    for origin in 64_001..64_200 {
        announce(&mut feed, COUNT, origin);
        sink.write_all(&keepalive()).unwrap();
    }
    // All of it has been looked at when the last route is known.
    announce(&mut feed, COUNT + PART, 64_200);
    wait("all is looked at", || {
        feed.write_all(&keepalive()).unwrap();
        sink.write_all(&keepalive()).unwrap();
        (lab.count(FEED, "received") == u64::from(COUNT + PART)).then_some(())
    });
    let grown = lab.memory().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes");
    let json = lab.daemon.json().unwrap();
    let peers = json["peers"].as_array().unwrap();
    let states = peers.iter().filter(|peer| peer["state"] == "Established");
    assert_eq!(states.count(), 3, "{json:#}");
    bystander.was_heard_in_time();
}

#[test]
fn strangers_and_the_silent_are_counted_and_bounded() {
    let lab = Lab::new();
    let bystander = Bystander::new(&lab.others, BYSTANDER);
    let before = lab.memory();
    let begin = Instant::now();
    let (mut silent, mut strangers) = (Vec::new(), 0);
    // For longer than the bystander's hold time, however many come by then.
    wait("fifty of each have come", || {
        for last in 32..40 {
            silent.extend(connect(&lab.others, last));
        }
        for _ in 0..8 {
            strangers += u64::from(connect(&lab.others, STRANGER).is_some());
        }
        let long = begin.elapsed() > Duration::from_secs(4);
        (long && silent.len() > 50 && strangers > 50).then_some(())
    });
    wait("the strangers are counted", || {
        (lab.listener("refusedStrangers") >= strangers).then_some(())
    });
    let grown = lab.memory().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes");
    // A peer that is configured comes in all the same.
    establish(&lab.others, SINK);
    bystander.was_heard_in_time();
}
