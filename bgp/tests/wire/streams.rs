//! Connections that the table of rows lacks: how octets come, how connections end, and what is
//! said at the end.

use std::time::Duration;

use super::bytes::{NOTIFICATION, OPEN, hex, keepalive, message, plus, update};
use super::expect::ignores;
use super::lab::{Lab, P, P_TEXT};
use super::setup::Setup;

#[test]
fn keepalive_flood() {
    let flood = keepalive().repeat(50_000);
    ignores(Setup::external(), &flood);
}

/// The rows' puppet dials; here the daemon does.
#[test]
fn an_error_on_a_connection_that_the_daemon_made() {
    let setup = Setup::external();
    let open = setup.open.clone();
    let lab = Lab::new(setup);
    let puppet = lab.dialled();
    puppet.opens(&open);
    lab.clean(&puppet);
    puppet.send(&update("", &plus("40 63 02 0102"), P));
    puppet.is_told("3/2=4063020102");
    lab.gone();
    lab.comes_back();
}

/// A connection on which nothing is said does not keep the peer out.
#[test]
fn a_connection_that_says_nothing() {
    let lab = Lab::new(Setup::external());
    let silent = lab.connect();
    silent.hears(OPEN);
    lab.comes_back();
    silent.is_told("6/7");
}

#[test]
fn a_notification_instead_of_an_open() {
    let lab = Lab::new(Setup::external());
    let puppet = lab.connect();
    puppet.hears(OPEN);
    puppet.send(&message(NOTIFICATION, &hex("02 02")));
    puppet.is_left();
    lab.comes_back();
}

#[test]
fn a_message_octet_by_octet() {
    let (lab, puppet) = Lab::with_route(Setup::external());
    for octet in update("", &plus("c0fe04deadbeef"), P) {
        puppet.send(&[octet]);
        std::thread::sleep(Duration::from_millis(2));
    }
    lab.used(&["e0fe04deadbeef"]);
    lab.lives(&puppet);
}

#[test]
fn many_messages_in_one_segment() {
    let (lab, puppet) = Lab::with_route(Setup::external());
    let one = |number: u32| {
        let nlri = format!("18 6442{number:02x}");
        [update("", &plus(""), &nlri), keepalive()].concat()
    };
    let mut all: Vec<u8> = (0..=255).flat_map(one).collect();
    all.extend(update("", &plus(""), P));
    puppet.send(&all);
    lab.used(&[]);
    lab.lives(&puppet);
    let table = lab.observer.table();
    let there = (0..=255).filter(|number| table.contains_key(&format!("100.66.{number}.0/24")));
    assert_eq!(there.count(), 256);
}

/// What stands before the error in the same segment counts, what stands behind it does not.
#[test]
fn good_messages_around_a_bad_one() {
    let (lab, puppet) = Lab::with_route(Setup::external());
    let bad = message(255, &[]);
    let before = update("", &plus(""), "18 644002");
    let behind = update("", &plus(""), "18 644003");
    puppet.send(&[before, bad, behind].concat());
    puppet.is_told("1/3=ff");
    lab.gone();
    lab.comes_back();
    assert_eq!(lab.observer.history("100.64.3.0/24"), []);
}

/// Closing with unread octets would make the kernel send a reset, which can overtake the last
/// words.
#[test]
fn a_flood_behind_a_bad_message() {
    let (lab, puppet) = Lab::with_route(Setup::external());
    let flood = keepalive().repeat(20_000);
    puppet.send(&[message(255, &[]), flood].concat());
    puppet.is_told("1/3=ff");
    lab.gone();
    lab.comes_back();
}

#[test]
fn closed_in_the_middle_of_a_message() {
    let (lab, puppet) = Lab::with_route(Setup::external());
    let bytes = update("", &plus(""), "18 644002");
    puppet.send(&bytes[..bytes.len() - 2]);
    puppet.close();
    puppet.is_left();
    lab.gone();
    lab.logs(&["the peer closed the connection"]);
    lab.comes_back();
    assert_eq!(lab.observer.history("100.64.2.0/24"), []);
}

#[test]
fn reset_by_the_peer() {
    let (lab, puppet) = Lab::with_route(Setup::external());
    puppet.reset();
    lab.gone();
    lab.logs(&["the peer reset the connection"]);
    lab.comes_back();
}

#[test]
fn notification_of_an_unknown_code() {
    let (lab, puppet) = Lab::with_route(Setup::external());
    puppet.send(&message(NOTIFICATION, &hex("63 4d 0a1b5b324a")));
    puppet.is_left();
    lab.gone();
    lab.logs(&["received Unknown Error (99/77)"]);
    lab.comes_back();
}

#[test]
fn notification_as_long_as_can_be() {
    let (lab, puppet) = Lab::with_route(Setup::external());
    let body = [&hex("06 02 ff")[..], &[0x1b; 4074]].concat();
    puppet.send(&message(NOTIFICATION, &body));
    puppet.is_left();
    lab.gone();
    lab.comes_back();
}

/// A line of its own, a screen that is cleared, text that runs backwards: all of it in the
/// words that a peer may choose.
#[test]
fn notification_that_would_forge_the_log() {
    let words = "bye\n2026-01-01T00:00:00Z INFO peer=\"puppet\" all is well\r\x1b[2J\u{9b}1m\u{202e}evil\u{2066}\u{200f}\u{2028}\u{61c}";
    let length = u8::try_from(words.len()).unwrap();
    let body = [&[6, 2, length], words.as_bytes()].concat();
    let (lab, puppet) = Lab::with_route(Setup::external());
    puppet.send(&message(NOTIFICATION, &body));
    puppet.is_left();
    lab.gone();
    let line = lab.logs(&[
        "received Cease/Administrative Shutdown (6/2)",
        "all is well",
    ]);
    assert!(line.contains("\\n2026-01-01"), "{line}");
    lab.status_says("all is well");
    lab.comes_back();
}

/// No error, and no number of them, keeps the peer out.
#[test]
fn ten_errors_one_after_the_other() {
    let lab = Lab::new(Setup::external());
    for _ in 0..10 {
        let puppet = lab.established();
        lab.clean(&puppet);
        puppet.send(&update("", &plus(""), &format!("{P} 21 01020304 05")));
        puppet.is_told("3/10");
        lab.gone();
    }
    lab.comes_back();
}

/// RFC 4271 6.8.
#[test]
fn a_second_connection_loses_to_an_established_one() {
    let setup = Setup::external();
    let open = setup.open.clone();
    let (lab, puppet) = Lab::with_route(setup);
    let second = lab.connect();
    second.send(&open.bytes());
    second.is_told("6/7");
    lab.lives(&puppet);
    assert_eq!(lab.observer.history(P_TEXT).len(), 1);
}

/// RFC 4724 4.2: with graceful restart it takes the place of the old one, which is closed without
/// a word; the routes stay.
#[test]
fn a_second_connection_wins_with_graceful_restart() {
    let setup = Setup::external().and("40 0a 0078 00010180 00020180");
    let (lab, puppet) = Lab::with_route(setup);
    let second = lab.established();
    puppet.is_left();
    lab.lives(&second);
    assert_eq!(lab.observer.history(P_TEXT).len(), 1);
}
