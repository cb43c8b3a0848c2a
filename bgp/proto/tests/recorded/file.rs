//! The file of a recording: lines, each with what it is in its first character.

use std::path::Path;

use rcni_bgp_proto::Open;
use rcni_bgp_proto::message::{self, Message};
use rcni_bgp_proto::validate::SessionOptions;
use rcni_bgp_proto::wire::{Frame, Framer, MAX_EXTENDED_MESSAGE_LEN};

/// What happened, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// `+`: a connection from the speaker to the router.
    Connection,
    /// `>`: a message to the router.
    Sent(Vec<u8>),
    /// `<`: a message from it.
    Received(Vec<u8>),
    /// `!`: the connection ends.
    Closed,
    /// `=`: what was done.
    Note(String),
}

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    /// Its name without `.hex`.
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
}

impl Recording {
    pub(crate) fn read(path: &Path) -> Self {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).unwrap();
        let steps = text.lines().filter_map(step).collect();
        Self { name, steps }
    }

    /// Every recording, by name.
    pub(crate) fn all() -> Vec<Self> {
        let mut all: Vec<Self> = files("hex").iter().map(|path| Self::read(path)).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        assert!(!all.is_empty());
        all
    }

    /// The OPENs of the first connection: to the router, and from it.
    pub(crate) fn opens(&self) -> (Open, Open) {
        let sent = self.steps.iter().find_map(|step| match step {
            Step::Sent(message) => Some(open(message)),
            _ => None,
        });
        let received = self.steps.iter().find_map(|step| match step {
            Step::Received(message) => Some(open(message)),
            _ => None,
        });
        (sent.unwrap(), received.unwrap())
    }

    /// All messages from the router.
    pub(crate) fn received(&self) -> impl Iterator<Item = &[u8]> {
        self.steps.iter().filter_map(|step| match step {
            Step::Received(message) => Some(message.as_slice()),
            _ => None,
        })
    }
}

/// All files of this folder with that extension.
pub(crate) fn files(extension: &str) -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded");
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect()
}

fn step(line: &str) -> Option<Step> {
    let (kind, rest) = line.split_at(line.len().min(1));
    Some(match kind {
        "+" => Step::Connection,
        ">" => Step::Sent(hex(rest)),
        "<" => Step::Received(hex(rest)),
        "!" => Step::Closed,
        "=" => Step::Note(rest.trim().to_owned()),
        "#" | "" => return None,
        _ => panic!("what is {line:?}"),
    })
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    let text = text.trim();
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// Header checked, body as it is.
pub(crate) fn frame(octets: &[u8]) -> Frame {
    let mut framer = Framer::new();
    framer.push(octets);
    let frame = framer.next_frame(MAX_EXTENDED_MESSAGE_LEN).unwrap();
    assert_eq!(framer.pending(), 0);
    frame.expect("a whole message")
}

fn open(octets: &[u8]) -> Open {
    match message::decode(frame(octets), &SessionOptions::default()) {
        Ok(Message::Open(open)) => open,
        other => panic!("no OPEN: {other:?}"),
    }
}
