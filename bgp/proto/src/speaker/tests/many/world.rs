//! Thousands of speakers: every node has a timer of its own in one queue of events, so that a step
//! costs what happens in it and not what there is.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ipnetwork::IpNetwork;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::speaker::{
    CloseCause, ConnId, ConnectError, Input, Interface, NextHop, Output, OwnAddresses, Speaker,
    SpeakerConfig, StopMode,
};
use crate::wire::Prefix;

/// A speaker and its kernel.
pub(super) struct Node {
    pub(super) config: SpeakerConfig,
    pub(super) speaker: Option<Speaker>,
    pub(super) fib: BTreeMap<Prefix, Vec<NextHop>>,
    /// Changes of it since the last look.
    pub(super) fib_changes: usize,
    /// Own ends of connections, with the other end and the link.
    ends: BTreeMap<ConnId, (usize, ConnId, usize)>,
    /// When its next tick stands in the queue.
    wakes: Option<Instant>,
    /// When somebody dialled it.
    pub(super) dialled: Vec<Duration>,
}

/// Two nodes, and whether what one sends arrives at the other.
pub(super) struct Link {
    pub(super) ends: [usize; 2],
    pub(super) cut: bool,
}

enum Event {
    Wake(usize),
    Connect {
        from: usize,
        conn: ConnId,
        link: usize,
    },
    Connected {
        node: usize,
        conn: ConnId,
        link: usize,
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

pub(super) struct World {
    epoch: Instant,
    pub(super) now: Instant,
    pub(super) nodes: Vec<Node>,
    pub(super) links: Vec<Link>,
    events: BTreeMap<u64, Event>,
    queue: BinaryHeap<Reverse<(Instant, u64)>>,
    sequence: u64,
    rng: SmallRng,
    /// When the last thing arrives that was sent from an end: the order within a connection stays.
    latest: BTreeMap<(usize, ConnId), Instant>,
    /// Of all that has happened, and when.
    pub(super) trace: u64,
    pub(super) delivered: usize,
}

/// The address of an end of a link, 10.0.0.0/8 or fd00::/64.
pub(super) fn v4(link: usize, side: usize) -> Ipv4Addr {
    let offset = u32::try_from(2 * link + side).unwrap();
    Ipv4Addr::from(0x0a00_0000 + offset)
}

fn v6(link: usize, side: usize) -> Ipv6Addr {
    let offset = u128::try_from(2 * link + side).unwrap();
    Ipv6Addr::from((0xfd00_u128 << 112) | (offset + 0x1_0000))
}

/// The link and the side of it that have this address.
pub(super) fn end_of(address: IpAddr) -> (usize, usize) {
    let offset = match address {
        IpAddr::V4(address) => u128::from(u32::from(address) - 0x0a00_0000),
        IpAddr::V6(address) => (u128::from(address) & 0xffff_ffff) - 0x1_0000,
    };
    let offset = usize::try_from(offset).unwrap();
    (offset / 2, offset % 2)
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let now = Instant::now();
        Self {
            epoch: now,
            now,
            nodes: vec![],
            links: vec![],
            events: BTreeMap::new(),
            queue: BinaryHeap::new(),
            sequence: 0,
            rng: SmallRng::seed_from_u64(seed),
            latest: BTreeMap::new(),
            trace: 0xcbf2_9ce4_8422_2325,
            delivered: 0,
        }
    }

    pub(super) fn add(&mut self, config: SpeakerConfig) -> usize {
        self.nodes.push(Node {
            config,
            speaker: None,
            fib: BTreeMap::new(),
            fib_changes: 0,
            ends: BTreeMap::new(),
            wakes: None,
            dialled: vec![],
        });
        self.nodes.len() - 1
    }

    pub(super) fn start(&mut self, node: usize) {
        let config = self.nodes[node].config.clone();
        self.nodes[node].speaker = Some(Speaker::new(config, self.now));
        self.input(node, Input::Start);
    }

    /// The process is killed: the kernel closes its connections and keeps its routes.
    pub(super) fn kill(&mut self, node: usize) {
        self.nodes[node].speaker = None;
        let ends: Vec<ConnId> = self.nodes[node].ends.keys().copied().collect();
        ends.into_iter().for_each(|conn| self.close(node, conn));
    }

    /// It says that it goes, and its routes go with it.
    pub(super) fn shut_down(&mut self, node: usize) {
        let bye = StopMode::Shutdown("bye".to_owned());
        self.input(node, Input::Stop(bye));
        self.kill(node);
        self.nodes[node].fib.clear();
    }

    pub(super) fn restart(&mut self, node: usize) {
        self.nodes[node].config.restarting = !self.nodes[node].fib.is_empty();
        self.start(node);
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now - self.epoch
    }

    pub(super) fn run_secs(&mut self, secs: u64) {
        let end = self.now + Duration::from_secs(secs);
        while let Some(Reverse((at, number))) = self.queue.peek().copied() {
            if at > end {
                break;
            }
            self.queue.pop();
            self.now = at;
            if let Some(event) = self.events.remove(&number) {
                self.deliver(event);
            }
        }
        self.now = end;
    }

    fn at(&mut self, at: Instant, event: Event) {
        self.sequence += 1;
        self.events.insert(self.sequence, event);
        self.queue.push(Reverse((at, self.sequence)));
    }

    /// After 0.1 to 2 ms, and after what the end has sent before.
    fn later(&mut self, end: Option<(usize, ConnId)>, event: Event) {
        let mut at = self.now + Duration::from_micros(self.rng.random_range(100..2000));
        if let Some(end) = end {
            let latest = self.latest.entry(end).or_insert(at);
            *latest = at.max(*latest);
            at = *latest;
        }
        self.at(at, event);
    }

    fn note(&mut self, node: usize, kind: u8, bytes: &[u8]) {
        let at = self.elapsed().as_nanos().to_be_bytes();
        let words = [&at[..], &node.to_be_bytes(), &[kind], bytes];
        for octet in words.into_iter().flatten() {
            self.trace = (self.trace ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(super) fn input(&mut self, node: usize, input: Input<'_>) {
        let now = self.now;
        let Some(speaker) = &mut self.nodes[node].speaker else {
            return;
        };
        speaker.handle(input, now);
        self.pump(node);
        let mut slices = 0;
        while let Some(speaker) = &mut self.nodes[node].speaker
            && speaker.has_work()
        {
            slices += 1;
            assert!(slices < 10_000, "the work of {node} never ends");
            speaker.work(now);
            self.pump(node);
        }
        let here = &mut self.nodes[node];
        let due = here.speaker.as_ref().and_then(Speaker::poll_timeout);
        if let Some(due) = due
            && here.wakes.is_none_or(|wakes| due < wakes)
        {
            here.wakes = Some(due);
            self.at(due.max(now), Event::Wake(node));
        }
    }

    fn deliver(&mut self, event: Event) {
        self.delivered += 1;
        match event {
            Event::Wake(node) => {
                // An earlier one may have been put before it; then this one is not needed.
                if self.nodes[node]
                    .wakes
                    .is_some_and(|wakes| wakes <= self.now)
                {
                    self.nodes[node].wakes = None;
                    self.note(node, 0, &[]);
                    self.input(node, Input::Tick);
                    let speaker = self.nodes[node].speaker.as_ref();
                    let next = speaker.and_then(Speaker::poll_timeout);
                    assert!(
                        next.is_none_or(|at| at > self.now),
                        "{node} ticks without effect"
                    );
                }
            }
            Event::Connect { from, conn, link } => self.connect(from, conn, link),
            Event::Connected { node, conn, link } => {
                self.note(node, 1, &[]);
                let side = self.side(node, link);
                let local = SocketAddr::new(v4(link, side).into(), 40_000);
                let remote = SocketAddr::new(v4(link, 1 - side).into(), 179);
                self.input(
                    node,
                    Input::Connected {
                        conn,
                        local,
                        remote,
                    },
                );
                self.tell_own(node, conn, link);
            }
            Event::Failed { node, conn } => {
                let cause = ConnectError::Refused;
                self.input(node, Input::ConnectFailed { conn, cause });
            }
            Event::Data { node, conn, bytes } => {
                self.note(node, 2, &bytes);
                self.input(
                    node,
                    Input::Received {
                        conn,
                        bytes: &bytes,
                    },
                );
            }
            Event::Closed { node, conn } => {
                self.note(node, 3, &[]);
                self.nodes[node].ends.remove(&conn);
                let cause = CloseCause::Eof;
                self.input(node, Input::Closed { conn, cause });
            }
        }
    }

    fn side(&self, node: usize, link: usize) -> usize {
        usize::from(self.links[link].ends[1] == node)
    }

    fn connect(&mut self, from: usize, conn: ConnId, link: usize) {
        let side = self.side(from, link);
        let to = self.links[link].ends[1 - side];
        let at = self.elapsed();
        self.nodes[to].dialled.push(at);
        if self.links[link].cut || self.nodes[from].speaker.is_none() {
            return;
        }
        let Some(speaker) = &mut self.nodes[to].speaker else {
            return self.later(None, Event::Failed { node: from, conn });
        };
        let there = speaker.new_conn();
        self.nodes[from].ends.insert(conn, (to, there, link));
        self.nodes[to].ends.insert(there, (from, conn, link));
        let sent = Some((to, there));
        self.later(
            sent,
            Event::Connected {
                node: from,
                conn,
                link,
            },
        );
        let remote = SocketAddr::new(v4(link, side).into(), 40_000);
        let local = SocketAddr::new(v4(link, 1 - side).into(), 179);
        let conn = there;
        self.input(
            to,
            Input::Accepted {
                conn,
                local,
                remote,
            },
        );
        self.tell_own(to, conn, link);
    }

    fn tell_own(&mut self, node: usize, conn: ConnId, link: usize) {
        let side = self.side(node, link);
        let (v4, v6) = (v4(link, side), v6(link, side));
        let networks = [
            IpNetwork::new(v4.into(), 31).unwrap(),
            IpNetwork::new(v6.into(), 127).unwrap(),
        ];
        let own = OwnAddresses {
            interface: Some(Interface {
                index: u32::try_from(link).unwrap() + 1,
                name: format!("eth{link}"),
            }),
            v6: Some(v6),
            addresses: vec![v4.into(), v6.into()],
            networks: networks.to_vec(),
            ..OwnAddresses::only(v4.into())
        };
        self.input(node, Input::OwnAddresses { conn, own });
    }

    fn close(&mut self, node: usize, conn: ConnId) {
        let Some((other, there, link)) = self.nodes[node].ends.remove(&conn) else {
            return;
        };
        self.latest.remove(&(other, there));
        if !self.links[link].cut {
            let gone = Event::Closed {
                node: other,
                conn: there,
            };
            self.later(Some((node, conn)), gone);
        }
        self.latest.remove(&(node, conn));
    }

    fn pump(&mut self, node: usize) {
        loop {
            let speaker = self.nodes[node].speaker.as_mut();
            let Some(output) = speaker.and_then(Speaker::poll_output) else {
                return;
            };
            match output {
                Output::Dial { conn, remote, .. } => {
                    let (link, _) = end_of(remote.ip());
                    self.later(
                        None,
                        Event::Connect {
                            from: node,
                            conn,
                            link,
                        },
                    );
                }
                Output::WantSend { conn } => self.transmit(node, conn),
                Output::Close { conn } => {
                    self.transmit(node, conn);
                    self.close(node, conn);
                }
                Output::Fib(change) => {
                    let here = &mut self.nodes[node];
                    here.fib_changes += 1;
                    if change.next_hops.is_empty() {
                        assert!(here.fib.remove(&change.prefix).is_some(), "removed twice");
                    } else {
                        here.fib.insert(change.prefix, change.next_hops.to_vec());
                    }
                }
                Output::FibSynced => self.sweep(node),
                Output::Opened { .. }
                | Output::Settle
                | Output::Lost { .. }
                | Output::Watch { .. }
                | Output::Event(_) => {}
            }
        }
    }

    /// As the FIB writer does: what the speaker has not confirmed goes.
    fn sweep(&mut self, node: usize) {
        let here = &mut self.nodes[node];
        let routes = here.speaker.iter().flat_map(Speaker::routes);
        let known: std::collections::BTreeSet<Prefix> = routes.map(|route| route.prefix).collect();
        here.fib.retain(|prefix, _| known.contains(prefix));
    }

    fn transmit(&mut self, node: usize, conn: ConnId) {
        let now = self.now;
        while let Some(bytes) = self.nodes[node]
            .speaker
            .as_mut()
            .and_then(|speaker| speaker.poll_transmit(conn, now))
        {
            if let Some((to, there, link)) = self.nodes[node].ends.get(&conn).copied()
                && !self.links[link].cut
            {
                let data = Event::Data {
                    node: to,
                    conn: there,
                    bytes,
                };
                self.later(Some((node, conn)), data);
            }
        }
    }
}
