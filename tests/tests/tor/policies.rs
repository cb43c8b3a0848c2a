//! `tests/topologies/policies`: what rules, and words about AS numbers and next hops, make of routes
//! between BIRD, FRR, GoBGP and OpenBGPD.

use std::path::Path;

use anyhow::{Result, ensure};
use rcni_tests::lab::node::ExecOptions;
use rcni_tests::lab::process::check;
use rcni_tests::status::Status;
use rcni_tests::{Lab, Node, Options, wait_until};

use super::Kind::{Bird, Frr, Gobgp, Openbgpd};
use super::{Router, Suite, show};
use crate::common::paths::wait_next_hops;
use crate::common::{DEADLINE, routes, wait_established};

/// All routers announce it.
const SHARED: &str = "198.18.0.0/24";
const PODS: &str = "10.244.1.0/24";
pub(super) const PEERS: [&str; 4] = ["bird", "frr", "gobgp", "openbgpd"];
/// The peers' addresses.
const BIRD: &str = "10.0.1.1";
const FRR: &str = "10.0.2.1";
const GOBGP: &str = "10.0.3.1";
const OPENBGPD: &str = "10.0.4.1";

/// The lab, with another file in place of the node's `bgp.yaml` if there is one.
pub(super) fn deployed(
    suite: Suite,
    config: Option<&str>,
    test: impl FnOnce(&Lab) -> Result<()>,
) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("topologies/policies/.");
    let copy = tempfile::tempdir()?;
    let to = copy.path().to_string_lossy();
    check("cp", &["-r", &folder.to_string_lossy(), &to])?;
    let file = copy.path().join("topology.clab.yml");
    let mut text = std::fs::read_to_string(&file)?;
    for kind in [Frr, Bird, Gobgp, Openbgpd] {
        text = Router { kind, suite }.chosen_in(&text)?;
    }
    if let Some(config) = config {
        text = text.replace(
            "configs/node1/bgp.yaml:",
            &format!("configs/node1/{config}:"),
        );
    }
    std::fs::write(&file, text)?;
    let lab = Lab::deploy(&file, &Options::default())?;
    test(&lab).inspect_err(|_| show(&lab.report()))
}

/// All that a router says of a prefix.
fn shown(lab: &Lab, router: &str, prefix: &str) -> Result<String> {
    let node = lab.node(router)?;
    let question = format!("show bgp ipv4 unicast {prefix}");
    let said = match router {
        "bird" => node.exec(&["birdc", "show", "route", prefix, "all"])?,
        "frr" => node.exec(&["vtysh", "-c", &question])?,
        "gobgp" => node.exec(&["gobgp", "global", "rib", prefix])?,
        _ => node.exec(&["bgpctl", "show", "rib", "detail", prefix])?,
    };
    Ok(format!("{}{}", said.stdout, said.stderr))
}

/// Waits until a router shows all of these words of a prefix.
fn wait_shown(lab: &Lab, router: &str, prefix: &str, wanted: &[&str]) -> Result<()> {
    wait_until(DEADLINE, &format!("{prefix} on {router}"), || {
        let said = shown(lab, router, prefix)?;
        // Every router has its own way of lists.
        let plain = said.replace(['[', ']', '(', ')'], "");
        let missing = wanted.iter().find(|word| !plain.contains(**word));
        ensure!(missing.is_none(), "{missing:?} is not in {said}");
        Ok(())
    })
}

/// Our prefix with what the export rule puts on it, in the words of each router.
fn export_rules(lab: &Lab) -> Result<()> {
    let path = "65000 65000 65000";
    let large = "65000:1:4294967295";
    wait_shown(
        lab,
        "bird",
        PODS,
        &[path, "65000,7", "65000, 1, 4294967295", "rt, 65000, 9"],
    )?;
    wait_shown(
        lab,
        "frr",
        PODS,
        &[path, "65000:7", large, "RT:65000:9", "metric 50"],
    )?;
    wait_shown(lab, "gobgp", PODS, &[path, "65000:7", large, "65000:9"])?;
    wait_shown(
        lab,
        "openbgpd",
        PODS,
        &[path, "65000:7", large, "rt 65000:9", "metric 50"],
    )
}

/// `set` and conditions on import: who of four has the better path.
fn import_rules(lab: &Lab) -> Result<()> {
    let node1 = lab.node("node1")?;
    wait_next_hops(node1, SHARED, &[BIRD])?;
    // Those that are rejected by a community have come all the same.
    for (peer, received, accepted) in [("bird", 6, 4), ("openbgpd", 2, 1)] {
        wait_until(DEADLINE, &format!("paths from {peer}"), || {
            let status = Status::of(node1)?;
            let counts = &status.peer(peer)?.prefixes;
            let seen = (counts.received, counts.accepted);
            ensure!(seen == (received, accepted), "{peer}: {counts:?}");
            Ok(())
        })?;
    }
    for rejected in [
        "198.18.11.0/24",
        "198.18.12.0/24",
        "198.18.13.0/24",
        "198.18.14.0/24",
    ] {
        ensure!(routes(node1, rejected)?.is_empty(), "{rejected}");
    }
    // Our AS in a path from BIRD, where it is allowed, and from FRR, where it is not.
    wait_next_hops(node1, "198.18.6.0/24", &[BIRD])?;
    ensure!(routes(node1, "198.18.7.0/24")?.is_empty(), "a loop is used");
    Ok(())
}

