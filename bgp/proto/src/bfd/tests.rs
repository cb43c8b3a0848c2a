mod codec;
mod pair;
mod sessions;
mod state;
mod times;

use std::time::{Duration, Instant};

use super::*;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn profile(transmit: u64, receive: u64, multiplier: u8) -> Profile {
    Profile {
        transmit: ms(transmit),
        receive: ms(receive),
        multiplier,
        ..Profile::default()
    }
}

/// As a peer would send it.
fn packet(state: State, yours: u32) -> Packet {
    Packet {
        diagnostic: Diagnostic::NONE,
        state,
        poll: false,
        final_: false,
        independent: false,
        authenticated: false,
        demand: false,
        multiplier: 3,
        my_discriminator: 77,
        your_discriminator: yours,
        desired_tx_micros: 300_000,
        required_rx_micros: 300_000,
        required_echo_rx_micros: 0,
    }
}

/// A session that is up, and when it came up.
fn up(profile: Profile) -> (Session, Instant) {
    let now = Instant::now();
    let mut session = Session::new(profile, 5, 1, now);
    assert_eq!(session.receive(&packet(State::Down, 0), now), Ok(None));
    assert_eq!(session.receive(&packet(State::Up, 5), now), Ok(None));
    assert_eq!(session.state(), State::Up);
    (session, now)
}
