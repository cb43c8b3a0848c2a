//! A recording is played to a [`Speaker`]: what the router has said, in pieces of any size.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::BytesMut;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rcni_bgp_proto::capability::Capability;
use rcni_bgp_proto::message::{self, Message};
use rcni_bgp_proto::policy::Policy;
use rcni_bgp_proto::speaker::{
    AddPath, CloseCause, ConnId, EventKind, GracefulRestartConfig, Input, Interface, Knobs, Offer,
    Output, OwnAddresses, PeerConfig, Remote, RemoteAs, Speaker, SpeakerConfig, Timers,
};
use rcni_bgp_proto::validate::{self, SessionOptions};
use rcni_bgp_proto::{Family, Open};

use crate::file::{Recording, Step};
use crate::show;

/// How the router's octets arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pieces {
    /// A message at a time.
    Messages,
    /// All of them between two other steps at once.
    Whole,
    /// One by one.
    Octets,
    /// Of random sizes.
    Random(u64),
}

struct Player {
    speaker: Speaker,
    now: Instant,
    conn: Option<ConnId>,
    over_ipv6: bool,
    /// Octets that are to arrive.
    waiting: Vec<u8>,
    text: Vec<String>,
}

/// What became of it, as text: after each step that a person did, and in the end.
pub(crate) fn play(recording: &Recording, pieces: Pieces) -> String {
    let mut player = Player::new(recording);
    let mut rng = SmallRng::seed_from_u64(match pieces {
        Pieces::Random(seed) => seed,
        _ => 0,
    });
    let (offered, answered) = recording.opens();
    let negotiated = validate::negotiate(&offered, &answered).unwrap();
    player.text.push(show::negotiated(&negotiated));
    let mut first = true;
    for step in &recording.steps {
        match step {
            Step::Connection => {
                player.connect();
                first = true;
            }
            Step::Received(octets) => {
                let octets = match std::mem::take(&mut first) {
                    true => as_answered(octets, &offered),
                    false => octets.clone(),
                };
                player.waiting.extend(octets);
                if pieces != Pieces::Whole {
                    player.arrive(pieces, &mut rng);
                }
            }
            Step::Closed => {
                player.arrive(pieces, &mut rng);
                player.close();
                player.show("closed");
            }
            Step::Note(what) => {
                player.arrive(pieces, &mut rng);
                player.show(what);
            }
            Step::Sent(_) => {}
        }
    }
    player.text.join("\n") + "\n"
}

/// The router's OPEN without what it was not offered: our speaker may offer more than the one that
/// was recorded, and the router would have said what it then did not do.
fn as_answered(octets: &[u8], offered: &Open) -> Vec<u8> {
    let frame = crate::file::frame(octets);
    let Ok(Message::Open(mut open)) = message::decode(frame, &SessionOptions::default()) else {
        panic!("the first message is no OPEN");
    };
    let codes: Vec<u8> = offered.capabilities.iter().map(Capability::code).collect();
    open.capabilities.retain(|capability| match capability {
        Capability::Multiprotocol(_) => offered.capabilities.contains(capability),
        other => codes.contains(&other.code()),
    });
    let notifies = |capability: &Capability| match capability {
        Capability::GracefulRestart(graceful) => graceful.notification,
        _ => false,
    };
    if !offered.capabilities.iter().any(notifies) {
        for capability in &mut open.capabilities {
            if let Capability::GracefulRestart(graceful) = capability {
                graceful.notification = false;
            }
        }
    }
    let mut out = BytesMut::new();
    message::encode(&Message::Open(open), &SessionOptions::default(), &mut out).unwrap();
    out.to_vec()
}

