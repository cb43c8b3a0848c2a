//! What is done when, under a virtual clock.

use std::time::{Duration, Instant};

use super::solo::{PEER, Solo, open, raw};
use super::{peer, speaker};
use crate::fsm::{CauseClass, State};
use crate::message::{self, Message};
use crate::speaker::{
    CloseCause, ConnId, ConnectError, Input, Order, Output, PeerConfig, PeerId, Speaker, Timers,
};

const KEEPALIVE: Duration = Duration::from_secs(30);

/// One speaker with one peer that it dials.
struct Dialling {
    speaker: Speaker,
    now: Instant,
}

impl Dialling {
    fn new(timers: Timers) -> Self {
        let mut config = speaker(65001, 1, &[]);
        config.peers = vec![PeerConfig {
            timers,
            ..peer(PEER, 65002)
        }];
        let now = Instant::now();
        let mut dialling = Self {
            speaker: Speaker::new(config, now),
            now,
        };
        dialling.speaker.handle(Input::Start, now);
        dialling
    }

    /// Until the next dial; how long that was.
    fn dial(&mut self) -> (ConnId, Duration) {
        let start = self.now;
        loop {
            while let Some(output) = self.speaker.poll_output() {
                if let Output::Dial { conn, .. } = output {
                    return (conn, self.now - start);
                }
            }
            self.now = self.speaker.poll_timeout().expect("a dial is due");
            self.speaker.handle(Input::Tick, self.now);
        }
    }

    fn fail(&mut self, conn: ConnId, cause: ConnectError) {
        self.speaker
            .handle(Input::ConnectFailed { conn, cause }, self.now);
    }

    /// A connection that ends at once.
    fn lose(&mut self, conn: ConnId) {
        let (local, remote) = (
            "10.0.0.1:4000".parse().unwrap(),
            "10.0.0.2:179".parse().unwrap(),
        );
        self.speaker.handle(
            Input::Connected {
                conn,
                local,
                remote,
            },
            self.now,
        );
        let cause = CloseCause::Eof;
        self.speaker.handle(Input::Closed { conn, cause }, self.now);
    }
}

fn is_jittered(pause: Duration, of: Duration) -> bool {
    (of.mul_f64(0.75)..=of).contains(&pause)
}

#[test]
fn connect_retry_is_five_seconds_with_fresh_jitter_each_time() {
    let mut dialling = Dialling::new(Timers::default());
    let (mut conn, first) = dialling.dial();
    assert_eq!(first, Duration::ZERO, "at once");
    let mut pauses = vec![];
    for _ in 0..200 {
        dialling.fail(conn, ConnectError::Unreachable);
        let pause;
        (conn, pause) = dialling.dial();
        assert!(is_jittered(pause, Duration::from_secs(5)), "{pause:?}");
        pauses.push(pause);
    }
    pauses.sort();
    pauses.dedup();
    assert!(pauses.len() > 150, "{}", pauses.len());
    assert!(pauses[199.min(pauses.len() - 1)] - pauses[0] > Duration::from_secs(1));
    // Nor does one that nobody answers last longer.
    let (_, pause) = dialling.dial();
    assert!(is_jittered(pause, Duration::from_secs(5)), "{pause:?}");
}

#[test]
fn after_errors_it_is_dialled_after_1_2_4_to_60_seconds() {
    let mut dialling = Dialling::new(Timers::default());
    let (mut conn, _) = dialling.dial();
    for secs in [1, 2, 4, 8, 16, 32, 60, 60, 60, 60] {
        dialling.lose(conn);
        let status = dialling.speaker.status(dialling.now).peers.remove(0);
        assert_eq!(status.state, State::Idle, "it says that it waits");
        let pause;
        (conn, pause) = dialling.dial();
        let of = Duration::from_secs(secs);
        assert!(is_jittered(pause, of), "{pause:?} of {of:?}");
    }
}

