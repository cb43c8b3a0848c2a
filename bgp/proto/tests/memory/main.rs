//! What a route costs, in octets that the allocator was asked for: a routing table is most of what
//! the daemon holds.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, and says what it has measured"
)]

mod counting;
#[path = "../../benches/support/mod.rs"]
mod support;

use std::net::Ipv4Addr;
use std::time::Instant;

use rcni_bgp_proto::attr::{AsPath, NextHop, PathAttributes};
use rcni_bgp_proto::message::{pack_announcements, pack_withdrawals};
use rcni_bgp_proto::speaker::{ConnId, Input, NextHops, Output, Speaker};
use rcni_bgp_proto::wire::Nlri;
use rcni_bgp_proto::{Family, Prefix};
use support::{established, options};

const ROUTES: u32 = 64_000;

fn prefix(number: u32) -> Prefix {
    let address = Ipv4Addr::from(0x1400_0000 + (number << 8));
    Prefix::new(address.into(), 24).expect("a length that exists")
}

/// UPDATEs with so many prefixes each, and attributes of their own.
fn updates(from: u8, each: u32) -> Vec<Vec<u8>> {
    let mut wire = Vec::new();
    for group in 0..ROUTES / each {
        let attributes = PathAttributes {
            as_path: AsPath::from_sequence(&[
                64_999 + u32::from(from),
                64_512 + group % 400,
                100_000 + group,
            ]),
            next_hop: Some(NextHop::V4([10, 0, 0, from].into())),
            ..PathAttributes::default()
        };
        let prefixes: Vec<Prefix> = (group * each..(group + 1) * each).map(prefix).collect();
        let packed = pack_announcements(Family::IPV4_UNICAST, &attributes, &prefixes, &options());
        wire.push(packed.expect("they fit").concat());
    }
    wire
}

fn withdrawals() -> Vec<Vec<u8>> {
    let all: Vec<Nlri> = (0..ROUTES).map(|number| prefix(number).into()).collect();
    let messages = pack_withdrawals(Family::IPV4_UNICAST, &all, &options());
    messages.iter().map(|message| message.to_vec()).collect()
}

/// A speaker with peers 2, 3 and 4, of which the last listens.
struct Net {
    speaker: Speaker,
    fib: Vec<NextHops>,
    conns: Vec<ConnId>,
    now: Instant,
}

impl Net {
    fn new() -> Self {
        let (speaker, conns, now) = established(&[2, 3, 4]);
        let mut net = Self {
            speaker,
            fib: Vec::with_capacity(ROUTES as usize * 5),
            conns,
            now,
        };
        net.read_all();
        net
    }

    fn hear(&mut self, from: usize, bytes: &[u8]) {
        let conn = self.conns[from];
        self.speaker
            .handle(Input::Received { conn, bytes }, self.now);
        while let Some(output) = self.speaker.poll_output() {
            match output {
                // As one does who cannot write them to the kernel yet.
                Output::Fib(change) => self.fib.push(change.next_hops),
                Output::Close { .. } => panic!("the peer is fine"),
                _ => {}
            }
        }
    }

    /// Everybody reads what there is. Octets that the listener got.
    fn read_all(&mut self) -> usize {
        let mut octets = 0;
        loop {
            for index in 0..self.conns.len() {
                while let Some(message) = self.speaker.poll_transmit(self.conns[index], self.now) {
                    octets += if index == 2 { message.len() } else { 0 };
                }
            }
            if !self.speaker.has_work() {
                return octets;
            }
            self.speaker.work(self.now);
            while self.speaker.poll_output().is_some() {}
        }
    }
}

/// Live octets for each prefix, and the most while it came so far.
fn per_prefix(what: &str, before: usize) -> (f64, f64) {
    let per = |octets: usize| octets.saturating_sub(before) as f64 / f64::from(ROUTES);
    let (live, most) = (per(counting::live()), per(counting::most()));
    eprintln!("{what}: {live:.1} octets a prefix, {most:.1} at most");
    (live, most)
}

/// One test: they would count each other's octets.
#[test]
fn a_route_costs_what_it_must() {
    let shared = updates(2, 500);
    let own = updates(2, 4);
    let second = updates(3, 4);
    let gone = withdrawals();
    for (what, first, limit) in [("shared", &shared, 45.0), ("own", &own, 90.0)] {
        let mut net = Net::new();
        let before = counting::restart();
        for bytes in first {
            net.hear(0, bytes);
        }
        let (live, most) = per_prefix(&format!("{what} attributes, nothing read"), before);
        assert!(live < limit + 10.0 && most < limit + 10.0, "{live} {most}");
        assert!(net.read_all() > ROUTES as usize * 4);
        let (live, _) = per_prefix(&format!("{what} attributes, all told"), before);
        assert!(live < limit, "{live}");
        for bytes in &second {
            net.hear(1, bytes);
        }
        net.read_all();
        let (live, _) = per_prefix("and from a second peer", before);
        assert!(live < limit + 110.0, "{live}");
        for bytes in &gone {
            net.hear(0, bytes);
            net.hear(1, bytes);
        }
        net.read_all();
        let (live, _) = per_prefix("all withdrawn", before);
        assert!(live < 16.0, "{live}");
    }
}
