//! The own addresses of this machine: what a session's own end offers as next hops.
//!
//! The kernel tells that an address came or went; then all are read anew, at most once in
//! [`APART`]: a busy node has addresses come and go with every pod.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use ipnetwork::IpNetwork;
use netlink_packet_core::Parseable;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use rcni_bgp_proto::speaker::{Interface, NextHop, OwnAddresses};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::warn;

use super::Event;
use super::reader::{ADDRESS_HEADER, GET_ADDRESS, Reader, all_of};
use crate::fib::message::kind;
use rcni_control::jitter::jitter;

/// From one reading to the next.
const APART: Duration = Duration::from_millis(500);
/// After a reading that failed.
const PAUSE: Duration = Duration::from_secs(5);

/// One address of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
struct OwnAddress {
    interface: u32,
    address: IpAddr,
    /// What is on the link by it: the peer's end, if the link has two.
    network: IpNetwork,
    /// Others may be told to send to it: of global scope, and neither secondary (in IPv6:
    /// temporary) nor tentative nor deprecated.
    lasting: bool,
}

/// All addresses of this machine at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    addresses: Vec<OwnAddress>,
}

impl Interfaces {
    /// Whether this machine has the address itself.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|own| own.address == address)
    }

    /// Whether an address is on a network of one of the interfaces.
    #[must_use]
    pub fn is_on_link(&self, address: IpAddr) -> bool {
        let mut networks = self.addresses.iter().map(|own| own.network);
        networks.any(|network| network.contains(address))
    }

    /// The interface that leads to an address on its network; `None`: there is none, or several.
    #[must_use]
    pub fn link_to(&self, address: IpAddr) -> Option<u32> {
        let leads = |own: &&OwnAddress| own.network.contains(address);
        let leading = || self.addresses.iter().filter(leads);
        let longest = leading().map(|own| own.network.prefix()).max()?;
        let mut best = leading().filter(|own| own.network.prefix() == longest);
        let first = best.next()?.interface;
        best.all(|own| own.interface == first).then_some(first)
    }

    /// What the interface with the address `local` offers; without such an interface it is the
    /// address alone. Several may have the same link-local one.
    #[must_use]
    pub fn own(&self, local: NextHop) -> OwnAddresses {
        let on_link = |own: &&OwnAddress| local.interface.is_none_or(|link| own.interface == link);
        let local = local.address;
        let mut here = self.addresses.iter().filter(on_link);
        let Some(found) = here.find(|own| own.address == local) else {
            return OwnAddresses::only(local);
        };
        let here = || {
            let index = found.interface;
            self.addresses
                .iter()
                .filter(move |own| own.interface == index)
        };
        let mut own = OwnAddresses {
            addresses: here().map(|own| own.address).collect(),
            elsewhere: self.elsewhere(found.interface),
            networks: here().map(|own| own.network).collect(),
            ..OwnAddresses::only(local)
        };
        if !own.addresses.iter().any(IpAddr::is_loopback) {
            let index = found.interface;
            let name = name_of(index).unwrap_or_else(|| format!("interface {index}"));
            own.interface = Some(Interface { index, name });
        }
        for address in here().filter(|own| own.lasting).map(|own| own.address) {
            match address {
                IpAddr::V4(v4) => own.v4 = own.v4.or(Some(v4)),
                IpAddr::V6(v6) => own.v6 = own.v6.or(Some(v6)),
            }
        }
        own
    }

    /// Addresses of other interfaces. Those of loopback and link-local ones are left out: they say
    /// nothing on a link, and each pod's link has one.
    fn elsewhere(&self, interface: u32) -> Vec<IpAddr> {
        let others = self.addresses.iter().filter(|own| {
            let link_local = matches!(own.address, IpAddr::V6(v6) if v6.is_unicast_link_local());
            own.interface != interface && !own.address.is_loopback() && !link_local
        });
        let mut all: Vec<IpAddr> = others.map(|own| own.address).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

fn name_of(index: u32) -> Option<String> {
    use rustix::net::{AddressFamily, SocketType, netdevice, socket};
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None).ok()?;
    netdevice::index_to_name(any, index).ok()
}

fn parse(message: &AddressMessage) -> Option<OwnAddress> {
    let header = &message.header;
    let (mut local, mut address) = (None, None);
    // The attribute has 32 bits, the header the lower 8.
    let mut flags = AddressFlags::from_bits_retain(header.flags.bits().into());
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => address = Some(*ip),
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    let far = address.or(local)?;
    let unsteady = AddressFlags::Secondary
        | AddressFlags::Tentative
        | AddressFlags::Dadfailed
        | AddressFlags::Deprecated;
    let global = matches!(header.scope, AddressScope::Universe | AddressScope::Site);
    Some(OwnAddress {
        interface: header.index,
        address: local.unwrap_or(far),
        network: IpNetwork::new(far, header.prefix_len).ok()?,
        lasting: global && !flags.intersects(unsteady),
    })
}

/// Reads and watches the addresses in the namespace of the thread that made it.
pub struct Watcher {
    reader: Reader,
}

impl Watcher {
    /// Subscribes.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open() -> io::Result<Self> {
        let reader = Reader::open(&[libc::RTNLGRP_IPV4_IFADDR, libc::RTNLGRP_IPV6_IFADDR])?;
        Ok(Self { reader })
    }

    /// All addresses now.
    ///
    /// # Errors
    /// The kernel's, or a timeout.
    pub async fn read(&mut self) -> io::Result<Interfaces> {
        let mut addresses = Vec::new();
        let everything = all_of(GET_ADDRESS, ADDRESS_HEADER, 0);
        self.reader
            .dump(everything, |answer| {
                if answer.kind == kind::NEW_ADDRESS {
                    let address = AddressMessage::parse(answer.payload).ok();
                    addresses.extend(address.as_ref().and_then(parse));
                }
            })
            .await?;
        Ok(Interfaces { addresses })
    }

    /// Tells the core of every change from `known` on; ends when the core is gone.
    pub async fn run(mut self, mut known: Interfaces, events: mpsc::Sender<Event>) {
        loop {
            self.reader.changed(|_| true, jitter(APART)).await;
            let now = loop {
                match self.read().await {
                    Ok(now) => break now,
                    Err(error) => {
                        warn!(%error, "cannot read the own addresses; will be tried again");
                        sleep(jitter(PAUSE)).await;
                    }
                }
            };
            if now == known {
                continue;
            }
            known = now.clone();
            if events.send(Event::Interfaces(now)).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
