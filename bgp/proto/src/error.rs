//! A decode error knows its NOTIFICATION: the message is the error type.

use std::fmt;

use bytes::{Bytes, BytesMut};

use crate::capability::Capability;
use crate::iana::{
    Family, cease_subcode, error_code, error_name, fsm_subcode, header_subcode, open_subcode,
    subcode_name, update_subcode,
};

/// A NOTIFICATION message (RFC 4271 §4.5), and the error of everything whose reaction is to send
/// one and close the connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub struct Notification {
    /// Error code.
    pub code: u8,
    /// Error subcode; its meaning depends on the code.
    pub subcode: u8,
    /// Diagnostic data; its layout depends on code and subcode.
    pub data: Bytes,
}

impl Notification {
    /// A NOTIFICATION of any code.
    #[must_use]
    pub fn new(code: u8, subcode: u8, data: impl Into<Bytes>) -> Self {
        Self {
            code,
            subcode,
            data: data.into(),
        }
    }

    /// The marker is not all ones (RFC 4271 §6.1).
    #[must_use]
    pub fn not_synchronized() -> Self {
        Self::new(
            error_code::MESSAGE_HEADER,
            header_subcode::NOT_SYNCHRONIZED,
            Bytes::new(),
        )
    }

    /// The length field is outside of what the type allows (RFC 4271 §6.1); data: that field.
    #[must_use]
    pub fn bad_length(length: u16) -> Self {
        Self::new(
            error_code::MESSAGE_HEADER,
            header_subcode::BAD_LENGTH,
            Bytes::copy_from_slice(&length.to_be_bytes()),
        )
    }

    /// The type is not known (RFC 4271 §6.1); data: that octet.
    #[must_use]
    pub fn bad_type(kind: u8) -> Self {
        Self::new(
            error_code::MESSAGE_HEADER,
            header_subcode::BAD_TYPE,
            Bytes::copy_from_slice(&[kind]),
        )
    }

    /// An OPEN error (RFC 4271 §6.2) without data.
    #[must_use]
    pub fn open(subcode: u8) -> Self {
        Self::new(error_code::OPEN, subcode, Bytes::new())
    }

    /// No family in common (RFC 5492 §3); data: the capabilities of the families offered here.
    #[must_use]
    pub fn unsupported_families(families: &[Family]) -> Self {
        let mut data = BytesMut::new();
        for family in families {
            // Four octets of value always fit.
            let _ = Capability::Multiprotocol(*family).put(&mut data);
        }
        Self::new(error_code::OPEN, open_subcode::UNSUPPORTED_CAPABILITY, data)
    }

    /// The families that the sender of an Unsupported Capability asks for; empty if it is about
    /// something else, or says nothing.
    #[must_use]
    pub fn wanted_families(&self) -> Vec<Family> {
        let about =
            (self.code, self.subcode) == (error_code::OPEN, open_subcode::UNSUPPORTED_CAPABILITY);
        let mut capabilities = Vec::new();
        if !about || Capability::decode_all(&self.data, &mut capabilities).is_err() {
            return Vec::new();
        }
        let families = capabilities.iter().map(|capability| match capability {
            Capability::Multiprotocol(family) => Some(*family),
            _ => None,
        });
        families.collect::<Option<Vec<_>>>().unwrap_or_default()
    }

    /// The version is not 4 (RFC 4271 §6.2); data: the largest version that is spoken, 2 octets.
    #[must_use]
    pub fn unsupported_version() -> Self {
        Self::new(
            error_code::OPEN,
            open_subcode::UNSUPPORTED_VERSION,
            Bytes::copy_from_slice(&4_u16.to_be_bytes()),
        )
    }

    /// An UPDATE error (RFC 4271 §6.3); `data` is the offending attribute where there is one.
    #[must_use]
    pub fn update(subcode: u8, data: impl Into<Bytes>) -> Self {
        Self::new(error_code::UPDATE, subcode, data)
    }

    /// The lengths inside an UPDATE do not add up (RFC 4271 §6.3).
    #[must_use]
    pub fn malformed_attribute_list() -> Self {
        Self::update(update_subcode::MALFORMED_ATTRIBUTE_LIST, Bytes::new())
    }

    /// Withdrawn routes or NLRI cannot be parsed (RFC 4271 §6.3).
    #[must_use]
    pub fn invalid_network_field() -> Self {
        Self::update(update_subcode::INVALID_NETWORK_FIELD, Bytes::new())
    }

    /// Nothing was heard for the hold time (RFC 4271 §6.5).
    #[must_use]
    pub fn hold_timer_expired() -> Self {
        Self::new(error_code::HOLD_TIMER_EXPIRED, 0, Bytes::new())
    }

    /// The peer took nothing for the send hold time (RFC 9687).
    #[must_use]
    pub fn send_hold_timer_expired() -> Self {
        Self::new(error_code::SEND_HOLD_TIMER_EXPIRED, 0, Bytes::new())
    }

    /// A message that the state does not expect; `subcode` from [`fsm_subcode`] (RFC 6608).
    #[must_use]
    pub fn fsm(subcode: u8) -> Self {
        debug_assert!(subcode <= fsm_subcode::ESTABLISHED);
        Self::new(error_code::FSM, subcode, Bytes::new())
    }

    /// A Cease; `subcode` from [`cease_subcode`] (RFC 4486).
    #[must_use]
    pub fn cease(subcode: u8) -> Self {
        Self::new(error_code::CEASE, subcode, Bytes::new())
    }

