//! `containerlab/reflectors`: two of them, and life with one.

mod common;

use anyhow::{Result, ensure};
use common::family::{BOTH, Family, first_packet};
use common::flow::Flow;
use common::paths::wait_next_hops;
use common::watch::Watch;
use common::{
    DEADLINE, add_pod, in_patched_lab, routes, serve_on, wait_established, wait_no_route,
};
use rcni_tests::status::{ESTABLISHED, Status};
use rcni_tests::{Lab, Node, Pod, wait_until};

const NUMBERS: [u8; 3] = [1, 2, 3];
const REFLECTORS: [&str; 2] = ["rr1", "rr2"];
/// Three nodes, the border, the other reflector.
const SESSIONS: usize = 5;

/// What a reflector had said is kept for so short a time that it is gone long before it is back: no
/// route may depend on graceful restart.
const SHORT: [(&str, &str, &str); 2] = [
    (
        "configs/rr1/bgp.yaml",
        "  routerID: 10.1.1.251\n",
        "  routerID: 10.1.1.251\n  gracefulRestart: {restartTimeSeconds: 0}\n",
    ),
    (
        "configs/rr2/bgp.yaml",
        "  routerID: 10.1.1.252\n",
        "  routerID: 10.1.1.252\n  gracefulRestart: {restartTimeSeconds: 0}\n",
    ),
];

fn node(lab: &Lab, number: u8) -> Result<&Node> {
    lab.node(&format!("node{number}"))
}

fn address(family: Family, number: u8) -> String {
    family.pick(
        format!("10.1.1.1{number}"),
        format!("fd00:10:0:1::1{number}"),
    )
}

fn border(family: Family) -> &'static str {
    family.pick("10.1.1.1", "fd00:10:0:1::1")
}

/// That many sessions of a reflector are up.
fn wait_sessions(reflector: &Node) -> Result<()> {
    let what = format!("all sessions of {}", reflector.name());
    wait_until(DEADLINE, &what, || -> Result<()> {
        let status = Status::of(reflector)?;
        let up = status.peers.iter().filter(|peer| peer.state == ESTABLISHED);
        let up = up.count();
        ensure!(up == SESSIONS, "{up} of {SESSIONS}");
        Ok(())
    })
}

/// Every kernel has what it should, by next hops that are nobody's but the originators'.
fn wait_kernels(lab: &Lab) -> Result<()> {
    for &family in BOTH {
        for number in NUMBERS {
            let block = family.block(number);
            for other in NUMBERS.into_iter().filter(|other| *other != number) {
                wait_next_hops(node(lab, other)?, &block, &[&address(family, number)])?;
            }
            wait_next_hops(lab.node("border")?, &block, &[&address(family, number)])?;
            wait_next_hops(node(lab, number)?, family.default(), &[border(family)])?;
        }
    }
    Ok(())
}

