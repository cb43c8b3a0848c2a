use super::*;
use crate::fib::change::Change;
use crate::fib::{Gateway, KernelRoute, Ownership, Path, Target};
use std::net::IpAddr;

const OWNER: Ownership = Ownership {
    protocol: 77,
    metric: 77,
    default_route_metric: 20_077,
    table: 254,
};

/// `10.0.1.1`, or `10.0.1.1%7` with the index of a link.
fn hops(texts: &[&str]) -> Vec<Gateway> {
    let gateway = |text: &&str| {
        let (address, interface) = text.split_once('%').unwrap_or((text, "0"));
        Gateway {
            address: address.parse().unwrap(),
            interface: interface.parse().unwrap(),
        }
    };
    texts.iter().map(gateway).collect()
}

fn target(texts: &[&str]) -> Target {
    hops(texts).as_slice().into()
}

fn bytes_of(what: &Change) -> Vec<u8> {
    let mut out = Vec::new();
    change(&mut out, 5, &OWNER, what);
    out
}

fn create(prefix: &str, gateways: &[&str]) -> Change {
    Change::Create {
        prefix: prefix.parse().unwrap(),
        target: target(gateways),
    }
}

fn delete(prefix: &str, gateways: &[&str]) -> Change {
    Change::Delete {
        prefix: prefix.parse().unwrap(),
        target: (!gateways.is_empty()).then(|| target(gateways)),
    }
}

/// Little-endian, as on the machines that this runs on.
#[cfg(target_endian = "little")]
#[test]
fn a_creation_byte_by_byte() {
    let change = Change::Create {
        prefix: "10.244.2.0/24".parse().unwrap(),
        target: target(&["10.0.1.1%7"]),
    };
    #[rustfmt::skip]
    let expected = [
        68, 0, 0, 0,  24, 0,  0x01, 0x06,  5, 0, 0, 0,  0, 0, 0, 0, // REQUEST, CREATE, EXCL
        2, 24, 0, 0,  254, 77, 0, 1,  0, 0, 0, 0, // inet /24, main, ours, universe, unicast
        8, 0, 1, 0,  10, 244, 2, 0, // RTA_DST
        8, 0, 15, 0,  254, 0, 0, 0, // RTA_TABLE
        8, 0, 6, 0,  77, 0, 0, 0, // RTA_PRIORITY
        8, 0, 5, 0,  10, 0, 1, 1, // RTA_GATEWAY
        8, 0, 4, 0,  7, 0, 0, 0, // RTA_OIF
    ];
    assert_eq!(bytes_of(&change), expected);
}

#[cfg(target_endian = "little")]
#[test]
fn an_ipv4_route_with_an_ipv6_gateway_byte_by_byte() {
    let bytes = bytes_of(&create("10.244.2.0/24", &["fd00:99::2"]));
    #[rustfmt::skip]
    let via = [
        22, 0, 18, 0,  10, 0, // RTA_VIA, inet6
        0xfd, 0, 0, 0x99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
        0, 0, // padding
    ];
    assert!(bytes.ends_with(&via), "{bytes:?}");
    // One of each: the kernel takes both kinds in one route.
    let route = create("10.244.2.0/24", &["10.0.1.1", "fd00:99::2"]);
    let bytes = bytes_of(&route);
    let raw = split(&bytes).next().unwrap();
    let read = parse_route(raw.payload).unwrap();
    assert_eq!(read.gateways, hops(&["10.0.1.1", "fd00:99::2"]));
}

#[cfg(target_endian = "little")]
#[test]
fn an_ipv6_multipath_delete_byte_by_byte() {
    let change = delete("2001:db8::/64", &["2001:db8:1::1", "fe80::1%7"]);
    #[rustfmt::skip]
    let expected = [
        124, 0, 0, 0,  25, 0,  0x01, 0,  5, 0, 0, 0,  0, 0, 0, 0, // REQUEST
        10, 64, 0, 0,  254, 77, 255, 1,  0, 0, 0, 0, // inet6 /64, main, ours, any scope, unicast
        20, 0, 1, 0,  0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // RTA_DST
        8, 0, 15, 0,  254, 0, 0, 0, // RTA_TABLE
        8, 0, 6, 0,  77, 0, 0, 0, // RTA_PRIORITY
        60, 0, 9, 0, // RTA_MULTIPATH
        28, 0, 0, 0,  0, 0, 0, 0, // any interface
        20, 0, 5, 0,  0x20, 1, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
        28, 0, 0, 0,  7, 0, 0, 0,
        20, 0, 5, 0,  0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
    ];
    assert_eq!(bytes_of(&change), expected);
}

#[test]
fn a_replacement_creates_nothing_and_a_creation_replaces_nothing() {
    let flags = |change: &Change| split(&bytes_of(change)).next().unwrap().flags;
    let create = create("10.0.0.0/8", &["10.0.1.1"]);
    assert_eq!(
        flags(&create),
        flag::REQUEST | flag::CREATE | flag::EXCLUSIVE
    );
    let replace = Change::Replace {
        prefix: "10.0.0.0/8".parse().unwrap(),
        target: target(&["10.0.1.1"]),
    };
    assert_eq!(flags(&replace), flag::REQUEST | flag::REPLACE);
}

