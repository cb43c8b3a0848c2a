//! A peer that is up, and what else comes from its address and from others: dropped and counted, and
//! nothing happens.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rcni_bgp_proto::bfd::{
    Discard, Hop, Hops, Key, Meta, Packet, Profile, SessionId, Sessions, State, Wanted,
};
use serde_json::Value;

use super::common::{Daemon, Namespace, pair, wait};
use super::{config, times, wait_up};

/// A well-behaved end at 10.0.0.2, on a thread in its namespace, until it is dropped.
struct Peer {
    ends: Arc<AtomicBool>,
    downs: Arc<AtomicU64>,
    /// Ours as the daemon knows it, then the daemon's.
    discriminators: Arc<[AtomicU64; 2]>,
    thread: Option<JoinHandle<()>>,
}

fn bound(namespace: &Namespace, address: &'static str) -> UdpSocket {
    namespace.run(move || async move {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_ttl(255).unwrap();
        socket
    })
}

impl Peer {
    fn start(namespace: &Namespace) -> Self {
        let receiver = bound(namespace, "10.0.0.2:3784");
        let sender = bound(namespace, "10.0.0.2:50000");
        let mut peer = Self {
            ends: Arc::default(),
            downs: Arc::default(),
            discriminators: Arc::default(),
            thread: None,
        };
        let (ends, downs) = (peer.ends.clone(), peer.downs.clone());
        let discriminators = peer.discriminators.clone();
        let work = move || {
            let mut sessions = Sessions::new(7);
            let key = Key {
                peer: "10.0.0.1".parse().unwrap(),
                interface: 0,
            };
            let profile = Profile {
                transmit: Duration::from_millis(100),
                receive: Duration::from_millis(100),
                ..Profile::default()
            };
            let hops = Hops::Only(Hop::Single);
            let over = None;
            let wanted = Wanted {
                key,
                hops,
                over,
                profile,
            };
            sessions.add(SessionId(1), wanted, Instant::now());
            receiver
                .set_read_timeout(Some(Duration::from_millis(5)))
                .unwrap();
            while !ends.load(Ordering::Relaxed) {
                let mut octets = [0; 64];
                if let Ok((length, from)) = receiver.recv_from(&mut octets) {
                    let meta = Meta {
                        from: from.ip(),
                        interface: 1,
                        ttl: Some(255),
                        hop: Hop::Single,
                    };
                    sessions.receive(&octets[..length], &meta, Instant::now());
                }
                while let Some(sent) = sessions.poll_transmit(Instant::now()) {
                    sender.send_to(&sent.octets, "10.0.0.1:3784").unwrap();
                }
                while sessions.poll_event().is_some() {}
                let (_, status) = sessions.status().next().unwrap();
                downs.store(status.counts.downs, Ordering::Relaxed);
                let (ours, theirs) = status.discriminators;
                discriminators[0].store(ours.into(), Ordering::Relaxed);
                discriminators[1].store(theirs.into(), Ordering::Relaxed);
            }
        };
        peer.thread = Some(std::thread::spawn(work));
        peer
    }

    fn downs(&self) -> u64 {
        self.downs.load(Ordering::Relaxed)
    }

    /// As it would send it now.
    fn packet(&self) -> Packet {
        let known = |end: &AtomicU64| u32::try_from(end.load(Ordering::Relaxed)).unwrap();
        let mut packet = Packet::decode(&[
            0x20, 0xc0, 3, 24, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0, 0, 0, 0,
            0,
        ])
        .unwrap();
        packet.my_discriminator = known(&self.discriminators[0]);
        packet.your_discriminator = known(&self.discriminators[1]);
        packet
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = self.thread.take().unwrap().join();
    }
}

struct Scene {
    daemon: Daemon,
    peer: Peer,
    there: Namespace,
    here: Namespace,
    _folder: tempfile::TempDir,
}

