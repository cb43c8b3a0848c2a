//! Whatever is handed over to be encoded elsewhere is one message, and the one that it would have been
//! here.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::attr::{AsPath, NextHop, RareAttributes, UnknownAttribute};
use crate::iana::AttributeCode;
use crate::speaker::{Interface, OwnAddresses};
use crate::validate::{AddPathFamilies, Role};
use crate::wire::Prefix;

/// Sizes from nothing to what no message has room for.
fn attributes() -> impl Strategy<Value = PathAttributes> {
    let numbers = |most| prop::collection::vec(64_500..4_294_967_000_u32, 0..most);
    let rare = (
        numbers(200),
        prop::collection::vec(any::<[u8; 8]>(), 0..40),
        prop::collection::vec(any::<[u32; 3]>(), 0..60),
        prop::collection::vec(any::<u8>(), 0..1500),
        any::<[Option<u32>; 3]>(),
    );
    let rare = rare.prop_map(|(clusters, extended, large, unknown, some)| {
        let [originator, otc, told_by] = some;
        RareAttributes {
            originator_id: originator.map(Ipv4Addr::from),
            cluster_list: clusters.into_iter().map(Ipv4Addr::from).collect(),
            extended_communities: extended,
            large_communities: large,
            only_to_customer: otc,
            unknown: vec![UnknownAttribute {
                flags: 0xe0,
                code: AttributeCode(99),
                value: unknown.into(),
            }],
            told_by: told_by.map(Ipv4Addr::from),
            ..RareAttributes::default()
        }
    });
    (
        prop_oneof![3 => numbers(12), 1 => numbers(600)],
        prop_oneof![3 => numbers(8), 1 => numbers(700)],
        prop::option::weighted(0.3, rare),
        any::<[bool; 2]>(),
    )
        .prop_map(|(path, communities, rare, [v6, med])| PathAttributes {
            as_path: AsPath::from_sequence(&path),
            communities: communities.into(),
            rare: rare.map(Box::new),
            med: med.then_some(7),
            next_hop: Some(if v6 {
                NextHop::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 9))
            } else {
                NextHop::V4(Ipv4Addr::new(10, 0, 0, 9))
            }),
            ..PathAttributes::default()
        })
}

fn to(bits: u16) -> (Target, SessionOptions) {
    let is_set = |bit: u16| bits >> bit & 1 == 1;
    let mut to = crate::rib::tests::target();
    if is_set(0) {
        to.asn = to.local_asn;
    }
    to.on_link = is_set(1);
    to.extended_next_hop = is_set(2);
    to.role = is_set(3).then_some(Role::Peer);
    to.graceful.draining = is_set(4);
    to.knobs.as_override = is_set(5);
    if is_set(6) {
        to.own = OwnAddresses {
            interface: Some(Interface {
                index: 2,
                name: "eth0".to_owned(),
            }),
            v6: Some(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1)),
            addresses: vec![Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1).into()],
            ..to.own
        };
    }
    let families = vec![Family::IPV4_UNICAST, Family::IPV6_UNICAST];
    let options = SessionOptions {
        four_octet_as: is_set(7),
        extended_message: is_set(8),
        extended_next_hop: if is_set(2) && is_set(9) {
            vec![Family::IPV4_UNICAST]
        } else {
            vec![]
        },
        add_path: AddPathFamilies {
            receive: vec![],
            send: if is_set(10) { families.clone() } else { vec![] },
        },
        families,
        ..SessionOptions::default()
    };
    (to, options)
}

fn prefixes(v6: bool, count: usize) -> VecDeque<Nlri> {
    let prefix = |number: u32| -> Prefix {
        let text = if v6 {
            format!("2001:db8::{number:x}/128")
        } else {
            format!("{}/32", Ipv4Addr::from(0x0a00_0000 + number))
        };
        text.parse().unwrap()
    };
    (0..).map(prefix).map(Nlri::from).take(count).collect()
}

/// The way that others take.
fn here(
    attributes: &PathAttributes,
    own: bool,
    prefixes: &VecDeque<Nlri>,
    to: &Target,
    options: &SessionOptions,
) -> Vec<Bytes> {
    let family = Family::of(&prefixes[0].prefix);
    let attributes = transform(attributes, own, family, to, None);
    let prefixes: Vec<Nlri> = prefixes.iter().copied().collect();
    crate::message::pack_announcements(family, &attributes, &prefixes, options).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_is_encoded_elsewhere_is_the_same_message(
        attributes in attributes(),
        bits in any::<u16>(),
        own in any::<bool>(),
        v6 in any::<bool>(),
        count in 1..=FEW + 1,
    ) {
        let (to, options) = to(bits);
        let (to, options, attributes) = (Arc::new(to), Arc::new(options), Arc::new(attributes));
        let all = prefixes(v6, count);
        let mut taken = all.clone();
        let outgoing = Announcement::of((&attributes, own), &mut taken, &to, &options);
        prop_assert_eq!(outgoing.is_none(), taken == all);
        if let Some(announcement) = outgoing {
            let expected = here(&attributes, own, &all, &to, &options);
            prop_assert_eq!(vec![Outgoing::Announcement(announcement).into_bytes()], expected);
        }
    }
}

/// The test above would hold if nothing were ever handed over.
#[test]
fn what_is_usual_is_handed_over() {
    for (v6, bits) in [(false, 1 << 7), (true, 1 << 6), (false, 0x7ff)] {
        let (to, options) = to(bits);
        let mut few = prefixes(v6, FEW);
        let attributes = Arc::new(PathAttributes {
            as_path: AsPath::from_sequence(&[65010; 100]),
            communities: vec![7; 100].into(),
            ..PathAttributes::default()
        });
        let (to, options) = (Arc::new(to), Arc::new(options));
        let announcement = Announcement::of((&attributes, true), &mut few, &to, &options);
        assert!(announcement.is_some());
    }
}
