//! Randomised: any input sequence, and churn in a random network. Seeds are printed.

mod configuration;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use self::configuration::configuration;
use super::net::Net;
use super::{speaker, transit};
use crate::attr::{AsPath, NextHop, PathAttributes};
use crate::fsm::State;
use crate::iana::Family;
use crate::intake::{Intake, Terms};
use crate::message;
use crate::speaker::{
    CloseCause, ConnId, ConnectError, Input, Interface, Order, Output, OwnAddresses, PeerId,
    PrefixCounts, Remote, Speaker, StopMode,
};
use crate::validate::{LocalOpen, Offer, SessionOptions};
use crate::wire::Prefix;

#[derive(Clone, Debug)]
enum Act {
    Start,
    Stop(bool),
    Dialled(usize),
    Failed(usize),
    Accept(u8),
    /// Which addresses the own end has.
    Own(usize, bool, bool),
    Bytes(usize, Vec<u8>),
    Closed(usize),
    Wait(u32),
    Transmit(usize),
    /// Which of the differences in [`configuration`].
    Reconfigure(u16),
    /// To the peer with this number.
    Order(u32, u8),
}

fn act() -> impl Strategy<Value = Act> {
    let conn = 0..8_usize;
    let noise = prop::collection::vec(any::<u8>(), 0..80);
    let bytes = prop_oneof![
        2 => noise.clone(),
        3 => (noise, 0..7_u8).prop_map(|(body, kind)| framed(kind, &body)),
        8 => (1..5_u8).prop_map(open),
        8 => Just(message::keepalive().to_vec()),
        // What a connection needs to come up, at once.
        4 => (2..5_u8).prop_map(|id| [open(id), message::keepalive().to_vec()].concat()),
        8 => (2..5_u8, 0..4_u8, 0..5_u8).prop_map(|(id, net, path)| update(id, net, path)),
        4 => (2..5_u8, 0..4_u8, 0..3_u8).prop_map(|(id, net, hop)| update_v6(id, net, hop)),
        2 => Just(message::end_of_rib(Family::IPV4_UNICAST).to_vec()),
        2 => Just(message::end_of_rib(Family::IPV6_UNICAST).to_vec()),
    ];
    prop_oneof![
        2 => any::<u16>().prop_map(Act::Reconfigure),
        2 => (0..16_u16).prop_map(|bit| Act::Reconfigure(1 << bit)),
        1 => Just(Act::Reconfigure(0)),
        1 => (0..6_u32, 0..3_u8).prop_map(|(peer, kind)| Act::Order(peer, kind)),
        2 => Just(Act::Start),
        1 => any::<bool>().prop_map(Act::Stop),
        4 => conn.clone().prop_map(Act::Dialled),
        1 => conn.clone().prop_map(Act::Failed),
        6 => (1..5_u8).prop_map(Act::Accept),
        4 => (conn.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(conn, link, v6)| Act::Own(conn, link, v6)),
        30 => (conn.clone(), bytes).prop_map(|(conn, bytes)| Act::Bytes(conn, bytes)),
        2 => conn.clone().prop_map(Act::Closed),
        4 => (0..100_000_u32).prop_map(Act::Wait),
        4 => conn.prop_map(Act::Transmit),
    ]
}

/// An announcement by AS 65000 + id, with a good path, a loop, a withdrawal instead, a path that was
/// reflected, or one of a router that leaves.
fn update(id: u8, net: u8, path: u8) -> Vec<u8> {
    let options = SessionOptions {
        four_octet_as: true,
        ..SessionOptions::default()
    };
    let prefixes = [super::prefix(&format!("10.244.{net}.0/24"))];
    let family = Family::IPV4_UNICAST;
    if path == 2 {
        return message::pack_withdrawals(family, &prefixes, &options).concat();
    }
    let asn = 65000 + u32::from(id);
    let asns = if path == 1 {
        vec![asn, 65001]
    } else {
        vec![asn]
    };
    let mut attributes = PathAttributes {
        as_path: AsPath::from_sequence(&asns),
        next_hop: Some(NextHop::V4([10, 0, 0, id].into())),
        ..PathAttributes::default()
    };
    if path == 3 {
        let rare = attributes.rare_mut();
        rare.originator_id = Some([10, 255, 0, 1 + net].into());
        rare.cluster_list = vec![[10, 255, 0, 7].into(); net.into()];
    }
    if path == 4 {
        attributes.add_community(crate::iana::community::GRACEFUL_SHUTDOWN);
    }
    message::pack_announcements(family, &attributes, &prefixes, &options)
        .unwrap()
        .concat()
}

