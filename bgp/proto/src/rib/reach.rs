//! From the next hop of a path to a gateway of the forwarding table.

use std::net::{IpAddr, Ipv6Addr};

use ipnetwork::IpNetwork;

use crate::attr;
use crate::speaker::{NextHop, is_link_local};

/// How one peer's next hops are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// The link that is shared with the peer.
    interface: Option<u32>,
    /// IPv6 networks on it, without the link-local one.
    networks: Vec<IpNetwork>,
}

impl Reach {
    /// `interface` is the link shared with the peer, if there is one, with these networks on it.
    #[must_use]
    pub fn new(interface: Option<u32>, networks: &[IpNetwork]) -> Self {
        let global = |own: &&IpNetwork| own.is_ipv6() && !is_link_local(own.ip());
        Self {
            interface,
            networks: networks.iter().filter(global).copied().collect(),
        }
    }

    /// Is there a link that is shared with the peer?
    #[must_use]
    pub fn is_on_link(&self) -> bool {
        self.interface.is_some()
    }

    /// The gateway: of two addresses the global one if it is on the shared link, else the
    /// link-local one (RFC 2545 §3 has both name the same router).
    #[must_use]
    pub fn gateway(&self, next_hop: &attr::NextHop) -> NextHop {
        let address = match *next_hop {
            attr::NextHop::V6LinkLocal { global, link_local }
                if self.interface.is_some() && !self.on_link(global) =>
            {
                link_local.into()
            }
            _ => next_hop.address(),
        };
        NextHop {
            address,
            interface: self.interface.filter(|_| is_link_local(address)),
        }
    }

    fn on_link(&self, global: Ipv6Addr) -> bool {
        let global = IpAddr::V6(global);
        self.networks.iter().any(|network| network.contains(global))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v6(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    fn both(global: &str, link_local: &str) -> attr::NextHop {
        attr::NextHop::V6LinkLocal {
            global: v6(global),
            link_local: v6(link_local),
        }
    }

    #[test]
    fn the_global_address_on_the_link_the_link_local_one_else() {
        let own: Vec<IpNetwork> = ["fd00:10:0:1::11/64", "fe80::11/64", "10.0.1.11/24"]
            .map(|text| text.parse().unwrap())
            .to_vec();
        let reach = Reach::new(Some(7), &own);
        let gateway = |next_hop| reach.gateway(&next_hop).to_string();
        assert_eq!(gateway(both("fd00:10:0:1::1", "fe80::1")), "fd00:10:0:1::1");
        assert_eq!(gateway(both("2001:db8::1", "fe80::1")), "fe80::1%7");
        assert_eq!(gateway(both("::", "fe80::1")), "fe80::1%7");
        assert_eq!(gateway(both("fe80::1", "fe80::1")), "fe80::1%7");
        assert_eq!(gateway(both("::ffff:10.0.1.1", "fe80::1")), "fe80::1%7");
        assert_eq!(gateway(attr::NextHop::V6(v6("fe80::1"))), "fe80::1%7");
        assert_eq!(gateway(attr::NextHop::V6(v6("2001:db8::1"))), "2001:db8::1");
        assert_eq!(gateway(attr::NextHop::V4([10, 0, 1, 1].into())), "10.0.1.1");
    }

    #[test]
    fn without_a_shared_link_the_global_address_is_all_there_is() {
        let reach = Reach::default();
        let gateway = |next_hop| reach.gateway(&next_hop).to_string();
        assert_eq!(gateway(both("2001:db8::1", "fe80::1")), "2001:db8::1");
        assert_eq!(gateway(attr::NextHop::V6(v6("fe80::1"))), "fe80::1");
    }
}
