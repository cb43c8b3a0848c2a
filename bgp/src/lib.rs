//! The rcni BGP speaker's edge: sockets, kernel routes, command line. All protocol is in
//! `rcni-bgp-proto`, which can do no IO; here nothing decides about a route.
//!
//! ```text
//! file --> rcni-config --> convert --+
//!                                    v
//! peers <--> transport <--> core (owns the Speaker) --> fib <--> kernel
//!                                    ^
//!            cli status --> control -+
//! ```
//!
//! [`tasks`] has the map of what runs beside what.

pub mod bfd;
pub mod clean;
pub mod cli;
pub mod control;
pub mod convert;
pub mod core;
pub mod daemon;
pub mod discovery;
pub mod drained;
pub mod explain;
pub mod fib;
pub mod log;
pub mod marker;
pub mod memory;
pub mod reload;
pub mod tasks;
pub mod transport;
pub mod watch;
