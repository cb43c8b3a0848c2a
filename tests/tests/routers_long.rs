//! The tests of `routers.rs` with newer routers: FRR 10, BIRD 3, GoBGP and OpenBGPD of Debian's
//! trixie and sid.
//!
//! This target is not part of a plain test run, which would need two more trees: `make test-long`
//! builds them and runs it by its name. Without the trees it fails.

mod common;
mod tor;
mod unnumbered_fabric;
mod watched;

tor::suites::tests_of!(trixie, Suite::Trixie);
tor::suites::tests_of!(sid, Suite::Sid);

/// `containerlab/unnumbered` with newer routers.
mod unnumbered {
    use anyhow::Result;

    use crate::unnumbered_fabric as fabric;

    #[test]
    fn frr_of_trixie() -> Result<()> {
        fabric::everything("10.3.0")
    }

    #[test]
    fn frr_of_sid() -> Result<()> {
        fabric::everything("10.7.1")
    }

    #[test]
    fn bird_of_trixie() -> Result<()> {
        fabric::bird("3.1.7")
    }

    #[test]
    fn bird_of_sid() -> Result<()> {
        fabric::bird("3.4.0")
    }
}

/// The tests of `bfd.rs` that are about the other end.
mod bfd {
    use anyhow::Result;

    use crate::watched::{bird, frr};

    macro_rules! watched {
        ($name:ident, $what:path, $version:literal) => {
            #[test]
            fn $name() -> Result<()> {
                $what($version)
            }
        };
    }

    watched!(
        silence_with_frr_of_trixie,
        frr::both_come_up_and_silence_ends_the_session_within_the_detection_time,
        "10.3.0"
    );
    watched!(
        times_with_frr_of_trixie,
        frr::the_slower_side_counts_and_times_change_while_it_is_up,
        "10.3.0"
    );
    watched!(
        switched_off_with_frr_of_trixie,
        frr::bfd_comes_and_goes_and_the_session_stays,
        "10.3.0"
    );
    watched!(
        upgrade_with_frr_of_trixie,
        frr::no_packet_is_lost_in_an_upgrade,
        "10.3.0"
    );
    watched!(
        silence_with_frr_of_sid,
        frr::both_come_up_and_silence_ends_the_session_within_the_detection_time,
        "10.7.1"
    );
    watched!(
        times_with_frr_of_sid,
        frr::the_slower_side_counts_and_times_change_while_it_is_up,
        "10.7.1"
    );
    watched!(
        switched_off_with_frr_of_sid,
        frr::bfd_comes_and_goes_and_the_session_stays,
        "10.7.1"
    );
    watched!(
        upgrade_with_frr_of_sid,
        frr::no_packet_is_lost_in_an_upgrade,
        "10.7.1"
    );
    watched!(silence_with_bird_of_trixie, bird::bird_on_the_link, "3.1.7");
    watched!(
        multihop_with_bird_of_trixie,
        bird::bird_as_an_internal_peer,
        "3.1.7"
    );
    watched!(
        restarts_with_bird_of_trixie,
        bird::bird_keeps_routes_in_an_upgrade_and_after_a_crash,
        "3.1.7"
    );
    watched!(silence_with_bird_of_sid, bird::bird_on_the_link, "3.4.0");
    watched!(
        multihop_with_bird_of_sid,
        bird::bird_as_an_internal_peer,
        "3.4.0"
    );
    watched!(
        restarts_with_bird_of_sid,
        bird::bird_keeps_routes_in_an_upgrade_and_after_a_crash,
        "3.4.0"
    );
}
