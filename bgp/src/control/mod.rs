//! The unix socket through which a running daemon answers: HTTP with JSON.
//!
//! ```text
//!  rcni-bgp status -> client --GET /v1/status--> server -> core (sessions)
//!                       |                               -> fib task (kernel routes)
//!                       v                                      |
//!                     render (table or JSON) <---- model <-----+
//! ```
//!
//! `rcni-bgp metrics` asks `/v1/metrics`, which only the fib task answers for now.
//! `rcni-bgp peer …` posts an order (`orders`) to `/v1/peer` on the same way.
//!
//! Whoever may open the socket (mode 0600: root) may ask and order.

pub mod asker;
pub mod client;
pub mod drain;
pub mod metrics;
pub mod model;
pub mod orders;
pub mod render;
pub mod routes;
pub mod server;
pub mod socket;
