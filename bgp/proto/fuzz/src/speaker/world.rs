//! The speaker, the world as it has told it to be, and what must always hold.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use rcni_bgp_proto::fsm::State;
use rcni_bgp_proto::message::{self, Message};
use rcni_bgp_proto::policy::Policy;
use rcni_bgp_proto::speaker::{
    AddPath, CloseCause, ConnId, ConnectError, GracefulRestartConfig, Input, Interface, Knobs,
    LimitAction, MaximumPrefixes, NextHopMode, Offer, Output, OwnAddresses, PeerConfig, PeerId,
    PrefixCounts, Remote, RemovePrivate, Role, RouteStatus, Speaker, SpeakerConfig, Timers,
};
use rcni_bgp_proto::validate::{AddPathFamilies, SessionOptions};
use rcni_bgp_proto::wire::{Framer, MAX_EXTENDED_MESSAGE_LEN};
use rcni_bgp_proto::{Family, Prefix};

use super::messages;

/// Configured peers: 10.0.0.2, 10.0.0.3 (eBGP), 10.0.0.4 (iBGP, passive, IPv4 only).
pub const PEERS: usize = 3;

/// The AS of 10.0.0.`peer`.
pub fn asn(peer: u8) -> u32 {
    match peer {
        4 => 65001,
        peer => 65000 + u32::from(peer),
    }
}

fn local() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 179))
}

fn remote(peer: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, peer], 4000))
}

/// A connection as it is seen from outside.
#[derive(Debug, Default)]
struct Conn {
    /// 10.0.0.`peer`.
    peer: u8,
    /// There is, or was, a TCP connection.
    connected: bool,
    /// Ended by either side.
    over: bool,
    /// A NOTIFICATION was sent.
    last_words: bool,
    /// An OPEN was sent.
    opened: bool,
    /// An UPDATE was sent: Established.
    updates: bool,
}

/// The speaker and its surroundings.
pub struct World {
    speaker: Speaker,
    now: Instant,
    conns: BTreeMap<ConnId, Conn>,
    /// What this run has said, with the number of gateways.
    fib: BTreeMap<Prefix, usize>,
    /// What it may have said since the last look, beyond what it was given.
    allowed: usize,
    running: bool,
    /// What it began with.
    config: SpeakerConfig,
    /// Its own ones.
    networks: Vec<Prefix>,
}

/// What is set about paths, by some of the bits of [`World::new`].
fn knobs(peer: u8, bit: impl Fn(u8) -> bool) -> Knobs {
    Knobs {
        allow_own_as: if bit(3) { peer - 2 } else { 0 },
        as_override: bit(4) && peer != 4,
        remove_private: match (bit(4), peer) {
            (true, 2) => Some(RemovePrivate::Remove),
            (true, 3) => Some(RemovePrivate::Replace),
            _ => None,
        },
        next_hop: match (bit(5), peer) {
            (true, 2) => NextHopMode::Keep,
            (true, 4) => NextHopMode::Own,
            _ => NextHopMode::Auto,
        },
        client: bit(6) && peer == 4,
        honor_graceful_shutdown: !bit(7),
    }
}

fn peer_config(peer: u8) -> PeerConfig {
    PeerConfig {
        name: format!("peer-{peer}"),
        remote: Remote::Address {
            address: [10, 0, 0, peer].into(),
            port: 179,
        },
        asn: asn(peer).into(),
        local_asn: None,
        passive: peer == 4,
        local_address: None,
        timers: Timers::default(),
        families: if peer == 4 {
            vec![Family::IPV4_UNICAST]
        } else {
            messages::FAMILIES.to_vec()
        },
        offer: Offer {
            add_path: AddPath {
                receive: true,
                send: if peer == 3 { 2 } else { 0 },
            },
            role: (peer == 2).then_some(Role::Customer),
            ..Offer::default()
        },
        enforce_first_as: peer != 4,
        knobs: Knobs::default(),
        limits: (peer >= 3).then_some(MaximumPrefixes {
            ipv4: Some(4),
            ipv6: Some(2),
            warning_percent: 75,
            action: if peer == 3 {
                LimitAction::Drop
            } else {
                LimitAction::Restart(30)
            },
        }),
        import: Policy::accept_all(),
        export: Policy::accept_all(),
    }
}

