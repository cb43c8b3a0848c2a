use super::*;
use std::sync::Arc;

const OWNER: Ownership = Ownership {
    protocol: 77,
    metric: 77,
    default_route_metric: 20_077,
    table: 254,
};

fn hops(texts: &[&str]) -> Arc<[NextHop]> {
    let address = |text: &&str| text.parse::<IpAddr>().unwrap();
    texts.iter().map(|text| address(text).into()).collect()
}

fn bytes_of(change: &Change) -> Vec<u8> {
    let (kind, flags, body) = of_change(&OWNER, change);
    let mut out = Vec::new();
    append(&mut out, kind, flags, 5, &body);
    out
}

/// Little-endian, as on the machines that this runs on.
#[cfg(target_endian = "little")]
#[test]
fn a_creation_byte_by_byte() {
    let change = Change::Create {
        prefix: "10.244.2.0/24".parse().unwrap(),
        next_hops: hops(&["10.0.1.1"]),
    };
    #[rustfmt::skip]
    let expected = [
        60, 0, 0, 0,  24, 0,  0x01, 0x06,  5, 0, 0, 0,  0, 0, 0, 0, // REQUEST, CREATE, EXCL
        2, 24, 0, 0,  254, 77, 0, 1,  0, 0, 0, 0, // inet /24, main, ours, universe, unicast
        8, 0, 1, 0,  10, 244, 2, 0, // RTA_DST
        8, 0, 15, 0,  254, 0, 0, 0, // RTA_TABLE
        8, 0, 6, 0,  77, 0, 0, 0, // RTA_PRIORITY
        8, 0, 5, 0,  10, 0, 1, 1, // RTA_GATEWAY
    ];
    assert_eq!(bytes_of(&change), expected);
}

#[test]
fn a_replacement_creates_nothing_and_a_creation_replaces_nothing() {
    let prefix = "10.0.0.0/8".parse().unwrap();
    let next_hops = hops(&["10.0.1.1"]);
    let create = of_change(
        &OWNER,
        &Change::Create {
            prefix,
            next_hops: next_hops.clone(),
        },
    );
    assert_eq!(
        create.1 & (NLM_F_CREATE | NLM_F_EXCL | NLM_F_REPLACE),
        NLM_F_CREATE | NLM_F_EXCL
    );
    let replace = of_change(&OWNER, &Change::Replace { prefix, next_hops });
    assert_eq!(
        replace.1 & (NLM_F_CREATE | NLM_F_EXCL | NLM_F_REPLACE),
        NLM_F_REPLACE
    );
}

#[test]
fn a_delete_names_protocol_metric_table_and_type() {
    let prefix = "10.0.0.0/8".parse().unwrap();
    let (kind, _, body) = of_change(&OWNER, &Change::Delete { prefix });
    assert_eq!(kind, kind::DEL_ROUTE);
    assert_eq!(u8::from(body.header.protocol), 77);
    assert_eq!(body.header.kind, RouteType::Unicast);
    assert!(body.attributes.contains(&RouteAttribute::Priority(77)));
    assert!(body.attributes.contains(&RouteAttribute::Table(254)));
}

#[test]
fn a_default_route_has_its_own_metric() {
    for text in ["0.0.0.0/0", "::/0"] {
        let (_, _, body) = of_change(
            &OWNER,
            &Change::Delete {
                prefix: text.parse().unwrap(),
            },
        );
        assert!(
            body.attributes.contains(&RouteAttribute::Priority(20_077)),
            "{text}"
        );
    }
}

#[test]
fn what_is_written_is_read_as_the_same_and_as_ours() {
    for (prefix, gateways) in [
        ("10.244.2.0/24", vec!["10.0.1.1"]),
        ("0.0.0.0/0", vec!["10.0.1.1", "10.0.2.1"]),
        ("2001:db8::/64", vec!["2001:db8:1::1", "2001:db8:2::1"]),
    ] {
        let next_hops = hops(&gateways);
        let prefix = prefix.parse().unwrap();
        let bytes = bytes_of(&Change::Create {
            prefix,
            next_hops: next_hops.clone(),
        });
        let raw = split(&bytes).next().unwrap();
        let route = parse_route(raw.payload).unwrap();
        assert_eq!(route.prefix, prefix);
        assert_eq!(route.next_hops, next_hops.to_vec());
        assert!(OWNER.owns(&route), "{route:?}");
    }
}

