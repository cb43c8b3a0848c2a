//! OPEN (RFC 4271 §4.2) with capabilities (RFC 5492) and extended parameters (RFC 9072).

use std::net::Ipv4Addr;

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::bytes::complete::take;
use nom::multi::length_data;
use nom::number::complete::{be_u8, be_u16, be_u32};

use crate::Notification;
use crate::capability::Capability;
use crate::error::EncodeError;
use crate::iana::{AS_TRANS, open_parameter, open_subcode};

/// An OPEN message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Protocol version; the decoder lets only 4 pass.
    pub version: u8,
    /// My Autonomous System; [`AS_TRANS`] where the number needs four octets.
    pub my_as: u16,
    /// Proposed hold time in seconds.
    pub hold_time: u16,
    /// BGP Identifier.
    pub bgp_id: Ipv4Addr,
    /// All capabilities of all parameters in the order of the wire, doubles included.
    pub capabilities: Vec<Capability>,
}

type Input<'a> = &'a [u8];
type Result_<'a, T> = nom::IResult<Input<'a>, T>;

impl Open {
    /// The sender's AS number: that of the 4-octet capability, else the 2-octet field.
    #[must_use]
    pub fn asn(&self) -> u32 {
        let four_octet = self
            .capabilities
            .iter()
            .find_map(|capability| match capability {
                Capability::FourOctetAs(asn) => Some(*asn),
                _ => None,
            });
        four_octet.unwrap_or(u32::from(self.my_as))
    }

    /// What goes into [`Open::my_as`] for an AS number (RFC 6793 §4.1).
    #[must_use]
    pub fn two_octet_as(asn: u32) -> u16 {
        u16::try_from(asn).unwrap_or(AS_TRANS)
    }

    pub(super) fn decode(body: &[u8]) -> Result<Self, Notification> {
        let unspecific = || Notification::open(open_subcode::UNSPECIFIC);
        let (body, version) = octet(body).map_err(|_| unspecific())?;
        if version != 4 {
            // What follows may have another layout.
            return Err(Notification::unsupported_version());
        }
        let (parameters, (my_as, hold_time, bgp_id)) =
            fixed_part(body).map_err(|_| unspecific())?;
        let mut capabilities = Vec::new();
        for (kind, value) in parse_parameters(parameters).map_err(|_| unspecific())? {
            if kind != open_parameter::CAPABILITIES {
                return Err(Notification::open(open_subcode::UNSUPPORTED_PARAMETER));
            }
            Capability::decode_all(value, &mut capabilities)
                .map_err(|_| Notification::open(open_subcode::UNSPECIFIC))?;
        }
        Ok(Self {
            version,
            my_as,
            hold_time,
            bgp_id: Ipv4Addr::from(bgp_id),
            capabilities,
        })
    }

    /// One parameter with all capabilities; the extended form where 255 octets are not enough.
    pub(super) fn put_body(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let mut capabilities = BytesMut::new();
        for capability in &self.capabilities {
            capability.put(&mut capabilities)?;
        }
        out.put_u8(self.version);
        out.put_u16(self.my_as);
        out.put_u16(self.hold_time);
        out.put_u32(self.bgp_id.to_bits());
        put_parameters(&capabilities.freeze(), out);
        Ok(())
    }
}

fn octet(input: Input<'_>) -> Result_<'_, u8> {
    be_u8(input)
}

fn fixed_part(input: Input<'_>) -> Result_<'_, (u16, u16, u32)> {
    (be_u16, be_u16, be_u32).parse(input)
}

type Parameters<'a> = Vec<(u8, Input<'a>)>;

/// The parameters after the BGP identifier, in either form (RFC 9072 §2). Octets after the
/// announced length are an error: the message ends where the parameters end.
fn parse_parameters(
    input: Input<'_>,
) -> Result<Parameters<'_>, nom::Err<nom::error::Error<Input<'_>>>> {
    let (rest, length) = octet(input)?;
    let extended = length != 0 && rest.first() == Some(&open_parameter::EXTENDED_LENGTH);
    let (rest, mut block) = if extended {
        let (rest, _) = octet(rest)?;
        length_data(be_u16).parse(rest)?
    } else {
        take(usize::from(length))(rest)?
    };
    if !rest.is_empty() {
        return Err(nom::Err::Error(nom::error::Error::new(
            rest,
            nom::error::ErrorKind::Eof,
        )));
    }
    let mut parameters = Vec::new();
    while !block.is_empty() {
        let kind;
        let value;
        (block, kind) = octet(block)?;
        (block, value) = if extended {
            length_data(be_u16).parse(block)?
        } else {
            length_data(be_u8).parse(block)?
        };
        parameters.push((kind, value));
    }
    Ok(parameters)
}

fn put_parameters(capabilities: &Bytes, out: &mut BytesMut) {
    if capabilities.is_empty() {
        out.put_u8(0);
        return;
    }
    let length = capabilities.len();
    if let (Ok(block), Ok(parameter)) = (u8::try_from(length + 2), u8::try_from(length)) {
        out.put_u8(block);
        out.put_u8(open_parameter::CAPABILITIES);
        out.put_u8(parameter);
    } else {
        // More than 65535 octets are refused by the message length check of the caller.
        out.put_u8(u8::MAX);
        out.put_u8(open_parameter::EXTENDED_LENGTH);
        out.put_u16(u16::try_from(length + 3).unwrap_or(u16::MAX));
        out.put_u8(open_parameter::CAPABILITIES);
        out.put_u16(u16::try_from(length).unwrap_or(u16::MAX));
    }
    out.put_slice(capabilities);
}
