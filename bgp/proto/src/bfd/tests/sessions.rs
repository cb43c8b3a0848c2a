//! Which session a packet is for, and what is dropped.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::*;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 1, 1));

fn key(peer: IpAddr, interface: u32) -> Key {
    Key { peer, interface }
}

fn wanted(key: Key, hop: Hop) -> Wanted {
    Wanted {
        key,
        hops: Hops::Only(hop),
        over: None,
        profile: Profile::default(),
    }
}

fn from(from: IpAddr) -> Meta {
    Meta {
        from,
        interface: 2,
        ttl: Some(255),
        hop: Hop::Single,
    }
}

fn one() -> (Sessions, Instant) {
    let now = Instant::now();
    let mut sessions = Sessions::new(1);
    assert!(sessions.add(SessionId(1), wanted(key(PEER, 0), Hop::Single), now));
    (sessions, now)
}

fn news(sessions: &mut Sessions) -> Vec<News> {
    std::iter::from_fn(|| sessions.poll_event())
        .map(|event| event.news)
        .collect()
}

fn discriminator(sessions: &Sessions) -> u32 {
    let (_, status) = sessions.status().next().unwrap();
    status.discriminators.0
}

/// One session that is up.
fn one_up() -> (Sessions, Instant, u32) {
    let (mut sessions, now) = one();
    let own = discriminator(&sessions);
    sessions.receive(&packet(State::Down, 0).encode(), &from(PEER), now);
    sessions.receive(&packet(State::Up, own).encode(), &from(PEER), now);
    assert_eq!(news(&mut sessions), [News::Heard, News::Up]);
    (sessions, now, own)
}

/// What is wrong with a packet for a session that is up, which has this discriminator.
fn wrong_packets(own: u32) -> Vec<(Discard, Vec<u8>, Meta)> {
    let good = packet(State::Up, own);
    let whole = |packet: Packet| packet.encode().to_vec();
    let broken = |index: usize, value: u8| {
        let mut octets = whole(good);
        octets[index] = value;
        octets
    };
    let stranger = from("10.0.1.9".parse().unwrap());
    let other_way = Meta {
        hop: Hop::Multi,
        ..from(PEER)
    };
    let ttl = |ttl| Meta { ttl, ..from(PEER) };
    let nobody = Packet {
        my_discriminator: 0,
        ..good
    };
    let mut signed = broken(1, 0xc4);
    signed[3] = 28;
    signed.extend([1, 4, 1, 0]);
    let at = from(PEER);
    vec![
        (Discard::Ttl, whole(good), ttl(Some(254))),
        (Discard::Ttl, whole(good), ttl(None)),
        (Discard::Short, vec![0x20; 23], at),
        (Discard::Version, broken(0, 0x40), at),
        (Discard::Length, broken(3, 23), at),
        (Discard::Length, broken(3, 25), at),
        (Discard::Multiplier, broken(2, 0), at),
        (Discard::Multipoint, broken(1, 0xc1), at),
        (Discard::MyDiscriminator, whole(nobody), at),
        (
            Discard::YourDiscriminator,
            whole(packet(State::Down, own ^ 1)),
            at,
        ),
        (Discard::State, whole(packet(State::Up, 0)), at),
        (Discard::State, whole(packet(State::Init, 0)), at),
        (
            Discard::UnknownPeer,
            whole(packet(State::Down, 0)),
            stranger,
        ),
        (
            Discard::WrongPeer,
            whole(packet(State::Down, own)),
            stranger,
        ),
        (
            Discard::WrongPeer,
            whole(packet(State::Down, own)),
            other_way,
        ),
        (Discard::Authentication, signed, at),
    ]
}

