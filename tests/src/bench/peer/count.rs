//! Which prefixes of a plan a stream of messages leaves announced. Looks at nothing else.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail};

use super::Plan;
use super::wire::{HEADER_LEN, kind};

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
        let (_, announced) = part(rest).context("path attributes")?;
        self.mark(withdrawn, false)?;
        self.mark(announced, true)
    }

    fn mark(&mut self, mut prefixes: &[u8], value: bool) -> Result<()> {
        while let Some((length, rest)) = prefixes.split_first() {
            let octets = usize::from(length.div_ceil(8));
            let (given, after) = rest.split_at_checked(octets).context("a torn prefix")?;
            let mut address = [0; 4];
            address
                .get_mut(..octets)
                .context("a prefix longer than an address")?
                .copy_from_slice(given);
            let address = Ipv4Addr::from(address);
            let place = Plan::number(address, *length)
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
    use super::super::wire;
    use super::*;

    const PLAN: Plan = Plan {
        routes: 2_500,
        per_update: 4,
        asn: 65010,
        next_hop: Ipv4Addr::LOCALHOST,
    };

    #[test]
    fn what_is_announced_is_counted_once_and_what_is_withdrawn_is_not() {
        let mut counter = Counter::new(PLAN.routes);
        let announcements = wire::announcements(&PLAN);
        // Torn anywhere, and twice.
        for piece in announcements.chunks(37).chain([announcements.as_slice()]) {
            counter.push(piece).unwrap();
        }
        assert_eq!(counter.count(), 2_500);
        counter.push(&wire::keepalive()).unwrap();
        counter.push(&wire::withdrawals(&PLAN)).unwrap();
        assert_eq!(counter.count(), 0);
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
