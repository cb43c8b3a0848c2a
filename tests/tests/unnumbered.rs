//! `containerlab/unnumbered`: a fabric without an address on any of its links.

mod common;
mod unnumbered_fabric;

use anyhow::Result;
use unnumbered_fabric as fabric;

#[test]
fn pods_talk_over_links_without_addresses() -> Result<()> {
    fabric::everything("v8.4.0")
}

#[test]
fn a_link_flaps_and_a_daemon_restarts() -> Result<()> {
    fabric::flaps_and_restarts("v8.4.0")
}

#[test]
fn bird_with_the_neighbours_address_written() -> Result<()> {
    fabric::bird("2.0.12")
}

#[test]
fn bfd_watches_neighbours_that_were_found() -> Result<()> {
    fabric::bfd::silence("v8.4.0")
}
