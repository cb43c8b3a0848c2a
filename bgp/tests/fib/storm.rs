//! Everything at once: what is wanted changes, others write and delete, links flap, and what is said
//! to the kernel and by it goes wrong. When that ends, both sides agree, and what is others' is
//! untouched.
//!
//! ```text
//!  eth0 10.0.0.2/24 fd00::2/64   eth1 10.0.1.2/24 fd01::2/64   flap; own routes alone, which others
//!                                                              delete and change, too
//!  eth2 10.0.2.2/24 fd02::2/64                                 stays; prefixes that others want, too
//! ```

use std::collections::BTreeMap;

use super::agree::{agree, differences, foreign_routes, own_routes};
use super::errors::Bench;
use super::faulty::{Fault, Request};
use super::*;

const STEPS: usize = 300;
/// Prefixes of a family that only this daemon wants, and that others want, too.
const OURS: u64 = 30;
const RIVALS: u64 = 10;
/// A refused route may wait for a minute.
const IN_THE_END: Duration = Duration::from_secs(100);

/// SplitMix64.
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}

fn three_links() -> Namespace {
    let namespace = Namespace::new();
    for link in 0..3 {
        namespace.ip(&format!("link add eth{link} type veth peer name far{link}"));
        namespace.ip(&format!("link set far{link} up"));
        namespace.ip(&format!("link set eth{link} up"));
        namespace.ip(&format!("address add 10.0.{link}.2/24 dev eth{link}"));
        namespace.ip(&format!("address add fd0{link}::2/64 dev eth{link} nodad"));
    }
    namespace
}

/// What the test does, and what it knows.
struct Storm {
    random: Random,
    bench: Bench,
    /// Routes of others that stand where ours would, and how they are shown.
    rivals: BTreeMap<Prefix, String>,
}

impl Storm {
    fn prefix(&mut self, rival: bool) -> Prefix {
        let index = if rival {
            OURS + self.random.below(RIVALS)
        } else {
            self.random.below(OURS)
        };
        let text = match self.random.below(2) {
            0 => format!("10.128.{index}.0/24"),
            _ => format!("fd80:{index:x}::/32"),
        };
        prefix(&text)
    }

    /// None to three of those that its prefix may have.
    fn hops(&mut self, prefix: Prefix, rival: bool) -> Vec<NextHop> {
        let all = match (prefix.is_ipv4(), rival) {
            (true, false) => ["10.0.0.1", "10.0.0.3", "10.0.1.1"],
            (false, false) => ["fd00::1", "fd00::3", "fd01::1"],
            (true, true) => ["10.0.2.1", "10.0.2.3", "10.0.2.5"],
            (false, true) => ["fd02::1", "fd02::3", "fd02::5"],
        };
        let chosen = self.random.below(8);
        let all = all.iter().enumerate();
        let mut hops: Vec<NextHop> = all
            .filter(|(bit, _)| chosen & (1 << bit) != 0)
            .map(|(_, text)| hop(text))
            .collect();
        hops.sort_unstable();
        hops
    }

    async fn want(&mut self) {
        let mut changes = BTreeMap::new();
        for _ in 0..=self.random.below(30) {
            let rival = self.random.below(4) == 0;
            let prefix = self.prefix(rival);
            changes.insert(prefix, self.hops(prefix, rival));
        }
        self.bench.want(changes.into_iter().collect()).await;
    }

    /// Another program has a route where ours would stand, or has it no more.
    fn rival(&mut self) {
        let prefix = self.prefix(true);
        let (family, via) = if prefix.is_ipv4() {
            ("-4", "via 10.0.2.9")
        } else {
            ("-6", "via fd02::9")
        };
        let route = format!("{prefix} {via} proto static metric 77");
        if self.rivals.remove(&prefix).is_some() {
            ip_here(&format!("{family} route del {route}"));
        } else if tried(&format!("{family} route add {route}")) {
            self.rivals.insert(prefix, route);
        }
    }

    /// Another program meddles with a route of ours, if it is there.
    fn meddle(&mut self) {
        let prefix = self.prefix(false);
        let family = if prefix.is_ipv4() { "-4" } else { "-6" };
        if self.random.below(2) == 0 || prefix.is_ipv6() {
            tried(&format!("{family} route del {prefix} proto 77 metric 77"));
        } else {
            tried(&format!(
                "-4 route change {prefix} via 10.0.0.66 proto 77 metric 77"
            ));
        }
    }

    fn flap(&mut self) {
        let link = self.random.below(2);
        match self.random.below(3) {
            0 => {
                ip_here(&format!("address flush dev eth{link} scope global"));
            }
            // Carrier, and the link itself.
            1 => {
                ip_here(&format!("link set far{link} down"));
                ip_here(&format!("link set far{link} up"));
            }
            _ => {
                ip_here(&format!("link set eth{link} down"));
                ip_here(&format!("link set eth{link} up"));
            }
        }
        for address in [format!("10.0.{link}.2/24"), format!("fd0{link}::2/64")] {
            // IPv6 addresses went with the link.
            let nodad = if address.contains(':') { " nodad" } else { "" };
            tried(&format!("address add {address} dev eth{link}{nodad}"));
        }
    }