/// AS numbers and next hops as each peer's fields say.
fn on_the_way_out(lab: &Lab) -> Result<()> {
    // BIRD's private numbers: taken out for FRR, ours in their place for GoBGP, and as they are.
    wait_until(DEADLINE, "198.18.1.0/24 on FRR", || -> Result<()> {
        let said = shown(lab, "frr", "198.18.1.0/24")?;
        let path = said.lines().any(|line| line.trim() == "65000");
        ensure!(path, "{said}");
        Ok(())
    })?;
    wait_shown(lab, "gobgp", "198.18.1.0/24", &["65000 65000 65000", BIRD])?;
    wait_shown(
        lab,
        "openbgpd",
        "198.18.1.0/24",
        &["65000 65010 65098", BIRD],
    )?;
    // The peer's own AS further back: ours there, and it is no loop.
    wait_shown(lab, "openbgpd", "198.18.4.0/24", &["65000 65010 65000"])?;
    wait_shown(lab, "bird", "198.18.5.0/24", &["65000 65020 65000"])
}

/// Who takes part, in the order of preference, and how each says that it leaves (RFC 8326).
fn graceful_shutdowns(lab: &Lab) -> Result<()> {
    let node1 = lab.node("node1")?;
    let moves = |to: &str| wait_next_hops(node1, SHARED, &[to]);
    let bird = |leaves: bool| -> Result<()> {
        let [off, on] = match leaves {
            true => ["shared", "leaving"],
            false => ["leaving", "shared"],
        };
        // The new one first, so that it is never withdrawn.
        lab.node("bird")?.check(&["birdc", "enable", on])?;
        lab.node("bird")?
            .check(&["birdc", "disable", off])
            .map(drop)
    };
    let frr = |no: &str| {
        let line = format!("{no}bgp graceful-shutdown");
        let lines = ["configure terminal", "router bgp 65020", &line];
        let words = lines.iter().flat_map(|line| ["-c", line]);
        let argv: Vec<&str> = ["vtysh"].into_iter().chain(words).collect();
        lab.node("frr")?.check(&argv).map(drop)
    };
    bird(true)?;
    moves(FRR)?;
    frr("")?;
    moves(OPENBGPD)?;
    openbgpd_network(lab.node("openbgpd")?, &["community", "GRACEFUL_SHUTDOWN"])?;
    moves(GOBGP)?;
    bird(false)?;
    moves(BIRD)?;
    bird(true)?;
    moves(GOBGP)?;
    frr("no ")?;
    moves(FRR)?;
    bird(false)?;
    moves(BIRD)
}

/// The same in the other direction: all hear that we leave, and those that know what it means
/// prefer anybody else.
fn drain(lab: &Lab) -> Result<()> {
    let node1 = lab.node("node1")?;
    let argv = ["rcni-bgp", "drain", "--wait", "3600"];
    let draining = node1.spawn("drain", &argv, &ExecOptions::default())?;
    wait_leaving(lab, true)?;
    for router in ["frr", "openbgpd"] {
        wait_shown(lab, router, PODS, &["localpref 0", "metric 50"])?;
    }
    draining.id.kill()?;
    node1.check(&["rcni-bgp", "undrain"])?;
    wait_leaving(lab, false)
}

/// What routers call 65535:0. GoBGP 3.10 has the draft's name.
const LEAVING: [&str; 5] = [
    "65535,0",
    "65535:0",
    "graceful-shutdown",
    "planned-shut",
    "GRACEFUL_SHUTDOWN",
];

fn wait_leaving(lab: &Lab, leaving: bool) -> Result<()> {
    for router in PEERS {
        let what = format!("{router} knows that we leave: {leaving}");
        wait_until(DEADLINE, &what, || -> Result<()> {
            let said = shown(lab, router, PODS)?;
            // The rules' communities are there, too.
            ensure!(
                said.contains("65000 65000") && said.contains("4294967295"),
                "{said}"
            );
            let marked = LEAVING.iter().any(|word| said.contains(word));
            ensure!(marked == leaving, "{said}");
            Ok(())
        })?;
    }
    Ok(())
}

fn openbgpd_network(openbgpd: &Node, words: &[&str]) -> Result<()> {
    let argv = [&["bgpctl", "network", "add", SHARED], words].concat();
    let said = openbgpd.check(&argv)?;
    ensure!(!said.contains("error"), "{said}");
    Ok(())
}

fn originate(lab: &Lab) -> Result<()> {
    wait_until(DEADLINE, "gobgpd", || {
        let argv = ["gobgp", "global", "rib", "add", SHARED];
        lab.node("gobgp")?.check(&argv).map(drop)
    })?;
    wait_until(DEADLINE, "bgpd", || {
        openbgpd_network(lab.node("openbgpd")?, &[])
    })
}

pub(crate) fn between_four_routers(suite: Suite) -> Result<()> {
    deployed(suite, None, |lab| {
        let node1 = lab.node("node1")?;
        originate(lab)?;
        PEERS
            .iter()
            .try_for_each(|peer| wait_established(node1, peer))?;
        import_rules(lab)?;
        export_rules(lab)?;
        on_the_way_out(lab)?;
        graceful_shutdowns(lab)?;
        drain(lab)?;
        // Nobody lost a session over any of it.
        let status = Status::of(node1)?;
        for peer in PEERS {
            let peer = status.peer(peer)?;
            ensure!(peer.established == 1, "{}", peer.describe());
            ensure!(peer.notes.is_empty(), "{:?}", peer.notes);
        }
        Ok(())
    })
}
