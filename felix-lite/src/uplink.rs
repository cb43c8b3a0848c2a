//! Uplinks that get their addresses and default route by router advertisements.
//!
//! A link with `accept_ra = 1` listens to routers only as long as the node is none: when IPv6
//! forwarding is switched on, the kernel removes the default routes that it learned so, and ignores
//! further advertisements. `accept_ra = 2` listens in any case, if it is there *before*.
//!
//! Only links that listened until now get it: those with `accept_ra = 1` that did not forward. Of
//! these, only such that have learned something, or that may still do so because they are what
//! uplinks are made of (hardware, bonds, VLANs): whoever sits behind a bridge of containers must not
//! be able to announce itself as the router. Pods' links never get it.

use std::collections::BTreeSet;
use std::io;

use futures_util::TryStreamExt as _;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkLayerType, LinkMessage};
use netlink_packet_route::route::{RouteAttribute, RouteMessage, RouteProtocol};
use rtnetlink::{Handle, RouteMessageBuilder};

use crate::rules::POD_LINK_PREFIX;
use crate::state::State;
use crate::sysctl::{FORWARDING_IPV6, SysctlError, Sysctls};

/// Why it is not known which links must go on listening.
#[derive(Debug, thiserror::Error)]
pub enum UplinkError {
    /// No netlink socket.
    #[error("cannot ask the kernel about links (IPv6 forwarding is not switched on): {0}")]
    Socket(#[from] io::Error),
    /// The kernel lists no links, addresses or routes.
    #[error("cannot list {what} (IPv6 forwarding is not switched on): {source}")]
    List {
        /// What was asked for.
        what: &'static str,
        /// Why not.
        source: Box<rtnetlink::Error>,
    },
    /// The setting.
    #[error(transparent)]
    Setting(#[from] SysctlError),
}

/// Gives `accept_ra = 2` to the links that need it, and says which these are. Reads a few files on a
/// node that is right.
///
/// # Errors
/// See [`UplinkError`]; forwarding must not be switched on then.
pub async fn keep_listening(
    sysctls: &Sysctls,
    state: &mut State,
) -> Result<Vec<String>, UplinkError> {
    let listening = listening(sysctls, state);
    if listening.is_empty() {
        return Ok(Vec::new());
    }
    let links = look().await?;
    let mut done = Vec::new();
    for name in listening {
        let link = links.iter().find(|link| link.name == name);
        if link.is_some_and(|link| link.learned || link.like_an_uplink) {
            let setting = format!("net/ipv6/conf/{name}/accept_ra");
            done.extend(sysctls.set(&setting, "2", state)?);
        }
    }
    Ok(done)
}

/// The links that listen to routers, or would if it were not for us.
fn listening(sysctls: &Sysctls, state: &State) -> Vec<String> {
    let by_us = state.record.settings.get(FORWARDING_IPV6.name);
    let listens = |name: &String| {
        let read = |what: &str| sysctls.read(&format!("net/ipv6/conf/{name}/{what}"));
        let is = |what: &str, value: &str| read(what).is_ok_and(|now| now == value);
        // A link that did not forward until we switched it on for all, or that came after that.
        let silenced = || {
            by_us.is_some_and(|saved| {
                let before = saved.along.get(&format!("net/ipv6/conf/{name}/forwarding"));
                before.is_none_or(|before| before == "0")
            })
        };
        !name.starts_with(POD_LINK_PREFIX)
            && name != "default"
            && is("accept_ra", "1")
            && !is("disable_ipv6", "1")
            && (is("forwarding", "0") || silenced())
    };
    sysctls.links_ipv6().into_iter().filter(listens).collect()
}

/// What matters about a link.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Link {
    name: String,
    /// It may have routes of its own: neither a bridge nor part of something.
    routed: bool,
    /// It has a route or an address that a router announced.
    learned: bool,
    like_an_uplink: bool,
}

/// The names of the links that are no bridges and no part of one or of a bond.
///
/// # Errors
/// The kernel does not list them.
pub async fn routed() -> Result<Vec<String>, UplinkError> {
    let links = look().await?.into_iter();
    Ok(links
        .filter(|link| link.routed)
        .map(|link| link.name)
        .collect())
}

async fn look() -> Result<Vec<Link>, UplinkError> {
    let (connection, handle, _) = rtnetlink::new_connection_with_strict_check()?;
    let task = tokio::spawn(connection);
    let links = look_by(&handle).await;
    task.abort();
    links
}

async fn look_by(handle: &Handle) -> Result<Vec<Link>, UplinkError> {
    let failed = |what| {
        move |source| UplinkError::List {
            what,
            source: Box::new(source),
        }
    };
    let announced = RouteMessageBuilder::<std::net::Ipv6Addr>::new()
        .protocol(RouteProtocol::Ra)
        .build();
    let routes = handle.route().get(announced).execute();
    let routes: Vec<RouteMessage> = routes.try_collect().await.map_err(failed("routes"))?;
    let addresses = handle.address().get().execute();
    let addresses: Vec<AddressMessage> =
        addresses.try_collect().await.map_err(failed("addresses"))?;
    let links = handle.link().get().execute();
    let links: Vec<LinkMessage> = links.try_collect().await.map_err(failed("links"))?;
    let mut learned: BTreeSet<u32> = routes.iter().flat_map(links_of_route).collect();
    let dynamic = addresses.iter().filter(|address| is_dynamic(address));
    learned.extend(dynamic.map(|address| address.header.index));
    Ok(links
        .iter()
        .filter_map(|link| described(link, &learned))
        .collect())
}

/// The links that a route leads out by, if a router announced it. (The kernel's own routes of this kind
/// never name a nexthop object instead, whatever `nexthop_compat_mode` is.)
fn links_of_route(route: &RouteMessage) -> Vec<u32> {
    if route.header.protocol != RouteProtocol::Ra {
        return Vec::new();
    }
    let attributes = route.attributes.iter();
    let links = attributes.flat_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => vec![*index],
        RouteAttribute::MultiPath(hops) => hops.iter().map(|hop| hop.interface_index).collect(),
        _ => Vec::new(),
    });
    links.collect()
}

