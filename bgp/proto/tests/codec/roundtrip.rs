//! Any value comes back from the wire as it was; no octets whatsoever make the decoder panic.

use bytes::Bytes;
use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use rcni_bgp_proto::attr::{Aggregator, NextHop, RareAttributes, SegmentKind, UnknownAttribute};
use rcni_bgp_proto::capability::{GracefulRestartCapability, LongLivedFamily};
use rcni_bgp_proto::iana::AttributeCode;
use rcni_bgp_proto::message::{self, RawAttribute, pack_announcements, pack_withdrawals};
use rcni_bgp_proto::validate::{self, AddPathFamilies, SessionOptions, UpdateContext};
use rcni_bgp_proto::wire::Framer;
use rcni_bgp_proto::{
    AsPath, Capability, Family, Message, Nlri, Notification, Open, Origin, PathAttributes, Prefix,
    RouteRefresh, Update,
};

use crate::support::{encoded, external, frame, internal, receive, session, wire};

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![
        3 => Just(Family::IPV4_UNICAST),
        3 => Just(Family::IPV6_UNICAST),
        1 => any::<(u16, u8)>().prop_map(|(afi, safi)| Family { afi, safi }),
    ]
}

fn octets(max: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..max).prop_map(Bytes::from)
}

fn graceful_restart() -> impl Strategy<Value = Capability> {
    (
        any::<(bool, bool)>(),
        0_u16..4096,
        vec((family(), any::<bool>()), 0..4),
    )
        .prop_map(|((restart, notification), time_secs, families)| {
            Capability::GracefulRestart(GracefulRestartCapability {
                restart,
                notification,
                time_secs,
                families,
            })
        })
}

fn capability() -> impl Strategy<Value = Capability> {
    let long_lived =
        (family(), any::<bool>(), 0_u32..1 << 24).prop_map(|(family, forwarding, stale_secs)| {
            LongLivedFamily {
                family,
                forwarding,
                stale_secs,
            }
        });
    prop_oneof![
        family().prop_map(Capability::Multiprotocol),
        Just(Capability::RouteRefresh),
        vec((family(), any::<u16>()), 0..4).prop_map(Capability::ExtendedNextHop),
        Just(Capability::ExtendedMessage),
        any::<u8>().prop_map(Capability::Role),
        graceful_restart(),
        any::<u32>().prop_map(Capability::FourOctetAs),
        vec((family(), any::<u8>()), 0..4).prop_map(Capability::AddPath),
        Just(Capability::EnhancedRouteRefresh),
        vec(long_lived, 0..4).prop_map(Capability::LongLivedGracefulRestart),
        (128_u8..=255, octets(256)).prop_map(|(code, value)| Capability::Unknown { code, value }),
    ]
}

fn open() -> impl Strategy<Value = Open> {
    (any::<(u16, u16, u32)>(), vec(capability(), 0..12)).prop_map(
        |((my_as, hold_time, bgp_id), capabilities)| Open {
            version: 4,
            my_as,
            hold_time,
            bgp_id: bgp_id.into(),
            capabilities,
        },
    )
}

fn prefix_v4() -> impl Strategy<Value = Prefix> {
    (any::<u32>(), 0_u8..=32).prop_map(|(address, bits)| {
        let network = Ipv4Network::new(address.into(), bits).expect("a valid length");
        IpNetwork::V4(Ipv4Network::new(network.network(), bits).expect("a valid length"))
    })
}

fn prefix_v6() -> impl Strategy<Value = Prefix> {
    (any::<u128>(), 0_u8..=128).prop_map(|(address, bits)| {
        let network = Ipv6Network::new(address.into(), bits).expect("a valid length");
        IpNetwork::V6(Ipv6Network::new(network.network(), bits).expect("a valid length"))
    })
}

/// Prefixes that are not ignored: within 1.0.0.0 to 126.255.255.255 and 2000::/3, or around them.
fn destination(prefix: Prefix) -> Prefix {
    match prefix {
        Prefix::V4(prefix) => {
            let address = prefix.ip().to_bits() % 0x7e00_0000 + 0x0100_0000;
            let network = Ipv4Network::new(address.into(), prefix.prefix()).expect("a length");
            IpNetwork::new(network.network().into(), prefix.prefix()).expect("a length")
        }
        Prefix::V6(prefix) => {
            let address = prefix.ip().to_bits() >> 3 | 1 << 125;
            let network = Ipv6Network::new(address.into(), prefix.prefix()).expect("a length");
            IpNetwork::new(network.network().into(), prefix.prefix()).expect("a length")
        }
    }
}

