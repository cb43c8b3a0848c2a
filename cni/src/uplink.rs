//! The MTU for pods when the configuration names none.
//!
//! A pod's packet may leave by any uplink, and path MTU discovery is often filtered: so the smallest
//! one decides. Looked at are links that are up, not loopback and not host ends of pods. If all have
//! one MTU, that is it, without looking at routes (a full table would be 100,000 messages). If they
//! differ, only links that carry a route with a gateway count, of either family, since that is where
//! pods' packets leave; on a node without any gateway, links that carry any route. Without a link: 1500.
//!
//! With `net.ipv4.nexthop_compat_mode = 0` a route that uses a nexthop object has nothing but the
//! object's number; only then are the objects asked for.

use std::collections::BTreeSet;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use netlink_packet_route::route::RouteMessage;

use crate::naming::HOST_PREFIX;
use crate::netlink::{
    Link, Netlink, NetlinkError, Nexthops, Step, attributes_of, parse_link, read_u32,
};

/// Ethernet's, for a node without uplinks.
const DEFAULT_MTU: u32 = 1500;
const RTMSG_LEN: usize = 12;
const RTN_UNICAST: u8 = 1;
const RT_TABLE_LOCAL: u8 = 255;
/// `AF_INET` and `AF_INET6`: multicast routing answers too, in families of its own.
const FAMILIES: [u8; 2] = [2, 10];
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_MULTIPATH: u16 = 9;
const RTA_VIA: u16 = 18;
const RTA_NH_ID: u16 = 30;
/// How often routes are listed again because an object of theirs has gone meanwhile.
const LOOKS_MAX: u32 = 3;

/// The smallest MTU of the uplinks, in bytes.
///
/// # Errors
/// If the kernel does not list its links or routes.
pub fn mtu(netlink: &mut Netlink) -> Result<u32, NetlinkError> {
    let links: Vec<Link> = netlink
        .dump(links_question())?
        .iter()
        .filter_map(|body| parse_link(body))
        .filter(is_candidate)
        .collect();
    let sizes: BTreeSet<u32> = links.iter().map(|link| link.mtu).collect();
    if sizes.len() < 2 {
        return Ok(sizes.first().copied().unwrap_or(DEFAULT_MTU));
    }
    Ok(smallest(&links, &uses(netlink)?))
}

fn uses(netlink: &mut Netlink) -> Result<Uses, NetlinkError> {
    let mut attempt = 1;
    loop {
        let mut uses = Uses::of(&netlink.dump(routes_question())?);
        if uses.objects.is_empty() {
            return Ok(uses);
        }
        let nexthops = Nexthops::list(netlink)?;
        // An object may go between the two lists, and its routes with it.
        if uses.resolve(&nexthops) || attempt == LOOKS_MAX {
            return Ok(uses);
        }
        attempt += 1;
    }
}

fn is_candidate(link: &Link) -> bool {
    let loopback = libc::IFF_LOOPBACK.cast_unsigned();
    link.is_up() && link.flags & loopback == 0 && !link.name.starts_with(HOST_PREFIX)
}

fn smallest(links: &[Link], uses: &Uses) -> u32 {
    let among = |indices: &BTreeSet<u32>| {
        links
            .iter()
            .filter(|link| indices.contains(&link.index))
            .map(|link| link.mtu)
            .min()
    };
    among(&uses.gateways)
        .or_else(|| among(&uses.any))
        .or_else(|| links.iter().map(|link| link.mtu).min())
        .unwrap_or(DEFAULT_MTU)
}

/// Which links (by index) carry routes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Uses {
    gateways: BTreeSet<u32>,
    any: BTreeSet<u32>,
    /// Nexthop objects whose routes say nothing else.
    objects: BTreeSet<u32>,
}

impl Uses {
    fn of(routes: &[Vec<u8>]) -> Self {
        let mut uses = Self::default();
        for route in routes {
            let ours = route
                .first()
                .is_some_and(|family| FAMILIES.contains(family));
            let unicast = route.get(7) == Some(&RTN_UNICAST);
            let local = route.get(4) == Some(&RT_TABLE_LOCAL);
            if let (true, true, false, Some(attributes)) =
                (ours, unicast, local, route.get(RTMSG_LEN..))
                && !is_link_local(attributes)
            {
                uses.note(attributes, None);
            }
        }
        uses
    }

    fn note(&mut self, attributes: &[u8], hop: Option<u32>) {
        let mut oif = hop;
        let (mut gateway, mut object, mut several) = (false, None, false);
        for (kind, value) in attributes_of(attributes) {
            match kind {
                RTA_OIF => oif = read_u32(value, 0),
                RTA_GATEWAY | RTA_VIA => gateway = true,
                RTA_MULTIPATH if hop.is_none() => {
                    several = true;
                    self.note_multipath(value);
                }
                RTA_NH_ID => object = read_u32(value, 0),
                _ => {}
            }
        }
        match (oif, object) {
            (Some(oif), _) => self.note_link(oif, gateway),
            (None, Some(object)) if !several => {
                self.objects.insert(object);
            }
            _ => {}
        }
    }

    fn note_link(&mut self, oif: u32, gateway: bool) {
        self.any.insert(oif);
        if gateway {
            self.gateways.insert(oif);
        }
    }

