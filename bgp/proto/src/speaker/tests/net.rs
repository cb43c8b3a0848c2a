//! The virtual network: nodes, links between addresses, a clock that jumps from event to event.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ipnetwork::IpNetwork;
use rand::Rng;
use rand::rngs::SmallRng;

use crate::fsm::State;
use crate::speaker::{
    CloseCause, ConnId, ConnectError, EventKind, Input, Interface, NextHop, Output, OwnAddresses,
    PeerId, PeerStatus, Speaker, SpeakerConfig, SpeakerStatus,
};
use crate::wire::Prefix;

/// One speaker and the world around it.
pub(super) struct Node {
    config: SpeakerConfig,
    speaker: Option<Speaker>,
    /// What the kernel has: survives the speaker.
    pub(super) fib: BTreeMap<Prefix, Vec<NextHop>>,
    /// Every change of it, in order.
    pub(super) fib_log: Vec<(Duration, Prefix, Vec<NextHop>)>,
    pub(super) synced: Vec<Duration>,
    pub(super) events: Vec<EventKind>,
    /// Does not write to its connections.
    pub(super) slow: bool,
    /// The kernel does not come to an end with its routes.
    pub(super) stuck: bool,
    /// Bytes sent.
    pub(super) sent: usize,
}

impl Node {
    pub(super) fn config(&self) -> &SpeakerConfig {
        &self.config
    }
}

enum Delivery {
    Connect {
        from: usize,
        conn: ConnId,
        local: IpAddr,
        remote: SocketAddr,
    },
    Connected {
        node: usize,
        conn: ConnId,
        local: SocketAddr,
        remote: SocketAddr,
    },
    Failed {
        node: usize,
        conn: ConnId,
    },
    Data {
        node: usize,
        conn: ConnId,
        bytes: Bytes,
    },
    Closed {
        node: usize,
        conn: ConnId,
    },
}

type End = (usize, ConnId);

impl Delivery {
    fn end(&self) -> Option<End> {
        match self {
            Self::Connect { .. } => None,
            Self::Connected { node, conn, .. }
            | Self::Failed { node, conn }
            | Self::Data { node, conn, .. }
            | Self::Closed { node, conn } => Some((*node, *conn)),
        }
    }
}

pub(super) struct Net {
    epoch: Instant,
    now: Instant,
    pub(super) nodes: Vec<Node>,
    /// Address of a node -> the node.
    owners: BTreeMap<IpAddr, usize>,
    /// Both directions: (from, to).
    links: Vec<(IpAddr, IpAddr)>,
    /// Links on which everything is lost without a sound.
    cut: BTreeSet<(IpAddr, IpAddr)>,
    ends: BTreeMap<End, (End, IpAddr, IpAddr)>,
    cancelled: BTreeSet<End>,
    queue: BTreeMap<(Instant, u64), Delivery>,
    sequence: u64,
    pub(super) delay: Duration,
    /// Adds up to four times the delay to each delivery; the order within a connection stays.
    pub(super) jitter: Option<SmallRng>,
    latest: BTreeMap<End, Instant>,
    /// What the interfaces of these own ends offer; without, their address is all.
    own: BTreeMap<IpAddr, OwnAddresses>,
    /// Prefixes in a slice of work, and how long one takes: the more inputs come in between.
    pub(super) slice: Option<(usize, Duration)>,
    sliced: Instant,
}

