//! The body of a NOTIFICATION: what is printed of it is one line.

use bytes::Bytes;
use rcni_bgp_proto::message::{self, Message};
use rcni_bgp_proto::validate::SessionOptions;
use rcni_bgp_proto::wire::Frame;

/// No control character is printed, and what is written comes back.
pub fn run(data: &[u8]) {
    let decode = |body: Bytes| message::decode(Frame { kind: 3, body }, &SessionOptions::default());
    let Ok(Message::Notification(notification)) = decode(Bytes::copy_from_slice(data)) else {
        return;
    };
    assert!(!notification.to_string().contains(char::is_control));
    let octets = message::notification(&notification);
    let again = decode(octets.slice(19..)).expect("own message");
    // Only what no message has room for is cut.
    if data.len() <= 4096 - 19 {
        assert_eq!(again, Message::Notification(notification));
    }
}
