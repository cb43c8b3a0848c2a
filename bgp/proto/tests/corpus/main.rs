//! Every seed of every fuzz target, on the stable toolchain: what the fuzzer has once found stays
//! found.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::pedantic,
    clippy::print_stdout,
    unreachable_pub,
    reason = "test helpers: to stop is the right thing; written as a library for the fuzzer"
)]

#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

use std::path::Path;

/// At least so many seeds have been there; a corpus that is not found is no corpus that is fine.
fn each_seed(target: &str, at_least: usize, run: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut seeds = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        run(&std::fs::read(&path).unwrap());
        seeds += 1;
    }
    assert!(seeds >= at_least, "{} has {seeds} seeds", folder.display());
}

#[test]
fn bfd() {
    each_seed("bfd", 7, fuzz::bfd::run);
}

/// Small packets and few states: even octets out of nowhere come far.
#[test]
fn bfd_of_random_octets() {
    use rand::{Rng, SeedableRng};
    for seed in 0..5_000 {
        let mut rng = rand::rngs::SmallRng::seed_from_u64(seed);
        let length = rng.random_range(0..600);
        let octets: Vec<u8> = (0..length).map(|_| rng.random()).collect();
        println!("seed {seed}");
        fuzz::bfd::run(&octets);
    }
}

#[test]
fn framer() {
    each_seed("framer", 6, fuzz::framer::run);
}

#[test]
fn open() {
    each_seed("open", 7, fuzz::open::run);
}

#[test]
fn update() {
    each_seed("update", 13, fuzz::update::run);
}

#[test]
fn discovery() {
    each_seed("discovery", 5, fuzz::discovery::run);
}

#[test]
fn nlri() {
    each_seed("nlri", 4, fuzz::nlri::run);
}

#[test]
fn notification() {
    each_seed("notification", 5, fuzz::notification::run);
}

#[test]
fn speaker() {
    each_seed("speaker", 10, fuzz::speaker::run);
}