impl Net {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            epoch: now,
            now,
            nodes: vec![],
            owners: BTreeMap::new(),
            links: vec![],
            cut: BTreeSet::new(),
            ends: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            delay: Duration::from_millis(1),
            jitter: None,
            latest: BTreeMap::new(),
            own: BTreeMap::new(),
            slice: None,
            sliced: now,
        }
    }

    pub(super) fn add(&mut self, config: SpeakerConfig) -> usize {
        self.nodes.push(Node {
            config,
            speaker: None,
            fib: BTreeMap::new(),
            fib_log: vec![],
            synced: vec![],
            events: vec![],
            slow: false,
            stuck: false,
            sent: 0,
        });
        self.nodes.len() - 1
    }

    pub(super) fn link(&mut self, a: (usize, &str), b: (usize, &str)) {
        let (ip_a, ip_b) = (super::ip(a.1), super::ip(b.1));
        self.owners.insert(ip_a, a.0);
        self.owners.insert(ip_b, b.0);
        self.links.extend([(ip_a, ip_b), (ip_b, ip_a)]);
    }

    pub(super) fn set_cut(&mut self, a: &str, b: &str, cut: bool) {
        let (a, b) = (super::ip(a), super::ip(b));
        for pair in [(a, b), (b, a)] {
            if cut {
                self.cut.insert(pair);
            } else {
                self.cut.remove(&pair);
            }
        }
    }

    pub(super) fn start(&mut self, node: usize) {
        let config = self.nodes[node].config.clone();
        let mut speaker = Speaker::new(config, self.now);
        if let Some((prefixes, _)) = self.slice {
            speaker.slice = prefixes;
        }
        self.nodes[node].speaker = Some(speaker);
        self.input(node, Input::Start);
    }

    pub(super) fn start_all(&mut self) {
        (0..self.nodes.len()).for_each(|node| self.start(node));
    }

    /// The process is killed: the kernel closes its connections and keeps its routes.
    pub(super) fn kill(&mut self, node: usize) {
        self.nodes[node].speaker = None;
        let ends: Vec<End> = self
            .ends
            .keys()
            .filter(|end| end.0 == node)
            .copied()
            .collect();
        ends.into_iter().for_each(|end| self.close(end));
    }

    /// A new process that finds the routes of the old one.
    pub(super) fn restart(&mut self, node: usize) {
        let found = !self.nodes[node].fib.is_empty();
        self.nodes[node].config.restarting = found;
        self.nodes[node].synced.clear();
        self.start(node);
    }

    /// The node's configuration is another one, which it is told while it runs.
    pub(super) fn reconfigure(&mut self, node: usize, change: impl FnOnce(&mut SpeakerConfig)) {
        let config = &mut self.nodes[node].config;
        change(config);
        let config = Box::new(config.clone());
        let sockets = BTreeSet::new();
        self.input(node, Input::Reconfigure { config, sockets });
    }

    pub(super) fn input(&mut self, node: usize, input: Input<'_>) {
        let now = self.now;
        if let Some(speaker) = &mut self.nodes[node].speaker {
            speaker.handle(input, now);
        }
        self.pump(node);
    }

    pub(super) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        let mut here = (self.now, 0_u32);
        loop {
            let due = self
                .nodes
                .iter()
                .filter_map(|n| n.speaker.as_ref()?.poll_timeout())
                .min();
            let due = due.map(|at| at.max(self.now));
            let work = self.works().then(|| self.next_slice().max(self.now));
            let next = self.queue.keys().next().map(|(at, _)| *at);
            let at = [due, next, work]
                .into_iter()
                .flatten()
                .min()
                .filter(|at| *at <= end);
            let Some(at) = at else { break };
            here = if here.0 == at {
                (at, here.1 + 1)
            } else {
                (at, 0)
            };
            assert!(
                here.1 < 100_000,
                "the clock stands still: something ticks without effect"
            );
            self.now = at;
            if next == Some(at)
                && let Some((_, delivery)) = self.queue.pop_first()
            {
                self.deliver(delivery);
            } else if work == Some(at) {
                self.work();
            } else {
                (0..self.nodes.len()).for_each(|node| self.input(node, Input::Tick));
            }
        }
        self.now = end;
    }

    fn works(&self) -> bool {
        let mut speakers = self.nodes.iter().filter_map(|node| node.speaker.as_ref());
        speakers.any(Speaker::has_work)
    }

    fn next_slice(&self) -> Instant {
        self.sliced + self.slice.map_or(Duration::ZERO, |(_, time)| time)
    }

    /// Everybody who has work does a slice of it.
    fn work(&mut self) {
        self.sliced = self.now;
        for node in 0..self.nodes.len() {
            if let Some(speaker) = &mut self.nodes[node].speaker
                && speaker.has_work()
            {
                speaker.work(self.now);
                self.pump(node);
            }
        }
    }

    pub(super) fn unready(&self, node: usize) -> Vec<&str> {
        self.speaker(node).unready(self.now)
    }

    pub(super) fn run_secs(&mut self, secs: u64) {
        self.run(Duration::from_secs(secs));
    }

    fn later(&mut self, delivery: Delivery) {
        self.sequence += 1;
        let mut at = self.now + self.delay;
        if let Some(rng) = &mut self.jitter {
            at += self.delay.mul_f64(rng.random_range(0.0..4.0));
        }
        if let Some(end) = delivery.end() {
            let latest = self.latest.entry(end).or_insert(at);
            *latest = at.max(*latest);
            at = *latest;
        }
        self.queue.insert((at, self.sequence), delivery);
    }

    fn connect(&mut self, from: usize, conn: ConnId, local: IpAddr, remote: SocketAddr) {
        if self.cut.contains(&(local, remote.ip())) || self.cancelled.contains(&(from, conn)) {
            return;
        }
        let target = self.owners.get(&remote.ip()).copied();
        let target = target.filter(|target| self.nodes[*target].speaker.is_some());
        let Some(target) = target else {
            return self.later(Delivery::Failed { node: from, conn });
        };
        let there = self.nodes[target].speaker.as_mut().unwrap().new_conn();
        self.ends
            .insert((from, conn), ((target, there), local, remote.ip()));
        self.ends
            .insert((target, there), ((from, conn), remote.ip(), local));
        let local = SocketAddr::new(local, 40_000);
        self.later(Delivery::Connected {
            node: from,
            conn,
            local,
            remote,
        });
        let input = Input::Accepted {
            conn: there,
            local: remote,
            remote: local,
        };
        self.input(target, input);
        self.tell_own(target, there, remote.ip());
    }

    fn tell_own(&mut self, node: usize, conn: ConnId, local: IpAddr) {
        if let Some(own) = self.own.get(&local).cloned() {
            self.input(node, Input::OwnAddresses { conn, own });
        }
    }

    /// The interface with these addresses, of which the first is an end of a link. Sessions
    /// there learn of it.
    pub(super) fn set_own(&mut self, index: u32, addresses: &[&str]) {
        let addresses: Vec<IpNetwork> =
            addresses.iter().map(|text| text.parse().unwrap()).collect();
        let name = format!("eth{index}");
        let mut own = OwnAddresses {
            interface: Some(Interface { index, name }),
            ..OwnAddresses::default()
        };
        for address in addresses.iter().rev() {
            match address.ip() {
                IpAddr::V4(v4) => own.v4 = Some(v4),
                IpAddr::V6(v6) if !v6.is_unicast_link_local() => own.v6 = Some(v6),
                IpAddr::V6(_) => {}
            }
        }
        let local = addresses[0].ip();
        own.addresses = addresses.iter().map(IpNetwork::ip).collect();
        own.networks = addresses;
        self.own.insert(local, own);
        let here = |(_, (_, from, _)): &(&End, &(End, IpAddr, IpAddr))| *from == local;
        let ends: Vec<End> = self.ends.iter().filter(here).map(|(end, _)| *end).collect();
        for (node, conn) in ends {
            self.tell_own(node, conn, local);
        }
    }

    fn deliver(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Connect {
                from,
                conn,
                local,
                remote,
            } => {
                self.connect(from, conn, local, remote);
            }
            Delivery::Connected {
                node,
                conn,
                local,
                remote,
            } => {
                self.input(
                    node,
                    Input::Connected {
                        conn,
                        local,
                        remote,
                    },
                );
                self.tell_own(node, conn, local.ip());
            }
            Delivery::Failed { node, conn } => {
                self.input(
                    node,
                    Input::ConnectFailed {
                        conn,
                        cause: ConnectError::Refused,
                    },
                );
            }
            Delivery::Data { node, conn, bytes } => {
                self.input(
                    node,
                    Input::Received {
                        conn,
                        bytes: &bytes,
                    },
                );
            }
            Delivery::Closed { node, conn } => {
                self.ends.remove(&(node, conn));
                self.input(
                    node,
                    Input::Closed {
                        conn,
                        cause: CloseCause::Eof,
                    },
                );
            }
        }
    }

    fn close(&mut self, end: End) {
        match self.ends.remove(&end) {
            Some(((node, conn), local, remote)) => {
                if !self.cut.contains(&(local, remote)) {
                    self.later(Delivery::Closed { node, conn });
                }
            }
            None => {
                self.cancelled.insert(end);
            }
        }
    }

    pub(super) fn pump(&mut self, node: usize) {
        loop {
            let Some(speaker) = &mut self.nodes[node].speaker else {
                return;
            };
            let Some(output) = speaker.poll_output() else {
                return;
            };
            let at = self.now - self.epoch;
            match output {
                Output::Dial { conn, remote, .. } => {
                    let link = self.links.iter().find(|(from, to)| {
                        *to == remote.ip() && self.owners.get(from) == Some(&node)
                    });
                    match link.copied() {
                        Some((local, _)) => {
                            self.later(Delivery::Connect {
                                from: node,
                                conn,
                                local,
                                remote,
                            });
                        }
                        None => self.later(Delivery::Failed { node, conn }),
                    }
                }
                Output::Opened { .. } | Output::Lost { .. } | Output::Watch { .. } => {}
                Output::WantSend { conn } => self.transmit(node, conn, false),
                Output::Close { conn } => {
                    self.transmit(node, conn, true);
                    self.close((node, conn));
                }
                Output::Fib(change) => {
                    let node = &mut self.nodes[node];
                    node.fib_log
                        .push((at, change.prefix, change.next_hops.to_vec()));
                    if change.next_hops.is_empty() {
                        assert!(node.fib.remove(&change.prefix).is_some(), "removed twice");
                    } else {
                        node.fib.insert(change.prefix, change.next_hops.to_vec());
                    }
                }
                Output::FibSynced => self.sweep(node, at),
                Output::Settle if self.nodes[node].stuck => {}
                Output::Settle => self.input(node, Input::Settled),
                Output::Event(event) => self.nodes[node].events.push(event.kind),
            }
        }
    }

    /// As the FIB writer does: what the speaker has not confirmed goes.
    fn sweep(&mut self, node: usize, at: Duration) {
        let node = &mut self.nodes[node];
        node.synced.push(at);
        let routes: BTreeSet<Prefix> = node
            .speaker
            .iter()
            .flat_map(Speaker::routes)
            .map(|route| route.prefix)
            .collect();
        let gone: Vec<Prefix> = node
            .fib
            .keys()
            .filter(|prefix| !routes.contains(prefix))
            .copied()
            .collect();
        for prefix in gone {
            node.fib.remove(&prefix);
            node.fib_log.push((at, prefix, vec![]));
        }
    }

    pub(super) fn transmit(&mut self, node: usize, conn: ConnId, last_words: bool) {
        if self.nodes[node].slow && !last_words {
            return;
        }
        let now = self.now;
        while let Some(bytes) = self.nodes[node]
            .speaker
            .as_mut()
            .and_then(|s| s.poll_transmit(conn, now))
        {
            self.nodes[node].sent += bytes.len();
            if let Some(((to, there), local, remote)) = self.ends.get(&(node, conn)).copied()
                && !self.cut.contains(&(local, remote))
            {
                self.later(Delivery::Data {
                    node: to,
                    conn: there,
                    bytes,
                });
            }
        }
    }

    /// The node writes again, on all of its connections.
    pub(super) fn unblock(&mut self, node: usize) {
        self.nodes[node].slow = false;
        let ends: Vec<End> = self
            .ends
            .keys()
            .filter(|end| end.0 == node)
            .copied()
            .collect();
        ends.into_iter()
            .for_each(|(node, conn)| self.transmit(node, conn, false));
    }

    pub(super) fn speaker(&self, node: usize) -> &Speaker {
        self.nodes[node].speaker.as_ref().unwrap()
    }

    pub(super) fn status(&self, node: usize) -> SpeakerStatus {
        self.speaker(node).status(self.now)
    }

    pub(super) fn peer(&self, node: usize, peer: u32) -> PeerStatus {
        let status = self.speaker(node).status(self.now);
        status
            .peers
            .into_iter()
            .find(|status| status.id == PeerId(peer))
            .unwrap()
    }

    pub(super) fn state(&self, node: usize, peer: u32) -> State {
        self.peer(node, peer).state
    }

    pub(super) fn connections(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now - self.epoch
    }

    /// The FIB as text: `10.244.1.0/24 via 10.0.1.11`.
    pub(super) fn fib(&self, node: usize) -> Vec<String> {
        let line = |(prefix, hops): (&Prefix, &Vec<NextHop>)| {
            let hops: Vec<String> = hops.iter().map(ToString::to_string).collect();
            format!("{prefix} via {}", hops.join(" "))
        };
        self.nodes[node].fib.iter().map(line).collect()
    }
}