/// With the path identifiers that the session has, if it has any.
fn with_ids(prefixes: Vec<Prefix>, ids: &[u32], opts: &SessionOptions) -> Vec<Nlri> {
    let ids = ids.iter().copied().cycle();
    let path_id = |id| if opts.add_path.send.is_empty() { 0 } else { id };
    prefixes
        .into_iter()
        .zip(ids)
        .map(|(prefix, id)| Nlri {
            prefix,
            path_id: path_id(id),
        })
        .collect()
}

fn raw_attribute() -> impl Strategy<Value = RawAttribute> {
    (any::<(u8, u8)>(), octets(300)).prop_map(|((flags, code), value)| RawAttribute {
        // A long value has the flag on the wire whatever the sender wanted.
        flags: if value.len() > 255 {
            flags | 0x10
        } else {
            flags
        },
        code: AttributeCode(code),
        value,
    })
}

fn raw_update() -> impl Strategy<Value = Update> {
    let prefixes = || vec(prefix_v4().prop_map(Nlri::from), 0..50);
    (prefixes(), vec(raw_attribute(), 0..8), prefixes()).prop_map(
        |(withdrawn, attributes, nlri)| Update {
            withdrawn,
            attributes,
            trailing: Bytes::new(),
            nlri,
        },
    )
}

fn other_message() -> impl Strategy<Value = Message> {
    prop_oneof![
        (any::<(u8, u8)>(), octets(200)).prop_map(|((code, subcode), data)| {
            Message::Notification(Notification {
                code,
                subcode,
                data,
            })
        }),
        Just(Message::Keepalive),
        (family(), any::<u8>())
            .prop_map(|(family, subtype)| Message::RouteRefresh(RouteRefresh { family, subtype })),
    ]
}

fn asn() -> impl Strategy<Value = u32> {
    prop_oneof![1_u32..65536, 65536_u32..=u32::MAX]
}

fn next_hop(v6: bool) -> BoxedStrategy<NextHop> {
    let v4 = (0x0100_0000_u32..0x7f00_0000).prop_map(|address| NextHop::V4(address.into()));
    // 2000::/3, and fe80::/64 beside it.
    let global = (0x2000_u128 << 112..0x4000_u128 << 112).prop_map(std::net::Ipv6Addr::from);
    let link_local = any::<u64>()
        .prop_map(|interface| std::net::Ipv6Addr::from(0xfe80_u128 << 112 | u128::from(interface)));
    if v6 {
        prop_oneof![
            global.clone().prop_map(NextHop::V6),
            (global, link_local)
                .prop_map(|(global, link_local)| NextHop::V6LinkLocal { global, link_local }),
        ]
        .boxed()
    } else {
        v4.boxed()
    }
}

/// Codes that are not in the table, in ascending order.
fn unknown() -> impl Strategy<Value = Vec<UnknownAttribute>> {
    let codes = proptest::sample::subsequence(vec![11_u8, 24, 26, 33, 99, 128, 255], 0..4);
    (codes, octets(300)).prop_map(|(codes, value)| {
        let unknown = |code| UnknownAttribute {
            flags: 0xe0,
            code: AttributeCode(code),
            value: value.clone(),
        };
        codes.into_iter().map(unknown).collect()
    })
}

fn rare() -> impl Strategy<Value = Option<Box<RareAttributes>>> {
    let aggregator = (asn(), any::<u32>()).prop_map(|(asn, bgp_id)| Aggregator {
        asn,
        bgp_id: bgp_id.into(),
    });
    let lists = (
        vec(any::<u32>().prop_map(Into::into), 0..4),
        vec(any::<[u8; 8]>(), 0..4),
        vec(any::<[u8; 20]>(), 0..3),
        vec(any::<[u32; 3]>(), 0..4),
    );
    (
        option::of(aggregator),
        any::<[Option<u32>; 2]>(),
        lists,
        unknown(),
    )
        .prop_map(|(aggregator, numbers, lists, unknown)| {
            let [originator_id, only_to_customer] = numbers;
            let (cluster_list, extended_communities, ipv6_extended_communities, large_communities) =
                lists;
            let rare = RareAttributes {
                aggregator,
                originator_id: originator_id.map(Into::into),
                cluster_list,
                extended_communities,
                ipv6_extended_communities,
                large_communities,
                only_to_customer,
                partial: vec![],
                told_by: None,
                unknown,
                ..RareAttributes::default()
            };
            (rare != RareAttributes::default()).then(|| Box::new(rare))
        })
}

