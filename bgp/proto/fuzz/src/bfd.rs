//! BFD: packets as they come, mixed with some that fit, with time that passes and with other times.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use rcni_bgp_proto::bfd::{
    Event, Hop, Hops, Key, LEN, Meta, News, Packet, Profile, SessionId, Sessions, State, Wanted,
};

/// The shortest pause that a profile here asks for.
const SHORTEST: Duration = Duration::from_millis(10);

struct World {
    sessions: Sessions,
    now: Instant,
    begun: Instant,
    next: u64,
    /// Those that are watched, by the end of their peer's address.
    watched: BTreeMap<u8, SessionId>,
    up: BTreeMap<SessionId, bool>,
    given: u64,
    sent: u64,
}

fn peer(end: u8) -> IpAddr {
    [10, 0, 0, end % 4].into()
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            sessions: Sessions::new(1),
            now,
            begun: now,
            next: 0,
            watched: BTreeMap::new(),
            up: BTreeMap::new(),
            given: 0,
            sent: 0,
        }
    }

    fn add(&mut self, end: u8, profile: Profile, hop: Hop) {
        let id = SessionId(self.next);
        self.next += 1;
        let key = Key {
            peer: peer(end),
            interface: 0,
        };
        let hops = if end & 0x80 == 0 {
            Hops::Only(hop)
        } else {
            Hops::First(hop)
        };
        let wanted = Wanted {
            key,
            hops,
            over: None,
            profile,
        };
        let added = self.sessions.add(id, wanted, self.now);
        assert_eq!(added, !self.watched.contains_key(&(end % 4)));
        if added {
            self.watched.insert(end % 4, id);
        }
    }

    fn give(&mut self, octets: &[u8], end: u8, ttl: u8, hop: Hop) {
        let meta = Meta {
            from: peer(end),
            interface: 1,
            ttl: Some(ttl),
            hop,
        };
        let before = (self.sessions.received(), self.sessions.discards().total());
        self.sessions.receive(octets, &meta, self.now);
        let after = (self.sessions.received(), self.sessions.discards().total());
        // Taken or dropped, and counted once.
        assert_eq!(before.0 + before.1 + 1, after.0 + after.1);
        self.given += 1;
    }

    /// Our discriminator towards a peer.
    fn own(&self, end: u8) -> u32 {
        let id = self.watched.get(&(end % 4));
        let mut all = self.sessions.status();
        let found = all.find(|(other, _)| Some(other) == id);
        found.map_or(0, |(_, status)| status.discriminators.0)
    }

    fn look(&mut self) {
        while let Some(sent) = self.sessions.poll_transmit(self.now) {
            let packet = Packet::decode(&sent.octets).expect("own packet");
            assert!(!(packet.independent || packet.demand));
            assert!(!(packet.poll && packet.final_));
            assert_eq!(packet.required_echo_rx_micros, 0);
            assert!(packet.state == State::Up || packet.desired_tx_micros >= 1_000_000);
            self.sent += 1;
        }
        if let Some(next) = self.sessions.next_timeout() {
            assert!(next > self.now, "something is due that is not done");
        }
        while let Some(Event { id, news }) = self.sessions.poll_event() {
            let up = self.up.entry(id).or_default();
            match news {
                News::Up => assert!(!std::mem::replace(up, true)),
                News::Down(_) => assert!(std::mem::replace(up, false)),
                News::Heard | News::PeerOff => {}
            }
        }
        for (id, status) in self.sessions.status() {
            let up = self.up.get(&id).copied().unwrap_or_default();
            assert_eq!(up, status.state == State::Up);
            let counts = status.counts;
            assert_eq!(counts.ups - counts.downs, u64::from(up));
        }
        // One answer a packet at most, and what timers allow: three quarters of the shortest pause.
        let time = self.now.duration_since(self.begun).as_micros();
        let turns = time / (SHORTEST.as_micros() * 3 / 4) + 4;
        let most = u128::from(self.given) + turns * u128::from(self.next);
        assert!(u128::from(self.sent) <= most, "{} of {most}", self.sent);
    }
}

fn profile(byte: u8) -> Profile {
    let pause = [10, 50, 300, 2000][usize::from(byte & 3)];
    let other = [10, 50, 300, 2000][usize::from(byte >> 2 & 3)];
    Profile {
        transmit: Duration::from_millis(pause),
        receive: Duration::from_millis(other),
        multiplier: byte >> 5 | 1,
        passive: byte & 0x10 != 0,
        minimum_ttl: 254,
    }
}

/// Each step is an octet for what, one for whom, and what that takes.
pub fn run(data: &[u8]) {
    let mut world = World::new();
    world.add(1, profile(0x61), Hop::Single);
    let mut rest = data;
    while let [what, end, after @ ..] = rest {
        let hop = if what & 0x40 == 0 {
            Hop::Single
        } else {
            Hop::Multi
        };
        let take = |length: usize| after.split_at(length.min(after.len()));
        rest = match what & 7 {
            // As it is.
            0 => {
                let (octets, rest) = take(usize::from(*end >> 2));
                world.give(octets, *end, 255, hop);
                rest
            }
            // For the session with this peer.
            1 | 2 => {
                let (octets, rest) = take(LEN);
                let mut packet = [0; LEN];
                packet[..octets.len()].copy_from_slice(octets);
                packet[0] = 0x20 | packet[0] & 0x1f;
                packet[1] &= !0x05;
                packet[3] = 24;
                let own = if what & 0x20 == 0 { world.own(*end) } else { 0 };
                packet[8..12].copy_from_slice(&own.to_be_bytes());
                world.give(&packet, *end, 255 - (what >> 7), hop);
                rest
            }
            3 => {
                let id = world.watched.get(&(end % 4)).copied();
                if let Some(id) = id {
                    world
                        .sessions
                        .change(id, profile(what ^ end), None, world.now);
                }
                after
            }
            4 => {
                if let Some(id) = world.watched.remove(&(end % 4)) {
                    world.look();
                    world.sessions.remove(id, world.now);
                }
                after
            }
            5 => {
                world.add(*end, profile(what ^ end), hop);
                after
            }
            _ => {
                let millis = u64::from(*end) * if what & 8 == 0 { 1 } else { 40 };
                let until = world.now + Duration::from_millis(millis);
                while let Some(next) = world.sessions.next_timeout().filter(|at| *at <= until) {
                    world.now = world.now.max(next);
                    world.look();
                }
                world.now = until;
                after
            }
        };
        world.look();
    }
    world.sessions.stop(world.now);
    for sent in world.sessions.farewell() {
        let packet = Packet::decode(&sent.octets).expect("own packet");
        assert_eq!(packet.state, State::AdminDown);
    }
}