#[test]
fn a_link_local_gateway_keeps_its_interface_and_no_other_has_one() {
    let link_local = |interface| NextHop {
        address: "fe80::1".parse().unwrap(),
        interface: Some(interface),
    };
    let global = hops(&["2001:db8::1"])[0];
    for next_hops in [
        vec![link_local(7)],
        vec![global, link_local(3)],
        vec![link_local(3), link_local(4)],
    ] {
        let bytes = bytes_of(&Change::Create {
            prefix: "2001:db8:1::/64".parse().unwrap(),
            next_hops: next_hops.clone().into(),
        });
        let raw = split(&bytes).next().unwrap();
        assert_eq!(parse_route(raw.payload).unwrap().next_hops, next_hops);
    }
    // As the kernel tells a route of ours that names no interface.
    let mut body = route(&OWNER, "2001:db8:1::/64".parse().unwrap(), &[global]);
    body.attributes.push(RouteAttribute::Oif(5));
    let mut bytes = vec![0; body.buffer_len()];
    body.emit(&mut bytes);
    assert_eq!(parse_route(&bytes).unwrap().next_hops, [global]);
}

#[test]
fn another_protocol_metric_table_or_type_is_not_ours() {
    let ours = KernelRoute {
        prefix: "10.0.0.0/8".parse().unwrap(),
        protocol: 77,
        metric: 77,
        table: 254,
        unicast: true,
        next_hops: vec![],
    };
    assert!(OWNER.owns(&ours));
    for other in [
        KernelRoute {
            protocol: 4,
            ..ours.clone()
        },
        KernelRoute {
            metric: 0,
            ..ours.clone()
        },
        KernelRoute {
            table: 100,
            ..ours.clone()
        },
        KernelRoute {
            unicast: false,
            ..ours.clone()
        },
        // A default route has another metric.
        KernelRoute {
            prefix: "0.0.0.0/0".parse().unwrap(),
            ..ours.clone()
        },
    ] {
        assert!(!OWNER.owns(&other), "{other:?}");
    }
}

#[test]
fn a_dead_next_hop_does_not_count() {
    let dead = |address: &str, flags| {
        let mut hop = RouteNextHop::default();
        hop.flags = flags;
        hop.attributes = vec![RouteAttribute::Gateway(
            address.parse::<IpAddr>().unwrap().into(),
        )];
        hop
    };
    let mut body = route(&OWNER, "10.0.0.0/8".parse().unwrap(), &[]);
    body.attributes.push(RouteAttribute::MultiPath(vec![
        dead(
            "10.0.1.1",
            RouteNextHopFlags::Dead | RouteNextHopFlags::Linkdown,
        ),
        // Carrier lost, still in the route: the kernel uses it again by itself.
        dead("10.0.2.1", RouteNextHopFlags::Linkdown),
    ]));
    let mut bytes = vec![0; body.buffer_len()];
    body.emit(&mut bytes);
    assert_eq!(
        parse_route(&bytes).unwrap().next_hops,
        hops(&["10.0.2.1"]).to_vec()
    );
}

#[test]
fn cut_off_and_nonsensical_datagrams_end_the_split() {
    let bytes = bytes_of(&Change::Delete {
        prefix: "10.0.0.0/8".parse().unwrap(),
    });
    assert_eq!(split(&bytes).count(), 1);
    for cut in 0..bytes.len() {
        assert_eq!(split(&bytes[..cut]).count(), 0, "{cut}");
        // And no body that is too short is read as a route to somewhere else.
        let _ = parse_route(&bytes[..cut]);
    }
    for length in [0_u32, 3, 15, u32::MAX] {
        let mut broken = bytes.clone();
        broken[..4].copy_from_slice(&length.to_ne_bytes());
        assert_eq!(split(&broken).count(), 0, "{length}");
    }
    assert_eq!(errno_of(&(-17_i32).to_ne_bytes()), libc::EEXIST);
    assert_eq!(errno_of(&[]), libc::EBADMSG);
    assert_eq!(errno_of(&i32::MIN.to_ne_bytes()), i32::MAX);
}

#[test]
fn the_acknowledgement_is_asked_of_one_message_only() {
    let mut out = Vec::new();
    let (kind, flags, body) = of_change(
        &OWNER,
        &Change::Delete {
            prefix: "10.0.0.0/8".parse().unwrap(),
        },
    );
    append(&mut out, kind, flags, 1, &body);
    let last = append(&mut out, kind, flags, 2, &body);
    add_flags(&mut out, last, netlink_packet_core::NLM_F_ACK);
    let acks: Vec<bool> = split(&out)
        .map(|raw| raw.flags & netlink_packet_core::NLM_F_ACK != 0)
        .collect();
    assert_eq!(acks, [false, true]);
}
