//! Rows N and R, and X06: NOTIFICATIONs and ROUTE-REFRESH from the peer (RFC 9003, RFC 2918,
//! RFC 7313 5, RFC 8538).

use super::bytes::{NOTIFICATION, ROUTE_REFRESH, hex, message};
use super::expect::ignores;
use super::lab::{Lab, Setup};

/// The NOTIFICATION ends the session without an answer; the log has this, and nothing in it that
/// a terminal would act on.
fn left(body: &[u8], logged: &[&str]) {
    let (lab, puppet) = Lab::with_route(Setup::external());
    puppet.send(&message(NOTIFICATION, body));
    puppet.is_left();
    lab.gone();
    lab.logs(logged);
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
        &["received Cease/Administrative Shutdown (6/2)", "\u{fffd}("],
    );
}

#[test]
fn r01_route_refresh_of_an_unknown_family() {
    let bytes = message(ROUTE_REFRESH, &hex("0019 00 46"));
    ignores(Setup::external(), &bytes);
}

#[test]
fn r02_route_refresh_subtype_99() {
    let bytes = message(ROUTE_REFRESH, &hex("0001 63 01"));
    ignores(Setup::external(), &bytes);
}
