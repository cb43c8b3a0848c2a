//! As much of rtnetlink as a benchmark needs: messages written by hand, so that what is measured
//! beside the subjects is the kernel and not a library.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket, sockopt,
};

use super::peer::Family;

/// Flags of `netlink.h`.
pub mod flag {
    /// Every request has it.
    pub const REQUEST: u16 = 1;
    /// An answer is wanted, also for success.
    pub const ACK: u16 = 4;
    /// Fail if it is there.
    pub const EXCL: u16 = 0x200;
    /// Make it if it is not there.
    pub const CREATE: u16 = 0x400;
}

const ERROR: u16 = 2;
const HEADER_LEN: usize = 16;
/// Enough for a thousand failures at once, bytes.
const BUFFER: usize = 4 << 20;

/// Messages for one send.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    count: u32,
    /// Start of the message that is being written.
    start: usize,
}

impl Batch {
    /// Begins a message; `body` is what follows the header, before the attributes.
    pub fn begin(&mut self, kind: u16, flags: u16, body: &[u8]) {
        self.start = self.bytes.len();
        self.count += 1;
        self.bytes.extend_from_slice(&0_u32.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&self.count.to_ne_bytes());
        self.bytes.extend_from_slice(&0_u32.to_ne_bytes());
        self.bytes.extend_from_slice(body);
        self.close(self.start, 4);
    }

    /// Adds an attribute to the message that was begun last.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) {
        let at = self.open(kind);
        self.bytes.extend_from_slice(value);
        self.close(at, 2);
        self.close(self.start, 4);
    }

    /// Adds an attribute that holds what `inner` adds.
    pub fn nested(&mut self, kind: u16, inner: impl FnOnce(&mut Self)) {
        let at = self.open(kind);
        inner(self);
        self.close(at, 2);
        self.close(self.start, 4);
    }

    /// Adds bytes as they are (the header within `VETH_INFO_PEER`).
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn open(&mut self, kind: u16) -> usize {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&0_u16.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        at
    }

    /// Writes the length of what began at `at`, and pads.
    fn close(&mut self, at: usize, width: usize) {
        let length = u32::try_from(self.bytes.len() - at).unwrap_or(u32::MAX);
        let bytes = length.to_ne_bytes();
        let bytes = if cfg!(target_endian = "little") {
            &bytes[..width]
        } else {
            &bytes[4 - width..]
        };
        self.bytes[at..at + width].copy_from_slice(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// How many messages there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Wants an answer for the last message, which is there when all before are done too.
    pub fn acknowledge_last(&mut self) {
        let at = self.start + 6;
        let flags = u16::from_ne_bytes([self.bytes[at], self.bytes[at + 1]]) | flag::ACK;
        self.bytes[at..at + 2].copy_from_slice(&flags.to_ne_bytes());
    }
}

/// A netlink socket of the calling thread's network namespace.
#[derive(Debug)]
pub struct Socket(OwnedFd);

impl Socket {
    /// One for requests.
    ///
    /// # Errors
    /// The kernel has none left.
    pub fn new() -> Result<Self> {
        let fd = make(0)?;
        setsockopt(&fd, sockopt::RcvBufForce, &BUFFER).context("SO_RCVBUFFORCE")?;
        setsockopt(&fd, sockopt::SndBufForce, &BUFFER).context("SO_SNDBUFFORCE")?;
        Ok(Self(fd))
    }

    /// Sends a batch whose last message wants an answer, and waits for that.
    ///
    /// # Errors
    /// The first errno that the kernel answers.
    pub fn run(&self, batch: &Batch) -> Result<()> {
        let fd = self.0.as_raw_fd();
        let sent = send(fd, &batch.bytes, MsgFlags::empty()).context("netlink send")?;
        if sent != batch.bytes.len() {
            bail!("netlink took {sent} of {} bytes", batch.bytes.len());
        }
        let mut answer = [0_u8; 1 << 16];
        loop {
            let read = recv(fd, &mut answer, MsgFlags::empty()).context("netlink recv")?;
            let mut rest = answer.get(..read).unwrap_or_default();
            while let Some((kind, sequence, payload, after)) = message(rest) {
                rest = after;
                if kind != ERROR {
                    continue;
                }
                let code = payload.first_chunk().map_or(0, |c| i32::from_ne_bytes(*c));
                if code != 0 {
                    let errno = Errno::from_raw(-code);
                    bail!("netlink message {sequence} of {}: {errno}", batch.count);
                }
                if sequence == batch.count {
                    return Ok(());
                }
            }
        }
    }
}

fn make(groups: u32) -> Result<OwnedFd> {
    let fd = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )
    .context("netlink socket")?;
    bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups)).context("netlink bind")?;
    Ok(fd)
}