/// A peer that always says so has another reason: an old session that it takes for alive, a fault.
#[test]
fn collisions_without_end_are_not_answered_with_a_dial_a_second() {
    let mut dialling = Dialling::new(Timers::default());
    let (mut conn, _) = dialling.dial();
    for round in 0..20 {
        let (local, remote) = (
            "10.0.0.1:4000".parse().unwrap(),
            "10.0.0.2:179".parse().unwrap(),
        );
        let up = Input::Connected {
            conn,
            local,
            remote,
        };
        dialling.speaker.handle(up, dialling.now);
        let bytes = &super::solo::raw(3, &[6, 7]);
        let words = Input::Received { conn, bytes };
        dialling.speaker.handle(words, dialling.now);
        let pause;
        (conn, pause) = dialling.dial();
        if round < 5 {
            assert!(pause <= Duration::from_secs(1), "{round}: {pause:?}");
        } else {
            let of = Duration::from_secs(5);
            assert!(is_jittered(pause, of), "{round}: {pause:?}");
        }
    }
}

/// Who says so has mended what was wrong, and does not want to wait for a minute.
#[test]
fn an_order_to_reset_ends_a_back_off() {
    let mut dialling = Dialling::new(Timers::default());
    let (mut conn, _) = dialling.dial();
    for _ in 0..8 {
        dialling.lose(conn);
        (conn, _) = dialling.dial();
    }
    dialling.lose(conn);
    let peer = PeerId(0);
    let reset = || Input::Order {
        peer,
        order: Order::Reset(String::new()),
    };
    dialling.speaker.handle(reset(), dialling.now);
    let (conn, pause) = dialling.dial();
    assert_eq!(pause, Duration::ZERO);
    // Errors are counted from the beginning.
    dialling.lose(conn);
    let (_, pause) = dialling.dial();
    assert!(is_jittered(pause, Duration::from_secs(1)), "{pause:?}");
    // A dial that is under way is left alone, and nobody who is shut down is dialled.
    for shut_down in [false, true] {
        if shut_down {
            let order = Order::Shutdown(String::new());
            let order = Input::Order { peer, order };
            dialling.speaker.handle(order, dialling.now);
        }
        assert_eq!(dialling.speaker.is_shut_down(peer), shut_down);
        dialling.speaker.handle(reset(), dialling.now);
        while let Some(output) = dialling.speaker.poll_output() {
            assert!(!matches!(output, Output::Dial { .. }), "{shut_down}");
        }
    }
    assert_eq!(dialling.speaker.poll_timeout(), None);
}

#[test]
fn with_a_hold_time_of_0_nothing_waits_for_ever_but_a_session() {
    let mut solo = Solo::new();
    let conn = solo.accept(PEER);
    solo.send(conn, &open(65002, 0));
    let deadline = solo.now + Duration::from_secs(240);
    assert_eq!(solo.speaker.poll_timeout(), Some(deadline), "OpenConfirm");
    solo.now = deadline;
    solo.input(Input::Tick);
    assert_eq!(solo.notification(conn).0, 4);

    let mut solo = Solo::new();
    let conn = solo.establish_with(PEER, 65002, 0);
    assert_eq!(solo.speaker.poll_timeout(), None, "Established");
    solo.now += Duration::from_secs(86_400);
    solo.input(Input::Tick);
    assert!(!solo.closed.contains(&conn));
    assert!(solo.hear(conn).is_empty(), "no keepalives either");
}