impl World {
    /// The bits of `choice`: restarting, no graceful restart, one path only, and what is set about
    /// paths.
    pub fn new(choice: u8) -> Self {
        let bit = |bit: u8| choice & (1 << bit) != 0;
        let config = SpeakerConfig {
            asn: 65001,
            router_id: [10, 255, 0, 1].into(),
            cluster_id: [10, 255, 0, 1].into(),
            networks: vec![messages::prefix(1), messages::prefix(5)],
            maximum_paths: if bit(2) { 1 } else { 8 },
            multipath_relax: !bit(7),
            graceful_restart: GracefulRestartConfig {
                restart_secs: if bit(1) { 0 } else { 120 },
                long_lived_secs: 0,
                stale_secs: 300,
            },
            restarting: bit(0),
            peers: (2..=4)
                .map(|peer| PeerConfig {
                    knobs: knobs(peer, bit),
                    ..peer_config(peer)
                })
                .collect(),
            seed: choice.into(),
        };
        let now = Instant::now();
        Self {
            speaker: Speaker::new(config.clone(), now),
            networks: config.networks.clone(),
            config,
            now,
            conns: BTreeMap::new(),
            fib: BTreeMap::new(),
            allowed: 0,
            running: false,
        }
    }

    /// The latest connection, the one before it, …; or one that does not exist.
    pub fn conn(&self, back: u8) -> ConnId {
        let mut latest = self.conns.keys().rev();
        latest
            .nth(usize::from(back % 16))
            .copied()
            .unwrap_or(ConnId(u64::MAX))
    }

    /// Who speaks there.
    pub fn speaker_of(&self, back: u8) -> u8 {
        self.conns.get(&self.conn(back)).map_or(2, |conn| conn.peer)
    }

    pub fn input(&mut self, input: Input<'_>) {
        match &input {
            Input::Start => self.running = true,
            Input::Stop(_) => {
                self.running = false;
                // Left to the kernel; what the next run does not confirm is swept.
                self.fib.clear();
            }
            Input::Closed { conn, .. } | Input::ConnectFailed { conn, .. } => self.over(*conn),
            Input::Received { bytes, .. } => self.allowed += bytes.len(),
            _ => {}
        }
        self.allowed += 64 + 4 * self.fib.len();
        let stopped = !self.running;
        self.speaker.handle(input, self.now);
        self.outputs(stopped);
    }

