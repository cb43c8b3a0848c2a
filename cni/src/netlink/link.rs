//! What is needed of the kernel's description of a link (`RTM_NEWLINK`).

use super::answers::{attributes_of, read_u32, text};

const IFINFO_LEN: usize = 16;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_IFALIAS: u16 = 20;
const IFLA_AF_SPEC: u16 = 26;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const IFLA_INET_CONF: u16 = 1;
const IFLA_INET6_CONF: u16 = 2;

/// Places in the arrays of settings (`linux/ip.h` counts from 1, `linux/ipv6.h` from 0).
const FORWARDING: usize = 0;
const PROXY_ARP: usize = 2;
const ACCEPT_RA: usize = 3;
const DISABLE_IPV6: usize = 26;
const ACCEPT_DAD: usize = 27;

/// What is needed of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Its index in its namespace.
    pub index: u32,
    /// `IFF_*`.
    pub flags: u32,
    /// Its name.
    pub name: String,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// Of a veth end, the other end's index in the other end's namespace.
    pub peer: u32,
    /// `IF_OPER_*` (RFC 2863).
    pub operstate: u8,
    /// Its MAC address.
    pub address: Vec<u8>,
    /// Its ifalias, or empty.
    pub alias: String,
    /// Its IPv4 settings.
    pub ipv4: Option<Ipv4Conf>,
    /// Its IPv6 settings; `None` if the kernel does no IPv6 on it at all.
    pub ipv6: Option<Ipv6Conf>,
}

/// `net.ipv4.conf.<link>`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ipv4Conf {
    /// `forwarding`
    pub forwarding: bool,
    /// `proxy_arp`
    pub proxy_arp: bool,
}

/// `net.ipv6.conf.<link>`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ipv6Conf {
    /// `disable_ipv6`
    pub disabled: bool,
    /// `accept_ra`, not 0
    pub accepts_ra: bool,
    /// `accept_dad`, not 0
    pub does_dad: bool,
}

impl Link {
    /// Whether somebody set it up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.flags & libc::IFF_UP.cast_unsigned() != 0
    }
}

/// Reads an `RTM_NEWLINK` body.
pub(crate) fn parse_link(body: &[u8]) -> Option<Link> {
    let mut link = Link {
        index: read_u32(body, 4)?,
        flags: read_u32(body, 8)?,
        ..Link::default()
    };
    for (kind, value) in attributes_of(body.get(IFINFO_LEN..)?) {
        match kind {
            IFLA_IFNAME => link.name = text(value),
            IFLA_IFALIAS => link.alias = text(value),
            IFLA_MTU => link.mtu = read_u32(value, 0)?,
            IFLA_LINK => link.peer = read_u32(value, 0)?,
            IFLA_OPERSTATE => link.operstate = *value.first()?,
            IFLA_ADDRESS => link.address = value.to_vec(),
            IFLA_AF_SPEC => {
                link.ipv4 = settings(value, AF_INET, IFLA_INET_CONF).and_then(ipv4);
                link.ipv6 = settings(value, AF_INET6, IFLA_INET6_CONF).and_then(ipv6);
            }
            _ => {}
        }
    }
    Some(link)
}

/// The array of settings of one family.
fn settings(families: &[u8], family: u16, conf: u16) -> Option<&[u8]> {
    let (_, attributes) = attributes_of(families).find(|(kind, _)| *kind == family)?;
    let (_, values) = attributes_of(attributes).find(|(kind, _)| *kind == conf)?;
    Some(values)
}

fn is_set(values: &[u8], at: usize) -> Option<bool> {
    read_u32(values, at * 4).map(|value| value != 0)
}

fn ipv4(values: &[u8]) -> Option<Ipv4Conf> {
    Some(Ipv4Conf {
        forwarding: is_set(values, FORWARDING)?,
        proxy_arp: is_set(values, PROXY_ARP)?,
    })
}

fn ipv6(values: &[u8]) -> Option<Ipv6Conf> {
    Some(Ipv6Conf {
        disabled: is_set(values, DISABLE_IPV6)?,
        accepts_ra: is_set(values, ACCEPT_RA)?,
        does_dad: is_set(values, ACCEPT_DAD)?,
    })
}
