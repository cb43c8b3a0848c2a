//! `tests/topologies/third-party`: next hops of routers that share a network.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use rcni_tests::lab::process::check;
use rcni_tests::status::Status;
use rcni_tests::{Lab, Options, wait_until};

use super::Kind::{Bird, Frr, Gobgp};
use super::{Router, Suite, gobgp, show};
use crate::common::paths::wait_next_hops;
use crate::common::{DEADLINE, wait_established};

const OF_BIRD: &str = "198.18.1.0/24";
const OF_FRR: &str = "198.18.2.0/24";
const OF_GOBGP: &str = "198.18.3.0/24";
/// The peers' addresses.
const BIRD: &str = "10.0.1.1";
const FRR: &str = "10.0.1.2";
const PEERS: [&str; 3] = ["bird", "frr", "gobgp"];

/// What FRR has as next hop, also where it cannot use it.
fn wait_frr(lab: &Lab, prefix: &str, next_hop: &str) -> Result<()> {
    let question = format!("show bgp ipv4 unicast {prefix}");
    wait_until(
        DEADLINE,
        &format!("{prefix} by {next_hop}"),
        || -> Result<()> {
            let said = lab.node("frr")?.check(&["vtysh", "-c", &question])?;
            let mut lines = said.lines().map(str::trim);
            let line = lines.find(|line| line.contains(" from 10.0.1.11 "));
            let line = line.with_context(|| said.clone())?;
            ensure!(line.split_whitespace().next() == Some(next_hop), "{said}");
            Ok(())
        },
    )
}

/// The router's file with another mode towards FRR or BIRD, and what it makes of it.
fn set_mode(lab: &Lab, folder: &Path, peer: &str, mode: &str) -> Result<()> {
    let file = folder.join("configs/router/bgp.yaml");
    let text = std::fs::read_to_string(&file)?;
    let kept = text.lines().filter(|line| !line.contains("nextHopMode"));
    let kept: Vec<&str> = kept.collect();
    let place = format!("  peerIP: {peer}\n");
    let text = kept.join("\n") + "\n";
    ensure!(text.contains(&place), "{text}");
    let text = text.replace(&place, &format!("{place}  nextHopMode: {mode}\n"));
    // In place: the node has this very file.
    std::fs::write(&file, text)?;
    lab.node("router")?.check(&["rcni-bgp", "check"]).map(drop)
}

pub(crate) fn next_hops_of_others(suite: Suite) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("topologies/third-party/.");
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
    in_lab(&lab, copy.path()).inspect_err(|_| show(&lab.report()))
}

fn in_lab(lab: &Lab, folder: &Path) -> Result<()> {
    let router = lab.node("router")?;
    for peer in PEERS {
        wait_established(router, peer)?;
    }
    let originate = gobgp("add", OF_GOBGP, "");
    lab.node("gobgp")?.check(&originate)?;
    let bird = lab.node("bird")?;
    wait_next_hops(router, OF_GOBGP, &["10.0.2.3"])?;
    wait_next_hops(bird, OF_FRR, &["10.0.1.2"])?;
    wait_next_hops(bird, OF_GOBGP, &["10.0.1.11"])?;
    wait_next_hops(lab.node("frr")?, OF_BIRD, &["10.0.1.1"])?;
    wait_next_hops(lab.node("frr")?, OF_GOBGP, &["10.0.1.11"])?;
    for prefix in [OF_BIRD, OF_FRR] {
        wait_until(DEADLINE, prefix, || -> Result<()> {
            let said = lab
                .node("gobgp")?
                .check(&["gobgp", "global", "rib", prefix])?;
            ensure!(said.contains("10.0.2.11"), "{said}");
            Ok(())
        })?;
    }
    set_mode(lab, folder, BIRD, "Self")?;
    wait_next_hops(bird, OF_FRR, &["10.0.1.11"])?;
    wait_next_hops(lab.node("frr")?, OF_BIRD, &["10.0.1.1"])?;
    set_mode(lab, folder, FRR, "Self")?;
    wait_next_hops(bird, OF_FRR, &["10.0.1.2"])?;
    wait_frr(lab, OF_BIRD, "10.0.1.11")?;
    wait_next_hops(lab.node("frr")?, OF_BIRD, &["10.0.1.11"])?;
    set_mode(lab, folder, FRR, "Keep")?;
    wait_frr(lab, OF_BIRD, "10.0.1.1")?;
    wait_frr(lab, OF_GOBGP, "10.0.2.3")?;
    // BIRD is told as before, and nobody lost a session.
    wait_next_hops(bird, OF_GOBGP, &["10.0.1.11"])?;
    let status = Status::of(router)?;
    for peer in PEERS {
        let peer = status.peer(peer)?;
        ensure!(peer.established == 1, "{}", peer.describe());
    }
    Ok(())
}
