//! What the kernel refuses, for each reason and wherever in a batch it is.

use rcni_bgp::fib::message::kind;
use rcni_bgp::fib::monitor::{GROUPS, Monitor};
use rcni_bgp::fib::netlink::Netlink;
use rcni_bgp::fib::wire;

use super::agree::{Routes, agree, foreign_routes, shown};
use super::faulty::{Fault, Faults};
use super::*;

/// The task over sockets on which things go wrong, and what is wanted of it.
pub struct Bench {
    pub fib: Running,
    /// On the socket that writes and reads routes.
    pub netlink: Faults,
    /// On the one that listens.
    pub monitor: Faults,
    pub wanted: Routes,
}

impl Bench {
    /// When the links of the namespace have come to rest: an address that is new has all tried
    /// again that was refused.
    pub async fn start() -> Self {
        let at_rest = || {
            let links = shown("-6 address show scope link");
            let ready = links.iter().filter(|link| {
                let addresses = link["addr_info"].as_array().unwrap();
                addresses
                    .iter()
                    .all(|address| address["tentative"].is_null())
            });
            ready.count() >= 2
        };
        timeout(SOON, async {
            while !at_rest() {
                sleep(Duration::from_millis(50)).await;
            }
        })
        .await
        .unwrap();
        let (netlink, monitor) = (Faults::default(), Faults::default());
        let socket = Netlink::through(netlink.opener(wire::requests)).unwrap();
        let opener = monitor.opener(|| wire::notifications(&GROUPS));
        let listener = Monitor::through(OWNER, socket.port(), opener).unwrap();
        let (fib, adopted) = Fib::on(OWNER, socket, listener).await.unwrap();
        Self {
            fib: Running::of(fib, adopted),
            netlink,
            monitor,
            wanted: Routes::new(),
        }
    }

    /// All in one chunk; no gateways: not wanted any more.
    pub async fn want(&mut self, changes: Vec<(Prefix, Vec<NextHop>)>) {
        for (prefix, hops) in &changes {
            if hops.is_empty() {
                self.wanted.remove(prefix);
            } else {
                self.wanted.insert(*prefix, hops.iter().copied().collect());
            }
        }
        let changes = changes
            .into_iter()
            .map(|(prefix, hops)| (prefix, hops.into()))
            .collect();
        let sent = self.fib.commands.send(Command::Want(changes)).await;
        sent.unwrap();
    }

    pub async fn want_none(&mut self) {
        let prefixes: Vec<Prefix> = self.wanted.keys().copied().collect();
        let changes = prefixes.into_iter().map(|prefix| (prefix, Vec::new()));
        self.want(changes.collect()).await;
        self.agrees().await;
    }

    pub async fn agrees(&self) {
        agree(&self.fib, &self.wanted, SOON).await;
    }
}

/// 10.128.N.0/24 or fd80:N::/32.
fn destination(index: u32, ipv6: bool) -> Prefix {
    if ipv6 {
        prefix(&format!("fd80:{index:x}::/32"))
    } else {
        numbered(index)
    }
}

/// Ten prefixes of a family through these gateways.
fn ten(ipv6: bool, gateways: &[&str]) -> Vec<(Prefix, Vec<NextHop>)> {
    let hops: Vec<NextHop> = gateways.iter().map(|text| hop(text)).collect();
    (0..10)
        .map(|index| (destination(index, ipv6), hops.clone()))
        .collect()
}

/// For each errno what status says of the prefix, in part.
const REFUSALS: [(i32, &str); 9] = [
    (libc::ENOBUFS, "short of memory or busy (ENOBUFS)"),
    (libc::ENOMEM, "short of memory or busy (ENOMEM)"),
    (libc::EAGAIN, "short of memory or busy (EAGAIN)"),
    (libc::EINTR, "short of memory or busy (EINTR)"),
    (libc::EBUSY, "short of memory or busy (EBUSY)"),
    (libc::EPERM, "CAP_NET_ADMIN was lost"),
    (
        libc::ENETUNREACH,
        "next hop is not on any connected network",
    ),
    (libc::EEXIST, "this prefix, metric and table"),
    (libc::EINVAL, "(EINVAL)"),
];

/// The first, the middle and the last of ten creations, replacements and deletions are refused once.
async fn refused_in_all_places(errno: i32, words: &'static str) {
    ip_here("route add 10.128.5.0/24 via 10.0.0.9 proto static metric 20");
    ip_here("-6 route add fd80:5::/32 via fd00::9 proto static metric 20");
    let foreign = foreign_routes();
    let mut bench = Bench::start().await;
    for ipv6 in [false, true] {
        let gateways: [&[&str]; 3] = if ipv6 {
            [&["fd00::1"], &["fd00::1", "fd00::3"], &[]]
        } else {
            [&["10.0.0.1"], &["10.0.0.1", "10.0.0.3"], &[]]
        };
        bench.want_none().await;
        for gateways in gateways {
            // That something is in the way can be said of a creation only.
            if errno == libc::EEXIST && !bench.wanted.is_empty() {
                continue;
            }
            let places = [0, 5, 9].map(|index| destination(index, ipv6));
            for place in places {
                bench
                    .netlink
                    .on_request(1, Fault::Refuse(errno), move |request| {
                        request.kind != kind::GET_ROUTE && request.prefix == Some(place)
                    });
            }
            bench.want(ten(ipv6, gateways)).await;
            let told = |status: &FibStatus| {
                places.iter().all(|place| {
                    let mut failed = status.failed.iter();
                    failed.any(|(prefix, reason)| prefix == place && reason.contains(words))
                })
            };
            let status = bench.fib.until("each is told with its reason", told).await;
            assert_eq!(status.failed_count, 3, "{status:?}");
            bench.agrees().await;
            assert_eq!(bench.netlink.calm(), [Fault::Refuse(errno); 3]);
        }
    }
    assert_eq!(foreign_routes(), foreign);
}

#[test]
fn every_refusal_is_told_with_its_prefix_and_passes() {
    let tests = REFUSALS.map(|(errno, words)| {
        std::thread::spawn(move || {
            let namespace = lonely_dual();
            namespace.run(move || refused_in_all_places(errno, words));
        })
    });
    for (test, (errno, _)) in tests.into_iter().zip(REFUSALS) {
        assert!(test.join().is_ok(), "errno {errno}");
    }
}
