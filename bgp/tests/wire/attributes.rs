//! Rows U of single attributes (RFC 4271 6.3, RFC 7606 7, RFC 7607, RFC 9774).

use super::bytes::{AS_PATH, NEXT_HOP, ORIGIN, plus, update, with_path};
use super::expect::{discards, ends, passes, withdraws};
use super::lab::{Lab, P, P_TEXT};
use super::setup::Setup;

fn with_origin(attribute: &str) -> String {
    [attribute, AS_PATH, NEXT_HOP].concat()
}

fn with_next_hop(attribute: &str) -> String {
    [ORIGIN, AS_PATH, attribute].concat()
}

/// From outside.
fn withdrawn(attributes: &str, why: &str) {
    withdraws(Setup::external(), attributes, why);
}

#[test]
fn base_is_used() {
    passes(Setup::external(), &plus(""), &[]);
    passes(Setup::internal(), &plus(""), &[]);
}

#[test]
fn u05_origin_missing() {
    withdrawn(&[AS_PATH, NEXT_HOP].concat(), "ORIGIN: missing");
}

#[test]
fn u06_as_path_missing() {
    withdrawn(&[ORIGIN, NEXT_HOP].concat(), "AS_PATH: missing");
}

#[test]
fn u07_next_hop_missing() {
    withdrawn(&[ORIGIN, AS_PATH].concat(), "NEXT_HOP: missing");
}

#[test]
fn u08_origin_value_3() {
    withdrawn(&with_origin("40010103"), "ORIGIN: the value");
}

#[test]
fn u09_origin_length_2() {
    withdrawn(&with_origin("4001020000"), "ORIGIN: the length");
}

#[test]
fn u10_origin_with_the_optional_bit() {
    withdrawn(&with_origin("c0010100"), "ORIGIN: the Optional or");
}

#[test]
fn u11_as_path_segment_type_5() {
    withdrawn(&with_path("0501 0000fde9"), "AS_PATH: a segment has");
}

#[test]
fn u12_as_path_segment_of_0() {
    let attributes = with_path("0201 0000fde9 0200");
    withdrawn(&attributes, "AS_PATH: a segment is empty");
}

#[test]
fn u13_as_path_segment_that_overruns() {
    let why = "AS_PATH: a segment overruns";
    withdrawn(&with_path("02ff 0000fde9 0000fde7"), why);
    withdrawn(&with_path("0201 0000fde9 02"), why);
}

#[test]
fn u14_as_0_in_the_path() {
    withdrawn(&with_path("0202 0000fde9 00000000"), "AS_PATH: AS 0");
}

#[test]
fn u15_confederation_segment_from_outside() {
    let why = "AS_PATH: a confederation segment";
    withdrawn(&with_path("0301 0000fde9"), why);
}

#[test]
fn u16_first_as_is_not_the_peer() {
    let why = "AS_PATH: the path does not start with the peer's AS";
    withdrawn(&with_path("0202 0000fde7 0000fde6"), why);
    withdrawn(&with_path(""), why);
}

/// Behind a route server it is not asked for.
#[test]
fn u16_first_as_is_not_the_peer_where_that_is_not_enforced() {
    let setup = Setup::external().with(", enforceFirstAS: false");
    let (lab, puppet) = Lab::with_route(setup);
    puppet.send(&update("", &with_path("0202 0000fde7 0000fde6"), P));
    let expected = lab.told(&["0000fde7", "0000fde6"], &[]);
    lab.observer.sees(P_TEXT, |route| route.texts() == expected);
    lab.lives(&puppet);
}

/// RFC 4271 9: not malformed, but of no use.
#[test]
fn u17_own_as_in_the_path() {
    let (lab, puppet) = Lab::with_route(Setup::external());
    let attributes = with_path("0202 0000fde9 0000fde8");
    puppet.send(&update("", &attributes, P));
    lab.gone();
    lab.lives(&puppet);
    lab.clean(&puppet);
}

#[test]
fn u18_as_set() {
    let why = "AS_PATH: an AS_SET";
    withdrawn(&with_path("0201 0000fde9 0102 0000fde6 0000fde5"), why);
    withdrawn(&with_path("0102 0000fde9 0000fde5"), why);
}

#[test]
fn u19_next_hop_length_5() {
    let attributes = with_next_hop("400305 0a63000200");
    withdrawn(&attributes, "NEXT_HOP: the length");
}

#[test]
fn u20_next_hop_unspecified() {
    let attributes = with_next_hop("400304 00000000");
    withdrawn(&attributes, "NEXT_HOP: the next hop is the unspecified");
}

#[test]
fn u21_next_hop_multicast() {
    let attributes = with_next_hop("400304 e0000001");
    withdrawn(&attributes, "NEXT_HOP: the next hop is a multicast");
}

#[test]
fn u22_next_hop_is_an_own_address() {
    let attributes = with_next_hop("400304 0a630001");
    // Nothing is malformed: it is kept, with its reason, and not used.
    let (lab, puppet) = Lab::with_route(Setup::external());
    puppet.send(&update("", &attributes, P));
    lab.gone();
    lab.lives(&puppet);
    lab.clean(&puppet);
}

