//! What this side's end of a connection offers besides its address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use crate::rib::Reach;

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The kernel's index, never 0.
    pub index: u32,
    /// For people.
    pub name: String,
}

/// The addresses of the interface that a connection's own end belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnAddresses {
    /// The interface; `None` for loopback or where it is not known: then there is no link.
    pub interface: Option<Interface>,
    /// Next hop of what is announced in IPv4.
    pub v4: Option<Ipv4Addr>,
    /// Next hop of what is announced in IPv6: a global address.
    pub v6: Option<Ipv6Addr>,
    /// All addresses of the interface.
    pub addresses: Vec<IpAddr>,
    /// This machine's addresses on other interfaces, but for link-local ones.
    pub elsewhere: Vec<IpAddr>,
    /// The networks that are on it, host bits or not.
    pub networks: Vec<IpNetwork>,
}

impl OwnAddresses {
    /// Where nothing but the connection's own end is known.
    #[must_use]
    pub fn only(local: IpAddr) -> Self {
        let mut own = Self {
            addresses: vec![local],
            ..Self::default()
        };
        match local {
            IpAddr::V4(address) => own.v4 = Some(address),
            IpAddr::V6(address) if !address.is_unicast_link_local() => own.v6 = Some(address),
            IpAddr::V6(_) => {}
        }
        own
    }

    /// The interface's first link-local address of IPv6.
    #[must_use]
    pub fn link_local(&self) -> Option<Ipv6Addr> {
        self.addresses.iter().find_map(|address| match address {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => Some(*v6),
            _ => None,
        })
    }

    /// Is this an address of this machine? Of link-local ones it is asked for this interface.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address) || self.elsewhere.contains(&address)
    }

    /// How the peer's next hops are reached. Its link-local ones mean something only if it is on
    /// the link itself.
    pub(crate) fn reach(&self, remote: IpAddr) -> Reach {
        let on_link = |network: &IpNetwork| network.contains(remote);
        let neighbour = is_link_local(remote) || self.networks.iter().any(on_link);
        let interface = self.interface.as_ref().filter(|_| neighbour);
        Reach::new(interface.map(|interface| interface.index), &self.networks)
    }
}

pub(crate) fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}
