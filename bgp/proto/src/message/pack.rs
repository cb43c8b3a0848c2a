//! Packing routes into UPDATE messages: the attributes are encoded once per group, then each
//! message takes as many prefixes as fit.
//!
//! Prefixes with a 4-octet next hop go into the classic fields, all others into MP_REACH_NLRI,
//! which is the first attribute (RFC 7606 §5.1); the rest ascend by type code.

use std::iter::Peekable;

use bytes::{BufMut, Bytes, BytesMut};

use super::{patch_length, put_attribute, put_header};
use crate::attr::{NextHop, PathAttributes, table};
use crate::error::EncodeError;
use crate::iana::{AttributeCode, Family, afi, attribute_flag, message_type};
use crate::validate::SessionOptions;
use crate::wire::{HEADER_LEN, Nlri, nlri};

/// Header and the two length fields.
const FIXED_LEN: usize = HEADER_LEN + 4;
/// Flags, type and extended length of a multiprotocol attribute, and the family.
const MP_HEADER_LEN: usize = 4 + 3;

/// The attributes of a group of prefixes, ready for the wire of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedAttributes {
    family: Family,
    block: Bytes,
    /// Next hop length, next hop and the reserved octet of MP_REACH_NLRI; `None`: classic fields.
    mp_next_hop: Option<Bytes>,
}

impl EncodedAttributes {
    /// Encodes the attributes for a family and a session.
    ///
    /// # Errors
    /// Without a next hop that the family can carry, and where not even the shortest prefix fits
    /// beside the attributes: such a route cannot be announced (RFC 4271 §9.2).
    pub fn new(
        family: Family,
        attributes: &PathAttributes,
        opts: &SessionOptions,
    ) -> Result<Self, EncodeError> {
        let mp_next_hop = mp_next_hop(family, attributes.next_hop, opts)?;
        let mut block = BytesMut::with_capacity(128);
        table::put_all(attributes, opts, &mut block);
        let encoded = Self {
            family,
            block: block.freeze(),
            mp_next_hop,
        };
        let path_id = opts.add_path.send.contains(&family);
        let shortest = 1 + if path_id { nlri::PATH_ID_LEN } else { 0 };
        encoded.hold(shortest, opts)?;
        Ok(encoded)
    }

    /// Is there a place for so many octets of prefixes?
    fn hold(&self, prefixes: usize, opts: &SessionOptions) -> Result<(), EncodeError> {
        let length = self.len_without_prefixes() + prefixes;
        let max = opts.max_message_len();
        if length > max {
            return Err(EncodeError::MessageTooLong { length, max });
        }
        Ok(())
    }

    /// Can every prefix of the family be announced with the attributes?
    #[must_use]
    pub fn fits_all(&self, opts: &SessionOptions) -> bool {
        let address = if self.family.afi == afi::IPV4 { 4 } else { 16 };
        self.hold(nlri::PATH_ID_LEN + 1 + address, opts).is_ok()
    }

    /// Can this prefix be announced with the attributes?
    ///
    /// # Errors
    /// If the message were too long for the peer.
    pub fn fits(&self, prefix: &Nlri, opts: &SessionOptions) -> Result<(), EncodeError> {
        let add_path = opts.add_path.send.contains(&self.family);
        self.hold(nlri::wire_len(prefix, add_path), opts)
    }

    /// The family that the attributes were encoded for.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    fn len_without_prefixes(&self) -> usize {
        let mp = self
            .mp_next_hop
            .as_ref()
            .map_or(0, |next_hop| MP_HEADER_LEN + next_hop.len());
        FIXED_LEN + self.block.len() + mp
    }
}

/// Is there a field for such a next hop of the family in the session's messages?
#[must_use]
pub fn can_carry(family: Family, next_hop: NextHop, opts: &SessionOptions) -> bool {
    match next_hop {
        NextHop::V4(_) => family == Family::IPV4_UNICAST,
        NextHop::V6(_) | NextHop::V6LinkLocal { .. } => {
            family.afi == afi::IPV6 || opts.extended_next_hop.contains(&family)
        }
    }
}

fn mp_next_hop(
    family: Family,
    next_hop: Option<NextHop>,
    opts: &SessionOptions,
) -> Result<Option<Bytes>, EncodeError> {
    let next_hop = next_hop.filter(|next_hop| can_carry(family, *next_hop, opts));
    let next_hop = next_hop.ok_or(EncodeError::NextHop { family })?;
    let mut field = BytesMut::with_capacity(34);
    match next_hop {
        NextHop::V4(_) => return Ok(None),
        NextHop::V6(address) => {
            field.put_u8(16);
            field.put_slice(&address.octets());
        }
        NextHop::V6LinkLocal { global, link_local } => {
            field.put_u8(32);
            field.put_slice(&global.octets());
            field.put_slice(&link_local.octets());
        }
    }
    field.put_u8(0);
    Ok(Some(field.freeze()))
}

