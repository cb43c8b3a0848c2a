//! One socket per session: its packets always have the same source port (RFC 5881 §4).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};

use rcni_bgp_proto::bfd::{Hop, MULTIHOP_PORT, SINGLE_HOP_PORT};
use socket2::{Domain, Protocol, Socket, Type};

use super::Wish;
use crate::transport::option;
use rcni_control::jitter::random;

/// RFC 5881 §4.
const PORTS: std::ops::RangeInclusive<u16> = 49152..=65535;
/// Ports that are tried.
const TRIES: usize = 32;
/// CS6, as for BGP: what keeps the network together goes first.
const CLASS: libc::c_int = 0xc0;
const TTL: libc::c_int = 255;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Sender {
    socket: io::Result<UdpSocket>,
    unsent: u64,
    /// The last packet was not sent.
    failed: Option<io::Error>,
}

impl Sender {
    pub(super) fn new(wish: &Wish) -> Self {
        Self {
            socket: open(wish),
            unsent: 0,
            failed: None,
        }
    }

    /// Sends, or counts that it could not. A socket that could not be had is tried again: the own
    /// address may have come.
    pub(super) fn send(&mut self, wish: &Wish, hop: Hop, octets: &[u8]) {
        if self.socket.is_err() {
            self.socket = open(wish);
        }
        let to = destination(wish, hop);
        let sent = match &self.socket {
            Ok(socket) => socket.send_to(octets, to).map(drop),
            Err(error) => Err(copy(error)),
        };
        self.unsent += u64::from(sent.is_err());
        self.failed = sent.err();
    }

    pub(super) fn unsent(&self) -> u64 {
        self.unsent
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.failed.as_ref().map(ToString::to_string)
    }
}

fn copy(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error.kind().into(),
    }
}

fn destination(wish: &Wish, hop: Hop) -> SocketAddr {
    let port = match hop {
        Hop::Single => SINGLE_HOP_PORT,
        Hop::Multi => MULTIHOP_PORT,
    };
    match wish.peer {
        IpAddr::V4(peer) => SocketAddrV4::new(peer, port).into(),
        IpAddr::V6(peer) => SocketAddrV6::new(peer, port, 0, wish.interface).into(),
    }
}

fn open(wish: &Wish) -> io::Result<UdpSocket> {
    let (domain, any): (_, IpAddr) = match wish.peer {
        IpAddr::V4(_) => (Domain::IPV4, Ipv4Addr::UNSPECIFIED.into()),
        IpAddr::V6(_) => (Domain::IPV6, Ipv6Addr::UNSPECIFIED.into()),
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if wish.peer.is_ipv4() {
        option::set(&socket, libc::IPPROTO_IP, libc::IP_TTL, TTL)?;
        option::set(&socket, libc::IPPROTO_IP, libc::IP_TOS, CLASS)?;
    } else {
        socket.set_only_v6(true)?;
        option::set(&socket, libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, TTL)?;
        option::set(&socket, libc::IPPROTO_IPV6, libc::IPV6_TCLASS, CLASS)?;
    }
    // Nobody reads there.
    socket.set_recv_buffer_size(0)?;
    let local = wish.local.unwrap_or(any);
    let mut tries = 0;
    loop {
        let port = port();
        let address = match local {
            IpAddr::V4(local) => SocketAddrV4::new(local, port).into(),
            IpAddr::V6(local) => {
                SocketAddr::from(SocketAddrV6::new(local, port, 0, wish.interface))
            }
        };
        tries += 1;
        match socket.bind(&address.into()) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries < TRIES => {}
            bound => return bound.map(|()| socket.into()),
        }
    }
}

fn port() -> u16 {
    let ports = u64::from(PORTS.end() - PORTS.start()) + 1;
    let offset = u16::try_from(random() % ports).unwrap_or_default();
    PORTS.start() + offset
}
