//! The unix socket through which a running daemon answers: HTTP with JSON.
//!
//! ```text
//!  rcni-bgp status -> client --GET /v1/status--> server -> core (sessions)
//!                       |                               -> fib task (kernel routes)
//!                       v                                      |
//!                     render (table or JSON) <---- model <-----+
//! ```
//!
//! Read-only. Whoever may open the socket (mode 0600: root) may ask.

pub mod client;
pub mod model;
pub mod render;
pub mod server;
