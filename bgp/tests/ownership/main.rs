//! What is ours beside what is others': the real daemon between two routers, and everything that
//! people, DHCP clients and network managers do to a node's routes, links and addresses.
//!
//! ```text
//!  router a --- eth1 \
//!                     node (rcni-bgp) --- eth9: where a user's own routes lead
//!  router b --- eth2 /
//! ```
//!
//! Router a announces one prefix alone and one together with b, in both families, so that there are
//! routes with one next hop and with two. Whatever happens, all of them are back in the end, and what
//! others have is as it was, to the letter.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, also in its helpers"
)]

#[path = "../common/mod.rs"]
mod common;

mod defaults;
mod flushes;
mod kernel;
mod lab;
mod links;
mod metrics;
mod statics;
