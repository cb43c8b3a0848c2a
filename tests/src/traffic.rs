//! A TCP server and client for pods: what matters is which address arrives.
//!
//! ```text
//! fetch: GET <bytes>\n  ->  serve
//! fetch: <address that serve saw>\n, then that many bytes  <-  serve
//! ```

pub mod stream;
mod talk;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
pub use talk::talk;

const CHUNK: usize = 128 * 1024;
const DEADLINE: Duration = Duration::from_secs(30);
const CONNECTIONS: usize = 64;
/// Longest request line, in bytes.
const LINE_MAX: u64 = 64;

/// What a transfer showed, from the client's side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    /// Where the client believed to come from.
    pub local: SocketAddr,
    /// Where the server saw it come from.
    pub seen: SocketAddr,
    /// Bytes received after the greeting.
    pub bytes: u64,
    /// Time from the request to the last byte, in seconds.
    pub seconds: f64,
}

/// Serves until the process is ended.
///
/// # Errors
/// The address cannot be listened on.
pub fn serve(listen: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(listen).with_context(|| format!("listening on {listen}"))?;
    let open = std::sync::Arc::new(());
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        // Bounded: what is too much is closed, which the client sees at once.
        if std::sync::Arc::strong_count(&open) > CONNECTIONS {
            continue;
        }
        let ticket = std::sync::Arc::clone(&open);
        std::thread::spawn(move || {
            // A client that goes away in the middle is its own affair.
            let _ = answer(stream);
            drop(ticket);
        });
    }
    Ok(())
}

fn answer(mut stream: TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    let peer = stream.peer_addr()?;
    let mut line = String::new();
    BufReader::new(Read::by_ref(&mut stream).take(LINE_MAX)).read_line(&mut line)?;
    if line == "TALK\n" {
        stream.write_all(format!("{}\n", canonical(peer)).as_bytes())?;
        return talk::echo(&mut stream);
    }
    let Some(Ok(mut left)) = line.trim().strip_prefix("GET ").map(str::parse::<u64>) else {
        bail!("not a request");
    };
    stream.write_all(format!("{}\n", canonical(peer)).as_bytes())?;
    let chunk = vec![0x5a_u8; CHUNK];
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        stream.write_all(&chunk[..count])?;
        left -= count as u64;
    }
    Ok(())
}

/// An IPv4 peer of a dual-stack listener is an IPv4 peer.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Asks `server` for `bytes` bytes, from `source` if given.
///
/// # Errors
/// No connection, or less arrived than was asked for.
pub fn fetch(server: SocketAddr, bytes: u64, deadline: Duration) -> Result<Transfer> {
    let stream = TcpStream::connect_timeout(&server, deadline)
        .with_context(|| format!("connecting to {server}"))?;
    stream.set_read_timeout(Some(deadline))?;
    stream.set_write_timeout(Some(deadline))?;
    let local = stream.local_addr()?;
    let start = Instant::now();
    (&stream).write_all(format!("GET {bytes}\n").as_bytes())?;
    let mut reader = BufReader::with_capacity(CHUNK, stream);
    let mut line = String::new();
    reader.by_ref().take(LINE_MAX).read_line(&mut line)?;
    let seen = line
        .trim()
        .parse()
        .with_context(|| format!("{server} answered {line:?}"))?;
    let received = std::io::copy(&mut reader, &mut std::io::sink())?;
    if received != bytes {
        bail!("{received} of {bytes} bytes came from {server}");
    }
    Ok(Transfer {
        local,
        seen,
        bytes,
        seconds: start.elapsed().as_secs_f64(),
    })
}

impl Transfer {
    /// Whether the server saw the address that the client has.
    #[must_use]
    pub fn is_untranslated(&self) -> bool {
        self.seen == self.local
    }

    /// Address that arrived.
    #[must_use]
    pub fn seen_ip(&self) -> IpAddr {
        self.seen.ip()
    }

    /// Rate in Mbit/s.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
    pub fn megabits(&self) -> f64 {
        self.bytes as f64 * 8.0 / 1e6 / self.seconds.max(1e-9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_arrive_and_the_address_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || answer(listener.accept().unwrap().0));
        let transfer = fetch(address, 1_000_001, Duration::from_secs(10)).unwrap();
        assert_eq!(transfer.bytes, 1_000_001);
        assert!(transfer.is_untranslated());
    }

    #[test]
    fn a_server_that_says_something_else_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || listener.accept().unwrap().0.write_all(b"hello\n"));
        let error = fetch(address, 1, Duration::from_secs(10)).unwrap_err();
        assert!(format!("{error:#}").contains("hello"), "{error:#}");
    }
}
