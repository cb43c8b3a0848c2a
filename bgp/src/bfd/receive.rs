//! The sockets that packets come in on: one per family and port, from when somebody is watched there.

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use libc::c_int;
use rcni_bgp_proto::bfd::{Hop, MULTIHOP_PORT, Meta, SINGLE_HOP_PORT, Sessions};
use socket2::{Domain, Protocol, Socket, Type};
use tracing::{info, warn};

use crate::transport::option;
use rcni_control::jitter::jitter;

/// Until a socket that could not be had is tried again, before jitter.
const PAUSE: Duration = Duration::from_secs(2);
/// Room for packets that wait, in octets: some hundred of them.
const BUFFER: c_int = 128 * 1024;
/// Packets that are read from one socket before anything else is done: more than the kernel keeps for
/// it, so that what was there when it began is read, and a flood holds nobody up.
const READS: usize = 1024;
/// Of a packet; more is not looked at.
const OCTETS: usize = 128;
/// What the kernel says beside it: two numbers and an address.
const BESIDE: usize = 128;

#[derive(Debug)]
struct Receiver {
    ipv4: bool,
    hop: Hop,
    socket: io::Result<UdpSocket>,
    /// When it is tried again.
    again: Instant,
}

impl Receiver {
    fn port(&self) -> u16 {
        match self.hop {
            Hop::Single => SINGLE_HOP_PORT,
            Hop::Multi => MULTIHOP_PORT,
        }
    }

    fn family(&self) -> &'static str {
        if self.ipv4 { "IPv4" } else { "IPv6" }
    }

    fn trouble(&self) -> Option<String> {
        let error = self.socket.as_ref().err()?;
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => {
                ": another program speaks BFD here, most likely FRR's bfdd or \
                                         BIRD; one of them has to do without"
            }
            _ => "",
        };
        let (port, family) = (self.port(), self.family());
        Some(format!(
            "UDP port {port} of {family} cannot be used for BFD: {error}{hint}"
        ))
    }

    fn try_open(&mut self) {
        self.socket = open(self.ipv4, self.port());
        self.again = Instant::now() + jitter(PAUSE);
    }
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Receivers(Vec<Receiver>);

impl Receivers {
    /// Somebody is watched there.
    pub(super) fn want(&mut self, ipv4: bool, hop: Hop) {
        if self.0.iter().any(|it| it.ipv4 == ipv4 && it.hop == hop) {
            return;
        }
        let mut receiver = Receiver {
            ipv4,
            hop,
            socket: Err(io::ErrorKind::NotFound.into()),
            again: Instant::now(),
        };
        receiver.try_open();
        if let Some(trouble) = receiver.trouble() {
            warn!("{trouble}");
        }
        self.0.push(receiver);
    }

    /// When one that could not be had is tried again; it is, if that is now.
    pub(super) fn retry(&mut self, now: Instant) -> Option<Instant> {
        let missing = self.0.iter_mut().filter(|it| it.socket.is_err());
        let next = missing.filter_map(|receiver| {
            if receiver.again <= now {
                receiver.try_open();
                if receiver.socket.is_ok() {
                    let (port, family) = (receiver.port(), receiver.family());
                    info!(port, family, "BFD has its UDP port now");
                    return None;
                }
            }
            Some(receiver.again)
        });
        next.min()
    }

    pub(super) fn sockets(&self) -> impl Iterator<Item = &UdpSocket> {
        self.0.iter().filter_map(|it| it.socket.as_ref().ok())
    }

    pub(super) fn troubles(&self) -> Vec<String> {
        self.0.iter().filter_map(Receiver::trouble).collect()
    }

    /// All that waits there.
    pub(super) fn read(&self, sessions: &mut Sessions) {
        for receiver in &self.0 {
            let Ok(socket) = &receiver.socket else {
                continue;
            };
            let mut octets = [0; OCTETS];
            for _ in 0..READS {
                match receive(socket, &mut octets) {
                    Ok(Some((length, from, beside))) => {
                        let meta = Meta {
                            from: from.ip(),
                            interface: beside.interface,
                            ttl: beside.ttl,
                            hop: receiver.hop,
                        };
                        let packet = octets.get(..length).unwrap_or_default();
                        sessions.receive(packet, &meta, Instant::now());
                    }
                    // From nobody: cannot be, and is nobody's.
                    Ok(None) => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
        }
    }
}

fn open(ipv4: bool, port: u16) -> io::Result<UdpSocket> {
    let (domain, any): (_, IpAddr) = if ipv4 {
        (Domain::IPV4, Ipv4Addr::UNSPECIFIED.into())
    } else {
        (Domain::IPV6, Ipv6Addr::UNSPECIFIED.into())
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if ipv4 {
        option::set(&socket, libc::IPPROTO_IP, libc::IP_RECVTTL, 1)?;
        option::set(&socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
    } else {
        socket.set_only_v6(true)?;
        option::set(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, 1)?;
        option::set(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
    }
    option::set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, BUFFER)?;
    socket.bind(&SocketAddr::new(any, port).into())?;
    Ok(socket.into())
}

/// What the kernel says of a packet.
#[derive(Clone, Copy, Debug, Default)]
struct Beside {
    ttl: Option<u8>,
    interface: u32,
}

/// One packet: how much of it is in `octets`, from where, and what is said of it.
fn receive(
    socket: &UdpSocket,
    octets: &mut [u8; OCTETS],
) -> io::Result<Option<(usize, SocketAddr, Beside)>> {
    #[repr(align(8))]
    struct Control([u8; BESIDE]);
    let mut control = Control([0; BESIDE]);
    let mut part = libc::iovec {
        iov_base: octets.as_mut_ptr().cast(),
        iov_len: OCTETS,
    };
    // SAFETY: all of its fields may be zero.
    let mut header: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = BESIDE;
    // SAFETY: the closure lets the kernel write an address of at most `length` octets to `storage`,
    // and sets how long it is; the other buffers live as long as the call and have the lengths that
    // are said.
    let received = unsafe {
        socket2::SockAddr::try_init(|storage, length| {
            header.msg_name = storage.cast();
            header.msg_namelen = *length;
            let received = libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT);
            let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
            *length = header.msg_namelen;
            Ok(received)
        })
    };
    let (received, from) = received?;
    let beside = beside(&header);
    Ok(from
        .as_socket()
        .map(|from| (received.min(OCTETS), from, beside)))
}

fn beside(header: &libc::msghdr) -> Beside {
    let mut beside = Beside::default();
    // SAFETY: `header` was filled by `recvmsg`, and its control buffer lives in the caller; the macros
    // walk within it, and each item is read as the kernel's documentation says that it is, unaligned.
    unsafe {
        let mut item = libc::CMSG_FIRSTHDR(header);
        while let Some(head) = item.as_ref() {
            let data = libc::CMSG_DATA(item);
            match (head.cmsg_level, head.cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                    let ttl = data.cast::<c_int>().read_unaligned();
                    beside.ttl = u8::try_from(ttl).ok();
                }
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                    beside.interface = u32::try_from(info.ipi_ifindex).unwrap_or_default();
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                    beside.interface = info.ipi6_ifindex;
                }
                _ => {}
            }
            item = libc::CMSG_NXTHDR(header, item);
        }
    }
    beside
}
