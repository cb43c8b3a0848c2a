//! `felix-lite` against the real kernel, in namespaces of its own.
//!
//! Every test has its own network, mount and process namespaces (`unshare`), with an own `/run` and
//! `/proc`; the machine's own rules, routes and settings are never looked at or touched. They need
//! root, and fail without it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod apply;
mod clean;
mod control;
mod dataplane;
mod drift;
mod ipv6;
mod nexthops;
mod node;
mod refused;
