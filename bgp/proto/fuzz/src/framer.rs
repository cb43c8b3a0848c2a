//! A byte stream in pieces: the first octet chooses the size of the pieces (lower seven bits) and
//! the maximum message length (highest bit).

use rcni_bgp_proto::message;
use rcni_bgp_proto::validate::SessionOptions;
use rcni_bgp_proto::wire::Framer;

/// No frame is longer than the session allows, and less than one message is held back.
pub fn run(data: &[u8]) {
    let Some((choice, stream)) = data.split_first() else {
        return;
    };
    let opts = SessionOptions {
        extended_message: choice & 0x80 != 0,
        ..SessionOptions::default()
    };
    let max_len = opts.max_message_len();
    let mut framer = Framer::new();
    for piece in stream.chunks(usize::from(choice & 0x7f) + 1) {
        framer.push(piece);
        while let Ok(Some(frame)) = framer.next_frame(max_len) {
            assert!(frame.body.len() + 19 <= max_len);
            let _ = message::decode(frame, &opts);
        }
        assert!(framer.pending() < max_len);
    }
}
