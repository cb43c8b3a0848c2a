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
mod objects;
mod walk;

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::change::{Change, Outcome, is_passing};
use super::message::{self, Lookup, RawMessage, flag, kind};
use super::wire::{self, DATAGRAM, Opener, SEND_BUFFER, Wire};
use super::{NextHop, Ownership};
pub use walk::{Step, Walk};

/// Messages in one send at most; so many failures fit the socket's buffer.
pub const BATCH: usize = 2000;
/// Bytes in one send at most.
const SEND_BYTES: usize = SEND_BUFFER / 2;
/// Bytes from which on a send is made by another thread; below, waking it costs more than it
/// saves.
const LARGE: usize = 4096;
/// For the answer to a batch, and between two datagrams of a dump.
const ANSWER: Duration = Duration::from_secs(5);

/// The socket.
pub struct Netlink {
    wire: Arc<dyn Wire>,
    opener: Opener,
    /// A dump was not read to its end: the kernel begins no other on this socket.
    broken: bool,
    /// The large send that another thread makes.
    sending: Option<Sending>,
    sequence: u32,
    /// Answers.
    buffer: BytesMut,
    /// Requests.
    out: Vec<u8>,
    /// This kernel has IPv6, whether it is used in this namespace or not.
    has_ipv6: bool,
}

/// Gives the bytes back.
type Sending = JoinHandle<(Vec<u8>, io::Result<()>)>;

impl Netlink {
    /// Opens the socket in the namespace of the calling thread.
    ///
    /// # Errors
    /// As the kernel says: no netlink at all, or not allowed.
    pub fn open() -> io::Result<Self> {
        Self::through(Box::new(wire::requests))
    }

    /// Over a socket that `opener` opens, and opens again where the first is of no use any more.
    ///
    /// # Errors
    /// Its first.
    pub fn through(opener: Opener) -> io::Result<Self> {
        Ok(Self {
            wire: opener()?,
            opener,
            broken: false,
            sending: None,
            sequence: 0,
            buffer: BytesMut::with_capacity(DATAGRAM),
            out: Vec::with_capacity(SEND_BYTES),
            has_ipv6: has_ipv6()?,
        })
    }

    /// Whether [`Netlink::reopen`] is needed, and possible: what is still being sent would be heard as
    /// another program's.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        let is_over = |sending: &Sending| sending.is_finished();
        self.broken && self.sending.as_ref().is_none_or(is_over)
    }

    /// Goes on with another socket, which has another port.
    ///
    /// # Errors
    /// There is none to be had; the old one stays.
    pub fn reopen(&mut self) -> io::Result<()> {
        self.wire = (self.opener)()?;
        self.broken = false;
        Ok(())
    }

    /// The port id that notifications of own writes carry.
    #[must_use]
    pub fn port(&self) -> u32 {
        self.wire.port()
    }

    /// Whether routes may be written: asks to delete a route that cannot exist.
    ///
    /// # Errors
    /// `EPERM` if not.
    pub async fn probe(&mut self, owner: &Ownership) -> io::Result<()> {
        let nowhere = Change::Delete {
            prefix: IpAddr::V4(Ipv4Addr::BROADCAST).into(),
            target: None,
        };
        match self.apply(owner, &[nowhere]).await.first() {
            Some(Outcome::Done | Outcome::Missing) => Ok(()),
            Some(Outcome::Refused(errno) | Outcome::NotSent(errno)) => {
                Err(io::Error::from_raw_os_error(*errno))
            }
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
        let otherwise = match self.send(deadline).await {
            Ok(()) if self.collect(deadline, first, changes, &mut outcomes).await => {
                // No answer of its own is a success: the last message was answered.
                Outcome::Done
            }
            Ok(()) => Outcome::Unknown,
            Err(error) => match error.raw_os_error() {
                Some(errno) => Outcome::NotSent(errno),
                // Another thread is still about it.
                None => Outcome::Unknown,
            },
        };
        outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or(otherwise))
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

    /// How each of `hops` is reached now, in their order.
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
                    .find_map(|answer| lookup_of(&answer, *hop));
                if let Some(answer) = mine {
                    break answer?;
                }
            };
            answers.push(answer);
        }
        Ok(answers)
    }

    /// Sends what is in `out`.
    async fn send(&mut self, deadline: Instant) -> io::Result<()> {
        // Of two sends at once the kernel might hear the later one first.
        if self.sending.is_some()
            && let Err(error) = self.finish(deadline).await
            && error.kind() == io::ErrorKind::TimedOut
        {
            return Err(io::Error::from_raw_os_error(libc::ETIMEDOUT));
        }
        if self.out.len() < LARGE {
            return self.wire.send(&self.out);
        }
        let bytes = std::mem::take(&mut self.out);
        let wire = Arc::clone(&self.wire);
        self.sending = Some(tokio::task::spawn_blocking(move || {
            let sent = wire.send(&bytes);
            (bytes, sent)
        }));
        self.finish(deadline).await
    }

    /// Waits for the thread that sends.
    async fn finish(&mut self, deadline: Instant) -> io::Result<()> {
        let Some(sending) = &mut self.sending else {
            return Ok(());
        };
        let done = timeout_at(deadline, sending).await?;
        self.sending = None;
        let (bytes, sent) = done?;
        if self.out.is_empty() {
            self.out = bytes;
        }
        sent
    }

    async fn receive(&mut self) -> io::Result<()> {
        wire::receive(&*self.wire, &mut self.buffer).await
    }
}

fn outcome_of(change: &Change, errno: i32) -> Outcome {
    match (errno, change) {
        (0, _) => Outcome::Done,
        (libc::EEXIST, Change::Create { .. }) => Outcome::Exists,
        (libc::ESRCH | libc::ENOENT, _) => Outcome::Missing,
        _ => Outcome::Refused(errno),
    }
}

fn lookup_of(answer: &RawMessage<'_>, hop: NextHop) -> Option<io::Result<Lookup>> {
    match answer.kind {
        kind::NEW_ROUTE => message::parse_lookup(answer.payload, hop).map(Ok),
        kind::ERROR => Some(match message::errno_of(answer.payload) {
            // It has not looked.
            errno if is_passing(errno) || errno == libc::EPERM => {
                Err(io::Error::from_raw_os_error(errno))
            }
            // ENETUNREACH and the like.
            _ => Ok(Lookup::Unreachable),
        }),
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