/// The daemon and the peer, up.
fn up() -> Scene {
    let (here, there) = pair();
    there.ip("address add 10.0.0.9/24 dev eth0");
    let folder = tempfile::tempdir().unwrap();
    let peer = "peerIP: 10.0.0.2, asNumber: 65002";
    let text = config(65001, peer, &times(100), "");
    let daemon = Daemon::start(&here, folder.path(), "a", &text);
    let peer = Peer::start(&there);
    wait_up(&daemon);
    wait("both know each other", || {
        (peer.packet().your_discriminator != 0).then_some(())
    });
    Scene {
        daemon,
        peer,
        there,
        here,
        _folder: folder,
    }
}

fn dropped(status: &Value, reason: Discard) -> u64 {
    status["bfd"]["dropped"][reason.as_str()].as_u64().unwrap()
}

/// From where: the peer's address, from a hop away, a stranger's.
const OWN: usize = 0;
const AWAY: usize = 1;
const STRANGER: usize = 2;

/// Why it is to be dropped, from where it comes, what it is.
fn wrong_packets(good: Packet) -> Vec<(Discard, usize, Vec<u8>)> {
    let whole = |packet: Packet| packet.encode().to_vec();
    let broken = |index: usize, value: u8| {
        let mut octets = whole(good);
        octets[index] = value;
        octets
    };
    let down = Packet {
        state: State::Down,
        ..good
    };
    let nobodys = |packet: Packet| Packet {
        your_discriminator: 0,
        ..packet
    };
    let others = Packet {
        your_discriminator: good.your_discriminator ^ 1,
        ..down
    };
    let anonymous = Packet {
        my_discriminator: 0,
        ..down
    };
    let mut signed = broken(1, 0x44);
    signed[3] = 28;
    signed.extend([1, 4, 1, 0]);
    vec![
        (Discard::Ttl, AWAY, whole(down)),
        (Discard::Short, OWN, whole(down)[..23].to_vec()),
        (Discard::Short, OWN, vec![]),
        (Discard::Version, OWN, broken(0, 0x41)),
        (Discard::Length, OWN, broken(3, 20)),
        (Discard::Length, OWN, broken(3, 200)),
        (Discard::Multiplier, OWN, broken(2, 0)),
        (Discard::Multipoint, OWN, broken(1, 0x41)),
        (Discard::MyDiscriminator, OWN, whole(anonymous)),
        (Discard::YourDiscriminator, OWN, whole(others)),
        (Discard::State, OWN, whole(nobodys(good))),
        (Discard::UnknownPeer, STRANGER, whole(nobodys(down))),
        (Discard::WrongPeer, STRANGER, whole(down)),
        (Discard::Authentication, OWN, signed),
    ]
}

/// Every way in which a packet can be wrong, over a real socket.
#[test]
fn wrong_packets_are_dropped_and_counted() {
    let scene = up();
    let from = ["10.0.0.2:50001", "10.0.0.2:50002", "10.0.0.9:50000"];
    let sockets = from.map(|from| bound(&scene.there, from));
    sockets[AWAY].set_ttl(254).unwrap();
    for (reason, from, octets) in wrong_packets(scene.peer.packet()) {
        let before = dropped(&scene.daemon.json().unwrap(), reason);
        sockets[from].send_to(&octets, "10.0.0.1:3784").unwrap();
        wait(&format!("{reason:?} is counted"), || {
            let status = scene.daemon.json()?;
            (dropped(&status, reason) == before + 1).then_some(())
        });
    }
    // The stranger was not answered.
    let stranger = &sockets[STRANGER];
    let patience = Some(Duration::from_millis(300));
    stranger.set_read_timeout(patience).unwrap();
    assert!(stranger.recv_from(&mut [0; 64]).is_err());
    let status = scene.daemon.json().unwrap();
    let bfd = &status["peers"][0]["bfd"];
    assert_eq!(
        (&bfd["state"], &bfd["downs"]),
        (&"Up".into(), &0.into()),
        "{bfd}"
    );
    assert_eq!(scene.peer.downs(), 0);
    // What came from its address is the peer's, what came from elsewhere is not.
    assert_eq!(bfd["packets"]["dropped"]["length"], 2);
    assert!(bfd["packets"]["dropped"]["unknown-peer"].is_null());
    let metrics = scene.daemon.metrics();
    assert!(
        metrics.contains("rcni_bgp_bfd_sessions{state=\"up\"} 1"),
        "{metrics}"
    );
    let line = "rcni_bgp_bfd_packets_dropped_total{reason=\"length\"} 2";
    assert!(metrics.contains(line), "{metrics}");
}

