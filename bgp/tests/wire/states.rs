//! Rows F: messages that the state does not expect (RFC 6608; data: the type), and silence.

use std::time::{Duration, Instant};

use super::bytes::{KEEPALIVE, OPEN, Open, ROUTE_REFRESH, UPDATE, hex, keepalive, message, update};
use super::expect::ends;
use super::lab::Lab;
use super::setup::Setup;

fn empty_update() -> Vec<u8> {
    update("", "", "")
}

fn in_open_sent(bytes: &[u8], expected: &str) {
    let lab = Lab::new(Setup::external());
    let puppet = lab.connect();
    puppet.hears(OPEN);
    puppet.send(bytes);
    puppet.is_told(expected);
    lab.comes_back();
}

fn in_open_confirm(bytes: &[u8], expected: &str) {
    let lab = Lab::new(Setup::external());
    let puppet = lab.connect();
    puppet.send(&Open::rows().bytes());
    puppet.hears(KEEPALIVE);
    puppet.send(bytes);
    puppet.is_told(expected);
    lab.comes_back();
}

#[test]
fn f01_update_in_open_sent() {
    in_open_sent(&empty_update(), "5/1=02");
}

#[test]
fn f02_keepalive_in_open_sent() {
    in_open_sent(&keepalive(), "5/1=04");
}

#[test]
fn f02_route_refresh_in_open_sent() {
    in_open_sent(&message(ROUTE_REFRESH, &hex("00010001")), "5/1=05");
}

#[test]
fn f03_update_in_open_confirm() {
    in_open_confirm(&empty_update(), "5/2=02");
}

#[test]
fn f03_open_in_open_confirm() {
    in_open_confirm(&Open::rows().bytes(), "5/2=01");
}

/// The state is judged before the body: this UPDATE would be 3/1 in Established.
#[test]
fn f03_malformed_update_in_open_confirm() {
    in_open_confirm(&message(UPDATE, &hex("ffff 0000")), "5/2=02");
}

#[test]
fn f04_open_in_established() {
    ends(Setup::external(), &Open::rows().bytes(), "5/3=01");
}

#[test]
fn f05_silence() {
    let lab = Lab::new(Setup::external());
    let open = Open {
        hold: 3,
        ..Open::rows()
    };
    let puppet = lab.open(&open);
    let last = Instant::now();
    lab.clean(&puppet);
    puppet.is_told("4/0");
    let silence = last.elapsed();
    assert!(silence >= Duration::from_secs(3), "{silence:?}");
    let heard = puppet.heard();
    let ours = heard.iter().filter(|heard| heard.body(KEEPALIVE).is_some());
    assert!(
        ours.count() >= 2,
        "the daemon's own KEEPALIVEs, one a second"
    );
    lab.gone();
    lab.comes_back();
}

/// For longer than the hold time, and each of them sooner than it ends.
fn stays_up(bytes: &[u8]) {
    let lab = Lab::new(Setup::external());
    let open = Open {
        hold: 3,
        ..Open::rows()
    };
    let puppet = lab.open(&open);
    lab.clean(&puppet);
    for _ in 0..9 {
        std::thread::sleep(Duration::from_millis(500));
        puppet.send(bytes);
    }
    lab.lives(&puppet);
}

#[test]
fn f05_keepalives_are_no_silence() {
    stays_up(&keepalive());
}

#[test]
fn f05_updates_are_no_silence() {
    stays_up(&empty_update());
}
