//! Every seed of the fuzz target, on the stable toolchain: what the fuzzer has once found stays
//! found.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    reason = "test helpers: to stop is the right thing"
)]

#[path = "../fuzz/src/configuration.rs"]
mod configuration;

use std::path::Path;

#[test]
fn configuration_seeds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/configuration");
    let mut seeds = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        configuration::run(&std::fs::read(&path).unwrap());
        seeds += 1;
    }
    assert!(seeds >= 10, "{} has {seeds} seeds", folder.display());
}
