//! `tests/topologies/features`: what sessions with BIRD, FRR, GoBGP and OpenBGPD can do beyond
//! plain routes.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rcni_tests::lab::process::check;
use rcni_tests::status::Status;
use rcni_tests::{Lab, Node, Options, wait_until};

use super::Kind::{Bird, Frr, Gobgp, Openbgpd};
use super::{Router, Suite, show};
use crate::common::{DEADLINE, routes, wait_established};

/// BIRD has two paths of it; the second has communities.
const TWICE: &str = "198.18.1.0/24";
const PODS: &str = "10.244.1.0/24";
/// BIRD's host routes.
const MANY: u32 = 3000;

fn in_lab(suite: Suite, test: impl FnOnce(&Lab) -> Result<()>) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("topologies/features/.");
    let copy = tempfile::tempdir()?;
    let to = copy.path().to_string_lossy();
    check("cp", &["-r", &folder.to_string_lossy(), &to])?;
    let file = copy.path().join("configs/bird/bird.conf");
    let host = |n: u32| {
        format!(
            "\troute 198.51.{}.{}/32 blackhole;\n",
            100 + n / 250,
            n % 250
        )
    };
    let many: String = (0..MANY).map(host).collect();
    let text = std::fs::read_to_string(&file)?;
    ensure!(text.contains("# MANY"), "{text}");
    std::fs::write(&file, text.replace("# MANY", &many))?;

    let file = copy.path().join("topology.clab.yml");
    let mut text = std::fs::read_to_string(&file)?;
    for kind in [Frr, Bird, Gobgp, Openbgpd] {
        text = Router { kind, suite }.chosen_in(&text)?;
    }
    std::fs::write(&file, text)?;
    let lab = Lab::deploy(&file, &Options::default())?;
    test(&lab).inspect_err(|_| show(&lab.report()))
}

fn vtysh(frr: &Node, command: &str) -> Result<String> {
    frr.check(&["vtysh", "-c", command])
}

/// What each router shows of a prefix.
fn shown(lab: &Lab, router: &str, prefix: &str) -> Result<String> {
    let node = lab.node(router)?;
    match router {
        "frr" => vtysh(node, &format!("show bgp ipv4 unicast {prefix}")),
        "gobgp" => node.check(&["gobgp", "global", "rib", prefix]),
        _ => node.check(&["bgpctl", "show", "rib", prefix]),
    }
}

/// Those that take several paths from the node.
const TAKERS: [&str; 3] = ["frr", "gobgp", "openbgpd"];

fn wait_paths(lab: &Lab, count: usize) -> Result<()> {
    for router in TAKERS {
        wait_until(DEADLINE, &format!("{count} paths at {router}"), || {
            let text = shown(lab, router, TWICE)?;
            let paths = text.lines().filter(|line| line.contains("65000 65010"));
            ensure!(paths.count() == count, "{text}");
            Ok(())
        })?;
    }
    Ok(())
}

fn received(lab: &Lab, peer: &str) -> Result<u64> {
    let status = Status::of(lab.node("node1")?)?;
    Ok(status.peer(peer)?.prefixes.received)
}

fn wait_received(lab: &Lab, peer: &str, count: u64) -> Result<()> {
    wait_until(DEADLINE, &format!("{count} paths from {peer}"), || {
        let has = received(lab, peer)?;
        ensure!(has == count, "{has} paths from {peer}");
        Ok(())
    })
}

/// A number in FRR's JSON of the session with the node.
fn frr_counts(frr: &Node, name: &str) -> Result<u64> {
    let text = vtysh(frr, "show bgp neighbors fd00:10:0:2::11 json")?;
    let key = format!("\"{name}\":");
    let (_, rest) = text.split_once(&key).context("no such number")?;
    let digits: String = rest
        .trim_start()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits
        .parse()
        .with_context(|| format!("{name}: {rest:.20}"))
}

/// Several paths, told and withdrawn one by one.
fn several_paths(lab: &Lab) -> Result<()> {
    let bird = lab.node("bird")?;
    wait_received(lab, "bird", u64::from(MANY) + 3)?;
    wait_paths(lab, 2)?;
    bird.check(&["birdc", "disable", "tagged"])?;
    wait_received(lab, "bird", u64::from(MANY) + 1)?;
    wait_paths(lab, 1)?;
    bird.check(&["birdc", "enable", "tagged"])?;
    wait_received(lab, "bird", u64::from(MANY) + 3)?;
    wait_paths(lab, 2)?;
    // What a router sends with identifiers arrives, too: FRR's and OpenBGPD's networks are there,
    // and GoBGP's comes and goes.
    wait_received(lab, "frr", 1)?;
    wait_received(lab, "openbgpd", 1)?;
    let gobgp = lab.node("gobgp")?;
    for (verb, count) in [("add", 1), ("del", 0)] {
        gobgp.check(&["gobgp", "global", "rib", verb, "198.18.4.0/24"])?;
        wait_received(lab, "gobgp", count)?;
    }
    Ok(())
}

/// Communities of all kinds go through; the one that is not for outside does not.
fn communities(lab: &Lab) -> Result<()> {
    let frr = shown(lab, "frr", TWICE)?;
    for wanted in ["65010:3", "RT:65010:7", "65010:1:4294967295"] {
        ensure!(frr.contains(wanted), "{wanted}: {frr}");
    }
    let gobgp = shown(lab, "gobgp", TWICE)?;
    for wanted in [
        "Communities: 65010:3",
        "Extcomms: [65010:7]",
        "65010:1:4294967295",
    ] {
        ensure!(gobgp.contains(wanted), "{wanted}: {gobgp}");
    }
    Ok(())
}

