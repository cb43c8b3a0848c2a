//! What the kernel would do with a packet.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use super::facts::{Hop, Kernel, Link, Used};
use crate::fib::message::{self, RawMessage, kind};
use crate::fib::objects::{Object, Shape};
use crate::fib::{Gateway, KernelRoute, NextHop, rivals};
use crate::transport::reader::{Reader, all_of};

/// `struct ifinfomsg`, `struct nhmsg`, `struct ndmsg`, bytes.
const LINK_HEADER: usize = 16;
const NEXTHOP_HEADER: usize = 8;
const NEIGHBOR_HEADER: usize = 12;
/// `RTM_NEWNEIGH`, `RTM_GETNEIGH`.
const NEW_NEIGHBOR: u16 = 28;
const GET_NEIGHBOR: u16 = 30;
/// `IFLA_IFNAME`, `IFLA_MTU`, `IFLA_IFALIAS`, `NDA_DST`.
const NAME: u16 = 3;
const MTU: u16 = 4;
const ALIAS: u16 = 20;
const DESTINATION: u16 = 1;
/// `IFF_UP`, `IFF_LOWER_UP`.
const UP: u32 = 0x1;
const LOWER_UP: u32 = 0x1_0000;

/// What a packet to `address` meets in the namespace of the calling thread.
pub async fn look(address: IpAddr, ours: impl Fn(&KernelRoute) -> bool) -> Kernel {
    match ask(address, ours).await {
        Ok(kernel) => kernel,
        Err(error) => Kernel {
            trouble: Some(format!("the kernel cannot be asked: {error}")),
            ..Kernel::default()
        },
    }
}

async fn ask(address: IpAddr, ours: impl Fn(&KernelRoute) -> bool) -> io::Result<Kernel> {
    let mut reader = Reader::open(&[])?;
    let route = match look_up(&mut reader, address).await {
        Ok(Some(route)) => route,
        Ok(None) => return Ok(refused("no route")),
        Err(error) => match refusal(&error) {
            Some(word) => return Ok(refused(word)),
            None => return Err(error),
        },
    };
    if let Some(word) = rivals::kind_name(route.kind).filter(|word| REFUSALS.contains(word)) {
        return Ok(refused(word));
    }
    let gateways = gateways(&mut reader, &route).await?;
    let links = links(&mut reader).await?;
    let neighbors = neighbors(&mut reader, family(address)).await?;
    let mut others = BTreeMap::new();
    for gateway in &gateways {
        let of = gateway.0.map_or(family(address), family);
        if of != family(address) {
            others = self::neighbors(&mut reader, of).await?;
        }
    }
    let hop = |(gateway, index): &(Option<IpAddr>, u32)| {
        let neighbor = (*index, gateway.unwrap_or(address));
        let state = neighbors.get(&neighbor).or_else(|| others.get(&neighbor));
        Hop {
            gateway: *gateway,
            link: links.get(index).cloned().unwrap_or_default(),
            neighbor: state.map(|state| (*state).to_owned()),
        }
    };
    Ok(Kernel {
        trouble: None,
        refusal: None,
        route: Some(Used {
            prefix: route.prefix.to_string(),
            kind: rivals::kind_name(route.kind)
                .map_or_else(|| route.kind.to_string(), str::to_owned),
            protocol: protocol(&route),
            ours: ours(&route),
            metric: route.metric,
            table: route.table,
            source: route.source,
            hops: gateways.iter().map(hop).collect(),
        }),
    })
}

/// Types of routes that lead nowhere.
const REFUSALS: [&str; 3] = ["blackhole", "unreachable", "prohibit"];

fn refused(word: &str) -> Kernel {
    Kernel {
        refusal: Some(word.to_owned()),
        ..Kernel::default()
    }
}

/// IPv4 says with an error what kind of route it has found.
fn refusal(error: &io::Error) -> Option<&'static str> {
    match error.raw_os_error()? {
        libc::EINVAL => Some("blackhole"),
        libc::EHOSTUNREACH => Some("unreachable"),
        libc::EACCES => Some("prohibit"),
        libc::ENETUNREACH | libc::ESRCH => Some("no route"),
        _ => None,
    }
}

fn protocol(route: &KernelRoute) -> String {
    if route.protocol == rcni_config::kernel::PROTOCOL {
        return "rcni".to_owned();
    }
    rivals::protocol_name(route.protocol).map_or_else(|| route.protocol.to_string(), str::to_owned)
}

fn family(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => message::family::INET,
        IpAddr::V6(_) => message::family::INET6,
    }
}

async fn look_up(reader: &mut Reader, address: IpAddr) -> io::Result<Option<KernelRoute>> {
    let mut request = Vec::new();
    let hop = NextHop {
        address,
        interface: None,
    };
    let start = message::look_up(&mut request, 0, hop);
    // The answer is one message; the acknowledgement is its end.
    message::add_flags(&mut request, start, message::flag::ACK);
    let mut found = None;
    reader
        .dump(request, |answer| {
            if answer.kind == kind::NEW_ROUTE {
                found = message::parse_route(answer.payload);
            }
        })
        .await?;
    Ok(found)
}

