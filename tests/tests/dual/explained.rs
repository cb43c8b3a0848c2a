//! `rcni-bgp explain`: the way of a packet, in words.

use anyhow::{Result, ensure};
use rcni_tests::{Node, wait_until};

use super::common::two_nodes::{node, pods};
use super::common::{DEADLINE, in_lab};
use super::{BOTH, link, stable, wait_fabric};

/// What it says, after its exit code.
fn explain(node: &Node, address: &str) -> Result<String> {
    node.shell(&format!(
        "rcni-bgp explain {address} > /tmp/said 2>&1; echo exit $?; cat /tmp/said"
    ))
}

fn says(node: &Node, address: &str, code: u8, parts: &[&str]) -> Result<()> {
    let said = explain(node, address)?;
    ensure!(
        said.starts_with(&format!("exit {code}\n")),
        "{address}: {said}"
    );
    for part in parts {
        ensure!(
            said.contains(part),
            "{address}: {part:?} is not in:\n{said}"
        );
    }
    Ok(())
}

#[test]
fn an_address_is_explained_from_its_pod_to_its_path() -> Result<()> {
    in_lab("dual-tor", |lab| {
        let (alice, bob) = pods(lab)?;
        wait_fabric(lab, BOTH)?;
        let one = node(lab, 1)?;
        for &family in BOTH {
            let (alice, bob) = (family.ip(&alice)?.to_string(), family.ip(&bob)?.to_string());
            let gateways = [1, 2].map(|tor| link(family, tor, 1, 0));
            // On the other node: by both ToRs, and what BGP and the rules say of it.
            let ways = [
                &*format!("{} on eth1, {} on eth2", gateways[0], gateways[1]),
                "rcni-bgp's)",
                "from tor-a",
                "from tor-b",
                "sees the pod's own address",
                "last changes",
            ];
            says(
                one,
                &bob,
                0,
                &ways[..if family.pick(true, false) { 6 } else { 4 }],
            )?;
            says(
                one,
                &alice,
                0,
                &["on this node, behind rcni", "a range of this node's pods"],
            )?;
            says(one, &stable(family, 1), 0, &["is an address of this node"])?;
            // Nobody has it.
            let free = family.pick("10.244.1.200", "fd00:10:244:1::200");
            says(
                one,
                free,
                1,
                &["belongs to this node's pods, and no pod has it"],
            )?;
        }
        // One uplink is left: nothing is wrong with what is used.
        lab.node("tor-a")?.shell("ip link set eth2 down")?;
        let address = BOTH[0].ip(&bob)?.to_string();
        let other = link(BOTH[0], 2, 1, 0);
        wait_until(DEADLINE, "one way", || {
            says(
                one,
                &address,
                0,
                &[&format!("leave by {other} on eth2: nothing wrong")],
            )
        })?;
        // Nothing comes back from it: the neighbour fails, long before the hold time.
        one.shell("ip neigh del 10.2.1.0 dev eth2; nft 'table arp cut { chain in { type filter hook input priority 0; drop; }; }'")?;
        one.shell("ping -c 1 -W 1 10.2.1.0 || :")?;
        wait_until(DEADLINE, "a failed neighbour", || {
            says(
                one,
                &address,
                1,
                &["leads nowhere: 10.2.1.0 does not answer on eth2"],
            )
        })?;
        one.shell("nft delete table arp cut")?;
        // Without the daemon half of it is still said.
        let daemon = one.daemon("rcni-bgp")?;
        daemon.id.kill()?;
        says(
            one,
            &address,
            2,
            &["rcni-bgp cannot be asked", "proto rcni"],
        )
    })
}
