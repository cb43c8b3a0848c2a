//! Rows X: what has crashed other speakers.

use super::bytes::{
    AS_PATH, NEXT_HOP, NOTIFICATION, OPEN, ORIGIN, Open, UPDATE, hex, message, plus, text, update,
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

/// RFC 8538 3: a hard reset ends graceful restart, whatever it encapsulates.
#[test]
fn x06_hard_reset_flushes_at_once() {
    for capability in [GRACEFUL_RESTART, WITH_N] {
        for (body, said) in [
            ("06 09 06 04", " for Cease/Administrative Reset (6/4)"),
            (
                "06 09 06 02 03 627965",
                " for Cease/Administrative Shutdown (6/2): \"bye\"",
            ),
            ("06 09", ""),
        ] {
            let (lab, puppet) = Lab::with_route(Setup::external().and(capability));
            puppet.send(&message(NOTIFICATION, &hex(body)));
            puppet.is_left();
            lab.gone();
            lab.logs(&["received", &format!("Cease/Hard Reset (6/9){said}")]);
            // In JSON the text's quotes are escaped.
            let said = said.split(':').next().unwrap();
            lab.status_says(&format!("Cease/Hard Reset (6/9){said}"));
            lab.comes_back();
        }
    }
}

/// The same with the N bit (RFC 8538 2).
const WITH_N: &str = "40 0a 4078 00010180 00020180";

/// The session is over, and P is kept as stale until the puppet is back and has told it again.
fn keeps(lab: &Lab) {
    lab.logs(&["stale"]);
    let back = lab.established();
    lab.lives(&back);
    assert_eq!(lab.observer.history(P_TEXT).len(), 1);
    lab.kernel(true);
    // What is not told again goes in the end.
    back.send(&update("", "", ""));
    lab.gone();
}

/// RFC 8538 4: a NOTIFICATION keeps routes where both sides have sent the N bit.
#[test]
fn x06_reset_with_the_n_bit() {
    let (lab, puppet) = Lab::with_route(Setup::external().and(WITH_N));
    let open = text(&puppet.hears(OPEN));
    let at = open.find("400a").expect("graceful restart");
    assert_eq!(&open[at + 4..at + 8], "4078", "N, and 120 s");
    puppet.send(&message(NOTIFICATION, &hex("06 04")));
    puppet.is_left();
    keeps(&lab);
}

#[test]
fn x06_reset_without_the_n_bit_flushes() {
    let (lab, puppet) = Lab::with_route(Setup::external().and(GRACEFUL_RESTART));
    puppet.send(&message(NOTIFICATION, &hex("06 04")));
    puppet.is_left();
    lab.gone();
    lab.comes_back();
}

/// RFC 8538 4: so does a NOTIFICATION of ours, here for an UPDATE that cannot be read.
#[test]
fn x06_an_error_of_the_peer_with_the_n_bit() {
    let (lab, puppet) = Lab::with_route(Setup::external().and(WITH_N));
    puppet.send(&message(UPDATE, &hex("ffff 0000")));
    puppet.is_told("3/1");
    keeps(&lab);
}

/// Not so after silence: RFC 8538 4 would have it kept, but a silent peer does not forward either.
#[test]
fn x06_silence_with_the_n_bit() {
    let lab = Lab::new(Setup::external().and(WITH_N));
    let puppet = lab.open(&Open {
        hold: 3,
        ..Open::rows().and(WITH_N)
    });
    lab.clean(&puppet);
    puppet.is_told("4/0");
    lab.gone();
}

/// RFC 8538 3.1 and 5.1: nobody shall keep anything of a session that is shut down on purpose.
/// With a reset it may.
#[test]
fn x06_shutdown_and_reset_from_here() {
    for (capability, command, told, kept) in [
        (WITH_N, "shutdown", "6/9=060203627965", false),
        (GRACEFUL_RESTART, "shutdown", "6/2=03627965", false),
        (WITH_N, "reset", "6/4=03627965", true),
        (GRACEFUL_RESTART, "reset", "6/4=03627965", false),
    ] {
        let (lab, puppet) = Lab::with_route(Setup::external().and(capability));
        lab.daemon.orders(&[command, "puppet", "--message", "bye"]);
        puppet.is_told(told);
        if kept {
            keeps(&lab);
        } else {
            lab.gone();
        }
    }
}
