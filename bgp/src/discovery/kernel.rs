//! Links and their link-local addresses, as the kernel tells them.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv6Addr;
use std::time::Duration;

use crate::fib::message::{self, RawMessage, kind};
use crate::transport::reader::{ADDRESS_HEADER, GET_ADDRESS, Reader, all_of};

/// From one reading to the next at least.
const APART: Duration = Duration::from_millis(100);
/// `struct ifinfomsg`.
const LINK_HEADER: usize = 16;
/// `IFLA_ADDRESS`, `IFLA_IFNAME`, `IFA_ADDRESS`, `IFA_FLAGS`.
const LINK_LAYER: u16 = 1;
const NAME: u16 = 3;
/// `IFLA_CARRIER_CHANGES`.
const CARRIER_CHANGES: u16 = 35;
const ADDRESS: u16 = 1;
const FLAGS: u16 = 8;
/// `IFA_F_DADFAILED`, `IFA_F_TENTATIVE`: others may have it.
const UNSURE: u32 = 0x08 | 0x40;
/// Links of pods, each of which has a link-local address: nobody's uplinks.
const POD_LINKS: &str = "rcni";
const POD_LINK_LEN: usize = POD_LINKS.len() + 11;

/// One link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelLink {
    /// `eth0`.
    pub name: String,
    /// Switched on.
    pub up: bool,
    /// Something comes through.
    pub running: bool,
    /// How often its carrier came or went, for as long as it is there: it may have between two readings.
    pub carrier_changes: u32,
    /// Its Ethernet address, if it has one.
    pub link_layer: Option<[u8; 6]>,
    /// The first that can be used.
    pub link_local: Option<Ipv6Addr>,
    /// There is one that cannot: duplicate address detection is not through, or has found another.
    pub unsure: bool,
    /// The kernel has a default route there by a router advertisement.
    pub default_route: bool,
}

/// All links by their indexes, but for loopback and those of pods.
pub type KernelLinks = BTreeMap<u32, KernelLink>;

/// Reads and watches them in the namespace of the thread that made it.
pub struct Kernel {
    reader: Reader,
}

impl Kernel {
    /// Subscribes.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open() -> io::Result<Self> {
        let reader = Reader::open(&[libc::RTNLGRP_LINK, libc::RTNLGRP_IPV6_IFADDR])?;
        Ok(Self { reader })
    }

    /// All of them now.
    ///
    /// # Errors
    /// The kernel's, or a timeout.
    pub async fn read(&mut self) -> io::Result<KernelLinks> {
        let mut links = KernelLinks::new();
        let everything = all_of(kind::GET_LINK, LINK_HEADER, 0);
        self.reader
            .dump(everything, |answer| {
                links.extend(parse_link(answer));
            })
            .await?;
        let everything = all_of(GET_ADDRESS, ADDRESS_HEADER, message::family::INET6);
        self.reader
            .dump(everything, |answer| {
                if let Some((index, address, unsure)) = parse_address(answer)
                    && let Some(link) = links.get_mut(&index)
                {
                    if unsure {
                        link.unsure = true;
                    } else {
                        link.link_local = link.link_local.or(Some(address));
                    }
                }
            })
            .await?;
        let mut routes = Vec::new();
        message::dump_routes(
            &mut routes,
            0,
            message::family::INET6,
            MAIN,
            Some(BY_ROUTERS),
        );
        self.reader
            .dump(routes, |answer| {
                let route = message::parse_route(answer.payload);
                let route = route.filter(|route| route.protocol == BY_ROUTERS);
                if let Some(route) = route.filter(|route| route.prefix.prefix() == 0)
                    && let Some(index) = route.interface
                    && let Some(link) = links.get_mut(&index)
                {
                    link.default_route = true;
                }
            })
            .await?;
        Ok(links)
    }

    /// Something changed, or may have. Pods come and go without a word.
    pub async fn changed(&mut self) {
        self.reader.changed(|news| !is_of_pod(news), APART).await;
    }
}

/// `RT_TABLE_MAIN`, `RTPROT_RA`.
const MAIN: u32 = 254;
const BY_ROUTERS: u8 = 9;

