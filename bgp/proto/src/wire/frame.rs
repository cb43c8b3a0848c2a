//! From a byte stream to messages: RFC 4271 §4.1 and the checks of §6.1.

use bytes::{Buf, Bytes, BytesMut};

use super::{HEADER_LEN, MAX_MESSAGE_LEN};
use crate::Notification;
use crate::iana::message_type;

/// One message without its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Message type, one of [`message_type`].
    pub kind: u8,
    /// What follows the header.
    pub body: Bytes,
}

impl Frame {
    /// The length field that the frame had on the wire.
    #[must_use]
    pub fn wire_len(&self) -> u16 {
        u16::try_from(HEADER_LEN + self.body.len()).unwrap_or(u16::MAX)
    }
}

/// Cuts a byte stream into frames.
///
/// Bounded: after [`Framer::next_frame`] has returned `Ok(None)` less than one message is held.
/// After an error the stream has no message boundaries any more: what is held is dropped, and so
/// is what is pushed later.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    failed: Option<Notification>,
}

impl Framer {
    /// An empty framer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what was read from the connection. Call [`Framer::next_frame`] until it returns
    /// `Ok(None)` before the next push.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Octets held that are not yet a message.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// The next whole message. `max_len` is the session's maximum message length; OPEN and
    /// KEEPALIVE stay at 4096 whatever it is (RFC 8654 §4).
    ///
    /// # Errors
    /// The NOTIFICATION to send before closing; the same again on each further call.
    pub fn next_frame(&mut self, max_len: usize) -> Result<Option<Frame>, Notification> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        match self.cut(max_len) {
            Ok(frame) => Ok(frame),
            Err(notification) => {
                self.buffer = BytesMut::new();
                self.failed = Some(notification.clone());
                Err(notification)
            }
        }
    }

    fn cut(&mut self, max_len: usize) -> Result<Option<Frame>, Notification> {
        let marker = self.buffer.len().min(16);
        if self.buffer.iter().take(marker).any(|octet| *octet != 0xff) {
            return Err(Notification::not_synchronized());
        }
        let Some(header) = self.buffer.first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let [.., high, low, kind] = *header;
        let length = u16::from_be_bytes([high, low]);
        check_length(length, kind, max_len)?;
        let length = usize::from(length);
        if self.buffer.len() < length {
            self.buffer.reserve(length - self.buffer.len());
            return Ok(None);
        }
        let mut message = if self.buffer.len() == length {
            // Who says nothing more for now has no buffer.
            std::mem::take(&mut self.buffer)
        } else {
            self.buffer.split_to(length)
        }
        .freeze();
        message.advance(HEADER_LEN);
        Ok(Some(Frame {
            kind,
            body: message,
        }))
    }
}

/// RFC 4271 §6.1. The length of ROUTE-REFRESH depends on the session (RFC 7313 §5): its decoder
/// checks it.
fn check_length(length: u16, kind: u8, max_len: usize) -> Result<(), Notification> {
    let octets = usize::from(length);
    if octets < HEADER_LEN || octets > max_len.max(MAX_MESSAGE_LEN) {
        return Err(Notification::bad_length(length));
    }
    let (min, max) = match kind {
        message_type::OPEN => (29, MAX_MESSAGE_LEN),
        message_type::UPDATE => (23, usize::MAX),
        message_type::NOTIFICATION => (21, usize::MAX),
        message_type::KEEPALIVE => (HEADER_LEN, HEADER_LEN),
        message_type::ROUTE_REFRESH => (HEADER_LEN, usize::MAX),
        _ => return Err(Notification::bad_type(kind)),
    };
    if octets < min || octets > max {
        return Err(Notification::bad_length(length));
    }
    Ok(())
}
