//! `containerlab/node-mesh`: nodes among themselves, and a ToR that knows services only.

use anyhow::{Result, ensure};
use rcni_tests::{Lab, Node, Pod, wait_until};

use super::{first_packet, node};
use crate::common::family::{BOTH, Family};
use crate::common::paths::{next_hops, wait_next_hops};
use crate::common::watch::Watch;
use crate::common::{
    DEADLINE, add_pod, fetch_on, in_lab, routes, serve_on, wait_established, wait_no_route,
};

const NUMBERS: [u8; 3] = [1, 2, 3];

fn address(family: Family, node: u8) -> String {
    family.pick(format!("10.1.1.1{node}"), format!("fd00:10:0:1::1{node}"))
}

fn service(family: Family) -> &'static str {
    family.pick("10.250.0.10", "fd00:10:250::10")
}

fn service_prefix(family: Family) -> String {
    format!("{}/{}", service(family), family.pick(32, 128))
}

fn wait_mesh(lab: &Lab) -> Result<()> {
    for number in NUMBERS {
        for other in NUMBERS.into_iter().filter(|other| *other != number) {
            wait_established(node(lab, number)?, &format!("node{other}"))?;
            for &family in BOTH {
                let via = address(family, other);
                wait_next_hops(node(lab, number)?, &family.block(other), &[&via])?;
            }
        }
    }
    Ok(())
}

/// The ToR shares the service among these nodes, and nodes know the way out.
fn wait_tor(lab: &Lab, nodes: &[u8]) -> Result<()> {
    for &family in BOTH {
        let wanted: Vec<String> = nodes.iter().map(|node| address(family, *node)).collect();
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        wait_next_hops(lab.node("tor")?, &service_prefix(family), &wanted)?;
        for number in nodes {
            let tor = family.pick("10.1.1.1", "fd00:10:0:1::1");
            wait_next_hops(node(lab, *number)?, family.default(), &[tor])?;
        }
    }
    Ok(())
}

fn all_reach_all(pods: &[Pod]) -> Result<()> {
    for &family in BOTH {
        for to in pods {
            for from in pods.iter().filter(|from| from.name() != to.name()) {
                first_packet(from, &family.ip(to)?.to_string())?;
            }
        }
    }
    Ok(())
}

/// Nothing of pods is outside; they come there as their nodes.
fn outside(lab: &Lab, pods: &[Pod]) -> Result<()> {
    let tor = lab.node("tor")?;
    let internet = lab.node("internet")?;
    for &family in BOTH {
        for number in NUMBERS {
            ensure!(routes(tor, &family.block(number))?.is_empty(), "{number}");
            let at = serve_on_once(node(lab, number)?, service(family), family)?;
            ensure!(fetch_on(node(lab, number)?, at, 0).is_ok(), "{number}");
        }
        let at = std::net::SocketAddr::new(service(family).parse()?, 8080);
        ensure!(fetch_on(internet, at, 1)?.is_untranslated(), "the service");
        let server = serve_on(internet, family.internet())?;
        for (pod, number) in pods.iter().zip(NUMBERS) {
            let seen = family.seen(pod, server)?.to_string();
            assert_eq!(seen, address(family, number));
        }
    }
    Ok(())
}

/// The server of the first family is there for the second, too.
fn serve_on_once(node: &Node, ip: &str, family: Family) -> Result<std::net::SocketAddr> {
    match family {
        Family::V4 => serve_on(node, ip),
        Family::V6 => Ok(std::net::SocketAddr::new(ip.parse()?, 8080)),
    }
}

#[test]
fn nodes_among_themselves() -> Result<()> {
    in_lab("node-mesh", |lab| {
        let (mut pods, mut watches) = (Vec::new(), Vec::new());
        for number in NUMBERS {
            pods.push(add_pod(
                lab,
                &format!("node{number}"),
                &format!("p{number}"),
            )?);
            watches.push(Watch::start(node(lab, number)?)?);
        }
        wait_mesh(lab)?;
        wait_tor(lab, &NUMBERS)?;
        all_reach_all(&pods)?;
        outside(lab, &pods)?;

        // One node is no longer told to the ToR: the service goes on without it, the mesh with it.
        node(lab, 3)?.check(&["rcni-bgp", "peer", "shutdown", "tor"])?;
        wait_tor(lab, &[1, 2])?;
        for &family in BOTH {
            wait_no_route(node(lab, 3)?, family.default())?;
            ensure!(next_hops(node(lab, 1)?, &family.block(3))?.len() == 1);
        }
        node(lab, 3)?.check(&["rcni-bgp", "peer", "start", "tor"])?;
        wait_tor(lab, &NUMBERS)?;

        // Without the ToR's BGP the pods go on, and not one of their routes is touched.
        let before = watched(&watches)?;
        let tor = lab.node("tor")?;
        let killed = tor.kill("bird")?;
        all_reach_all(&pods)?;
        tor.start_again(&killed)?;
        for number in NUMBERS {
            wait_established(node(lab, number)?, "tor")?;
        }
        wait_tor(lab, &NUMBERS)?;
        let after = watched(&watches)?;
        ensure!(before == after, "{before:#?}, then {after:#?}");
        for (number, watch) in NUMBERS.into_iter().zip(&watches) {
            for &family in BOTH {
                let block = family.block(number);
                let seen = routes(node(lab, number)?, &block)?;
                let own = seen.lines().count() == 1 && seen.starts_with("blackhole ");
                ensure!(own, "node{number}: {seen}");
                ensure!(watch.events(&block)?.is_empty(), "node{number}");
                // It is announced by the others, too, and everybody's own.
                let service = watch.events(&service_prefix(family))?;
                ensure!(service.is_empty(), "{service:?}");
            }
        }
        wait_until(DEADLINE, "pods", || all_reach_all(&pods))
    })
}

/// What has happened to blocks of other nodes.
fn watched(watches: &[Watch]) -> Result<Vec<String>> {
    let mut seen = Vec::new();
    for watch in watches {
        for &family in BOTH {
            for number in NUMBERS {
                seen.extend(watch.events(&family.block(number))?);
            }
        }
    }
    Ok(seen)
}
