//! The one socket that writes routes: batches of changes, and dumps.
//!
//! * A batch is one send. Only its last message asks for an acknowledgement; a message before it
//!   that fails is answered without being asked, and is found by its sequence number.
//! * The kernel works through a send before the call returns: several microseconds for each route.
//!   Large sends are therefore made by another thread, while this one goes on reading what peers
//!   announce and makes the next batch. Answers are there when the call returns. Still every wait has a deadline: what has
//!   no answer by then is [`Outcome::Unknown`].
//! * Failures that do not fit the receive buffer are lost, and the kernel says so (`ENOBUFS`):
//!   unknown, too.

pub mod leftovers;
mod objects;
mod sender;
mod walk;

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::{Instant, timeout_at};

use super::change::{Change, Outcome, is_passing};
use super::message::{self, Lookup, RawMessage, flag, kind};
use super::wire::{self, DATAGRAM, Opener, SEND_BUFFER, Wire};
use super::{NextHop, Ownership};
pub(crate) use sender::Job;
use sender::{Sender, Sending};
pub use walk::{Step, Walk};

/// Batches on their way at once at most: while the kernel works through one, the next waits for it.
pub const IN_FLIGHT: usize = 2;
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
    /// Makes large sends.
    sender: Sender,
    sequence: u32,
    /// Answers.
    buffer: BytesMut,
    /// It has some that were read too early.
    unread: bool,
    /// Answers to requests up to this number may have been lost.
    doubtful: Option<u32>,
    /// Requests.
    out: Vec<u8>,
    /// Of earlier batches, for the next.
    spare: Vec<Vec<u8>>,
    /// This kernel has IPv6, whether it is used in this namespace or not.
    has_ipv6: bool,
}

/// Changes as messages.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    /// Sequence number of the first.
    first: u32,
    count: usize,
}

impl Batch {
    /// How many changes it has.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }
}

/// A batch on its way through the kernel.
#[derive(Debug)]
pub struct Flight {
    first: u32,
    count: usize,
    deadline: Instant,
    send: Send,
}

#[derive(Debug)]
enum Send {
    /// By another thread.
    Making(Sending),
    /// With the bytes, which are of use again.
    Done(Vec<u8>, io::Result<()>),
}

