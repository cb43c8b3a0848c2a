//! `containerlab/as-per-rack`: what a rack's nodes must not take for a loop.

use anyhow::Result;

use super::{Racks, echo_is_unused, node, override_as, wait_fabric};
use crate::common::family::{BOTH, Family, first_packet};
use crate::common::paths::wait_as_paths;
use crate::common::{in_lab, wait_no_route};

/// FRR names itself for IPv6 in a session over IPv4.
fn keeps(family: Family, _rack: u8) -> bool {
    family == Family::V4
}

#[test]
fn one_as_for_a_rack() -> Result<()> {
    in_lab("as-per-rack", |lab| {
        let racks = Racks::new(lab)?;
        wait_fabric(lab, keeps)?;
        racks.all_reach_all()?;
        for &family in BOTH {
            let across = "65100 65102 65202";
            wait_as_paths(lab.node("leaf1")?, &family.block(21), &[across])?;
            wait_as_paths(lab.node("leaf1")?, &family.block(12), &["65201"])?;
        }
        racks.without_the_spine(keeps)?;
        racks.learn_anew(keeps)?;
        // The ToR's fix and the node's: either way the own block comes back.
        echo_is_unused(lab, 11, "65101 65101")?;
        echo_is_unused(lab, 21, "65102 65202")?;

        // Without the ToR's fix the rack's blocks are loops, and only those.
        let leaf = lab.node("leaf1")?;
        override_as(leaf, false)?;
        for &family in BOTH {
            wait_no_route(node(lab, 11)?, &family.block(12))?;
            first_packet(&racks.pods[0], &family.ip(&racks.pods[2])?.to_string())?;
        }
        override_as(leaf, true)?;
        wait_fabric(lab, keeps)?;
        racks.own_blocks_are_untouched()
    })
}
