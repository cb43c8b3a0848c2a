//! Rows U of single attributes, and X: RFC 4271 §6.3, RFC 7606 §7, RFC 7607, RFC 9774.

use std::net::IpAddr;

use rcni_bgp_proto::attr::{Aggregator, NextHop};
use rcni_bgp_proto::iana::AttributeCode;

use crate::support::{
    AS_PATH, NEXT_HOP, ORIGIN, P, assert_used, assert_withdrawn, base, body, external, hex,
    internal, judge, judge_body, notification, session, two_octet_session,
};

/// The base attributes with `more` after them.
fn plus(more: &str) -> String {
    base() + more
}

/// From an internal peer.
fn judge_internal(attributes: &str) -> crate::update_lists::Judged {
    judge_body(&body("", attributes, P), &session(), &internal())
}

fn with_path(value: &str) -> String {
    let length = hex(value).len();
    format!("{ORIGIN} 4002{length:02x}{value} {NEXT_HOP}")
}

fn with_next_hop(attribute: &str) -> String {
    [ORIGIN, AS_PATH, attribute].concat()
}

fn with_origin(attribute: &str) -> String {
    [attribute, AS_PATH, NEXT_HOP].concat()
}

#[test]
fn u00_the_base_is_used() {
    let (attributes, said) = assert_used(judge(&base(), P));
    assert_eq!(said, "");
    assert_eq!(attributes.as_path.to_string(), "65001 64999");
    assert_eq!(
        attributes.next_hop,
        Some(NextHop::V4([10, 99, 0, 2].into()))
    );
}

#[test]
fn u05_origin_missing() {
    assert_withdrawn(judge(&[AS_PATH, NEXT_HOP].concat(), P), "ORIGIN: missing");
}

#[test]
fn u06_as_path_missing() {
    assert_withdrawn(judge(&[ORIGIN, NEXT_HOP].concat(), P), "AS_PATH: missing");
}

#[test]
fn u07_next_hop_missing() {
    assert_withdrawn(judge(&[ORIGIN, AS_PATH].concat(), P), "NEXT_HOP: missing");
}

#[test]
fn u08_origin_value_3() {
    assert_withdrawn(
        judge(&with_origin("40010103"), P),
        "ORIGIN: the value is not 0, 1 or 2",
    );
}

#[test]
fn u09_origin_length_2() {
    assert_withdrawn(
        judge(&with_origin("4001020000"), P),
        "ORIGIN: the length is not 1",
    );
}

#[test]
fn u10_origin_with_the_optional_bit() {
    assert_withdrawn(
        judge(&with_origin("c0010100"), P),
        "ORIGIN: the Optional or Transitive bit",
    );
}

#[test]
fn u11_as_path_segment_type_5() {
    let attributes = with_path("0501 0000fde9");
    assert_withdrawn(
        judge(&attributes, P),
        "AS_PATH: a segment has an unknown type",
    );
}

#[test]
fn u12_as_path_segment_of_0() {
    let attributes = with_path("0201 0000fde9 0200");
    assert_withdrawn(judge(&attributes, P), "AS_PATH: a segment is empty");
}

#[test]
fn u13_as_path_segment_that_overruns() {
    let overrun = "AS_PATH: a segment overruns";
    assert_withdrawn(judge(&with_path("02ff 0000fde9"), P), overrun);
    assert_withdrawn(judge(&with_path("0201 0000fd"), P), overrun);
    assert_withdrawn(judge(&with_path("0201 0000fde9 02"), P), overrun);
}

#[test]
fn u14_as_0_in_the_path() {
    assert_withdrawn(
        judge(&with_path("0202 0000fde9 00000000"), P),
        "AS_PATH: AS 0",
    );
}

#[test]
fn u15_confederation_segment_from_outside() {
    let attributes = with_path("0301 0000fde9");
    assert_withdrawn(judge(&attributes, P), "AS_PATH: a confederation segment");
    assert_withdrawn(
        judge_internal(&attributes),
        "AS_PATH: a confederation segment",
    );
}