/// A pod has a link to the node, too, and TTL 255 says nothing there.
#[test]
fn nobody_on_another_link_speaks_for_the_peer() {
    let scene = up();
    let pod = Namespace::new();
    let link = format!("link add pod type veth peer name eth0 netns {}", pod.pid());
    scene.here.ip(&link);
    scene.here.ip("link set pod up");
    pod.ip("address add 10.0.0.2/32 dev eth0");
    pod.ip("link set eth0 up");
    pod.ip("route add 10.0.0.1/32 dev eth0");
    let socket = bound(&pod, "10.0.0.2:50001");
    let down = Packet {
        state: State::Down,
        ..scene.peer.packet()
    };
    let begins = Packet {
        your_discriminator: 0,
        ..down
    };
    for packet in [begins, down] {
        let reason = Discard::WrongPeer;
        let before = dropped(&scene.daemon.json().unwrap(), reason);
        socket.send_to(&packet.encode(), "10.0.0.1:3784").unwrap();
        wait("it is counted", || {
            let status = scene.daemon.json()?;
            (dropped(&status, reason) == before + 1).then_some(())
        });
    }
    let status = scene.daemon.json().unwrap();
    let bfd = &status["peers"][0]["bfd"];
    assert_eq!((&bfd["state"], &bfd["downs"]), (&"Up".into(), &0.into()));
    assert_eq!(scene.peer.downs(), 0);
}

/// For three seconds as much as a thread can send, from the peer's address and from a stranger's.
#[test]
fn a_flood() {
    let scene = up();
    let down = Packet {
        state: State::Down,
        your_discriminator: 1,
        ..scene.peer.packet()
    };
    let poll = Packet {
        poll: true,
        ..scene.peer.packet()
    };
    let stranger = Packet {
        your_discriminator: 0,
        ..down
    };
    let ends = Instant::now() + Duration::from_secs(3);
    let floods = [
        ("10.0.0.2:50001", [down, poll]),
        ("10.0.0.9:50001", [stranger, down]),
    ];
    let threads = floods.map(|(from, packets)| {
        let socket = bound(&scene.there, from);
        let octets = packets.map(|packet| packet.encode());
        std::thread::spawn(move || {
            let mut sent = 0_u64;
            while Instant::now() < ends {
                for octets in &octets {
                    sent += u64::from(socket.send_to(octets, "10.0.0.1:3784").is_ok());
                }
                // A flood, and not the machine's whole time: others are tested beside this.
                if sent.is_multiple_of(64) {
                    std::thread::sleep(Duration::from_micros(500));
                }
            }
            sent
        })
    });
    let mut slowest = Duration::ZERO;
    while Instant::now() < ends {
        let asked = Instant::now();
        let status = scene.daemon.json().unwrap();
        slowest = slowest.max(asked.elapsed());
        assert_eq!(status["peers"][0]["bfd"]["state"], "Up");
    }
    let sent: u64 = threads.into_iter().map(|it| it.join().unwrap()).sum();
    let status = scene.daemon.json().unwrap();
    let bfd = &status["peers"][0]["bfd"];
    assert_eq!(bfd["downs"], 0, "{bfd}");
    assert_eq!(scene.peer.downs(), 0);
    let counted = dropped(&status, Discard::YourDiscriminator);
    assert!(sent > 10_000 && counted > sent / 8, "{counted} of {sent}");
    // Many polls in one read are answered by one packet.
    let answered = bfd["packets"]["sent"].as_u64().unwrap();
    assert!(answered < sent / 4, "{answered} for {sent}");
    eprintln!("{sent} packets, {counted} dropped, {answered} sent, status in {slowest:?} at most");
}
