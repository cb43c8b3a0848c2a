//! Peers that come from a range, and whose AS number is not written down.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::net::Net;
use super::{ip, peer, prefix, speaker, transit};
use crate::fsm::{CauseClass, State};
use crate::iana::Family;
use crate::message::{self, Message};
use crate::rib::{PathStatus, Unusable};
use crate::speaker::{
    CloseCause, ConnId, EventKind, Input, Order, Output, PeerConfig, PeerStatus, Remote, RemoteAs,
    Speaker, StopMode,
};
use crate::validate::{LocalOpen, Offer, SessionOptions};
use crate::wire::Framer;

const HUB: &str = "10.0.0.1";

fn range(network: &str, limit: u16, asn: RemoteAs) -> PeerConfig {
    PeerConfig {
        name: format!("range-{network}"),
        remote: Remote::Range {
            network: prefix(network),
            limit,
        },
        asn,
        passive: true,
        ..transit("0.0.0.0", 0)
    }
}

/// A hub that dials nobody and lets 10.0.0.0/24 in, and so many spokes at 10.0.0.11, 12, …
fn hub_and_spokes(limit: u16, spokes: u8, asn: impl Fn(u8) -> u32) -> Net {
    let mut net = Net::new();
    let mut config = speaker(65001, 1, &["10.244.0.0/24"]);
    config.peers = vec![range("10.0.0.0/24", limit, RemoteAs::External)];
    let hub = net.add(config);
    for spoke in 0..spokes {
        let own = format!("10.244.{}.0/24", spoke + 11);
        let mut config = speaker(asn(spoke), spoke + 11, &[&own]);
        config.peers = vec![transit(HUB, 65001)];
        let node = net.add(config);
        net.link((hub, HUB), (node, &format!("10.0.0.{}", spoke + 11)));
    }
    net.start(hub);
    net
}

fn statuses(net: &Net) -> Vec<PeerStatus> {
    net.status(0).peers
}

fn names(net: &Net) -> Vec<String> {
    statuses(net).into_iter().map(|peer| peer.name).collect()
}

#[test]
fn who_comes_from_the_range_is_a_peer_of_its_own_and_goes_without_a_trace() {
    let mut net = hub_and_spokes(10, 3, |spoke| 65011 + u32::from(spoke));
    assert!(names(&net).is_empty(), "nobody yet");
    for node in [3, 1, 2] {
        net.start(node);
        net.run_secs(1);
    }
    let all = ["11", "12", "13"].map(|end| format!("range-10.0.0.0/24/10.0.0.{end}"));
    assert_eq!(names(&net), all, "in the order of addresses");
    for (status, asn) in statuses(&net).iter().zip(65011..) {
        assert_eq!(status.state, State::Established);
        assert_eq!((status.kind.asn, status.kind.external), (Some(asn), true));
        assert!(status.kind.dynamic);
        assert_eq!(
            (status.prefixes.received, status.prefixes.advertised),
            (1, 3)
        );
    }
    assert_eq!(net.fib(0).len(), 3);
    assert_eq!(net.status(0).ranges[0].peers, 3);

    // One says goodbye: nothing of it is left, and the others hear that its route is gone.
    net.input(2, Input::Stop(StopMode::Shutdown("bye".to_owned())));
    net.run_secs(1);
    assert_eq!(names(&net), [&all[0][..], &all[2]]);
    assert_eq!((net.fib(0).len(), net.fib(1).len()), (2, 2));
    // It comes back, and so does another in between.
    net.input(2, Input::Start);
    net.run_secs(10);
    assert_eq!(names(&net), all);
    assert_eq!(net.fib(1).len(), 3);
    assert!(net.speaker(0).routes().all(|route| {
        let peer = route
            .peer
            .map(|id| net.status(0).peers.iter().any(|p| p.id == id));
        peer != Some(false)
    }));
}

#[test]
fn a_restarting_peer_of_a_range_is_kept_until_its_time_is_over() {
    let mut net = hub_and_spokes(1, 1, |_| 65011);
    net.start(1);
    net.run_secs(1);
    let id = statuses(&net)[0].id;
    net.kill(1);
    net.run_secs(60);
    let [status] = &statuses(&net)[..] else {
        panic!()
    };
    assert_eq!((status.state, status.prefixes.stale), (State::Active, 1));
    assert_eq!(
        status.last_error.as_ref().unwrap().class,
        CauseClass::ClosedByPeer
    );
    assert_eq!(net.fib(0).len(), 1);
    // Back in time: it is the same peer.
    net.start(1);
    net.run_secs(10);
    let [status] = &statuses(&net)[..] else {
        panic!()
    };
    assert_eq!(
        (status.id, status.state, status.prefixes.stale),
        (id, State::Established, 0)
    );
    // Not back: gone after its Restart Time.
    net.kill(1);
    net.run_secs(119);
    assert_eq!(names(&net).len(), 1);
    net.run_secs(2);
    assert!(names(&net).is_empty());
    assert!(net.fib(0).is_empty());
    assert_eq!(net.status(0).ranges[0].peers, 0);
}