fn attributes(v6: bool) -> impl Strategy<Value = PathAttributes> {
    let origin = prop_oneof![
        Just(Origin::Igp),
        Just(Origin::Egp),
        Just(Origin::Incomplete)
    ];
    let path = vec(asn(), 0..20).prop_map(|asns| AsPath::from_sequence(&asns));
    let numbers = (option::of(any::<u32>()), option::of(any::<u32>()));
    let communities = vec(any::<u32>(), 0..6).prop_map(Vec::into_boxed_slice);
    (
        origin,
        any::<bool>(),
        path,
        next_hop(v6),
        numbers,
        communities,
        rare(),
    )
        .prop_map(
            |(
                origin,
                atomic_aggregate,
                as_path,
                next_hop,
                (med, local_pref),
                communities,
                rare,
            )| {
                PathAttributes {
                    origin,
                    atomic_aggregate,
                    as_path,
                    next_hop: Some(next_hop),
                    med,
                    local_pref: local_pref.into(),
                    communities,
                    rare,
                }
            },
        )
}

/// All negotiated modes that UPDATE depends on.
fn options() -> impl Strategy<Value = SessionOptions> {
    any::<[bool; 5]>().prop_map(
        |[
            four_octet_as,
            extended_message,
            enhanced,
            extended_next_hop,
            add_path,
        ]| SessionOptions {
            four_octet_as,
            extended_message,
            enhanced_route_refresh: enhanced,
            extended_next_hop: if extended_next_hop {
                vec![Family::IPV4_UNICAST]
            } else {
                vec![]
            },
            add_path: if add_path {
                AddPathFamilies {
                    receive: session().families,
                    send: session().families,
                }
            } else {
                AddPathFamilies::default()
            },
            ..session()
        },
    )
}

/// Octets that get past the lengths of an UPDATE more often than chance does: attributes of any
/// code with small values around those of the table.
fn update_octets() -> impl Strategy<Value = Vec<u8>> {
    let known = prop_oneof![
        4 => proptest::sample::select(vec![1_u8, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 25, 32, 35]),
        1 => any::<u8>(),
    ];
    let flags = proptest::sample::select(vec![0x40_u8, 0x80, 0xc0, 0xe0, 0x50, 0xd0, 0]);
    let attribute = (flags, known, octets(40)).prop_map(|(flags, code, value)| {
        let mut out = bytes::BytesMut::new();
        RawAttribute {
            flags,
            code: AttributeCode(code),
            value,
        }
        .put(&mut out);
        out.to_vec()
    });
    let tail = prop_oneof![3 => Just(Bytes::new()), 1 => octets(6)];
    (vec(attribute, 0..10), tail, octets(20), octets(20)).prop_map(
        |(list, tail, withdrawn, nlri)| {
            let list = [list.concat(), tail.to_vec()].concat();
            let mut out = (withdrawn.len() as u16).to_be_bytes().to_vec();
            out.extend(withdrawn);
            out.extend((list.len() as u16).to_be_bytes());
            out.extend(list);
            out.extend(nlri);
            out
        },
    )
}

fn judge_any(kind: u8, octets: Vec<u8>, opts: &SessionOptions, ctx: &UpdateContext) {
    if let Ok(Message::Update(update)) = message::decode(frame(kind, octets), opts)
        && let Ok(routes) = validate::update(update, opts, ctx)
    {
        for error in &routes.errors {
            assert!(!error.to_string().is_empty());
        }
        for announcement in &routes.announced {
            assert!(opts.families.contains(&announcement.family));
            assert!(announcement.attributes.next_hop.is_some());
        }
    }
}

