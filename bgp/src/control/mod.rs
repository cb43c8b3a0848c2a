//! The unix socket through which a running daemon answers: HTTP with JSON.
//!
//! ```text
//!  rcni-bgp status -> client --GET /v1/status--> server -> core (sessions)
//!                       |                               -> fib task (kernel routes)
//!                       v                                      |
//!                     render (table or JSON) <---- model <-----+
//! ```
//!
//! `rcni-bgp metrics` asks `/metrics`, `rcni-bgp events` `/v1/events`; `rcni-bgp peer …` posts an order
//! (`orders`) to `/v1/peer`, `rcni-bgp log` a level to `/v1/log`. The transport is `rcni-control`.
//!
//! Whoever may open the socket (mode 0600: root; 0660 with `--socket-group`) may ask and order.

use rcni_control::Program;

/// This daemon.
pub const PROGRAM: Program = Program {
    name: "rcni-bgp",
    start: "rcni-bgp run --config FILE",
};

pub mod asker;
pub mod client;
pub mod drain;
pub mod metrics;
pub mod model;
pub mod orders;
pub mod ready;
pub mod render;
pub mod routes;
pub mod server;
