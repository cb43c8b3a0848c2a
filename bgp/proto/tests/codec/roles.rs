//! Roles (RFC 9234 §4): which pairs make a session.

use rcni_bgp_proto::validate::{LocalOpen, Offer, Role, roles};
use rcni_bgp_proto::{Capability, Family, Open};

use crate::support::{hex, receive, session, wire};

const ALL: [Role; 5] = [
    Role::Provider,
    Role::RouteServer,
    Role::RouteServerClient,
    Role::Customer,
    Role::Peer,
];

fn open(said: &[u8]) -> Open {
    let local = LocalOpen {
        asn: 65001,
        bgp_id: [10, 0, 0, 1].into(),
        hold_time: 90,
        families: vec![Family::IPV4_UNICAST],
        graceful_restart: None,
        long_lived_secs: None,
        extended_next_hop: false,
        offer: Offer::default(),
    };
    let mut open = local.to_open();
    open.capabilities
        .extend(said.iter().copied().map(Capability::Role));
    open
}

#[test]
fn only_five_pairs_fit() {
    let mut pairs = vec![];
    for ours in ALL {
        assert_eq!(Role::from_wire(ours.to_wire()), Some(ours));
        for theirs in 0..=255 {
            if roles(Some(ours), false, &open(&[theirs])).is_ok() {
                pairs.push((ours.to_wire(), theirs));
            }
        }
    }
    assert_eq!(pairs, [(0, 3), (1, 2), (2, 1), (3, 0), (4, 4)]);
    assert_eq!(Role::from_wire(5), None);
}

#[test]
fn a_mismatch_is_2_11_and_says_what_does_not_fit() {
    let error = roles(Some(Role::Customer), false, &open(&[3])).expect_err("two customers");
    let notification = error.notification();
    assert_eq!((notification.code, notification.subcode), (2, 11));
    assert!(notification.data.is_empty());
    assert_eq!(
        error.to_string(),
        "our role is customer, so the peer's must be provider, and it is customer"
    );
    let error = roles(Some(Role::Peer), false, &open(&[9])).expect_err("no such role");
    assert!(
        error.to_string().ends_with("it is the unassigned 9"),
        "{error}"
    );
}

#[test]
fn several_must_agree_with_each_other() {
    assert!(roles(Some(Role::Customer), true, &open(&[0, 0])).is_ok());
    let error = roles(Some(Role::Customer), true, &open(&[0, 4])).expect_err("two roles");
    assert_eq!(error.notification().subcode, 11);
    assert!(error.to_string().ends_with("it is provider and peer"));
}

#[test]
fn who_says_nothing_is_refused_only_where_roles_are_strict() {
    assert!(roles(Some(Role::Customer), false, &open(&[])).is_ok());
    let error = roles(Some(Role::Customer), true, &open(&[])).expect_err("strict");
    assert_eq!(
        (error.notification().code, error.notification().subcode),
        (2, 11)
    );
    // Without a role of our own nothing is compared.
    assert!(roles(None, true, &open(&[])).is_ok());
    assert!(roles(None, false, &open(&[1, 4, 200])).is_ok());
}

/// A capability whose length is wrong says no role.
#[test]
fn a_malformed_capability_counts_as_none() {
    let body = hex("04 fde9 005a 0a630002 0c 02 0a 0902 0300 0104 0001 0001");
    let Ok(rcni_bgp_proto::Message::Open(open)) = receive(&wire(1, &body), &session()) else {
        panic!("an OPEN")
    };
    assert!(roles(Some(Role::Customer), false, &open).is_ok());
    assert!(roles(Some(Role::Customer), true, &open).is_err());
}
