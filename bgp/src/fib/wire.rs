//! Datagrams to and from the kernel: the seam between what is said and the socket that says it.
//!
//! There is one implementation here, and tests have another that hands everything on to the
//! kernel but for what they make go wrong. One indirect call for each datagram.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use netlink_sys::{AsyncSocket, TokioSocket};
use socket2::SockFilter;

use super::message;

/// Room for answers and notifications, bytes.
const RECEIVE_BUFFER: usize = 8 * 1024 * 1024;
/// The kernel refuses a send that is larger than the send buffer, bytes.
pub const SEND_BUFFER: usize = 512 * 1024;
/// The largest datagram that is read: dumps come in at most 32 KiB, a route with very many next
/// hops may be longer.
pub const DATAGRAM: usize = 128 * 1024;

/// An open way to the kernel.
pub trait Wire: Send + Sync {
    /// The port id by which the kernel knows it.
    fn port(&self) -> u32;

    /// Sends requests; the kernel has worked through them when this returns.
    ///
    /// # Errors
    /// The kernel has taken none of them.
    fn send(&self, requests: &[u8]) -> io::Result<()>;

    /// Appends one datagram to `buffer`, which has room for [`DATAGRAM`] bytes.
    ///
    /// # Errors
    /// Something was lost (`ENOBUFS`).
    fn poll_receive(
        &self,
        context: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<()>>;

    /// Listens, from now on without notifications that this port's writes cause.
    ///
    /// # Errors
    /// The kernel's.
    fn ignore(&self, port: u32) -> io::Result<()>;
}

/// Opens one more.
pub type Opener = Box<dyn Fn() -> io::Result<Arc<dyn Wire>> + Send + Sync>;

/// Reads one datagram into `buffer`, whose old content goes.
///
/// # Errors
/// Something was lost: the kernel says so (`ENOBUFS`), or the datagram does not end where its last
/// message does (`EBADMSG`).
pub(super) async fn receive(wire: &dyn Wire, buffer: &mut BytesMut) -> io::Result<()> {
    buffer.clear();
    buffer.reserve(DATAGRAM);
    std::future::poll_fn(|context| wire.poll_receive(context, buffer)).await?;
    if message::is_whole(buffer) {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(libc::EBADMSG))
    }
}

struct Socket {
    socket: TokioSocket,
    port: u32,
    groups: Vec<u32>,
}

/// A socket for requests, in the namespace of the calling thread.
///
/// # Errors
/// As the kernel says: no netlink at all, or not allowed.
pub fn requests() -> io::Result<Arc<dyn Wire>> {
    let socket = Socket::open()?;
    let plain = socket.socket.socket_ref();
    // Errors without a copy of the request: a thousand of them must fit.
    plain.set_cap_ack(true)?;
    // Kernels before 4.20 do not know it: they send more than was asked for, and we filter.
    let _ = plain.set_netlink_get_strict_chk(true);
    enlarge_send_buffer(plain)?;
    Ok(Arc::new(socket))
}

/// A socket for notifications of `groups` (`RTNLGRP_*`), without those that this kernel does not know; from
/// when it is known whose to [ignore](Wire::ignore).
///
/// # Errors
/// The kernel's.
pub fn notifications(groups: &[u32]) -> io::Result<Arc<dyn Wire>> {
    let mut socket = Socket::open()?;
    socket.groups = groups.to_vec();
    Ok(Arc::new(socket))
}

impl Socket {
    fn open() -> io::Result<Self> {
        let mut socket = TokioSocket::new(netlink_sys::protocols::NETLINK_ROUTE)?;
        let port = socket.socket_mut().bind_auto()?.port_number();
        enlarge_receive_buffer(socket.socket_ref());
        Ok(Self {
            socket,
            port,
            groups: Vec::new(),
        })
    }
}

impl Wire for Socket {
    fn port(&self) -> u32 {
        self.port
    }

    fn send(&self, requests: &[u8]) -> io::Result<()> {
        let socket = self.socket.socket_ref().as_fd();
        rustix::net::send(socket, requests, rustix::net::SendFlags::empty())?;
        Ok(())
    }

    fn poll_receive(
        &self,
        context: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<()>> {
        // The runtime looks at sockets from time to time only; what is there is read now.
        let flags = libc::MSG_DONTWAIT;
        match self.socket.socket_ref().recv(buffer, flags) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.socket.poll_recv(context, buffer)
            }
            done => Poll::Ready(done.map(drop)),
        }
    }

    fn ignore(&self, port: u32) -> io::Result<()> {
        /// `BPF_LD | BPF_W | BPF_ABS`, `BPF_JMP | BPF_JEQ | BPF_K`, `BPF_RET | BPF_K`.
        const LOAD_WORD: u16 = 0x20;
        const JUMP_IF_EQUAL: u16 = 0x15;
        const RETURN: u16 = 0x06;
        /// Where `nlmsg_pid` is.
        const PORT_OFFSET: u32 = 12;
        // The filter machine reads words in network order, the kernel wrote it in host order.
        let port = u32::from_be_bytes(port.to_ne_bytes());
        socket2::SockRef::from(self.socket.socket_ref()).attach_filter(&[
            SockFilter::new(LOAD_WORD, 0, 0, PORT_OFFSET),
            SockFilter::new(JUMP_IF_EQUAL, 0, 1, port),
            SockFilter::new(RETURN, 0, 0, 0),
            SockFilter::new(RETURN, 0, 0, u32::MAX),
        ])?;
        for group in &self.groups {
            match self.socket.socket_ref().add_membership(*group) {
                // RTNLGRP_NEXTHOP before Linux 5.3.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
                other => other?,
            }
        }
        Ok(())
    }
}

/// As much as the kernel gives; beyond its limit for all only with CAP_NET_ADMIN.
fn enlarge_receive_buffer(socket: &netlink_sys::Socket) {
    let forced = rustix::net::sockopt::set_socket_recv_buffer_size_force(socket, RECEIVE_BUFFER);
    if forced.is_err() {
        // Less room only means more dumps.
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size(socket, RECEIVE_BUFFER);
    }
}

/// Room for the largest send; beyond the limit for all only with CAP_NET_ADMIN, which who writes
/// routes has.
fn enlarge_send_buffer(socket: &netlink_sys::Socket) -> io::Result<()> {
    let forced = rustix::net::sockopt::set_socket_send_buffer_size_force(socket, SEND_BUFFER);
    if forced.is_err() {
        rustix::net::sockopt::set_socket_send_buffer_size(socket, SEND_BUFFER)?;
    }
    Ok(())
}