#[test]
fn u16_first_as_is_not_the_peer() {
    let attributes = with_path("0202 0000fde7 0000fde6");
    let reason = "AS_PATH: the path does not start with the peer's AS";
    assert_withdrawn(judge(&attributes, P), reason);
    assert_withdrawn(judge(&with_path(""), P), reason);
    // Not at a route server, not on internal sessions.
    let server = rcni_bgp_proto::validate::UpdateContext {
        enforce_first_as: false,
        ..external()
    };
    assert_used(judge_body(&body("", &attributes, P), &session(), &server));
    assert_used(judge_internal(&attributes));
    assert_used(judge_internal(&with_path("")));
}

/// The path is well-formed: whether it is usable is decided where the reason is kept, in the RIB.
#[test]
fn u17_own_as_in_the_path_is_handed_on_to_the_decision() {
    let (attributes, said) = assert_used(judge(&with_path("0202 0000fde9 0000fde8"), P));
    assert_eq!(said, "");
    assert!(attributes.as_path.contains(external().local_asn));
}

#[test]
fn u18_as_set() {
    let attributes = with_path("0201 0000fde9 0102 0000fde6 0000fde5");
    assert_withdrawn(
        judge(&attributes, P),
        "AS_PATH: an AS_SET is not accepted (RFC 9774)",
    );
}

#[test]
fn u19_next_hop_length_5() {
    let attributes = with_next_hop("400305 0a63000200");
    assert_withdrawn(judge(&attributes, P), "NEXT_HOP: the length is not 4");
}

#[test]
fn u20_next_hop_unspecified() {
    let attributes = with_next_hop("400304 00000000");
    assert_withdrawn(
        judge(&attributes, P),
        "unspecified address, routes not usable",
    );
}

#[test]
fn u21_next_hop_multicast() {
    let attributes = with_next_hop("400304 e0000001");
    assert_withdrawn(
        judge(&attributes, P),
        "multicast address, routes not usable",
    );
}

#[test]
fn u22_next_hop_is_an_own_address() {
    let attributes = with_next_hop("400304 0a630001");
    assert_withdrawn(judge(&attributes, P), "own address, routes not usable");
    let own = rcni_bgp_proto::validate::UpdateContext {
        local_addresses: vec![IpAddr::from([10, 99, 0, 9])],
        ..external()
    };
    assert_used(judge_body(&body("", &attributes, P), &session(), &own));
}

#[test]
fn u23_med_length_3() {
    assert_withdrawn(
        judge(&plus("800403 000001"), P),
        "MULTI_EXIT_DISC: the length is not 4",
    );
}

#[test]
fn u24_local_pref_length_3_from_outside() {
    let (attributes, said) = assert_used(judge(&plus("400503 000001"), P));
    assert_eq!(attributes.local_pref, None);
    assert_eq!(
        said,
        "LOCAL_PREF: not for external sessions, attribute discarded [400503000001]"
    );
    // A right one neither.
    let (attributes, _) = assert_used(judge(&plus("400504 000000ff"), P));
    assert_eq!(attributes.local_pref, None);
}

#[test]
fn u25_local_pref_length_3_from_inside() {
    assert_withdrawn(
        judge_internal(&plus("400503 000001")),
        "LOCAL_PREF: the length is not 4",
    );
    let (attributes, _) = assert_used(judge_internal(&plus("400504 000000ff")));
    assert_eq!(attributes.local_pref, Some(255));
}

#[test]
fn u26_atomic_aggregate_length_1() {
    let (attributes, said) = assert_used(judge(&plus("40060100"), P));
    assert!(!attributes.atomic_aggregate);
    assert!(said.starts_with("ATOMIC_AGGREGATE: the length is not 0, attribute discarded"));
}

#[test]
fn u27_aggregator_length_5() {
    let (attributes, said) = assert_used(judge(&plus("c00705 0000fde90a"), P));
    assert_eq!(attributes.aggregator(), None);
    assert!(said.contains("AGGREGATOR: the length"), "{said}");
    // The length depends on the session.
    let (attributes, _) = assert_used(judge(&plus("c00706 fde90a000002"), P));
    assert_eq!(attributes.aggregator(), None);
}