#[test]
fn a_delete_names_protocol_metric_table_and_type() {
    for (prefix, metric) in [
        ("10.0.0.0/8", 77),
        // A default route has its own metric.
        ("0.0.0.0/0", 20_077),
        ("2001:db8::/32", 77),
        ("::/0", 20_077),
    ] {
        let bytes = bytes_of(&delete(prefix, &["10.0.1.1"]));
        let raw = split(&bytes).next().unwrap();
        assert_eq!(raw.kind, kind::DEL_ROUTE);
        let route = parse_route(raw.payload).unwrap();
        assert_eq!(
            (route.protocol, route.metric, route.table, route.unicast),
            (77, metric, 254, true),
            "{prefix}"
        );
        // Only IPv6 joins others' gateways with ours.
        assert_eq!(route.gateways.is_empty(), route.prefix.is_ipv4());
    }
}

#[test]
fn what_is_written_is_read_as_the_same_and_as_ours() {
    for (prefix, gateways) in [
        ("10.244.2.0/24", vec!["10.0.1.1"]),
        ("10.244.2.0/24", vec!["10.0.1.1%7"]),
        ("0.0.0.0/0", vec!["10.0.1.1", "10.0.2.1%7"]),
        // One gateway that is on two links.
        ("10.244.2.0/24", vec!["10.0.1.1%3", "10.0.1.1%7"]),
        ("2001:db8::/64", vec!["2001:db8:1::1%3"]),
        ("2001:db8::/64", vec!["2001:db8:1::1", "2001:db8:2::1"]),
        ("2001:db8::/64", vec!["fe80::1%7"]),
        ("2001:db8::/64", vec!["2001:db8:1::1%7", "fe80::1%3"]),
        ("2001:db8::/64", vec!["fe80::1%3", "fe80::1%4"]),
        ("10.244.2.0/24", vec!["fe80::1%3"]),
    ] {
        let prefix = prefix.parse().unwrap();
        let bytes = bytes_of(&Change::Create {
            prefix,
            target: target(&gateways),
        });
        let raw = split(&bytes).next().unwrap();
        let route = parse_route(raw.payload).unwrap();
        assert_eq!(route.prefix, prefix);
        assert_eq!(route.target(), target(&gateways));
        assert!(OWNER.owns(&route), "{route:?}");
    }
}

#[test]
fn the_same_gateway_on_another_link_is_another_target() {
    for prefix in ["10.244.2.0/24", "2001:db8::/64"] {
        let gateway = if prefix.contains(':') {
            "2001:db8:1::1"
        } else {
            "10.0.1.1"
        };
        let read = |link: u32| {
            let bytes = bytes_of(&create(prefix, &[&format!("{gateway}%{link}")]));
            parse_route(&bytes[HEADER_LEN..]).unwrap().target()
        };
        assert_eq!(read(3), read(3));
        assert_ne!(read(3), read(4));
    }
}