    fn over(&mut self, conn: ConnId) {
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.over = true;
        }
    }

    pub fn connected(&mut self, back: u8) {
        let conn = self.conn(back);
        let peer = self.speaker_of(back);
        // Once; of one that does not exist as often as it likes.
        if let Some(view) = self.conns.get_mut(&conn)
            && std::mem::replace(&mut view.connected, true)
        {
            return;
        }
        self.input(Input::Connected {
            conn,
            local: local(),
            remote: remote(peer),
        });
    }

    pub fn accept(&mut self, peer: u8) {
        let conn = self.speaker.new_conn();
        let view = Conn {
            peer,
            connected: true,
            ..Conn::default()
        };
        assert!(
            self.conns.insert(conn, view).is_none(),
            "a name is used once"
        );
        self.input(Input::Accepted {
            conn,
            local: local(),
            remote: remote(peer),
        });
    }

    /// Of a dial, that is: no TCP connection fails to connect when it has been connected.
    pub fn failed(&mut self, back: u8) {
        let conn = self.conn(back);
        if self.conns.get(&conn).is_none_or(|conn| !conn.connected) {
            let cause = ConnectError::Other("no".to_owned());
            self.input(Input::ConnectFailed { conn, cause });
        }
    }

    pub fn own_addresses(&mut self, back: u8, choice: u8) {
        let conn = self.conn(back);
        let bit = |bit: u8| choice & (1 << bit) != 0;
        let v6 = bit(0).then_some(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1));
        let own = OwnAddresses {
            interface: bit(1).then(|| Interface {
                index: 2,
                name: "eth0".to_owned(),
            }),
            v6,
            addresses: v6.into_iter().map(IpAddr::V6).collect(),
            networks: vec!["10.0.0.1/24".parse().expect("a network")],
            ..OwnAddresses::only([10, 0, 0, 1].into())
        };
        self.input(Input::OwnAddresses { conn, own });
    }

    /// Another configuration: each bit is a difference to the first one. The peers stay.
    pub fn reconfigure(&mut self, choice: u8) {
        let mut config = self.config.clone();
        let bit = |bit: u8| choice & (1 << bit) != 0;
        let differences: [fn(&mut SpeakerConfig); 8] = [
            |config| config.networks[0] = messages::prefix(2),
            |config| config.networks.truncate(1),
            |config| config.maximum_paths = 9 - config.maximum_paths,
            |config| config.peers[0].import = Policy::default(),
            |config| config.peers[1].export = Policy::default(),
            |config| config.peers[1].timers.hold_time_secs = 30,
            |config| config.peers[2].name = "other".to_owned(),
            |config| config.router_id = [10, 255, 0, 9].into(),
        ];
        for (number, change) in (0..).zip(differences) {
            if bit(number) {
                change(&mut config);
            }
        }
        self.networks.clone_from(&config.networks);
        let (config, sockets) = (Box::new(config), BTreeSet::new());
        self.input(Input::Reconfigure { config, sockets });
    }

    pub fn receive(&mut self, back: u8, bytes: &[u8]) {
        let conn = self.conn(back);
        self.input(Input::Received { conn, bytes });
    }

    pub fn closed(&mut self, back: u8, cause: CloseCause) {
        let conn = self.conn(back);
        self.input(Input::Closed { conn, cause });
    }

    /// Time passes, to the end or to the first deadline and so on.
    pub fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..200 {
            let due = self.speaker.poll_timeout().filter(|at| *at <= end);
            self.now = due.unwrap_or(end).max(self.now);
            self.input(Input::Tick);
            let next = self.speaker.poll_timeout();
            assert!(
                next.is_none_or(|at| at > self.now),
                "a tick leaves nothing due"
            );
            if due.is_none() {
                return;
            }
        }
        self.now = end;
        self.input(Input::Tick);
    }

    /// Slices of what concerns whole tables, at most so many.
    pub fn work(&mut self, slices: usize) {
        for _ in 0..slices {
            if !self.speaker.has_work() {
                return;
            }
            self.allowed += 64 + 1024;
            self.speaker.work(self.now);
            self.outputs(!self.running);
        }
    }

    /// Until there is none.
    fn work_off(&mut self) {
        self.work(10_000);
        assert!(!self.speaker.has_work(), "the work never ends");
    }

    /// Up to so many messages of a connection.
    pub fn transmit(&mut self, back: u8, count: usize) {
        let conn = self.conn(back);
        self.transmit_of(conn, count);
    }

    fn transmit_of(&mut self, conn: ConnId, count: usize) -> usize {
        for sent in 0..count {
            let Some(message) = self.speaker.poll_transmit(conn, self.now) else {
                return sent;
            };
            self.sent(conn, &message);
        }
        count
    }

    /// What it writes is what a peer understands, in an order that makes sense.
    fn sent(&mut self, conn: ConnId, octets: &[u8]) {
        let mut framer = Framer::new();
        framer.push(octets);
        let frame = framer
            .next_frame(MAX_EXTENDED_MESSAGE_LEN)
            .expect("own message");
        let frame = frame.expect("a whole message");
        assert_eq!(framer.pending(), 0, "one message");
        // With path identifiers, or without: the peer's OPEN has said which.
        let with_ids = SessionOptions {
            add_path: AddPathFamilies {
                receive: messages::FAMILIES.to_vec(),
                send: vec![],
            },
            ..SessionOptions::default()
        };
        let message = message::decode(frame.clone(), &SessionOptions::default())
            .or_else(|_| message::decode(frame, &with_ids))
            .expect("own message");
        let view = self
            .conns
            .get_mut(&conn)
            .expect("a connection that there is");
        assert!(!view.last_words, "something after the NOTIFICATION");
        match message {
            Message::Open(_) => assert!(!std::mem::replace(&mut view.opened, true), "two OPENs"),
            Message::Notification(_) => view.last_words = true,
            Message::Update(_) => {
                assert!(view.opened);
                view.updates = true;
            }
            Message::Keepalive | Message::RouteRefresh(_) => assert!(view.opened),
        }
    }

    fn outputs(&mut self, stopped: bool) {
        let mut said = 0;
        while let Some(output) = self.speaker.poll_output() {
            said += 1;
            match output {
                Output::Dial { conn, peer, .. } => {
                    let peer = u8::try_from(peer.0).expect("few peers") + 2;
                    let view = Conn {
                        peer,
                        ..Conn::default()
                    };
                    assert!(
                        self.conns.insert(conn, view).is_none(),
                        "a name is used once"
                    );
                }
                Output::Close { conn } => {
                    // What waits for the wire is fetched first, as the interface says.
                    self.transmit_of(conn, 32);
                    self.over(conn);
                }
                Output::Fib(change) => {
                    assert!(!stopped, "a route while stopped");
                    let hops = change.next_hops.to_vec();
                    assert!(hops.is_sorted() && hops.windows(2).all(|pair| pair[0] != pair[1]));
                    // But for what was learned before it became one.
                    let own = self.networks.contains(&change.prefix);
                    assert!(hops.is_empty() || !own, "an own network");
                    if hops.is_empty() {
                        let known = self.fib.remove(&change.prefix);
                        assert!(known.is_some(), "removed what was never said");
                    } else {
                        self.fib.insert(change.prefix, hops.len());
                    }
                }
                Output::Event(event) => {
                    let text = event.kind.to_string();
                    assert!(!text.contains(char::is_control), "{text:?}");
                }
                Output::Opened { .. } | Output::Lost { .. } | Output::Watch { .. } => {}
                Output::WantSend { .. } | Output::FibSynced | Output::Settle => {}
            }
        }
        self.allowed += 2 * self.fib.len();
        assert!(said <= self.allowed, "{said} outputs for {}", self.allowed);
        self.allowed = 0;
    }

    /// What holds after every step.
    pub fn check(&self) {
        let status = self.speaker.status(self.now);
        let routes: Vec<RouteStatus> = self.speaker.routes().collect();
        for peer in &status.peers {
            assert_eq!(peer.state == State::Established, peer.session.is_some());
            let of_peer = || routes.iter().filter(|route| route.peer == Some(peer.id));
            let counts = peer.prefixes;
            assert_eq!(counts.received, of_peer().count());
            assert_eq!(counts.stale, of_peer().filter(|route| route.stale).count());
            assert_eq!(
                counts.best,
                of_peer().filter(|route| route.status.is_used()).count()
            );
            assert_eq!(counts.received, counts.accepted + counts.rejected);
            let families = peer.prefixes.by_family.map(|(_, counts)| counts);
            let sum = |count: fn(&PrefixCounts) -> usize| families.iter().map(count).sum::<usize>();
            assert_eq!(sum(|counts| counts.received), counts.received);
            assert_eq!(sum(|counts| counts.accepted), counts.accepted);
            assert_eq!(sum(|counts| counts.best), counts.best);
            assert_eq!(sum(|counts| counts.stale), counts.stale);
            assert_eq!(sum(|counts| counts.advertised), counts.advertised);
            assert!(counts.advertised <= status.prefixes + self.fib.len() + routes.len() + 600);
            let octet = u8::try_from(peer.id.0).expect("few peers") + 2;
            let live = self.conns.values().filter(|conn| conn.peer == octet);
            let live = live.filter(|conn| conn.updates && !conn.over).count();
            assert!(live <= 1, "two Established connections of one peer");
        }
        if self.running && status.synced && !self.speaker.has_work() {
            self.check_fib(&routes);
        }
    }

    /// The FIB has what the Loc-RIB has learned, with no more gateways than used paths.
    fn check_fib(&self, routes: &[RouteStatus]) {
        let mut used: BTreeMap<Prefix, usize> = BTreeMap::new();
        let own: BTreeSet<Prefix> = routes
            .iter()
            .filter(|route| route.peer.is_none())
            .map(|route| route.prefix)
            .collect();
        for route in routes {
            if route.peer.is_some() && route.status.is_used() {
                *used.entry(route.prefix).or_default() += 1;
            }
        }
        assert!(used.keys().all(|prefix| !own.contains(prefix)));
        assert!(
            used.keys().eq(self.fib.keys()),
            "{used:?} used, FIB {:?}",
            self.fib
        );
        for (prefix, hops) in &self.fib {
            assert!(*hops <= used[prefix], "{prefix}: {hops} gateways");
        }
    }

    fn close_all(&mut self) {
        let open = self.conns.iter().filter(|(_, conn)| !conn.over);
        let open: Vec<ConnId> = open.map(|(conn, _)| *conn).collect();
        for conn in open {
            self.input(Input::Closed {
                conn,
                cause: CloseCause::Eof,
            });
        }
    }

    /// Whatever was, every peer can come with a clean session at once; and when it goes, nothing
    /// is left.
    pub fn finish(&mut self) {
        self.reconfigure(0);
        self.input(Input::Start);
        self.close_all();
        let target: Prefix = "198.51.100.0/24".parse().expect("a prefix");
        for peer in 2..=4_u8 {
            self.accept(peer);
            let conn = self.conn(0);
            for bytes in [
                messages::clean_open(asn(peer), peer),
                message::keepalive().to_vec(),
            ] {
                self.input(Input::Received {
                    conn,
                    bytes: &bytes,
                });
            }
            let status = self.speaker.status(self.now);
            let id = PeerId(u32::from(peer) - 2);
            let found = status.peers.iter().find(|status| status.id == id);
            let state = found.map(|status| status.state);
            assert_eq!(state, Some(State::Established), "{id:?} cannot come back");
            let update = messages::route(asn(peer), peer, target);
            let v4 = message::end_of_rib(Family::IPV4_UNICAST);
            let v6 = message::end_of_rib(Family::IPV6_UNICAST);
            self.input(Input::Received {
                conn,
                bytes: &update,
            });
            self.input(Input::Received { conn, bytes: &v4 });
            self.input(Input::Received { conn, bytes: &v6 });
        }
        self.work_off();
        self.check();
        // A dial of ours may be answered meanwhile, or not.
        self.wait(Duration::from_secs(61));
        self.work_off();
        self.check();
        let status = self.speaker.status(self.now);
        assert!(status.synced, "the deferral does not end");
        for peer in &status.peers {
            assert_eq!(peer.prefixes.received, 1, "what else has {peer:?}");
            assert_eq!(peer.state, State::Established);
        }
        assert_eq!(self.fib.keys().collect::<Vec<_>>(), [&target]);
        let conns: Vec<ConnId> = self.conns.keys().copied().collect();
        for conn in conns {
            // OPEN, KEEPALIVEs, own networks, the route, End-of-RIB of two families.
            assert!(self.transmit_of(conn, 32) < 32, "it never ends");
        }
        self.work_off();
        self.check();
        self.close_all();
        self.work_off();
        self.check();
        assert!(self.fib.is_empty(), "left: {:?}", self.fib);
        assert!(self.speaker.routes().all(|route| route.peer.is_none()));
    }
}