#[test]
fn one_too_many_is_told_so_and_comes_in_when_there_is_room() {
    let mut net = hub_and_spokes(2, 3, |_| 65011);
    for node in [1, 2, 3] {
        net.start(node);
        net.run_secs(1);
    }
    assert_eq!(names(&net).len(), 2);
    let error = net.peer(3, 0).last_error.unwrap();
    assert_eq!(error.class, CauseClass::Rejected, "{error}");
    assert!(error.text.contains("Connection Rejected (6/5)"), "{error}");
    assert!(net.status(0).ranges[0].refused >= 1);
    net.input(1, Input::Stop(StopMode::Shutdown(String::new())));
    net.run_secs(60);
    assert_eq!(net.state(3, 0), State::Established);
    assert_eq!(names(&net).len(), 2);
}

#[test]
fn the_own_entry_of_an_address_wins_and_else_the_longest_range() {
    let mut net = Net::new();
    let mut config = speaker(65001, 1, &[]);
    config.peers = vec![
        range("10.0.0.0/8", 9, RemoteAs::External),
        range("10.0.0.0/28", 9, RemoteAs::Internal),
        peer("10.0.0.3", 65003),
        range("10.0.0.0/24", 0, RemoteAs::External),
    ];
    let hub = net.add(config);
    for (asn, id, address) in [
        (65001, 2, "10.0.0.2"),
        (65003, 3, "10.0.0.3"),
        (65004, 4, "10.1.0.4"),
    ] {
        let mut config = speaker(asn, id, &[]);
        config.peers = vec![peer(HUB, 65001)];
        let node = net.add(config);
        net.link((hub, HUB), (node, address));
    }
    net.start_all();
    net.run_secs(3);
    let want = [
        "peer-10.0.0.3",
        "range-10.0.0.0/8/10.1.0.4",
        "range-10.0.0.0/28/10.0.0.2",
    ];
    assert_eq!(names(&net), want);
    for status in statuses(&net) {
        assert_eq!(status.state, State::Established, "{}", status.name);
        assert_eq!(status.kind.external, !status.name.contains("/28"));
    }
}

#[test]
fn a_crowd_that_comes_and_goes_leaves_nothing() {
    let mut net = hub_and_spokes(200, 40, |spoke| 65011 + u32::from(spoke % 7));
    (1..=40).for_each(|node| net.start(node));
    for round in 0..6_usize {
        for node in 1..=40 {
            match (node * 7 + round) % 5 {
                0 => net.input(node, Input::Stop(StopMode::Shutdown(String::new()))),
                _ => net.input(node, Input::Start),
            }
        }
        net.run_secs(70);
        let up = (1..=40).filter(|node| (node * 7 + round) % 5 != 0).count();
        assert_eq!(names(&net).len(), up, "round {round}");
        assert_eq!(net.fib(0).len(), up);
        let highest = statuses(&net)
            .iter()
            .map(|status| status.id.0)
            .max()
            .unwrap();
        assert!(highest <= 60, "numbers are used again: {highest}");
        for status in statuses(&net) {
            assert_eq!((status.prefixes.received, status.prefixes.stale), (1, 0));
        }
    }
}

#[test]
fn the_as_is_what_the_configuration_says_or_nothing_is_exchanged() {
    use RemoteAs::{Exactly, External, Internal};
    // What is configured for a peer, its AS, our AS towards it; whether that fits.
    let cases = [
        (Exactly(65002), 65002, None, true),
        (Exactly(65003), 65002, None, false),
        (Internal, 65001, None, true),
        (Internal, 65002, None, false),
        (External, 65002, None, true),
        (External, 65001, None, false),
        (Internal, 64999, Some(64999), true),
        (Internal, 65001, Some(64999), false),
        (External, 65001, Some(64999), true),
        (External, 64999, Some(64999), false),
        (Exactly(65001), 65001, Some(64999), true),
        (External, 4_200_000_000, Some(4_200_000_001), true),
    ];
    for (asn, theirs, local_asn, fits) in cases {
        let mut net = Net::new();
        let mut config = speaker(65001, 1, &[]);
        config.peers = vec![PeerConfig {
            asn,
            local_asn,
            ..transit("10.0.0.2", 0)
        }];
        let a = net.add(config);
        let mut config = speaker(theirs, 2, &["10.244.2.0/24"]);
        config.peers = vec![transit(HUB, local_asn.unwrap_or(65001))];
        let b = net.add(config);
        net.link((a, HUB), (b, "10.0.0.2"));
        net.start_all();
        net.run_secs(1);
        let status = net.peer(a, 0);
        let case = format!("{asn:?}, peer {theirs}, local {local_asn:?}");
        assert_eq!(status.state == State::Established, fits, "{case}");
        let external = theirs != local_asn.unwrap_or(65001);
        if fits {
            assert_eq!(status.kind.asn, Some(theirs), "{case}");
            assert_eq!(status.kind.external, external, "{case}");
            assert_eq!(status.kind.local_asn, local_asn.unwrap_or(65001));
            // Our real AS is in the path where a local one stands for it.
            let routes: &[&str] = match external && theirs == 65001 {
                true => &[],
                false => &["10.244.2.0/24 via 10.0.0.2"],
            };
            assert_eq!(net.fib(a), routes, "{case}");
        } else {
            for (node, said) in [(a, "sent"), (b, "received")] {
                let error = net.peer(node, 0).last_error.unwrap();
                assert_eq!(error.class, CauseClass::WrongAs, "{case}: {error}");
                assert!(error.text.starts_with(said), "{case}: {error}");
                assert!(error.text.contains("(2/2)"), "{case}: {error}");
            }
            let text = net.peer(a, 0).last_error.unwrap().text;
            assert!(text.contains(&format!("the peer is AS {theirs}")), "{text}");
        }
    }
}

