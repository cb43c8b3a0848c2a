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

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What prefixes are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4 unicast.
    V4,
    /// IPv6 unicast, in multiprotocol attributes (RFC 4760).
    V6,
}

impl Family {
    /// Length of every prefix.
    #[must_use]
    pub fn prefix_len(self) -> u8 {
        match self {
            Self::V4 => 24,
            Self::V6 => 48,
        }
    }

    /// Network address of prefix `number` of any plan: /24s, or /48s, one after the other.
    #[must_use]
    pub fn prefix(self, number: u32) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::from(FIRST.wrapping_add(number << 8)).into(),
            Self::V6 => Ipv6Addr::from(FIRST_V6 | u128::from(number) << 80).into(),
        }
    }

    /// Number of a prefix of any plan.
    #[must_use]
    pub fn number(address: IpAddr, length: u8) -> Option<u32> {
        match address {
            IpAddr::V4(address) => {
                let offset = u32::from(address).checked_sub(FIRST)?;
                (length == Self::V4.prefix_len() && offset & 0xff == 0).then_some(offset >> 8)
            }
            IpAddr::V6(address) => {
                let offset = u128::from(address).checked_sub(FIRST_V6)?;
                let number = u32::try_from(offset >> 80).ok()?;
                let whole = u128::from(number) << 80 == offset;
                (length == Self::V6.prefix_len() && whole).then_some(number)
            }
        }
    }
}

/// What a feed announces.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many prefixes.
    pub routes: u32,
    /// Prefixes that share an UPDATE, and so their attributes.
    pub per_update: u32,
    /// AS of the feed.
    pub asn: u32,
    /// Next hop, of the family of the prefixes.
    pub next_hop: IpAddr,
}

/// The first one. No packet is ever sent there.
const FIRST: u32 = 32 << 24;
/// The first one of IPv6: what is for documentation (RFC 9637) has as many as are ever asked for.
const FIRST_V6: u128 = 0x3fff << 112;
/// So many /24s are left before multicast addresses begin.
pub const ROUTES_MAX: u32 = (224 - 32) << 16;

impl Plan {
    /// What its prefixes are of.
    #[must_use]
    pub fn family(&self) -> Family {
        match self.next_hop {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }
}
