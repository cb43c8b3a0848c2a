//! Two connections with one peer, message by message: what FRR and BIRD make of the order, and that
//! no session is lost by it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::{ip, peer, speaker};
use crate::capability::GracefulRestartCapability;
use crate::fsm::{CauseClass, State};
use crate::iana::Family;
use crate::message::{self, Message};
use crate::speaker::{CloseCause, ConnId, ConnectError, Input, Output, PeerStatus, Speaker};
use crate::validate::{LocalOpen, SessionOptions};
use crate::wire::Framer;

const PEER: &str = "10.0.0.2";

/// AS 65001 with one peer, AS 65002, which it dials.
struct Crossing {
    speaker: Speaker,
    now: Instant,
    dials: Vec<ConnId>,
    closed: Vec<ConnId>,
    /// Of the peer.
    id: u8,
}

impl Crossing {
    /// `id` 1 or 3: below or above ours, which is 10.255.0.2.
    fn start(id: u8) -> Self {
        let mut config = speaker(65001, 2, &["10.244.1.0/24"]);
        config.peers = vec![peer(PEER, 65002)];
        let now = Instant::now();
        let mut crossing = Self {
            speaker: Speaker::new(config, now),
            now,
            dials: vec![],
            closed: vec![],
            id,
        };
        crossing.input(Input::Start);
        assert_eq!(crossing.dials.len(), 1);
        crossing
    }

    fn input(&mut self, input: Input<'_>) {
        self.speaker.handle(input, self.now);
        while let Some(output) = self.speaker.poll_output() {
            match output {
                Output::Dial { conn, .. } => self.dials.push(conn),
                Output::Close { conn } => self.closed.push(conn),
                _ => {}
            }
        }
    }

    /// Until `end`, with all timers in between.
    fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.speaker.poll_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.input(Input::Tick);
        }
        self.now = end;
    }

    fn accept(&mut self) -> ConnId {
        let conn = self.speaker.new_conn();
        self.input(Input::Accepted {
            conn,
            local: SocketAddr::new(ip("10.0.0.1"), 179),
            remote: SocketAddr::new(ip(PEER), 40_000),
        });
        conn
    }

    fn dialled(&mut self) -> ConnId {
        let conn = self.dials[0];
        self.input(Input::Connected {
            conn,
            local: SocketAddr::new(ip("10.0.0.1"), 40_000),
            remote: SocketAddr::new(ip(PEER), 179),
        });
        conn
    }

    fn send(&mut self, conn: ConnId, message: &Message) {
        let mut out = BytesMut::new();
        message::encode(message, &SessionOptions::default(), &mut out).unwrap();
        self.input(Input::Received { conn, bytes: &out });
    }

    fn open(&mut self, conn: ConnId) {
        let open = LocalOpen {
            asn: 65002,
            bgp_id: [10, 255, 0, self.id].into(),
            hold_time: 90,
            families: vec![Family::IPV4_UNICAST],
            graceful_restart: Some(GracefulRestartCapability {
                restart: false,
                notification: false,
                time_secs: 120,
                families: vec![(Family::IPV4_UNICAST, true)],
            }),
            long_lived_secs: None,
            extended_next_hop: false,
            offer: crate::validate::Offer::default(),
        };
        self.send(conn, &Message::Open(open.to_open()));
    }

    /// What is said on a connection, as the RFC's names of types.
    fn hear(&mut self, conn: ConnId) -> Vec<String> {
        let mut framer = Framer::new();
        let mut said = vec![];
        while let Some(bytes) = self.speaker.poll_transmit(conn, self.now) {
            framer.push(&bytes);
            while let Some(frame) = framer.next_frame(4096).unwrap() {
                said.push(match message::decode(frame, &SessionOptions::default()) {
                    Ok(Message::Open(_)) => "OPEN".to_owned(),
                    Ok(Message::Keepalive) => "KEEPALIVE".to_owned(),
                    Ok(Message::Notification(n)) => format!("{}/{}", n.code, n.subcode),
                    _ => "UPDATE".to_owned(),
                });
            }
        }
        said
    }

    fn status(&self) -> PeerStatus {
        self.speaker.status(self.now).peers.remove(0)
    }

    fn assert_one_session_for_ever(&mut self, conn: ConnId) {
        self.wait(Duration::from_secs(60));
        let status = self.status();
        assert_eq!(status.state, State::Established, "{:?}", status.last_error);
        assert_eq!((status.established_count, self.dials.len()), (1, 1));
        assert!(!self.closed.contains(&conn));
    }
}

const OPEN: &str = "OPEN";
const KEEPALIVE: &str = "KEEPALIVE";

