//! UPDATEs that the table of rows lacks: further cases of the RFCs.

use super::bytes::{
    AS_PATH, NEXT_HOP, ORIGIN, attribute, hex, message, plus, update, update_body, with_path,
};
use super::expect::{discards, ends, ignores, mp_reach, passes, withdraws};
use super::lab::{Lab, P, P_TEXT};
use super::setup::Setup;
use crate::common::wait;

const V6_HOP: &str = "fd000099000000000000000000000002";
const V6: &str = "30 20010db80064";
const V6_TEXT: &str = "2001:db8:64::/48";

/// RFC 4271 4.3: a prefix that is withdrawn and announced by one message is announced.
#[test]
fn withdrawn_and_announced_at_once() {
    let (lab, puppet) = Lab::with_route(Setup::external());
    puppet.send(&update(P, &plus(""), P));
    lab.used(&[]);
    lab.lives(&puppet);
}

#[test]
fn announced_twice_by_one_message() {
    let (lab, puppet) = Lab::with_route(Setup::external());
    puppet.send(&update("", &plus(""), &format!("{P} {P}")));
    lab.used(&[]);
    lab.lives(&puppet);
}

/// RFC 4271 4.3: "the value of trailing bits is irrelevant".
#[test]
fn host_bits_are_set() {
    let (lab, puppet) = Lab::with_route(Setup::external());
    puppet.send(&update("", &plus(""), "14 64401f"));
    lab.observer.sees("100.64.16.0/20", |_| true);
    puppet.send(&update("14 644010", "", ""));
    lab.observer.loses("100.64.16.0/20");
    lab.lives(&puppet);
}

#[test]
fn default_route() {
    let (lab, puppet) = Lab::with_route(Setup::external());
    puppet.send(&update("", &plus(""), "00"));
    lab.observer.sees("0.0.0.0/0", |_| true);
    puppet.send(&update("00", "", ""));
    lab.observer.loses("0.0.0.0/0");
    lab.lives(&puppet);
}

/// What follows a default route is the length of the next prefix: here of 100 bits.
#[test]
fn default_route_with_octets() {
    let bytes = update("", &plus(""), "00 644001");
    ends(Setup::external(), &bytes, "3/10");
}

#[test]
fn withdrawn_but_never_announced() {
    ignores(Setup::external(), &update("18 644063 20 c6336401", "", ""));
}

#[test]
fn attributes_without_prefixes() {
    ignores(Setup::external(), &update("", &plus(""), ""));
}

/// RFC 4271 4.3: the lower four bits are to be ignored; RFC 7606 3 c: so is Partial here.
#[test]
fn unused_flag_bits_and_partial() {
    for origin in ["4f010100", "60010100"] {
        let attributes = [origin, AS_PATH, NEXT_HOP].concat();
        passes(Setup::external(), &attributes, &[]);
    }
}

/// RFC 4271 4.3, 9: once set Partial stays set, also on what is understood.
#[test]
fn partial_stays_set() {
    let attributes = plus("e00804 fde90001");
    passes(Setup::external(), &attributes, &["e00804 fde90001"]);
}

#[test]
fn extended_length_of_0_and_of_4000() {
    passes(Setup::external(), &plus("d0630000"), &["e06300"]);
    let value = "a5".repeat(4000);
    let attributes = plus(&format!("d063 0fa0 {value}"));
    passes(
        Setup::external(),
        &attributes,
        &[&format!("f063 0fa0 {value}")],
    );
}

/// What fits the message that came need not fit the one that is to go: our AS number is put
/// before the path. Then the observer is told nothing, and forgets what it was told.
#[test]
fn too_long_to_be_passed_on() {
    let (lab, puppet) = Lab::with_route(Setup::external());
    let room = 4096 - update("", &plus(""), P).len() - 4;
    let bytes = update("", &plus(&attribute(0xd0, 99, &vec![0x5a; room])), P);
    assert_eq!(bytes.len(), 4096);
    puppet.send(&bytes);
    lab.observer.loses(P_TEXT);
    lab.kernel(true);
    lab.lives(&puppet);
    lab.clean(&puppet);
}

