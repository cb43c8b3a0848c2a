//! A message on its way to the peer: decided, but perhaps not encoded.
//!
//! Which routes go out and with which attributes is known where the Loc-RIB is; what that is in octets
//! needs nothing of it, and can be made of it on another thread.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::attr::PathAttributes;
use crate::iana::Family;
use crate::message::{EncodedAttributes, announce, can_carry};
use crate::rib::export::{Target, transform};
use crate::validate::SessionOptions;
use crate::wire::{MAX_MESSAGE_LEN, Nlri};

/// Prefixes that surely find a place beside [`SHORT`] attributes. Where there are more with the same
/// attributes, most of the work is done once for all of them, and they may need several messages.
const FEW: usize = 64;
/// Octets that attributes may have at most.
const SHORT: usize = 2048;
/// Of a prefix on the wire, at most: path identifier, length, address.
const PREFIX_MAX: usize = 4 + 1 + 16;
const _: () = assert!(SHORT + FEW * PREFIX_MAX + 64 <= MAX_MESSAGE_LEN);

/// One message.
#[derive(Debug)]
pub enum Outgoing {
    /// As it is.
    Message(Bytes),
    /// An UPDATE that announces.
    Announcement(Announcement),
}

/// An UPDATE that announces few prefixes with short attributes: it is known to be one message.
#[derive(Debug)]
pub struct Announcement {
    attributes: Arc<PathAttributes>,
    own: bool,
    family: Family,
    prefixes: VecDeque<Nlri>,
    to: Arc<Target>,
    options: Arc<SessionOptions>,
}

impl Outgoing {
    /// The message. Empty is what never occurs: an announcement that cannot be encoded.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Message(bytes) => bytes,
            Self::Announcement(announcement) => {
                let encoded = announcement.encode();
                debug_assert!(encoded.is_some(), "{announcement:?}");
                encoded.unwrap_or_default()
            }
        }
    }

    /// What it is in memory, in octets, but for what it shares with the tables: more than what the
    /// message will have, if it is not encoded.
    #[must_use]
    pub fn weight(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Message(bytes) => bytes.len(),
                Self::Announcement(announcement) => {
                    announcement.prefixes.capacity() * size_of::<Nlri>()
                }
            }
    }
}

impl Announcement {
    /// Whether these are few prefixes and short attributes whose next hop can be told: then the
    /// prefixes are taken.
    pub(super) fn of(
        (attributes, own): (&Arc<PathAttributes>, bool),
        prefixes: &mut VecDeque<Nlri>,
        to: &Arc<Target>,
        options: &Arc<SessionOptions>,
    ) -> Option<Self> {
        if prefixes.len() > FEW || attributes.longest() > SHORT {
            return None;
        }
        let family = Family::of(&prefixes.front()?.prefix);
        let next_hop = to.next_hop(attributes, own, family, None).ok()?;
        can_carry(family, next_hop, options).then(|| Self {
            attributes: Arc::clone(attributes),
            own,
            family,
            prefixes: std::mem::take(prefixes),
            to: Arc::clone(to),
            options: Arc::clone(options),
        })
    }

    /// The prefixes.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = &Nlri> {
        self.prefixes.iter()
    }

    fn encode(&self) -> Option<Bytes> {
        let attributes = transform(&self.attributes, self.own, self.family, &self.to, None);
        let encoded = EncodedAttributes::new(self.family, &attributes, &self.options).ok()?;
        let mut prefixes = self.prefixes.iter().copied().peekable();
        let message = announce(&encoded, &mut prefixes, &self.options);
        message.filter(|_| prefixes.peek().is_none())
    }
}

#[cfg(test)]
mod tests;
