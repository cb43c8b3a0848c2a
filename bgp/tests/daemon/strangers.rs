//! Who does not speak BGP.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::common::{Daemon, Namespace, SOON, pair, wait};
use super::{config, config_a};

/// Talks to the daemon in `namespace` as 10.0.0.1 would: sends `bytes`, returns all that comes.
fn converse(namespace: &Namespace, bytes: &[u8]) -> Vec<u8> {
    let bytes = bytes.to_vec();
    namespace.run(move || async move {
        let mut stream = TcpStream::connect("10.0.0.2:179").unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream.write_all(&bytes).unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        heard
    })
}

/// Code and subcode of the NOTIFICATION that the messages end with.
fn notification(mut messages: &[u8]) -> Option<(u8, u8)> {
    while messages.len() >= 19 {
        let length = usize::from(u16::from_be_bytes([messages[16], messages[17]]));
        let (message, rest) = messages.split_at(length);
        if message[18] == 3 {
            assert!(rest.is_empty(), "something after the NOTIFICATION");
            return Some((message[19], message[20]));
        }
        messages = rest;
    }
    None
}

#[test]
fn garbage_gets_its_notification_and_the_daemon_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = pair();
    let passive = config(
        65002,
        "10.0.0.2",
        "",
        "peerIP: 10.0.0.1, asNumber: 65001, passive: true",
    );
    let daemon = Daemon::start(&b, folder.path(), "b", &passive);
    wait("it runs", || daemon.json());
    // Connection Not Synchronized, Bad Message Length, Bad Message Type, and an FSM error for a
    // KEEPALIVE before OPEN.
    assert_eq!(
        notification(&converse(&a, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")),
        Some((1, 1))
    );
    assert_eq!(notification(&converse(&a, &message(18, 1))), Some((1, 2)));
    assert_eq!(notification(&converse(&a, &message(19, 9))), Some((1, 3)));
    assert_eq!(
        notification(&converse(&a, &message(19, 4))).map(|(code, _)| code),
        Some(5)
    );

    // A stranger on the same node as the peer is reset at once.
    a.ip("address add 10.0.0.77/24 dev eth0");
    let heard = a.run(|| async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("10.0.0.77:0".parse().unwrap()).unwrap();
        // The reset may come before the handshake is looked at.
        let mut stream = match socket.connect("10.0.0.2:179".parse().unwrap()).await {
            Ok(stream) => stream,
            Err(error) => return (vec![], error.kind()),
        };
        let mut heard = Vec::new();
        let end = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut heard).await;
        (heard, end.unwrap_err().kind())
    });
    assert_eq!(heard, (vec![], std::io::ErrorKind::ConnectionReset));
    let listener = &daemon.json().unwrap()["listener"];
    assert_eq!(listener["refusedStrangers"], 1);
    assert_eq!(listener["accepted"], 4);
    let shown = String::from_utf8(daemon.status(&[]).stdout).unwrap();
    assert!(
        shown.contains("turned away: 1 from addresses that no peer has"),
        "{shown}"
    );

    // And the real peer gets its session.
    let _real = Daemon::start(&a, folder.path(), "a", &config_a());
    daemon.established();
}

/// A header of a message of this length and type.
fn message(length: u8, kind: u8) -> [u8; 19] {
    let mut bytes = [0xff; 19];
    bytes[16] = 0;
    bytes[17] = length;
    bytes[18] = kind;
    bytes
}
