//! `containerlab/tor-reflector`: iBGP to a ToR that reflects.

use anyhow::{Result, ensure};

use super::{NODES, Racks, node, wait_fabric};
use crate::common::family::{BOTH, Family};
use crate::common::in_lab;
use crate::common::paths::{hops, wait_as_paths};
use rcni_tests::status::Status;

/// Leaf 1 (FRR) leaves the next hops of what it reflects, leaf 2 (BIRD) does not.
fn keeps(_family: Family, rack: u8) -> bool {
    rack == 1
}

#[test]
fn the_tor_reflects() -> Result<()> {
    in_lab("tor-reflector", |lab| {
        let racks = Racks::new(lab)?;
        wait_fabric(lab, keeps)?;
        racks.all_reach_all()?;
        for &family in BOTH {
            for (number, rack) in NODES {
                // Of the rack there is one AS, the ToR's.
                let block = family.block(number);
                let at_spine = format!("6510{rack}");
                wait_as_paths(lab.node("spine")?, &block, &[&at_spine])?;
                let at_leaf = match rack {
                    1 => "Local".to_owned(),
                    _ => format!("65100 {at_spine}"),
                };
                wait_as_paths(lab.node("leaf1")?, &block, &[&at_leaf])?;
            }
            // Directly in rack 1, through the leaf in rack 2.
            let [one, two, three, four] = &racks.pods[..] else {
                anyhow::bail!("{} pods", racks.pods.len());
            };
            ensure!(hops(one, family.ip(two)?)?.len() == 2, "not directly");
            ensure!(hops(three, family.ip(four)?)?.len() == 3, "not by the leaf");
        }
        racks.without_the_spine(keeps)?;
        // iBGP: the session's AS is the own one, and there are no others' routes on it.
        let peer = Status::of(node(lab, 21)?)?.peer("leaf")?.clone();
        ensure!(peer.asn == 65102, "{peer:?}");
        ensure!(peer.prefixes.advertised == 2, "{peer:?}");
        racks.learn_anew(keeps)?;
        racks.own_blocks_are_untouched()
    })
}
