//! The address on `lo`: who knows the node by it, and what its pods have open, outlives either uplink.

use super::*;
use crate::common::flow::Talk;

/// So many connections that each uplink has some of them (2^-7 that not).
const TALKS: u32 = 8;

/// Waits until node1 uses, and is reached by, one ToR only.
fn wait_only(lab: &Lab, tor: u8) -> Result<()> {
    for &family in BOTH {
        let gateway = link(family, tor, 1, 0);
        for prefix in [
            &family.block(2),
            family.default(),
            &stable_prefix(family, 2),
        ] {
            wait_next_hops(node(lab, 1)?, prefix, &[&gateway])?;
        }
        for prefix in [family.block(1), stable_prefix(family, 1)] {
            wait_next_hops(lab.node("core")?, &prefix, &[&at_core(family, tor)])?;
        }
    }
    Ok(())
}

#[test]
fn connections_and_the_nodes_address_outlive_either_uplink() -> Result<()> {
    in_lab("dual-tor", |lab| {
        let (alice, _) = pods(lab)?;
        wait_fabric(lab, BOTH)?;
        let internet = lab.node("internet")?;
        let server = serve_on(internet, Family::V4.internet())?;
        let talks = (0..TALKS).map(|number| Talk::start(&alice, &format!("talk{number}"), server));
        let talks = talks.collect::<Result<Vec<_>>>()?;
        let known_by: IpAddr = stable(Family::V4, 1).parse()?;
        for talk in &talks {
            assert_eq!(talk.seen()?, known_by);
        }
        let flows = BOTH.iter().map(|&family| {
            Flow::from_node(internet, family.internet(), stable(family, 1).parse()?)
        });
        let flows = flows.collect::<Result<Vec<_>>>()?;
        let all_go_on = || -> Result<()> {
            talks.iter().try_for_each(Talk::goes_on)?;
            flows.iter().try_for_each(Flow::goes_on)
        };
        // The far end of the cable, then the near one, of each.
        for (name, tor) in TORS {
            let near = format!("eth{tor}");
            for (at, dev) in [(lab.node(name)?, "eth2"), (node(lab, 1)?, near.as_str())] {
                let set = |state: &str| at.check(&["ip", "link", "set", "dev", dev, state]);
                set("down")?;
                wait_only(lab, 3 - tor)?;
                all_go_on()?;
                set("up")?;
                if at.name() == "node1" {
                    // The kernel takes IPv6 addresses away with a link that is switched off.
                    let address = format!("{}/127", link(Family::V6, tor, 1, 1));
                    at.check(&["ip", "address", "replace", &address, "dev", dev, "nodad"])?;
                }
                wait_fabric(lab, BOTH)?;
                all_go_on()?;
            }
        }
        // None of them was a new one.
        for talk in &talks {
            assert_eq!(talk.seen()?, known_by);
        }
        for flow in flows {
            flow.finish()?;
        }
        Ok(())
    })
}

/// Without `nodeAddresses` a connection has the address of the link that it began on.
#[test]
fn an_address_that_goes_is_withdrawn_and_pods_still_reach_the_outside() -> Result<()> {
    in_lab("dual-tor", |lab| {
        let (alice, _) = pods(lab)?;
        wait_fabric(lab, BOTH)?;
        let server = serve_on(lab.node("internet")?, Family::V4.internet())?;
        let one = node(lab, 1)?;
        let own = stable_prefix(Family::V4, 1);
        one.check(&["ip", "address", "del", &own, "dev", "lo"])?;
        wait_next_hops(lab.node("core")?, &own, &[])?;
        let uplinks: Vec<IpAddr> = TORS
            .map(|(_, tor)| link(Family::V4, tor, 1, 1).parse())
            .into_iter()
            .collect::<Result<_, _>>()?;
        // felix-lite looks every 30 s unless something else changes.
        wait_until(DEADLINE, "the address of an uplink", || -> Result<()> {
            let seen = fetch_in(&alice, server, 0)?.seen_ip();
            ensure!(uplinks.contains(&seen), "{seen}");
            Ok(())
        })?;
        one.check(&["ip", "address", "add", &own, "dev", "lo"])?;
        wait_fabric(lab, BOTH)?;
        let known_by: IpAddr = stable(Family::V4, 1).parse()?;
        wait_until(DEADLINE, "the node's address", || -> Result<()> {
            let seen = fetch_in(&alice, server, 0)?.seen_ip();
            ensure!(seen == known_by, "{seen}");
            Ok(())
        })
    })
}
