//! One end of a TCP connection with the daemon: what was heard is kept, in order.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use super::bytes::{KEEPALIVE, keepalive, text};
use crate::common::SOON;

/// What came from the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A message: type and body.
    Message(u8, Vec<u8>),
    /// The connection was closed in order.
    Eof,
    /// The connection broke: a reset, or half a message.
    Broken(String),
}

impl Heard {
    pub fn is_end(&self) -> bool {
        !matches!(self, Self::Message(..))
    }

    /// The body of a message of this type.
    pub fn body(&self, kind: u8) -> Option<&[u8]> {
        match self {
            Self::Message(other, body) if *other == kind => Some(body),
            _ => None,
        }
    }
}

#[derive(Default)]
struct Inbox {
    heard: Mutex<Vec<Heard>>,
    news: Condvar,
}

impl Inbox {
    fn push(&self, heard: Heard) {
        self.heard.lock().unwrap().push(heard);
        self.news.notify_all();
    }
}

/// A connection; shut down when it is dropped.
pub struct Session {
    stream: TcpStream,
    inbox: Arc<Inbox>,
}

impl Session {
    /// `answering`: each KEEPALIVE is answered with one.
    pub fn new(stream: TcpStream, answering: bool) -> Self {
        stream.set_nodelay(true).unwrap();
        let inbox = Arc::new(Inbox::default());
        let (into, from) = (inbox.clone(), stream.try_clone().unwrap());
        std::thread::spawn(move || into.push(read(&from, &into, answering)));
        Self { stream, inbox }
    }

    pub fn send(&self, bytes: &[u8]) {
        (&self.stream).write_all(bytes).unwrap();
    }

    /// Closes the own side in order.
    pub fn close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Ends the connection with a reset.
    pub fn reset(&self) {
        // What close() with a linger time of zero does, while the reader has the socket, too.
        rustix::net::connect_unspec(&self.stream).unwrap();
    }

    /// Waits until what was heard gives an answer.
    pub fn wait<T>(&self, what: &str, mut ask: impl FnMut(&[Heard]) -> Option<T>) -> T {
        let deadline = Instant::now() + SOON;
        let mut heard = self.inbox.heard.lock().unwrap();
        loop {
            if let Some(answer) = ask(&heard) {
                return answer;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let over = heard.last().is_some_and(Heard::is_end);
            assert!(
                !left.is_zero() && !over,
                "waited in vain: {what}\nheard: {}",
                show(&heard)
            );
            heard = self.inbox.news.wait_timeout(heard, left).unwrap().0;
        }
    }

    /// What was heard so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.inbox.heard.lock().unwrap().clone()
    }

    /// All that was heard until the end.
    pub fn until_end(&self) -> Vec<Heard> {
        self.wait("the end of the connection", |heard| {
            heard.last()?.is_end().then(|| heard.to_vec())
        })
    }

    /// The connection must be up still.
    pub fn assert_up(&self, whose: &str) {
        let heard = self.heard();
        let over = heard.last().is_some_and(Heard::is_end);
        let complaint = heard.iter().any(|heard| heard.body(3).is_some());
        assert!(!over && !complaint, "{whose}: {}", show(&heard));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Reads until the end, and says how it ended.
fn read(mut stream: &TcpStream, inbox: &Inbox, answering: bool) -> Heard {
    loop {
        let mut header = [0; 19];
        match stream.read(&mut header[..1]) {
            Ok(0) => return Heard::Eof,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Heard::Broken(error.to_string()),
        }
        if let Err(error) = stream.read_exact(&mut header[1..]) {
            return Heard::Broken(format!("half a header: {error}"));
        }
        let length = u16::from_be_bytes([header[16], header[17]]);
        if header[..16] != [0xff; 16] || length < 19 {
            return Heard::Broken(format!("not a header: {}", text(&header)));
        }
        let mut body = vec![0; usize::from(length) - 19];
        if let Err(error) = stream.read_exact(&mut body) {
            return Heard::Broken(format!("half a message: {error}"));
        }
        if answering && header[18] == KEEPALIVE {
            let _ = stream.write_all(&keepalive());
        }
        inbox.push(Heard::Message(header[18], body));
    }
}

/// For the message of a test that fails.
pub fn show(heard: &[Heard]) -> String {
    let line = |heard: &Heard| match heard {
        Heard::Message(kind, body) => format!("{kind}: {}", text(body)),
        other => format!("{other:?}"),
    };
    heard.iter().map(line).collect::<Vec<_>>().join("\n")
}
