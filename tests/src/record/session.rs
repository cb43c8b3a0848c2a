//! A session of a scripted speaker; every message of both directions is noted, in the order in
//! which this end saw them.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, socket};

use super::wire::{self, kind};
use crate::bench::netns;
use crate::wait_until;

/// For each thing that is waited for.
const DEADLINE: Duration = Duration::from_secs(30);
/// A router that says nothing for so long has nothing to say.
/// BIRD thinks for three seconds before its first route.
const QUIET: Duration = Duration::from_secs(4);
/// Between KEEPALIVEs; no scenario lasts as long as the hold time.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// What was said, as lines of the file.
#[derive(Clone, Debug, Default)]
pub struct Recording(Arc<Mutex<Noted>>);

#[derive(Debug)]
struct Noted {
    lines: Vec<String>,
    heard: Instant,
    /// Types of what was read since the last wait.
    kinds: Vec<u8>,
    over: bool,
}

impl Default for Noted {
    fn default() -> Self {
        Self {
            lines: Vec::new(),
            heard: Instant::now(),
            kinds: Vec::new(),
            over: false,
        }
    }
}

impl Recording {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line that says what happens.
    pub fn note(&self, line: String) {
        self.noted().lines.push(line);
    }

    /// All lines.
    #[must_use]
    pub fn text(&self) -> String {
        self.noted().lines.join("\n") + "\n"
    }
}

/// Who dials, and from where.
#[derive(Clone, Copy, Debug)]
pub struct Dial {
    /// A process in the network namespace.
    pub pid: i32,
    /// Own address.
    pub local: IpAddr,
    /// The router's.
    pub remote: IpAddr,
}

/// A session that is Established, until it is dropped.
#[derive(Debug)]
pub struct Session {
    stream: TcpStream,
    recording: Recording,
    reader: Option<JoinHandle<()>>,
}

impl Session {
    /// Dials and exchanges OPEN and KEEPALIVE.
    ///
    /// # Errors
    /// The router does not want to.
    pub fn establish(dial: Dial, open: &[u8], recording: &Recording) -> Result<Self> {
        let stream = wait_until(DEADLINE, "a connection", || connected(dial))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_millis(200)))?;
        recording.note(format!("+ connection from {}", dial.local));
        {
            let mut noted = recording.noted();
            noted.kinds.clear();
            noted.over = false;
        }
        let reading = (stream.try_clone()?, recording.clone());
        let mut session = Self {
            stream,
            recording: recording.clone(),
            reader: None,
        };
        session.send(open)?;
        let reader = std::thread::Builder::new().name("recorder".to_owned());
        session.reader = Some(reader.spawn(move || read(reading.0, &reading.1))?);
        session.wait_for(kind::OPEN)?;
        session.send(&wire::message(kind::KEEPALIVE, "")?)?;
        session.wait_for(kind::KEEPALIVE)?;
        Ok(session)
    }

    /// Writes a message.
    ///
    /// # Errors
    /// The session is over.
    pub fn send(&mut self, message: &[u8]) -> Result<()> {
        let mut noted = self.recording.noted();
        noted.lines.push(format!("> {}", wire::text(message)));
        drop(noted);
        self.stream.write_all(message).context("writing")
    }

    /// Until the router has said something of that type.
    ///
    /// # Errors
    /// It does not in time.
    pub fn wait_for(&self, kind: u8) -> Result<()> {
        wait_until(DEADLINE, &format!("a message of type {kind}"), || {
            let noted = self.recording.noted();
            ensure!(noted.kinds.contains(&kind), "{:?}", noted.lines);
            Ok(())
        })
    }

    /// Until the router has said all.
    pub fn wait_quiet(&self) {
        self.recording.noted().heard = Instant::now();
        loop {
            let since = self.recording.noted().heard.elapsed();
            if since >= QUIET {
                return;
            }
            std::thread::sleep(QUIET - since);
        }
    }

    /// Until the router has closed the connection.
    ///
    /// # Errors
    /// It does not in time.
    pub fn wait_closed(&self) -> Result<()> {
        wait_until(DEADLINE, "the end of the connection", || {
            ensure!(self.recording.noted().over, "open");
            Ok(())
        })
    }

    /// Closes the connection.
    pub fn close(mut self) {
        self.end();
        self.recording.note("! closed by the speaker".to_owned());
    }

    fn end(&mut self) {
        // Nothing can be done if the router has been faster.
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

fn connected(dial: Dial) -> Result<TcpStream> {
    let (local, remote) = (
        SocketAddr::new(dial.local, 0),
        SocketAddr::new(dial.remote, 179),
    );
    let family = if local.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    netns::within(dial.pid, || {
        let made = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        let raw = std::os::fd::AsRawFd::as_raw_fd(&made);
        bind(raw, &SockaddrStorage::from(local))?;
        connect(raw, &SockaddrStorage::from(remote))?;
        Ok(TcpStream::from(made))
    })
}

fn read(mut stream: TcpStream, recording: &Recording) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 65536];
    let mut said = Instant::now();
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(chunk.get(..count).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
        while let Some(length) = wire::whole(&bytes) {
            let rest = bytes.split_off(length);
            let message = std::mem::replace(&mut bytes, rest);
            let mut noted = recording.noted();
            noted.lines.push(format!("< {}", wire::text(&message)));
            noted.heard = Instant::now();
            noted.kinds.extend(message.get(18));
        }
        if said.elapsed() > KEEPALIVE
            && let Ok(keepalive) = wire::message(kind::KEEPALIVE, "")
        {
            said = Instant::now();
            recording.note(format!("> {}", wire::text(&keepalive)));
            if stream.write_all(&keepalive).is_err() {
                break;
            }
        }
    }
    let mut noted = recording.noted();
    noted.over = true;
    if !bytes.is_empty() {
        noted.lines.push(format!("< {}", wire::text(&bytes)));
    }
}
