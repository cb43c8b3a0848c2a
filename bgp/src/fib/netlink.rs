//! The one socket that writes routes: batches of changes, and dumps.
//!
//! * A batch is one send. Only its last message asks for an acknowledgement; a message before it
//!   that fails is answered without being asked, and is found by its sequence number.
//! * The kernel works through a send before the call returns: several microseconds for each route.
//!   Large sends are therefore made by another thread, while this one goes on reading what peers
//!   announce. Answers are there when the call returns. Still every wait has a deadline: what has
//!   no answer by then is [`Outcome::Unknown`].
//! * Failures that do not fit the receive buffer are lost, and the kernel says so (`ENOBUFS`):
//!   unknown, too.

pub mod leftovers;

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket};
use tokio::time::{Instant, timeout_at};

use super::change::{Change, Found, Outcome};
use super::message::{self, Lookup, RawMessage, family, flag, kind};
use super::{KernelRoute, NextHop, NextHops, Ownership};

/// Messages in one send at most; so many failures fit [`RECEIVE_BUFFER`].
pub const BATCH: usize = 2000;
/// Bytes in one send at most.
const SEND_BYTES: usize = 256 * 1024;
/// The kernel refuses a send that is larger than the send buffer, bytes.
const SEND_BUFFER: usize = 2 * SEND_BYTES;
/// Bytes from which on a send is made by another thread; below, waking it costs more than it
/// saves.
const LARGE: usize = 4096;
/// Room for answers, bytes.
pub(super) const RECEIVE_BUFFER: usize = 8 * 1024 * 1024;
/// The largest datagram that is read: dumps come in at most 32 KiB, a route with very many next
/// hops may be longer.
pub(super) const DATAGRAM: usize = 128 * 1024;
/// For the answer to a batch, and between two datagrams of a dump.
const ANSWER: Duration = Duration::from_secs(5);
/// A dump that others' changes interrupted is repeated so often; then it is used as it is, since
/// those changes also come as notifications.
const DUMP_TRIES: u32 = 3;

/// The socket.
pub struct Netlink {
    socket: TokioSocket,
    /// The same socket, for the thread that makes large sends.
    sender: Arc<OwnedFd>,
    port: u32,
    sequence: u32,
    /// Answers.
    buffer: BytesMut,
    /// Requests.
    out: Vec<u8>,
    /// This kernel has IPv6, whether it is used in this namespace or not.
    has_ipv6: bool,
}

impl Netlink {
    /// Opens the socket in the namespace of the calling thread.
    ///
    /// # Errors
    /// As the kernel says: no netlink at all, or not allowed.
    pub fn open() -> io::Result<Self> {
        let mut socket = TokioSocket::new(netlink_sys::protocols::NETLINK_ROUTE)?;
        let port = socket.socket_mut().bind_auto()?.port_number();
        // Errors without a copy of the request: a thousand of them must fit.
        socket.socket_ref().set_cap_ack(true)?;
        // Kernels before 4.20 do not know it: they send more than was asked for, and we filter.
        let _ = socket.socket_ref().set_netlink_get_strict_chk(true);
        enlarge_receive_buffer(socket.socket_ref());
        enlarge_send_buffer(socket.socket_ref())?;
        let sender = socket.socket_ref().as_fd().try_clone_to_owned()?;
        Ok(Self {
            socket,
            sender: Arc::new(sender),
            port,
            sequence: 0,
            buffer: BytesMut::with_capacity(DATAGRAM),
            out: Vec::with_capacity(SEND_BYTES),
            has_ipv6: has_ipv6()?,
        })
    }

    /// The port id that notifications of own writes carry.
    #[must_use]
    pub fn port(&self) -> u32 {
        self.port
    }

