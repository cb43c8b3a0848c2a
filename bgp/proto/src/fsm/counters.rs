//! What was said on all connections of a peer.

use crate::error::Notification;
use crate::iana::{error_code, message_type};

/// Kinds of NOTIFICATION that are told apart: by error code, the unknown ones together.
const CODES: usize = error_code::SEND_HOLD_TIMER_EXPIRED as usize + 1;

/// Messages in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Messages {
    /// All.
    pub total: u64,
    /// UPDATEs among them.
    pub updates: u64,
    /// NOTIFICATIONs by error code; at 0 those with a code that is not known.
    pub notifications: [u64; CODES],
}

/// Messages in both directions since the speaker's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// From the peer.
    pub received: Messages,
    /// To the peer: handed to the transport, or about to be.
    pub sent: Messages,
}

impl Messages {
    /// One more of this type that is no NOTIFICATION.
    pub fn count(&mut self, kind: u8) {
        self.total += 1;
        self.updates += u64::from(kind == message_type::UPDATE);
    }

    /// One more NOTIFICATION.
    pub fn count_notification(&mut self, notification: &Notification) {
        self.total += 1;
        let code = usize::from(notification.code);
        let code = if code < CODES { code } else { 0 };
        if let Some(count) = self.notifications.get_mut(code) {
            *count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notifications_are_counted_by_code_and_unknown_ones_too() {
        let mut messages = Messages::default();
        messages.count(message_type::UPDATE);
        messages.count(message_type::KEEPALIVE);
        for code in [6, 6, 8, 9, 255, 0] {
            messages.count_notification(&Notification::new(code, 1, vec![]));
        }
        assert_eq!((messages.total, messages.updates), (8, 1));
        assert_eq!(messages.notifications, [3, 0, 0, 0, 0, 0, 2, 0, 1]);
    }
}
