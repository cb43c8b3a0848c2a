//! Garbage on the BGP port: the right NOTIFICATION, and the speaker goes on.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use common::{DEADLINE, in_lab, wait_established, wait_established_within};
use nix::sched::{CloneFlags, setns};
use rcni_tests::Node;
use rcni_tests::status::{ESTABLISHED, Status};
use rcni_tests::wait_until;

/// node1 as the router reaches it: the only address that node1 has a session with is the router.
const NODE1: &str = "10.0.1.11:179";
/// Longer than a speaker may wait after errors in a row, twice.
const BACK_OFF: Duration = Duration::from_secs(180);
const MARKER: [u8; 16] = [0xff; 16];
const NOTIFICATION: u8 = 3;

/// What the other side answered until it closed.
fn talk(from: &Node, bytes: &[u8]) -> Result<Vec<u8>> {
    let namespace = std::fs::File::open(format!("/proc/{}/ns/net", from.init().pid))?;
    let bytes = bytes.to_vec();
    // A thread of its own, since it stays in the node's network for the rest of its life.
    let thread = std::thread::spawn(move || -> Result<Vec<u8>> {
        setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET)?;
        let target: SocketAddr = NODE1.parse()?;
        let mut stream = match TcpStream::connect_timeout(&target, DEADLINE) {
            Ok(stream) => stream,
            // Accepted and closed with a reset before this side looked: a close without an answer.
            // A port where nobody listens would refuse instead.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(Vec::new()),
            Err(error) => return Err(error).context("no connection"),
        };
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        // Who is refused may be so before all is written.
        let _ = stream.write_all(&bytes);
        let mut answer = Vec::new();
        // A reset after the NOTIFICATION is as good as a close; silence on an open connection is
        // neither.
        if let Err(error) = stream.read_to_end(&mut answer) {
            let open = [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind());
            ensure!(!open, "the connection was kept open: {error}");
        }
        let _ = stream.shutdown(Shutdown::Both);
        Ok(answer)
    });
    thread
        .join()
        .map_err(|_| anyhow::anyhow!("the talking thread panicked"))?
}

/// Code and subcode of the NOTIFICATIONs in a stream of messages (RFC 4271 §4.1, §4.5).
fn notifications(mut stream: &[u8]) -> Result<Vec<(u8, u8)>> {
    let mut found = Vec::new();
    while !stream.is_empty() {
        let header = stream.get(..19).context("half of a header")?;
        ensure!(
            header[..16] == MARKER,
            "an answer without a marker: {stream:02x?}"
        );
        let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
        let message = stream.get(..length).context("half of a message")?;
        if header[18] == NOTIFICATION {
            found.push((message[19], message[20]));
        }
        stream = &stream[length..];
    }
    Ok(found)
}

fn message(kind: u8, length: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = MARKER.to_vec();
    bytes.extend(length.to_be_bytes());
    bytes.push(kind);
    bytes.extend(body);
    bytes
}

/// An OPEN of AS 65000 (RFC 4271 §4.2) with the given version, AS, hold time and identifier.
fn open(version: u8, asn: u16, hold_time: u16, identifier: [u8; 4]) -> Vec<u8> {
    let mut body = vec![version];
    body.extend(asn.to_be_bytes());
    body.extend(hold_time.to_be_bytes());
    body.extend(identifier);
    body.push(0);
    message(1, 29, &body)
}

#[test]
fn each_kind_of_garbage_gets_its_notification() -> Result<()> {
    in_lab("two-node", |lab| {
        let (tor, node1) = (lab.node("tor")?, lab.node("node1")?);
        wait_established(node1, "tor")?;
        let pid = Status::of(node1)?.pid;
        // Only from the router's address does anybody listen: its own speaker has to go first.
        let killed = tor.kill("rcni-bgp")?;
        for (what, bytes, expected) in [
            (
                "no marker",
                b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
                (1, 1),
            ),
            ("too short", message(4, 18, &[]), (1, 2)),
            ("too long", message(1, 5000, &[]), (1, 2)),
            ("unknown type", message(9, 19, &[]), (1, 3)),
            ("version 3", open(3, 65000, 90, [10, 0, 1, 1]), (2, 1)),
            ("another AS", open(4, 64999, 90, [10, 0, 1, 1]), (2, 2)),
            ("identifier 0", open(4, 65000, 90, [0; 4]), (2, 3)),
            ("hold time 2", open(4, 65000, 2, [10, 0, 1, 1]), (2, 6)),
        ] {
            let answer = talk(tor, &bytes).with_context(|| what.to_owned())?;
            let found = notifications(&answer).with_context(|| format!("{what}: {answer:02x?}"))?;
            ensure!(
                found == [expected],
                "{what}: {found:?} instead of {expected:?}"
            );
        }
        // It goes on: the same process, and the session comes up again.
        // node1 waits longer after each error (up to a minute), then dials.
        tor.start_again(&killed)?;
        wait_established_within(BACK_OFF, node1, "tor")?;
        ensure!(Status::of(node1)?.pid == pid, "rcni-bgp was restarted");
        Ok(())
    })
}

#[test]
fn a_stranger_gets_nothing_and_disturbs_nobody() -> Result<()> {
    in_lab("two-node", |lab| {
        let node1 = lab.node("node1")?;
        wait_established(node1, "tor")?;
        // Old enough that one which was lost and made again would be younger.
        let before = wait_until(DEADLINE, "a session of three seconds", || {
            let since = Status::of(node1)?.peer("tor")?.since_seconds;
            ensure!(since >= 3.0, "{since} s");
            Ok(since)
        })?;
        // An address of the node itself is no configured peer.
        let answer = talk(node1, &[0xff; 4096])?;
        ensure!(answer.is_empty(), "a stranger was answered: {answer:02x?}");
        let status = Status::of(node1)?;
        let tor = status.peer("tor")?;
        ensure!(tor.state == ESTABLISHED, "{}", tor.describe());
        ensure!(
            tor.since_seconds >= before,
            "up for {} s after {before} s: it was lost meanwhile",
            tor.since_seconds
        );
        Ok(())
    })
}
