//! `rcni-bgp drain` under traffic: two nodes with one address, a router in front of them, and no
//! packet is lost while one of the two goes and comes back.

mod common;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use common::paths::next_hops;
use common::{DEADLINE, in_patched_lab, routes, wait_established};
use rcni_tests::{Lab, Node, wait_until};

const ANYCAST: &str = "10.244.100.0/24";
const ADDRESS: &str = "10.244.100.1";
const NODES: [(&str, &str); 2] = [("node1", "10.0.1.11"), ("node2", "10.0.2.12")];

/// Which node the router sends the address to; both of them share it if it can.
fn used(lab: &Lab) -> Result<Vec<String>> {
    Ok(next_hops(lab.node("tor")?, ANYCAST)?.into_iter().collect())
}

fn wait_used(lab: &Lab, wanted: &[&str]) -> Result<()> {
    wait_until(
        DEADLINE,
        &format!("{ANYCAST} via {wanted:?}"),
        || -> Result<()> {
            let used = used(lab)?;
            ensure!(used == wanted, "{used:?}");
            Ok(())
        },
    )
}

/// Packets sent and answered.
fn counted(said: &str) -> Result<(u32, u32)> {
    let line = said
        .lines()
        .find(|line| line.contains("packets transmitted"));
    let line = line.with_context(|| format!("no summary: {said}"))?;
    let numbers: Vec<u32> = line
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    ensure!(numbers.len() >= 2, "{line}");
    Ok((numbers[0], numbers[1]))
}

#[test]
fn no_packet_is_lost_while_one_of_two_goes_and_comes_back() -> Result<()> {
    let networks = "networks:";
    let more = format!("networks:\n    - {{cidr: {ANYCAST}}}");
    let frr = "router bgp 65000\n";
    let relax = "router bgp 65000\n bgp bestpath as-path multipath-relax\n";
    let patches = [
        ("../two-node/configs/node1/bgp.yaml", networks, &more[..]),
        ("../two-node/configs/node2/bgp.yaml", networks, &more[..]),
        ("configs/tor/frr.conf", frr, relax),
    ];
    in_patched_lab("two-node-frr", &patches, |lab| {
        let tor = lab.node("tor")?;
        for (name, _) in NODES {
            let node = lab.node(name)?;
            node.shell(&format!("ip address add {ADDRESS}/32 dev lo"))?;
            wait_established(node, "tor")?;
        }
        let both = NODES.map(|(_, address)| address);
        wait_used(lab, &both)?;
        // Answers go by what the router announces, which may come a second after the session.
        for (name, _) in NODES {
            let node = lab.node(name)?;
            wait_until(DEADLINE, &format!("{name} has a default route"), || {
                let routes = routes(node, "default")?;
                ensure!(routes.contains("via"), "{routes}");
                Ok(())
            })?;
        }
        // Different sources take different nodes.
        let others = ["10.0.3.1", "10.0.4.1", "10.0.5.1"];
        for source in others {
            tor.shell(&format!("ip address add {source}/32 dev lo"))?;
        }
        let sources = ["10.0.1.1", "10.0.2.1"].into_iter().chain(others);
        let sources: Vec<&str> = sources.collect();
        let node = lab.node("node1")?;
        let [_, other] = both;
        without_loss(tor, &sources, || {
            let said = node.check(&["rcni-bgp", "drain", "--wait", "3", "--message", "bye"])?;
            ensure!(said.contains("drained"), "{said}");
            Ok(())
        })?;
        ensure!(used(lab)? == [other], "{:?}", used(lab)?);
        without_loss(tor, &sources, || {
            node.check(&["rcni-bgp", "undrain"])?;
            wait_used(lab, &both)
        })
    })
}

/// Packets from all these sources while something happens, and some time after it.
fn without_loss(tor: &Node, sources: &[&str], what: impl FnOnce() -> Result<()>) -> Result<()> {
    let count = 800;
    let line = |source| format!("ping -n -i 0.01 -c {count} -W 2 -I {source} {ADDRESS}");
    std::thread::scope(|scope| {
        let flows: Vec<_> = sources
            .iter()
            .map(|source| scope.spawn(move || tor.shell(&line(source))))
            .collect();
        std::thread::sleep(Duration::from_millis(500));
        let done = what();
        for flow in flows {
            let said = flow
                .join()
                .map_err(|_| anyhow::anyhow!("a flow panicked"))??;
            let (sent, received) = counted(&said)?;
            ensure!(
                sent == count && received == sent,
                "{sent} sent, {received} answered"
            );
        }
        done
    })
}