    /// Whether routes may be written: asks to delete a route that cannot exist.
    ///
    /// # Errors
    /// `EPERM` if not.
    pub async fn probe(&mut self, owner: &Ownership) -> io::Result<()> {
        let nowhere = Change::Delete {
            prefix: IpAddr::V4(Ipv4Addr::BROADCAST).into(),
            next_hops: NextHops::default(),
        };
        match self.apply(owner, &[nowhere]).await.first() {
            Some(Outcome::Done | Outcome::Missing) => Ok(()),
            Some(Outcome::Refused(errno)) => Err(io::Error::from_raw_os_error(*errno)),
            _ => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the kernel did not answer a netlink request within 5 s",
            )),
        }
    }

    /// Writes `changes` in their order; the answer has one outcome for each.
    pub async fn apply(&mut self, owner: &Ownership, changes: &[Change]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(changes.len());
        let mut rest = changes;
        while !rest.is_empty() {
            self.out.clear();
            let first = self.sequence.wrapping_add(1);
            let mut last_start = 0;
            let mut count = 0;
            for change in rest {
                if count == BATCH || (count > 0 && self.out.len() > SEND_BYTES - 1024) {
                    break;
                }
                self.sequence = self.sequence.wrapping_add(1);
                last_start = message::change(&mut self.out, self.sequence, owner, change);
                count += 1;
            }
            message::add_flags(&mut self.out, last_start, flag::ACK);
            outcomes.extend(self.exchange(first, &rest[..count]).await);
            rest = &rest[count..];
        }
        outcomes
    }

    /// Sends one batch and collects its answers.
    async fn exchange(&mut self, first: u32, changes: &[Change]) -> Vec<Outcome> {
        let deadline = Instant::now() + ANSWER;
        let mut outcomes = vec![None; changes.len()];
        if self.send(deadline).await.is_ok() {
            let complete = self.collect(deadline, first, changes, &mut outcomes).await;
            if complete {
                // No answer of its own is a success: the last message was answered.
                return outcomes
                    .into_iter()
                    .map(|outcome| outcome.unwrap_or(Outcome::Done))
                    .collect();
            }
        }
        outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or(Outcome::Unknown))
            .collect()
    }

    /// False if answers may have been lost.
    async fn collect(
        &mut self,
        deadline: Instant,
        first: u32,
        changes: &[Change],
        outcomes: &mut [Option<Outcome>],
    ) -> bool {
        loop {
            let Ok(Ok(())) = timeout_at(deadline, self.receive()).await else {
                return false;
            };
            for answer in message::split(&self.buffer) {
                let index = answer.sequence.wrapping_sub(first) as usize;
                // Answers to earlier batches, given up since, fall out here.
                let (Some(slot), Some(change)) = (outcomes.get_mut(index), changes.get(index))
                else {
                    continue;
                };
                if answer.kind == kind::ERROR {
                    *slot = Some(outcome_of(change, message::errno_of(answer.payload)));
                }
            }
            if outcomes.last().is_some_and(Option::is_some) {
                return true;
            }
        }
    }

    /// All own routes of both families, and on demand who holds the places where own ones would
    /// stand.
    ///
    /// # Errors
    /// The kernel's, or a timeout.
    pub async fn find(&mut self, owner: &Ownership, with_foreign: bool) -> io::Result<Found> {
        let mut found = Found {
            foreign: with_foreign.then(Default::default),
            ..Found::default()
        };
        // Routes that follow each other mostly have the same gateways.
        let mut last = NextHops::default();
        let protocol = (!with_foreign).then_some(owner.protocol);
        for family in [family::INET, family::INET6] {
            if family == family::INET6 && !self.has_ipv6 {
                continue;
            }
            let mut take = |route: Option<KernelRoute>| match route {
                // Once more from the start.
                None => found.forget(family),
                Some(route) if owner.owns(&route) => {
                    if *last != *route.next_hops {
                        last = route.next_hops.into();
                    }
                    found.ours.insert(route.prefix, last.clone());
                }
                Some(route) if owner.same_place(&route) => {
                    if let Some(foreign) = &mut found.foreign {
                        foreign.insert(route.prefix, route.protocol);
                    }
                }
                Some(_) => {}
            };
            self.dump(family, owner.table, protocol, &mut take).await?;
        }
        Ok(found)
    }

    async fn dump(
        &mut self,
        family: u8,
        table: u32,
        protocol: Option<u8>,
        take: &mut (impl FnMut(Option<KernelRoute>) + Send),
    ) -> io::Result<()> {
        let mut tries = 0;
        loop {
            tries += 1;
            let interrupted = self.dump_once(family, table, protocol, take).await?;
            if !interrupted || tries == DUMP_TRIES {
                return Ok(());
            }
            take(None);
        }
    }

    async fn dump_once(
        &mut self,
        family: u8,
        table: u32,
        protocol: Option<u8>,
        take: &mut (impl FnMut(Option<KernelRoute>) + Send),
    ) -> io::Result<bool> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        self.out.clear();
        message::dump_routes(&mut self.out, sequence, family, table, protocol);
        self.send(Instant::now() + ANSWER).await?;
        let mut interrupted = false;
        loop {
            timeout_at(Instant::now() + ANSWER, self.receive()).await??;
            for answer in message::split(&self.buffer) {
                if answer.sequence != sequence {
                    continue;
                }
                interrupted |= answer.flags & flag::DUMP_INTERRUPTED != 0;
                match answer.kind {
                    // A kernel that does not know a family answers with those that it knows.
                    kind::NEW_ROUTE if answer.payload.first() == Some(&family) => {
                        if let Some(route) = message::parse_route(answer.payload) {
                            take(Some(route));
                        }
                    }
                    kind::DONE | kind::ERROR => {
                        return match message::errno_of(answer.payload) {
                            // A dump of an empty table that does not exist yet.
                            0 | libc::ENOENT => Ok(interrupted),
                            errno => Err(io::Error::from_raw_os_error(errno)),
                        };
                    }
                    _ => {}
                }
            }
        }
    }

    /// Whether each of `hops` can be a gateway now, in their order.
    ///
    /// # Errors
    /// The kernel's, or a timeout.
    pub async fn look_up(&mut self, hops: &[NextHop]) -> io::Result<Vec<Lookup>> {
        let mut answers = Vec::with_capacity(hops.len());
        for hop in hops {
            self.sequence = self.sequence.wrapping_add(1);
            let sequence = self.sequence;
            self.out.clear();
            message::look_up(&mut self.out, sequence, *hop);
            let deadline = Instant::now() + ANSWER;
            self.send(deadline).await?;
            let answer = loop {
                timeout_at(deadline, self.receive()).await??;
                let mine = message::split(&self.buffer)
                    .filter(|answer| answer.sequence == sequence)
                    .find_map(|answer| lookup_of(&answer));
                if let Some(answer) = mine {
                    break answer;
                }
            };
            answers.push(answer);
        }
        Ok(answers)
    }

    /// Sends what is in `out`.
    async fn send(&mut self, deadline: Instant) -> io::Result<()> {
        if self.out.len() < LARGE {
            let kernel = SocketAddr::new(0, 0);
            timeout_at(deadline, self.socket.send_to(&self.out, &kernel)).await??;
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.out);
        let sender = Arc::clone(&self.sender);
        let send = move || {
            let sent = rustix::net::send(&*sender, &bytes, rustix::net::SendFlags::empty());
            (bytes, sent)
        };
        let (bytes, sent) = timeout_at(deadline, tokio::task::spawn_blocking(send)).await??;
        self.out = bytes;
        sent?;
        Ok(())
    }

    async fn receive(&mut self) -> io::Result<()> {
        receive(&self.socket, &mut self.buffer).await
    }
}

