//! The body of a NOTIFICATION: what is printed of it is one line.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use rcni_bgp_proto::message::{self, Message};
use rcni_bgp_proto::validate::SessionOptions;
use rcni_bgp_proto::wire::Frame;

fuzz_target!(|data: &[u8]| {
    let frame = Frame {
        kind: 3,
        body: Bytes::copy_from_slice(data),
    };
    if let Ok(Message::Notification(notification)) =
        message::decode(frame, &SessionOptions::default())
    {
        assert!(!notification.to_string().contains(char::is_control));
        let _ = message::notification(&notification);
    }
});
