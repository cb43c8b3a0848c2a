//! Each router of the default suite as the ToR of a node; newer ones are in `routers_long.rs`.

mod common;
mod tor;

tor::suites::tests_of!(bookworm, Suite::Bookworm);

/// Where the router has static routes for what we learn.
mod statics {
    use crate::tor::beside::statics::{Neighbour, static_routes_for_ours};
    use anyhow::Result;

    #[test]
    fn frr_with_static_routes_for_ours() -> Result<()> {
        static_routes_for_ours(Neighbour::Frr)
    }

    #[test]
    fn bird_with_static_routes_for_ours() -> Result<()> {
        static_routes_for_ours(Neighbour::Bird)
    }

    #[test]
    fn bird_that_learns_with_static_routes_for_ours() -> Result<()> {
        static_routes_for_ours(Neighbour::BirdLearn)
    }
}
