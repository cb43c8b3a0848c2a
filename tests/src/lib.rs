//! The lab: networks of network namespaces from containerlab files, a small container runtime
//! for their pods, and the real routers to test against. See `tests/README.md`.

pub mod bench;
pub mod cli;
pub mod demo;
pub mod images;
pub mod interrupt;
pub mod lab;
pub mod node;
pub mod peers;
pub mod programs;
pub mod ready;
pub mod runtime;
pub mod status;
pub mod topology;
pub mod traffic;
pub mod wait;

pub use lab::node::Node;
pub use lab::process::Output;
pub use lab::{Lab, Options};
pub use runtime::Pod;
pub use wait::wait_until;

use std::path::{Path, PathBuf};

/// A topology folder of the repository.
#[must_use]
pub fn containerlab(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../containerlab")
        .join(folder)
        .join("topology.clab.yml")
}