/// The shortest and the longest time between two KEEPALIVEs.
fn keepalives(hold_time_secs: u16, keepalive_secs: Option<u16>) -> (Duration, Duration) {
    let timers = Timers {
        hold_time_secs,
        keepalive_secs,
        ..Timers::default()
    };
    let mut dialling = Dialling::new(timers);
    let (conn, _) = dialling.dial();
    let (local, remote) = (
        "10.0.0.1:4000".parse().unwrap(),
        "10.0.0.2:179".parse().unwrap(),
    );
    let input = Input::Connected {
        conn,
        local,
        remote,
    };
    dialling.speaker.handle(input, dialling.now);
    let hello = [&open(65002, u16::MAX)[..], &message::keepalive()].concat();
    let bytes = &hello[..];
    dialling
        .speaker
        .handle(Input::Received { conn, bytes }, dialling.now);
    let alive = message::keepalive();
    while dialling.speaker.poll_transmit(conn, dialling.now).is_some() {}
    let (mut last, mut pauses) = (dialling.now, vec![]);
    while pauses.len() < 100 {
        dialling.now = dialling.speaker.poll_timeout().unwrap();
        let bytes = &alive[..];
        dialling
            .speaker
            .handle(Input::Received { conn, bytes }, dialling.now);
        dialling.speaker.handle(Input::Tick, dialling.now);
        if dialling.speaker.poll_transmit(conn, dialling.now).is_some() {
            pauses.push(dialling.now - last);
            last = dialling.now;
        }
    }
    let session = dialling
        .speaker
        .status(dialling.now)
        .peers
        .remove(0)
        .session
        .unwrap();
    let third = (hold_time_secs / 3).max(1);
    assert_eq!(
        session.keepalive_secs,
        keepalive_secs.map_or(third, |secs| secs.min(third))
    );
    (*pauses.iter().min().unwrap(), *pauses.iter().max().unwrap())
}

#[test]
fn keepalives_come_after_a_third_of_the_hold_time_or_what_is_configured() {
    let secs = Duration::from_secs;
    for (hold, configured, interval) in [
        (90, None, KEEPALIVE),
        (90, Some(10), secs(10)),
        (90, Some(30), KEEPALIVE),
        (90, Some(300), KEEPALIVE),
        (9, Some(2), secs(2)),
        (9, None, secs(3)),
    ] {
        let (shortest, longest) = keepalives(hold, configured);
        assert!(
            shortest >= interval.mul_f64(0.75),
            "{hold} {configured:?}: {shortest:?}"
        );
        assert!(longest <= interval, "{hold} {configured:?}: {longest:?}");
        assert!(longest > shortest, "jitter");
    }
    // Never more than one a second (RFC 4271 §4.4).
    assert_eq!(keepalives(3, Some(1)), (secs(1), secs(1)));
}

#[test]
fn a_peer_that_takes_nothing_loses_the_session_and_its_routes() {
    let mut solo = Solo::new();
    let conn = solo.establish(PEER, 65002);
    solo.input(Input::SendHoldExpired { conn });
    assert_eq!(solo.closed, [conn]);
    assert_eq!(solo.notification(conn), (8, 0, bytes::Bytes::new()));
    let status = solo.speaker.status(solo.now).peers.remove(0);
    let error = status.last_error.unwrap();
    assert_eq!(error.class, CauseClass::SendHoldExpired, "{error}");
    assert_eq!(error.class.as_str(), "send-hold-expired");
    assert!(
        error.text.contains("Send Hold Timer Expired (8/0)"),
        "{error}"
    );
    assert_eq!(status.kind.counters.sent.notifications[8], 1);
    assert_eq!(
        status.prefixes.stale, 0,
        "a NOTIFICATION ends graceful restart"
    );
    // Twice, or of a connection that is gone: nothing.
    solo.input(Input::SendHoldExpired { conn });
    solo.establish(PEER, 65002);
    assert!(!matches!(
        solo.hear(conn).last(),
        Some(Message::Notification(_))
    ));
}

#[test]
fn each_keepalive_and_each_update_restarts_the_hold_timer() {
    let updates = raw(2, &[0, 0, 0, 0]);
    for said in [message::keepalive().to_vec(), updates] {
        let mut solo = Solo::new();
        let conn = solo.establish_with(PEER, 65002, 9);
        for _ in 0..10 {
            let next = solo.now + Duration::from_secs(8);
            while let Some(at) = solo.speaker.poll_timeout().filter(|at| *at < next) {
                solo.now = at;
                solo.input(Input::Tick);
            }
            solo.now = next;
            solo.send(conn, &said);
            solo.input(Input::Tick);
            assert!(solo.closed.is_empty(), "not silent: {said:?}");
        }
        solo.now += Duration::from_secs(9);
        solo.input(Input::Tick);
        assert_eq!(solo.closed, [conn]);
        assert_eq!(solo.notification(conn), (4, 0, bytes::Bytes::new()));
    }
}