proptest! {
    #[test]
    fn open_round_trip(open in open()) {
        let message = Message::Open(open);
        prop_assert_eq!(receive(&encoded(&message, &session()), &session()), Ok(message));
    }

    #[test]
    fn raw_update_round_trip(update in raw_update()) {
        let message = Message::Update(update);
        prop_assert_eq!(receive(&encoded(&message, &session()), &session()), Ok(message));
    }

    #[test]
    fn other_message_round_trip(message in other_message()) {
        prop_assert_eq!(receive(&encoded(&message, &session()), &session()), Ok(message));
    }

    #[test]
    fn routes_round_trip(
        v4 in (vec(prefix_v4(), 1..600), attributes(false)),
        v6 in (vec(prefix_v6(), 1..300), attributes(true)),
        opts in options(),
        ids in vec(any::<u32>(), 1..5),
    ) {
        for (family, (prefixes, attributes)) in [(Family::IPV4_UNICAST, v4), (Family::IPV6_UNICAST, v6)] {
            let prefixes = prefixes.into_iter().map(destination).collect();
            let prefixes = with_ids(prefixes, &ids, &opts);
            let messages = pack_announcements(family, &attributes, &prefixes, &opts).expect("fits");
            let mut received = Vec::new();
            for octets in &messages {
                prop_assert!(octets.len() <= opts.max_message_len());
                let Ok(Message::Update(update)) = receive(octets, &opts) else { panic!("an UPDATE") };
                let routes = validate::update(update, &opts, &internal()).expect("accepted");
                prop_assert_eq!(&routes.errors, &vec![]);
                prop_assert_eq!(&routes.withdrawn, &vec![]);
                for announcement in routes.announced {
                    prop_assert_eq!(&*announcement.attributes, &attributes);
                    received.extend(announcement.prefixes);
                }
            }
            prop_assert_eq!(&received, &prefixes);
            let mut withdrawn = Vec::new();
            for octets in pack_withdrawals(family, &prefixes, &opts) {
                prop_assert!(octets.len() <= opts.max_message_len());
                let Ok(Message::Update(update)) = receive(&octets, &opts) else { panic!("an UPDATE") };
                let routes = validate::update(update, &opts, &internal()).expect("accepted");
                prop_assert_eq!((routes.announced, routes.errors), (vec![], vec![]));
                withdrawn.extend(routes.withdrawn.into_iter().flat_map(|(_, prefixes)| prefixes));
            }
            prop_assert_eq!(withdrawn, prefixes);
        }
    }

    #[test]
    fn any_stream_in_any_pieces(
        stream in prop_oneof![octets(300), octets(100).prop_map(|body| Bytes::from(wire(2, &body)))],
        cut in 0_usize..300,
        max_len in prop_oneof![Just(4096_usize), Just(65535)],
    ) {
        let mut whole = Framer::new();
        whole.push(&stream);
        let mut pieces = Framer::new();
        let (head, tail) = stream.split_at(cut.min(stream.len()));
        let mut frames = Vec::new();
        for piece in [head, tail] {
            pieces.push(piece);
            while let Ok(Some(frame)) = pieces.next_frame(max_len) {
                frames.push(frame);
            }
        }
        let mut expected = Vec::new();
        while let Ok(Some(frame)) = whole.next_frame(max_len) {
            expected.push(frame);
        }
        prop_assert_eq!(frames, expected);
        prop_assert_eq!(pieces.next_frame(max_len), whole.next_frame(max_len));
    }

    #[test]
    fn any_body_of_any_type(kind in any::<u8>(), body in vec(any::<u8>(), 0..200), opts in options()) {
        judge_any(kind, body, &opts, &external());
    }

    #[test]
    fn any_open(head in any::<[u8; 9]>(), rest in vec(any::<u8>(), 0..60), version in prop_oneof![Just(4_u8), any::<u8>()]) {
        let mut body = head.to_vec();
        body[0] = version;
        body.push(rest.len() as u8);
        body.extend(rest);
        if let Ok(Message::Open(open)) = message::decode(frame(1, body), &session()) {
            // What it offers itself it has in common with itself.
            let agreed = validate::negotiate(&open, &open).expect("its own families");
            assert_eq!(agreed.hold_time_secs, open.hold_time);
        }
    }

    #[test]
    fn any_update(body in update_octets(), opts in options()) {
        judge_any(2, body.clone(), &opts, &external());
        judge_any(2, body, &opts, &internal());
    }

    #[test]
    fn an_as_path_that_is_put_together_keeps_its_length(
        asns in vec(asn(), 0..30),
        added in vec(1_u32..65536, 0..10),
    ) {
        // An old speaker sees AS_TRANS for what is large and puts itself in front.
        let meant = AsPath::from_sequence(&asns);
        let seen: Vec<u32> = added.iter().copied()
            .chain(asns.iter().map(|asn| u16::try_from(*asn).map_or(23456, u32::from)))
            .collect();
        let merged = AsPath::from_sequence(&seen).merge_as4(&meant);
        let expected: Vec<u32> = added.iter().chain(&asns).copied().collect();
        prop_assert_eq!(merged.asns().collect::<Vec<_>>(), expected);
        prop_assert!(merged.segments().all(|(kind, _)| kind == SegmentKind::Sequence));
    }
}
