//! A whole speaker: the octets are a script of what happens to it, and after every step and at the
//! end it must be as its invariants say.

mod messages;
mod script;
mod world;

use std::time::Duration;

use rcni_bgp_proto::message;
use rcni_bgp_proto::speaker::{CloseCause, Input, StopMode};

use messages::FAMILIES;
use script::Script;
use world::{PEERS, World};

/// More than this is the same again.
const STEPS: usize = 300;

/// Plays the script. In the end every peer comes with a clean session and leaves again, and
/// nothing is left of either.
pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let mut world = World::new(script.byte());
    for _ in 0..STEPS {
        let Some(step) = script.step() else { break };
        play(&mut world, step, &mut script);
        world.check();
    }
    world.finish();
}

fn play(world: &mut World, step: u8, script: &mut Script<'_>) {
    match step % 16 {
        0 => world.input(Input::Start),
        1 => {
            let text = "ä".repeat(usize::from(script.byte()));
            let mode = if step & 16 == 0 {
                StopMode::Restart
            } else {
                StopMode::Shutdown(text)
            };
            world.input(Input::Stop(mode));
        }
        2 => world.connected(script.byte()),
        3 => world.failed(script.byte()),
        4 => world.accept(script.byte() % 5 + 1),
        5 => world.own_addresses(script.byte(), script.byte()),
        6 => {
            let which = script.byte();
            world.receive(which, script.bytes());
        }
        7 => {
            let (which, kind) = (script.byte(), script.byte() % 7);
            world.receive(which, &messages::framed(kind, script.bytes()));
        }
        8 => world.closed(script.byte(), CloseCause::Reset),
        9 => world.wait(Duration::from_millis(u64::from(script.word()) * 4)),
        10 => world.transmit(script.byte(), usize::from(script.byte())),
        11 => bring_up(world, script),
        12 if step & 32 == 0 => world.work(1),
        12 => world.reconfigure(script.byte()),
        _ => speak(world, step, script),
    }
}

/// A peer connects and says what makes a session, all of it or a part.
fn bring_up(world: &mut World, script: &mut Script<'_>) {
    let (peer, hold, offer) = (script.byte() % 4 + 2, script.byte(), script.byte());
    world.accept(peer);
    let asn = world::asn(peer);
    let hold = if hold < 3 { 0 } else { u16::from(hold) };
    world.receive(0, &messages::open(asn, peer, hold, offer | 1));
    world.receive(0, &message::keepalive());
}

/// A peer says something on a connection that there is.
fn speak(world: &mut World, step: u8, script: &mut Script<'_>) {
    let (which, kind) = (script.byte(), script.byte());
    let peer = world.speaker_of(which);
    let asn = world::asn(peer);
    let bytes = match kind % 10 {
        0 => messages::announcement(asn, peer, script),
        1 => messages::withdrawal(script.byte()),
        2 => messages::flood(asn, peer, script.byte(), script.byte()),
        3 => messages::raw_update(script),
        4 => message::end_of_rib(FAMILIES[usize::from(step >> 4 & 1)]).to_vec(),
        5 => messages::framed(5, &[0, script.byte() % 3, script.byte() % 4, 1]),
        6 => messages::framed(
            3,
            &[script.byte() % 9, script.byte() % 12, 3, b'b', b'y', b'e'],
        ),
        7 => messages::open(asn, peer, u16::from(script.byte()), script.byte()),
        8 => [
            messages::announcement(asn, peer, script),
            messages::announcement(asn, peer, script),
        ]
        .concat(),
        _ => message::keepalive().to_vec(),
    };
    let bytes = bytes.as_slice();
    if step & 32 == 0 {
        world.receive(which, bytes);
    } else {
        // In two pieces, between which something may happen.
        let (head, tail) = bytes.split_at(bytes.len() / 2);
        world.receive(which, head);
        world.transmit(script.byte(), 3);
        world.receive(which, tail);
    }
    debug_assert!(usize::from(peer) <= PEERS + 2);
}
