//! Rows H: the message header (RFC 4271 6.1).

use super::bytes::{
    KEEPALIVE, NOTIFICATION, OPEN, Open, ROUTE_REFRESH, UPDATE, attribute, hex, message, plus, raw,
    text, update,
};
use super::expect::ends;
use super::lab::{Lab, P, P_TEXT};
use super::setup::Setup;

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

/// Messages of up to 65535 octets (RFC 8654).
const EXTENDED: &str = "06 00";

/// The body says: nothing withdrawn, no attributes, then 4074 default routes. That is U55.
#[test]
fn h03_length_4097_of_an_update_if_negotiated() {
    let (lab, puppet) = Lab::with_route(Setup::external().and(EXTENDED));
    puppet.send(&update("", &plus(""), "00"));
    lab.observer.sees("0.0.0.0/0", |_| true);
    puppet.send(&message(UPDATE, &[0; 4078]));
    lab.observer.loses("0.0.0.0/0");
    lab.lives(&puppet);
    // As long as can be, and P is the last of its prefixes.
    let count = (65535 - 19 - 4 - hex(&plus("")).len()) / 4;
    let prefixes = (1..count).map(|number| format!("18 65{number:04x}"));
    let nlri = prefixes.collect::<String>() + P;
    let bytes = update("", &plus(""), &nlri);
    assert!(bytes.len() > 65531);
    puppet.send(&bytes);
    lab.used(&[]);
    lab.observer.sees("101.0.1.0/24", |_| true);
    lab.lives(&puppet);
    // An attribute that fits no message to the observer, who has not offered longer ones.
    let value = vec![0x5a; 5000];
    puppet.send(&update("", &plus(&attribute(0xd0, 99, &value)), P));
    lab.observer.loses(P_TEXT);
    lab.kernel(true);
    lab.lives(&puppet);
}

#[test]
fn h03_length_4097_of_an_open_or_keepalive_if_negotiated() {
    for kind in [OPEN, KEEPALIVE] {
        let bytes = message(kind, &[0; 4078]);
        ends(Setup::external().and(EXTENDED), &bytes, "1/2=1001");
    }
}

#[test]
fn h03_length_4097_of_a_notification_if_negotiated() {
    let (lab, puppet) = Lab::with_route(Setup::external().and(EXTENDED));
    puppet.send(&message(NOTIFICATION, &[6; 4078]));
    puppet.is_left();
    lab.gone();
    lab.comes_back();
}

/// Its length is within the limit, but not one that it may have.
#[test]
fn h03_length_4097_of_a_route_refresh_if_negotiated() {
    let bytes = message(ROUTE_REFRESH, &[0; 4078]);
    ends(Setup::external().and(EXTENDED), &bytes, "1/2=1001");
}

/// It is refused before the body comes, and without room being made for it.
#[test]
fn h03_length_65535_and_nothing_behind_it() {
    ends(Setup::external(), &raw(0xffff, UPDATE, &[]), "1/2=ffff");
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

/// RFC 7313 5; data: the message.
#[test]
fn h10_route_refresh_of_22_with_enhanced_route_refresh() {
    let short = message(ROUTE_REFRESH, &hex("000100"));
    let expected = format!("7/1={}", text(&short));
    ends(Setup::external().and("46 00"), &short, &expected);
}
