//! Packing: what goes out is what the other side of the codec takes in.

use rcni_bgp_proto::attr::{Aggregator, NextHop};
use rcni_bgp_proto::iana::AttributeCode;
use rcni_bgp_proto::message::{EncodedAttributes, announce, pack_announcements, pack_withdrawals};
use rcni_bgp_proto::validate::{SessionOptions, UpdateContext};
use rcni_bgp_proto::{AsPath, Family, Message, PathAttributes, Prefix};

use crate::support::{hex, internal, prefix, receive, session, two_octet_session, wire};

const V4: Family = Family::IPV4_UNICAST;
const V6: Family = Family::IPV6_UNICAST;

fn attributes(path: &[u32], next_hop: &str) -> PathAttributes {
    let next_hop: std::net::IpAddr = next_hop.parse().expect("an address");
    PathAttributes {
        as_path: AsPath::from_sequence(path),
        next_hop: Some(next_hop.into()),
        ..PathAttributes::default()
    }
}

fn many_v4(count: u32) -> Vec<Prefix> {
    (0..count)
        .map(|i| {
            prefix(&format!(
                "{}/24",
                std::net::Ipv4Addr::from(0x0a00_0000 + i * 256)
            ))
        })
        .collect()
}

fn many_v6(count: u128) -> Vec<Prefix> {
    let base = 0x2001_0db8_u128 << 96;
    (0..count)
        .map(|i| {
            prefix(&format!(
                "{}/64",
                std::net::Ipv6Addr::from(base + (i << 64))
            ))
        })
        .collect()
}

fn context() -> UpdateContext {
    UpdateContext {
        local_addresses: vec![],
        ..internal()
    }
}

/// Through the wire and back: all announced prefixes, and the attributes they came with.
fn taken(messages: &[bytes::Bytes], opts: &SessionOptions) -> (Vec<Prefix>, Vec<PathAttributes>) {
    let (mut prefixes, mut attributes) = (Vec::new(), Vec::new());
    for message in messages {
        assert!(message.len() <= opts.max_message_len());
        let Ok(Message::Update(update)) = receive(message, opts) else {
            panic!("an UPDATE")
        };
        let update = rcni_bgp_proto::validate::update(update, opts, &context()).expect("accepted");
        assert_eq!((update.withdrawn, update.errors), (vec![], vec![]));
        for announcement in update.announced {
            prefixes.extend(announcement.prefixes.iter().map(|nlri| nlri.prefix));
            attributes.push((*announcement.attributes).clone());
        }
    }
    attributes.dedup();
    (prefixes, attributes)
}

#[test]
fn v4_octets() {
    let attributes = attributes(&[65000], "10.0.0.1");
    let messages = pack_announcements(V4, &attributes, &[prefix("10.244.1.0/24")], &session());
    let expected = "0000 0014 40010100 4002060201 0000fde8 400304 0a000001 18 0af401";
    assert_eq!(messages.expect("fits"), [wire(2, &hex(expected))]);
}

#[test]
fn v6_octets_have_mp_reach_first() {
    let attributes = attributes(&[65000], "2001:db8::1");
    let messages = pack_announcements(V6, &attributes, &[prefix("2001:db8:1::/48")], &session());
    let next_hop = "20010db8000000000000000000000001";
    let expected = format!(
        "0000 002c 800e1c 0002 01 10 {next_hop} 00 30 20010db80001 40010100 4002060201 0000fde8"
    );
    assert_eq!(messages.expect("fits"), [wire(2, &hex(&expected))]);
}

#[test]
fn attributes_ascend_by_code() {
    let mut attributes = attributes(&[65000], "10.0.0.1");
    attributes.med = Some(5);
    attributes.local_pref = 100.into();
    attributes.atomic_aggregate = true;
    attributes.communities = [0xfde8_0001].into();
    let rare = attributes.rare_mut();
    rare.aggregator = Some(Aggregator {
        asn: 65000,
        bgp_id: [10, 0, 0, 1].into(),
    });
    rare.originator_id = Some([10, 0, 0, 2].into());
    rare.cluster_list = vec![[10, 0, 0, 3].into()];
    rare.extended_communities = vec![[0, 2, 0xfd, 0xe8, 0, 0, 0, 1]];
    rare.ipv6_extended_communities = vec![[7; 20]];
    rare.large_communities = vec![[65000, 1, 2]];
    rare.partial = vec![AttributeCode::COMMUNITIES];
    for code in [24, 99, 255] {
        let value = bytes::Bytes::from_static(b"?");
        let code = AttributeCode(code);
        rare.unknown.push(rcni_bgp_proto::attr::UnknownAttribute {
            flags: 0xe0,
            code,
            value,
        });
    }
    let messages = pack_announcements(V4, &attributes, &many_v4(1), &session()).expect("fits");
    let Ok(Message::Update(update)) = receive(&messages[0], &session()) else {
        panic!()
    };
    let codes: Vec<u8> = update
        .attributes
        .iter()
        .map(|attribute| attribute.code.0)
        .collect();
    assert_eq!(
        codes,
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 24, 25, 32, 99, 255]
    );
    assert_eq!(update.attributes[7].flags, 0xe0, "COMMUNITIES stay partial");
    assert_eq!(taken(&messages, &session()), (many_v4(1), vec![attributes]));
}

