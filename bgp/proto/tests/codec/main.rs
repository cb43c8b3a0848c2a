//! The codec from outside: bytes in, reaction out, one test per row of the requirements' tables
//! of malformed messages (h, o, u, x), vectors in both directions, round trips.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "test helpers: to stop is the right thing"
)]

mod add_path;
mod as4;
mod capabilities;
mod header;
mod notification;
mod open;
mod pack;
mod roles;
mod roundtrip;
mod support;
mod update;
mod update_lists;
mod vectors;