#[test]
fn every_discard_has_its_number_and_the_session_stays_up() {
    let (mut sessions, now, own) = one_up();
    let mut expected = Discards::default();
    let before: Vec<Transmit> = std::iter::from_fn(|| sessions.poll_transmit(now)).collect();
    assert!(!before.is_empty());
    for (discard, octets, meta) in wrong_packets(own) {
        sessions.receive(&octets, &meta, now);
        expected.count(discard);
        assert_eq!(sessions.discards(), expected, "{discard:?}");
    }
    // Nobody was answered, and nothing has happened.
    assert_eq!(sessions.poll_transmit(now), None);
    assert_eq!(news(&mut sessions), []);
    let (_, status) = sessions.status().next().unwrap();
    assert_eq!(status.state, State::Up);
    // What came from strangers is not the session's.
    assert_eq!(status.discards.total(), expected.total() - 2);
    assert_eq!(status.counts.received, 2);

    sessions.remove(SessionId(1), now);
    let late = packet(State::Up, own).encode();
    sessions.receive(&late, &from(PEER), now);
    assert_eq!(sessions.discards().of(Discard::AdminDown), 1);
    let all = sessions.discards();
    let untested = all.iter().filter(|(_, count)| *count == 0);
    let untested: Vec<&str> = untested.map(|(discard, _)| discard.as_str()).collect();
    assert!(untested.is_empty(), "{untested:?}");
}

#[test]
fn over_routers_the_ttl_may_be_lower() {
    let now = Instant::now();
    let mut sessions = Sessions::new(1);
    sessions.add(SessionId(1), wanted(key(PEER, 0), Hop::Multi), now);
    let meta = |ttl| Meta {
        ttl: Some(ttl),
        hop: Hop::Multi,
        ..from(PEER)
    };
    sessions.receive(&packet(State::Down, 0).encode(), &meta(253), now);
    assert_eq!(sessions.discards().of(Discard::Ttl), 1);
    sessions.receive(&packet(State::Down, 0).encode(), &meta(254), now);
    assert_eq!(news(&mut sessions), [News::Heard]);
    assert_eq!(sessions.poll_transmit(now).unwrap().hop, Hop::Multi);
}

#[test]
fn a_peer_on_a_link_comes_over_that_link() {
    let now = Instant::now();
    let mut sessions = Sessions::new(1);
    let on_link = Wanted {
        over: Some(2),
        ..wanted(key(PEER, 0), Hop::Single)
    };
    sessions.add(SessionId(1), on_link, now);
    let on = |interface| Meta {
        interface,
        ..from(PEER)
    };
    let begins = packet(State::Down, 0).encode();
    sessions.receive(&begins, &on(3), now);
    assert_eq!(sessions.discards().of(Discard::WrongPeer), 1);
    sessions.receive(&begins, &on(2), now);
    assert_eq!(news(&mut sessions), [News::Heard]);
    // Its network is elsewhere now.
    sessions.change(SessionId(1), Profile::default(), Some(3), now);
    let own = discriminator(&sessions);
    let up = packet(State::Up, own).encode();
    sessions.receive(&up, &on(2), now);
    assert_eq!(sessions.discards().of(Discard::WrongPeer), 2);
    sessions.receive(&up, &on(3), now);
    assert_eq!(news(&mut sessions), [News::Up]);
    sessions.change(SessionId(1), Profile::default(), None, now);
    sessions.receive(&up, &on(4), now);
    assert_eq!(sessions.discards().total(), 2);
}

#[test]
fn who_may_do_either_follows_the_peer_until_it_is_up() {
    let now = Instant::now();
    let mut sessions = Sessions::new(1);
    let either = Wanted {
        hops: Hops::First(Hop::Single),
        ..wanted(key(PEER, 0), Hop::Single)
    };
    sessions.add(SessionId(1), either, now);
    assert_eq!(sessions.poll_transmit(now).unwrap().hop, Hop::Single);
    let far = Meta {
        hop: Hop::Multi,
        ..from(PEER)
    };
    sessions.receive(&packet(State::Down, 0).encode(), &far, now);
    let later = now + ms(10);
    assert_eq!(sessions.poll_transmit(later).unwrap().hop, Hop::Multi);
    let own = discriminator(&sessions);
    sessions.receive(&packet(State::Up, own).encode(), &far, later);
    assert_eq!(news(&mut sessions), [News::Heard, News::Up]);
    sessions.receive(&packet(State::Down, own).encode(), &from(PEER), later);
    assert_eq!(sessions.discards().of(Discard::WrongPeer), 1);
}