#[test]
fn u28_aggregator_as_0() {
    let (attributes, said) = assert_used(judge(&plus("c00708 00000000 0a000002"), P));
    assert_eq!(attributes.aggregator(), None);
    assert!(
        said.contains("AGGREGATOR: AS 0 (RFC 7607), attribute discarded"),
        "{said}"
    );
    let (attributes, _) = assert_used(judge(&plus("c00708 0000fde9 0a000002"), P));
    let bgp_id = [10, 0, 0, 2].into();
    assert_eq!(
        attributes.aggregator(),
        Some(Aggregator { asn: 65001, bgp_id })
    );
}

#[test]
fn u29_communities_length_5() {
    assert_withdrawn(
        judge(&plus("c00805 fde9000100"), P),
        "COMMUNITIES: the length",
    );
}

#[test]
fn u30_communities_length_0() {
    assert_withdrawn(judge(&plus("c00800"), P), "COMMUNITIES: the length");
}

#[test]
fn u31_originator_id_from_outside() {
    let (attributes, said) = assert_used(judge(&plus("800904 0a000001"), P));
    assert_eq!(attributes.originator_id(), None);
    assert!(
        said.contains("ORIGINATOR_ID: not for external sessions"),
        "{said}"
    );
    let (attributes, _) = assert_used(judge(&plus("800a05 0a00000100"), P));
    assert_eq!(attributes.cluster_list(), [] as [std::net::Ipv4Addr; 0]);
}

#[test]
fn u32_originator_id_length_3() {
    assert_withdrawn(
        judge_internal(&plus("800903 0a0000")),
        "ORIGINATOR_ID: the length",
    );
}

#[test]
fn u33_cluster_list_length_5() {
    assert_withdrawn(
        judge_internal(&plus("800a05 0a00000100")),
        "CLUSTER_LIST: the length",
    );
    assert_withdrawn(judge_internal(&plus("800a00")), "CLUSTER_LIST: the length");
    let (attributes, _) = assert_used(judge_internal(&plus("800a08 0a000001 0a000002")));
    assert_eq!(attributes.cluster_list().len(), 2);
}

#[test]
fn u34_extended_communities_length_7() {
    assert_withdrawn(
        judge(&plus("c01007 0002fde9000000"), P),
        "EXTENDED_COMMUNITIES: the length",
    );
}

#[test]
fn u35_large_communities_length_13() {
    let attributes = plus("c0200d 0000fde9 00000001 00000002 00");
    assert_withdrawn(judge(&attributes, P), "LARGE_COMMUNITIES: the length");
    let (attributes, _) = assert_used(judge(&plus("c0200c 0000fde9 00000001 00000002"), P));
    assert_eq!(attributes.large_communities(), [[65001, 1, 2]]);
}

#[test]
fn u38_unknown_well_known() {
    assert_eq!(
        notification(judge(&plus("40 63 02 0102"), P)),
        "3/2=4063020102"
    );
}

#[test]
fn u39_unknown_optional_transitive_is_kept_with_partial() {
    let (attributes, said) = assert_used(judge(&plus("c0fe04deadbeef"), P));
    assert_eq!(said, "");
    let [kept] = attributes.unknown() else {
        panic!("{attributes:?}")
    };
    assert_eq!(
        (kept.flags, kept.code, &kept.value[..]),
        (0xe0, AttributeCode(254), &hex("deadbeef")[..])
    );
}

#[test]
fn u40_unknown_optional_non_transitive_is_dropped() {
    let (attributes, said) = assert_used(judge(&plus("80fd04deadbeef"), P));
    assert_eq!(said, "");
    assert_eq!(attributes.rare, None);
}

#[test]
fn u46_u47_u48_u49_u50_u52_unknown_here_and_passed_on() {
    let rows = [
        "c01c00",               // BGPsec's predecessor, empty
        "c02803 000000",        // prefix SID, all zero
        "c02806 0100ff000000",  // prefix SID, a TLV that overruns
        "c01706 00070002 01ff", // tunnel encapsulation, a sub-TLV that overruns
        "c08003 000001",        // ATTR_SET of 3 octets
        "c0ff01 00",            // the last code
    ];
    for row in rows {
        let (attributes, said) = assert_used(judge(&plus(row), P));
        assert_eq!(said, "", "{row}");
        let [kept] = attributes.unknown() else {
            panic!("{row}")
        };
        assert_eq!((kept.flags, kept.code.0), (0xe0, hex(row)[1]));
    }
}

