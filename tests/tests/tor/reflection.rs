//! `tests/topologies/reflection`: BIRD, FRR, GoBGP and OpenBGPD as clients of a reflector of ours;
//! `tests/topologies/reflected`: our nodes as clients of GoBGP and OpenBGPD.

use std::path::Path;

use anyhow::{Result, ensure};
use rcni_tests::lab::process::check;
use rcni_tests::status::{ESTABLISHED, Status};
use rcni_tests::{Lab, Options, wait_until};
use serde_json::{Value, json};

use super::Kind::{Bird, Frr, Gobgp, Openbgpd};
use super::{Kind, Router, Suite, gobgp, show};
use crate::common::paths::wait_next_hops;
use crate::common::{DEADLINE, wait_no_route};

/// By the numbers that are in their addresses and networks.
const CLIENTS: [(&str, u8); 4] = [("bird", 1), ("frr", 2), ("gobgp", 3), ("openbgpd", 4)];

fn network(number: u8) -> String {
    format!("198.18.{number}.0/24")
}

fn in_lab(
    name: &str,
    kinds: &[Kind],
    suite: Suite,
    test: impl FnOnce(&Lab) -> Result<()>,
) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("topologies/{name}/."));
    let copy = tempfile::tempdir()?;
    let to = copy.path().to_string_lossy();
    check("cp", &["-r", &folder.to_string_lossy(), &to])?;
    let file = copy.path().join("topology.clab.yml");
    let mut text = std::fs::read_to_string(&file)?;
    for kind in kinds.iter().copied() {
        text = Router { kind, suite }.chosen_in(&text)?;
    }
    std::fs::write(&file, text)?;
    let lab = Lab::deploy(&file, &Options::default())?;
    test(&lab).inspect_err(|_| show(&lab.report()))
}

/// All that a client says of a prefix.
fn shown(lab: &Lab, client: &str, prefix: &str) -> Result<String> {
    let node = lab.node(client)?;
    let question = format!("show bgp ipv4 unicast {prefix}");
    let said = match client {
        "bird" => node.exec(&["birdc", "show", "route", prefix, "all"])?,
        "frr" => node.exec(&["vtysh", "-c", &question])?,
        "gobgp" => node.exec(&["gobgp", "global", "rib", prefix])?,
        _ => node.exec(&["bgpctl", "show", "rib", "detail", prefix])?,
    };
    Ok(format!("{}{}", said.stdout, said.stderr))
}

/// Everybody has everybody's, with the reflector's marks and without its address.
fn wait_reflected(lab: &Lab) -> Result<()> {
    for (client, own) in CLIENTS {
        for (_, other) in CLIENTS.into_iter().filter(|(_, other)| *other != own) {
            let (prefix, originator) = (network(other), format!("10.0.1.{other}"));
            wait_until(
                DEADLINE,
                &format!("{prefix} on {client}"),
                || -> Result<()> {
                    let said = shown(lab, client, &prefix)?;
                    ensure!(said.contains("10.0.1.250"), "no cluster: {said}");
                    // Originator and next hop.
                    ensure!(said.matches(&originator).count() >= 2, "{said}");
                    Ok(())
                },
            )?;
        }
    }
    Ok(())
}

/// BIRD and GoBGP announce it.
const SHARED: &str = "198.18.100.0/24";
const SHARED_BY: [u8; 2] = [1, 3];

/// Who takes several paths of a prefix has both, each with its originator and its next hop.
fn wait_both_paths(lab: &Lab) -> Result<()> {
    for client in ["frr", "openbgpd"] {
        wait_until(DEADLINE, "both paths", || -> Result<()> {
            let said = shown(lab, client, SHARED)?;
            for number in SHARED_BY {
                let originator = format!("10.0.1.{number}");
                ensure!(said.matches(&originator).count() >= 2, "{client}: {said}");
            }
            ensure!(said.matches("10.0.1.250").count() >= 2, "{client}: {said}");
            Ok(())
        })?;
    }
    Ok(())
}

/// How many prefixes, or paths, a client has been told.
fn advertised(lab: &Lab, number: u8) -> Result<u64> {
    let status = Status::of(lab.node("reflector")?)?;
    let peer = status.peer(&format!("clients/10.0.1.{number}"))?;
    ensure!(peer.state == ESTABLISHED, "{}", peer.describe());
    Ok(peer.prefixes.advertised)
}

