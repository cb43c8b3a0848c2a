//! The tests of `routers.rs` with newer routers: FRR 10, BIRD 3, GoBGP and OpenBGPD of Debian's
//! trixie and sid.
//!
//! This target is not part of a plain test run, which would need two more trees: `make test-long`
//! builds them and runs it by its name. Without the trees it fails.

mod common;
mod tor;

tor::tests_of!(trixie, Suite::Trixie);
tor::tests_of!(sid, Suite::Sid);
