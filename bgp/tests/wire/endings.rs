//! Rows N and R, and X06: NOTIFICATIONs and ROUTE-REFRESH from the peer (RFC 9003, RFC 2918,
//! RFC 7313 5, RFC 8538).

use super::bytes::{NOTIFICATION, ROUTE_REFRESH, hex, message, plus, update};
use super::lab::{Lab, P_TEXT};
use super::setup::Setup;

/// The NOTIFICATION ends the session without an answer; the log has this, and nothing in it that
/// a terminal would act on.
fn left(body: &[u8], logged: &[&str]) {
    let (lab, puppet) = Lab::with_route(Setup::external());
    puppet.send(&message(NOTIFICATION, body));
    puppet.is_left();
    lab.gone();
    lab.logs(logged);
    lab.status_says("Administrative Shutdown");
    lab.comes_back();
}

#[test]
fn n01_shutdown_communication_shorter_than_its_length() {
    let body = [&hex("06 02 ff")[..], b"0123456789"].concat();
    left(&body, &["received Cease/Administrative Shutdown (6/2)"]);
}

#[test]
fn n02_shutdown_communication_of_bad_utf8() {
    let bad = [0xc3, 0x28, 0xff, 0xfe, 0xed, 0xa0, 0x80, 0xf8].repeat(25);
    assert_eq!(bad.len(), 200);
    let body = [&hex("06 02 c8")[..], &bad].concat();
    left(
        &body,
        &["received Cease/Administrative Shutdown (6/2)", "\\xc3("],
    );
}

/// A route that the observer has announced: told to the puppet once, and again whenever it asks.
const OTHER: &str = "18 644003";

/// The message changes nothing here, and nothing is told again; what is asked for properly is.
fn refreshes_nothing(capability: &str, body: &str) {
    let (lab, puppet) = Lab::with_route(Setup::external().and(capability));
    lab.observer.announces(OTHER);
    puppet.is_told_routes(1);
    puppet.send(&message(ROUTE_REFRESH, &hex(body)));
    lab.lives(&puppet);
    assert_eq!(lab.observer.history(P_TEXT).len(), 1);
    assert_eq!(puppet.announcements(), 1);
    puppet.send(&message(ROUTE_REFRESH, &hex("0001 00 01")));
    puppet.is_told_routes(2);
    lab.lives(&puppet);
}

/// RFC 7313.
const ENHANCED: &str = "46 00";

#[test]
fn r01_route_refresh_of_an_unknown_family() {
    refreshes_nothing("", "0019 00 46");
}

/// RFC 7313 5. Where it was not negotiated the octet is a reserved one (RFC 2918 3), which a
/// sender of 99 cannot mean.
#[test]
fn r02_route_refresh_subtype_99() {
    refreshes_nothing("", "0001 63 01");
    refreshes_nothing(ENHANCED, "0001 63 01");
}

/// RFC 7313 4.2: what was not announced between the two is gone.
#[test]
fn refresh_with_its_beginning_and_its_end() {
    let (lab, puppet) = Lab::with_route(Setup::external().and(ENHANCED));
    puppet.send(&update("", &plus(""), "18 644002"));
    lab.observer.sees("100.64.2.0/24", |_| true);
    puppet.send(&message(ROUTE_REFRESH, &hex("0001 01 01")));
    lab.clean(&puppet);
    puppet.send(&message(ROUTE_REFRESH, &hex("0001 02 01")));
    lab.observer.loses("100.64.2.0/24");
    lab.lives(&puppet);
    assert_eq!(
        lab.observer.history(P_TEXT).len(),
        1,
        "P was there all the time"
    );
    // An end without a beginning says nothing.
    puppet.send(&message(ROUTE_REFRESH, &hex("0001 02 01")));
    lab.lives(&puppet);
    assert_eq!(lab.observer.history(P_TEXT).len(), 1);
}