/// Kind, sequence, payload and the rest of a datagram.
fn message(bytes: &[u8]) -> Option<(u16, u32, &[u8], &[u8])> {
    let length = usize::try_from(u32::from_ne_bytes(*bytes.first_chunk()?)).ok()?;
    let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    let sequence = u32::from_ne_bytes(*bytes.get(8..)?.first_chunk()?);
    let payload = bytes.get(HEADER_LEN..length)?;
    let rest = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, sequence, payload, rest))
}

const NEW_ROUTE: u16 = 24;
const DEL_ROUTE: u16 = 25;
const RTA_DST: u16 = 1;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_TABLE: u16 = 15;
const INET: u8 = 2;
const INET6: u8 = 10;
const TABLE_MAIN: u8 = 254;

/// The kind of route that rcni-bgp writes: unicast, through a gateway, own protocol and metric.
#[derive(Clone, Copy, Debug)]
pub struct RouteKind {
    /// `rtm_protocol`.
    pub protocol: u8,
    /// `RTA_PRIORITY`.
    pub metric: u32,
    /// `RTA_GATEWAY`.
    pub gateway: IpAddr,
}

impl RouteKind {
    /// Appends the creation of a route.
    pub fn create(&self, batch: &mut Batch, address: IpAddr, length: u8) {
        let flags = flag::REQUEST | flag::CREATE | flag::EXCL;
        self.message(batch, NEW_ROUTE, flags, (address, length), 0);
        address_attribute(batch, RTA_GATEWAY, self.gateway);
    }

    /// Appends the deletion of a route.
    pub fn delete(&self, batch: &mut Batch, address: IpAddr, length: u8) {
        const NOWHERE: u8 = 255;
        self.message(batch, DEL_ROUTE, flag::REQUEST, (address, length), NOWHERE);
    }

    fn message(
        &self,
        batch: &mut Batch,
        kind: u16,
        flags: u16,
        (address, length): (IpAddr, u8),
        scope: u8,
    ) {
        const UNICAST: u8 = 1;
        // struct rtmsg
        let body = [
            if address.is_ipv4() { INET } else { INET6 },
            length,
            0,
            0,
            TABLE_MAIN,
            self.protocol,
            scope,
            UNICAST,
            0,
            0,
            0,
            0,
        ];
        batch.begin(kind, flags, &body);
        address_attribute(batch, RTA_DST, address);
        batch.attribute(RTA_TABLE, &u32::from(TABLE_MAIN).to_ne_bytes());
        batch.attribute(RTA_PRIORITY, &self.metric.to_ne_bytes());
    }
}

fn address_attribute(batch: &mut Batch, kind: u16, address: IpAddr) {
    match address {
        IpAddr::V4(address) => batch.attribute(kind, &address.octets()),
        IpAddr::V6(address) => batch.attribute(kind, &address.octets()),
    }
}

/// The multicast group of a family's routes, as a bit.
fn routes_of(family: Family) -> u32 {
    match family {
        Family::V4 => 0x40,
        Family::V6 => 0x400,
    }
}

/// Counts the route notifications of a family in a namespace without taking part.
///
/// It is a member of the kernel's multicast group with the smallest possible buffer, and is hardly
/// ever read: what does not fit is dropped, and the kernel counts that. So every subject pays the
/// same for being looked at (one clone of a small buffer per route, no copy, nobody woken), and
/// the counter can be read often.
#[derive(Debug)]
pub struct RouteCounter {
    fd: OwnedFd,
    /// Notifications that did fit and were taken out.
    taken: u64,
}

impl RouteCounter {
    /// One for the calling thread's network namespace.
    ///
    /// # Errors
    /// The kernel has no socket left.
    pub fn new(family: Family) -> Result<Self> {
        let fd = make(routes_of(family))?;
        // The kernel raises it to its minimum.
        setsockopt(&fd, sockopt::RcvBuf, &0).context("SO_RCVBUF")?;
        set_no_enobufs(fd.as_raw_fd())?;
        Ok(Self { fd, taken: 0 })
    }

