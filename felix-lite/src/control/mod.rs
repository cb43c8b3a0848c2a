//! What the agent tells of itself on its control socket: HTTP with JSON, by `rcni-control`.
//!
//! ```text
//! agent --each pass--> told <-- server <--GET /v1/status, /metrics, /readyz-- felix-lite status, Prometheus
//! ```
//!
//! The agent waits for nobody: it leaves what is true in [`told`], and who asks reads that.

pub mod explain;
pub mod metrics;
pub mod model;
pub mod render;
pub mod server;
pub mod told;

use rcni_control::Program;

/// This daemon.
pub const PROGRAM: Program = Program {
    name: "felix-lite",
    start: "felix-lite run --config FILE",
};
