//! A ToR, and a node, that is taken out of use and comes back: no packet is lost, in either direction.

use super::*;
use crate::common::{in_patched_lab, wait_frr_settled};

/// A ToR's lines of configuration.
fn configure(tor: &Node, lines: &[&str]) -> Result<()> {
    let mut argv = vec!["vtysh", "-c", "configure terminal"];
    lines.iter().for_each(|line| argv.extend(["-c", line]));
    tor.check(&argv).map(drop)
}

/// Waits until nobody uses tor-a: neither nodes nor the core.
fn wait_unused(lab: &Lab) -> Result<()> {
    for &family in BOTH {
        for number in NODES {
            let (gateway, other) = (link(family, 2, number, 0), 3 - number);
            for prefix in [
                &family.block(other),
                family.default(),
                &stable_prefix(family, other),
            ] {
                wait_next_hops(node(lab, number)?, prefix, &[&gateway])?;
            }
            for prefix in [family.block(number), stable_prefix(family, number)] {
                wait_next_hops(lab.node("core")?, &prefix, &[&at_core(family, 2)])?;
            }
        }
    }
    Ok(())
}

/// Waits until tor-a itself knows every way.
fn wait_complete(lab: &Lab) -> Result<()> {
    for &family in BOTH {
        for number in NODES {
            let via = link(family, 1, number, 1);
            for prefix in [family.block(number), stable_prefix(family, number)] {
                wait_next_hops(lab.node("tor-a")?, &prefix, &[&via])?;
            }
        }
        let core = family.pick("10.0.10.0", "fd00:10:f:10::");
        wait_next_hops(lab.node("tor-a")?, family.default(), &[core])?;
    }
    Ok(())
}

fn settled(lab: &Lab) -> Result<()> {
    ["core", "tor-a", "tor-b"]
        .iter()
        .try_for_each(|name| wait_frr_settled(lab.node(name)?))
}

fn none_is_lost(flows: Vec<Flow>) -> Result<()> {
    let mut lost = Vec::new();
    for flow in flows {
        let name = flow.name().to_owned();
        let (sent, received) = flow.finish()?;
        if sent != received {
            lost.push(format!("{name}: {sent} sent, {received} answered"));
        }
    }
    ensure!(lost.is_empty(), "{}", lost.join("\n"));
    Ok(())
}

#[test]
fn no_packet_is_lost_while_a_tor_is_drained_and_comes_back() -> Result<()> {
    in_lab("dual-tor", |lab| {
        let (alice, bob) = pods(lab)?;
        wait_fabric(lab, BOTH)?;
        settled(lab)?;
        let internet = lab.node("internet")?;
        let mut flows = Vec::new();
        for &family in BOTH {
            flows.push(Flow::start(&alice, family.ip(&bob)?)?);
            flows.push(Flow::start(&bob, family.ip(&alice)?)?);
            flows.push(Flow::start(&alice, family.internet().parse()?)?);
            for number in NODES {
                let to = stable(family, number).parse()?;
                flows.push(Flow::from_node(internet, family.internet(), to)?);
            }
        }
        let tor = lab.node("tor-a")?;
        let bgp = "router bgp 65001";
        // RFC 8326: others first take another way, then there is nothing left to lose.
        configure(tor, &[bgp, "bgp graceful-shutdown"])?;
        wait_unused(lab)?;
        configure(
            tor,
            &[bgp, "neighbor NODES shutdown", "neighbor CORE shutdown"],
        )?;
        for number in NODES {
            wait_until(DEADLINE, "the session is down", || -> Result<()> {
                let peer = Status::of(node(lab, number)?)?.peer("tor-a")?.clone();
                ensure!(peer.state != ESTABLISHED, "{}", peer.describe());
                Ok(())
            })?;
        }
        flows.iter().try_for_each(Flow::goes_on)?;
        // Back, and used when it knows the way itself.
        configure(
            tor,
            &[
                bgp,
                "no neighbor NODES shutdown",
                "no neighbor CORE shutdown",
            ],
        )?;
        wait_complete(lab)?;
        wait_unused(lab)?;
        configure(tor, &[bgp, "no bgp graceful-shutdown"])?;
        wait_fabric(lab, BOTH)?;
        none_is_lost(flows)
    })
}

/// A service address of both nodes.
fn service(family: Family) -> (&'static str, &'static str) {
    family.pick(
        ("10.244.100.0/24", "10.244.100.1"),
        ("fd00:10:244:100::/64", "fd00:10:244:100::1"),
    )
}

/// Waits until both ToRs send to the service on these nodes.
fn wait_served_by(lab: &Lab, nodes: &[u8]) -> Result<()> {
    for &family in BOTH {
        for (name, tor) in TORS {
            let via: Vec<String> = nodes.iter().map(|n| link(family, tor, *n, 1)).collect();
            let via: Vec<&str> = via.iter().map(String::as_str).collect();
            wait_next_hops(lab.node(name)?, service(family).0, &via)?;
        }
    }
    Ok(())
}

#[test]
fn no_packet_is_lost_while_a_node_is_drained_and_comes_back() -> Result<()> {
    let line = |family: &Family| format!("    - {{cidr: {}}}\n", service(*family).0);
    let networks: String = BOTH.iter().map(line).collect();
    let more = format!("  networks:\n{networks}");
    let patches = ["node1", "node2"].map(|name| format!("configs/{name}/bgp.yaml"));
    let patches = patches
        .each_ref()
        .map(|file| (file.as_str(), "  networks:\n", more.as_str()));
    in_patched_lab("dual-tor", &patches, |lab| {
        let internet = lab.node("internet")?;
        for &family in BOTH {
            for number in NODES {
                let address = format!("{}/{}", service(family).1, family.pick(32, 128));
                let flag = family.pick("", "nodad");
                node(lab, number)?.shell(&format!("ip address add {address} dev lo {flag}"))?;
            }
        }
        internet.shell("ip route add 10.244.100.0/24 via 203.0.113.1")?;
        wait_fabric(lab, BOTH)?;
        settled(lab)?;
        wait_served_by(lab, &NODES)?;
        let mut flows = Vec::new();
        for &family in BOTH {
            // Different sources take different ToRs and nodes.
            for host in 20..28 {
                let (source, length) = family.pick(
                    (format!("203.0.113.{host}"), 24),
                    (format!("2001:db8:cafe::{host}"), 64),
                );
                let flag = family.pick("", "nodad");
                internet.shell(&format!("ip address add {source}/{length} dev eth1 {flag}"))?;
                let to = service(family).1.parse()?;
                flows.push(Flow::from_node(internet, &source, to)?);
            }
        }
        let one = node(lab, 1)?;
        let said = one.check(&["rcni-bgp", "drain", "--wait", "3", "--message", "bye"])?;
        ensure!(said.contains("drained"), "{said}");
        wait_served_by(lab, &[2])?;
        flows.iter().try_for_each(Flow::goes_on)?;
        // Back, and used when the way out is in its kernel.
        one.check(&["rcni-bgp", "undrain"])?;
        wait_served_by(lab, &NODES)?;
        wait_fabric(lab, BOTH)?;
        none_is_lost(flows)
    })
}
