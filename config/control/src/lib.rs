//! What a daemon of rcni says of itself, and how it is asked: the same for `rcni-bgp` and `felix-lite`.
//!
//! ```text
//!  command line -> client --HTTP over a unix socket--> server -> the daemon's own answers
//!
//!  what happens -> tracing -> log (text or JSON, its level changes while it runs) -> stderr
//!                          -> record -> events (a bounded ring) -> `GET /v1/events`
//! ```
//!
//! It knows neither BGP nor Kubernetes. What is said in answers is the daemons' affair.

pub mod cli;
pub mod client;
pub mod events;
pub mod exposition;
pub mod health;
pub mod jitter;
pub mod log;
pub mod record;
pub mod server;
pub mod socket;
pub mod text;

/// Which daemon it is, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// As it is called: `rcni-bgp`.
    pub name: &'static str,
    /// How it is started, in a sentence: `rcni-bgp run --config FILE`.
    pub start: &'static str,
}