    /// A Cease/Maximum Number of Prefixes Reached with the family and its limit (RFC 4486 §4).
    #[must_use]
    pub fn maximum_prefixes(family: Family, limit: u32) -> Self {
        let mut data = Vec::with_capacity(7);
        data.extend(family.afi.to_be_bytes());
        data.push(family.safi);
        data.extend(limit.to_be_bytes());
        Self::new(error_code::CEASE, cease_subcode::MAXIMUM_PREFIXES, data)
    }

    /// The family and the limit of a Cease/Maximum Number of Prefixes Reached, if it says them.
    #[must_use]
    pub fn prefix_limit(&self) -> Option<(Family, u32)> {
        let about = (error_code::CEASE, cease_subcode::MAXIMUM_PREFIXES);
        let [a, b, safi, limit @ ..] = &self.data[..] else {
            return None;
        };
        let limit = u32::from_be_bytes(limit.try_into().ok()?);
        let afi = u16::from_be_bytes([*a, *b]);
        let family = Family { afi, safi: *safi };
        ((self.code, self.subcode) == about).then_some((family, limit))
    }

    /// A Cease/Administrative Shutdown with a text for the operator on the other side (RFC 9003);
    /// cut at 255 octets on a character boundary.
    #[must_use]
    pub fn shutdown(text: &str) -> Self {
        Self::administrative(cease_subcode::ADMINISTRATIVE_SHUTDOWN, text)
    }

    /// A Cease/Administrative Reset, likewise.
    #[must_use]
    pub fn reset(text: &str) -> Self {
        Self::administrative(cease_subcode::ADMINISTRATIVE_RESET, text)
    }

    fn administrative(subcode: u8, text: &str) -> Self {
        let text = &text[..text.floor_char_boundary(255)];
        let mut data = Vec::with_capacity(1 + text.len());
        if !text.is_empty() {
            data.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
            data.extend_from_slice(text.as_bytes());
        }
        Self::new(error_code::CEASE, subcode, data)
    }

    /// Whether this is a Hard Reset, which ends graceful restart (RFC 8538 §3).
    #[must_use]
    pub fn is_hard_reset(&self) -> bool {
        self.code == error_code::CEASE && self.subcode == cease_subcode::HARD_RESET
    }

    /// The NOTIFICATION that a Hard Reset is sent for (RFC 8538 §3.1).
    #[must_use]
    pub fn encapsulated(&self) -> Option<Self> {
        let [code, subcode, data @ ..] = &self.data[..] else {
            return None;
        };
        let inner = Self::new(*code, *subcode, Bytes::copy_from_slice(data));
        (self.is_hard_reset() && !inner.is_hard_reset()).then_some(inner)
    }

    /// A Hard Reset for this reason (RFC 8538 §3.1).
    #[must_use]
    pub fn into_hard_reset(self) -> Self {
        let mut data = Vec::with_capacity(2 + self.data.len());
        data.extend([self.code, self.subcode]);
        data.extend_from_slice(&self.data);
        Self::new(error_code::CEASE, cease_subcode::HARD_RESET, data)
    }

    /// A Cease that is not about to pass, so that nobody should keep routes because of it: those
    /// for which RFC 8538 §5.1 suggests a Hard Reset. An administrative reset is none: the session
    /// is to come back.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        let lasting = matches!(
            self.subcode,
            cease_subcode::MAXIMUM_PREFIXES
                | cease_subcode::ADMINISTRATIVE_SHUTDOWN
                | cease_subcode::PEER_DECONFIGURED
        );
        self.code == error_code::CEASE && lasting
    }

    /// The text of an administrative shutdown or reset (RFC 9003), escaped for a log line;
    /// octets that are no UTF-8 as `\\xff`. `None` without one or where its length octet is wrong.
    #[must_use]
    pub fn shutdown_text(&self) -> Option<String> {
        let administrative = matches!(
            self.subcode,
            cease_subcode::ADMINISTRATIVE_SHUTDOWN | cease_subcode::ADMINISTRATIVE_RESET
        );
        if self.code != error_code::CEASE || !administrative {
            return None;
        }
        let (length, text) = self.data.split_first()?;
        let text = text
            .get(..usize::from(*length))
            .filter(|text| !text.is_empty())?;
        Some(escaped(text))
    }
}

fn escaped(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        out.extend(chunk.valid().escape_debug());
        out.extend(chunk.invalid().escape_ascii().map(char::from));
    }
    out
}

impl fmt::Display for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match error_name(self.code) {
            Some(name) => f.write_str(name)?,
            None => f.write_str("Unknown Error")?,
        }
        if let Some(name) = subcode_name(self.code, self.subcode) {
            write!(f, "/{name}")?;
        }
        write!(f, " ({}/{})", self.code, self.subcode)?;
        if let Some(inner) = self.encapsulated() {
            return write!(f, " for {inner}");
        }
        if let Some((family, limit)) = self.prefix_limit() {
            return write!(f, ": at most {limit} of {family}");
        }
        match self.shutdown_text() {
            Some(text) => write!(f, ": \"{text}\""),
            None => Ok(()),
        }
    }
}

/// A message of ours that does not fit the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Longer than the session's maximum message length.
    #[error("the message would have {length} octets, the session allows {max}")]
    MessageTooLong {
        /// Octets it would have.
        length: usize,
        /// Octets allowed.
        max: usize,
    },
    /// A capability value of more than 255 octets (RFC 5492 §4).
    #[error("capability {code} has a value of {length} octets, at most 255 fit")]
    CapabilityTooLong {
        /// The capability's code.
        code: u8,
        /// Octets of its value.
        length: usize,
    },
    /// The path has no next hop of the kind that the family needs.
    #[error("no next hop for {family} in the path attributes")]
    NextHop {
        /// The family of the announcement.
        family: crate::Family,
    },
}