/// One message with as many of the next prefixes as fit; `None` when there are none left. All
/// prefixes must be of the family of `attributes`, and `opts` those that it was encoded with.
/// Path identifiers go with them where the session has them (RFC 7911 §3).
pub fn announce<I: Iterator<Item = N>, N: Into<Nlri> + Copy>(
    attributes: &EncodedAttributes,
    prefixes: &mut Peekable<I>,
    opts: &SessionOptions,
) -> Option<Bytes> {
    let first = (*prefixes.peek()?).into();
    attributes.fits(&first, opts).ok()?;
    let room = opts
        .max_message_len()
        .saturating_sub(attributes.len_without_prefixes());
    let block = &attributes.block;
    let add_path = opts.add_path.send.contains(&attributes.family);
    let Some(next_hop) = &attributes.mp_next_hop else {
        let mut out = start_update(opts);
        out.put_u16(0);
        out.put_u16(wire_u16(block.len()));
        out.put_slice(block);
        put_prefixes(prefixes, add_path, room, &mut out);
        return Some(finish_update(out));
    };
    let mut value = BytesMut::with_capacity(opts.max_message_len());
    put_family(attributes.family, &mut value);
    value.put_slice(next_hop);
    put_prefixes(prefixes, add_path, room, &mut value);
    Some(multiprotocol_update(
        AttributeCode::MP_REACH_NLRI,
        &value,
        block,
        opts,
    ))
}

/// One message that withdraws as many of the next prefixes as fit; `None` when there are none
/// left. All prefixes must be of `family`.
pub fn withdraw<I: Iterator<Item = N>, N: Into<Nlri> + Copy>(
    family: Family,
    prefixes: &mut Peekable<I>,
    opts: &SessionOptions,
) -> Option<Bytes> {
    prefixes.peek()?;
    let room = opts.max_message_len() - FIXED_LEN;
    let add_path = opts.add_path.send.contains(&family);
    if family == Family::IPV4_UNICAST {
        let mut out = start_update(opts);
        out.put_u16(0);
        put_prefixes(prefixes, add_path, room, &mut out);
        let length = wire_u16(out.len() - HEADER_LEN - 2);
        if let Some(field) = out.get_mut(HEADER_LEN..HEADER_LEN + 2) {
            field.copy_from_slice(&length.to_be_bytes());
        }
        out.put_u16(0);
        return Some(finish_update(out));
    }
    let mut value = BytesMut::with_capacity(opts.max_message_len());
    put_family(family, &mut value);
    put_prefixes(prefixes, add_path, room - MP_HEADER_LEN, &mut value);
    Some(multiprotocol_update(
        AttributeCode::MP_UNREACH_NLRI,
        &value,
        &[],
        opts,
    ))
}

/// Appends prefixes while they fit into `room` octets.
fn put_prefixes<I: Iterator<Item = N>, N: Into<Nlri> + Copy>(
    prefixes: &mut Peekable<I>,
    add_path: bool,
    mut room: usize,
    out: &mut BytesMut,
) {
    let len = |prefix: &N| nlri::wire_len(&(*prefix).into(), add_path);
    while let Some(prefix) = prefixes.next_if(|prefix| len(prefix) <= room) {
        room -= len(&prefix);
        nlri::put(&prefix.into(), add_path, out);
    }
}

fn put_family(family: Family, out: &mut BytesMut) {
    out.put_u16(family.afi);
    out.put_u8(family.safi);
}

/// A length that the caller has bounded by the message's.
fn wire_u16(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

fn start_update(opts: &SessionOptions) -> BytesMut {
    let mut out = BytesMut::with_capacity(opts.max_message_len());
    put_header(message_type::UPDATE, &mut out);
    out
}

/// A message of its own size: a queue of short ones does not hold buffers of the longest.
fn finish_update(mut out: BytesMut) -> Bytes {
    patch_length(0, &mut out);
    if out.len() * 2 < out.capacity() {
        Bytes::copy_from_slice(&out)
    } else {
        out.freeze()
    }
}

fn multiprotocol_update(
    code: AttributeCode,
    value: &[u8],
    block: &[u8],
    opts: &SessionOptions,
) -> Bytes {
    let mut out = start_update(opts);
    out.put_u16(0);
    out.put_u16(0);
    put_attribute(attribute_flag::OPTIONAL, code, value, &mut out);
    out.put_slice(block);
    let length = wire_u16(out.len() - FIXED_LEN);
    if let Some(field) = out.get_mut(FIXED_LEN - 2..FIXED_LEN) {
        field.copy_from_slice(&length.to_be_bytes());
    }
    finish_update(out)
}

/// All messages that announce `prefixes` with one set of attributes.
///
/// # Errors
/// As [`EncodedAttributes::new`], and where one of the prefixes does not fit.
pub fn pack_announcements<N: Into<Nlri> + Copy>(
    family: Family,
    attributes: &PathAttributes,
    prefixes: &[N],
    opts: &SessionOptions,
) -> Result<Vec<Bytes>, EncodeError> {
    let encoded = EncodedAttributes::new(family, attributes, opts)?;
    for prefix in prefixes {
        encoded.fits(&(*prefix).into(), opts)?;
    }
    let mut prefixes = prefixes.iter().copied().peekable();
    Ok(std::iter::from_fn(|| announce(&encoded, &mut prefixes, opts)).collect())
}

/// All messages that withdraw `prefixes`.
#[must_use]
pub fn pack_withdrawals<N: Into<Nlri> + Copy>(
    family: Family,
    prefixes: &[N],
    opts: &SessionOptions,
) -> Vec<Bytes> {
    let mut prefixes = prefixes.iter().copied().peekable();
    std::iter::from_fn(|| withdraw(family, &mut prefixes, opts)).collect()
}

/// The End-of-RIB marker of a family (RFC 4724 §2).
#[must_use]
pub fn end_of_rib(family: Family) -> Bytes {
    let opts = SessionOptions::default();
    if family == Family::IPV4_UNICAST {
        let mut out = start_update(&opts);
        out.put_u32(0);
        return finish_update(out);
    }
    let mut value = BytesMut::with_capacity(3);
    put_family(family, &mut value);
    multiprotocol_update(AttributeCode::MP_UNREACH_NLRI, &value, &[], &opts)
}
