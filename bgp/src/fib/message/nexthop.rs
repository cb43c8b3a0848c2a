//! Nexthop objects as netlink messages (`nexthop.h`, since Linux 5.3).

use super::write::{address, begin, close, end, family_of, header, number};
use super::{ON_LINK, RawMessage, attributes, flag, kind, read, u16_at, u32_at};
use crate::fib::Gateway;
use crate::fib::objects::{Object, Shape, Write};

/// `struct nhmsg`, bytes: family, scope, protocol, reserved, flags.
const LENGTH: usize = 8;
/// `struct nexthop_grp`, bytes: id, weight - 1, reserved.
const MEMBER: usize = 8;
/// `NEXTHOP_GRP_TYPE_RES`.
const RESILIENT: u16 = 1;

/// `NHA_*`.
mod attribute {
    pub(super) const ID: u16 = 1;
    pub(super) const GROUP: u16 = 2;
    pub(super) const GROUP_TYPE: u16 = 3;
    pub(super) const INTERFACE: u16 = 5;
    pub(super) const GATEWAY: u16 = 6;
    pub(super) const ENCAPSULATION: u16 = 8;
    pub(super) const RESILIENT_GROUP: u16 = 12;
    /// `NLA_F_NESTED`: the kernel insists.
    pub(super) const NESTED: u16 = 0x8000;
    /// Within it.
    pub(super) const BUCKETS: u16 = 1;
    pub(super) const IDLE_TIMER: u16 = 2;
    pub(super) const UNBALANCED_TIMER: u16 = 3;
}

/// Hundredths of a second (`USER_HZ`), in which the kernel counts a group's timers.
const TICKS: u32 = 100;

/// How a resilient group keeps flows where they are when its members change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resilient {
    /// Slots of its table; the more, the better small differences are spread.
    pub buckets: u16,
    /// After so long without a packet a slot may get another member, seconds.
    pub idle_time_secs: u32,
    /// After so long slots move, idle or not, seconds; 0: never.
    pub unbalanced_time_secs: u32,
}

/// Appends a change of an object as a whole message.
pub fn write(
    out: &mut Vec<u8>,
    sequence: u32,
    protocol: u8,
    resilient: Option<Resilient>,
    write: &Write,
) -> usize {
    let replace = |replace| match replace {
        true => flag::REPLACE,
        false => flag::CREATE | flag::EXCLUSIVE,
    };
    let (kind, flags, family, protocol) = match write {
        Write::Hop {
            gateway, replaces, ..
        } => {
            let family = family_of(gateway.address);
            (kind::NEW_NEXTHOP, replace(*replaces), family, protocol)
        }
        Write::Group { replaces, .. } => (kind::NEW_NEXTHOP, replace(*replaces), 0, protocol),
        Write::Delete { .. } => (kind::DEL_NEXTHOP, 0, 0, 0),
    };
    let start = begin(out, kind, flag::REQUEST | flag::ACK | flags, sequence);
    out.extend_from_slice(&[family, 0, protocol, 0, 0, 0, 0, 0]);
    number(out, attribute::ID, write.id());
    match write {
        Write::Hop { gateway, .. } => {
            number(out, attribute::INTERFACE, gateway.interface);
            address(out, attribute::GATEWAY, gateway.address);
        }
        Write::Group { members, .. } => group(out, members, resilient),
        Write::Delete { .. } => {}
    }
    end(out, start);
    start
}

fn group(out: &mut Vec<u8>, members: &[u32], resilient: Option<Resilient>) {
    let start = out.len();
    header(out, attribute::GROUP);
    for member in members {
        out.extend_from_slice(&member.to_ne_bytes());
        out.extend_from_slice(&[0; 4]);
    }
    close(out, start);
    let Some(resilient) = resilient else { return };
    short(out, attribute::GROUP_TYPE, RESILIENT);
    let start = out.len();
    header(out, attribute::RESILIENT_GROUP | attribute::NESTED);
    short(out, attribute::BUCKETS, resilient.buckets);
    for (kind, seconds) in [
        (attribute::IDLE_TIMER, resilient.idle_time_secs),
        (attribute::UNBALANCED_TIMER, resilient.unbalanced_time_secs),
    ] {
        number(out, kind, seconds.saturating_mul(TICKS));
    }
    close(out, start);
}

fn resilient_group(nested: &[u8]) -> Resilient {
    let mut found = Resilient::default();
    for (kind, value) in attributes(nested) {
        let seconds = || u32_at(value, 0).unwrap_or_default() / TICKS;
        match kind {
            attribute::BUCKETS => found.buckets = u16_at(value, 0).unwrap_or_default(),
            attribute::IDLE_TIMER => found.idle_time_secs = seconds(),
            attribute::UNBALANCED_TIMER => found.unbalanced_time_secs = seconds(),
            _ => {}
        }
    }
    found
}

/// A 16-bit attribute, padded.
fn short(out: &mut Vec<u8>, kind: u16, value: u16) {
    out.extend_from_slice(&6_u16.to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(&value.to_ne_bytes());
    out.extend_from_slice(&[0; 2]);
}

/// Reads an `RTM_NEWNEXTHOP` or `RTM_DELNEXTHOP`; `None` for others and for bodies that make no
/// sense.
#[must_use]
pub fn parse(message: &RawMessage<'_>) -> Option<Object> {
    if !matches!(message.kind, kind::NEW_NEXTHOP | kind::DEL_NEXTHOP) {
        return None;
    }
    let protocol = *message.payload.get(2)?;
    let (mut id, mut gateway, mut interface) = (None, None, None);
    let (mut members, mut is_resilient) = (None, false);
    let mut timers = Resilient::default();
    let mut extras = u32_at(message.payload, 4)? & u32::from(ON_LINK) != 0;
    for (kind, value) in attributes(message.payload.get(LENGTH..)?) {
        match kind {
            attribute::ID => id = u32_at(value, 0),
            attribute::GROUP => {
                let entries = value.chunks_exact(MEMBER);
                extras |= entries.clone().any(|entry| u16_at(entry, 4) != Some(0));
                members = Some(entries.filter_map(|entry| u32_at(entry, 0)).collect());
            }
            attribute::GROUP_TYPE => is_resilient = u16_at(value, 0) == Some(RESILIENT),
            attribute::RESILIENT_GROUP => timers = resilient_group(value),
            attribute::INTERFACE => interface = u32_at(value, 0),
            attribute::GATEWAY => gateway = read::ip(value),
            attribute::ENCAPSULATION => extras = true,
            _ => {}
        }
    }
    let shape = match (members, gateway, interface) {
        (Some(members), _, _) => Shape::Group {
            members,
            resilient: is_resilient.then_some(timers),
        },
        (None, Some(address), Some(interface)) => Shape::Hop(Gateway { address, interface }),
        _ => Shape::Other,
    };
    Some(Object {
        id: id?,
        protocol,
        shape,
        extras,
    })
}