#[test]
fn u23_med_length_3() {
    withdrawn(&plus("800403 000001"), "MULTI_EXIT_DISC: the length");
}

#[test]
fn u24_local_pref_length_3_from_outside() {
    let attributes = plus("400503 000001");
    discards(Setup::external(), &attributes, "LOCAL_PREF: not for");
}

#[test]
fn u25_local_pref_length_3_from_inside() {
    let attributes = plus("400503 000001");
    withdraws(Setup::internal(), &attributes, "LOCAL_PREF: the length");
}

#[test]
fn u26_atomic_aggregate_length_1() {
    let attributes = plus("40060100");
    discards(
        Setup::external(),
        &attributes,
        "ATOMIC_AGGREGATE: the length",
    );
}

#[test]
fn u27_aggregator_length_5() {
    let attributes = plus("c00705 0000fde90a");
    discards(Setup::external(), &attributes, "AGGREGATOR: the length");
}

/// With 4-octet AS numbers it has 8 octets, without them 6 (RFC 7606 7.7).
#[test]
fn u27_aggregator_of_the_other_width() {
    let attributes = plus("c00706 fde90a000002");
    discards(Setup::external(), &attributes, "AGGREGATOR: the length");
}

#[test]
fn u28_aggregator_as_0() {
    let attributes = plus("c00708 00000000 0a000002");
    discards(Setup::external(), &attributes, "AGGREGATOR: AS 0");
}

#[test]
fn u29_communities_length_5() {
    withdrawn(&plus("c00805 fde9000100"), "COMMUNITIES: the length");
}

#[test]
fn u30_communities_length_0() {
    withdrawn(&plus("c00800"), "COMMUNITIES: the length");
}

#[test]
fn u31_originator_id_from_outside() {
    let attributes = plus("800904 0a000001");
    discards(Setup::external(), &attributes, "ORIGINATOR_ID: not for");
    // What is not for us is not looked at.
    let attributes = plus("800903 0a0000");
    discards(Setup::external(), &attributes, "ORIGINATOR_ID: not for");
}

#[test]
fn u32_originator_id_length_3_from_inside() {
    let attributes = plus("800903 0a0000");
    withdraws(Setup::internal(), &attributes, "ORIGINATOR_ID: the length");
}

#[test]
fn u33_cluster_list_length_5_from_inside() {
    let attributes = plus("800a05 0a00000100");
    withdraws(Setup::internal(), &attributes, "CLUSTER_LIST: the length");
}

#[test]
fn u34_extended_communities_length_7() {
    let attributes = plus("c01007 0002fde9000000");
    withdrawn(&attributes, "EXTENDED_COMMUNITIES: the length");
}

#[test]
fn u35_large_communities_length_13() {
    let attributes = plus("c0200d 0000fde9 00000001 00000002 00");
    withdrawn(&attributes, "LARGE_COMMUNITIES: the length");
}

#[test]
fn u38_unknown_well_known() {
    let bytes = update("", &plus("40 63 02 0102"), P);
    ends(Setup::external(), &bytes, "3/2=4063020102");
}

#[test]
fn u39_unknown_optional_transitive() {
    passes(
        Setup::external(),
        &plus("c0fe04deadbeef"),
        &["e0fe04deadbeef"],
    );
}

#[test]
fn u40_unknown_optional_non_transitive() {
    passes(Setup::external(), &plus("80fd04deadbeef"), &[]);
}

/// Attributes that nothing is known of here are passed on as they are, whatever is in them.
fn forwarded(attribute: &str) {
    let expected = attribute.replacen('c', "e", 1);
    passes(Setup::external(), &plus(attribute), &[&expected]);
}

#[test]
fn u46_attribute_28_of_length_0() {
    forwarded("c01c00");
}

#[test]
fn u47_attribute_40_all_zero() {
    forwarded("c02803 000000");
}

#[test]
fn u48_attribute_40_with_a_tlv_that_overruns() {
    forwarded("c02806 0100ff000000");
}

#[test]
fn u49_attribute_23_with_a_sub_tlv_that_overruns() {
    forwarded("c01706 00070002 01ff");
}

#[test]
fn u50_attr_set_of_3_octets() {
    forwarded("c08003 000001");
}

#[test]
fn u51_attribute_99_of_3000_octets() {
    let value = "5a".repeat(3000);
    let attributes = plus(&format!("d063 0bb8 {value}"));
    passes(
        Setup::external(),
        &attributes,
        &[&format!("f063 0bb8 {value}")],
    );
}

#[test]
fn u52_attribute_255() {
    forwarded("c0ff01 00");
}

#[test]
fn u53_as4_path_from_a_4_octet_peer() {
    let attributes = plus("c01106 0201 0000fde6");
    discards(Setup::external(), &attributes, "AS4_PATH: not for");
}

#[test]
fn u54_otc_length_3() {
    withdrawn(&plus("c02303 0000fd"), "ONLY_TO_CUSTOMER: the length");
}
