//! One module per entry point, each with a `run` that takes any octets and panics where an
//! invariant is broken. The fuzzer calls it with what it makes up (`fuzz_targets/`), and
//! `tests/corpus` calls it with every seed, on the stable toolchain.

pub mod bfd;
pub mod discovery;
pub mod framer;
pub mod nlri;
pub mod notification;
pub mod open;
pub mod speaker;
pub mod update;