#[test]
fn another_protocol_metric_table_or_type_is_not_ours() {
    let ours = KernelRoute {
        prefix: "10.0.0.0/8".parse().unwrap(),
        protocol: 77,
        metric: 77,
        table: 254,
        kind: 1,
        unicast: true,
        interface: None,
        gateways: vec![],
        object: None,
        source: None,
        extras: false,
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
    let mut bytes = bytes_of(&create("10.0.0.0/8", &["10.0.1.1", "10.0.2.1"]));
    // The flags of the two: RTNH_F_DEAD and RTNH_F_LINKDOWN; only RTNH_F_LINKDOWN (carrier lost,
    // still in the route: the kernel uses it again by itself).
    let first = HEADER_LEN + ROUTE_LEN + 3 * 8 + 4;
    bytes[first + 2] = 17;
    bytes[first + 16 + 2] = 16;
    assert_eq!(
        parse_route(&bytes[HEADER_LEN..]).unwrap().gateways,
        hops(&["10.0.2.1"])
    );
}

#[test]
fn only_an_address_on_a_link_is_a_gateway_itself() {
    let hop = hops(&["10.0.9.1"])[0].next_hop();
    let lookup = |gateways: &[&str], kind: u8| {
        let mut bytes = bytes_of(&create("10.0.0.0/8", gateways));
        bytes[HEADER_LEN + 7] = kind;
        bytes.extend_from_slice(&[8, 0, 4, 0]);
        bytes.extend_from_slice(&7_u32.to_ne_bytes());
        parse_lookup(&bytes[HEADER_LEN..], hop).unwrap()
    };
    assert_eq!(lookup(&[], 1), Lookup::Connected(7));
    assert_eq!(lookup(&["10.0.9.1"], 1), Lookup::Connected(7), "by itself");
    for gateways in [vec!["10.0.1.1"], vec!["10.0.1.1", "10.0.2.1"]] {
        let Lookup::Through(route) = lookup(&gateways, 1) else {
            panic!("{gateways:?}");
        };
        let addresses = |gateways: &[Gateway]| -> Vec<IpAddr> {
            gateways.iter().map(|gateway| gateway.address).collect()
        };
        assert_eq!(addresses(&route.gateways), addresses(&hops(&gateways)));
        assert!(OWNER.owns(&route));
    }
    assert_eq!(lookup(&[], 2), Lookup::Own);
    // A blackhole.
    assert_eq!(lookup(&[], 6), Lookup::Unreachable);
    assert_eq!(parse_lookup(&[0; 11], hop), None);
}

#[test]
fn a_route_with_an_object_and_a_source_is_read_as_written() {
    let target = Target {
        path: Path::Object(0x7263_0001),
        source: Some("10.9.9.9".parse().unwrap()),
    };
    let bytes = bytes_of(&Change::Create {
        prefix: "10.244.2.0/24".parse().unwrap(),
        target: target.clone(),
    });
    let raw = split(&bytes).next().unwrap();
    let route = parse_route(raw.payload).unwrap();
    assert_eq!((route.target(), route.gateways), (target, vec![]));
}

#[test]
fn what_own_routes_never_have_makes_them_others() {
    let whole = |gateways: &[&str], offset: usize, value: u8, more: &[u8]| {
        let mut bytes = bytes_of(&create("10.0.0.0/8", gateways));
        bytes[offset] |= value;
        bytes.extend_from_slice(more);
        parse_route(&bytes[HEADER_LEN..]).unwrap()
    };
    let one = ["10.0.1.1"];
    let several = ["10.0.1.1", "10.0.2.1"];
    let first = HEADER_LEN + ROUTE_LEN + 3 * 8 + 4;
    let mtu = [12, 0, 8, 0, 8, 0, 2, 0, 0xf4, 1, 0, 0];
    let encapsulation = [8, 0, 22, 0, 4, 0, 2, 0];
    let object = [8, 0, 30, 0, 1, 0, 0, 0];
    assert!(!whole(&one, 0, 0, &[]).extras && !whole(&several, 0, 0, &[]).extras);
    for route in [
        whole(&one, 0, 0, &mtu),
        whole(&one, 0, 0, &encapsulation),
        // On the link because somebody says so: in the route, and in the first of two gateways.
        whole(&one, HEADER_LEN + 8, 4, &[]),
        whole(&several, first + 2, 4, &[]),
        // Twice the weight.
        whole(&several, first + 3, 1, &[]),
        // Also where the gateways are an object's.
        whole(&one, 0, 0, &[mtu.as_slice(), &object].concat()),
    ] {
        assert!(
            route.extras && route.target().hops().is_empty(),
            "{route:?}"
        );
        assert!(
            OWNER.owns(&route) && !route.gateways.is_empty(),
            "{route:?}"
        );
    }
    // What is behind an object is the object's.
    assert!(!whole(&several, first + 3, 1, &object).extras);
    // Of an IPv6 route's gateways one may be another program's.
    let mut bytes = bytes_of(&create("2001:db8::/64", &["fd00:1::1", "fd00:2::1"]));
    let first = HEADER_LEN + ROUTE_LEN + 20 + 2 * 8 + 4;
    bytes[first + 3] = 1;
    let route = parse_route(&bytes[HEADER_LEN..]).unwrap();
    assert!(!route.extras && route.gateways.len() == 2);
}

#[test]
fn cut_off_and_nonsensical_datagrams_end_the_split() {
    let bytes = bytes_of(&create("10.0.0.0/8", &["10.0.1.1", "10.0.2.1"]));
    assert_eq!(split(&bytes).count(), 1);
    for cut in 0..bytes.len() {
        assert_eq!(split(&bytes[..cut]).count(), 0, "{cut}");
        let _ = parse_route(&bytes[..cut]);
        let _ = parse_route(bytes.get(HEADER_LEN..cut).unwrap_or_default());
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
    change(&mut out, 1, &OWNER, &delete("10.0.0.0/8", &[]));
    let last = change(&mut out, 2, &OWNER, &delete("10.0.0.0/8", &[]));
    add_flags(&mut out, last, flag::ACK);
    let acks: Vec<bool> = split(&out).map(|raw| raw.flags & flag::ACK != 0).collect();
    assert_eq!(acks, [false, true]);
}

#[test]
fn a_datagram_that_was_cut_is_known_by_its_end() {
    let mut whole = Vec::new();
    dump_links(&mut whole, 1);
    dump_links(&mut whole, 2);
    assert!(is_whole(&whole) && is_whole(&[]));
    let boundary = whole.len() / 2;
    for cut in 1..whole.len() {
        assert_eq!(is_whole(&whole[..cut]), cut == boundary, "{cut}");
    }
    // A message that says less of itself than its header is long.
    whole[0] = 15;
    assert!(!is_whole(&whole));
}
