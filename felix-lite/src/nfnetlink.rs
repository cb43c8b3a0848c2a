//! The few nfnetlink messages that are needed (linux/netfilter/nfnetlink.h, nf_tables.h), as bytes.
//! Reading never fails and never panics: what is cut short ends the sequence.

use crate::table::model::Family;

/// Message types of the nftables subsystem (`NFNL_SUBSYS_NFTABLES` is 10).
pub mod kind {
    /// A table came.
    pub const NEW_TABLE: u16 = 10 << 8;
    /// A table went, or shall go.
    pub const DEL_TABLE: u16 = 10 << 8 | 2;
    /// A chain came, or is listed.
    pub const NEW_CHAIN: u16 = 10 << 8 | 3;
    /// Lists chains.
    pub const GET_CHAIN: u16 = 10 << 8 | 4;
    /// A chain went, or shall go.
    pub const DEL_CHAIN: u16 = 10 << 8 | 5;
    /// A rule came.
    pub const NEW_RULE: u16 = 10 << 8 | 6;
    /// A rule went.
    pub const DEL_RULE: u16 = 10 << 8 | 8;
    /// Opens a transaction.
    pub const BATCH_BEGIN: u16 = 0x10;
    /// Closes a transaction.
    pub const BATCH_END: u16 = 0x11;
    /// An error, or (with number 0) an acknowledgement.
    pub const ERROR: u16 = 2;
    /// A list is complete.
    pub const DONE: u16 = 3;
}

/// Attributes; the table's name has the same number in messages about tables, chains and rules.
pub mod attribute {
    /// The table's name.
    pub const TABLE: u16 = 1;
    /// The chain's name, in a message about a rule.
    pub const RULE_CHAIN: u16 = 2;
    /// The chain's name, in a message about a chain.
    pub const CHAIN_NAME: u16 = 3;
    /// Where it is attached; absent for a chain that is only jumped to.
    pub const CHAIN_HOOK: u16 = 4;
    /// What happens at its end: 1 is accept.
    pub const CHAIN_POLICY: u16 = 5;
    /// How many rules it has and how many enter it.
    pub const CHAIN_USE: u16 = 6;
}

/// The family of IPv4 tables (`NFPROTO_IPV4`).
pub const FAMILY_IPV4: u8 = 2;
/// The family of IPv6 tables (`NFPROTO_IPV6`).
pub const FAMILY_IPV6: u8 = 10;

/// The number of a family's tables.
#[must_use]
pub fn number_of(family: Family) -> u8 {
    match family {
        Family::V4 => FAMILY_IPV4,
        Family::V6 => FAMILY_IPV6,
    }
}

/// One netlink message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// See [`kind`].
    pub kind: u16,
    /// What follows the netlink header.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The first byte of `nfgenmsg`.
    #[must_use]
    pub fn family(&self) -> Option<u8> {
        self.payload.first().copied()
    }

    /// The value of an attribute after `nfgenmsg`.
    #[must_use]
    pub fn attribute(&self, wanted: u16) -> Option<&'a [u8]> {
        let mut rest = self.payload.get(4..)?;
        loop {
            let len = usize::from(u16_at(rest, 0)?);
            let found = u16_at(rest, 2)? & 0x3fff;
            let value = rest.get(4..len)?;
            if found == wanted {
                return Some(value);
            }
            rest = rest.get(aligned(len)..)?;
        }
    }

    /// An attribute that is a C string.
    #[must_use]
    pub fn text(&self, wanted: u16) -> Option<&'a str> {
        let value = self.attribute(wanted)?;
        let end = value.iter().position(|byte| *byte == 0);
        std::str::from_utf8(value.get(..end.unwrap_or(value.len()))?).ok()
    }

    /// An attribute that is a number in network byte order.
    #[must_use]
    pub fn number(&self, wanted: u16) -> Option<u32> {
        let bytes = self.attribute(wanted)?.first_chunk::<4>()?;
        Some(u32::from_be_bytes(*bytes))
    }

    /// The error number of an [`kind::ERROR`] message: 0 or negative.
    #[must_use]
    pub fn error(&self) -> Option<i32> {
        Some(i32::from_ne_bytes(*self.payload.first_chunk::<4>()?))
    }
}

/// The messages of one datagram.
pub fn messages(datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let len = u32::from_ne_bytes(*rest.first_chunk::<4>()?);
        let len = usize::try_from(len).ok()?;
        let message = Message {
            kind: u16_at(rest, 4)?,
            payload: rest.get(16..len)?,
        };
        rest = rest.get(aligned(len)..).unwrap_or_default();
        Some(message)
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..)?.first_chunk::<2>()?;
    Some(u16::from_ne_bytes(*pair))
}

fn aligned(len: usize) -> usize {
    len.next_multiple_of(4).max(4)
}

/// Appends a message. `values` are C strings (the 0 is added).
pub fn push(out: &mut Vec<u8>, kind: u16, flags: u16, family: u8, values: &[(u16, &str)]) {
    let start = out.len();
    out.extend([0; 4]);
    out.extend(kind.to_ne_bytes());
    out.extend(flags.to_ne_bytes());
    out.extend([0; 8]);
    // nfgenmsg: family, version 0, and for a transaction's ends the subsystem in network order.
    let subsystem: u16 = if kind < 0x100 { 10 } else { 0 };
    out.extend([family, 0]);
    out.extend(subsystem.to_be_bytes());
    for (attribute, text) in values {
        let len = u16::try_from(text.len() + 5).unwrap_or(u16::MAX);
        out.extend(len.to_ne_bytes());
        out.extend(attribute.to_ne_bytes());
        out.extend(text.as_bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    let len = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    if let Some(slot) = out.get_mut(start..start + 4) {
        slot.copy_from_slice(&len.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_is_read_again() {
        let mut bytes = Vec::new();
        push(
            &mut bytes,
            kind::DEL_CHAIN,
            5,
            FAMILY_IPV4,
            &[
                (attribute::TABLE, "filter"),
                (attribute::CHAIN_NAME, "FORWARD"),
            ],
        );
        push(
            &mut bytes,
            kind::DEL_TABLE,
            5,
            FAMILY_IPV4,
            &[(attribute::TABLE, "nat")],
        );
        let all: Vec<_> = messages(&bytes).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].kind, kind::DEL_CHAIN);
        assert_eq!(all[0].family(), Some(FAMILY_IPV4));
        assert_eq!(all[0].text(attribute::TABLE), Some("filter"));
        assert_eq!(all[0].text(attribute::CHAIN_NAME), Some("FORWARD"));
        assert_eq!(all[1].text(attribute::TABLE), Some("nat"));
        assert_eq!(all[1].text(attribute::CHAIN_NAME), None);
    }

    #[test]
    fn no_bytes_are_a_panic() {
        let mut bytes = Vec::new();
        push(
            &mut bytes,
            kind::DEL_RULE,
            0,
            2,
            &[(1, "nat"), (2, "POSTROUTING")],
        );
        for cut in 0..bytes.len() {
            for value in [0, 1, 3, 0x7f, 0xff] {
                let mut broken = bytes.clone();
                broken[cut] = value;
                for part in [&broken[..], &broken[..cut], &broken[cut..]] {
                    for message in messages(part) {
                        let _ = (message.family(), message.text(1), message.text(2));
                        let _ = (message.number(6), message.error());
                    }
                }
            }
        }
    }
}
