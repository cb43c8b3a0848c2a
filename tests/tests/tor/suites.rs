//! What every Debian suite's routers are tried with.

/// All tests of a suite, in a module of its name.
macro_rules! tests_of {
    ($name:ident, $suite:expr) => {
        mod $name {
            use crate::tor::beside::{Neighbour, leave_each_other_alone};
            use crate::tor::{
                Kind, Router, Suite, cases, drain, features, limits, long_lived, policies,
                reflection, reload, third_party,
            };
            use anyhow::Result;

            const fn router(kind: Kind) -> Router {
                let suite = $suite;
                Router { kind, suite }
            }

            #[test]
            fn frr_talks() -> Result<()> {
                cases::talks(router(Kind::Frr))
            }

            #[test]
            fn frr_comes_back() -> Result<()> {
                cases::comes_back(router(Kind::Frr))
            }

            #[test]
            fn bird_talks() -> Result<()> {
                cases::talks(router(Kind::Bird))
            }

            #[test]
            fn bird_comes_back() -> Result<()> {
                cases::comes_back(router(Kind::Bird))
            }

            #[test]
            fn gobgp_talks() -> Result<()> {
                cases::talks(router(Kind::Gobgp))
            }

            #[test]
            fn gobgp_comes_back() -> Result<()> {
                cases::comes_back(router(Kind::Gobgp))
            }

            #[test]
            fn openbgpd_talks() -> Result<()> {
                cases::talks(router(Kind::Openbgpd))
            }

            #[test]
            fn openbgpd_comes_back() -> Result<()> {
                cases::comes_back(router(Kind::Openbgpd))
            }

            #[test]
            fn four_routers_and_what_sessions_can() -> Result<()> {
                features::four_routers($suite)
            }

            #[test]
            fn four_routers_and_what_rules_make_of_routes() -> Result<()> {
                policies::between_four_routers($suite)
            }

            #[test]
            fn four_routers_and_limits_of_prefixes() -> Result<()> {
                limits::four_actions($suite)
            }

            #[test]
            fn four_routers_and_another_configuration() -> Result<()> {
                reload::of_the_node($suite)
            }

            #[test]
            fn three_routers_and_routes_that_are_kept_for_long() -> Result<()> {
                long_lived::both_sides($suite)
            }

            #[test]
            fn three_routers_and_a_node_that_is_drained() -> Result<()> {
                drain::and_back($suite)
            }

            #[test]
            fn four_routers_are_clients_of_a_reflector() -> Result<()> {
                reflection::four_clients($suite)
            }

            #[test]
            fn nodes_are_clients_of_two_reflectors() -> Result<()> {
                reflection::clients_of_two($suite)
            }

            #[test]
            fn three_routers_on_one_network_have_each_others_next_hops() -> Result<()> {
                third_party::next_hops_of_others($suite)
            }

            #[test]
            fn frr_on_the_same_node() -> Result<()> {
                leave_each_other_alone(Neighbour::Frr, $suite)
            }

            #[test]
            fn bird_on_the_same_node() -> Result<()> {
                leave_each_other_alone(Neighbour::Bird, $suite)
            }

            #[test]
            fn bird_that_learns_on_the_same_node() -> Result<()> {
                leave_each_other_alone(Neighbour::BirdLearn, $suite)
            }
        }
    };
}
pub(crate) use tests_of;
