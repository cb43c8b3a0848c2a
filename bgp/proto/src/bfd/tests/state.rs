//! The state machine, arrow by arrow.

use super::*;

fn after(path: &[State]) -> Session {
    let now = Instant::now();
    let mut session = Session::new(Profile::default(), 5, 1, now);
    for said in path {
        let _ = session.receive(&packet(*said, 5), now);
    }
    session
}

#[test]
fn every_arrow() {
    use State::{AdminDown, Down, Init, Up};
    let reach = |state| match state {
        Down => vec![],
        Init => vec![Down],
        _ => vec![Init],
    };
    for (from, said, to) in [
        (Down, AdminDown, Down),
        (Down, Down, Init),
        (Down, Init, Up),
        (Down, Up, Down),
        (Init, AdminDown, Down),
        (Init, Down, Init),
        (Init, Init, Up),
        (Init, Up, Up),
        (Up, AdminDown, Down),
        (Up, Down, Down),
        (Up, Init, Up),
        (Up, Up, Up),
    ] {
        let mut path = reach(from);
        assert_eq!(after(&path).state(), from);
        path.push(said);
        assert_eq!(after(&path).state(), to, "{from} and {said}");
    }
}

#[test]
fn why_it_went_down() {
    let (mut session, now) = up(Profile::default());
    let said = Packet {
        diagnostic: Diagnostic::EXPIRED,
        ..packet(State::Down, 0)
    };
    let down = session.receive(&said, now + ms(100)).unwrap().unwrap();
    assert_eq!(down.why, Why::Signalled(Diagnostic::EXPIRED));
    assert_eq!(down.up_for, ms(100));
    assert_eq!(session.diagnostics().0, Diagnostic::NEIGHBOR);

    // Another discriminator, no failure named, ours forgotten: it was started again.
    let (mut session, now) = up(Profile::default());
    let anew = Packet {
        my_discriminator: 78,
        ..packet(State::Down, 0)
    };
    let down = session.receive(&anew, now).unwrap().unwrap();
    assert_eq!(down.why, Why::Anew);
    // It says that we have said Down: we have not.
    let (mut session, now) = up(Profile::default());
    let taken_away = Packet {
        diagnostic: Diagnostic::NEIGHBOR,
        ..packet(State::Down, 5)
    };
    let down = session.receive(&taken_away, now).unwrap().unwrap();
    assert_eq!(down.why, Why::Anew);
    // The same discriminator: it is the same session, and has failed.
    let (mut session, now) = up(Profile::default());
    let down = session
        .receive(&packet(State::Down, 0), now)
        .unwrap()
        .unwrap();
    assert_eq!(down.why, Why::Signalled(Diagnostic::NONE));

    let (mut session, now) = up(Profile::default());
    let down = session.receive(&packet(State::AdminDown, 5), now).unwrap();
    assert_eq!(down.unwrap().why, Why::AdminDown);
    assert_eq!(session.counts().downs, 1);
}

#[test]
fn silence() {
    let (mut session, now) = up(Profile::default());
    let detection = session.intervals().detection.unwrap();
    assert_eq!(detection, ms(900));
    assert_eq!(session.tick(now + ms(899)), None);
    let down = session.tick(now + ms(900)).unwrap();
    assert_eq!(down.why, Why::Expired(ms(900)));
    assert_eq!(session.state(), State::Down);
    assert_eq!(session.diagnostics().0, Diagnostic::EXPIRED);
    // Its discriminator is forgotten, and this side speaks on once a second.
    assert_eq!(session.remote_discriminator(), 0);
    let packet = session.poll_transmit(now + ms(900)).unwrap();
    assert_eq!((packet.state, packet.your_discriminator), (State::Down, 0));
    assert_eq!(packet.diagnostic, Diagnostic::EXPIRED);
    assert_eq!(packet.desired_tx_micros, 1_000_000);
    // Once.
    assert_eq!(session.tick(now + ms(5000)), None);
}

#[test]
fn silence_before_it_is_up_is_no_news() {
    let now = Instant::now();
    let mut session = Session::new(Profile::default(), 5, 1, now);
    let _ = session.receive(&packet(State::Down, 0), now);
    assert_eq!(session.state(), State::Init);
    assert_eq!(session.tick(now + ms(900)), None);
    assert_eq!(session.state(), State::Down);
}

#[test]
fn switched_off_it_listens_to_nobody() {
    let (mut session, now) = up(profile(50, 50, 3));
    // The peer takes a packet in 300 ms.
    assert_eq!(session.switch_off(now), ms(900));
    assert_eq!(
        session.receive(&packet(State::Up, 5), now),
        Err(Discard::AdminDown)
    );
    let said = session.poll_transmit(now).unwrap();
    assert_eq!(
        (said.state, said.diagnostic),
        (State::AdminDown, Diagnostic::ADMIN_DOWN)
    );
}

#[test]
fn authentication_that_nobody_has_configured() {
    let (mut session, now) = up(Profile::default());
    let signed = Packet {
        authenticated: true,
        ..packet(State::Down, 5)
    };
    assert_eq!(session.receive(&signed, now), Err(Discard::Authentication));
    assert_eq!(session.state(), State::Up);
}

#[test]
fn a_passive_one_waits() {
    let now = Instant::now();
    let passive = Profile {
        passive: true,
        ..Profile::default()
    };
    let mut session = Session::new(passive, 5, 1, now);
    assert_eq!(session.next_timeout(), None);
    assert_eq!(session.poll_transmit(now + ms(5000)), None);
    let _ = session.receive(&packet(State::Down, 0), now);
    let said = session.poll_transmit(now).unwrap();
    assert_eq!((said.state, said.your_discriminator), (State::Init, 77));
    // And again, when nobody is there any more; but until then it says what it has noticed.
    let _ = session.tick(now + ms(900));
    assert_eq!(session.poll_transmit(now + ms(60_000)), None);
}
