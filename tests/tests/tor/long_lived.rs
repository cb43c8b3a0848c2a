//! `tests/topologies/long-lived`: routes that outlive graceful restart (RFC 9494), on both sides.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rcni_tests::lab::process::check;
use rcni_tests::status::{ESTABLISHED, Status};
use rcni_tests::{Lab, Node, Options, wait_until};

use super::Kind::{Bird, Frr, Gobgp};
use super::{Router, Suite, gobgp, show};
use crate::common::paths::next_hops;
use crate::common::{DEADLINE, wait_established, wait_route};

pub(super) const PODS: &str = "10.244.1.0/24";
/// Each with its daemon, its network and its address.
pub(super) const ROUTERS: [(&str, &str, &str, &str); 3] = [
    ("bird", "bird", "198.18.1.0/24", "10.0.1.1"),
    ("frr", "bgpd", "198.18.2.0/24", "10.0.2.1"),
    ("gobgp", "gobgpd", "198.18.3.0/24", "10.0.3.1"),
];
/// Longer than every restart time here: what is there after it is there by RFC 9494.
const PAST_RESTART: Duration = Duration::from_secs(3);

pub(super) fn in_lab(suite: Suite, test: impl FnOnce(&Lab) -> Result<()>) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("topologies/long-lived/.");
    let copy = tempfile::tempdir()?;
    let to = copy.path().to_string_lossy();
    check("cp", &["-r", &folder.to_string_lossy(), &to])?;
    let file = copy.path().join("topology.clab.yml");
    let mut text = std::fs::read_to_string(&file)?;
    for kind in [Frr, Bird, Gobgp] {
        text = Router { kind, suite }.chosen_in(&text)?;
    }
    std::fs::write(&file, text)?;
    let lab = Lab::deploy(&file, &Options::default())?;
    test(&lab).inspect_err(|_| show(&lab.report()))
}

/// What a router says of the node's block, also that there is none.
pub(super) fn shown(lab: &Lab, router: &str) -> Result<String> {
    let node = lab.node(router)?;
    let said = match router {
        "bird" => node.exec(&["birdc", "show", "route", PODS, "all"]),
        "frr" => node.exec(&["vtysh", "-c", &format!("show bgp ipv4 unicast {PODS}")]),
        _ => node.exec(&["gobgp", "global", "rib", PODS]),
    }?;
    Ok(format!("{}{}", said.stdout, said.stderr))
}

/// Waits until every router has the block, with LLGR_STALE or without.
pub(super) fn wait_block(lab: &Lab, stale: bool) -> Result<()> {
    for (router, ..) in ROUTERS {
        let what = format!("{PODS} on {router}, stale: {stale}");
        wait_until(DEADLINE, &what, || -> Result<()> {
            let said = shown(lab, router)?;
            ensure!(said.contains("65000"), "no path: {said}");
            let marked = said.contains("llgr-stale") || said.contains("(65535,6)");
            ensure!(marked == stale, "{said}");
            Ok(())
        })?;
    }
    Ok(())
}

pub(super) fn originate(gobgpd: &Node) -> Result<()> {
    wait_until(DEADLINE, "gobgpd", || {
        gobgpd.check(&gobgp("add", "198.18.3.0/24", "")).map(drop)
    })
}

pub(super) fn wait_routes(lab: &Lab) -> Result<()> {
    let node1 = lab.node("node1")?;
    for (router, _, network, address) in ROUTERS {
        wait_established(node1, router)?;
        wait_route(node1, network, address)?;
    }
    Ok(())
}

pub(crate) fn both_sides(suite: Suite) -> Result<()> {
    in_lab(suite, |lab| {
        let node1 = lab.node("node1")?;
        originate(lab.node("gobgp")?)?;
        wait_routes(lab)?;
        wait_block(lab, false)?;

        // We are away.
        let killed = node1.kill("rcni-bgp")?;
        wait_block(lab, true)?;
        std::thread::sleep(PAST_RESTART);
        wait_block(lab, true)?;
        node1.start_again(&killed)?;
        wait_routes(lab)?;
        wait_block(lab, false)?;

        // They are away, all at once.
        let mut killed = Vec::new();
        for (router, daemon, ..) in ROUTERS {
            killed.push((router, lab.node(router)?.kill(daemon)?));
        }
        let start = Instant::now();
        while start.elapsed() < PAST_RESTART {
            for (router, _, network, address) in ROUTERS {
                let seen = next_hops(node1, network)?;
                ensure!(seen == [address.to_owned()].into(), "{router}: {seen:?}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let status = Status::of(node1)?;
        let up = status.peers.iter().any(|peer| peer.state == ESTABLISHED);
        ensure!(!up, "{status:?}");
        for (router, daemon) in killed {
            lab.node(router)?.start_again(&daemon)?;
        }
        originate(lab.node("gobgp")?)?;
        wait_routes(lab)?;
        wait_block(lab, false)
    })
}
