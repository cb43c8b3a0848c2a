//! Rows H: the message header (RFC 4271 6.1).

use super::bytes::{KEEPALIVE, NOTIFICATION, OPEN, Open, ROUTE_REFRESH, UPDATE, hex, message, raw};
use super::expect::ends;
use super::lab::{Lab, Setup};

#[test]
fn h01_bad_marker() {
    let lab = Lab::new(Setup::external());
    let puppet = lab.connect();
    let mut open = Open::rows().bytes();
    open[..16].fill(0);
    puppet.send(&open);
    puppet.is_told("1/1");
    lab.comes_back();
}

#[test]
fn h01_bad_marker_in_established() {
    let mut bytes = message(KEEPALIVE, &[]);
    bytes[15] = 0xfe;
    ends(Setup::external(), &bytes, "1/1");
}

#[test]
fn h02_length_18() {
    ends(Setup::external(), &raw(18, KEEPALIVE, &[]), "1/2=0012");
}

#[test]
fn h03_length_4097() {
    ends(Setup::external(), &message(UPDATE, &[0; 4078]), "1/2=1001");
}

#[test]
fn h04_type_0() {
    ends(Setup::external(), &message(0, &[]), "1/3=00");
}

#[test]
fn h05_type_255() {
    ends(Setup::external(), &message(255, &[]), "1/3=ff");
}

#[test]
fn h06_keepalive_of_20() {
    ends(Setup::external(), &message(KEEPALIVE, &[0]), "1/2=0014");
}

#[test]
fn h07_open_of_28() {
    let lab = Lab::new(Setup::external());
    let puppet = lab.connect();
    puppet.send(&message(OPEN, &hex("04 fde9 005a 0a630002")));
    puppet.is_told("1/2=001c");
    lab.comes_back();
}

#[test]
fn h08_update_of_22() {
    ends(Setup::external(), &message(UPDATE, &[0; 3]), "1/2=0016");
}

#[test]
fn h09_notification_of_20() {
    ends(Setup::external(), &message(NOTIFICATION, &[6]), "1/2=0014");
}

#[test]
fn h10_route_refresh_of_22() {
    let short = message(ROUTE_REFRESH, &hex("000100"));
    ends(Setup::external(), &short, "1/2=0016");
}
