//! Prefixes on the wire: a length in bits and as many octets as it needs (RFC 4271 §4.3,
//! RFC 4760 §5), with a path identifier before it where that was negotiated (RFC 7911 §3).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, BytesMut};
use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use nom::bytes::complete::take;
use nom::number::complete::{be_u8, be_u32};
use nom::{IResult, Parser};

use super::Prefix;
use crate::iana::afi;

/// The octets cannot be prefixes of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a prefix is longer than the address, or cut off")]
pub struct InvalidPrefix;

/// A prefix, and which of the sender's paths for it (RFC 7911 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nlri {
    /// The prefix.
    pub prefix: Prefix,
    /// Path identifier; any value means something only to its sender. 0 where add-path was not
    /// negotiated: then there is one path.
    pub path_id: u32,
}

impl From<Prefix> for Nlri {
    fn from(prefix: Prefix) -> Self {
        Self { prefix, path_id: 0 }
    }
}

impl PartialEq<Prefix> for Nlri {
    /// As a path without an identifier.
    fn eq(&self, other: &Prefix) -> bool {
        *self == Self::from(*other)
    }
}

impl fmt::Display for Nlri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path_id {
            0 => self.prefix.fmt(f),
            id => write!(f, "{} path {id}", self.prefix),
        }
    }
}

/// All prefixes of a field; host bits are cleared. `add_path`: each has a path identifier.
///
/// # Errors
/// If one is longer than the address or cut off: nothing of the field is usable then.
pub fn parse(input: &[u8], afi: u16, add_path: bool) -> Result<Vec<Nlri>, InvalidPrefix> {
    // A prefix has at least one octet, so the field bounds the memory; most have four.
    let mut all = Vec::with_capacity(input.len() / 4 + 1);
    let mut rest = input;
    while !rest.is_empty() {
        let (after, path_id) = match add_path {
            true => path_id(rest).map_err(|_| InvalidPrefix)?,
            false => (rest, 0),
        };
        let (after, prefix) = match afi {
            afi::IPV4 => prefix_v4(after),
            _ => prefix_v6(after),
        }
        .map_err(|_| InvalidPrefix)?;
        all.push(Nlri { prefix, path_id });
        rest = after;
    }
    Ok(all)
}

fn path_id(input: &[u8]) -> IResult<&[u8], u32> {
    be_u32(input)
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

/// Octets of a path identifier.
pub const PATH_ID_LEN: usize = 4;

/// Octets that a prefix takes.
#[must_use]
pub fn wire_len(nlri: &Nlri, add_path: bool) -> usize {
    let path_id = if add_path { PATH_ID_LEN } else { 0 };
    path_id + 1 + prefix_octets(&nlri.prefix)
}

fn prefix_octets(prefix: &Prefix) -> usize {
    usize::from(prefix.prefix()).div_ceil(8)
}

/// Appends a prefix; host bits are cleared.
pub fn put(nlri: &Nlri, add_path: bool, out: &mut BytesMut) {
    if add_path {
        out.put_u32(nlri.path_id);
    }
    out.put_u8(nlri.prefix.prefix());
    let octets = prefix_octets(&nlri.prefix);
    match nlri.prefix.network() {
        IpAddr::V4(address) => out.put_slice(address.octets().get(..octets).unwrap_or_default()),
        IpAddr::V6(address) => out.put_slice(address.octets().get(..octets).unwrap_or_default()),
    }
}
