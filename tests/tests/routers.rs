//! Each router of the default suite as the ToR of a node; newer ones are in `routers_long.rs`.

mod common;
mod tor;

tor::tests_of!(bookworm, Suite::Bookworm);
