//! The way to a peer, under its line.

use std::fmt::Write;

use super::{duration, wrapped};
use crate::control::model::{Bfd, Peer, Status};
use rcni_control::text::escape;

pub(super) fn path(out: &mut String, peer: &Peer) {
    let Some(bfd) = &peer.bfd else { return };
    let _ = write!(
        out,
        "    BFD: {} for {}",
        bfd.state,
        duration(bfd.since_seconds)
    );
    if bfd.is_up() {
        let millis = |micros: u64| micros as f64 / 1000.0;
        match bfd.intervals.transmit_micros {
            Some(micros) => {
                let _ = write!(out, ", a packet every {} ms", millis(micros));
            }
            None => out.push_str(", the peer wants no packets"),
        }
        if let Some(micros) = bfd.intervals.detection_micros {
            let _ = write!(out, ", down after {} ms of silence", millis(micros));
        }
    } else {
        let _ = write!(out, ", {}", why(bfd));
    }
    out.push('\n');
    if bfd.downs > 0 {
        let times = if bfd.downs == 1 { "time" } else { "times" };
        let _ = writeln!(out, "         went down {} {times}", bfd.downs);
    }
    if let Some(trouble) = &bfd.trouble {
        wrapped(out, &format!("BFD cannot send: {}", escape(trouble)));
    }
}

fn why(bfd: &Bfd) -> String {
    match (bfd.packets.received, bfd.remote_state.as_str()) {
        (0, _) if bfd.packets.sent == 0 && bfd.trouble.is_none() => {
            "waits for the peer to begin (passive), and the peer has not said anything".to_owned()
        }
        (0, _) => "the peer has not said anything".to_owned(),
        (_, "AdminDown") => "the peer has switched it off".to_owned(),
        _ => bfd.diagnostic.clone(),
    }
}

/// What is wrong with all of it.
pub(super) fn troubles(out: &mut String, status: &Status) {
    for trouble in &status.bfd.troubles {
        wrapped(out, &escape(trouble));
    }
    if status.bfd.surplus > 0 {
        let surplus = status.bfd.surplus;
        wrapped(
            out,
            &format!("{surplus} peers are not watched by BFD: there are too many"),
        );
    }
}
