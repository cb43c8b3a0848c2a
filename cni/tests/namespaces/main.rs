//! The real program against the real kernel, in network namespaces of these tests' own. Needs root.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation in a helper fails the test"
)]

mod attach;
mod chain;
mod check;
mod churn;
mod crowd;
mod delegate;
mod dual;
mod first_packet;
mod limits;
mod support;
mod versions;
