//! Intervals, jitter, Poll sequences.

use super::*;

/// The times at which it sends until `until`, with a peer that keeps talking.
fn sends(session: &mut Session, from: Instant, until: Duration) -> Vec<(Duration, Packet)> {
    let mut sent = Vec::new();
    let mut now = from;
    while let Some(at) = session.next_timeout().filter(|at| *at < from + until) {
        now = now.max(at);
        let _ = session.tick(now);
        while let Some(packet) = session.poll_transmit(now) {
            sent.push((now - from, packet));
        }
    }
    sent
}

fn pauses(sent: &[(Duration, Packet)]) -> Vec<Duration> {
    sent.windows(2).map(|pair| pair[1].0 - pair[0].0).collect()
}

/// Never silent for the detection time.
fn talkative() -> Packet {
    Packet {
        multiplier: 255,
        desired_tx_micros: 10_000_000,
        required_rx_micros: 1,
        ..packet(State::Up, 5)
    }
}

#[test]
fn once_a_second_before_it_is_up() {
    let now = Instant::now();
    let mut session = Session::new(profile(50, 50, 3), 5, 1, now);
    let sent = sends(&mut session, now, ms(60_000));
    assert_eq!(sent[0].0, Duration::ZERO);
    let pauses = pauses(&sent);
    assert!(
        pauses
            .iter()
            .all(|pause| (ms(750)..ms(1000)).contains(pause)),
        "{pauses:?}"
    );
    assert!((60..=80).contains(&sent.len()), "{}", sent.len());
    assert!(
        sent.iter()
            .all(|(_, packet)| packet.desired_tx_micros == 1_000_000 && !packet.poll)
    );
}

#[test]
fn jitter_is_a_quarter_and_with_one_packet_at_least_a_tenth() {
    for (multiplier, most) in [(3, 100), (1, 90)] {
        let (mut session, now) = up(profile(100, 100, multiplier));
        let _ = session.receive(
            &Packet {
                final_: true,
                ..talkative()
            },
            now,
        );
        let sent = sends(&mut session, now, ms(60_000));
        let pauses = pauses(&sent);
        let allowed = ms(75)..=ms(most);
        assert!(
            pauses[2..].iter().all(|pause| allowed.contains(pause)),
            "{pauses:?}"
        );
        let spread = pauses[2..]
            .iter()
            .max()
            .unwrap()
            .abs_diff(*pauses[2..].iter().min().unwrap());
        assert!(spread > ms(10), "{spread:?}");
    }
}

#[test]
fn the_slower_of_both_sides_counts() {
    // This side may send every 50 ms, the peer takes 300: 300. The peer sends every 300, this side
    // would take 50: 300, three times.
    let (session, _) = up(profile(50, 50, 3));
    let intervals = session.intervals();
    assert_eq!(intervals.transmit, Some(ms(300)));
    assert_eq!(
        (intervals.receive, intervals.detection),
        (ms(300), Some(ms(900)))
    );
    let (session, _) = up(profile(500, 700, 7));
    let intervals = session.intervals();
    assert_eq!(intervals.transmit, Some(ms(500)));
    // The peer's multiplier.
    assert_eq!(
        (intervals.receive, intervals.detection),
        (ms(700), Some(ms(2100)))
    );
}

#[test]
fn it_polls_when_it_comes_up_until_it_is_answered() {
    let (mut session, now) = up(profile(100, 100, 3));
    let _ = session.receive(&talkative(), now);
    let sent = sends(&mut session, now, ms(1000));
    assert!(sent.len() >= 9 && sent.iter().all(|(_, packet)| packet.poll));
    let _ = session.receive(
        &Packet {
            final_: true,
            ..talkative()
        },
        now + ms(1000),
    );
    let sent = sends(&mut session, now + ms(1000), ms(1000));
    assert!(sent.len() >= 9 && sent.iter().all(|(_, packet)| !packet.poll));
    assert_eq!(session.counts().polls, 1);
}

#[test]
fn a_poll_is_answered_at_once_and_many_by_one() {
    let (mut session, now) = up(Profile::default());
    while session.poll_transmit(now).is_some() {}
    let poll = Packet {
        poll: true,
        ..packet(State::Up, 5)
    };
    for _ in 0..100 {
        let _ = session.receive(&poll, now + ms(1));
    }
    let answer = session.poll_transmit(now + ms(1)).unwrap();
    assert!(answer.final_ && !answer.poll);
    assert_eq!(session.poll_transmit(now + ms(1)), None);
    assert!(session.next_timeout().unwrap() > now + ms(1));
}

