//! Rows U of the message as a whole: lengths, prefixes, doubles, the multiprotocol attributes,
//! messages without reachable prefixes.

use rcni_bgp_proto::attr::NextHop;
use rcni_bgp_proto::validate::{RouteUpdate, SessionOptions};
use rcni_bgp_proto::{Family, Notification};

use crate::support::{
    AS_PATH, NEXT_HOP, ORIGIN, P, assert_used, assert_withdrawn, base, body, external, hex, judge,
    judge_body, nlri, notification, session,
};

pub(crate) type Judged = Result<RouteUpdate, Notification>;

const V4: Family = Family::IPV4_UNICAST;
const V6: Family = Family::IPV6_UNICAST;

fn plus(more: &str) -> String {
    base() + more
}

fn path() -> String {
    [ORIGIN, AS_PATH].concat()
}

fn judge_all(withdrawn: &str, attributes: &str, nlri: &str) -> Judged {
    judge_body(&body(withdrawn, attributes, nlri), &session(), &external())
}

/// 2001:db8:64::/48 with next hop 2001:db8::2.
const MP_REACH: &str = "800e1c 000201 10 20010db8000000000000000000000002 00 30 20010db80064";

#[test]
fn u01_withdrawn_length_ffff() {
    let mut message = body("", &base(), P);
    message[..2].copy_from_slice(&[0xff, 0xff]);
    assert_eq!(
        notification(judge_body(&message, &session(), &external())),
        "3/1"
    );
}

#[test]
fn u02_attribute_length_100_too_long() {
    let mut message = body("", &base(), P);
    message[3] += 100;
    assert_eq!(
        notification(judge_body(&message, &session(), &external())),
        "3/1"
    );
}

#[test]
fn u03_announced_prefix_of_33_bits() {
    assert_eq!(
        notification(judge(&base(), &format!("{P} 21 01020304 05"))),
        "3/10"
    );
}

#[test]
fn u04_prefix_of_24_bits_with_2_octets() {
    assert_eq!(
        notification(judge(&base(), &format!("{P} 18 c633"))),
        "3/10"
    );
}

#[test]
fn u36_origin_twice() {
    let (attributes, said) = assert_used(judge(&plus("40010102"), P));
    assert_eq!(attributes.origin, rcni_bgp_proto::Origin::Igp);
    assert!(
        said.contains("ORIGIN: repeated; the first one counts"),
        "{said}"
    );
    // The first one counts also where it is the malformed one, and the second is not looked at.
    let attributes = ["40010103", AS_PATH, NEXT_HOP, ORIGIN].concat();
    assert_withdrawn(judge(&attributes, P), "ORIGIN: the value");
    assert_used(judge(&plus("4001020303"), P));
}

#[test]
fn u37_mp_reach_twice() {
    assert_eq!(
        notification(judge(&[&path(), MP_REACH, MP_REACH].concat(), "")),
        "3/1"
    );
    let unreach = "800f03 000201";
    assert_eq!(notification(judge(&[unreach, unreach].concat(), "")), "3/1");
}

#[test]
fn u41_last_attribute_overruns_the_list() {
    let attributes = plus("8004c8 00000001");
    assert_withdrawn(
        judge(&attributes, P),
        "MULTI_EXIT_DISC: the last attribute overruns",
    );
}

#[test]
fn u42_two_stray_octets() {
    assert_withdrawn(
        judge(&plus("8004"), P),
        "the last attribute overruns the list",
    );
    assert_withdrawn(
        judge(&plus("80"), P),
        "attribute list: the last attribute overruns",
    );
}

#[test]
fn u41_an_overrunning_mp_reach_loses_its_prefixes() {
    assert_eq!(
        notification(judge(&plus("800e1c 0002"), P)),
        "3/9=800e1c0002"
    );
}

#[test]
fn u43_mp_reach_next_hop_length_9() {
    let attribute = "800e13 000201 09 20010db80000000000 00 20 20010db8";
    let quoted = format!("3/9={}", attribute.replace(' ', ""));
    assert_eq!(notification(judge(&(path() + attribute), "")), quoted);
    for length in ["800e05 000201 00 00", "800e09 000201 04 0a630002 00"] {
        let quoted = format!("3/9={}", length.replace(' ', ""));
        assert_eq!(notification(judge(&(path() + length), "")), quoted);
    }
}

