//! `containerlab/one-as`: every path between nodes has the nodes' AS twice.

use anyhow::Result;

use super::{NODES, Racks, echo_is_unused, node, override_as, wait_fabric};
use crate::common::family::{BOTH, Family};
use crate::common::paths::wait_as_paths;
use crate::common::{in_lab, wait_no_route};

/// FRR names itself for IPv6 in a session over IPv4.
fn keeps(family: Family, _rack: u8) -> bool {
    family == Family::V4
}

#[test]
fn one_as_for_all_nodes() -> Result<()> {
    in_lab("one-as", |lab| {
        let racks = Racks::new(lab)?;
        wait_fabric(lab, keeps)?;
        racks.all_reach_all()?;
        for &family in BOTH {
            for (number, rack) in NODES {
                let at_spine = format!("6510{rack} 65200");
                wait_as_paths(lab.node("spine")?, &family.block(number), &[&at_spine])?;
                let at_leaf = match rack {
                    1 => "65200".to_owned(),
                    _ => format!("65100 {at_spine}"),
                };
                wait_as_paths(lab.node("leaf1")?, &family.block(number), &[&at_leaf])?;
            }
        }
        racks.without_the_spine(keeps)?;
        racks.learn_anew(keeps)?;
        echo_is_unused(lab, 11, "65101 65200")?;
        echo_is_unused(lab, 21, "65102 65102")?;

        // A ToR as it is: nodes that do not take their own AS know nobody.
        let leaf = lab.node("leaf2")?;
        override_as(leaf, false)?;
        for &family in BOTH {
            for other in [11, 12, 22] {
                wait_no_route(node(lab, 21)?, &family.block(other))?;
            }
        }
        override_as(leaf, true)?;
        wait_fabric(lab, keeps)?;
        racks.own_blocks_are_untouched()
    })
}
