//! UPDATE (RFC 4271 §4.3): three fields, attributes still raw.

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::multi::length_data;
use nom::number::complete::{be_u8, be_u16};

use crate::Notification;
use crate::iana::{AttributeCode, Family, afi, attribute_flag};
use crate::validate::SessionOptions;
use crate::wire::{Nlri, nlri};

/// A path attribute as the wire said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawAttribute {
    /// Flag bits of [`attribute_flag`], unused ones included.
    pub flags: u8,
    /// Type code.
    pub code: AttributeCode,
    /// The value, without flags, type and length.
    pub value: Bytes,
}

impl RawAttribute {
    /// Appends the attribute. The extended length bit is set as the flags say, and where the
    /// value needs it.
    pub fn put(&self, out: &mut BytesMut) {
        put_attribute(self.flags, self.code, &self.value, out);
    }

    /// The attribute as it stands on the wire: what a NOTIFICATION quotes (RFC 4271 §6.3).
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.value.len() + 4);
        self.put(&mut out);
        out.freeze()
    }
}

/// Appends flags, type, length and value; the extended length only where it is asked for in
/// `flags` or needed.
pub(crate) fn put_attribute(flags: u8, code: AttributeCode, value: &[u8], out: &mut BytesMut) {
    match u8::try_from(value.len()) {
        Ok(length) if flags & attribute_flag::EXTENDED_LENGTH == 0 => {
            out.put_slice(&[flags, code.0, length]);
        }
        _ => {
            out.put_slice(&[flags | attribute_flag::EXTENDED_LENGTH, code.0]);
            out.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
        }
    }
    out.put_slice(value);
}

/// An UPDATE message. The attributes are split but not interpreted; multiprotocol prefixes are
/// still in their attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// Withdrawn routes, IPv4 unicast.
    pub withdrawn: Vec<Nlri>,
    /// Path attributes in the order of the wire, doubles included.
    pub attributes: Vec<RawAttribute>,
    /// What is left of the attribute field where the last attribute overruns it (RFC 7606 §4).
    pub trailing: Bytes,
    /// Announced prefixes, IPv4 unicast.
    pub nlri: Vec<Nlri>,
}

impl Update {
    pub(crate) fn decode(body: &Bytes, opts: &SessionOptions) -> Result<Self, Notification> {
        let add_path = opts.add_path.receive.contains(&Family::IPV4_UNICAST);
        let (withdrawn, attributes, nlri) =
            split(body).map_err(|_| Notification::malformed_attribute_list())?;
        let invalid = |_| Notification::invalid_network_field();
        let withdrawn = nlri::parse(withdrawn, afi::IPV4, add_path).map_err(invalid)?;
        let nlri = nlri::parse(nlri, afi::IPV4, add_path).map_err(invalid)?;
        let (attributes, trailing) = split_attributes(&body.slice_ref(attributes));
        Ok(Self {
            withdrawn,
            attributes,
            trailing,
            nlri,
        })
    }

    pub(super) fn put_body(&self, opts: &SessionOptions, out: &mut BytesMut) {
        let add_path = opts.add_path.send.contains(&Family::IPV4_UNICAST);
        let put = |list: &[Nlri], out: &mut BytesMut| {
            list.iter().for_each(|nlri| nlri::put(nlri, add_path, out));
        };
        put_counted(out, |out| put(&self.withdrawn, out));
        put_counted(out, |out| {
            self.attributes
                .iter()
                .for_each(|attribute| attribute.put(out));
            out.put_slice(&self.trailing);
        });
        put(&self.nlri, out);
    }
}

/// A field of two octets of length and what `put` appends.
fn put_counted(out: &mut BytesMut, put: impl FnOnce(&mut BytesMut)) {
    let at = out.len();
    out.put_u16(0);
    put(out);
    // A length that does not fit is refused by the message length check of the caller.
    let length = u16::try_from(out.len() - at - 2).unwrap_or(u16::MAX);
    if let Some(field) = out.get_mut(at..at + 2) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}

type Fields<'a> = (&'a [u8], &'a [u8], &'a [u8]);

fn split(body: &[u8]) -> Result<Fields<'_>, nom::Err<nom::error::Error<&[u8]>>> {
    let (rest, withdrawn) = length_data(be_u16).parse(body)?;
    let (nlri, attributes) = length_data(be_u16).parse(rest)?;
    Ok((withdrawn, attributes, nlri))
}

/// Splits the field; what cannot be split is returned as it is.
fn split_attributes(field: &Bytes) -> (Vec<RawAttribute>, Bytes) {
    let mut attributes = Vec::new();
    let mut rest: &[u8] = field;
    while !rest.is_empty() {
        let Ok((after, (flags, code, value))) = raw_attribute(rest) else {
            break;
        };
        let value = field.slice_ref(value);
        attributes.push(RawAttribute {
            flags,
            code: AttributeCode(code),
            value,
        });
        rest = after;
    }
    (attributes, field.slice_ref(rest))
}

fn raw_attribute(input: &[u8]) -> nom::IResult<&[u8], (u8, u8, &[u8])> {
    let (input, (flags, code)) = (be_u8, be_u8).parse(input)?;
    let (input, value) = if flags & attribute_flag::EXTENDED_LENGTH == 0 {
        length_data(be_u8).parse(input)?
    } else {
        length_data(be_u16).parse(input)?
    };
    Ok((input, (flags, code, value)))
}
