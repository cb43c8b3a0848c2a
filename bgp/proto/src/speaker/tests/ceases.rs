//! Cease in all its kinds, from the peer and to it, and what a peer may write into one.

use super::solo::{PEER, Solo, raw};
use crate::fsm::{LastError, State};
use crate::speaker::{Input, Order, PeerId};

fn last_error(solo: &Solo) -> LastError {
    let status = solo.speaker.status(solo.now);
    status.peers[0].last_error.clone().unwrap()
}

/// What is made of a NOTIFICATION with this body.
fn received(body: &[u8]) -> LastError {
    let mut solo = Solo::new();
    let conn = solo.establish(PEER, 65002);
    solo.send(conn, &raw(3, body));
    assert_eq!(solo.closed, [conn]);
    assert!(solo.hear(conn).is_empty(), "it is not answered");
    let counters = solo.speaker.status(solo.now).peers[0].kind.counters;
    assert_eq!(counters.received.notifications[6], 1);
    last_error(&solo)
}

#[test]
fn every_subcode_has_its_name_and_its_class() {
    let all = [
        (0, "notification-received", "Cease (6/0)"),
        (1, "max-prefixes", "Maximum Number of Prefixes Reached"),
        (2, "admin-shutdown", "Administrative Shutdown"),
        (3, "deconfigured", "Peer De-configured"),
        (4, "admin-reset", "Administrative Reset"),
        (5, "rejected", "Connection Rejected"),
        (6, "config-change", "Other Configuration Change"),
        (7, "collision", "Connection Collision Resolution"),
        (8, "out-of-resources", "Out of Resources"),
        (9, "hard-reset", "Hard Reset"),
        (10, "bfd-down", "BFD Down"),
        (11, "notification-received", "Cease (6/11)"),
    ];
    for (subcode, class, name) in all {
        let error = received(&[6, subcode]);
        assert_eq!(error.class.as_str(), class, "{error}");
        assert!(error.text.contains(name), "{error}");
        assert!(error.text.contains(&format!("(6/{subcode})")), "{error}");
    }
    let error = received(b"\x06\x09\x06\x02\x03bye");
    assert!(
        error
            .text
            .contains("(6/9) for Cease/Administrative Shutdown (6/2): \"bye\""),
        "{error}"
    );
    // One inside of the other has no end.
    assert!(received(&[6, 9, 6, 9, 6, 9]).text.ends_with("(6/9)"));
}

#[test]
fn nothing_that_a_peer_writes_moves_a_cursor_or_begins_a_line() {
    let texts: [&[u8]; 7] = [
        b"two\nlines\r\n2026-01-01 WARN all is well",
        b"\x1b[2J\x1b[31mred\x07\x08\x7f",
        "\u{202e}drawkcab\u{2066}\u{200f}".as_bytes(),
        "\u{9b}31m\u{85}\u{2028}\u{2029}\u{feff}\u{200b}".as_bytes(),
        b"\xff\xfe\xc3\x28\xe2\x82",
        &[0; 200],
        &[0xff; 200],
    ];
    for text in texts {
        for subcode in [2, 4] {
            let mut body = vec![6, subcode, u8::try_from(text.len()).unwrap()];
            body.extend_from_slice(text);
            let shown = received(&body).text;
            let harmless = |c: char| c == ' ' || c.is_alphanumeric() || c.is_ascii_graphic();
            assert!(shown.chars().all(harmless), "{shown:?}");
            assert!(shown.len() < 2500, "{}", shown.len());
        }
    }
    let error = received(b"\x06\x02\x05ok \xff\xfe");
    assert!(error.text.ends_with("\"ok \\xff\\xfe\""), "{error}");
    // A length that is not true (CVE-2019-16159): no text, and no harm.
    for length in [0, 9, 255] {
        let mut body = vec![6, 2, length];
        body.extend_from_slice(b"8 octets");
        let text = received(&body).text;
        assert!(text.ends_with("(6/2)"), "{text}");
    }
}

#[test]
fn orders_say_what_was_written_and_end_where_255_octets_end() {
    let long = "ö".repeat(200);
    for (text, octets) in [("", 0), ("back at 5", 9), (&long[..], 254)] {
        for (order, subcode) in [
            (Order::Shutdown(text.to_owned()), 2),
            (Order::Reset(text.to_owned()), 4),
        ] {
            let mut solo = Solo::new();
            let conn = solo.establish(PEER, 65002);
            let peer = PeerId(0);
            solo.input(Input::Order { peer, order });
            let (code, sub, data) = solo.notification(conn);
            assert_eq!((code, sub), (6, subcode));
            let want: Vec<u8> = match octets {
                0 => vec![],
                octets => [&[octets], &text.as_bytes()[..usize::from(octets)]].concat(),
            };
            assert_eq!(data, want);
            let down = subcode == 2;
            let status = solo.speaker.status(solo.now).peers.remove(0);
            assert_eq!(status.kind.held_down, down);
            let again = solo.accept(PEER);
            if down {
                assert_eq!(status.state, State::Idle);
                assert_eq!(solo.closed.last(), Some(&again));
                assert!(solo.hear(again).is_empty());
                let order = Order::Start;
                solo.input(Input::Order { peer, order });
            } else {
                solo.input(Input::Closed {
                    conn: again,
                    cause: crate::speaker::CloseCause::Eof,
                });
            }
            solo.establish(PEER, 65002);
            let status = solo.speaker.status(solo.now).peers.remove(0);
            assert_eq!(status.state, State::Established);
        }
    }
}

#[test]
fn an_order_without_a_session_is_an_order_all_the_same() {
    let mut solo = Solo::new();
    let peer = PeerId(0);
    let order = Order::Shutdown("gone fishing".to_owned());
    solo.input(Input::Order { peer, order });
    assert_eq!(last_error(&solo).text, "shut down by command");
    // Nobody has such a number.
    let peer = PeerId(77);
    let order = Order::Reset(String::new());
    solo.input(Input::Order { peer, order });
}
