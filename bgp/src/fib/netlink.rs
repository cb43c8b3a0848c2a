//! The one socket that writes routes: batches of changes, and dumps.
//!
//! * A batch is one send. Only its last message asks for an acknowledgement; a message before it
//!   that fails is answered without being asked, and is found by its sequence number.
//! * The kernel works through a send before the call returns, so the answers are there when it
//!   does. Still every wait has a deadline: what has no answer by then is [`Outcome::Unknown`].
//! * Failures that do not fit the receive buffer are lost, and the kernel says so (`ENOBUFS`):
//!   unknown, too.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::BytesMut;
use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::RouteMessage;
use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket};
use tokio::time::{Instant, timeout_at};

use super::change::{Change, Found, Outcome};
use super::message::{self, kind};
use super::{KernelRoute, Ownership};

/// Messages in one send at most; so many failures fit [`RECEIVE_BUFFER`].
pub const BATCH: usize = 1000;
/// Bytes in one send at most: the kernel refuses more than the send buffer holds.
const SEND_BYTES: usize = 128 * 1024;
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
    port: u32,
    sequence: u32,
    buffer: BytesMut,
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
        Ok(Self {
            socket,
            port,
            sequence: 0,
            buffer: BytesMut::with_capacity(DATAGRAM),
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
        let mut bytes = Vec::with_capacity(SEND_BYTES);
        while !rest.is_empty() {
            bytes.clear();
            let first = self.sequence.wrapping_add(1);
            let mut last_start = 0;
            let mut count = 0;
            for change in rest {
                if count == BATCH || (count > 0 && bytes.len() > SEND_BYTES - 1024) {
                    break;
                }
                let (kind, flags, body) = message::of_change(owner, change);
                self.sequence = self.sequence.wrapping_add(1);
                last_start = message::append(&mut bytes, kind, flags, self.sequence, &body);
                count += 1;
            }
            message::add_flags(&mut bytes, last_start, NLM_F_ACK);
            outcomes.extend(self.exchange(&bytes, first, &rest[..count]).await);
            rest = &rest[count..];
        }
        outcomes
    }

    /// Sends one batch and collects its answers.
    async fn exchange(&mut self, bytes: &[u8], first: u32, changes: &[Change]) -> Vec<Outcome> {
        let deadline = Instant::now() + ANSWER;
        let mut outcomes = vec![None; changes.len()];
        let sent = timeout_at(deadline, self.socket.send_to(bytes, &SocketAddr::new(0, 0))).await;
        if let Ok(Ok(_)) = sent {
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
        let protocol = (!with_foreign).then_some(owner.protocol);
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let request = message::dump_request(family, owner.table, protocol);
            let routes = match self.dump(&request).await {
                Ok(routes) => routes,
                Err(error) if family == AddressFamily::Inet6 && is_absent(&error) => continue,
                Err(error) => return Err(error),
            };
            for route in routes {
                if owner.owns(&route) {
                    found.ours.insert(route.prefix, route.next_hops);
                } else if owner.same_place(&route)
                    && let Some(foreign) = &mut found.foreign
                {
                    foreign.insert(route.prefix, route.protocol);
                }
            }
        }
        Ok(found)
    }

    async fn dump(&mut self, request: &RouteMessage) -> io::Result<Vec<KernelRoute>> {
        let mut tries = 0;
        loop {
            tries += 1;
            let (routes, interrupted) = self.dump_once(request).await?;
            if !interrupted || tries == DUMP_TRIES {
                return Ok(routes);
            }
        }
    }

    async fn dump_once(&mut self, request: &RouteMessage) -> io::Result<(Vec<KernelRoute>, bool)> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let mut bytes = Vec::new();
        let flags = NLM_F_REQUEST | NLM_F_DUMP;
        message::append(&mut bytes, kind::GET_ROUTE, flags, sequence, request);
        let deadline = Instant::now() + ANSWER;
        timeout_at(
            deadline,
            self.socket.send_to(&bytes, &SocketAddr::new(0, 0)),
        )
        .await??;
        let mut routes = Vec::new();
        let mut interrupted = false;
        loop {
            timeout_at(Instant::now() + ANSWER, self.receive()).await??;
            for answer in message::split(&self.buffer) {
                if answer.sequence != sequence {
                    continue;
                }
                interrupted |= answer.flags & NLM_F_DUMP_INTR != 0;
                match answer.kind {
                    kind::NEW_ROUTE => routes.extend(message::parse_route(answer.payload)),
                    kind::DONE | kind::ERROR => {
                        return match message::errno_of(answer.payload) {
                            // A dump of an empty table that does not exist yet.
                            0 | libc::ENOENT => Ok((routes, interrupted)),
                            errno => Err(io::Error::from_raw_os_error(errno)),
                        };
                    }
                    _ => {}
                }
            }
        }
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

/// This kernel has no IPv6, or not here.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EAFNOSUPPORT | libc::EOPNOTSUPP | libc::EINVAL)
    )
}
