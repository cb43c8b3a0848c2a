//! Where a peer's connections come from.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use rcni_bgp_proto::speaker::NextHop;
use rcni_config::Cidr;

/// An address or a range; of link-local addresses with the link, without which they say nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Which addresses.
    pub network: Cidr,
    /// The link's index.
    pub link: Option<u32>,
}

impl Origin {
    /// One neighbour.
    #[must_use]
    pub fn host(neighbor: NextHop) -> Self {
        Self {
            network: Cidr::host(neighbor.address),
            link: neighbor.interface,
        }
    }

    /// Is it more than one address?
    #[must_use]
    pub fn is_range(&self) -> bool {
        self.network.prefix_len() < self.network.max_len()
    }

    /// Has it IPv4 addresses?
    #[must_use]
    pub fn is_ipv4(&self) -> bool {
        self.network.is_ipv4()
    }
}

impl From<Cidr> for Origin {
    fn from(network: Cidr) -> Self {
        let link = None;
        Self { network, link }
    }
}

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        Cidr::host(address).into()
    }
}

impl FromStr for Origin {
    type Err = <Cidr as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<Cidr>().map(Self::from)
    }
}

/// `10.0.0.1/32`, `fe80::1/128%7`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.network.fmt(f)?;
        match self.link {
            Some(link) => write!(f, "%{link}"),
            None => Ok(()),
        }
    }
}