/// How many paths of what is shared a client is told: the best one of all, which may be its own, or
/// all but its own.
fn shared(client: &str, number: u8) -> u64 {
    match client {
        "frr" | "openbgpd" => 2,
        // The best path is BIRD's, by its identifier.
        _ => u64::from(number != SHARED_BY[0]),
    }
}

pub(crate) fn four_clients(suite: Suite) -> Result<()> {
    in_lab("reflection", &[Frr, Bird, Gobgp, Openbgpd], suite, |lab| {
        wait_until(DEADLINE, "gobgpd", || {
            let originate = gobgp("add", &network(3), "");
            lab.node("gobgp")?.check(&originate).map(drop)
        })?;
        let originate = gobgp("add", SHARED, "");
        lab.node("gobgp")?.check(&originate)?;
        wait_reflected(lab)?;
        wait_both_paths(lab)?;
        // The others' three, and what is shared; nobody is told his own.
        for (client, number) in CLIENTS {
            let told = advertised(lab, number)?;
            let wanted = 3 + shared(client, number);
            ensure!(told == wanted, "{client} was told {told}");
        }
        lab.node("gobgp")?.check(&gobgp("del", &network(3), ""))?;
        for (client, number) in CLIENTS.into_iter().filter(|(_, number)| *number != 3) {
            wait_until(DEADLINE, "the withdrawal", || -> Result<()> {
                let said = shown(lab, client, &network(3))?;
                ensure!(!said.contains("10.0.1.250"), "{client}: {said}");
                let told = advertised(lab, number)?;
                let wanted = 2 + shared(client, number);
                ensure!(told == wanted, "{client} was told {told}");
                Ok(())
            })?;
        }
        Ok(())
    })
}

/// Who tells a node of a prefix, as whose, through which clusters, and by which rule it is used.
fn wait_paths(lab: &Lab, node: &str, prefix: &str, wanted: &[Value]) -> Result<()> {
    wait_until(
        DEADLINE,
        &format!("{prefix} on {node}"),
        || -> Result<()> {
            let argv = ["rcni-bgp", "routes", prefix, "-o", "json"];
            let said: Value = serde_json::from_str(&lab.node(node)?.exec(&argv)?.stdout)?;
            let routes = said.get("routes").and_then(Value::as_array);
            let seen = routes.into_iter().flatten().map(|route| {
                let word = |key: &str| route.get(key).cloned().unwrap_or_default();
                let words = ["peer", "originatorID", "clusterList", "nextHop", "rule"];
                json!(words.map(word))
            });
            let mut seen: Vec<Value> = seen.collect();
            seen.sort_by_key(ToString::to_string);
            ensure!(seen == wanted, "{seen:?}");
            Ok(())
        },
    )
}

pub(crate) fn clients_of_two(suite: Suite) -> Result<()> {
    in_lab("reflected", &[Gobgp, Openbgpd], suite, |lab| {
        let rule = "by-next-hop importV4[1]";
        for (node, prefix, other) in [
            ("node1", "10.244.2.0/24", "10.0.1.12"),
            ("node2", "10.244.1.0/24", "10.0.1.11"),
        ] {
            let by = |peer: &str, cluster: &str| json!([peer, other, [cluster], other, rule]);
            let both = [by("gobgp", "10.0.1.103"), by("openbgpd", "10.0.1.104")];
            wait_paths(lab, node, prefix, &both)?;
            wait_next_hops(lab.node(node)?, prefix, &[other])?;
            // What has the reflector itself as next hop is refused for that.
            let argv = ["rcni-bgp", "routes", "198.18.4.0/24"];
            let said = lab.node(node)?.check(&argv)?;
            ensure!(said.contains("openbgpd: by-next-hop importV4[0]"), "{said}");
            wait_no_route(lab.node(node)?, "198.18.4.0/24")?;
        }
        // Nobody is told his own, and with one reflector less there is one path less.
        let own = json!([null, null, null, null, null]);
        wait_paths(lab, "node1", "10.244.1.0/24", &[own])?;
        lab.node("gobgp")?.kill("gobgpd")?;
        let other = "10.0.1.12";
        let left = json!(["openbgpd", other, ["10.0.1.104"], other, rule]);
        wait_paths(lab, "node1", "10.244.2.0/24", &[left])?;
        wait_next_hops(lab.node("node1")?, "10.244.2.0/24", &[other])
    })
}
