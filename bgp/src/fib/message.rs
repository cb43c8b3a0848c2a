//! Routes as netlink messages, both ways. No IO, and no allocation per message when writing.
//!
//! The few shapes that are needed are written and read here and not by a general codec: a hundred
//! thousand routes spend more time in building attribute trees than in the bytes; and one frame of
//! a type that a codec does not know would take the rest of its datagram with it.

pub mod nexthop;
mod read;
mod write;

pub use read::{Lookup, parse_lookup, parse_route};
pub use write::{add_flags, change, dump_links, dump_routes, look_up};

/// `struct nlmsghdr`, bytes.
pub const HEADER_LEN: usize = 16;
/// Message types of `rtnetlink.h` that are sent or read here.
pub mod kind {
    /// The answer to a request, with an errno or 0.
    pub const ERROR: u16 = 2;
    /// The end of a dump.
    pub const DONE: u16 = 3;
    /// `RTM_NEWLINK`.
    pub const NEW_LINK: u16 = 16;
    /// `RTM_DELLINK`.
    pub const DEL_LINK: u16 = 17;
    /// `RTM_GETLINK`.
    pub const GET_LINK: u16 = 18;
    /// `RTM_NEWADDR`.
    pub const NEW_ADDRESS: u16 = 20;
    /// `RTM_DELADDR`.
    pub const DEL_ADDRESS: u16 = 21;
    /// `RTM_NEWROUTE`.
    pub const NEW_ROUTE: u16 = 24;
    /// `RTM_DELROUTE`.
    pub const DEL_ROUTE: u16 = 25;
    /// `RTM_GETROUTE`.
    pub const GET_ROUTE: u16 = 26;
    /// `RTM_NEWRULE`.
    pub const NEW_RULE: u16 = 32;
    /// `RTM_DELRULE`.
    pub const DEL_RULE: u16 = 33;
    /// `RTM_GETRULE`.
    pub const GET_RULE: u16 = 34;
    /// `RTM_NEWNEXTHOP`.
    pub const NEW_NEXTHOP: u16 = 104;
    /// `RTM_DELNEXTHOP`.
    pub const DEL_NEXTHOP: u16 = 105;
    /// `RTM_GETNEXTHOP`.
    pub const GET_NEXTHOP: u16 = 106;
}
/// Header flags of `netlink.h`.
pub mod flag {
    /// `NLM_F_REQUEST`.
    pub const REQUEST: u16 = 0x1;
    /// `NLM_F_MULTI`: part of the answer to a dump.
    pub const MULTI: u16 = 0x2;
    /// `NLM_F_ACK`.
    pub const ACK: u16 = 0x4;
    /// `NLM_F_DUMP_INTR`: the table changed under the dump.
    pub const DUMP_INTERRUPTED: u16 = 0x10;
    /// `NLM_F_REPLACE`.
    pub const REPLACE: u16 = 0x100;
    /// `NLM_F_EXCL`.
    pub const EXCLUSIVE: u16 = 0x200;
    /// `NLM_F_DUMP`.
    pub const DUMP: u16 = 0x300;
    /// `NLM_F_CREATE`.
    pub const CREATE: u16 = 0x400;
}
/// Attributes of `rtnetlink.h`.
mod attribute {
    pub(super) const DESTINATION: u16 = 1;
    pub(super) const INTERFACE: u16 = 4;
    pub(super) const GATEWAY: u16 = 5;
    pub(super) const METRIC: u16 = 6;
    pub(super) const SOURCE: u16 = 7;
    /// MTU and the like.
    pub(super) const METRICS: u16 = 8;
    pub(super) const MULTIPATH: u16 = 9;
    /// Realms.
    pub(super) const FLOW: u16 = 11;
    pub(super) const TABLE: u16 = 15;
    /// A gateway of the other family.
    pub(super) const VIA: u16 = 18;
    pub(super) const ENCAPSULATION: u16 = 22;
    /// Nested and byte-order marks of an attribute's type.
    pub(super) const MARKS: u16 = 0xc000;
}
/// `RTA_NH_ID`: the nexthop object that a route uses.
pub const NH_ID: u16 = 30;

/// Address families as in `rtm_family`.
pub mod family {
    /// `AF_INET`.
    pub const INET: u8 = 2;
    /// `AF_INET6`.
    pub const INET6: u8 = 10;
}
/// `struct rtmsg`, bytes.
const ROUTE_LEN: usize = 12;
/// `RTNH_F_ONLINK`: a gateway is on the link because somebody says so.
const ON_LINK: u8 = 4;
/// `RTN_UNICAST`.
const UNICAST: u8 = 1;
/// `RTN_LOCAL`.
const LOCAL: u8 = 2;

/// One message of a datagram.
#[derive(Clone, Copy, Debug)]
pub struct RawMessage<'a> {
    /// Message type, see [`kind`].
    pub kind: u16,
    /// `NLM_F_*`.
    pub flags: u16,
    /// Sequence number of the request that this answers; whatever the writer chose in
    /// notifications.
    pub sequence: u32,
    /// Port id of whoever asked for what a notification tells; 0: the kernel did it by itself.
    pub port: u32,
    /// What follows the header.
    pub payload: &'a [u8],
}

/// Splits a datagram. Stops at the first header that makes no sense.
pub fn split(mut datagram: &[u8]) -> impl Iterator<Item = RawMessage<'_>> {
    std::iter::from_fn(move || {
        let header = datagram.get(..HEADER_LEN)?;
        let length = usize::try_from(u32_at(header, 0)?).ok()?;
        let message = RawMessage {
            kind: u16_at(header, 4)?,
            flags: u16_at(header, 6)?,
            sequence: u32_at(header, 8)?,
            port: u32_at(header, 12)?,
            payload: datagram.get(HEADER_LEN..length)?,
        };
        datagram = datagram
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
        Some(message)
    })
}

/// Whether a datagram ends where its last message does: [`split`] reads all of it.
#[must_use]
pub fn is_whole(mut datagram: &[u8]) -> bool {
    while !datagram.is_empty() {
        let length = u32_at(datagram, 0).and_then(|length| usize::try_from(length).ok());
        let Some(length) = length.filter(|length| (HEADER_LEN..=datagram.len()).contains(length))
        else {
            return false;
        };
        datagram = datagram
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
    }
    true
}

/// Type and value of each attribute. Stops at the first that makes no sense.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & !attribute::MARKS;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The errno in an `NLMSG_ERROR` or `NLMSG_DONE`, positive; 0 is success. A body that is too
/// short counts as `EBADMSG`.
#[must_use]
pub fn errno_of(payload: &[u8]) -> i32 {
    payload.first_chunk::<4>().map_or(libc::EBADMSG, |code| {
        i32::from_ne_bytes(*code).saturating_neg()
    })
}

/// A 16-bit field in host order.
#[must_use]
pub fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// A 32-bit field in host order.
#[must_use]
pub fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

#[cfg(test)]
mod tests;