#[test]
fn a_local_as_is_all_that_its_peer_sees_and_a_loop_beside_the_real_one() {
    // left (65010) -- middle (65001, to right 64999) -- right (65020) -- far (65030)
    let mut net = Net::new();
    let mut config = speaker(65010, 10, &["10.244.10.0/24"]);
    config.peers = vec![transit("10.0.1.1", 65001)];
    let left = net.add(config);
    let mut config = speaker(65001, 1, &["10.244.1.0/24"]);
    let to_right = PeerConfig {
        local_asn: Some(64999),
        ..transit("10.0.2.20", 65020)
    };
    config.peers = vec![transit("10.0.1.10", 65010), to_right];
    let middle = net.add(config);
    let mut config = speaker(65020, 20, &[]);
    config.peers = vec![transit("10.0.2.1", 64999)];
    let right = net.add(config);
    net.link((left, "10.0.1.10"), (middle, "10.0.1.1"));
    net.link((middle, "10.0.2.1"), (right, "10.0.2.20"));
    net.start_all();
    net.run_secs(2);
    let paths: Vec<String> = net
        .speaker(right)
        .routes()
        .map(|route| format!("{} {}", route.prefix, route.attributes.as_path))
        .collect();
    assert_eq!(paths, ["10.244.1.0/24 64999", "10.244.10.0/24 64999 65010"]);

    // What comes back from the right with either number is a loop.
    for asn in [64999, 65001] {
        let mut net = Net::new();
        let mut config = speaker(65001, 1, &[]);
        config.peers = vec![PeerConfig {
            local_asn: Some(64999),
            ..transit("10.0.2.20", 65020)
        }];
        let middle = net.add(config);
        let mut config = speaker(65020, 20, &[]);
        config.peers = vec![transit("10.0.2.1", 64999), transit("10.0.3.30", asn)];
        let right = net.add(config);
        let mut config = speaker(asn, 30, &["10.244.30.0/24"]);
        config.peers = vec![transit("10.0.3.20", 65020)];
        let far = net.add(config);
        net.link((middle, "10.0.2.1"), (right, "10.0.2.20"));
        net.link((right, "10.0.3.20"), (far, "10.0.3.30"));
        net.start_all();
        net.run_secs(2);
        let statuses: Vec<_> = net.speaker(middle).routes().map(|r| r.status).collect();
        // The right one does not tell the AS that it knows its peer by.
        let want = if asn == 64999 {
            vec![]
        } else {
            vec![PathStatus::Unusable(Unusable::OwnAs)]
        };
        assert_eq!(statuses, want, "{asn}");
    }
}

/// The hub against bytes.
struct Guests {
    speaker: Speaker,
    now: Instant,
    closed: Vec<ConnId>,
    events: Vec<EventKind>,
}

impl Guests {
    fn new(limit: u16) -> Self {
        let mut config = speaker(65001, 1, &[]);
        config.peers = vec![range("10.0.0.0/16", limit, RemoteAs::External)];
        let now = Instant::now();
        let mut guests = Self {
            speaker: Speaker::new(config, now),
            now,
            closed: vec![],
            events: vec![],
        };
        guests.input(Input::Start);
        guests
    }

    fn input(&mut self, input: Input<'_>) {
        self.speaker.handle(input, self.now);
        while let Some(output) = self.speaker.poll_output() {
            match output {
                Output::Close { conn } => self.closed.push(conn),
                Output::Event(event) => self.events.push(event.kind),
                _ => {}
            }
        }
    }

