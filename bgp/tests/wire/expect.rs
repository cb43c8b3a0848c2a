//! What rows require, each with all that has to hold afterwards.

use super::bytes::{attribute, hex, update};
use super::lab::{Lab, P, P_TEXT};
use super::setup::Setup;

/// In an Established session `bytes` end it with this NOTIFICATION, P goes with it, and it can
/// come back at once.
pub fn ends(setup: Setup, bytes: &[u8], expected: &str) {
    let (lab, puppet) = Lab::with_route(setup);
    puppet.send(bytes);
    puppet.is_told(expected);
    lab.gone();
    lab.comes_back();
}

/// P with these attributes is treated as withdrawn, for a reason that the log has.
pub fn withdraws(setup: Setup, attributes: &str, why: &str) {
    withdraws_by(setup, &update("", attributes, P), why);
}

/// The same for a whole message.
pub fn withdraws_by(setup: Setup, bytes: &[u8], why: &str) {
    let (lab, puppet) = Lab::with_route(setup);
    puppet.send(bytes);
    lab.gone();
    lab.logs(&["puppet", why]);
    lab.lives(&puppet);
    lab.clean(&puppet);
}

/// P with these attributes, a path of B among them, is passed on with B's and `more`.
pub fn passes(setup: Setup, attributes: &str, more: &[&str]) {
    let (lab, puppet) = Lab::with_route(setup);
    puppet.send(&update("", attributes, P));
    lab.used(more);
    lab.lives(&puppet);
}

/// The same, and the log says why an attribute is not passed on.
pub fn discards(setup: Setup, attributes: &str, why: &str) {
    let (lab, puppet) = Lab::with_route(setup);
    puppet.send(&update("", attributes, P));
    lab.used(&[]);
    lab.logs(&["puppet", why, "attribute discarded"]);
    lab.lives(&puppet);
}

/// `bytes` change nothing: P stays as it was, and the session too.
pub fn ignores(setup: Setup, bytes: &[u8]) {
    let (lab, puppet) = Lab::with_route(setup);
    puppet.send(bytes);
    lab.lives(&puppet);
    assert_eq!(lab.observer.history(P_TEXT).len(), 1);
    lab.kernel(true);
}

/// MP_REACH_NLRI of a family like `000201` with this next hop and these prefixes.
pub fn mp_reach(family: &str, next_hop: &str, nlri: &str) -> String {
    let length = hex(next_hop).len();
    let value = format!("{family}{length:02x}{next_hop}00{nlri}");
    attribute(0x80, 14, &hex(&value))
}
