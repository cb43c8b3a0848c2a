//! What can be made of a peer's bytes without knowing anything but the session's terms: messages, and
//! of an UPDATE what it says about routes.
//!
//! It is most of the work that an UPDATE makes before it comes to the RIB, and needs neither the state
//! machine nor the RIB: whoever reads from the connection can do it, on another thread than the
//! speaker's ([`crate::speaker::Input::Heard`]). [`crate::speaker::Input::Received`] does the same
//! within the speaker.

use crate::Notification;
use crate::iana::message_type;
use crate::message::{self, Message, Update};
use crate::validate::{self, RouteUpdate, SessionOptions, UpdateContext};
use crate::wire::{Frame, Framer, MAX_MESSAGE_LEN};

/// What a session's UPDATEs are read and judged by, from the peer's OPEN on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What both OPENs agreed on.
    pub options: SessionOptions,
    /// Who the peer is.
    pub updates: UpdateContext,
}

/// One message, as far as it could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Not looked into: nothing about routes, or the terms were not known.
    Frame(Frame),
    /// What an UPDATE says, or the NOTIFICATION that it deserves.
    Update(Result<RouteUpdate, Notification>),
    /// No message: the stream has no boundaries any more (RFC 4271 §6.1). Nothing comes after it.
    Malformed(Notification),
}

impl Heard {
    /// The type of the message, one of [`message_type`]; None where there is none.
    #[must_use]
    pub fn kind(&self) -> Option<u8> {
        match self {
            Self::Frame(frame) => Some(frame.kind),
            Self::Update(_) => Some(message_type::UPDATE),
            Self::Malformed(_) => None,
        }
    }
}

/// Of one connection; holds less than a message.
#[derive(Debug, Default)]
pub struct Intake {
    framer: Framer,
    failed: bool,
}

impl Intake {
    /// Takes what was read from the connection. Call [`Intake::next`] until it returns `None` before
    /// the next push.
    pub fn push(&mut self, bytes: &[u8]) {
        self.framer.push(bytes);
    }

    /// The next message. `terms` are those of the session, from the moment in which the peer's OPEN was
    /// accepted ([`crate::speaker::Output::Opened`]): before the KEEPALIVE that tells the peer so, hence
    /// before any UPDATE that it may send.
    pub fn next(&mut self, terms: Option<&Terms>) -> Option<Heard> {
        if self.failed {
            return None;
        }
        let longest = terms.map_or(MAX_MESSAGE_LEN, |terms| terms.options.max_message_len());
        match self.framer.next_frame(longest) {
            Ok(None) => None,
            Ok(Some(frame)) => Some(match terms {
                Some(terms) if frame.kind == message_type::UPDATE => {
                    Heard::Update(terms.read(&frame))
                }
                _ => Heard::Frame(frame),
            }),
            Err(notification) => {
                self.failed = true;
                Some(Heard::Malformed(notification))
            }
        }
    }
}

impl Terms {
    /// What an UPDATE says about routes.
    ///
    /// # Errors
    /// The NOTIFICATION to send before closing the connection.
    pub fn read(&self, update: &Frame) -> Result<RouteUpdate, Notification> {
        let update = Update::decode(&update.body, &self.options)?;
        validate::update(update, &self.options, &self.updates)
    }

    /// Any message but an UPDATE, whose meaning is the connection's.
    pub(crate) fn decode(&self, frame: Frame) -> Result<Message, Notification> {
        message::decode(frame, &self.options)
    }
}