/// A global address that ends unless it is renewed: by an advertisement, or by DHCPv6, which an
/// advertisement asks for.
fn is_dynamic(address: &AddressMessage) -> bool {
    let flags = address
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            AddressAttribute::Flags(flags) => Some(*flags),
            _ => None,
        });
    address.header.family == AddressFamily::Inet6
        && address.header.scope == AddressScope::Universe
        && flags.is_some_and(|flags| !flags.contains(AddressFlags::Permanent))
}

fn described(link: &LinkMessage, learned: &BTreeSet<u32>) -> Option<Link> {
    let name = link
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name.clone()),
            _ => None,
        })?;
    let kind = link
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::LinkInfo(infos) => infos.iter().find_map(|info| match info {
                LinkInfo::Kind(kind) => Some(kind),
                _ => None,
            }),
            _ => None,
        });
    let like_an_uplink = match kind {
        // Hardware has no kind; neither has the loopback.
        None => link.header.link_layer_type != LinkLayerType::Loopback,
        Some(InfoKind::Bond | InfoKind::Vlan) => true,
        Some(InfoKind::Other(kind)) => kind == "team",
        Some(_) => false,
    };
    let mut attributes = link.attributes.iter();
    let is_part = attributes.any(|attribute| matches!(attribute, LinkAttribute::Controller(_)));
    Some(Link {
        name,
        routed: !is_part && !matches!(kind, Some(InfoKind::Bridge)),
        learned: learned.contains(&link.header.index),
        like_an_uplink,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use netlink_packet_route::link::InfoKind;

    use super::*;
    use crate::sysctl;

    fn link(index: u32, name: &str, layer: LinkLayerType, kind: Option<InfoKind>) -> LinkMessage {
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.header.link_layer_type = layer;
        link.attributes.push(LinkAttribute::IfName(name.to_owned()));
        let info = kind.map(|kind| LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind)]));
        link.attributes.extend(info);
        link
    }

    #[test]
    fn uplinks_are_told_by_what_they_are_or_learned() {
        let ether = LinkLayerType::Ether;
        let learned = BTreeSet::from([7]);
        for (link, expected) in [
            (link(1, "lo", LinkLayerType::Loopback, None), (false, false)),
            (link(2, "eno1", ether, None), (false, true)),
            (link(3, "bond0", ether, Some(InfoKind::Bond)), (false, true)),
            (
                link(4, "eno1.7", ether, Some(InfoKind::Vlan)),
                (false, true),
            ),
            (
                link(5, "team0", ether, Some(InfoKind::Other("team".to_owned()))),
                (false, true),
            ),
            (
                link(6, "docker0", ether, Some(InfoKind::Bridge)),
                (false, false),
            ),
            (link(7, "br0", ether, Some(InfoKind::Bridge)), (true, false)),
            (
                link(8, "veth1", ether, Some(InfoKind::Veth)),
                (false, false),
            ),
        ] {
            let found = described(&link, &learned).unwrap();
            assert_eq!(
                (found.learned, found.like_an_uplink),
                expected,
                "{}",
                found.name
            );
        }
    }

    /// `accept_ra`, `forwarding` and `disable_ipv6` of each link.
    fn node(links: &[(&str, [&str; 3])]) -> (tempfile::TempDir, Sysctls, State) {
        let dir = tempfile::tempdir().unwrap();
        for (name, values) in links {
            let folder = dir.path().join("net/ipv6/conf").join(name);
            fs::create_dir_all(&folder).unwrap();
            for (file, value) in ["accept_ra", "forwarding", "disable_ipv6"]
                .iter()
                .zip(values)
            {
                fs::write(folder.join(file), format!("{value}\n")).unwrap();
            }
        }
        let state = State::open(&dir.path().join("state"), "x").unwrap();
        let sysctls = Sysctls::at(dir.path());
        (dir, sysctls, state)
    }

    #[test]
    fn only_links_that_listened_until_now() {
        let before = [
            ("all", ["1", "0", "0"]),
            ("default", ["1", "0", "0"]),
            ("eth0", ["1", "0", "0"]),
            ("eth1", ["0", "0", "0"]),
            ("eth2", ["2", "0", "0"]),
            ("eth3", ["1", "1", "0"]),
            ("eth4", ["1", "0", "1"]),
            ("rcni0123456789a", ["1", "0", "0"]),
        ];
        let (dir, sysctls, mut state) = node(&before);
        assert_eq!(listening(&sysctls, &state), ["eth0"]);
        // Now all forward, because of us: also a link that came after that listened by default,
        // and one that forwarded before did not.
        sysctls
            .ensure(&sysctl::FORWARDING_IPV6, &mut state)
            .unwrap()
            .unwrap();
        for name in ["eth0", "eth5"] {
            let folder = dir.path().join("net/ipv6/conf").join(name);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("forwarding"), "1").unwrap();
            fs::write(folder.join("accept_ra"), "1").unwrap();
        }
        assert_eq!(listening(&sysctls, &state), ["eth0", "eth5"]);
    }

    #[test]
    fn where_the_node_forwarded_before_nothing_was_learned() {
        let (_dir, sysctls, state) = node(&[("all", ["1", "1", "0"]), ("eth0", ["1", "1", "0"])]);
        assert_eq!(listening(&sysctls, &state), Vec::<String>::new());
        let (_dir, sysctls, state) = node(&[]);
        assert_eq!(listening(&sysctls, &state), Vec::<String>::new());
    }
}