/// As FRR and BIRD do it: their own dial is through, ours is still in their kernel. Were our
/// KEEPALIVE said now, they would be Established, accept ours then, and give the session up for it.
#[test]
fn no_keepalive_while_the_peers_program_may_not_have_our_dial() {
    for (id, connected_first) in [(3, true), (3, false), (1, true), (1, false)] {
        let mut crossing = Crossing::start(id);
        if connected_first {
            crossing.dialled();
        }
        let theirs = crossing.accept();
        crossing.open(theirs);
        assert_eq!(crossing.hear(theirs), [OPEN], "{id} {connected_first}");
        let ours = crossing.dials[0];
        if !connected_first {
            crossing.dialled();
        }
        assert_eq!(crossing.hear(ours), [OPEN]);
        crossing.wait(Duration::from_millis(900));
        assert_eq!(crossing.status().state, State::OpenConfirm);
        assert_eq!(crossing.hear(theirs), [""; 0]);

        // It accepts, and both sides decide by the identifiers.
        crossing.open(ours);
        let (kept, gone) = if id == 3 {
            (theirs, ours)
        } else {
            // Theirs, so that they close it.
            assert_eq!(
                (crossing.hear(ours), crossing.hear(theirs)),
                (vec![], vec![])
            );
            if connected_first {
                let cease = crate::Notification::cease(7);
                crossing.send(theirs, &Message::Notification(cease));
            } else {
                crossing.wait(Duration::from_secs(1));
                assert_eq!(crossing.hear(theirs), ["6/7"]);
            }
            // It has to be through with that.
            assert_eq!(crossing.hear(ours), [""; 0]);
            crossing.wait(Duration::from_millis(200));
            (ours, theirs)
        };
        assert_eq!(crossing.hear(kept), [KEEPALIVE]);
        if id == 3 {
            assert_eq!(crossing.hear(gone), ["6/7"]);
        }
        assert_eq!(crossing.closed, [gone]);
        crossing.send(kept, &Message::Keepalive);
        crossing.assert_one_session_for_ever(kept);
    }
}

#[test]
fn a_dial_that_nobody_answers_costs_a_second_and_one_that_fails_nothing() {
    // Neither TCP nor the peer's program answers.
    for connected in [false, true] {
        let mut crossing = Crossing::start(1);
        if connected {
            crossing.dialled();
        }
        let theirs = crossing.accept();
        crossing.open(theirs);
        // It may say this already; it says nothing of ours.
        crossing.send(theirs, &Message::Keepalive);
        crossing.wait(Duration::from_millis(999));
        assert_eq!(crossing.hear(theirs), [OPEN]);
        crossing.wait(Duration::from_millis(1));
        assert_eq!(crossing.status().state, State::Established);
        assert_eq!(crossing.closed, [crossing.dials[0]]);
        assert_eq!(crossing.hear(theirs)[0], KEEPALIVE);
        crossing.assert_one_session_for_ever(theirs);
    }
    for connected in [false, true] {
        let mut crossing = Crossing::start(1);
        let theirs = crossing.accept();
        crossing.open(theirs);
        let conn = crossing.dials[0];
        if connected {
            // OpenBGPD and GoBGP: they have a connection and close the second one.
            crossing.dialled();
            let cause = CloseCause::Eof;
            crossing.input(Input::Closed { conn, cause });
        } else {
            let cause = ConnectError::Refused;
            crossing.input(Input::ConnectFailed { conn, cause });
        }
        assert_eq!(crossing.hear(theirs), [OPEN, KEEPALIVE]);
        crossing.send(theirs, &Message::Keepalive);
        crossing.assert_one_session_for_ever(theirs);
    }
}

/// Whoever connects from the peer's address and says nothing cannot keep the session away.
#[test]
fn a_silent_connection_does_not_hold_the_dial_back_for_more_than_a_second() {
    let mut crossing = Crossing::start(3);
    let ours = crossing.dialled();
    for _ in 0..3 {
        crossing.accept();
    }
    crossing.open(ours);
    for _ in 0..9 {
        crossing.wait(Duration::from_millis(100));
        crossing.accept();
    }
    assert_eq!(crossing.hear(ours), [OPEN]);
    crossing.wait(Duration::from_millis(100));
    assert_eq!(crossing.hear(ours), [KEEPALIVE]);
    crossing.send(ours, &Message::Keepalive);
    crossing.assert_one_session_for_ever(ours);
}

/// The loser of a collision, which is heard of when the winner is Established already.
#[test]
fn a_connection_that_the_peer_has_given_up_does_not_take_the_session_with_it() {
    let mut crossing = Crossing::start(1);
    let ours = crossing.dialled();
    crossing.open(ours);
    crossing.send(ours, &Message::Keepalive);
    let late = crossing.accept();
    crossing.open(late);
    crossing.wait(Duration::from_millis(10));
    assert_eq!(crossing.status().state, State::Established);
    let cease = crate::Notification::cease(7);
    crossing.send(late, &Message::Notification(cease));
    crossing.send(ours, &Message::Keepalive);
    crossing.assert_one_session_for_ever(ours);
}

/// But one that comes up is what the peer has now (RFC 4724 §4.2).
#[test]
fn a_restarted_peer_replaces_its_session_without_a_notification() {
    let mut crossing = Crossing::start(1);
    let old = crossing.dialled();
    crossing.open(old);
    crossing.send(old, &Message::Keepalive);
    crossing.hear(old);
    let new = crossing.accept();
    crossing.open(new);
    assert_eq!(crossing.hear(new), [OPEN, KEEPALIVE]);
    crossing.send(new, &Message::Keepalive);
    assert_eq!(
        (crossing.hear(old), &crossing.closed[..]),
        (vec![], &[old][..])
    );
    let status = crossing.status();
    assert_eq!(
        (status.state, status.established_count),
        (State::Established, 2)
    );
    assert_eq!(status.last_error.unwrap().class, CauseClass::Restarted);
    assert_eq!(status.session.unwrap().local.port(), 179);
}
