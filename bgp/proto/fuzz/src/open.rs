//! The body of an OPEN; what is decoded must survive encoding.

use bytes::{Bytes, BytesMut};
use rcni_bgp_proto::message::{self, Message};
use rcni_bgp_proto::validate::{self, ExpectedPeer, SessionOptions};
use rcni_bgp_proto::wire::{Frame, Framer, MAX_MESSAGE_LEN};

/// Decode, encode, decode: the same. What both sides can do is a part of what each can do.
pub fn run(data: &[u8]) {
    let opts = SessionOptions::default();
    let frame = Frame {
        kind: 1,
        body: Bytes::copy_from_slice(data),
    };
    let Ok(message) = message::decode(frame, &opts) else {
        return;
    };
    let Message::Open(open) = &message else {
        panic!("another message")
    };
    let local_bgp_id = [10, 0, 0, 1].into();
    for asn in [65001, 65000] {
        let expected = ExpectedPeer {
            asn: asn.into(),
            local_asn: 65000,
            local_bgp_id,
        };
        if validate::open(open, &expected).is_ok() {
            assert_eq!(open.asn(), asn);
            assert!(!matches!(open.hold_time, 1 | 2));
            assert!(!open.bgp_id.is_unspecified());
        }
    }
    if let Ok(agreed) = validate::negotiate(open, open) {
        assert_eq!(agreed.hold_time_secs, open.hold_time);
        assert!(agreed.families.is_sorted() && !agreed.families.is_empty());
    }
    let mut out = BytesMut::new();
    if message::encode(&message, &opts, &mut out).is_err() {
        return;
    }
    let mut framer = Framer::new();
    framer.push(&out);
    let frame = framer
        .next_frame(MAX_MESSAGE_LEN)
        .expect("own message")
        .expect("whole");
    assert_eq!(message::decode(frame, &opts).expect("own message"), message);
}
