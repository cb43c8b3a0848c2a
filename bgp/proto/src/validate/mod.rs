//! What is accepted, and with which reaction: RFC 4271 §6, RFC 7606.

mod destination;
mod judge;
mod multiprotocol;
pub mod offer;
pub mod open;
pub mod update;

pub use offer::{AddPath, Offer, Role};
pub use open::{ExpectedPeer, LocalOpen, Negotiated, OpenError, RemoteAs, negotiate, open, roles};
pub use update::{
    Announcement, AttributeProblem, ProblemAction, RouteUpdate, UpdateContext, update,
};

use crate::Family;
use crate::wire::{MAX_EXTENDED_MESSAGE_LEN, MAX_MESSAGE_LEN};

/// All that coding and decoding depend on, fixed for the life of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionOptions {
    /// AS numbers have four octets (RFC 6793).
    pub four_octet_as: bool,
    /// Messages up to 65535 octets, but for OPEN and KEEPALIVE (RFC 8654).
    pub extended_message: bool,
    /// ROUTE-REFRESH has subtypes and its own error code (RFC 7313).
    pub enhanced_route_refresh: bool,
    /// Families that both sides announced.
    pub families: Vec<Family>,
    /// Families whose next hop may be an IPv6 address (RFC 8950).
    pub extended_next_hop: Vec<Family>,
    /// Families whose prefixes have path identifiers (RFC 7911).
    pub add_path: AddPathFamilies,
}

/// Families whose prefixes have path identifiers, by direction (RFC 7911 §4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddPathFamilies {
    /// In what the peer sends.
    pub receive: Vec<Family>,
    /// In what is sent to it.
    pub send: Vec<Family>,
}

impl SessionOptions {
    /// Largest message in octets, to pass to [`crate::wire::Framer::next_frame`].
    #[must_use]
    pub fn max_message_len(&self) -> usize {
        if self.extended_message {
            MAX_EXTENDED_MESSAGE_LEN
        } else {
            MAX_MESSAGE_LEN
        }
    }
}