/// The border's paths for a block: one for each reflector that is there, each with what RFC 4456
/// wants on it.
fn wait_border_paths(lab: &Lab, count: usize) -> Result<()> {
    for &family in BOTH {
        for number in NUMBERS {
            let (name, block) = (family.pick("ipv4", "ipv6"), family.block(number));
            let question = format!("show bgp {name} unicast {block}");
            wait_until(DEADLINE, &format!("{count} paths on the border"), || {
                let said = lab.node("border")?.check(&["vtysh", "-c", &question])?;
                let marks = format!("Originator: 10.1.1.1{number}, Cluster list: 10.1.1.250");
                let seen = said.matches(&marks).count();
                ensure!(seen == count, "{seen} of {count} {marks:?}: {said}");
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// What a node has heard from a reflector: all but its own, which it is never told.
fn wait_told(lab: &Lab, reflector: &str) -> Result<()> {
    for number in NUMBERS {
        let what = format!("node{number} has all from {reflector}");
        wait_until(DEADLINE, &what, || -> Result<()> {
            let status = Status::of(node(lab, number)?)?;
            let peer = status.peer(reflector)?;
            // Two other blocks and a default route, in two families.
            let counts = (peer.prefixes.received, peer.prefixes.accepted);
            ensure!(counts == (6, 6), "{counts:?}: {}", peer.describe());
            Ok(())
        })?;
    }
    Ok(())
}

fn all_reach_all(lab: &Lab, pods: &[Pod]) -> Result<()> {
    for &family in BOTH {
        for to in pods {
            for from in pods.iter().filter(|from| from.name() != to.name()) {
                first_packet(from, &family.ip(to)?.to_string())?;
            }
        }
        let internet = serve_on(lab.node("internet")?, family.internet())?;
        let seen = family.seen(&pods[0], internet)?.to_string();
        let own = family.ip(&pods[0])?.to_string();
        assert_eq!(seen, family.pick(address(family, 1), own));
    }
    Ok(())
}

/// All that has happened to what nodes know from reflectors.
fn touched(watches: &[(String, Watch)]) -> Result<Vec<String>> {
    let mut seen = Vec::new();
    for (name, watch) in watches {
        for &family in BOTH {
            let blocks = NUMBERS.map(|number| family.block(number));
            for prefix in blocks.iter().map(String::as_str).chain(["default"]) {
                let events = watch.events(prefix)?;
                seen.extend(events.into_iter().map(|event| format!("{name}: {event}")));
            }
        }
    }
    Ok(seen)
}

/// Nothing of it is in a reflector's own kernel.
fn kernel_is_empty(reflector: &Node) -> Result<()> {
    for &family in BOTH {
        for number in NUMBERS {
            let seen = routes(reflector, &family.block(number))?;
            ensure!(seen.is_empty(), "{}: {seen}", reflector.name());
        }
        let seen = routes(reflector, family.default())?;
        ensure!(seen.is_empty(), "{}: {seen}", reflector.name());
    }
    Ok(())
}

/// Each reflector in its turn: the best paths are one's, and whose is nobody's business.
fn each_dies_and_comes_back(lab: &Lab) -> Result<()> {
    for reflector in REFLECTORS {
        let machine = lab.node(reflector)?;
        let killed = machine.kill("rcni-bgp")?;
        for number in NUMBERS {
            wait_until(DEADLINE, "the node has noticed", || -> Result<()> {
                let status = Status::of(node(lab, number)?)?;
                let peer = status.peer(reflector)?;
                // Nothing is kept of it.
                ensure!(peer.prefixes.received == 0, "{}", peer.describe());
                Ok(())
            })?;
        }
        wait_border_paths(lab, 1)?;
        machine.start_again(&killed)?;
        wait_sessions(machine)?;
        wait_told(lab, reflector)?;
        wait_border_paths(lab, 2)?;
    }
    Ok(())
}

/// With one only, news still travel: the border takes its default route back.
fn news_travel_with_one(lab: &Lab) -> Result<()> {
    lab.node("rr1")?.kill("rcni-bgp")?;
    let border_down = "no neighbor REFLECTORS default-originate";
    for family in ["ipv4", "ipv6"] {
        lab.node("border")?.check(&[
            "vtysh",
            "-c",
            "configure terminal",
            "-c",
            "router bgp 65001",
            "-c",
            &format!("address-family {family} unicast"),
            "-c",
            border_down,
        ])?;
    }
    for &family in BOTH {
        for number in NUMBERS {
            wait_no_route(node(lab, number)?, family.default())?;
        }
        wait_next_hops(node(lab, 1)?, &family.block(2), &[&address(family, 2)])?;
    }
    wait_established(node(lab, 1)?, "rr2")
}

#[test]
fn one_of_two_reflectors_is_enough() -> Result<()> {
    in_patched_lab("reflectors", &SHORT, |lab| {
        let mut pods = Vec::new();
        for number in NUMBERS {
            pods.push(add_pod(
                lab,
                &format!("node{number}"),
                &format!("p{number}"),
            )?);
        }
        for reflector in REFLECTORS {
            wait_sessions(lab.node(reflector)?)?;
            wait_told(lab, reflector)?;
        }
        wait_kernels(lab)?;
        wait_border_paths(lab, 2)?;
        all_reach_all(lab, &pods)?;
        for reflector in REFLECTORS {
            kernel_is_empty(lab.node(reflector)?)?;
        }

        let mut watches = Vec::new();
        for number in NUMBERS {
            let node = node(lab, number)?;
            watches.push((node.name().to_owned(), Watch::start(node)?));
        }
        let flows = BOTH
            .iter()
            .map(|family| Flow::start(&pods[0], family.ip(&pods[1])?));
        let flows = flows.collect::<Result<Vec<_>>>()?;
        each_dies_and_comes_back(lab)?;
        for flow in flows {
            let (sent, received) = flow.finish()?;
            ensure!(sent == received, "{sent} sent, {received} received");
        }
        let touched = touched(&watches)?;
        ensure!(touched.is_empty(), "{touched:#?}");
        wait_kernels(lab)?;

        news_travel_with_one(lab)
    })
}
