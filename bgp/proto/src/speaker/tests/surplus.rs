//! Maximum prefixes with `Drop`: what is not taken, and when the peer is asked for it once more.

use std::collections::BTreeSet;

use super::limits::{announce, config, counted, said, solo, status, withdraw};
use super::solo::{PEER, Solo, raw};
use crate::fsm::State;
use crate::message::Message;
use crate::speaker::{ConnId, Crossing, Input, LimitAction, SpeakerConfig};

/// How often the peer was asked to tell everything again.
fn refreshes(solo: &mut Solo, conn: ConnId) -> usize {
    let heard = solo.hear(conn);
    let asked = heard.iter();
    let asked = asked.filter(|message| matches!(message, Message::RouteRefresh(_)));
    asked.count()
}

fn configure(solo: &mut Solo, config: SpeakerConfig) {
    let (config, sockets) = (Box::new(config), BTreeSet::new());
    solo.input(Input::Reconfigure { config, sockets });
}

#[test]
fn what_is_too_much_is_dropped_and_asked_for_when_there_is_room() {
    let mut solo = solo(10, LimitAction::Drop);
    let conn = solo.establish(PEER, 65002);
    announce(&mut solo, conn, 0..12);
    assert_eq!(counted(&solo), (10, 2));
    let passed = (Crossing::Passed(LimitAction::Drop), 10);
    assert_eq!(said(&solo), [passed]);
    // What is there already is taken again, and said is nothing more.
    announce(&mut solo, conn, 0..12);
    assert_eq!((counted(&solo), said(&solo).len()), ((10, 4), 1));
    withdraw(&mut solo, conn, 0..1);
    announce(&mut solo, conn, 10..11);
    assert_eq!((counted(&solo), said(&solo).len()), ((10, 4), 1));
    assert_eq!(refreshes(&mut solo, conn), 0);
    withdraw(&mut solo, conn, 1..3);
    assert_eq!(said(&solo)[1..], [(Crossing::Relieved, 8)]);
    assert_eq!(refreshes(&mut solo, conn), 1);
    // It tells everything again, and that is still too much.
    announce(&mut solo, conn, 3..12);
    announce(&mut solo, conn, 20..22);
    assert_eq!(counted(&solo), (10, 5));
    assert_eq!(said(&solo)[2..], [passed]);
    assert_eq!(status(&solo).state, State::Established);
    assert!(solo.closed.is_empty());
}

/// Who raises a limit wants what was too much before; nobody else will tell it again.
#[test]
fn what_a_higher_limit_has_room_for_is_asked_for() {
    let unlimited = || {
        let mut config = config(2, LimitAction::Drop);
        config.peers[0].limits = None;
        config
    };
    for (after, again, taken) in [
        (config(5, LimitAction::Drop), 1, 4),
        (config(5, LimitAction::Warn), 1, 4),
        (unlimited(), 1, 4),
        (config(3, LimitAction::Drop), 1, 3),
        // No room for more.
        (config(1, LimitAction::Drop), 0, 2),
    ] {
        let mut solo = solo(2, LimitAction::Drop);
        let conn = solo.establish(PEER, 65002);
        announce(&mut solo, conn, 0..4);
        assert_eq!(counted(&solo), (2, 2));
        refreshes(&mut solo, conn);
        let said_again = format!("{:?}", after.peers[0].limits);
        configure(&mut solo, after);
        assert_eq!(refreshes(&mut solo, conn), again, "{said_again}");
        announce(&mut solo, conn, 0..4);
        let received = status(&solo).prefixes.received;
        assert_eq!(received, taken, "{said_again}");
        assert!(solo.closed.is_empty());
    }
    // Nothing was too much: nobody is asked.
    let mut solo = solo(4, LimitAction::Drop);
    let conn = solo.establish(PEER, 65002);
    announce(&mut solo, conn, 0..4);
    configure(&mut solo, config(8, LimitAction::Drop));
    assert_eq!(refreshes(&mut solo, conn), 0);
}

/// What a peer does not tell again between its marks makes room, too.
#[test]
fn the_end_of_a_refresh_makes_room() {
    let mut solo = solo(10, LimitAction::Drop);
    let conn = solo.establish(PEER, 65002);
    announce(&mut solo, conn, 0..10);
    let mark = |subtype: u8| raw(5, &[0, 1, subtype, 1]);
    solo.send(conn, &mark(1));
    // Half of them are others now; what is not told again still counts.
    announce(&mut solo, conn, 5..15);
    assert_eq!(counted(&solo), (10, 5));
    refreshes(&mut solo, conn);
    solo.send(conn, &mark(2));
    assert_eq!(counted(&solo), (5, 5));
    assert_eq!(said(&solo).last(), Some(&(Crossing::Relieved, 5)));
    assert_eq!(refreshes(&mut solo, conn), 1);
    announce(&mut solo, conn, 5..15);
    assert_eq!(counted(&solo), (10, 5));
}