#[test]
fn link_local_neighbours_are_told_apart_by_their_interface() {
    let now = Instant::now();
    let mut sessions = Sessions::new(1);
    let link_local = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));
    for interface in [2, 3] {
        let wanted = wanted(key(link_local, interface), Hop::Single);
        assert!(sessions.add(SessionId(interface.into()), wanted, now));
    }
    let on = |interface| Meta {
        interface,
        ..from(link_local)
    };
    sessions.receive(&packet(State::Down, 0).encode(), &on(3), now);
    sessions.receive(&packet(State::Down, 0).encode(), &on(4), now);
    let heard = sessions.poll_event().unwrap();
    assert_eq!(heard.id, SessionId(3));
    assert_eq!(sessions.discards().of(Discard::UnknownPeer), 1);
}

#[test]
fn who_leaves_says_so_and_may_begin_again_at_once() {
    let (mut sessions, now, own) = one_up();
    while sessions.poll_transmit(now).is_some() {}
    let later = now + ms(100);
    sessions.remove(SessionId(1), later);
    assert!(sessions.add(SessionId(2), wanted(key(PEER, 0), Hop::Single), later));
    assert!(!sessions.add(SessionId(3), wanted(key(PEER, 0), Hop::Single), later));
    let mut said = Vec::new();
    let mut now = later;
    while let Some(at) = sessions.next_timeout().filter(|at| *at < later + ms(3000)) {
        now = now.max(at);
        let sent = std::iter::from_fn(|| sessions.poll_transmit(now));
        said.extend(sent.filter(|sent| sent.id == SessionId(1)));
    }
    let said: Vec<Packet> = said
        .iter()
        .map(|sent| Packet::decode(&sent.octets).unwrap())
        .collect();
    assert!((3..=5).contains(&said.len()), "{said:?}");
    assert!(said.iter().all(|packet| packet.state == State::AdminDown));
    assert!(said.iter().all(|packet| packet.my_discriminator == own));
    assert!(!sessions.contains(SessionId(1)) && sessions.contains(SessionId(2)));
    assert_eq!(news(&mut sessions), []);
}

#[test]
fn last_words_do_not_wait_for_a_turn() {
    let (mut sessions, now, _) = one_up();
    while sessions.poll_transmit(now).is_some() {}
    sessions.stop(now);
    for _ in 0..3 {
        let [said] = sessions.farewell()[..] else {
            panic!("one each")
        };
        assert_eq!(
            Packet::decode(&said.octets).unwrap().state,
            State::AdminDown
        );
    }
}

#[test]
fn there_is_a_bound() {
    let now = Instant::now();
    let mut sessions = Sessions::new(1);
    let at = |index: usize| key(Ipv4Addr::from(u32::try_from(index).unwrap()).into(), 0);
    for index in 0..MAX_SESSIONS {
        let id = SessionId(index as u64);
        assert!(sessions.add(id, wanted(at(index), Hop::Single), now));
    }
    let id = SessionId(MAX_SESSIONS as u64);
    assert!(!sessions.add(id, wanted(at(MAX_SESSIONS), Hop::Single), now));
    sessions.remove(SessionId(0), now);
    assert!(sessions.add(id, wanted(at(MAX_SESSIONS), Hop::Single), now));
}

#[test]
fn a_peer_that_has_switched_off_is_said_once() {
    let (mut sessions, now) = one();
    for _ in 0..3 {
        sessions.receive(&packet(State::AdminDown, 0).encode(), &from(PEER), now);
    }
    assert_eq!(news(&mut sessions), [News::PeerOff]);
}