/// As many attributes as there are codes, each of them unknown, optional and transitive.
#[test]
fn all_unknown_codes_at_once() {
    let known = [
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 25, 32, 35,
    ];
    let codes = (0..=255).filter(|code| !known.contains(code));
    let (sent, told): (Vec<String>, Vec<String>) = codes
        .map(|code| {
            (
                attribute(0xc0, code, &[code]),
                attribute(0xe0, code, &[code]),
            )
        })
        .unzip();
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    passes(Setup::external(), &plus(&sent.concat()), &told);
}

/// RFC 7606 3 g counts every code once; the first of each counts.
#[test]
fn a_thousand_origins() {
    let attributes = plus(&"40010102".repeat(900));
    passes(Setup::external(), &attributes, &[]);
}

#[test]
fn next_hops_that_never_work() {
    for (next_hop, why) in [
        ("7f000001", "loopback"),
        ("ffffffff", "broadcast"),
        ("effffffe", "multicast"),
    ] {
        let attributes = [ORIGIN, AS_PATH, "400304", next_hop].concat();
        withdraws(Setup::external(), &attributes, why);
    }
}

/// RFC 4271 6.3: prefixes that make no sense are ignored, those beside them are not.
#[test]
fn prefixes_that_are_no_destinations() {
    let (lab, puppet) = Lab::with_route(Setup::external());
    // 224.0.0.0/24, 239.1.0.0/16, 127.0.0.0/8, 127.0.0.1/32.
    let senseless = "18 e00000 10 ef01 08 7f 20 7f000001";
    puppet.send(&update("", &plus(""), &format!("{senseless} {P}")));
    lab.used(&[]);
    // ff02::/16, fe80::/10, ::1/128.
    let senseless = "10 ff02 0a fe80 80 00000000000000000000000000000001";
    let reach = mp_reach("000201", V6_HOP, &format!("{senseless} {V6}"));
    puppet.send(&update("", &[ORIGIN, AS_PATH, &reach].concat(), ""));
    lab.observer.sees(V6_TEXT, |_| true);
    lab.lives(&puppet);
    let table = lab.observer.table();
    let known = |prefix: &&String| !prefix.starts_with("100.") && *prefix != V6_TEXT;
    let others: Vec<&String> = table.keys().filter(known).collect();
    assert_eq!(others, [""; 0]);
    lab.logs(&["puppet", "no unicast destination"]);
}

/// As U22, for an address that is not the session's.
#[test]
fn next_hop_is_another_own_address() {
    let (lab, puppet) = Lab::with_route(Setup::external());
    lab.ip("address add 10.99.0.11/24 dev eth0");
    lab.ip("address add 10.98.0.1/32 dev lo");
    for next_hop in ["0a63000b", "0a620001"] {
        let attributes = [ORIGIN, AS_PATH, "400304", next_hop].concat();
        // It is known a moment after the address was added.
        wait("the route is not usable", || {
            puppet.send(&update("", &attributes, P));
            lab.lives(&puppet);
            let last = lab.observer.history(P_TEXT).pop()?;
            last.is_none().then_some(())
        });
        lab.gone();
        lab.lives(&puppet);
        lab.clean(&puppet);
    }
}

/// RFC 4271 5.1.3: a router beside the peer is a fine next hop.
#[test]
fn third_party_next_hop() {
    let attributes = [ORIGIN, AS_PATH, "400304 0a630063"].concat();
    passes(Setup::external(), &attributes, &[]);
}

/// RFC 4760 3: "MUST be ignored upon receipt".
#[test]
fn mp_reach_with_a_reserved_octet() {
    let value = format!("000201 10 {V6_HOP} ff {V6}");
    let reach = attribute(0x80, 14, &hex(&value));
    let (lab, puppet) = Lab::with_route(Setup::external());
    puppet.send(&update("", &[ORIGIN, AS_PATH, &reach].concat(), ""));
    lab.observer.sees(V6_TEXT, |_| true);
    lab.lives(&puppet);
}