#[test]
fn u43_mp_reach_shorter_than_its_lengths() {
    for value in [
        "800e00",
        "800e03 000201",
        "800e04 000201 10",
        "800e06 000201 10 2001",
    ] {
        let quoted = format!("3/9={}", value.replace(' ', ""));
        assert_eq!(notification(judge(&(path() + value), "")), quoted);
    }
}

#[test]
fn u44_mp_unreach_prefix_cut_off() {
    let quoted = "3/9=800f080002014020010db8";
    assert_eq!(notification(judge("800f08 000201 40 20010db8", "")), quoted);
    assert_eq!(notification(judge("800f02 0002", "")), "3/9=800f020002");
}

#[test]
fn u44_mp_reach_prefix_of_129_bits() {
    let nlri = format!("81 {}", "00".repeat(17));
    let attribute = format!("800e27 000201 10 {} 00 {nlri}", "20".repeat(16));
    assert!(notification(judge(&(path() + &attribute), "")).starts_with("3/9=800e27"));
}

#[test]
fn u45_mp_reach_for_a_family_that_was_not_negotiated() {
    let update = judge(&(path() + "800e0b 0019 46 04 0a630002 00 0101"), "").expect("ignored");
    assert_eq!((update.announced, update.withdrawn), (vec![], vec![]));
    assert!(
        update.errors[0]
            .to_string()
            .contains("the family was not negotiated")
    );
    let update = judge("800f06 0019 46 010203", "").expect("ignored");
    assert_eq!((update.withdrawn, update.end_of_rib), (vec![], None));
    // Beside classic prefixes it takes nothing away from them.
    assert_used(judge(&plus("800e0b 0019 46 04 0a630002 00 0101"), P));
}

#[test]
fn classic_prefixes_without_ipv4_unicast_are_ignored() {
    let opts = SessionOptions {
        families: vec![V6],
        ..session()
    };
    let message = body("18 644002", &base(), P);
    let update = judge_body(&message, &opts, &external()).expect("ignored");
    assert_eq!((update.announced, update.withdrawn), (vec![], vec![]));
    assert_eq!(update.errors.len(), 1);
}

#[test]
fn u55_prefixes_without_attributes() {
    assert_withdrawn(judge("", P), "ORIGIN: missing");
}

#[test]
fn x04_only_an_unknown_attribute() {
    assert_withdrawn(
        judge("c01f10 00000000000000000000000000000000", P),
        "ORIGIN: missing",
    );
}

#[test]
fn u56_error_without_any_prefix() {
    let attributes = ["40010103", AS_PATH, NEXT_HOP].concat();
    assert_eq!(notification(judge(&attributes, "")), "3/6=40010103");
    // Withdrawn prefixes are not reachable ones.
    assert_eq!(notification(judge_all(P, &attributes, "")), "3/6=40010103");
    assert_eq!(notification(judge_all(P, "80040100", "")), "3/5=80040100");
    assert_eq!(notification(judge_all(P, "c0010100", "")), "3/4=c0010100");
    assert_eq!(notification(judge_all(P, "40020102", "")), "3/11=40020102");
    assert_eq!(notification(judge_all(P, "8004c8", "")), "3/1");
}

#[test]
fn u56_a_discarded_attribute_keeps_the_session() {
    let update = judge_all(P, "40060100", "").expect("the session lives");
    assert_eq!(update.withdrawn, [(V4, vec![nlri("100.64.1.0/24")])]);
    assert_eq!(update.errors.len(), 1);
}

#[test]
fn u57_end_of_rib_with_a_bad_origin() {
    assert_eq!(
        notification(judge("800f03 000201 40010103", "")),
        "3/6=40010103"
    );
}

#[test]
fn u58_withdrawn_prefix_of_33_bits() {
    assert_eq!(
        notification(judge_all("18 644002 21 01020304 05", &base(), P)),
        "3/10"
    );
}

#[test]
fn x05_ipv4_prefixes_with_a_16_octet_next_hop() {
    let attribute = "800e19 000101 10 20010db8000000000000000000000002 00 18 644001";
    let quoted = format!("3/9={}", attribute.replace(' ', ""));
    let message = body("", &(path() + attribute), "");
    assert_eq!(
        notification(judge_body(&message, &session(), &external())),
        quoted
    );
    // Negotiated (RFC 8950) it is a route.
    let opts = SessionOptions {
        extended_next_hop: vec![V4],
        ..session()
    };
    let (attributes, _) = assert_used(judge_body(&message, &opts, &external()));
    let next_hop = "2001:db8::2".parse().expect("an address");
    assert_eq!(attributes.next_hop, Some(NextHop::V6(next_hop)));
}