    /// How many notifications there have been.
    ///
    /// # Errors
    /// The socket is broken.
    pub fn count(&mut self) -> Result<u64> {
        let mut byte = [0_u8; 1];
        loop {
            match recv(self.fd.as_raw_fd(), &mut byte, MsgFlags::MSG_DONTWAIT) {
                Ok(_) => self.taken += 1,
                Err(Errno::EAGAIN) => break,
                Err(error) => return Err(error).context("netlink recv"),
            }
        }
        Ok(self.taken + u64::from(drops(self.fd.as_raw_fd())?))
    }
}

/// Reads which routes of a namespace are deleted.
#[derive(Debug)]
pub struct RouteMonitor(OwnedFd);

impl RouteMonitor {
    /// One for the calling thread's network namespace; a read returns after 100 ms at the latest.
    ///
    /// # Errors
    /// The kernel has no socket left.
    pub fn new(family: Family) -> Result<Self> {
        let fd = make(routes_of(family))?;
        setsockopt(&fd, sockopt::RcvBufForce, &BUFFER).context("SO_RCVBUFFORCE")?;
        let patience = nix::sys::time::TimeVal::new(0, 100_000);
        setsockopt(&fd, sockopt::ReceiveTimeout, &patience).context("SO_RCVTIMEO")?;
        Ok(Self(fd))
    }

    /// Waits for notifications and tells of each route that was deleted.
    ///
    /// # Errors
    /// The socket is broken, or notifications were lost.
    pub fn read(&self, mut deleted: impl FnMut(IpAddr, u8)) -> Result<()> {
        let mut buffer = [0_u8; 1 << 15];
        let read = match recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Ok(read) => read,
            Err(Errno::EAGAIN) => return Ok(()),
            Err(error) => return Err(error).context("netlink recv"),
        };
        let mut rest = buffer.get(..read).unwrap_or_default();
        while let Some((kind, _, payload, after)) = message(rest) {
            rest = after;
            if kind == DEL_ROUTE
                && let Some((address, length)) = destination(payload)
            {
                deleted(address, length);
            }
        }
        Ok(())
    }
}

/// Destination of a route message.
fn destination(payload: &[u8]) -> Option<(IpAddr, u8)> {
    const ROUTE_LEN: usize = 12;
    let length = *payload.get(1)?;
    let mut attributes = payload.get(ROUTE_LEN..)?;
    while let Some([a, b, c, d]) = attributes.first_chunk() {
        let size = usize::from(u16::from_ne_bytes([*a, *b]));
        let value = attributes.get(4..size)?;
        if u16::from_ne_bytes([*c, *d]) == RTA_DST {
            let address = match <[u8; 4]>::try_from(value) {
                Ok(octets) => IpAddr::from(octets),
                Err(_) => IpAddr::from(<[u8; 16]>::try_from(value).ok()?),
            };
            return Some((address, length));
        }
        attributes = attributes.get(size.next_multiple_of(4)..)?;
    }
    None
}

/// A dropped notification must be no error: an error would make the socket refuse all that follow.
fn set_no_enobufs(fd: RawFd) -> Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: a valid descriptor and a pointer to an integer of the length given.
    let done = unsafe {
        libc::setsockopt(
            fd,
            libc::SOL_NETLINK,
            libc::NETLINK_NO_ENOBUFS,
            (&raw const on).cast(),
            libc::socklen_t::try_from(size_of_val(&on)).unwrap_or(0),
        )
    };
    Errno::result(done)
        .context("NETLINK_NO_ENOBUFS")
        .map(|_| ())
}

/// `sk_drops` of a socket, by SO_MEMINFO.
fn drops(fd: RawFd) -> Result<u32> {
    const SO_MEMINFO: libc::c_int = 55;
    const FIELDS: usize = 9;
    const DROPS: usize = 8;
    let mut fields = [0_u32; FIELDS];
    let mut length = libc::socklen_t::try_from(size_of_val(&fields)).unwrap_or(0);
    // SAFETY: a valid descriptor, and a buffer of the length given.
    let done = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            SO_MEMINFO,
            (&raw mut fields).cast(),
            &raw mut length,
        )
    };
    Errno::result(done).context("SO_MEMINFO")?;
    Ok(fields[DROPS])
}
