//! Rows U of the message as a whole: lengths, prefixes, doubles, messages without reachable
//! prefixes (RFC 4271 6.3, RFC 7606 3 to 5).

use super::bytes::{
    AS_PATH, NEXT_HOP, ORIGIN, UPDATE, hex, message, plus, update, update_body, with_path,
};
use super::expect::{ends, mp_reach, passes, withdraws, withdraws_by};
use super::lab::{Lab, P};
use super::setup::Setup;

/// 100.64.2.0/24: stands before a broken prefix, and must not be taken.
const Q: &str = "18 644002";
const Q_TEXT: &str = "100.64.2.0/24";

/// UPDATE bodies that end the session with Malformed Attribute List or Invalid Network Field,
/// for which there is no data (RFC 4271 6.3). Nothing of them is applied.
fn breaks(body: &[u8], expected: &str) {
    let (lab, puppet) = Lab::with_route(Setup::external());
    puppet.send(&message(UPDATE, body));
    puppet.is_told(expected);
    lab.gone();
    lab.comes_back();
    assert_eq!(lab.observer.history(Q_TEXT), []);
}

#[test]
fn u01_withdrawn_length_ffff() {
    let mut body = update_body("", &plus(""), Q);
    body[..2].fill(0xff);
    breaks(&body, "3/1");
}

#[test]
fn u02_attribute_length_100_too_long() {
    let mut body = update_body("", &plus(""), Q);
    body[3] += 100;
    breaks(&body, "3/1");
}

#[test]
fn u03_announced_prefix_of_33_bits() {
    let nlri = format!("{Q} 21 01020304 05");
    breaks(&update_body("", &plus(""), &nlri), "3/10");
}

#[test]
fn u04_prefix_of_24_bits_with_2_octets() {
    let nlri = format!("{Q} 18 c633");
    breaks(&update_body("", &plus(""), &nlri), "3/10");
}

#[test]
fn u58_withdrawn_prefix_of_33_bits() {
    breaks(&update_body("21 01020304 05", &plus(""), Q), "3/10");
    breaks(&update_body(&format!("{P} 21 01020304 05"), "", ""), "3/10");
}

#[test]
fn u36_origin_twice() {
    passes(Setup::external(), &plus("40010102"), &[]);
}

#[test]
fn u36_the_first_counts_also_if_it_is_the_malformed_one() {
    let attributes = ["40010103", AS_PATH, NEXT_HOP, ORIGIN].concat();
    withdraws(Setup::external(), &attributes, "ORIGIN: the value");
}

#[test]
fn u37_mp_reach_twice() {
    let reach = mp_reach(
        "000201",
        "fd000099000000000000000000000002",
        "30 20010db80064",
    );
    let attributes = [ORIGIN, AS_PATH, &reach, &reach].concat();
    ends(Setup::external(), &update("", &attributes, ""), "3/1");
    let unreach = "800f03 000201";
    let attributes = [unreach, unreach].concat();
    ends(Setup::external(), &update("", &attributes, ""), "3/1");
}

#[test]
fn u41_last_attribute_overruns_the_list() {
    let attributes = plus("8004c8 00000001");
    withdraws(
        Setup::external(),
        &attributes,
        "MULTI_EXIT_DISC: the last attribute overruns",
    );
}

#[test]
fn u42_two_stray_octets() {
    let why = "the last attribute overruns the list";
    withdraws(Setup::external(), &plus("8004"), why);
}

#[test]
fn u55_prefix_without_attributes() {
    withdraws_by(Setup::external(), &update("", "", P), "ORIGIN: missing");
}

/// RFC 7606 5.2: there is nothing that could be treated as withdrawn.
#[test]
fn u56_bad_origin_without_prefixes() {
    let attributes = ["40010103", AS_PATH, NEXT_HOP].concat();
    ends(
        Setup::external(),
        &update("", &attributes, ""),
        "3/6=40010103",
    );
    // The same beside a withdrawal.
    ends(
        Setup::external(),
        &update(P, &attributes, ""),
        "3/6=40010103",
    );
}

#[test]
fn u57_bad_origin_in_what_looks_like_end_of_rib() {
    let attributes = "800f03 000201 40010103";
    ends(
        Setup::external(),
        &update("", attributes, ""),
        "3/6=40010103",
    );
}

#[test]
fn u59_as_path_of_500() {
    let segment = |count: u8| format!("02{count:02x}{}", "0000fde9".repeat(count.into()));
    let (lab, puppet) = Lab::with_route(Setup::external());
    let attributes = with_path(&(segment(255) + &segment(245)));
    puppet.send(&update("", &attributes, P));
    let route = lab.observer.sees(super::lab::P_TEXT, |route| {
        route.value(2).is_some_and(|path| path.len() > 2000)
    });
    // Ours does not fit the first segment any more.
    let expected = format!("02010000fde8{}{}", segment(255), segment(245));
    assert_eq!(route.value(2).unwrap(), hex(&expected));
    lab.kernel(true);
    lab.lives(&puppet);
}

#[test]
fn u60_extended_length_on_a_short_attribute() {
    let attributes = ["5001000100", AS_PATH, NEXT_HOP].concat();
    passes(Setup::external(), &attributes, &[]);
}
