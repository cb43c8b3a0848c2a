//! The peer that says what a test tells it, and what it hears in return.

use std::net::TcpStream;

use super::bytes::{KEEPALIVE, NOTIFICATION, OPEN, Open, UPDATE, keepalive, text};
use super::decode;
use super::session::{Heard, Session, show};

/// A peer that says what it is told.
pub struct Puppet {
    session: Session,
}

impl std::ops::Deref for Puppet {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Puppet {
    /// A connection with nothing said yet.
    pub fn new(stream: TcpStream) -> Self {
        Self {
            session: Session::new(stream, false),
        }
    }

    /// Makes a session of a connection.
    pub fn opens(&self, open: &Open) {
        self.send(&open.bytes());
        self.hears(OPEN);
        self.hears(KEEPALIVE);
        self.send(&keepalive());
    }

    /// Waits for a message of this type; its body.
    pub fn hears(&self, kind: u8) -> Vec<u8> {
        self.wait(&format!("a message of type {kind}"), |heard| {
            heard
                .iter()
                .find_map(|message| message.body(kind))
                .map(<[u8]>::to_vec)
        })
    }

    /// How many UPDATEs have come that announce IPv4 prefixes.
    pub fn announcements(&self) -> usize {
        announcements(&self.heard())
    }

    /// Waits for so many of them.
    pub fn is_told_routes(&self, count: usize) {
        self.wait(&format!("{count} announcements"), |heard| {
            (announcements(heard) >= count).then_some(())
        });
    }

    /// Waits until the connection is closed in order after this NOTIFICATION, `a/b=data`.
    pub fn is_told(&self, expected: &str) {
        let heard = self.until_end();
        let words: Vec<String> = heard
            .iter()
            .filter_map(|message| message.body(NOTIFICATION))
            .map(notification)
            .collect();
        let expected = expected.replace(' ', "");
        assert_eq!(words, [expected.as_str()], "{}", show(&heard));
        let [.., last, end] = &heard[..] else {
            panic!("{}", show(&heard));
        };
        assert!(last.body(NOTIFICATION).is_some(), "{}", show(&heard));
        assert_eq!(*end, Heard::Eof, "the last words may be lost");
    }

    /// Waits until the connection is closed without a word.
    pub fn is_left(&self) {
        let heard = self.until_end();
        let words = heard.iter().find_map(|message| message.body(NOTIFICATION));
        assert_eq!(words, None, "a NOTIFICATION was answered: {}", show(&heard));
        assert_eq!(heard.last(), Some(&Heard::Eof));
    }
}

fn announcements(heard: &[Heard]) -> usize {
    let updates = heard.iter().filter_map(|message| message.body(UPDATE));
    updates
        .filter(|body| !decode::update(body).announced.is_empty())
        .count()
}

/// As the requirement writes it.
fn notification(body: &[u8]) -> String {
    let (code, subcode, data) = (body[0], body[1], text(&body[2..]));
    let equals = if data.is_empty() { "" } else { "=" };
    format!("{code}/{subcode}{equals}{data}")
}
