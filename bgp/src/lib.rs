//! The IO edge of the speaker.
pub mod fib;
pub mod jitter;