    fn fault(&mut self) {
        let times = 1 + usize::try_from(self.random.below(5)).unwrap();
        let long = self.random.below(40) == 0;
        let while_ = Duration::from_millis(if long { 6000 } else { 150 });
        let errno = self.random.one_of(&[
            libc::ENOBUFS,
            libc::ENOMEM,
            libc::EEXIST,
            libc::ENETUNREACH,
            libc::EPERM,
            libc::EAGAIN,
            libc::EINVAL,
            libc::ENODEV,
        ]);
        let mut dice = self.random.clone();
        self.random.next();
        let netlink = &self.bench.netlink;
        match self.random.below(10) {
            kind @ 0..4 => {
                let fault = match kind {
                    0 => Fault::Lie(errno),
                    1 => Fault::NotSent(errno),
                    2 => Fault::Stall(while_),
                    _ => Fault::Refuse(errno),
                };
                let times = if kind == 2 { 1 } else { times };
                // Of several IPv6 gateways some may be written before one is refused.
                let half = move |request: &Request| {
                    kind != 0 || request.prefix.is_some_and(|prefix| prefix.is_ipv6())
                };
                let which = move |request: &Request| half(request) && dice.below(4) == 0;
                netlink.on_request(times, fault, which);
            }
            4 => {
                let last = |request: &Request| request.index + 1 == request.count;
                netlink.on_request(1, Fault::Swallow, last);
            }
            kind => {
                let fault = match kind {
                    5 => Fault::Lost,
                    6 => Fault::Broken(errno),
                    7 => Fault::Cut(1 + times * 10),
                    8 => Fault::Late(while_),
                    _ => Fault::Twice,
                };
                let times = if kind == 8 { 1 } else { times };
                // Notifications are lost, but never late: the kernel queues them before it answers.
                let ears = self.random.below(2) == 0 && kind != 8;
                let faults = if ears { &self.bench.monitor } else { netlink };
                faults.on_datagram(times, fault, move |_| dice.below(4) == 0);
            }
        }
    }

    async fn step(&mut self) {
        match self.random.below(10) {
            0..5 => self.want().await,
            5 | 6 => self.rival(),
            7 | 8 => self.meddle(),
            _ => self.flap(),
        }
        if self.random.below(4) == 0 {
            self.fault();
        }
        sleep(Duration::from_millis(self.random.below(30))).await;
    }
}

/// `ip` may be refused.
fn tried(arguments: &str) -> bool {
    let output = std::process::Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .unwrap();
    output.status.success()
}

async fn storm(seed: u64) {
    let mut storm = Storm {
        random: Random(seed),
        bench: Bench::start().await,
        rivals: BTreeMap::new(),
    };
    for step in 0..STEPS {
        if step == STEPS / 2 {
            storm
                .bench
                .fib
                .commands
                .send(Command::Synced)
                .await
                .unwrap();
        }
        storm.step().await;
    }
    let mut struck = storm.bench.netlink.calm();
    struck.extend(storm.bench.monitor.calm());
    assert!(
        struck.len() > 20,
        "seed {seed}: too little went wrong: {struck:?}"
    );

    // What others have is there, and ours is beside it nowhere.
    assert_eq!(foreign_routes().len(), storm.rivals.len(), "seed {seed}");
    let Storm { bench, rivals, .. } = storm;
    let mut reachable = bench.wanted.clone();
    reachable.retain(|prefix, _| !rivals.contains_key(prefix));
    let held = bench.wanted.len() - reachable.len();
    let settled = async {
        loop {
            let failed = bench.fib.status().await.failed_count;
            if failed == held && differences(&reachable, &own_routes()).is_empty() {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    if timeout(IN_THE_END, settled).await.is_err() {
        let differences = differences(&reachable, &own_routes());
        let failed = bench.fib.status().await.failed;
        panic!("seed {seed}: {differences:#?}, {held} are held by others, {failed:#?}");
    }
    assert_eq!(foreign_routes().len(), rivals.len(), "seed {seed}");
    for (prefix, route) in rivals {
        let family = if prefix.is_ipv4() { "-4" } else { "-6" };
        ip_here(&format!("{family} route del {route}"));
    }
    agree(&bench.fib, &bench.wanted, IN_THE_END).await;
}

#[test]
fn after_a_storm_both_sides_agree() {
    let seeds = match std::env::var("RCNI_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => vec![1, 2, 3, 4],
    };
    eprintln!("seeds {seeds:?}; one alone with RCNI_SEED=n");
    let storms: Vec<_> = seeds
        .into_iter()
        .map(|seed| {
            let weather = move || three_links().run(move || storm(seed));
            (seed, std::thread::spawn(weather))
        })
        .collect();
    for (seed, storm) in storms {
        assert!(storm.join().is_ok(), "seed {seed}");
    }
}