/// Reads one datagram into `buffer`, whose old content goes.
pub(super) async fn receive(socket: &TokioSocket, buffer: &mut BytesMut) -> io::Result<()> {
    buffer.clear();
    buffer.reserve(DATAGRAM);
    socket.recv(buffer).await
}

/// As much as the kernel gives; beyond its limit for all only with CAP_NET_ADMIN.
pub(super) fn enlarge_receive_buffer(socket: &netlink_sys::Socket) {
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

fn outcome_of(change: &Change, errno: i32) -> Outcome {
    match (errno, change) {
        (0, _) => Outcome::Done,
        (libc::EEXIST, Change::Create { .. }) => Outcome::Exists,
        (libc::ESRCH | libc::ENOENT, _) => Outcome::Missing,
        // Short of memory: the next attempt after a dump.
        (libc::ENOBUFS | libc::EAGAIN | libc::EINTR, _) => Outcome::Unknown,
        _ => Outcome::Refused(errno),
    }
}

fn lookup_of(answer: &RawMessage<'_>) -> Option<Lookup> {
    match answer.kind {
        kind::NEW_ROUTE => message::parse_lookup(answer.payload),
        // ENETUNREACH and the like.
        kind::ERROR => Some(Lookup::NotConnected),
        _ => None,
    }
}

/// False only if the kernel was built or started without IPv6. Where IPv6 is merely switched off
/// for a namespace or a link, questions are answered, and writes are refused with a reason.
fn has_ipv6() -> io::Result<bool> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let flags = SocketFlags::CLOEXEC;
    match socket_with(AddressFamily::INET6, SocketType::DGRAM, flags, None) {
        Ok(_) => Ok(true),
        Err(rustix::io::Errno::AFNOSUPPORT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