#[test]
fn many_v4_prefixes_fill_the_messages() {
    let prefixes = many_v4(2500);
    let attributes = attributes(&[65000, 65001], "10.0.0.1");
    let messages = pack_announcements(V4, &attributes, &prefixes, &session()).expect("fits");
    // 4096 - 23 - 24 octets of attributes leave room for 1012 prefixes of 4.
    assert_eq!(
        messages.iter().map(bytes::Bytes::len).collect::<Vec<_>>(),
        [4095, 4095, 1951]
    );
    assert_eq!(taken(&messages, &session()), (prefixes, vec![attributes]));
}

#[test]
fn many_v6_prefixes_fill_the_messages() {
    let prefixes = many_v6(1000);
    let attributes = attributes(&[65000, 65001], "2001:db8::1");
    let messages = pack_announcements(V6, &attributes, &prefixes, &session()).expect("fits");
    assert_eq!(messages.len(), 3);
    assert!(messages[..2].iter().all(|message| message.len() > 4096 - 9));
    assert_eq!(taken(&messages, &session()), (prefixes, vec![attributes]));
}

#[test]
fn extended_messages_take_more() {
    let opts = SessionOptions {
        extended_message: true,
        ..session()
    };
    let prefixes = many_v4(16000);
    let attributes = attributes(&[65000], "10.0.0.1");
    let messages = pack_announcements(V4, &attributes, &prefixes, &opts).expect("fits");
    assert_eq!(messages.len(), 1);
    assert_eq!(taken(&messages, &opts).0, prefixes);
}

#[test]
fn withdrawals_of_both_families() {
    for (family, prefixes, least) in [(V4, many_v4(2500), 3), (V6, many_v6(1000), 3)] {
        let messages = pack_withdrawals(family, &prefixes, &session());
        assert_eq!(messages.len(), least);
        let mut withdrawn = Vec::new();
        for message in &messages {
            let Ok(Message::Update(update)) = receive(message, &session()) else {
                panic!()
            };
            let update = rcni_bgp_proto::validate::update(update, &session(), &context());
            let update = update.expect("accepted");
            assert_eq!((update.announced, update.errors), (vec![], vec![]));
            withdrawn.extend(
                update
                    .withdrawn
                    .into_iter()
                    .flat_map(|(_, prefixes)| prefixes),
            );
        }
        assert_eq!(withdrawn, prefixes);
    }
    let expected = wire(2, &hex("0004 18 0a0000 0000"));
    assert_eq!(pack_withdrawals(V4, &many_v4(1), &session()), [expected]);
    assert_eq!(
        pack_withdrawals::<Prefix>(V4, &[], &session()),
        [] as [bytes::Bytes; 0]
    );
}

#[test]
fn a_2_octet_peer_gets_as_trans_and_as4_path() {
    let opts = two_octet_session();
    let mut large = attributes(&[65000, 4_200_000_000], "10.0.0.1");
    let bgp_id = [10, 0, 0, 1].into();
    large.rare_mut().aggregator = Some(Aggregator {
        asn: 4_200_000_000,
        bgp_id,
    });
    let messages = pack_announcements(V4, &large, &many_v4(1), &opts).expect("fits");
    let expected = "0000 0035 40010100 400206 0202 fde8 5ba0 400304 0a000001
        c00706 5ba0 0a000001 c0110a 0202 0000fde8 fa56ea00 c01208 fa56ea00 0a000001 18 0a0000";
    let expected = hex(expected);
    let length = expected.len() - 4 - 4;
    assert_eq!(usize::from(expected[3]), length, "the vector's own length");
    assert_eq!(messages, [wire(2, &expected)]);
    assert_eq!(taken(&messages, &opts), (many_v4(1), vec![large]));

    let small = attributes(&[65000, 65001], "10.0.0.1");
    let messages = pack_announcements(V4, &small, &many_v4(1), &opts).expect("fits");
    let expected = "0000 0014 40010100 400206 0202 fde8 fde9 400304 0a000001 18 0a0000";
    assert_eq!(messages, [wire(2, &hex(expected))]);
}

