//! The writer, the dump, the monitor and the task that joins them, against a real kernel.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, also in its helpers"
)]

mod common;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use common::{Namespace, SOON, lonely};
use rcni_bgp::fib::change::{Change, Outcome};
use rcni_bgp::fib::monitor::{Monitor, Observed};
use rcni_bgp::fib::netlink::Netlink;
use rcni_bgp::fib::task::{Command, Fib};
use rcni_bgp::fib::{FibStatus, NextHop, Ownership, Prefix};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

const OWNER: Ownership = Ownership {
    protocol: 77,
    metric: 77,
    default_route_metric: 20_077,
    table: 254,
};

fn ip(text: &str) -> NextHop {
    text.parse::<IpAddr>().unwrap().into()
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

/// 10.128.0.0/24, 10.128.1.0/24, ….
fn numbered(index: u32) -> Prefix {
    Prefix::new(Ipv4Addr::from(0x0a80_0000 + (index << 8)).into(), 24).unwrap()
}

fn create(prefix: Prefix, gateways: &[&str]) -> Change {
    Change::Create {
        prefix,
        next_hops: gateways.iter().map(|text| ip(text)).collect(),
    }
}

#[test]
fn a_batch_of_a_thousand_is_written_read_back_and_deleted() {
    let namespace = lonely();
    let (outcomes, ours) = namespace.run(|| async {
        let mut netlink = Netlink::open().unwrap();
        let mut changes: Vec<Change> = (0..998)
            .map(|index| create(numbered(index), &["10.0.0.1"]))
            .collect();
        changes.push(create(prefix("10.200.0.0/16"), &["10.0.0.1", "10.0.0.3"]));
        changes.push(create(prefix("0.0.0.0/0"), &["10.0.0.1"]));
        let outcomes = netlink.apply(&OWNER, &changes).await;
        (outcomes, netlink.find(&OWNER, false).await.unwrap().ours)
    });
    assert_eq!(outcomes, vec![Outcome::Done; 1000]);
    assert_eq!(ours.len(), 1000);
    assert_eq!(ours[&numbered(997)], [ip("10.0.0.1")]);
    assert_eq!(
        ours[&prefix("10.200.0.0/16")],
        [ip("10.0.0.1"), ip("10.0.0.3")]
    );
    // As another program sees them.
    let shown = namespace.own_routes();
    assert!(shown.contains(&"default via 10.0.0.1 dev eth0 metric 20077".to_owned()));
    assert!(shown.contains(&"10.128.5.0/24 via 10.0.0.1 dev eth0 metric 77".to_owned()));

    let outcomes = namespace.run(|| async {
        let mut netlink = Netlink::open().unwrap();
        let deletes: Vec<Change> = (0..1001)
            .map(|index| Change::Delete {
                prefix: numbered(index),
            })
            .collect();
        netlink.apply(&OWNER, &deletes).await
    });
    assert_eq!(outcomes[997], Outcome::Done);
    assert_eq!(outcomes[998..], [Outcome::Missing; 3]);
    assert_eq!(namespace.own_routes().len(), 2);
}

#[test]
fn failures_in_the_middle_of_a_batch_are_those_of_the_right_prefixes() {
    let namespace = lonely();
    let outcomes = namespace.run(|| async {
        let changes: Vec<Change> = (0..1500)
            .map(|index| {
                let gateway = if index % 7 == 0 {
                    "192.0.2.1"
                } else {
                    "10.0.0.1"
                };
                create(numbered(index), &[gateway])
            })
            .collect();
        Netlink::open().unwrap().apply(&OWNER, &changes).await
    });
    for (index, outcome) in outcomes.into_iter().enumerate() {
        let expected = match index % 7 {
            0 => Outcome::Refused(libc::ENETUNREACH),
            _ => Outcome::Done,
        };
        assert_eq!(outcome, expected, "{index}");
    }
}

#[test]
fn a_thousand_failures_are_all_heard() {
    let namespace = lonely();
    let outcomes = namespace.run(|| async {
        let changes: Vec<Change> = (0..1000)
            .map(|index| create(numbered(index), &["192.0.2.1"]))
            .collect();
        Netlink::open().unwrap().apply(&OWNER, &changes).await
    });
    assert_eq!(outcomes, vec![Outcome::Refused(libc::ENETUNREACH); 1000]);
}

#[test]
fn a_foreign_route_survives_creation_and_deletion_of_ours() {
    let namespace = lonely();
    namespace.ip("route add 10.128.0.0/24 via 10.0.0.9 proto static metric 77");
    namespace.ip("route add 10.128.1.0/24 via 10.0.0.9 proto 77 metric 0");
    let before = namespace.ip("route show");
    let outcomes = namespace.run(|| async {
        let mut netlink = Netlink::open().unwrap();
        let changes = [
            create(numbered(0), &["10.0.0.1"]),
            Change::Delete {
                prefix: numbered(0),
            },
            // The right protocol at another metric: the plugin's, not ours.
            Change::Delete {
                prefix: numbered(1),
            },
        ];
        netlink.apply(&OWNER, &changes).await
    });
    assert_eq!(
        outcomes,
        [Outcome::Exists, Outcome::Missing, Outcome::Missing]
    );
    assert_eq!(namespace.ip("route show"), before);
}

#[test]
fn the_monitor_hears_others_and_not_its_own_daemon() {
    let namespace = lonely();
    let heard = namespace.run(|| async {
        let mut own = Netlink::open().unwrap();
        let mut other = Netlink::open().unwrap();
        let mut monitor = Monitor::open(OWNER, own.port()).unwrap();
        for index in 0..500 {
            own.apply(&OWNER, &[create(numbered(index), &["10.0.0.1"])])
                .await;
        }
        other
            .apply(
                &OWNER,
                &[Change::Delete {
                    prefix: numbered(3),
                }],
            )
            .await;
        loop {
            match timeout(SOON, monitor.next()).await.unwrap().unwrap() {
                // The link is still coming up.
                Observed::Reachable | Observed::Flushed => {}
                heard => return heard,
            }
        }
    });
    assert_eq!(heard, Observed::OwnGone(numbered(3)));
}

/// The task with its inlets, for tests that run inside a namespace.
struct Running {
    commands: mpsc::Sender<Command>,
    queries: mpsc::Sender<oneshot::Sender<FibStatus>>,
    adopted: usize,
}

impl Running {
    async fn start() -> Self {
        let (fib, adopted) = Fib::open(OWNER).await.unwrap();
        let (commands, inlet) = mpsc::channel(4);
        let (queries, query_inlet) = mpsc::channel(4);
        tokio::spawn(fib.run(inlet, query_inlet));
        Self {
            commands,
            queries,
            adopted,
        }
    }

    async fn want(&self, text: &str, gateways: &[&str]) {
        let gateways = gateways.iter().map(|text| ip(text)).collect();
        self.commands
            .send(Command::Want(vec![(prefix(text), gateways)]))
            .await
            .unwrap();
    }

    async fn status(&self) -> FibStatus {
        let (query, answer) = oneshot::channel();
        self.queries.send(query).await.unwrap();
        answer.await.unwrap()
    }

    async fn until(&self, what: &str, condition: impl Fn(&FibStatus) -> bool) -> FibStatus {
        let wait = async {
            loop {
                let status = self.status().await;
                if condition(&status) {
                    return status;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        match timeout(SOON, wait).await {
            Ok(status) => status,
            Err(_) => panic!("{what}: {:?}", self.status().await),
        }
    }
}

/// `ip` on the calling thread's namespace.
fn ip_here(arguments: &str) {
    let status = std::process::Command::new("ip")
        .args(arguments.split(' '))
        .status()
        .unwrap();
    assert!(status.success(), "ip {arguments}");
}

#[test]
fn adopted_routes_stay_until_the_speaker_is_synced() {
    let namespace = lonely();
    for (text, rest) in [
        ("10.128.0.0/24", "via 10.0.0.1 proto 77 metric 77"),
        ("10.128.1.0/24", "via 10.0.0.1 proto 77 metric 77"),
        ("10.128.2.0/24", "via 10.0.0.1 proto 77 metric 77"),
        ("default", "via 10.0.0.1 proto 77 metric 20077"),
        // A pod's, felix-lite's, and somebody else's.
        ("10.128.3.0/24", "via 10.0.0.1 proto 77"),
        ("10.128.4.0/24", "via 10.0.0.1 proto bird metric 77"),
    ] {
        namespace.ip(&format!("route add {text} {rest}"));
    }
    namespace.ip("route add blackhole 10.128.9.0/24 proto 77 metric 4278198272");
    let adopted = namespace.run(|| async {
        let fib = Running::start().await;
        fib.want("10.128.0.0/24", &["10.0.0.1"]).await;
        fib.want("10.128.1.0/24", &["10.0.0.3"]).await;
        let status = fib
            .until("two written", |status| status.installed == 2)
            .await;
        assert_eq!(status.stale, 2);
        fib.commands.send(Command::Synced).await.unwrap();
        fib.until("swept", |status| status.stale == 0 && status.pending == 0)
            .await;
        fib.adopted
    });
    assert_eq!(adopted, 4);
    let mut left: Vec<String> = namespace
        .ip("-4 route show")
        .lines()
        .filter(|line| !line.contains("proto kernel"))
        .map(|line| {
            line.split_whitespace()
                .take(3)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    left.sort();
    assert_eq!(
        left,
        [
            "10.128.0.0/24 via 10.0.0.1",
            "10.128.1.0/24 via 10.0.0.3",
            "10.128.3.0/24 via 10.0.0.1",
            "10.128.4.0/24 via 10.0.0.1",
            "blackhole 10.128.9.0/24 proto",
        ]
    );
}

#[test]
fn what_others_do_to_our_routes_is_undone() {
    let namespace = lonely();
    namespace.run(|| async {
        let fib = Running::start().await;
        fib.want("10.128.0.0/24", &["10.0.0.1"]).await;
        fib.until("written", |status| status.installed == 1).await;

        ip_here("route del 10.128.0.0/24 proto 77");
        fib.until("put back", |s| s.repaired == 1 && s.installed == 1)
            .await;
        ip_here("route replace 10.128.0.0/24 via 10.0.0.66 proto 77 metric 77");
        fib.until("put right", |s| s.repaired == 2 && s.installed == 1)
            .await;
        // Routes of a link that goes down vanish without a word.
        ip_here("link set eth0 down");
        fib.until("told", |s| s.failed_count == 1 && s.installed == 0)
            .await;
        ip_here("link set eth0 up");
        fib.until("back with the link", |s| {
            s.failed_count == 0 && s.installed == 1
        })
        .await;
        ip_here("address flush dev eth0");
        fib.until("told again", |s| s.failed_count == 1).await;
        ip_here("address add 10.0.0.2/24 dev eth0");
        fib.until("back with the address", |s| {
            s.failed_count == 0 && s.installed == 1
        })
        .await;
    });
    assert_eq!(
        namespace.own_routes(),
        ["10.128.0.0/24 via 10.0.0.1 dev eth0 metric 77"]
    );
}

#[test]
fn a_foreign_route_is_left_reported_and_followed() {
    let namespace = lonely();
    namespace.ip("route add 10.128.0.0/24 via 10.0.0.9 proto static metric 77");
    namespace.run(|| async {
        let fib = Running::start().await;
        fib.want("10.128.0.0/24", &["10.0.0.1"]).await;
        let named = |status: &FibStatus| {
            status
                .failed
                .iter()
                .any(|(_, reason)| reason.contains("(protocol 4)"))
        };
        let status = fib.until("the holder is named", named).await;
        assert_eq!(status.installed, 0);
        ip_here("route del 10.128.0.0/24 proto static");
        fib.until("ours follows", |s| s.installed == 1 && s.failed_count == 0)
            .await;
        // Somebody takes the place of ours.
        ip_here("route replace 10.128.0.0/24 via 10.0.0.9 proto static metric 77");
        fib.until("the holder is named again", named).await;
    });
    let shown = namespace.ip("-4 route show 10.128.0.0/24");
    assert!(
        shown.contains("via 10.0.0.9") && shown.contains("proto static"),
        "{shown}"
    );
    assert_eq!(shown.lines().count(), 1, "{shown}");
}

#[test]
fn without_the_right_to_write_the_first_question_tells() {
    let namespace = Namespace::new();
    let error = namespace.run(|| async {
        rustix::thread::set_capabilities(
            None,
            rustix::thread::CapabilitySets {
                effective: rustix::thread::CapabilitySet::empty(),
                permitted: rustix::thread::CapabilitySet::empty(),
                inheritable: rustix::thread::CapabilitySet::empty(),
            },
        )
        .unwrap();
        Fib::open(OWNER).await.map(|_| ()).unwrap_err()
    });
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
}