#[test]
fn u54_otc_of_3_octets() {
    let why = "ONLY_TO_CUSTOMER: the length is not 4";
    assert_withdrawn(judge(&plus("c02303 0000fd"), P), why);
    assert_withdrawn(judge(&plus("c02300"), P), why);
    assert_withdrawn(judge(&plus("c02308 0000fde9 0000fde9"), P), why);
    let (attributes, said) = assert_used(judge(&plus("e02304 0000fde9"), P));
    assert_eq!((attributes.only_to_customer(), &*said), (Some(65001), ""));
    let partial = attributes.rare.map(|rare| rare.partial);
    assert_eq!(partial, Some(vec![AttributeCode::ONLY_TO_CUSTOMER]));
    // Wrong flags: it is known, so they are judged.
    assert_withdrawn(judge(&plus("802304 0000fde9"), P), "ONLY_TO_CUSTOMER");
}

#[test]
fn u51_unknown_attribute_of_3000_octets() {
    let long = format!("d063 0bb8 {}", "5a".repeat(3000));
    let (attributes, _) = assert_used(judge(&plus(&long), P));
    assert_eq!(attributes.unknown()[0].value.len(), 3000);
    assert_eq!(attributes.unknown()[0].flags, 0xe0);
}

#[test]
fn unknown_attributes_are_kept_in_ascending_order() {
    let (attributes, _) = assert_used(judge(&plus("c0fe0101 c0630102 c0ff0103"), P));
    let codes: Vec<u8> = attributes
        .unknown()
        .iter()
        .map(|unknown| unknown.code.0)
        .collect();
    assert_eq!(codes, [99, 254, 255]);
}

#[test]
fn u53_as4_path_from_a_4_octet_peer() {
    let (attributes, said) = assert_used(judge(&plus("c01106 0201 0000fde6"), P));
    assert_eq!(attributes.as_path.to_string(), "65001 64999");
    assert!(
        said.contains("AS4_PATH: not for a session with 4-octet AS numbers"),
        "{said}"
    );
}

#[test]
fn u59_as_path_of_500() {
    let segment = |count: u8| format!("02{count:02x}{}", "0000fde9".repeat(count.into()));
    let value = segment(255) + &segment(245);
    let attributes = format!("{ORIGIN} 5002 {:04x} {value} {NEXT_HOP}", hex(&value).len());
    let (attributes, said) = assert_used(judge(&attributes, P));
    assert_eq!((attributes.as_path.path_len(), said.as_str()), (500, ""));
}

#[test]
fn u60_extended_length_on_a_short_attribute() {
    let (_, said) = assert_used(judge(&with_origin("5001000100"), P));
    assert_eq!(said, "");
}

#[test]
fn x01_as4_path_before_as_path_and_malformed() {
    let path = "4002060202 fde9fde7";
    let attributes = format!("c01103 02ff00 {ORIGIN} {path} {NEXT_HOP}");
    let result = judge_body(&body("", &attributes, P), &two_octet_session(), &external());
    let (attributes, said) = assert_used(result);
    assert_eq!(attributes.as_path.to_string(), "65001 64999");
    assert!(
        said.contains("AS4_PATH: malformed segments, attribute discarded"),
        "{said}"
    );
}

#[test]
fn x02_next_hop_length_0_to_3() {
    for next_hop in ["400300", "4003010a", "4003020a63", "4003030a6300"] {
        assert_withdrawn(
            judge(&with_next_hop(next_hop), P),
            "NEXT_HOP: the length is not 4",
        );
    }
}

#[test]
fn x03_ipv6_extended_community_truncated() {
    let attributes = plus("c01905 0002200100");
    assert_withdrawn(
        judge(&attributes, P),
        "IPV6_EXTENDED_COMMUNITIES: the length",
    );
}

#[test]
fn partial_stays_set_on_known_attributes() {
    let (attributes, _) = assert_used(judge(&plus("e00804 fde90001"), P));
    let rare = attributes.rare.expect("the mark");
    assert_eq!(rare.partial, [AttributeCode::COMMUNITIES]);
}

#[test]
fn a_problem_quotes_no_more_than_64_octets() {
    let long = format!("d008 0101 {}", "5a".repeat(257));
    let update = judge(&plus(&long), P).expect("the session lives");
    assert_eq!(update.errors[0].octets.len(), 64);
}