    /// Notes where the objects lead; false if some of them are not there.
    fn resolve(&mut self, nexthops: &Nexthops) -> bool {
        let mut complete = true;
        for object in std::mem::take(&mut self.objects) {
            match nexthops.links(object) {
                Some(links) => {
                    for (oif, gateway) in links {
                        self.note_link(oif, gateway);
                    }
                }
                None => complete = false,
            }
        }
        complete
    }

    /// `struct rtnexthop { u16 len; u8 flags; u8 hops; int ifindex; }` and attributes, repeated.
    fn note_multipath(&mut self, mut rest: &[u8]) {
        while let (Some(length), Some(index)) = (rest.get(..2), read_u32(rest, 4)) {
            let length = usize::from(u16::from_ne_bytes([length[0], length[1]]));
            let Some(attributes) = rest.get(8..length) else {
                return;
            };
            self.note(attributes, Some(index));
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        }
    }
}

/// `fe80::/10`: every link with IPv6 has it, whether it leads anywhere or not.
fn is_link_local(attributes: &[u8]) -> bool {
    attributes_of(attributes).any(|(kind, value)| {
        kind == RTA_DST && value.len() == 16 && value[0] == 0xfe && value[1] & 0xc0 == 0x80
    })
}

fn links_question() -> Step {
    let mut link = LinkMessage::default();
    link.attributes = vec![LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats])];
    Step::new("list the links", RouteNetlinkMessage::GetLink(link), 0)
}

fn routes_question() -> Step {
    // Of all families.
    let route = RouteMessage::default();
    Step::new("list the routes", RouteNetlinkMessage::GetRoute(route), 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn link(index: u32, mtu: u32) -> Link {
        Link {
            index,
            mtu,
            ..Link::default()
        }
    }

    #[test]
    fn the_smallest_link_with_a_gateway_decides() {
        let links = [link(2, 9000), link(3, 8900), link(4, 1500)];
        let uses = Uses {
            gateways: [2, 3].into(),
            any: [2, 3, 4].into(),
            ..Uses::default()
        };
        assert_eq!(
            smallest(&links, &uses),
            8900,
            "docker0 at 1500 does not count"
        );
        let uses = Uses {
            any: [2, 3].into(),
            ..Uses::default()
        };
        assert_eq!(
            smallest(&links, &uses),
            8900,
            "no gateway at all: any route"
        );
        assert_eq!(smallest(&links, &Uses::default()), 1500);
    }

    #[test]
    fn plain_and_multipath_routes_are_understood() {
        let mut plain = vec![2, 0, 0, 0, 254, 3, 0, RTN_UNICAST, 0, 0, 0, 0];
        plain.extend([8, 0, 4, 0, 7, 0, 0, 0]); // oif 7
        plain.extend([8, 0, 5, 0, 10, 0, 0, 1]); // gateway
        let mut multipath = vec![2, 0, 0, 0, 254, 3, 0, RTN_UNICAST, 0, 0, 0, 0];
        multipath.extend([36, 0, 9, 0]);
        for index in [8, 9] {
            multipath.extend([16, 0, 0, 0, index, 0, 0, 0, 8, 0, 5, 0, 10, 0, 0, 1]);
        }
        let mut local = plain.clone();
        local[4] = RT_TABLE_LOCAL;
        local[16] = 99;
        let mut six = plain.clone();
        six[0] = 10;
        six[16] = 5;
        let mut link_local = vec![10, 64, 0, 0, 254, 2, 0, RTN_UNICAST, 0, 0, 0, 0];
        link_local.extend([
            20, 0, 1, 0, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ]);
        link_local.extend([8, 0, 4, 0, 77, 0, 0, 0]);
        let mut multicast_routing = plain.clone();
        multicast_routing[0] = 128;
        multicast_routing[16] = 88;
        let uses = Uses::of(&[plain, multipath, local, six, link_local, multicast_routing]);
        assert_eq!(uses.gateways, [5, 7, 8, 9].into());
        assert_eq!(uses.any, [5, 7, 8, 9].into());
        assert_eq!(uses.objects, BTreeSet::new());
    }

    #[test]
    fn an_object_is_asked_for_only_if_nothing_else_is_said() {
        let route = |attributes: &[u8]| {
            let mut route = vec![2, 0, 0, 0, 254, 77, 0, RTN_UNICAST, 0, 0, 0, 0];
            route.extend(attributes);
            route
        };
        let object = [8, 0, 30, 0, 5, 0, 0, 0];
        // What the kernel adds with nexthop_compat_mode = 1.
        let oif = [8, 0, 4, 0, 7, 0, 0, 0];
        let multipath = [12, 0, 9, 0, 8, 0, 0, 0, 8, 0, 0, 0];
        let both = [object, oif].concat();
        let several = [&object[..], &multipath[..]].concat();
        for (attributes, asked) in [(&object[..], true), (&both, false), (&several, false)] {
            let uses = Uses::of(&[route(attributes)]);
            assert_eq!(uses.objects.contains(&5), asked, "{uses:?}");
            assert_eq!(uses.any.is_empty(), asked, "{uses:?}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = Uses::of(std::slice::from_ref(&bytes));
            Uses::default().note_multipath(&bytes);
        }
    }
}
