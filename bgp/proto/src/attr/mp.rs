//! MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760 §3, §4).

use std::net::{Ipv4Addr, Ipv6Addr};

use nom::Parser;
use nom::multi::length_data;
use nom::number::complete::{be_u8, be_u16};

use super::NextHop;
use crate::iana::{Family, afi};

/// MP_REACH_NLRI with next hop and prefixes still as octets: their meaning depends on the family
/// and on what the session negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MpReach<'a> {
    /// Family of the prefixes.
    pub family: Family,
    /// Next hop field.
    pub next_hop: &'a [u8],
    /// Prefixes.
    pub nlri: &'a [u8],
}

/// MP_UNREACH_NLRI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MpUnreach<'a> {
    /// Family of the prefixes.
    pub family: Family,
    /// Prefixes; none means End-of-RIB (RFC 4724 §2).
    pub nlri: &'a [u8],
}

fn family(input: &[u8]) -> nom::IResult<&[u8], Family> {
    (be_u16, be_u8)
        .map(|(afi, safi)| Family { afi, safi })
        .parse(input)
}

fn reach(input: &[u8]) -> nom::IResult<&[u8], MpReach<'_>> {
    let (input, family) = family(input)?;
    let (input, next_hop) = length_data(be_u8).parse(input)?;
    // The reserved octet, once the number of SNPAs, is ignored (RFC 4760 §3).
    let (nlri, _) = be_u8(input)?;
    Ok((
        nlri,
        MpReach {
            family,
            next_hop,
            nlri,
        },
    ))
}

impl<'a> MpReach<'a> {
    /// Splits the value; `None` where it is too short for its own lengths.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        reach(value).ok().map(|(_, reach)| reach)
    }

    /// The next hop; `None` where its length is not one that the family allows (RFC 7606 §7.11).
    /// `extended`: an IPv6 next hop for IPv4 prefixes was negotiated (RFC 8950).
    #[must_use]
    pub fn next_hop(&self, extended: bool) -> Option<NextHop> {
        let length = self.next_hop.len();
        match self.family.afi {
            afi::IPV4 if length == 4 => v4(self.next_hop),
            afi::IPV4 if extended => v6(self.next_hop),
            afi::IPV6 => v6(self.next_hop),
            _ => None,
        }
    }
}

fn v4(octets: &[u8]) -> Option<NextHop> {
    let octets: [u8; 4] = octets.try_into().ok()?;
    Some(NextHop::V4(Ipv4Addr::from(octets)))
}

/// 16 octets, or 32 with a link-local address after the global one (RFC 2545 §3). A second
/// address that is not link-local says nothing and is left out.
fn v6(octets: &[u8]) -> Option<NextHop> {
    let (global, rest) = octets.split_first_chunk::<16>()?;
    let global = Ipv6Addr::from(*global);
    if rest.is_empty() {
        return Some(NextHop::V6(global));
    }
    let rest: [u8; 16] = rest.try_into().ok()?;
    let link_local = Ipv6Addr::from(rest);
    Some(if link_local.is_unicast_link_local() {
        NextHop::V6LinkLocal { global, link_local }
    } else {
        NextHop::V6(global)
    })
}

impl<'a> MpUnreach<'a> {
    /// Splits the value; `None` where it is shorter than a family.
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        family(value)
            .ok()
            .map(|(nlri, family)| Self { family, nlri })
    }
}