impl Player {
    fn new(recording: &Recording) -> Self {
        let over_ipv6 = recording.name.ends_with("over-ipv6");
        let address = if over_ipv6 {
            "fd00:10:0:1::1"
        } else {
            "10.0.1.1"
        };
        let peer = PeerConfig {
            name: "router".to_owned(),
            remote: Remote::Address {
                address: address.parse().unwrap(),
                port: 179,
            },
            asn: RemoteAs::Exactly(65000),
            local_asn: None,
            // It never dials: the connections are the recording's.
            passive: true,
            local_address: None,
            timers: Timers::default(),
            families: vec![Family::IPV4_UNICAST, Family::IPV6_UNICAST],
            offer: Offer {
                add_path: AddPath {
                    receive: recording.name.ends_with("add-path"),
                    send: 0,
                },
                ..Offer::default()
            },
            enforce_first_as: true,
            knobs: Knobs::default(),
            limits: None,
            import: Policy::accept_all(),
            export: Policy::default(),
        };
        let config = SpeakerConfig {
            asn: 65001,
            router_id: [10, 0, 1, 11].into(),
            cluster_id: [10, 0, 1, 11].into(),
            networks: vec![],
            maximum_paths: 8,
            multipath_relax: true,
            graceful_restart: GracefulRestartConfig::default(),
            restarting: false,
            peers: vec![peer],
            seed: 1,
        };
        let now = Instant::now();
        let mut speaker = Speaker::new(config, now);
        speaker.handle(Input::Start, now);
        let mut player = Self {
            speaker,
            now,
            conn: None,
            over_ipv6,
            waiting: vec![],
            text: vec![],
        };
        player.settle();
        player.text.clear();
        player
    }

    fn connect(&mut self) {
        let conn = self.speaker.new_conn();
        let [local, remote] = match self.over_ipv6 {
            true => ["fd00:10:0:1::11", "fd00:10:0:1::1"],
            false => ["10.0.1.11", "10.0.1.1"],
        };
        let [local, remote]: [IpAddr; 2] = [local, remote].map(|text| text.parse().unwrap());
        self.conn = Some(conn);
        self.input(Input::Accepted {
            conn,
            local: SocketAddr::new(local, 179),
            remote: SocketAddr::new(remote, 40000),
        });
        let networks = ["10.0.1.11/24", "fd00:10:0:1::11/64"].map(|text| text.parse().unwrap());
        let own = OwnAddresses {
            interface: Some(Interface {
                index: 2,
                name: "eth1".to_owned(),
            }),
            v4: "10.0.1.11".parse().ok(),
            v6: "fd00:10:0:1::11".parse().ok(),
            addresses: vec![
                "10.0.1.11".parse().unwrap(),
                "fd00:10:0:1::11".parse().unwrap(),
            ],
            networks: networks.to_vec(),
            ..OwnAddresses::only(local)
        };
        self.input(Input::OwnAddresses { conn, own });
    }

    fn close(&mut self) {
        if let Some(conn) = self.conn.take() {
            self.input(Input::Closed {
                conn,
                cause: CloseCause::Eof,
            });
        }
    }

    fn arrive(&mut self, pieces: Pieces, rng: &mut SmallRng) {
        let octets = std::mem::take(&mut self.waiting);
        let mut rest = octets.as_slice();
        while !rest.is_empty() {
            let size = match pieces {
                Pieces::Messages | Pieces::Whole => rest.len(),
                Pieces::Octets => 1,
                Pieces::Random(_) => rng.random_range(1..=rest.len().min(60)),
            };
            let (piece, after) = rest.split_at(size);
            rest = after;
            if let Some(conn) = self.conn {
                self.input(Input::Received { conn, bytes: piece });
            }
        }
    }

    fn input(&mut self, input: Input<'_>) {
        self.speaker.handle(input, self.now);
        self.settle();
        while self.speaker.has_work() {
            self.speaker.work(self.now);
            self.settle();
        }
    }

    /// Takes all that the speaker says, and notes what a person would look for.
    fn settle(&mut self) {
        while let Some(output) = self.speaker.poll_output() {
            match output {
                Output::WantSend { conn } | Output::Close { conn } => {
                    while self.speaker.poll_transmit(conn, self.now).is_some() {}
                }
                Output::Event(event) => match event.kind {
                    // The state follows from the messages; by which steps depends on the pieces.
                    EventKind::StateChange { .. } => {}
                    kind => self.text.push(format!("  {kind}")),
                },
                _ => {}
            }
        }
    }

    fn show(&mut self, when: &str) {
        let status = self.speaker.status(self.now);
        let peer = &status.peers[0];
        self.text.push(format!("{when}: {}", peer.state));
        self.text.extend(
            peer.session
                .as_ref()
                .map(|s| format!("  {}", show::session(s))),
        );
        let mut routes: Vec<String> = self
            .speaker
            .routes()
            .map(|route| show::route(&route))
            .collect();
        routes.sort();
        self.text
            .extend(routes.into_iter().map(|route| format!("  {route}")));
    }
}