fn name_of(attributes: &[u8]) -> Option<String> {
    let mut all = message::attributes(attributes);
    let (_, name) = all.find(|(kind, _)| *kind == NAME)?;
    let name = name.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(name).into_owned())
}

pub(crate) fn is_pod_link(name: &str) -> bool {
    let hash = name.strip_prefix(POD_LINKS);
    name.len() == POD_LINK_LEN
        && hash.is_some_and(|hash| hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// A notification about a pod's link. Addresses do not say the name of theirs.
fn is_of_pod(news: &RawMessage<'_>) -> bool {
    let attributes = news.payload.get(LINK_HEADER..).unwrap_or_default();
    matches!(news.kind, kind::NEW_LINK | kind::DEL_LINK)
        && name_of(attributes).is_some_and(|name| is_pod_link(&name))
}

fn parse_link(answer: &RawMessage<'_>) -> Option<(u32, KernelLink)> {
    if answer.kind != kind::NEW_LINK {
        return None;
    }
    let index = message::u32_at(answer.payload, 4)?;
    let flags = message::u32_at(answer.payload, 8)?;
    let attributes = answer.payload.get(LINK_HEADER..)?;
    let name = name_of(attributes)?;
    let is = |flag: i32| flags & flag.unsigned_abs() != 0;
    if is(libc::IFF_LOOPBACK) || is_pod_link(&name) {
        return None;
    }
    let attribute = |wanted: u16| {
        let mut all = message::attributes(attributes);
        all.find_map(|(kind, bytes)| (kind == wanted).then_some(bytes))
    };
    let changes = attribute(CARRIER_CHANGES).and_then(|bytes| message::u32_at(bytes, 0));
    let link = KernelLink {
        name,
        up: is(libc::IFF_UP),
        running: is(libc::IFF_RUNNING),
        carrier_changes: changes.unwrap_or_default(),
        link_layer: attribute(LINK_LAYER).and_then(|bytes| bytes.try_into().ok()),
        link_local: None,
        unsure: false,
        default_route: false,
    };
    Some((index, link))
}

/// A link-local address, on which link, and whether it cannot be used.
fn parse_address(answer: &RawMessage<'_>) -> Option<(u32, Ipv6Addr, bool)> {
    let [family, _, short, _] = *answer.payload.first_chunk()?;
    if answer.kind != kind::NEW_ADDRESS || family != message::family::INET6 {
        return None;
    }
    let index = message::u32_at(answer.payload, 4)?;
    let (mut address, mut flags) = (None, u32::from(short));
    for (kind, value) in message::attributes(answer.payload.get(ADDRESS_HEADER..)?) {
        match kind {
            ADDRESS => address = <[u8; 16]>::try_from(value).ok().map(Ipv6Addr::from),
            FLAGS => flags = message::u32_at(value, 0)?,
            _ => {}
        }
    }
    let address = address.filter(Ipv6Addr::is_unicast_link_local)?;
    Some((index, address, flags & UNSURE != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pods_links_are_pods_links() {
        assert!(is_pod_link("rcni0123456789a"));
        for name in ["rcni0", "rcni-uplink", "eth0", "rcni0123456789x"] {
            assert!(!is_pod_link(name), "{name}");
        }
    }

    #[tokio::test]
    async fn loopback_is_no_link() {
        let links = Kernel::open().unwrap().read().await.unwrap();
        assert!(links.values().all(|link| link.name != "lo"));
    }

    #[test]
    fn any_bytes_are_a_link_or_nothing() {
        let bytes: Vec<u8> = (0..200_u8).map(|byte| byte.wrapping_mul(31)).collect();
        for length in 0..bytes.len() {
            for kind in [kind::NEW_LINK, kind::NEW_ADDRESS] {
                let answer = RawMessage {
                    kind,
                    flags: 0,
                    sequence: 0,
                    port: 0,
                    payload: &bytes[..length],
                };
                let _ = (
                    parse_link(&answer),
                    parse_address(&answer),
                    is_of_pod(&answer),
                );
            }
        }
    }
}
