//! Scripted BGP peers: one that feeds routes made beforehand, one that counts what it is sent.
//!
//! ```text
//!   feed --bytes of all UPDATEs--> subject --UPDATEs--> sink (counts prefixes, keeps nothing)
//! ```
//!
//! Written from RFC 4271 alone and not with rcni's own codec: a mistake that both ends shared would
//! not be seen. They are as cheap as can be, since they run on the machine that they measure.

pub mod count;
pub mod session;
pub mod wire;

use std::net::Ipv4Addr;

/// What a feed announces: /24s, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many prefixes.
    pub routes: u32,
    /// Prefixes that share an UPDATE, and so their attributes.
    pub per_update: u32,
    /// AS of the feed.
    pub asn: u32,
    /// NEXT_HOP.
    pub next_hop: Ipv4Addr,
}

/// Length of every prefix.
pub const PREFIX_LEN: u8 = 24;
/// The first one. No packet is ever sent there.
const FIRST: u32 = 32 << 24;
/// So many /24s are left before multicast addresses begin.
pub const ROUTES_MAX: u32 = (224 - 32) << 16;

impl Plan {
    /// Network address of prefix `number`.
    #[must_use]
    pub fn prefix(number: u32) -> Ipv4Addr {
        Ipv4Addr::from(FIRST.wrapping_add(number << 8))
    }

    /// Number of a prefix of any plan.
    #[must_use]
    pub fn number(address: Ipv4Addr, length: u8) -> Option<u32> {
        let offset = u32::from(address).checked_sub(FIRST)?;
        (length == PREFIX_LEN && offset & 0xff == 0).then_some(offset >> 8)
    }
}
