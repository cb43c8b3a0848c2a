//! Rows X: what has crashed other speakers.

use super::bytes::{
    AS_PATH, NEXT_HOP, NOTIFICATION, OPEN, ORIGIN, hex, message, plus, text, update,
};
use super::expect::{passes, withdraws, withdraws_by};
use super::lab::{Lab, P, P_TEXT};
use super::setup::Setup;

/// Graceful restart of both families, 120 s.
const GRACEFUL_RESTART: &str = "40 0a 0078 00010180 00020180";

#[test]
fn x01_as4_path_malformed_and_before_as_path() {
    let path = "4002060202 fde9fde7";
    let attributes = ["c01103 02ff00", ORIGIN, path, NEXT_HOP].concat();
    let (lab, puppet) = Lab::with_route(Setup::two_octets());
    puppet.send(&update("", &attributes, P));
    lab.used(&[]);
    lab.logs(&["AS4_PATH: malformed", "attribute discarded"]);
    lab.lives(&puppet);
}

#[test]
fn x01_as4_path_that_is_well_formed() {
    let attributes = [
        ORIGIN,
        "4002060202 fde95ba0",
        NEXT_HOP,
        "c01106 0201 fa56ea01",
    ];
    let (lab, puppet) = Lab::with_route(Setup::two_octets());
    puppet.send(&update("", &attributes.concat(), P));
    let expected = lab.told(&["0000fde9", "fa56ea01"], &[]);
    lab.observer.sees(P_TEXT, |route| route.texts() == expected);
    lab.lives(&puppet);
}

#[test]
fn x02_next_hop_length_0_to_3() {
    for next_hop in ["400300", "4003010a", "4003020a63", "4003030a6300"] {
        let attributes = [ORIGIN, AS_PATH, next_hop].concat();
        withdraws(Setup::external(), &attributes, "NEXT_HOP: the length");
    }
}

#[test]
fn x03_ipv6_extended_community_truncated() {
    let attributes = plus("c01905 0002200100");
    let why = "IPV6_EXTENDED_COMMUNITIES: the length";
    withdraws(Setup::external(), &attributes, why);
}

#[test]
fn x03_ipv6_extended_community_whole() {
    let whole = format!("c01914 0002 {} 0000", "20010db8".repeat(4));
    passes(Setup::external(), &plus(&whole), &[&whole]);
}

#[test]
fn x04_only_an_unknown_attribute_with_graceful_restart() {
    let only = format!("c01f10 {}", "5a".repeat(16));
    let setup = Setup::external().and(GRACEFUL_RESTART);
    withdraws_by(setup, &update("", &only, P), "ORIGIN: missing");
}

/// Without a NOTIFICATION P is kept: graceful restart is at work in the tests after this one.
#[test]
fn x06_graceful_restart_keeps_routes_as_stale() {
    let (lab, puppet) = Lab::with_route(Setup::external().and(GRACEFUL_RESTART));
    puppet.close();
    puppet.is_left();
    lab.logs(&["stale"]);
    let back = lab.established();
    lab.lives(&back);
    assert_eq!(lab.observer.history(P_TEXT).len(), 1);
    lab.kernel(true);
}

/// RFC 8538 3.2: a hard reset ends graceful restart, whatever it encapsulates.
#[test]
fn x06_hard_reset_flushes_at_once() {
    for capability in [GRACEFUL_RESTART, WITH_N] {
        let (lab, puppet) = Lab::with_route(Setup::external().and(capability));
        puppet.send(&message(NOTIFICATION, &hex("06 09 06 04")));
        puppet.is_left();
        lab.gone();
        lab.comes_back();
    }
}

/// The same with the N bit (RFC 8538 2).
const WITH_N: &str = "40 0a 4078 00010180 00020180";

/// RFC 8538 4: a NOTIFICATION keeps routes only where both sides have sent the N bit.
#[test]
fn x06_reset_with_the_n_bit() {
    let (lab, puppet) = Lab::with_route(Setup::external().and(WITH_N));
    let open = text(&puppet.hears(OPEN));
    let at = open.find("400a").expect("graceful restart");
    let n_bit = hex(&open[at + 4..at + 6])[0] & 0x40 != 0;
    puppet.send(&message(NOTIFICATION, &hex("06 04")));
    puppet.is_left();
    assert!(!n_bit, "offered: then P must be kept");
    lab.gone();
    lab.comes_back();
}