/// The same in IPv6: a global next hop, one that is link-local, or a withdrawal.
fn update_v6(id: u8, net: u8, hop: u8) -> Vec<u8> {
    let options = SessionOptions {
        four_octet_as: true,
        ..SessionOptions::default()
    };
    let prefixes = [super::prefix(&format!("fd00:10:244:{net}::/64"))];
    let family = Family::IPV6_UNICAST;
    if hop == 2 {
        return message::pack_withdrawals(family, &prefixes, &options).concat();
    }
    let net = if hop == 0 { 0xfd00 } else { 0xfe80 };
    let attributes = PathAttributes {
        as_path: AsPath::from_sequence(&[65000 + u32::from(id)]),
        next_hop: Some(NextHop::V6([net, 0, 0, 0, 0, 0, 0, id.into()].into())),
        ..PathAttributes::default()
    };
    message::pack_announcements(family, &attributes, &prefixes, &options)
        .unwrap()
        .concat()
}

fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0xff; 16];
    out.extend(u16::try_from(19 + body.len()).unwrap().to_be_bytes());
    out.push(kind);
    out.extend(body);
    out
}

fn open(id: u8) -> Vec<u8> {
    let local = LocalOpen {
        asn: 65000 + u32::from(id),
        bgp_id: [10, 255, 0, id].into(),
        hold_time: 9,
        families: vec![Family::IPV4_UNICAST, Family::IPV6_UNICAST],
        graceful_restart: Some(crate::capability::GracefulRestartCapability {
            restart: false,
            notification: false,
            time_secs: 30,
            families: vec![(Family::IPV4_UNICAST, true), (Family::IPV6_UNICAST, id > 2)],
        }),
        long_lived_secs: None,
        extended_next_hop: id > 2,
        offer: Offer::default(),
    };
    let mut out = bytes::BytesMut::new();
    message::encode(
        &message::Message::Open(local.to_open()),
        &Default::default(),
        &mut out,
    )
    .unwrap();
    out.to_vec()
}

fn own(link: bool, v6: bool) -> OwnAddresses {
    let v6 = v6.then_some(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1));
    OwnAddresses {
        interface: link.then(|| Interface {
            index: 2,
            name: "eth0".to_owned(),
        }),
        v6,
        addresses: v6.into_iter().map(IpAddr::V6).collect(),
        networks: vec!["10.0.0.1/24".parse().unwrap()],
        ..OwnAddresses::only([10, 0, 0, 1].into())
    }
}

/// A speaker that is played with, and the invariants that need no second one.
struct Player {
    speaker: Speaker,
    /// Is told what was heard, while the other is told the bytes: they must be of one mind.
    reader: Speaker,
    intakes: HashMap<ConnId, (Intake, Option<Arc<Terms>>)>,
    now: Instant,
    conns: Vec<ConnId>,
    fib: BTreeSet<Prefix>,
}

impl Player {
    fn new(restarting: bool) -> Self {
        let mut config = configuration(0);
        config.restarting = restarting;
        let now = Instant::now();
        let speaker = || Speaker::new(config.clone(), now);
        Self {
            speaker: speaker(),
            reader: speaker(),
            intakes: HashMap::new(),
            now,
            conns: vec![],
            fib: BTreeSet::new(),
        }
    }

    /// The latest connection, the one before it ...; or one that does not exist.
    fn conn(&self, back: usize) -> ConnId {
        let index = self.conns.len().checked_sub(1 + back);
        index.map_or(ConnId(77), |index| self.conns[index])
    }

