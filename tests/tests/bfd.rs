//! BFD with FRR's bfdd and with BIRD at the other end. Newer ones: `routers_long.rs`.

mod common;
mod watched;

use anyhow::Result;
use watched::{bird, frr};

const FRR: &str = "v8.4.0";
const BIRD: &str = "2.0.12";

#[test]
fn both_come_up_and_silence_ends_the_session_within_the_detection_time() -> Result<()> {
    frr::both_come_up_and_silence_ends_the_session_within_the_detection_time(FRR)
}

#[test]
fn the_slower_side_counts_and_times_change_while_it_is_up() -> Result<()> {
    frr::the_slower_side_counts_and_times_change_while_it_is_up(FRR)
}

#[test]
fn bfd_comes_and_goes_and_the_session_stays() -> Result<()> {
    frr::bfd_comes_and_goes_and_the_session_stays(FRR)
}

#[test]
fn no_packet_is_lost_in_an_upgrade() -> Result<()> {
    frr::no_packet_is_lost_in_an_upgrade(FRR)
}

#[test]
fn no_packet_is_lost_after_a_crash() -> Result<()> {
    frr::no_packet_is_lost_after_a_crash(FRR)
}

#[test]
fn bird_on_the_link() -> Result<()> {
    bird::bird_on_the_link(BIRD)
}

#[test]
fn bird_as_an_internal_peer() -> Result<()> {
    bird::bird_as_an_internal_peer(BIRD)
}

#[test]
fn bird_keeps_routes_in_an_upgrade_and_after_a_crash() -> Result<()> {
    bird::bird_keeps_routes_in_an_upgrade_and_after_a_crash(BIRD)
}
