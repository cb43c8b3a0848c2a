//! The next hop of a path, from NEXT_HOP or MP_REACH_NLRI.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where packets go. The link-local form is that of RFC 2545 §3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NextHop {
    /// 4 octets.
    V4(Ipv4Addr),
    /// 16 octets; may be a link-local address by itself.
    V6(Ipv6Addr),
    /// 32 octets.
    V6LinkLocal {
        /// The global address; some senders put `::`, the link-local address or an IPv4-mapped
        /// one here.
        global: Ipv6Addr,
        /// The link-local address on the shared subnet.
        link_local: Ipv6Addr,
    },
}

impl NextHop {
    /// The address to compare and to show: the global one where there is one.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        match *self {
            Self::V4(address) => address.into(),
            Self::V6(address) => address.into(),
            Self::V6LinkLocal { global, link_local } if says_nothing(global) => link_local.into(),
            Self::V6LinkLocal { global, .. } => global.into(),
        }
    }

    /// Why packets cannot be sent there whatever the routes say (RFC 4271 §6.3); `None` if they
    /// may.
    #[must_use]
    pub fn semantic_error(&self) -> Option<&'static str> {
        let address = self.address();
        let mapped = matches!(address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
        if mapped {
            Some("the next hop is an IPv4 address written as IPv6")
        } else if address.is_unspecified() {
            Some("the next hop is the unspecified address")
        } else if address.is_multicast() {
            Some("the next hop is a multicast address")
        } else if address.is_loopback() {
            Some("the next hop is a loopback address")
        } else if address == IpAddr::V4(Ipv4Addr::BROADCAST) {
            Some("the next hop is the broadcast address")
        } else {
            None
        }
    }
}

/// Senders without a global address of their own put one of these before the link-local one.
fn says_nothing(global: Ipv6Addr) -> bool {
    global.is_unspecified() || global.to_ipv4_mapped().is_some()
}

impl From<IpAddr> for NextHop {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => address.fmt(f),
            Self::V6LinkLocal { global, link_local } => write!(f, "{global} ({link_local})"),
        }
    }
}