    fn input(&mut self, input: Input<'_>) {
        self.speaker.handle(input.clone(), self.now);
        let heard = match input.clone() {
            Input::Received { conn, bytes } => {
                // Nothing is read from what is not there yet.
                let read = self.intakes.get_mut(&conn).map(|(intake, terms)| {
                    intake.push(bytes);
                    std::iter::from_fn(|| intake.next(terms.as_deref())).collect()
                });
                let messages = read.unwrap_or_default();
                Input::Heard { conn, messages }
            }
            Input::Connected { conn, .. } | Input::Accepted { conn, .. } => {
                self.intakes.entry(conn).or_default();
                input
            }
            other => other,
        };
        self.reader.handle(heard, self.now);
    }

    fn act(&mut self, act: Act) {
        let local: SocketAddr = "10.0.0.1:179".parse().unwrap();
        let remote = |last: u8| SocketAddr::new([10, 0, 0, last].into(), 4000);
        match act {
            Act::Start => self.input(Input::Start),
            Act::Stop(true) => self.input(Input::Stop(StopMode::Restart)),
            Act::Stop(false) => self.input(Input::Stop(StopMode::Shutdown("ä".repeat(300)))),
            Act::Dialled(back) => {
                let conn = self.conn(back);
                self.input(Input::Connected {
                    conn,
                    local,
                    remote: remote(2),
                });
            }
            Act::Failed(back) => {
                let (conn, cause) = (self.conn(back), ConnectError::Other("no".to_owned()));
                self.input(Input::ConnectFailed { conn, cause });
            }
            Act::Accept(last) => {
                let conn = self.speaker.new_conn();
                assert_eq!(self.reader.new_conn(), conn);
                self.conns.push(conn);
                self.input(Input::Accepted {
                    conn,
                    local,
                    remote: remote(last),
                });
            }
            Act::Own(back, link, v6) => {
                let (conn, own) = (self.conn(back), own(link, v6));
                self.input(Input::OwnAddresses { conn, own });
            }
            Act::Bytes(back, bytes) => {
                let conn = self.conn(back);
                self.input(Input::Received {
                    conn,
                    bytes: &bytes,
                });
            }
            Act::Closed(back) => {
                let (conn, cause) = (self.conn(back), CloseCause::Reset);
                self.input(Input::Closed { conn, cause });
            }
            Act::Wait(millis) => {
                self.now += Duration::from_millis(millis.into());
                self.input(Input::Tick);
                let next = self.speaker.poll_timeout();
                assert!(
                    next.is_none_or(|at| at > self.now),
                    "a tick leaves nothing due"
                );
            }
            Act::Reconfigure(bits) => self.reconfigure(bits),
            Act::Order(peer, kind) => self.order(PeerId(peer), kind),
            Act::Transmit(back) => {
                let conn = self.conn(back);
                while let Some(message) = self.speaker.poll_transmit(conn, self.now) {
                    assert_eq!(self.reader.poll_transmit(conn, self.now), Some(message));
                }
                assert_eq!(self.reader.poll_transmit(conn, self.now), None);
            }
        }
        self.check();
    }

    fn order(&mut self, peer: PeerId, kind: u8) {
        let order = match kind {
            0 => Order::Start,
            1 => Order::Reset(String::new()),
            _ => Order::Shutdown("now".to_owned()),
        };
        self.input(Input::Order { peer, order });
    }

    /// Peers that are left where they are keep their numbers, and nothing is left to differ.
    fn reconfigure(&mut self, bits: u16) {
        let (config, sockets) = (configuration(bits), BTreeSet::new());
        let known = |player: &Self| {
            let peers = player.speaker.status(player.now).peers.into_iter();
            let peers = peers.filter(|peer| !peer.kind.dynamic);
            let peers = peers.map(|peer| (peer.address, peer.id));
            peers.collect::<BTreeMap<_, _>>()
        };
        let before = known(self);
        self.input(Input::Reconfigure {
            config: Box::new(config.clone()),
            sockets: sockets.clone(),
        });
        let after = known(self);
        for (address, id) in &before {
            assert!(after.get(address).is_none_or(|after| after == id));
        }
        let addresses = config.peers.iter().filter_map(|peer| match peer.remote {
            Remote::Address { address, .. } => Some(address),
            _ => None,
        });
        let addresses: BTreeSet<IpAddr> = addresses.collect();
        assert!(addresses.iter().eq(after.keys()));
        assert!(self.speaker.difference(&config, &sockets).is_none());
    }