#[test]
fn a_next_hop_that_the_family_cannot_carry_is_an_error() {
    let error = |family, attributes: &PathAttributes, opts: &SessionOptions| {
        EncodedAttributes::new(family, attributes, opts)
            .expect_err("no next hop")
            .to_string()
    };
    let v4 = attributes(&[65000], "10.0.0.1");
    let v6 = attributes(&[65000], "2001:db8::1");
    let none = PathAttributes {
        next_hop: None,
        ..v4.clone()
    };
    assert_eq!(
        error(V6, &v4, &session()),
        "no next hop for ipv6 unicast in the path attributes"
    );
    assert_eq!(
        error(V4, &v6, &session()),
        "no next hop for ipv4 unicast in the path attributes"
    );
    assert_eq!(
        error(V4, &none, &session()),
        "no next hop for ipv4 unicast in the path attributes"
    );
    let opts = SessionOptions {
        extended_next_hop: vec![V4],
        ..session()
    };
    let messages = pack_announcements(V4, &v6, &many_v4(3), &opts).expect("negotiated");
    assert_eq!(taken(&messages, &opts), (many_v4(3), vec![v6]));
}

#[test]
fn a_link_local_next_hop_goes_along() {
    let global = "2001:db8::1".parse().expect("an address");
    let link_local = "fe80::1".parse().expect("an address");
    let next_hop = Some(NextHop::V6LinkLocal { global, link_local });
    let attributes = PathAttributes {
        next_hop,
        ..attributes(&[65000], "::")
    };
    let messages = pack_announcements(V6, &attributes, &many_v6(3), &session()).expect("fits");
    assert_eq!(taken(&messages, &session()), (many_v6(3), vec![attributes]));
}

#[test]
fn attributes_that_leave_no_room_are_an_error() {
    let mut attributes = attributes(&[65000], "10.0.0.1");
    // 23 fixed, 20 others, 4 of header: 4044 octets of communities leave 5 for a prefix.
    attributes.communities = vec![7; 1011].into();
    assert!(pack_announcements(V4, &attributes, &[prefix("10.0.0.1/32")], &session()).is_ok());
    attributes.communities = vec![7; 1012].into();
    let error = pack_announcements(V4, &attributes, &[prefix("10.0.0.1/32")], &session());
    assert_eq!(
        error.expect_err("too long").to_string(),
        "the message would have 4100 octets, the session allows 4096"
    );
    // One octet is left.
    assert!(pack_announcements(V4, &attributes, &[prefix("0.0.0.0/0")], &session()).is_ok());
    attributes.communities = vec![7; 1013].into();
    assert!(EncodedAttributes::new(V4, &attributes, &session()).is_err());
    let opts = SessionOptions {
        extended_message: true,
        ..session()
    };
    assert!(pack_announcements(V4, &attributes, &[prefix("10.0.0.1/32")], &opts).is_ok());
}

#[test]
fn prefixes_can_be_taken_message_by_message() {
    let prefixes = many_v4(1500);
    let encoded = EncodedAttributes::new(V4, &attributes(&[65000], "10.0.0.1"), &session());
    let encoded = encoded.expect("fits");
    let mut left = prefixes.iter().copied().peekable();
    let first = announce(&encoded, &mut left, &session()).expect("a message");
    let second = announce(&encoded, &mut left, &session()).expect("a message");
    assert_eq!(announce(&encoded, &mut left, &session()), None);
    assert_eq!(taken(&[first, second], &session()).0, prefixes);
}

/// (octets, value) both ways, of what few paths have.
#[test]
fn rare_attributes_have_these_octets() {
    let octets = wire(
        2,
        &hex("0000 005f
             40010100  4002060201 0000fde9  4003040a000001
             e00808 fde80003 ffffff01
             c01010 0002fdf200000007 030cfde800000001
             c01914 0002 20010db8000000000000000000000001 0007
             c0200c 0000fdf2 00000001 ffffffff
             c02304 0000fde8
             18 c00002"),
    );
    let value = PathAttributes {
        as_path: rcni_bgp_proto::AsPath::from_sequence(&[65001]),
        next_hop: Some(NextHop::V4([10, 0, 0, 1].into())),
        communities: Box::new([0xfde8_0003, 0xffff_ff01]),
        rare: Some(Box::new(rcni_bgp_proto::attr::RareAttributes {
            extended_communities: vec![
                [0, 2, 0xfd, 0xf2, 0, 0, 0, 7],
                [3, 12, 0xfd, 0xe8, 0, 0, 0, 1],
            ],
            ipv6_extended_communities: vec![[
                0, 2, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 7,
            ]],
            large_communities: vec![[65010, 1, u32::MAX]],
            only_to_customer: Some(65000),
            partial: vec![rcni_bgp_proto::iana::AttributeCode::COMMUNITIES],
            ..Default::default()
        })),
        ..PathAttributes::default()
    };
    let packed = pack_announcements(V4, &value, &[prefix("192.0.2.0/24")], &session());
    let packed = packed.expect("it fits");
    assert_eq!(packed, [octets]);
    let (prefixes, attributes) = taken(&packed, &session());
    assert_eq!(prefixes, [prefix("192.0.2.0/24")]);
    assert_eq!(attributes, [value]);
}
