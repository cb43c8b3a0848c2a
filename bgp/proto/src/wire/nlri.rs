//! Prefixes on the wire: a length in bits and as many octets as it needs (RFC 4271 §4.3,
//! RFC 4760 §5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, BytesMut};
use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use nom::bytes::complete::take;
use nom::number::complete::be_u8;
use nom::{IResult, Parser};

use super::Prefix;
use crate::iana::afi;

/// The octets cannot be prefixes of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a prefix is longer than the address, or cut off")]
pub struct InvalidPrefix;

/// All prefixes of a field; host bits are cleared.
///
/// # Errors
/// If one is longer than the address or cut off: nothing of the field is usable then.
pub fn parse_prefixes(input: &[u8], afi: u16) -> Result<Vec<Prefix>, InvalidPrefix> {
    // A prefix has at least one octet, so the field bounds the memory; most have four.
    let mut prefixes = Vec::with_capacity(input.len() / 4 + 1);
    let mut rest = input;
    while !rest.is_empty() {
        let (after, prefix) = match afi {
            afi::IPV4 => prefix_v4(rest),
            _ => prefix_v6(rest),
        }
        .map_err(|_| InvalidPrefix)?;
        prefixes.push(prefix);
        rest = after;
    }
    Ok(prefixes)
}

/// The first `bits` bits of an address of `N` octets, the rest zero.
fn masked<const N: usize>(input: &[u8]) -> IResult<&[u8], ([u8; N], u8)> {
    let (input, bits) =
        nom::combinator::verify(be_u8, |bits| usize::from(*bits) <= N * 8).parse(input)?;
    let (input, octets) = take(usize::from(bits).div_ceil(8))(input)?;
    let mut address = [0; N];
    for (to, from) in address.iter_mut().zip(octets) {
        *to = *from;
    }
    let spare = bits % 8;
    if spare != 0
        && let Some(last) = address.get_mut(usize::from(bits / 8))
    {
        *last &= 0xff << (8 - spare);
    }
    Ok((input, (address, bits)))
}

fn invalid(input: &[u8]) -> nom::Err<nom::error::Error<&[u8]>> {
    nom::Err::Error(nom::error::Error::new(input, nom::error::ErrorKind::Verify))
}

fn prefix_v4(input: &[u8]) -> IResult<&[u8], Prefix> {
    let (rest, (address, bits)) = masked::<4>(input)?;
    let network = Ipv4Network::new(Ipv4Addr::from(address), bits).map_err(|_| invalid(input))?;
    Ok((rest, IpNetwork::V4(network)))
}

fn prefix_v6(input: &[u8]) -> IResult<&[u8], Prefix> {
    let (rest, (address, bits)) = masked::<16>(input)?;
    let network = Ipv6Network::new(Ipv6Addr::from(address), bits).map_err(|_| invalid(input))?;
    Ok((rest, IpNetwork::V6(network)))
}

/// Octets that a prefix takes.
#[must_use]
pub fn wire_len(prefix: &Prefix) -> usize {
    1 + usize::from(prefix.prefix()).div_ceil(8)
}

/// Appends a prefix; host bits are cleared.
pub fn put_prefix(prefix: &Prefix, out: &mut BytesMut) {
    out.put_u8(prefix.prefix());
    let octets = wire_len(prefix) - 1;
    match prefix.network() {
        IpAddr::V4(address) => out.put_slice(address.octets().get(..octets).unwrap_or_default()),
        IpAddr::V6(address) => out.put_slice(address.octets().get(..octets).unwrap_or_default()),
    }
}