    fn check(&mut self) {
        while let Some(output) = self.speaker.poll_output() {
            let said = format!("{output:?}");
            let other = self.reader.poll_output();
            assert_eq!(other.map(|other| format!("{other:?}")), Some(said));
            match output {
                Output::Opened { conn, terms } => {
                    self.intakes.entry(conn).or_default().1 = Some(terms);
                }
                Output::Dial { conn, .. } => {
                    assert!(!self.conns.contains(&conn), "a name is used once");
                    self.conns.push(conn);
                }
                Output::Fib(change) if change.next_hops.is_empty() => {
                    assert!(
                        self.fib.remove(&change.prefix),
                        "removed what was never said"
                    );
                }
                Output::Fib(change) => drop(self.fib.insert(change.prefix)),
                _ => {}
            }
        }
        assert!(self.reader.poll_output().is_none());
        let mut counted = 0;
        for peer in &self.speaker.status(self.now).peers {
            assert_eq!(peer.state == State::Established, peer.session.is_some());
            let prefixes = peer.prefixes;
            assert_eq!(prefixes.received, prefixes.accepted + prefixes.rejected);
            assert!(prefixes.best <= prefixes.accepted && prefixes.stale <= prefixes.received);
            counted += prefixes.received;
            let families = peer.prefixes.by_family.map(|(_, counts)| counts);
            let sum = |count: fn(&PrefixCounts) -> usize| families.iter().map(count).sum::<usize>();
            assert_eq!(sum(|counts| counts.received), prefixes.received);
            assert_eq!(sum(|counts| counts.best), prefixes.best);
            assert_eq!(sum(|counts| counts.stale), prefixes.stale);
            assert_eq!(sum(|counts| counts.advertised), prefixes.advertised);
        }
        let routes: Vec<_> = self
            .speaker
            .routes()
            .filter(|route| route.peer.is_some())
            .collect();
        assert_eq!(routes.len(), counted);
        let used = routes.iter().filter(|route| route.status.is_used());
        assert!(
            used.clone().all(|route| self.fib.contains(&route.prefix)),
            "used and not in FIB"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_sequence_of_inputs_panics(
        acts in prop::collection::vec(act(), 1..120),
        restarting in any::<bool>(),
    ) {
        let mut player = Player::new(restarting);
        acts.into_iter().for_each(|act| player.act(act));
    }
}

/// Routers in a random connected graph, each its own AS, all passing on everything.
fn random_network(rng: &mut SmallRng, size: usize) -> (Net, Vec<(usize, usize)>) {
    let mut edges: Vec<(usize, usize)> = (1..size).map(|b| (rng.random_range(0..b), b)).collect();
    for _ in 0..size {
        let (a, b) = (rng.random_range(0..size), rng.random_range(0..size));
        if a != b && !edges.contains(&(a.min(b), a.max(b))) {
            edges.push((a.min(b), a.max(b)));
        }
    }
    let mut net = Net::new();
    for node in 0..size {
        let id = u8::try_from(node + 1).unwrap();
        let mut config = speaker(64512 + u32::from(id), id, &[&format!("10.244.{node}.0/24")]);
        for (number, (a, b)) in edges.iter().enumerate() {
            let (other, side) = if *a == node {
                (*b, 2)
            } else if *b == node {
                (*a, 1)
            } else {
                continue;
            };
            let asn = 64512 + u32::try_from(other + 1).unwrap();
            config
                .peers
                .push(transit(&format!("10.100.{number}.{side}"), asn));
        }
        net.add(config);
    }
    for (number, (a, b)) in edges.iter().enumerate() {
        let near = format!("10.100.{number}.1");
        net.link((*a, &near), (*b, &format!("10.100.{number}.2")));
    }
    (net, edges)
}

/// Every node that runs reaches every network of a node that runs, following the FIBs.
fn assert_reachable(net: &Net, running: &[bool], edges: &[(usize, usize)], seed: u64) {
    let owner = |hop: std::net::IpAddr| {
        let (number, side) = match hop {
            std::net::IpAddr::V4(hop) => (usize::from(hop.octets()[2]), hop.octets()[3]),
            std::net::IpAddr::V6(_) => unreachable!(),
        };
        if side == 1 {
            edges[number].0
        } else {
            edges[number].1
        }
    };
    for from in (0..running.len()).filter(|node| running[*node]) {
        for to in (0..running.len()).filter(|node| running[*node] && *node != from) {
            let target = super::prefix(&format!("10.244.{to}.0/24"));
            let mut here = from;
            for _ in 0..running.len() {
                if here == to {
                    break;
                }
                let hops = net.nodes[here].fib.get(&target);
                let hops = hops.unwrap_or_else(|| panic!("seed {seed}: {here} knows no {target}"));
                here = owner(hops[0].address);
            }
            assert_eq!(here, to, "seed {seed}: {from} does not reach {to}");
        }
    }
}

#[test]
fn random_churn_converges() {
    for seed in 0..12_u64 {
        println!("seed {seed}");
        let mut rng = SmallRng::seed_from_u64(seed);
        let size = rng.random_range(3..9);
        let (mut net, edges) = random_network(&mut rng, size);
        net.delay = Duration::from_millis(rng.random_range(1..200));
        net.jitter = Some(SmallRng::seed_from_u64(seed));
        // Slow machines, too: much happens before a table is walked once.
        net.slice = [None, Some((1, 5)), Some((2, 300))][usize::try_from(seed % 3).unwrap()]
            .map(|(prefixes, millis)| (prefixes, Duration::from_millis(millis)));
        net.start_all();
        let mut running = vec![true; size];
        for _ in 0..30 {
            let node = rng.random_range(0..size);
            let (number, _) = (rng.random_range(0..edges.len()), ());
            let ends = [format!("10.100.{number}.1"), format!("10.100.{number}.2")];
            match rng.random_range(0..5) {
                0 if running[node] => {
                    net.kill(node);
                    running[node] = false;
                }
                1 if !running[node] => {
                    net.restart(node);
                    running[node] = true;
                }
                2 => net.set_cut(&ends[0], &ends[1], true),
                3 => net.set_cut(&ends[0], &ends[1], false),
                _ => {}
            }
            net.run(Duration::from_millis(rng.random_range(0..40_000)));
        }
        // All come back and all links work: everybody reaches everybody, nothing is stale.
        for number in 0..edges.len() {
            net.set_cut(
                &format!("10.100.{number}.1"),
                &format!("10.100.{number}.2"),
                false,
            );
        }
        for node in (0..size).filter(|node| !running[*node]) {
            net.restart(node);
        }
        net.run_secs(600);
        assert_reachable(&net, &vec![true; size], &edges, seed);
        for node in 0..size {
            let status = net.speaker(node).status(Instant::now());
            assert_eq!(net.fib(node).len(), size - 1, "seed {seed}");
            assert!(
                status.peers.iter().all(|peer| peer.prefixes.stale == 0),
                "seed {seed}"
            );
            assert!(
                status
                    .peers
                    .iter()
                    .all(|peer| peer.state == State::Established)
            );
        }
        // One dies for good: after its restart time nobody knows its network, all others are fine.
        let dead = rng.random_range(0..size);
        let mut alive = vec![true; size];
        alive[dead] = false;
        net.kill(dead);
        net.run_secs(900);
        let gone = super::prefix(&format!("10.244.{dead}.0/24"));
        for node in (0..size).filter(|node| *node != dead) {
            assert!(
                !net.nodes[node].fib.contains_key(&gone),
                "seed {seed}: {node} keeps {gone}"
            );
        }
    }
}