    fn connect(&mut self, number: u16) -> ConnId {
        let [high, low] = number.to_be_bytes();
        let conn = self.speaker.new_conn();
        self.input(Input::Accepted {
            conn,
            local: SocketAddr::new(ip(HUB), 179),
            remote: SocketAddr::from(([10, 0, high, low], 40_000)),
        });
        conn
    }

    fn open(&mut self, conn: ConnId) {
        let open = LocalOpen {
            asn: 65002,
            bgp_id: [10, 255, 0, 2].into(),
            hold_time: 90,
            families: vec![Family::IPV4_UNICAST],
            graceful_restart: None,
            long_lived_secs: None,
            extended_next_hop: false,
            offer: Offer::default(),
        };
        let mut out = BytesMut::new();
        let open = Message::Open(open.to_open());
        message::encode(&open, &SessionOptions::default(), &mut out).unwrap();
        out.extend_from_slice(&message::keepalive());
        self.input(Input::Received { conn, bytes: &out });
    }

    fn last_words(&mut self, conn: ConnId) -> Option<(u8, u8)> {
        let mut framer = Framer::new();
        let mut last = None;
        while let Some(bytes) = self.speaker.poll_transmit(conn, self.now) {
            framer.push(&bytes);
            while let Some(frame) = framer.next_frame(4096).unwrap() {
                last = Some(message::decode(frame, &SessionOptions::default()).unwrap());
            }
        }
        match last? {
            Message::Notification(n) => Some((n.code, n.subcode)),
            _ => None,
        }
    }

    fn peers(&self) -> Vec<PeerStatus> {
        self.speaker.status(self.now).peers
    }
}

#[test]
fn silent_strangers_of_a_range_take_no_place_and_the_oldest_goes() {
    let mut guests = Guests::new(3);
    let silent: Vec<ConnId> = (0..64).map(|number| guests.connect(number)).collect();
    assert!(guests.closed.is_empty());
    assert!(guests.peers().is_empty());
    // A real one among them.
    let real = guests.connect(1000);
    assert_eq!(guests.closed, [silent[0]]);
    assert_eq!(guests.last_words(silent[0]), Some((6, 8)));
    guests.open(real);
    assert_eq!(guests.peers().len(), 1);
    assert_eq!(guests.peers()[0].state, State::Established);
    // A thousand more do not harm it, and cost no more than sixty-four.
    for number in 2000..3000 {
        guests.connect(number);
    }
    assert_eq!(guests.peers().len(), 1);
    let mut ids = vec![];
    for number in 3000..3004 {
        let conn = guests.connect(number);
        guests.open(conn);
        ids.push(conn);
    }
    assert_eq!(guests.peers().len(), 3, "the limit");
    assert_eq!(guests.last_words(ids[2]), Some((6, 5)));
    assert_eq!(guests.last_words(ids[3]), Some((6, 5)));
    assert!(
        guests.peers().iter().all(|peer| peer.id.0 < 80),
        "{:?}",
        guests.peers()
    );
    // All leave.
    for conn in [real, ids[0], ids[1]] {
        let cause = CloseCause::Eof;
        guests.input(Input::Closed { conn, cause });
    }
    assert!(guests.peers().is_empty());
    assert_eq!(guests.speaker.status(guests.now).ranges[0].refused, 2);
    // The silent ones are given up by themselves.
    guests.now += Duration::from_secs(241);
    guests.input(Input::Tick);
    guests.input(Input::Tick);
    assert!(guests.speaker.poll_timeout().is_none());
}

#[test]
fn a_peer_that_is_shut_down_is_refused_until_it_is_started() {
    let mut guests = Guests::new(3);
    let conn = guests.connect(7);
    guests.open(conn);
    let peer = guests.speaker.find("range-10.0.0.0/16/10.0.0.7").unwrap();
    let order = Order::Shutdown("maintenance".to_owned());
    guests.input(Input::Order { peer, order });
    assert_eq!(guests.last_words(conn), Some((6, 2)));
    let [status] = &guests.peers()[..] else {
        panic!()
    };
    assert!(status.kind.held_down);
    assert_eq!(status.state, State::Idle);
    let error = status.last_error.clone().unwrap();
    assert_eq!(error.class, CauseClass::AdminShutdown, "{error}");
    assert!(error.text.contains("maintenance"), "{error}");
    let conn = guests.connect(7);
    assert_eq!(guests.last_words(conn), None);
    assert_eq!(guests.closed.last(), Some(&conn));
    let order = Order::Start;
    guests.input(Input::Order { peer, order });
    assert!(guests.peers().is_empty(), "nothing keeps it any more");
    let conn = guests.connect(7);
    guests.open(conn);
    assert_eq!(guests.peers()[0].state, State::Established);
}