#[test]
fn mp_reach_of_ipv4() {
    let reach = mp_reach("000101", "0a630002", P);
    let (lab, puppet) = Lab::with_route(Setup::external());
    puppet.send(&update("", &[ORIGIN, AS_PATH, &reach].concat(), ""));
    let route = lab.observer.sees(P_TEXT, |route| {
        route.value(2).is_some_and(|path| path.len() == 14)
    });
    assert_eq!(route.value(1), Some(&[0][..]));
    lab.kernel(true);
    puppet.send(&update("", "800f07 000101 18644001", ""));
    lab.gone();
    lab.lives(&puppet);
}

/// Everything at once: IPv4 withdrawn and announced, IPv6 announced, then withdrawn.
#[test]
fn mp_reach_and_mp_unreach_mixed_with_nlri() {
    let (lab, puppet) = Lab::with_route(Setup::external());
    let reach = mp_reach("000201", V6_HOP, V6);
    puppet.send(&update(P, &(reach + &plus("")), "18 644002"));
    lab.gone();
    lab.observer.sees("100.64.2.0/24", |_| true);
    lab.observer.sees(V6_TEXT, |_| true);
    puppet.send(&update(
        "",
        &("800f0a 000201 30 20010db80064".to_owned() + &plus("")),
        P,
    ));
    lab.observer.loses(V6_TEXT);
    lab.used(&[]);
    lab.lives(&puppet);
}

/// RFC 7606 3 d with RFC 4760 3: beside MP_REACH_NLRI the NEXT_HOP is for the NLRI field alone.
#[test]
fn mp_reach_with_a_malformed_next_hop_attribute() {
    let (lab, puppet) = Lab::with_route(Setup::external());
    let reach = mp_reach("000201", V6_HOP, V6);
    let attributes = [&reach, ORIGIN, AS_PATH, "400302 0a63"].concat();
    puppet.send(&update("", &attributes, ""));
    lab.observer.sees(V6_TEXT, |_| true);
    lab.lives(&puppet);
}

#[test]
fn mp_reach_and_an_error_withdraw_ipv6() {
    let (lab, puppet) = Lab::with_route(Setup::external());
    let reach = mp_reach("000201", V6_HOP, V6);
    puppet.send(&update("", &[&reach, ORIGIN, AS_PATH].concat(), ""));
    lab.observer.sees(V6_TEXT, |_| true);
    puppet.send(&update("", &[&reach, "40010103", AS_PATH].concat(), ""));
    lab.observer.loses(V6_TEXT);
    lab.lives(&puppet);
    assert_eq!(lab.observer.history(P_TEXT).len(), 1);
}

/// The NLRI field is broken behind attributes that are broken, too: it cannot be located, so
/// this is no treat-as-withdraw (RFC 7606 3 j).
#[test]
fn bad_attribute_and_bad_prefix() {
    let attributes = ["40010103", AS_PATH, NEXT_HOP].concat();
    let bytes = update("", &attributes, "18 644001 21 01020304 05");
    ends(Setup::external(), &bytes, "3/10");
}

#[test]
fn update_cut_off_in_its_lengths() {
    let body = update_body("", &plus(""), P);
    for length in [4, 5, 10] {
        ends(Setup::external(), &message(2, &body[..length]), "3/1");
    }
}

#[test]
fn as_path_of_ten_segments_and_of_trailing_octet() {
    let path = "0201 0000fde9".to_owned() + &"0201 0000fde7".repeat(9);
    let (lab, puppet) = Lab::with_route(Setup::external());
    puppet.send(&update("", &with_path(&path), P));
    let route = lab.observer.sees(P_TEXT, |route| {
        route.value(2).is_some_and(|path| path.len() > 10)
    });
    let ases = route.value(2).unwrap();
    assert_eq!(ases[2..6], hex("0000fde8"), "ours comes first");
    lab.lives(&puppet);
    puppet.send(&update("", &with_path("0201 0000fde9 ff"), P));
    lab.gone();
    lab.lives(&puppet);
}

