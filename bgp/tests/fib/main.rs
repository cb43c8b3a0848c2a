//! The writer, the dump, the monitor and the task that joins them, against a real kernel.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a test that cannot go on fails, also in its helpers"
)]

#[path = "../common/mod.rs"]
mod common;

mod agree;
mod errors;
mod faulty;
mod foreign;
mod gateways;
mod ipv6;
mod links;
mod objects;
mod refused_objects;
mod restarts;
mod stalls;
mod storm;
mod task;
mod writer;

use std::net::Ipv4Addr;
use std::time::Duration;

use common::{Namespace, SOON, lonely};
use rcni_bgp::fib::change::Change;
use rcni_bgp::fib::task::{Command, Fib};
use rcni_bgp::fib::{FibStatus, Gateway, NextHop, NextHops, Ownership, Prefix, Settings, Target};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

const OWNER: Ownership = Ownership {
    protocol: 77,
    metric: 77,
    default_route_metric: 20_077,
    table: 254,
};

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

/// 10.128.0.0/24, 10.128.1.0/24, ….
fn numbered(index: u32) -> Prefix {
    Prefix::new(Ipv4Addr::from(0x0a80_0000 + (index << 8)).into(), 24).unwrap()
}

/// `10.0.0.1`, or `fe80::1%3` with the index of a link.
fn hop(text: &str) -> NextHop {
    let (address, interface) = text.split_once('%').unwrap_or((text, ""));
    NextHop {
        address: address.parse().unwrap(),
        interface: interface.parse().ok(),
    }
}

fn create(prefix: Prefix, gateways: &[&str]) -> Change {
    Change::Create {
        prefix,
        target: target(gateways),
    }
}

fn delete(prefix: Prefix, gateways: &[&str]) -> Change {
    Change::Delete {
        prefix,
        target: (!gateways.is_empty()).then(|| target(gateways)),
    }
}

/// Gateways that the route names itself; the kernel finds their links.
fn target(gateways: &[&str]) -> Target {
    let gateway = |text: &&str| Gateway {
        address: hop(text).address,
        interface: hop(text).interface.unwrap_or_default(),
    };
    let gateways: Vec<Gateway> = gateways.iter().map(gateway).collect();
    gateways.as_slice().into()
}

/// The gateways of a route, as the speaker names them.
fn named(target: Option<&Target>) -> Vec<NextHop> {
    let gateways = target.unwrap().hops().iter();
    gateways.map(Gateway::next_hop).collect()
}

/// The task with its inlets, for tests that run inside a namespace.
struct Running {
    commands: mpsc::Sender<Command>,
    queries: mpsc::Sender<oneshot::Sender<FibStatus>>,
    adopted: usize,
}

impl Running {
    async fn start() -> Self {
        Self::with(OWNER).await
    }

    async fn with(settings: impl Into<Settings>) -> Self {
        let (fib, adopted) = Fib::open(settings).await.unwrap();
        Self::of(fib, adopted)
    }

    fn of(fib: Fib, adopted: usize) -> Self {
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
        let gateways = gateways.iter().map(|text| hop(text)).collect();
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
            Err(_) => {
                let mut status = self.status().await;
                status.unsettled.truncate(5);
                status.failed.truncate(5);
                panic!("{what}: {status:#?}")
            }
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

/// As [`lonely`], with fd00::2/64 on `eth0` too.
fn lonely_dual() -> Namespace {
    let namespace = lonely();
    namespace.ip("address add fd00::2/64 dev eth0 nodad");
    namespace
}

/// Own IPv6 routes as `ip` prints them: one line each, gateways of one route in order.
fn own_ipv6_routes(namespace: &Namespace) -> Vec<String> {
    let text = namespace.ip("-o -6 route show proto 77");
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| {
            let mut words: Vec<&str> = line
                .split([' ', '\\', '\t'])
                .filter(|word| !word.is_empty())
                .collect();
            // Several gateways are behind a nexthop group, which is told along.
            if let Some(at) = words.iter().position(|word| *word == "nhid") {
                words.drain(at..at + 2);
            }
            words.join(" ").replace(" pref medium", "")
        })
        .collect();
    lines.sort();
    lines
}
