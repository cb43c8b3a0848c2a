//! Every row of malformed and edge-case messages, over a real socket, with an observer session
//! that shows what was passed on. README.md beside this file has the table of rows and tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails, also in its helpers"
)]
#![allow(unreachable_pub, reason = "modules of one test")]

#[path = "../common/mod.rs"]
mod common;

mod attributes;
mod beyond;
mod bytes;
mod decode;
mod endings;
mod expect;
mod header;
mod lab;
mod limits;
mod lists;
mod multiprotocol;
mod negotiated;
mod observer;
mod offers;
mod open;
mod published;
mod puppet;
mod session;
mod setup;
mod states;
mod streams;

/// Each letter of the rows, and how many there are.
const ROWS: [(char, u32); 7] = [
    ('H', 10),
    ('O', 16),
    ('F', 5),
    ('U', 60),
    ('N', 2),
    ('R', 2),
    ('X', 6),
];

/// The names of this program's tests, without their modules; `ignored` ones only, or all.
fn tests(ignored: bool) -> Vec<String> {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.arg("--list");
    if ignored {
        command.arg("--ignored");
    }
    let output = command.output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
    names
        .filter_map(|name| name.rsplit("::").next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_row_has_a_test_and_stands_in_the_readme() {
    let all = tests(false);
    assert!(all.len() > 100, "{all:?}");
    assert_eq!(tests(true), [""; 0], "rows that do not run");
    let readme = include_str!("README.md");
    for (letter, count) in ROWS {
        for id in (1..=count).map(|number| format!("{letter}{number:02}")) {
            let prefix = format!("{}_", id.to_lowercase());
            let own = all.iter().filter(|name| name.starts_with(&prefix));
            assert!(own.count() > 0, "{id} has no test");
            let start = format!("| {id} | ");
            let line = readme.lines().find(|line| line.starts_with(&start));
            let line = line.unwrap_or_else(|| panic!("README.md has no line for {id}"));
            let named: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
            assert!(!named.is_empty(), "{line}");
            for name in named {
                assert!(
                    name.starts_with(&prefix) && all.iter().any(|other| other == name),
                    "README.md says {id} is tested by {name}"
                );
            }
        }
    }
}