/// IPv4 where there is only IPv6, both ways, in the kernels.
fn ipv4_over_ipv6(lab: &Lab) -> Result<()> {
    let (node1, bird, frr) = (lab.node("node1")?, lab.node("bird")?, lab.node("frr")?);
    for (node, prefix, gateway) in [
        (node1, TWICE, "via inet6 fd00:10:0:1::1 dev eth1"),
        (node1, "198.18.3.0/24", "via inet6 fd00:10:0:2::1 dev eth2"),
        (bird, PODS, "via inet6 fd00:10:0:1::11 dev eth1"),
        (frr, PODS, "via inet6 fe80::"),
    ] {
        wait_until(DEADLINE, &format!("{prefix} {gateway}"), || {
            let text = routes(node, prefix)?;
            ensure!(text.contains(gateway), "{text}");
            Ok(())
        })?;
    }
    // Both next hops of RFC 2545.
    let said = birds_attributes(bird)?;
    let wanted = "bgp_next_hop: fd00:10:0:1::11 fe80::";
    ensure!(said.contains(wanted), "{said}");
    Ok(())
}

/// Of the node's network, as BIRD 3 writes them; 2 has `BGP.otc` for `bgp_otc`.
fn birds_attributes(bird: &Node) -> Result<String> {
    let said = bird.check(&["birdc", "show", "route", PODS, "all"])?;
    Ok(said.replace("BGP.", "bgp_"))
}

/// Roles: as each side says; our OTC is on what customers hear.
fn roles(lab: &Lab) -> Result<()> {
    let frr = lab.node("frr")?;
    let session = vtysh(frr, "show bgp neighbors fd00:10:0:2::11 json")?;
    ensure!(session.contains(r#""remoteRole":"provider""#), "{session}");
    let said = shown(lab, "frr", TWICE)?;
    ensure!(said.matches("otc 65000").count() == 2, "{said}");
    let bird = lab.node("bird")?;
    let said = birds_attributes(bird)?;
    ensure!(said.contains("bgp_otc: 65000"), "{said}");
    let session = bird.check(&["birdc", "show", "protocols", "all", "node1"])?;
    ensure!(session.contains("Role: provider"), "{session}");
    Ok(())
}

/// All routes again, between marks, in few long messages; nothing is lost by it.
fn refresh(lab: &Lab) -> Result<()> {
    let frr = lab.node("frr")?;
    let session = vtysh(frr, "show bgp neighbors fd00:10:0:2::11 json")?;
    for wanted in [
        r#""extendedMessage":"advertisedAndReceived""#,
        r#""enhancedRouteRefresh":"advertisedAndReceived""#,
    ] {
        ensure!(session.contains(wanted), "{wanted}: {session}");
    }
    let marks = frr_counts(frr, "routeRefreshRecv")?;
    let updates = frr_counts(frr, "updatesRecv")?;
    vtysh(frr, "clear bgp ipv4 unicast fd00:10:0:2::11 soft in")?;
    wait_until(DEADLINE, "both marks at FRR", || {
        let now = frr_counts(frr, "routeRefreshRecv")?;
        let both = now >= marks + 2 && (now - marks).is_multiple_of(2);
        ensure!(both, "{marks}, then {now}");
        Ok(())
    })?;
    // 3,000 prefixes of 9 octets: more than six messages of 4096. FRR 10.7 asks twice.
    let rounds = (frr_counts(frr, "routeRefreshRecv")? - marks) / 2;
    let needed = frr_counts(frr, "updatesRecv")? - updates;
    ensure!((1..=6 * rounds).contains(&needed), "{needed} messages");

    let openbgpd = lab.node("openbgpd")?;
    openbgpd.check(&["bgpctl", "neighbor", "10.0.4.11", "refresh"])?;
    wait_until(DEADLINE, "both marks at OpenBGPD", || {
        let said = openbgpd.check(&["bgpctl", "show", "neighbor", "10.0.4.11"])?;
        let last = |words: &str| {
            let line = said.lines().find(|line| line.contains(words));
            line.and_then(|line| line.split_whitespace().last()) == Some("1")
        };
        ensure!(last("Begin-of-RR") && last("End-of-RR"), "{said}");
        Ok(())
    })?;
    let bird = lab.node("bird")?;
    // BIRD 3 has another word for it.
    if !bird
        .exec(&["birdc", "reload", "in", "node1"])?
        .status
        .success()
    {
        bird.check(&["birdc", "reload", "filters", "in", "node1"])?;
    }
    lab.node("gobgp")?
        .check(&["gobgp", "neighbor", "10.0.3.11", "softresetin"])?;
    wait_paths(lab, 2)?;
    wait_until(DEADLINE, "BIRD still has the node's network", || {
        let said = lab.node("bird")?.check(&["birdc", "show", "route", PODS])?;
        ensure!(said.contains(PODS), "{said}");
        Ok(())
    })
}

/// All of it.
pub(crate) fn four_routers(suite: Suite) -> Result<()> {
    in_lab(suite, |lab| {
        let node1 = lab.node("node1")?;
        let peers = ["bird", "frr", "gobgp", "openbgpd"];
        peers
            .iter()
            .try_for_each(|peer| wait_established(node1, peer))?;
        let start = Instant::now();
        several_paths(lab)?;
        communities(lab)?;
        ipv4_over_ipv6(lab)?;
        roles(lab)?;
        refresh(lab)?;
        // Nobody lost a session over any of it.
        let status = Status::of(node1)?;
        for peer in peers {
            let peer = status.peer(peer)?;
            let since = peer.since_seconds + 1.0;
            ensure!(
                since >= start.elapsed().as_secs_f64(),
                "{}",
                peer.describe()
            );
            ensure!(peer.notes.is_empty(), "{:?}", peer.notes);
        }
        Ok(())
    })
}