impl Flight {
    /// Until the kernel is through with it, or its time is over. Safe to drop and to wait for again.
    pub async fn over(&mut self) {
        let Send::Making(sending) = &mut self.send else {
            return;
        };
        if let Ok(done) = timeout_at(self.deadline, sending).await {
            let (bytes, sent) = done.unwrap_or_else(|_| (Vec::new(), Err(sender::gone())));
            self.send = Send::Done(bytes, sent);
        }
    }
}

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
            sender: Sender::default(),
            sequence: 0,
            buffer: BytesMut::with_capacity(DATAGRAM),
            unread: false,
            doubtful: None,
            out: Vec::with_capacity(SEND_BYTES),
            spare: Vec::new(),
            has_ipv6: has_ipv6()?,
        })
    }

    /// Whether [`Netlink::reopen`] is needed, and possible: what is still being sent would be heard as
    /// another program's.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken && !self.sender.is_busy()
    }

    /// Another socket is needed.
    pub fn give_up(&mut self) {
        self.broken = true;
    }

    /// Whether a send that was given up is still being made.
    #[must_use]
    pub fn is_sending(&self) -> bool {
        self.sender.is_busy()
    }

    /// Until that is over, or for as long as answers are waited for.
    pub async fn idle(&self) {
        // Who sends finds out.
        let _ = self.sender.idle(Instant::now() + ANSWER).await;
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
            self.idle().await;
            let batch = self.batch(owner, rest);
            let (these, others) = rest.split_at(batch.count);
            let mut flight = self.launch(batch, true);
            flight.over().await;
            outcomes.extend(self.land(flight, these).await);
            rest = others;
        }
        outcomes
    }

    /// As many of `changes`, from the first on, as fit one send. May be called while another one is
    /// on its way.
    pub fn batch(&mut self, owner: &Ownership, changes: &[Change]) -> Batch {
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.clear();
        let first = self.sequence.wrapping_add(1);
        let mut last_start = 0;
        let mut count = 0;
        for change in changes {
            if count == BATCH || (count > 0 && bytes.len() > SEND_BYTES - 1024) {
                break;
            }
            self.sequence = self.sequence.wrapping_add(1);
            last_start = message::change(&mut bytes, self.sequence, owner, change);
            count += 1;
        }
        message::add_flags(&mut bytes, last_start, flag::ACK);
        Batch {
            bytes,
            first,
            count,
        }
    }

    /// Sends a batch, after those before it ([`IN_FLIGHT`] at most). Nothing else may be asked of the kernel
    /// before all have [landed](Netlink::land), in their order.
    pub fn launch(&mut self, batch: Batch, is_first: bool) -> Flight {
        let deadline = Instant::now() + ANSWER;
        let Batch {
            bytes,
            first,
            count,
        } = batch;
        let send = if is_first && self.sender.is_busy() {
            // Of two sends at once the kernel might hear the later one first.
            let error = io::Error::from_raw_os_error(libc::ETIMEDOUT);
            Send::Done(bytes, Err(error))
        } else if is_first && bytes.len() < LARGE {
            let sent = self.wire.send(&bytes);
            Send::Done(bytes, sent)
        } else {
            Send::Making(self.sender.send(&self.wire, bytes))
        };
        Flight {
            first,
            count,
            deadline,
            send,
        }
    }

    /// The outcomes of a batch after its [`Flight::over`]: one for each of its `changes`.
    pub async fn land(&mut self, flight: Flight, changes: &[Change]) -> Vec<Outcome> {
        let Flight {
            first,
            count,
            deadline,
            send,
        } = flight;
        let mut outcomes = vec![None; count];
        let otherwise = match send {
            // The other thread is still about it.
            Send::Making(_) => Outcome::Unknown,
            Send::Done(bytes, sent) => {
                self.spare.push(bytes);
                self.spare.truncate(IN_FLIGHT);
                match sent {
                    Ok(()) if self.collect(deadline, first, changes, &mut outcomes).await => {
                        // No answer of its own is a success: the last message was answered.
                        if self.is_doubtful(first) {
                            Outcome::Unknown
                        } else {
                            // It would be about other numbers when they begin anew.
                            self.doubtful = None;
                            Outcome::Done
                        }
                    }
                    Ok(()) => {
                        // Nor is it known then what else was.
                        self.doubtful = Some(self.sequence);
                        Outcome::Unknown
                    }
                    Err(error) => match error.raw_os_error() {
                        Some(errno) => Outcome::NotSent(errno),
                        // The thread is gone, and nobody knows how far it came.
                        None => Outcome::Unknown,
                    },
                }
            }
        };
        outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or(otherwise))
            .collect()
    }

    fn is_doubtful(&self, sequence: u32) -> bool {
        self.doubtful
            .is_some_and(|last| last.wrapping_sub(sequence) < u32::MAX / 2)
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
            if !self.unread {
                let Ok(Ok(())) = timeout_at(deadline, self.receive()).await else {
                    return false;
                };
            }
            self.unread = false;
            let mut later = false;
            for answer in message::split(&self.buffer) {
                let index = answer.sequence.wrapping_sub(first) as usize;
                // Answers to earlier batches, given up since, fall out here.
                let (Some(slot), Some(change)) = (outcomes.get_mut(index), changes.get(index))
                else {
                    later |= index < u32::MAX as usize / 2;
                    continue;
                };
                if answer.kind == kind::ERROR {
                    *slot = Some(outcome_of(change, message::errno_of(answer.payload)));
                }
            }
            let answered = outcomes.last().is_some_and(Option::is_some);
            // The kernel answers in order.
            self.unread = later;
            if answered || later {
                return answered;
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
        self.sender.idle(deadline).await?;
        if self.out.len() < LARGE {
            return self.wire.send(&self.out);
        }
        let bytes = std::mem::take(&mut self.out);
        let sending = self.sender.send(&self.wire, bytes);
        let (bytes, sent) = timeout_at(deadline, sending)
            .await?
            .map_err(|_| sender::gone())?;
        self.out = bytes;
        sent
    }

    async fn receive(&mut self) -> io::Result<()> {
        self.unread = false;
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
