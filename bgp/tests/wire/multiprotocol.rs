//! Rows U and X of MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760, RFC 7606 5.3 and 7.11, RFC 8950).

use super::bytes::{AS_PATH, ORIGIN, update};
use super::expect::{ignores, mp_reach};
use super::lab::{Lab, P, P_TEXT};
use super::setup::Setup;

/// 2001:db8:64::/48 and the puppet's address.
const V6: &str = "30 20010db80064";
const V6_TEXT: &str = "2001:db8:64::/48";
const V6_HOP: &str = "fd000099000000000000000000000002";

fn path(more: &str) -> String {
    [ORIGIN, AS_PATH, more].concat()
}

/// The attribute alone ends the session, and is the data of the NOTIFICATION; the routes of
/// both families go.
fn ends_with_its_data(attribute: &str) {
    let (lab, puppet) = Lab::with_route(Setup::external());
    let reach = mp_reach("000201", V6_HOP, V6);
    puppet.send(&update("", &path(&reach), ""));
    let route = lab.observer.sees(V6_TEXT, |_| true);
    assert_eq!(route.next_hop.as_deref(), Some("fd00:99::1"));
    puppet.send(&update("", &path(attribute), ""));
    puppet.is_told(&format!("3/9={attribute}"));
    lab.gone();
    lab.observer.loses(V6_TEXT);
    lab.comes_back();
}

#[test]
fn u43_mp_reach_next_hop_length_9() {
    ends_with_its_data("800e17 000201 09 20010db80000000000 00 40 20010db800000064");
}

#[test]
fn u44_mp_unreach_of_64_bits_with_4_octets() {
    ends_with_its_data("800f08 000201 40 20010db8");
}

#[test]
fn u45_mp_reach_of_a_family_that_was_not_negotiated() {
    let evpn = "800e0b 0019 46 04 0a630002 00 0101";
    let (lab, puppet) = Lab::with_route(Setup::external());
    puppet.send(&update("", &path(evpn), ""));
    lab.lives(&puppet);
    assert_eq!(lab.observer.history(P_TEXT).len(), 1);
    lab.logs(&["MP_REACH_NLRI: the family was not negotiated"]);
    // Beside a prefix that is negotiated.
    let attributes = path(&format!("4003040a630002 {evpn}"));
    puppet.send(&update("", &attributes, P));
    lab.used(&[]);
    lab.lives(&puppet);
}

#[test]
fn u45_end_of_rib_of_a_family_that_was_not_negotiated() {
    ignores(Setup::external(), &update("", "800f03 0019 46", ""));
}

#[test]
fn x05_ipv4_prefix_with_an_ipv6_next_hop_that_was_not_negotiated() {
    ends_with_its_data(&mp_reach("000101", V6_HOP, "18 644002"));
}

/// It is offered where the session is one of IPv6 (RFC 8950 4).
#[test]
fn x05_ipv4_prefix_with_an_ipv6_next_hop_that_was_negotiated() {
    let (lab, puppet) = Lab::with_route(Setup::over_ipv6().and("05 06 000100010002"));
    let reach = mp_reach("000101", V6_HOP, P);
    puppet.send(&update("", &path(&reach), ""));
    lab.used(&[]);
    lab.via("fd00:99::2");
    lab.lives(&puppet);
}

/// As U20 to U22: not usable, the session lives.
#[test]
fn ipv6_next_hops_that_never_work() {
    let (lab, puppet) = Lab::with_route(Setup::external());
    let announce = |next_hop: &str| {
        let reach = mp_reach("000201", next_hop, V6);
        puppet.send(&update("", &path(&reach), ""));
    };
    for next_hop in [
        "00000000000000000000000000000000",
        "00000000000000000000000000000001",
        "ff020000000000000000000000000001",
        "fd000099000000000000000000000001",
        "00000000000000000000ffff0a630002",
    ] {
        announce(V6_HOP);
        lab.observer.sees(V6_TEXT, |_| true);
        announce(next_hop);
        lab.observer.loses(V6_TEXT);
    }
    lab.lives(&puppet);
}

#[test]
fn ipv6_prefix_of_129_bits() {
    let nlri = format!("81 {}", "20010db8".repeat(4) + "80");
    let reach = mp_reach("000201", V6_HOP, &nlri);
    ends_with_its_data(&reach);
}

/// All prefixes of a message that is treated as a withdrawal go, whatever field they are in.
#[test]
fn an_error_withdraws_both_families() {
    let (lab, puppet) = Lab::with_route(Setup::external());
    let reach = mp_reach("000201", V6_HOP, V6);
    puppet.send(&update("", &path(&reach), ""));
    lab.observer.sees(V6_TEXT, |_| true);
    puppet.send(&update("", &path("4003040a630002"), "18 644002"));
    lab.observer.sees("100.64.2.0/24", |_| true);
    let attributes = [&reach, "40010103", AS_PATH, "4003040a630002"].concat();
    puppet.send(&update("18 644002", &attributes, P));
    lab.gone();
    lab.observer.loses(V6_TEXT);
    lab.observer.loses("100.64.2.0/24");
    lab.lives(&puppet);
}
