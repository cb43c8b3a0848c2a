//! The body of an OPEN; what is decoded must survive encoding.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use rcni_bgp_proto::message::{self, Message};
use rcni_bgp_proto::validate::{self, ExpectedPeer, SessionOptions};
use rcni_bgp_proto::wire::{Frame, Framer, MAX_MESSAGE_LEN};

fuzz_target!(|data: &[u8]| {
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
    let _ = validate::open(
        open,
        &ExpectedPeer {
            asn: 65001,
            local_asn: 65000,
            local_bgp_id,
        },
    );
    let _ = validate::negotiate(open, open);
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
});