#[test]
fn slower_only_after_the_answer_faster_at_once() {
    let (mut session, now) = up(profile(300, 300, 3));
    let answer = Packet {
        final_: true,
        ..packet(State::Up, 5)
    };
    let _ = session.receive(&answer, now);
    // Slower: the peer must know before. It is asked for no more than it was: at once.
    session.set_profile(profile(1000, 1000, 3), now);
    assert_eq!(session.intervals().transmit, Some(ms(300)));
    assert_eq!(session.intervals().receive, ms(1000));
    let said = std::iter::from_fn(|| session.poll_transmit(now + ms(300)))
        .last()
        .unwrap();
    assert_eq!((said.desired_tx_micros, said.poll), (1_000_000, true));
    let _ = session.receive(&answer, now + ms(301));
    assert_eq!(session.intervals().transmit, Some(ms(1000)));
    // Faster: at once (as far as the peer takes it); to be heard more often must be known before.
    let takes_all = Packet {
        required_rx_micros: 1,
        desired_tx_micros: 1,
        ..packet(State::Up, 5)
    };
    let _ = session.receive(&takes_all, now + ms(302));
    session.set_profile(profile(50, 50, 3), now + ms(303));
    assert_eq!(session.intervals().transmit, Some(ms(50)));
    assert_eq!(session.intervals().detection, Some(ms(3000)));
    let _ = session.receive(
        &Packet {
            final_: true,
            ..takes_all
        },
        now + ms(310),
    );
    assert_eq!(session.intervals().detection, Some(ms(150)));
    // The session has not noticed.
    assert_eq!((session.state(), session.counts().ups), (State::Up, 1));
}

#[test]
fn a_change_during_a_poll_asks_again() {
    let (mut session, now) = up(profile(300, 300, 3));
    let answer = Packet {
        final_: true,
        ..packet(State::Up, 5)
    };
    let _ = session.receive(&answer, now);
    session.set_profile(profile(500, 300, 3), now);
    session.set_profile(profile(900, 300, 3), now);
    let _ = session.receive(&answer, now);
    // That may have been the answer to the first one.
    assert_eq!(session.intervals().transmit, Some(ms(300)));
    let _ = session.receive(&answer, now);
    assert_eq!(session.intervals().transmit, Some(ms(900)));
}

#[test]
fn a_peer_that_wants_none_or_is_in_demand_mode() {
    let (mut session, now) = up(profile(100, 100, 3));
    let none = Packet {
        required_rx_micros: 0,
        final_: true,
        ..talkative()
    };
    let _ = session.receive(&none, now);
    assert_eq!(session.intervals().transmit, None);
    assert!(sends(&mut session, now, ms(5000)).is_empty());
    // Still answered.
    let _ = session.receive(&Packet { poll: true, ..none }, now);
    assert!(session.poll_transmit(now).unwrap().final_);

    let demand = Packet {
        demand: true,
        final_: true,
        ..talkative()
    };
    let _ = session.receive(&demand, now);
    assert!(sends(&mut session, now, ms(5000)).is_empty());
    // While something is to be negotiated, it is spoken to.
    session.set_profile(profile(200, 100, 3), now);
    assert!(
        sends(&mut session, now, ms(5000))
            .iter()
            .all(|(_, packet)| packet.poll)
    );
    // Gone, it is spoken to again, once a second.
    let gone = now + ms(10_000) * 255;
    assert!(session.tick(gone).is_some());
    assert!(session.next_timeout().unwrap() <= gone + ms(1000));
}

#[test]
fn forged_changes_of_state_cause_no_flood() {
    let now = Instant::now();
    let mut session = Session::new(Profile::default(), 5, 1, now);
    let mut sent = 0;
    for micros in 0..100_000 {
        let now = now + Duration::from_micros(micros);
        let said = if micros % 3 == 1 {
            State::Init
        } else {
            State::Down
        };
        let _ = session.receive(&packet(said, 5), now);
        sent += std::iter::from_fn(|| session.poll_transmit(now)).count();
    }
    // In 100 ms.
    assert!(sent <= 12, "{sent}");
}

#[test]
fn who_wants_no_packets_gets_them_while_it_is_not_up() {
    let (mut session, now) = up(profile(100, 100, 3));
    let demand = |state| Packet {
        demand: true,
        state,
        ..talkative()
    };
    let answered = Packet {
        final_: true,
        ..demand(State::Up)
    };
    let _ = session.receive(&answered, now);
    let quiet = sends(&mut session, now, ms(1000));
    assert!(quiet.len() <= 1, "{quiet:?}");
    // It was away and hears us, without a word that it was down: it waits for a packet.
    let again = now + ms(1000);
    assert_eq!(session.receive(&demand(State::Init), again), Ok(None));
    assert!(sends(&mut session, again, ms(1000)).len() >= 9);
}
