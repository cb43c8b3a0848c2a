//! The body of an UPDATE in each negotiated mode: the first octet chooses it. What is accepted
//! must come back the same from packing.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use rcni_bgp_proto::message::{self, Message, pack_announcements};
use rcni_bgp_proto::validate::{self, AddPathFamilies, RouteUpdate, SessionOptions, UpdateContext};
use rcni_bgp_proto::wire::Frame;
use rcni_bgp_proto::{AsPath, Family};

fn judge(body: Bytes, opts: &SessionOptions, ctx: &UpdateContext) -> Option<RouteUpdate> {
    match message::decode(Frame { kind: 2, body }, opts).ok()? {
        Message::Update(update) => validate::update(update, opts, ctx).ok(),
        _ => None,
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    let bit = |bit: u8| choice & (1 << bit) != 0;
    let (v4, v6) = (Family::IPV4_UNICAST, Family::IPV6_UNICAST);
    let opts = SessionOptions {
        four_octet_as: !bit(0),
        extended_message: bit(1),
        enhanced_route_refresh: false,
        families: if bit(2) { vec![v6] } else { vec![v4, v6] },
        extended_next_hop: if bit(3) { vec![v4] } else { vec![] },
        add_path: if bit(6) {
            AddPathFamilies {
                receive: vec![v4, v6],
                send: vec![v4, v6],
            }
        } else {
            AddPathFamilies::default()
        },
    };
    let ctx = UpdateContext {
        peer_is_external: !bit(4),
        peer_asn: 65001,
        local_asn: 65000,
        enforce_first_as: bit(5),
        local_addresses: vec![[10, 99, 0, 1].into()],
    };
    let Some(routes) = judge(Bytes::copy_from_slice(body), &opts, &ctx) else {
        return;
    };
    for announcement in &routes.announced {
        let mut attributes = (*announcement.attributes).clone();
        if !opts.four_octet_as && attributes.as_path.contains(23456) {
            // What AS_TRANS hid without AS4_PATH cannot be found again.
            attributes.as_path = AsPath::from_sequence(&[65001]);
        }
        let family = announcement.family;
        let Ok(messages) = pack_announcements(family, &attributes, &announcement.prefixes, &opts)
        else {
            continue;
        };
        let mut prefixes = Vec::new();
        for octets in messages {
            let again = judge(octets.slice(19..), &opts, &ctx).expect("own message");
            for announced in again.announced {
                assert_eq!(*announced.attributes, attributes);
                prefixes.extend(announced.prefixes);
            }
        }
        assert_eq!(prefixes, announcement.prefixes);
    }
});
