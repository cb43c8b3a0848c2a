//! One TCP connection: a reader and a writer, each with its bounded queue. What the reader has read goes
//! to the core as messages, and an UPDATE as what it says; what the core has to say becomes octets in the
//! writer: that is work that need not be done there.
//!
//! How it ends:
//! * the core drops its [`Handle`]: what is queued is written, the writing side is shut down, and
//!   the peer's bytes are read for up to a second more — closing with unread bytes would make the
//!   kernel send a reset, which takes the NOTIFICATION before it away;
//! * others came and it has said no OPEN: it is reset, and the core is told;
//! * the peer closes or the network fails: the core is told ([`Event::Closed`]) and may still have
//!   something to say before it drops the handle.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::BytesMut;
use rcni_bgp_proto::intake::{Intake, Terms};
use rcni_bgp_proto::rib::Outgoing;
use rcni_bgp_proto::speaker::{CloseCause, ConnId};
use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::Event;
use super::socket::{close_cause, reset};

/// What was handed over at a time ([`Place::send`]) and waits for the socket, at most.
pub const WRITE_QUEUE: usize = 32;
/// Bytes of that at most, but for what is handed over then.
pub const WRITE_QUEUE_BYTES: usize = 32 * 1024;
/// How much is read at a time, bytes. What has been read and the core has not taken yet waits as routes
/// with their attributes, many times as large.
const READ_BYTES: usize = 4 * 1024;
/// How many bytes are handed to the socket in one call, about.
const WRITE_BYTES: usize = 64 * 1024;
/// From the core's goodbye: for what is queued to be written.
const FLUSH: Duration = Duration::from_secs(1);
/// After that: for the peer to read it and close.
const DRAIN: Duration = Duration::from_secs(1);

/// Why a connection ended that the gate wanted gone.
const EVICTED: &str = "it had not said a valid OPEN when too many others came";

/// The core's end. Dropping it closes the connection in order, with [`FLUSH`] to write the rest.
#[derive(Debug)]
pub struct Handle {
    queue: mpsc::Sender<Vec<Outgoing>>,
    shared: Arc<Shared>,
    alive: Option<oneshot::Sender<()>>,
}

/// What both ends know.
#[derive(Debug, Default)]
struct Shared {
    /// The core has found no place.
    full: AtomicBool,
    /// In the write queue, bytes.
    queued: AtomicUsize,
    /// What was read from the socket and has not reached the core, in portions.
    unread: AtomicUsize,
    /// Of the session, from the peer's OPEN on.
    terms: OnceLock<Arc<Terms>>,
}

/// A place in the write queue.
#[derive(Debug)]
pub struct Place<'a> {
    permit: mpsc::Permit<'a, Vec<Outgoing>>,
    shared: &'a Shared,
}

impl Place<'_> {
    /// Takes it.
    pub fn send(self, messages: Vec<Outgoing>) {
        self.shared
            .queued
            .fetch_add(weight(&messages), Ordering::AcqRel);
        self.permit.send(messages);
    }
}

fn weight(messages: &[Outgoing]) -> usize {
    messages.iter().map(Outgoing::weight).sum()
}

impl Handle {
    /// A place in the write queue. `None`: it is full, [`Event::Room`] comes when it is not; or
    /// the connection is gone, [`Event::Closed`] comes.
    #[must_use]
    pub fn place(&self) -> Option<Place<'_>> {
        let shared = &*self.shared;
        // Set before the attempt: between a failed attempt and setting it the writer might have
        // emptied the queue, and nobody would ever tell.
        shared.full.store(true, Ordering::SeqCst);
        if shared.queued.load(Ordering::SeqCst) >= WRITE_QUEUE_BYTES {
            return None;
        }
        let permit = self.queue.try_reserve().ok()?;
        shared.full.store(false, Ordering::SeqCst);
        Some(Place { permit, shared })
    }

    /// Whether bytes of the peer are on the way to the core.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        self.shared.unread.load(Ordering::SeqCst) > 0
    }

    /// The peer's OPEN was accepted. To be said before the KEEPALIVE is sent that tells the peer so.
    pub fn opened(&self, terms: Arc<Terms>) {
        // There is one OPEN in a connection.
        let _ = self.shared.terms.set(terms);
    }

    /// The core has got a portion.
    pub fn took(&self) {
        // One for each that the reader has counted.
        self.shared.unread.fetch_sub(1, Ordering::SeqCst);
    }

    /// What is still to be sent must be gone within [`FLUSH`], whether the peer reads or not.
    /// [`Event::Closed`] comes if it was not.
    pub fn hurry(&mut self) {
        self.alive = None;
    }
}

/// The task's end.
#[derive(Debug)]
pub struct Tail {
    queue: mpsc::Receiver<Vec<Outgoing>>,
    shared: Arc<Shared>,
    gone: oneshot::Receiver<()>,
}

