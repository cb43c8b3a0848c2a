//! A session of a scripted peer: it dials, is Established, then writes what it is given and
//! counts what it reads.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use socket2::{Domain, Socket, Type};

use super::count::{Counter, message};
use super::{Family, wire};
use crate::bench::netns;
use crate::wait_until;

/// Where speakers listen.
pub const BGP_PORT: u16 = 179;
/// For each step of opening a session.
const HANDSHAKE: Duration = Duration::from_secs(2);
/// How long a daemon may take to answer at all.
const ESTABLISHED: Duration = Duration::from_secs(30);
/// Between KEEPALIVEs: a third of the shortest hold time that any subject asks for (9 s).
const KEEPALIVE: Duration = Duration::from_secs(2);
const CHUNK: usize = 256 * 1024;

/// Who the peer is.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// AS.
    pub asn: u32,
    /// Address, also the BGP identifier.
    pub address: Ipv4Addr,
    /// Of the routes.
    pub family: Family,
}

/// All prefixes, or none, are announced to this peer from this moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// All.
    All(Instant),
    /// None any more.
    None(Instant),
}

/// An established session. Ends with its value.
#[derive(Debug)]
pub struct Session {
    /// One descriptor for both: there may be many peers.
    stream: Arc<TcpStream>,
    /// Whole messages are written under it.
    writing: Arc<Mutex<()>>,
    events: Receiver<Result<Reached>>,
    reader: Option<JoinHandle<()>>,
}

impl Session {
    /// Dials `subject` from the network namespace of process `pid` until a session is established.
    /// Reports when `routes` prefixes are there and when none is there any more.
    ///
    /// # Errors
    /// It is not established in time; with what happened last.
    pub fn establish(pid: i32, me: Identity, subject: Ipv4Addr, routes: u32) -> Result<Self> {
        Self::establish_among(pid, me, subject, routes, routes)
    }

    /// The same where `plan` prefixes may come, of which all `routes` are enough.
    ///
    /// # Errors
    /// As [`Session::establish`].
    pub fn establish_among(
        pid: i32,
        me: Identity,
        subject: Ipv4Addr,
        plan: u32,
        routes: u32,
    ) -> Result<Self> {
        let (stream, early) = connect(pid, me, subject)?;
        let stream = Arc::new(stream);
        stream.set_read_timeout(Some(KEEPALIVE))?;
        let writing = Arc::new(Mutex::new(()));
        let (sender, events) = channel();
        let reading = Reading {
            stream: Arc::clone(&stream),
            writing: Arc::clone(&writing),
            counter: Counter::new(plan),
            routes,
            sender,
        };
        let reader = std::thread::Builder::new()
            .name("bench-peer".to_owned())
            .spawn(move || reading.run(&early))?;
        Ok(Self {
            stream,
            writing,
            events,
            reader: Some(reader),
        })
    }

    /// Writes whole messages; the moment before the first byte.
    ///
    /// # Errors
    /// The subject has closed the session.
    pub fn write(&self, messages: &[u8]) -> Result<Instant> {
        let _whole = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let start = Instant::now();
        (&*self.stream)
            .write_all(messages)
            .context("writing to the subject")?;
        Ok(start)
    }

    /// What was reached next.
    ///
    /// # Errors
    /// Nothing was within `deadline`, or the session is over.
    pub fn next(&self, deadline: Duration) -> Result<Reached> {
        match self.events.recv_timeout(deadline) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => bail!("not all prefixes within {deadline:?}"),
            Err(RecvTimeoutError::Disconnected) => bail!("the session is over"),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Ends the reader; nothing can be done if the peer has been faster.
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// Dials `subject` from the network namespace of process `pid` until a session is established: the
/// stream, and what was read beyond the handshake.
///
/// # Errors
/// It is not established in time; with what happened last.
pub fn connect(pid: i32, me: Identity, subject: Ipv4Addr) -> Result<(TcpStream, Vec<u8>)> {
    let remote = SocketAddr::from((subject, BGP_PORT));
    wait_until(ESTABLISHED, &format!("a session with {remote}"), || {
        handshake(pid, me, remote)
    })
}

/// Connects and exchanges OPEN and KEEPALIVE; the stream, and what was read beyond them.
fn handshake(pid: i32, me: Identity, remote: SocketAddr) -> Result<(TcpStream, Vec<u8>)> {
    let dial = || {
        // Several peers may be in one node.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((me.address, 0)).into())?;
        socket.connect_timeout(&remote.into(), HANDSHAKE)?;
        Ok(TcpStream::from(socket))
    };
    let mut stream = netns::within(pid, dial).with_context(|| format!("connecting to {remote}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(HANDSHAKE))?;
    stream.write_all(&wire::open(me.asn, me.address, me.family))?;
    let mut bytes = Vec::new();
    for wanted in [wire::kind::OPEN, wire::kind::KEEPALIVE] {
        let (kind, rest) = read_message(&mut stream, bytes)?;
        if kind != wanted {
            bail!("message type {kind} instead of {wanted}");
        }
        if wanted == wire::kind::OPEN {
            stream.write_all(&wire::keepalive())?;
        }
        bytes = rest;
    }
    Ok((stream, bytes))
}

fn read_message(stream: &mut TcpStream, mut bytes: Vec<u8>) -> Result<(u8, Vec<u8>)> {
    let mut chunk = [0; 4096];
    loop {
        if let Some((kind, body, rest)) = message(&bytes)? {
            if kind == wire::kind::NOTIFICATION {
                bail!("NOTIFICATION {body:?}");
            }
            return Ok((kind, rest.to_vec()));
        }
        match stream.read(&mut chunk).context("waiting for a message")? {
            0 => bail!("the subject has closed the connection"),
            read => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}

struct Reading {
    stream: Arc<TcpStream>,
    writing: Arc<Mutex<()>>,
    counter: Counter,
    routes: u32,
    sender: Sender<Result<Reached>>,
}

impl Reading {
    /// Until the session ends. That nobody listens any more is the session's end as well.
    fn run(mut self, early: &[u8]) {
        let ended = self.counter.push(early).and_then(|()| self.read());
        if let Err(error) = ended {
            let _ = self.sender.send(Err(error));
        }
    }

    fn read(&mut self) -> Result<()> {
        let mut chunk = vec![0; CHUNK];
        let mut spoken = Instant::now();
        loop {
            let read = match (&*self.stream).read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if is_timeout(&error) => 0,
                Err(error) => return Err(error.into()),
            };
            let at = Instant::now();
            self.count(chunk.get(..read).unwrap_or_default(), at)?;
            if at - spoken >= KEEPALIVE {
                let _whole = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
                (&*self.stream).write_all(&wire::keepalive())?;
                spoken = at;
            }
        }
    }

    fn count(&mut self, bytes: &[u8], at: Instant) -> Result<()> {
        let before = self.counter.count();
        self.counter.push(bytes)?;
        let now = self.counter.count();
        if now != before && now == self.routes {
            self.sender.send(Ok(Reached::All(at)))?;
        }
        if now != before && now == 0 {
            self.sender.send(Ok(Reached::None(at)))?;
        }
        Ok(())
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