#[test]
fn ipv4_prefixes_in_mp_reach() {
    let attribute = "800e0d 000101 04 0a630002 00 18 644001";
    let (attributes, _) = assert_used(judge(&(path() + attribute), ""));
    assert_eq!(
        attributes.next_hop,
        Some(NextHop::V4([10, 99, 0, 2].into()))
    );
}

#[test]
fn both_families_in_one_message() {
    let update = judge(&plus(MP_REACH), P).expect("accepted");
    let [v4, v6] = &update.announced[..] else {
        panic!("{update:?}")
    };
    assert_eq!(
        (v4.family, &v4.prefixes[..]),
        (V4, &[nlri("100.64.1.0/24")][..])
    );
    assert_eq!(
        (v6.family, &v6.prefixes[..]),
        (V6, &[nlri("2001:db8:64::/48")][..])
    );
    assert_eq!(
        v4.attributes.next_hop,
        Some(NextHop::V4([10, 99, 0, 2].into()))
    );
    let next_hop = "2001:db8::2".parse().expect("an address");
    assert_eq!(v6.attributes.next_hop, Some(NextHop::V6(next_hop)));
    assert_eq!(v4.attributes.as_path, v6.attributes.as_path);
}

#[test]
fn an_error_withdraws_the_prefixes_of_both_families() {
    let update = judge(&plus(&["800403 000001", MP_REACH].concat()), P).expect("the session lives");
    assert_eq!(update.announced, []);
    let withdrawn = [
        (V4, vec![nlri("100.64.1.0/24")]),
        (V6, vec![nlri("2001:db8:64::/48")]),
    ];
    assert_eq!(update.withdrawn, withdrawn);
}

#[test]
fn next_hop_beside_mp_reach_alone_says_nothing() {
    let update = judge(&[&path(), "400305 0a63000200", MP_REACH].concat(), "").expect("accepted");
    assert_eq!(update.announced.len(), 1);
    assert_eq!(update.errors, []);
}

#[test]
fn next_hop_with_a_link_local_address() {
    let next_hop = "20010db8000000000000000000000002 fe800000000000000000000000000002";
    let attribute = format!("800e2c 000201 20 {next_hop} 00 30 20010db80064");
    let update = judge(&(path() + &attribute), "").expect("accepted");
    let global = "2001:db8::2".parse().expect("an address");
    let link_local = "fe80::2".parse().expect("an address");
    let expected = NextHop::V6LinkLocal { global, link_local };
    assert_eq!(update.announced[0].attributes.next_hop, Some(expected));
}

#[test]
fn wrong_flags_on_mp_reach_withdraw_its_prefixes() {
    let update = judge(&[&path(), "c0", &MP_REACH[2..]].concat(), "").expect("the session lives");
    assert_eq!(update.announced, []);
    assert_eq!(update.withdrawn, [(V6, vec![nlri("2001:db8:64::/48")])]);
}

#[test]
fn end_of_rib() {
    let of = |attributes| judge(attributes, "").expect("accepted").end_of_rib;
    assert_eq!(of(""), Some(V4));
    assert_eq!(of("800f03 000201"), Some(V6));
    assert_eq!(of("800f03 000101"), Some(V4));
    assert_eq!(of("800f0a 000201 30 20010db80064"), None);
    assert_eq!(of(&base()), None);
    assert_eq!(judge_all(P, "", "").expect("accepted").end_of_rib, None);
}

#[test]
fn host_bits_are_cleared() {
    let update = judge(&base(), "11 0affff 00 20 01020304").expect("accepted");
    let expected = ["10.255.128.0/17", "0.0.0.0/0", "1.2.3.4/32"].map(nlri);
    assert_eq!(update.announced[0].prefixes, expected);
}

#[test]
fn a_withdraw_of_both_families() {
    let update = judge_all(P, "800f0a 000201 30 20010db80064", "").expect("accepted");
    let withdrawn = [
        (V4, vec![nlri("100.64.1.0/24")]),
        (V6, vec![nlri("2001:db8:64::/48")]),
    ];
    assert_eq!(update.withdrawn, withdrawn);
    assert_eq!(update.end_of_rib, None);
}

#[test]
fn the_rows_bytes_are_what_they_say() {
    assert_eq!(hex(MP_REACH).len(), 3 + 0x1c);
    assert_eq!(hex(&base()).len(), 4 + 13 + 7);
}
