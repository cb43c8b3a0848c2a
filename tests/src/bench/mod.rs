//! `make bench`: rcni beside the programs that others use for the same, in one run on one machine.
//!
//! ```text
//! subjects (labs) + peer (scripted) --+
//! netlink (the kernel's own floor) ---+--> fib, memory --+
//! cni (plugins), throughput (pods) ----------------------+--> table --> terminal, README
//! machine (what all of it ran on) -----------------------+
//! ```
//!
//! Repetitions of all subjects are interleaved, so that whatever else happens on the machine
//! happens to all of them; what to look at is the ratios.

pub mod cli;
pub mod cni;
pub mod failover;
pub mod fib;
pub mod machine;
pub mod measure;
pub mod memory;
pub mod netlink;
pub mod netns;
pub mod overload;
pub mod peer;
pub mod readme;
pub mod scale;
pub mod stats;
pub mod subjects;
pub mod table;
pub mod throughput;

use std::time::Duration;

/// For whatever should happen soon.
const DEADLINE: Duration = Duration::from_secs(30);
