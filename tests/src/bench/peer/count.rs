//! Which prefixes of a plan a stream of messages leaves announced. Looks at nothing else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result, bail};

use super::Family;
use super::wire::{HEADER_LEN, attribute, kind};

/// A set of prefixes, and the bytes of a message that is not complete yet.
#[derive(Debug)]
pub struct Counter {
    pending: Vec<u8>,
    announced: Vec<bool>,
    count: u32,
}

impl Counter {
    /// Nothing announced of `routes` prefixes.
    #[must_use]
    pub fn new(routes: u32) -> Self {
        Self {
            pending: Vec::new(),
            announced: vec![false; routes as usize],
            count: 0,
        }
    }

    /// How many are announced now.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Takes bytes as they come.
    ///
    /// # Errors
    /// They are no BGP, the peer sent a NOTIFICATION, or a prefix of no plan.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let mut whole = std::mem::take(&mut self.pending);
        whole.extend_from_slice(bytes);
        let mut rest = whole.as_slice();
        while let Some((kind, body, after)) = message(rest)? {
            match kind {
                kind::UPDATE => self.update(body)?,
                kind::NOTIFICATION => bail!("the subject sent a NOTIFICATION: {body:?}"),
                _ => {}
            }
            rest = after;
        }
        self.pending.extend_from_slice(rest);
        Ok(())
    }

    fn update(&mut self, body: &[u8]) -> Result<()> {
        let (withdrawn, rest) = part(body).context("withdrawn routes")?;
        let (mut attributes, announced) = part(rest).context("path attributes")?;
        self.mark(Family::V4, withdrawn, false)?;
        self.mark(Family::V4, announced, true)?;
        while !attributes.is_empty() {
            let (code, value, rest) = attribute(attributes).context("a torn attribute")?;
            // AFI and SAFI, and where there is a next hop its length, itself, a reserved octet.
            match code {
                attribute::REACH => {
                    let length = usize::from(*value.get(3).context("MP_REACH_NLRI")?);
                    let prefixes = value.get(5 + length..).context("MP_REACH_NLRI")?;
                    self.mark(Family::V6, prefixes, true)?;
                }
                attribute::UNREACH => {
                    let prefixes = value.get(3..).context("MP_UNREACH_NLRI")?;
                    self.mark(Family::V6, prefixes, false)?;
                }
                _ => {}
            }
            attributes = rest;
        }
        Ok(())
    }

    fn mark(&mut self, family: Family, mut prefixes: &[u8], value: bool) -> Result<()> {
        while let Some((length, rest)) = prefixes.split_first() {
            let octets = usize::from(length.div_ceil(8));
            let (given, after) = rest.split_at_checked(octets).context("a torn prefix")?;
            let address = address(family, given).context("a prefix longer than an address")?;
            let place = Family::number(address, *length)
                .and_then(|number| self.announced.get_mut(number as usize))
                .with_context(|| format!("{address}/{length} was never fed"))?;
            if *place != value {
                *place = value;
                self.count = if value {
                    self.count + 1
                } else {
                    self.count - 1
                };
            }
            prefixes = after;
        }
        Ok(())
    }
}

fn address(family: Family, given: &[u8]) -> Option<IpAddr> {
    let mut octets = [0; 16];
    octets.get_mut(..given.len())?.copy_from_slice(given);
    match family {
        Family::V4 if given.len() > 4 => None,
        Family::V4 => Some(Ipv4Addr::from(*octets.first_chunk()?).into()),
        Family::V6 => Some(Ipv6Addr::from(octets).into()),
    }
}

/// Code and value of the first attribute, and what follows it.
fn attribute(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    const LONG: u8 = 0x10;
    let ([flags, code], rest) = bytes.split_first_chunk()?;
    let (value, rest) = if flags & LONG != 0 {
        part(rest)?
    } else {
        let (length, rest) = rest.split_first()?;
        rest.split_at_checked(usize::from(*length))?
    };
    Some((*code, value, rest))
}

/// Type, body, and the bytes that follow the message.
pub type Split<'a> = (u8, &'a [u8], &'a [u8]);

/// The first complete message.
///
/// # Errors
/// The bytes are no BGP.
pub fn message(bytes: &[u8]) -> Result<Option<Split<'_>>> {
    let Some(header) = bytes.first_chunk::<HEADER_LEN>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
    if length < HEADER_LEN || header[..16] != [0xff; 16] {
        bail!("not BGP: {header:?}");
    }
    Ok(bytes
        .split_at_checked(length)
        .map(|(whole, rest)| (header[18], &whole[HEADER_LEN..], rest)))
}

/// What a 16-bit length counts, and what follows it.
fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

#[cfg(test)]
mod tests {
    use super::super::{Plan, wire};
    use super::*;

    const PLAN: Plan = Plan {
        routes: 2_500,
        per_update: 4,
        asn: 65010,
        next_hop: IpAddr::V4(Ipv4Addr::LOCALHOST),
    };

    #[test]
    fn what_is_announced_is_counted_once_and_what_is_withdrawn_is_not() {
        let ipv6 = Plan {
            next_hop: Ipv6Addr::LOCALHOST.into(),
            ..PLAN
        };
        for plan in [PLAN, ipv6] {
            let mut counter = Counter::new(plan.routes);
            let announcements = wire::announcements(&plan);
            // Torn anywhere, and twice.
            for piece in announcements.chunks(37).chain([announcements.as_slice()]) {
                counter.push(piece).unwrap();
            }
            assert_eq!(counter.count(), 2_500);
            counter.push(&wire::keepalive()).unwrap();
            counter.push(&wire::withdrawals(&plan)).unwrap();
            assert_eq!(counter.count(), 0);
        }
    }

    #[test]
    fn a_prefix_that_was_never_fed_is_an_error() {
        let mut counter = Counter::new(PLAN.routes - 1);
        let error = counter.push(&wire::announcements(&PLAN)).unwrap_err();
        assert!(error.to_string().contains("never fed"), "{error}");
    }

    #[test]
    fn bytes_that_are_no_bgp_are_an_error() {
        assert!(Counter::new(1).push(&[0; 19]).is_err());
        let mut torn = wire::announcements(&PLAN);
        torn[20] = 0xff;
        assert!(Counter::new(PLAN.routes).push(&torn).is_err());
    }
}
