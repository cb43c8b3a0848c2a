//! `containerlab/as-per-node`: nothing is special but that the ToR takes whoever comes.

use anyhow::Result;

use super::{NODES, Racks, wait_fabric};
use crate::common::family::{BOTH, Family};
use crate::common::in_lab;
use crate::common::paths::wait_as_paths;

/// FRR names itself for IPv6 in a session over IPv4, BIRD does not.
fn keeps(family: Family, rack: u8) -> bool {
    family == Family::V4 || rack == 2
}

#[test]
fn an_as_for_each_node() -> Result<()> {
    in_lab("as-per-node", |lab| {
        let racks = Racks::new(lab)?;
        wait_fabric(lab, keeps)?;
        racks.all_reach_all()?;
        for &family in BOTH {
            for (number, rack) in NODES {
                let asn = format!("42000000{number}");
                let at_spine = format!("6510{rack} {asn}");
                wait_as_paths(lab.node("spine")?, &family.block(number), &[&at_spine])?;
                let at_leaf = match rack {
                    1 => asn,
                    _ => format!("65100 {at_spine}"),
                };
                wait_as_paths(lab.node("leaf1")?, &family.block(number), &[&at_leaf])?;
            }
        }
        racks.without_the_spine(keeps)?;
        racks.learn_anew(keeps)?;
        racks.own_blocks_are_untouched()
    })
}
