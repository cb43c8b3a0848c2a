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
pub mod record;
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

/// A topology of the repository: `two-node` is `two-node/topology.clab.yml`, and
/// `two-node/ipv6-only` is `two-node/ipv6-only.clab.yml`.
#[must_use]
pub fn containerlab(name: &str) -> PathBuf {
    let (folder, variant) = name.split_once('/').unwrap_or((name, "topology"));
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../containerlab")
        .join(folder)
        .join(format!("{variant}.clab.yml"))
}

/// Every topology of the repository, sorted.
///
/// # Errors
/// The folder cannot be read.
pub fn topologies() -> std::io::Result<Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../containerlab");
    let mut found = Vec::new();
    for folder in std::fs::read_dir(root)? {
        let folder = folder?.path();
        let files = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let files = files.map(|entry| entry.path());
        found.extend(files.filter(|file| file.to_string_lossy().ends_with(".clab.yml")));
    }
    found.sort();
    Ok(found)
}