/// Both ends.
#[must_use]
pub fn pair() -> (Handle, Tail) {
    let (sender, queue) = mpsc::channel(WRITE_QUEUE);
    let (alive, gone) = oneshot::channel();
    let shared = Arc::new(Shared::default());
    let handle = Handle {
        queue: sender,
        shared: shared.clone(),
        alive: Some(alive),
    };
    let tail = Tail {
        queue,
        shared,
        gone,
    };
    (handle, tail)
}

/// Moves bytes until the end; a write that makes no progress for `send_hold` is
/// told (RFC 9687). If
/// `evicted` ends first, the connection is reset.
pub async fn run(
    conn: ConnId,
    mut stream: TcpStream,
    tail: Tail,
    events: mpsc::Sender<Event>,
    send_hold: Duration,
    evicted: impl Future<Output = ()>,
) {
    tokio::select! {
        () = talk(conn, &mut stream, tail, &events, send_hold) => return,
        () = evicted => {}
    }
    reset(&SockRef::from(&stream));
    drop(stream);
    let cause = CloseCause::Other(EVICTED.to_owned());
    let _ = events.send(Event::Closed { conn, cause }).await;
}

async fn talk(
    conn: ConnId,
    stream: &mut TcpStream,
    tail: Tail,
    events: &mpsc::Sender<Event>,
    send_hold: Duration,
) {
    let Tail {
        queue,
        shared,
        gone,
    } = tail;
    let (read_half, write_half) = stream.split();
    let reader = async {
        let cause = read(conn, read_half, &shared, events).await;
        let _ = events.send(Event::Closed { conn, cause }).await;
    };
    let writer = write(conn, write_half, queue, &shared, events, send_hold);
    let given_up = async {
        let _ = gone.await;
        sleep(FLUSH).await;
    };
    tokio::pin!(reader, writer, given_up);
    let mut reading = true;
    loop {
        tokio::select! {
            result = &mut writer => {
                match result {
                    // Flushed and shut down. What still comes is nobody's any more.
                    Ok(()) if reading => {
                        let _ = timeout(DRAIN, &mut reader).await;
                    }
                    Ok(()) => {}
                    Err(cause) => {
                        let _ = events.send(Event::Closed { conn, cause }).await;
                    }
                }
                return;
            }
            // The writer may still have last words; it ends when the core drops its handle.
            () = &mut reader, if reading => reading = false,
            () = &mut given_up => {
                let cause = CloseCause::TimedOut;
                let _ = events.send(Event::Closed { conn, cause }).await;
                return;
            }
        }
    }
}

async fn read(
    conn: ConnId,
    half: ReadHalf<'_>,
    shared: &Shared,
    events: &mpsc::Sender<Event>,
) -> CloseCause {
    let mut intake = Intake::default();
    loop {
        if let Err(error) = half.readable().await {
            return close_cause(&error);
        }
        match take(&half, &mut intake) {
            Ok(0) => return CloseCause::Eof,
            Ok(_) => {
                shared.unread.fetch_add(1, Ordering::SeqCst);
                let terms = shared.terms.get().map(|terms| &**terms);
                let messages = std::iter::from_fn(|| intake.next(terms)).collect();
                let heard = Event::Heard { conn, messages };
                if events.send(heard).await.is_err() {
                    return CloseCause::Eof;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return close_cause(&error),
        }
    }
}

/// The buffer is nobody's while the peer says nothing: most of hundreds are silent.
fn take(half: &ReadHalf<'_>, intake: &mut Intake) -> io::Result<usize> {
    let mut buffer = [0; READ_BYTES];
    let read = half.try_read(&mut buffer)?;
    intake.push(buffer.get(..read).unwrap_or_default());
    Ok(read)
}

/// Ends in order when the core has dropped its handle and all is written.
async fn write(
    conn: ConnId,
    mut half: WriteHalf<'_>,
    mut queue: mpsc::Receiver<Vec<Outgoing>>,
    shared: &Shared,
    events: &mpsc::Sender<Event>,
    send_hold: Duration,
) -> Result<(), CloseCause> {
    while let Some(first) = queue.recv().await {
        let mut buffer = BytesMut::new();
        let mut taken = 0;
        let mut next = Some(first);
        while let Some(messages) = next.take() {
            taken += weight(&messages);
            for message in messages {
                buffer.extend_from_slice(&message.into_bytes());
            }
            if buffer.len() < WRITE_BYTES {
                next = queue.try_recv().ok();
            }
        }
        shared.queued.fetch_sub(taken, Ordering::SeqCst);
        if shared.full.swap(false, Ordering::SeqCst) {
            let _ = events.send(Event::Room { conn }).await;
        }
        while !buffer.is_empty() {
            match timeout(send_hold, half.write_buf(&mut buffer)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(close_cause(&error)),
                // The core ends it; should the peer read again within [`FLUSH`], it hears why.
                Err(_) => {
                    let _ = events.send(Event::Stalled { conn }).await;
                }
            }
        }
    }
    half.shutdown()
        .await
        .map_err(|error: io::Error| close_cause(&error))
}

#[cfg(test)]
mod tests;
