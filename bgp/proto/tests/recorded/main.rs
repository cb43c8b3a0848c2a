//! Sessions of real routers, recorded by `rcni-lab record` (`*.hex`), played to a speaker.
//!
//! What became of each is in `*.expected`, which a person has read beside the router's
//! configuration in `tests/topologies/recorded`. A recording without one fails, and so does one
//! without a recording.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test helpers: to stop is the right thing"
)]

mod file;
mod messages;
mod replay;
mod show;

use file::{Recording, files};
use replay::{Pieces, play};

#[test]
fn every_recording_is_played_as_expected() {
    let mut wrong = Vec::new();
    for recording in Recording::all() {
        let got = play(&recording, Pieces::Messages);
        let path = files("hex");
        let path = path
            .iter()
            .find(|path| path.file_stem().unwrap() == recording.name.as_str());
        let path = path.unwrap().with_extension("expected");
        match std::fs::read_to_string(&path) {
            Ok(expected) if expected == got => {}
            Ok(expected) => wrong.push(format!(
                "{}: expected\n{expected}\nbut it was\n{got}",
                recording.name
            )),
            Err(error) => wrong.push(format!(
                "{}: {error}; if this is right, write it there:\n{got}",
                path.display()
            )),
        }
        if std::env::var_os("RCNI_WRITE_EXPECTED").is_some() {
            std::fs::write(&path, got).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_expectation_has_a_recording() {
    let names = |extension| {
        let all = files(extension).into_iter();
        let mut all: Vec<_> = all.map(|path| path.with_extension("")).collect();
        all.sort();
        all
    };
    assert_eq!(names("hex"), names("expected"));
}

/// Of each router there are these, of some version.
#[test]
fn no_recording_is_missing() {
    let all = Recording::all();
    for router in ["frr", "bird", "gobgp", "openbgpd"] {
        for scenario in ["session", "two-octet", "add-path", "restart"] {
            let found = all.iter().any(|recording| {
                recording.name.starts_with(router) && recording.name.ends_with(scenario)
            });
            assert!(found, "{router}: no {scenario}");
        }
    }
}

#[test]
fn pieces_make_no_difference() {
    for recording in Recording::all() {
        let expected = play(&recording, Pieces::Messages);
        for pieces in [Pieces::Whole, Pieces::Octets] {
            assert_eq!(
                play(&recording, pieces),
                expected,
                "{} {pieces:?}",
                recording.name
            );
        }
        for seed in 0..8 {
            let got = play(&recording, Pieces::Random(seed));
            assert_eq!(got, expected, "{} seed {seed}", recording.name);
        }
    }
}