/// With their links; of a route on a link itself none and that link.
async fn gateways(
    reader: &mut Reader,
    route: &KernelRoute,
) -> io::Result<Vec<(Option<IpAddr>, u32)>> {
    let plain = |gateway: &Gateway| (Some(gateway.address), gateway.interface);
    if !route.gateways.is_empty() {
        return Ok(route.gateways.iter().map(plain).collect());
    }
    let Some(id) = route.object else {
        return Ok(route
            .interface
            .map(|index| (None, index))
            .into_iter()
            .collect());
    };
    let mut objects: BTreeMap<u32, Object> = BTreeMap::new();
    let all = all_of(kind::GET_NEXTHOP, NEXTHOP_HEADER, 0);
    reader
        .dump(all, |answer| {
            let object = message::nexthop::parse(answer);
            objects.extend(object.map(|object| (object.id, object)));
        })
        .await?;
    let members = match objects.get(&id).map(|object| &object.shape) {
        Some(Shape::Group { members, .. }) => members.clone(),
        _ => vec![id],
    };
    let hops = members
        .iter()
        .filter_map(|id| match &objects.get(id)?.shape {
            Shape::Hop(gateway) => Some(plain(gateway)),
            _ => None,
        });
    Ok(hops.collect())
}

async fn links(reader: &mut Reader) -> io::Result<BTreeMap<u32, Link>> {
    let mut links = BTreeMap::new();
    let all = all_of(kind::GET_LINK, LINK_HEADER, 0);
    reader
        .dump(all, |answer| links.extend(parse_link(answer)))
        .await?;
    Ok(links)
}

fn parse_link(answer: &RawMessage<'_>) -> Option<(u32, Link)> {
    if answer.kind != kind::NEW_LINK {
        return None;
    }
    let index = message::u32_at(answer.payload, 4)?;
    let flags = message::u32_at(answer.payload, 8)?;
    let mut link = Link {
        up: flags & UP != 0,
        carrier: flags & LOWER_UP != 0,
        ..Link::default()
    };
    let text = |value: &[u8]| {
        let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    };
    for (kind, value) in message::attributes(answer.payload.get(LINK_HEADER..)?) {
        match kind {
            NAME => link.name = text(value),
            ALIAS => link.alias = Some(text(value)),
            MTU => link.mtu = message::u32_at(value, 0)?,
            _ => {}
        }
    }
    Some((index, link))
}

async fn neighbors(
    reader: &mut Reader,
    family: u8,
) -> io::Result<BTreeMap<(u32, IpAddr), &'static str>> {
    let mut neighbors = BTreeMap::new();
    let all = all_of(GET_NEIGHBOR, NEIGHBOR_HEADER, family);
    reader
        .dump(all, |answer| neighbors.extend(parse_neighbor(answer)))
        .await?;
    Ok(neighbors)
}

fn parse_neighbor(answer: &RawMessage<'_>) -> Option<((u32, IpAddr), &'static str)> {
    if answer.kind != NEW_NEIGHBOR {
        return None;
    }
    let index = message::u32_at(answer.payload, 4)?;
    // NUD_* of neighbour.h.
    let state = match message::u16_at(answer.payload, 8)? {
        0x01 => "incomplete",
        0x02 => "reachable",
        0x04 => "stale",
        0x08 => "delay",
        0x10 => "probe",
        0x20 => "failed",
        0x40 => "noarp",
        0x80 => "permanent",
        _ => "none",
    };
    let mut all = message::attributes(answer.payload.get(NEIGHBOR_HEADER..)?);
    let (_, address) = all.find(|(kind, _)| *kind == DESTINATION)?;
    let address = match address.len() {
        4 => IpAddr::from(*address.first_chunk::<4>()?),
        16 => IpAddr::from(*address.first_chunk::<16>()?),
        _ => return None,
    };
    Some(((index, address), state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_are_a_link_a_neighbor_or_nothing() {
        let bytes: Vec<u8> = (0..200_u8).map(|byte| byte.wrapping_mul(29)).collect();
        for length in 0..bytes.len() {
            for kind in [kind::NEW_LINK, NEW_NEIGHBOR] {
                let answer = RawMessage {
                    kind,
                    flags: 0,
                    sequence: 0,
                    port: 0,
                    payload: &bytes[..length],
                };
                let _ = (parse_link(&answer), parse_neighbor(&answer));
            }
        }
    }

    #[tokio::test]
    async fn loopback_is_our_own() {
        let kernel = look(IpAddr::from([127, 0, 0, 1]), |_| false).await;
        let route = kernel.route.unwrap();
        assert_eq!(route.kind, "local");
        assert_eq!(route.hops[0].link.name, "lo");
    }
}
