//! Path identifiers (RFC 7911): what is negotiated, and prefixes that have them.

use rcni_bgp_proto::message::{pack_announcements, pack_withdrawals};
use rcni_bgp_proto::validate::{AddPath, AddPathFamilies, LocalOpen, Offer, SessionOptions};
use rcni_bgp_proto::validate::{Negotiated, negotiate};
use rcni_bgp_proto::{Capability, Family, Message, Nlri, Open, Update};

use crate::support::{
    AS_PATH, NEXT_HOP, ORIGIN, base, body, encoded, external, hex, judge_body, notification,
    prefix, receive, session, wire,
};

const V4: Family = Family::IPV4_UNICAST;
const V6: Family = Family::IPV6_UNICAST;

fn with_ids() -> SessionOptions {
    SessionOptions {
        add_path: AddPathFamilies {
            receive: vec![V4, V6],
            send: vec![V4, V6],
        },
        ..session()
    }
}

fn path(text: &str, path_id: u32) -> Nlri {
    Nlri {
        prefix: prefix(text),
        path_id,
    }
}

fn open(receive: bool, send: u8, families: &[Family]) -> Open {
    let local = LocalOpen {
        asn: 65001,
        bgp_id: [10, 0, 0, 1].into(),
        hold_time: 90,
        families: families.to_vec(),
        graceful_restart: None,
        long_lived_secs: None,
        extended_next_hop: false,
        offer: Offer {
            add_path: AddPath { receive, send },
            ..Offer::default()
        },
    };
    local.to_open()
}

fn families(sent: &Open, received: &Open) -> AddPathFamilies {
    let Negotiated { options, .. } = negotiate(sent, received).expect("a common family");
    options.add_path
}

#[test]
fn each_direction_of_each_family_is_agreed_on_by_itself() {
    let both = open(true, 4, &[V4, V6]);
    assert!(
        both.capabilities
            .contains(&Capability::AddPath(vec![(V4, 3), (V6, 3)]))
    );
    let receiver = open(true, 0, &[V4, V6]);
    assert!(
        receiver
            .capabilities
            .contains(&Capability::AddPath(vec![(V4, 1), (V6, 1)]))
    );
    let all = vec![V4, V6];
    let expected = AddPathFamilies {
        receive: vec![],
        send: all.clone(),
    };
    assert_eq!(families(&both, &receiver), expected);
    let expected = AddPathFamilies {
        receive: all,
        send: vec![],
    };
    assert_eq!(families(&receiver, &both), expected);
    assert_eq!(families(&receiver, &receiver), AddPathFamilies::default());
    // Only the families that both have at all.
    let one = open(false, 1, &[V6]);
    assert_eq!(families(&both, &one).receive, [V6]);
    let none = open(false, 0, &[V4, V6]);
    assert!(!none.capabilities.iter().any(|c| c.code() == 69));
    assert_eq!(families(&both, &none), AddPathFamilies::default());
}

/// RFC 7911 §4: other modes are ignored; of several entries the last counts.
#[test]
fn unknown_modes_and_several_entries() {
    let both = open(true, 4, &[V4, V6]);
    let mut odd = open(false, 0, &[V4, V6]);
    let capability = Capability::AddPath(vec![(V4, 3), (V4, 7), (V6, 3), (V6, 1)]);
    odd.capabilities.push(capability);
    let agreed = families(&both, &odd);
    assert_eq!(agreed.receive, [V4]);
    assert_eq!(agreed.send, [V4, V6]);
}

#[test]
fn identifiers_in_withdrawn_routes_and_nlri() {
    let octets = wire(
        2,
        &hex("000d  00000001 10 ac10  00000002 08 0a
              0000
              ffffffff 18 c00002  00000000 00"),
    );
    let update = Update {
        withdrawn: vec![path("172.16.0.0/16", 1), path("10.0.0.0/8", 2)],
        nlri: vec![path("192.0.2.0/24", u32::MAX), path("0.0.0.0/0", 0)],
        ..Update::default()
    };
    let message = Message::Update(update);
    assert_eq!(receive(&octets, &with_ids()), Ok(message.clone()));
    assert_eq!(encoded(&message, &with_ids()), octets);
}

#[test]
fn identifiers_in_multiprotocol_attributes() {
    let reach = "800e2b 0002 01 10 20010db8000000000000000000000001 00
                 00000007 30 20010db80064  00000008 30 20010db80064";
    let unreach = "800f0e 0002 01 00000009 30 20010db80065";
    let attributes = [reach, unreach, ORIGIN, AS_PATH].concat();
    let update = judge_body(&body("", &attributes, ""), &with_ids(), &external());
    let update = update.expect("accepted");
    assert_eq!(update.withdrawn, [(V6, vec![path("2001:db8:65::/48", 9)])]);
    assert_eq!(
        update.announced[0].prefixes,
        [path("2001:db8:64::/48", 7), path("2001:db8:64::/48", 8)]
    );
}

/// A prefix that is cut off cannot be located, wherever it stands (RFC 7606 §5.3).
#[test]
fn an_identifier_that_is_cut_off_ends_the_session() {
    let judge = |withdrawn, attributes: &str, nlri| {
        let body = body(withdrawn, attributes, nlri);
        notification(judge_body(&body, &with_ids(), &external()))
    };
    assert_eq!(judge("", &base(), "000000"), "3/10");
    assert_eq!(judge("", &base(), "00000001"), "3/10");
    assert_eq!(judge("00000001 18 6440", "", ""), "3/10");
    // A sender that forgot the identifiers.
    assert_eq!(judge("", &base(), "18 644001"), "3/10");
    let unreach = "800f05 0002 01 0000";
    assert_eq!(judge("", unreach, ""), "3/9=800f050002010000");
}

/// The other way round the octets may be prefixes by chance; then nothing can be noticed.
#[test]
fn without_negotiation_there_are_no_identifiers() {
    let attributes = [ORIGIN, AS_PATH, NEXT_HOP].concat();
    let update = judge_body(&body("", &attributes, "18 644001"), &session(), &external());
    let update = update.expect("accepted");
    assert_eq!(update.announced[0].prefixes, [path("100.64.1.0/24", 0)]);
}

#[test]
fn packing_counts_the_identifiers() {
    let attributes = rcni_bgp_proto::PathAttributes {
        next_hop: Some(rcni_bgp_proto::NextHop::V4([10, 0, 0, 1].into())),
        ..Default::default()
    };
    let prefixes: Vec<Nlri> = (0..1000).map(|id| path("192.0.2.0/24", id)).collect();
    for (opts, messages) in [(session(), 1), (with_ids(), 2)] {
        let packed = pack_announcements(V4, &attributes, &prefixes, &opts).expect("they fit");
        assert_eq!(packed.len(), messages);
        assert!(packed.iter().all(|octets| octets.len() <= 4096));
    }
    assert_eq!(
        pack_withdrawals(V4, &[path("192.0.2.0/24", 258)], &with_ids()),
        [wire(2, &hex("0008 00000102 18 c00002 0000"))]
    );
}
