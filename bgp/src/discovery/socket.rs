//! The raw ICMPv6 socket of one link: advertisements and solicitations, and nothing else.

use std::io;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::AsRawFd;

use rcni_bgp_proto::discovery::{HOP_LIMIT, Send};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::transport::option;

/// All nodes, all routers of a link (RFC 4291 §2.7.1).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// `linux/icmpv6.h`: `ICMPV6_FILTER`; libc has it not.
const FILTER: libc::c_int = 1;
/// What passes.
const TYPES: [u8; 2] = [133, 134];
/// `linux/in6.h`.
const IPV6_RECVHOPLIMIT: libc::c_int = 51;
const IPV6_HOPLIMIT: libc::c_int = 52;
/// An advertisement is never that long; what is longer is cut off, and its options are found wrong.
const LONGEST: usize = 2048;
/// For what comes while nobody reads, bytes.
const RECEIVE_BUFFER: usize = 64 * 1024;
/// `struct cmsghdr` and an int, with room to spare.
const CONTROL: usize = 64;

/// One message with what the kernel knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Who has sent it, by its own words.
    pub source: Ipv6Addr,
    /// What is left of 255.
    pub hop_limit: u8,
    /// The ICMPv6 message.
    pub bytes: Vec<u8>,
}

/// See the [module](self).
#[derive(Debug)]
pub struct LinkSocket {
    socket: AsyncFd<Socket>,
    index: u32,
}

impl LinkSocket {
    /// Opens it in the namespace of the calling thread.
    ///
    /// # Errors
    /// The kernel's: not allowed (CAP_NET_RAW), no such link any more, no IPv6.
    pub fn open(name: &str, index: u32) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::IPV6,
            Type::RAW.nonblocking(),
            Some(Protocol::ICMPV6),
        )?;
        // Before anything can arrive: a bit that is set blocks.
        let mut filter = [u32::MAX; 8];
        for kind in TYPES {
            if let Some(word) = filter.get_mut(usize::from(kind >> 5)) {
                *word &= !(1 << (kind & 31));
            }
        }
        let filter: Vec<u8> = filter.iter().flat_map(|word| word.to_ne_bytes()).collect();
        option::set_bytes(&socket, libc::IPPROTO_ICMPV6, FILTER, &filter)?;
        socket.bind_device(Some(name.as_bytes()))?;
        option::set(&socket, libc::IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1)?;
        socket.set_multicast_hops_v6(u32::from(HOP_LIMIT))?;
        socket.set_multicast_loop_v6(false)?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        // All nodes are members of their group anyway; of the routers' only routers.
        socket.join_multicast_v6(&ALL_ROUTERS, index)?;
        // SAFETY: the socket owns its descriptor, which is the same and open until both are dropped.
        let socket = unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) };
        let socket = socket?;
        Ok(Self { socket, index })
    }

    /// Sends to all of the link, from its link-local address.
    ///
    /// # Errors
    /// The kernel's. Where its buffer is full, nothing was sent.
    pub fn send(&self, what: Send, bytes: &[u8]) -> io::Result<()> {
        let group = match what {
            Send::Advertisement => ALL_NODES,
            Send::Solicitation => ALL_ROUTERS,
        };
        let to = SocketAddrV6::new(group, 0, 0, self.index);
        self.socket.get_ref().send_to(bytes, &to.into())?;
        Ok(())
    }

    /// Up to `most` messages, when there is one.
    ///
    /// # Errors
    /// The kernel's.
    pub async fn receive(&self, most: usize) -> io::Result<Vec<Packet>> {
        let mut packets = Vec::new();
        loop {
            let mut ready = self.socket.readable().await?;
            while packets.len() < most {
                match ready.try_io(|socket| receive_one(socket.get_ref())) {
                    Ok(Ok(packet)) => packets.extend(packet),
                    Ok(Err(error)) => return Err(error),
                    Err(_would_block) => break,
                }
            }
            if !packets.is_empty() {
                return Ok(packets);
            }
        }
    }
}

/// `None`: without what is needed to judge it.
fn receive_one(socket: &Socket) -> io::Result<Option<Packet>> {
    let mut bytes = vec![0_u8; LONGEST];
    let mut control = [0_u64; CONTROL / 8];
    let mut vector = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: all zeros is a value of both, they are plain C structures.
    let (mut from, mut header): (libc::sockaddr_in6, libc::msghdr) = unsafe { std::mem::zeroed() };
    header.msg_name = (&raw mut from).cast();
    header.msg_namelen = libc::socklen_t::try_from(size_of_val(&from)).unwrap_or_default();
    header.msg_iov = &raw mut vector;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control) as _;
    // SAFETY: every pointer in the header is to a buffer above that lives through the call, with its
    // true length.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, 0) };
    let Ok(length) = usize::try_from(length) else {
        return Err(io::Error::last_os_error());
    };
    bytes.truncate(length);
    let source = Ipv6Addr::from(from.sin6_addr.s6_addr);
    Ok(hop_limit(&header).map(|hop_limit| Packet {
        source,
        hop_limit,
        bytes,
    }))
}

/// What the kernel says beside the message.
fn hop_limit(header: &libc::msghdr) -> Option<u8> {
    // SAFETY: the header is as recvmsg has filled it, and its control buffer is still there.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(header) };
    // SAFETY: the macros give null or a whole header within the buffer.
    while let Some(control) = unsafe { next.as_ref() } {
        if (control.cmsg_level, control.cmsg_type) == (libc::IPPROTO_IPV6, IPV6_HOPLIMIT) {
            // SAFETY: the kernel has put an int there; it need not be aligned.
            let value = unsafe {
                libc::CMSG_DATA(control)
                    .cast::<libc::c_int>()
                    .read_unaligned()
            };
            return u8::try_from(value).ok();
        }
        // SAFETY: as above.
        next = unsafe { libc::CMSG_NXTHDR(header, control) };
    }
    None
}
