//! The body of an UPDATE in each negotiated mode: the first octet chooses it.

use bytes::{Bytes, BytesMut};
use rcni_bgp_proto::message::{self, Message, pack_announcements, pack_withdrawals};
use rcni_bgp_proto::validate::{self, AddPathFamilies, RouteUpdate, SessionOptions, UpdateContext};
use rcni_bgp_proto::wire::{Frame, MAX_EXTENDED_MESSAGE_LEN};
use rcni_bgp_proto::{AsPath, Family};

fn judge(body: Bytes, opts: &SessionOptions, ctx: &UpdateContext) -> Option<RouteUpdate> {
    match decode(body, opts)? {
        Message::Update(update) => validate::update(update, opts, ctx).ok(),
        _ => None,
    }
}

fn decode(body: Bytes, opts: &SessionOptions) -> Option<Message> {
    message::decode(Frame { kind: 2, body }, opts).ok()
}

fn options(choice: u8) -> SessionOptions {
    let bit = |bit: u8| choice & (1 << bit) != 0;
    let (v4, v6) = (Family::IPV4_UNICAST, Family::IPV6_UNICAST);
    let add_path = [(6, v4), (7, v6)]
        .into_iter()
        .filter(|(number, _)| bit(*number));
    let add_path: Vec<Family> = add_path.map(|(_, family)| family).collect();
    SessionOptions {
        four_octet_as: !bit(0),
        extended_message: bit(1),
        enhanced_route_refresh: false,
        families: if bit(2) { vec![v6] } else { vec![v4, v6] },
        extended_next_hop: if bit(3) { vec![v4] } else { vec![] },
        // Both ways, so that own messages can be read.
        add_path: AddPathFamilies {
            receive: add_path.clone(),
            send: add_path,
        },
    }
}

/// What is decoded comes back from encoding, what is accepted comes back from packing.
pub fn run(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    let bit = |bit: u8| choice & (1 << bit) != 0;
    let opts = options(*choice);
    let ctx = UpdateContext {
        peer_is_external: !bit(4),
        peer_asn: 65001,
        local_asn: 65000,
        enforce_first_as: bit(5),
        local_addresses: vec![[10, 99, 0, 1].into()],
    };
    as_decoded(body, &opts);
    let Some(routes) = judge(Bytes::copy_from_slice(body), &opts, &ctx) else {
        return;
    };
    for problem in &routes.errors {
        assert!(!problem.to_string().contains(char::is_control));
    }
    for (family, prefixes) in &routes.withdrawn {
        assert!(opts.families.contains(family));
        let mut again = Vec::new();
        for octets in pack_withdrawals(*family, prefixes, &opts) {
            let routes = judge(octets.slice(19..), &opts, &ctx).expect("own message");
            assert!(routes.announced.is_empty() && routes.errors.is_empty());
            again.extend(routes.withdrawn.into_iter().flat_map(|(_, list)| list));
        }
        assert_eq!(&again, prefixes);
    }
    as_packed(&routes, &opts, &ctx);
}

fn as_decoded(body: &[u8], opts: &SessionOptions) {
    let Some(message) = decode(Bytes::copy_from_slice(body), opts) else {
        return;
    };
    let mut out = BytesMut::new();
    // The fuzzer's body may be longer than any message.
    if message::encode(&message, opts, &mut out).is_ok() && out.len() <= MAX_EXTENDED_MESSAGE_LEN {
        let again = decode(out.freeze().slice(19..), opts);
        assert_eq!(again.expect("own message"), message);
    }
}

fn as_packed(routes: &RouteUpdate, opts: &SessionOptions, ctx: &UpdateContext) {
    for announcement in &routes.announced {
        assert!(opts.families.contains(&announcement.family));
        let mut attributes = (*announcement.attributes).clone();
        if !opts.four_octet_as && attributes.as_path.contains(23456) {
            // What AS_TRANS hid without AS4_PATH cannot be found again.
            attributes.as_path = AsPath::from_sequence(&[65001]);
        }
        let family = announcement.family;
        let Ok(messages) = pack_announcements(family, &attributes, &announcement.prefixes, opts)
        else {
            continue;
        };
        let mut prefixes = Vec::new();
        for octets in messages {
            assert!(octets.len() <= opts.max_message_len());
            let again = judge(octets.slice(19..), opts, ctx).expect("own message");
            for announced in again.announced {
                assert_eq!(*announced.attributes, attributes);
                prefixes.extend(announced.prefixes);
            }
        }
        assert_eq!(prefixes, announcement.prefixes);
    }
}
