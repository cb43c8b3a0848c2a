//! One connection that goes on for as long as it can: what becomes of it while the network changes.
//!
//! ```text
//! talk: TALK\n, then a number a line, every EVERY  ->  serve
//! talk: <address that serve saw>\n, then each line as it came  <-  serve
//! ```

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::LINE_MAX;

/// From one line to the next.
const EVERY: Duration = Duration::from_millis(20);
/// Whoever hears nothing for so long gives up. TCP itself would wait longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Says every line again until the client goes.
pub(super) fn echo(stream: &mut TcpStream) -> Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::new();
        if lines.by_ref().take(LINE_MAX).read_line(&mut line)? == 0 {
            return Ok(());
        }
        stream.write_all(line.as_bytes())?;
    }
}

/// Talks to a `serve` until the connection ends; `told` gets the address that the server saw, then
/// every answered number.
///
/// # Errors
/// The connection broke, or nothing came for 30 s.
pub fn talk(server: SocketAddr, mut told: impl FnMut(&str)) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)
        .with_context(|| format!("connecting to {server}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut answers = BufReader::new(stream.try_clone()?);
    stream.write_all(b"TALK\n")?;
    let mut line = String::new();
    answers.by_ref().take(LINE_MAX).read_line(&mut line)?;
    told(line.trim());
    for number in 1_u64.. {
        let said = format!("{number}\n");
        stream.write_all(said.as_bytes())?;
        line.clear();
        answers.by_ref().take(LINE_MAX).read_line(&mut line)?;
        ensure!(line == said, "{server} answered {line:?} to {number}");
        told(said.trim());
        std::thread::sleep(EVERY);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn it_goes_on_until_the_connection_breaks() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let other = stream.try_clone().unwrap();
            std::thread::spawn(move || super::super::answer(stream));
            std::thread::sleep(Duration::from_millis(200));
            other.shutdown(std::net::Shutdown::Both).unwrap();
        });
        let mut heard = Vec::new();
        let error = talk(address, |line| heard.push(line.to_owned())).unwrap_err();
        server.join().unwrap();
        assert!(heard[0].starts_with("127.0.0.1:"), "{heard:?}");
        assert_eq!(heard[1..3], ["1", "2"]);
        assert!(!format!("{error:#}").is_empty());
    }
}
