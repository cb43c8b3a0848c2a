//! The real program against the real kernel, in network namespaces of these tests' own. Needs root.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed expectation in a helper fails the test, and the seed is printed"
)]

mod attach;
mod crowd;
mod delegate;
mod support;