/// Two octets for each AS, where four were agreed upon.
#[test]
fn as_path_of_the_other_width() {
    let attributes = [ORIGIN, "4002060202 fde9fde7", NEXT_HOP].concat();
    withdraws(
        Setup::external(),
        &attributes,
        "AS_PATH: a segment overruns",
    );
}

#[test]
fn as4_aggregator_from_a_4_octet_peer() {
    let attributes = plus("c01208 0000fde9 0a000002");
    let why = "AS4_AGGREGATOR: not for";
    discards(Setup::external(), &attributes, why);
}

/// RFC 7606 3 h: of several errors the gravest counts.
#[test]
fn the_gravest_of_several_errors_counts() {
    let attributes = plus("c00705 0000fde90a 800403 000001");
    withdraws(
        Setup::external(),
        &attributes,
        "MULTI_EXIT_DISC: the length",
    );
    let attributes = ["40010103", AS_PATH, NEXT_HOP, "40 63 02 0102"].concat();
    let bytes = update("", &attributes, P);
    ends(Setup::external(), &bytes, "3/2=4063020102");
}

/// RFC 7606 5.2 excepts errors for which the attribute is discarded.
#[test]
fn a_discarded_attribute_beside_a_withdrawal() {
    let (lab, puppet) = Lab::with_route(Setup::external());
    puppet.send(&update(P, "40060100", ""));
    lab.gone();
    lab.lives(&puppet);
}

#[test]
fn mp_reach_without_prefixes() {
    let reach = mp_reach("000201", V6_HOP, "");
    let bytes = update("", &[ORIGIN, AS_PATH, &reach].concat(), "");
    ignores(Setup::external(), &bytes);
}

/// RFC 7606 3 c: its prefixes can be read, and are withdrawn.
#[test]
fn mp_reach_with_the_transitive_bit() {
    let (lab, puppet) = Lab::with_route(Setup::external());
    let reach = mp_reach("000201", V6_HOP, V6);
    puppet.send(&update("", &[&reach, ORIGIN, AS_PATH].concat(), ""));
    lab.observer.sees(V6_TEXT, |_| true);
    let reach = reach.replacen("80", "c0", 1);
    puppet.send(&update("", &[&reach, ORIGIN, AS_PATH].concat(), ""));
    lab.observer.loses(V6_TEXT);
    lab.lives(&puppet);
}

/// With no prefix to withdraw that is RFC 7606 5.2 again.
#[test]
fn mp_unreach_with_the_transitive_bit() {
    let unreach = "c00f0a 000201 30 20010db80064";
    let expected = format!("3/4={unreach}");
    ends(Setup::external(), &update("", unreach, ""), &expected);
}

/// RFC 9774 3: a set of AS4_PATH withdraws, too; what else is wrong with it does not.
#[test]
fn as_set_in_as4_path() {
    for set in [
        "0101 fa56ea00",
        "0401 fa56ea00",
        "0201 0000fde9 0101 fa56ea00",
    ] {
        let as4 = attribute(0xc0, 17, &hex(set));
        let attributes = [ORIGIN, "4002060202 fde95ba0", NEXT_HOP, &as4].concat();
        let (lab, puppet) = Lab::with_route(Setup::two_octets());
        puppet.send(&update("", &attributes, P));
        lab.gone();
        lab.logs(&["puppet", "AS4_PATH: an AS_SET"]);
        lab.lives(&puppet);
    }
}

/// RFC 8654: what is wrong may be longer than the NOTIFICATION, which quotes its beginning.
#[test]
fn notification_of_an_attribute_that_is_longer_than_a_message() {
    let long = attribute(0x50, 99, &[0x5a; 6000]);
    let quoted: String = long.chars().take(2 * (4096 - 21)).collect();
    let setup = Setup::external().and("06 00");
    let bytes = update("", &plus(&long), P);
    ends(setup, &bytes, &format!("3/2={quoted}"));
}
