//! `tests/topologies/policies`: the node's file changes while it runs, and FRR and BIRD say what their
//! sessions notice of it.

use anyhow::{Context, Result, ensure};
use rcni_tests::status::Status;
use rcni_tests::{Lab, Node, wait_until};

use super::Suite;
use super::policies::{PEERS, deployed};
use crate::common::{DEADLINE, wait_established};

const FILE: &str = "/etc/rcni/bgp.yaml";
const NEW: &str = "10.244.9.0/24";

/// Writes the node's file in place (it is bound into the node) as `change` makes it.
fn rewrite(node: &Node, change: impl FnOnce(String) -> String) -> Result<()> {
    let before = node.check(&["cat", FILE])?;
    let after = change(before.clone());
    ensure!(after != before, "nothing is different in {before}");
    let write = format!("printf %s \"$1\" > {FILE}");
    node.check(&["sh", "-c", &write, "sh", &after]).map(drop)
}

fn without_peer(text: &str, name: &str) -> String {
    let name = format!("metadata: {{name: {name}}}");
    let documents = text.split("---\n");
    let documents = documents.filter(|document| !document.contains(&name));
    documents.collect::<Vec<_>>().join("---\n")
}

/// How often FRR's session with the node was up.
fn frr_sessions(lab: &Lab) -> Result<u32> {
    let said = lab
        .node("frr")?
        .check(&["vtysh", "-c", "show bgp neighbors 10.0.2.11"])?;
    let line = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("Connections established "));
    let count = line.and_then(|line| line.split(';').next());
    let count = count.with_context(|| format!("no count in {said}"))?;
    Ok(count.parse()?)
}

/// Since when BIRD's is.
fn bird_since(lab: &Lab) -> Result<String> {
    let said = lab
        .node("bird")?
        .check(&["birdc", "show", "protocols", "node1"])?;
    let line = said.lines().find(|line| line.starts_with("node1 "));
    let line = line.with_context(|| format!("no node1 in {said}"))?;
    ensure!(line.contains("Established"), "{line}");
    Ok(line.to_owned())
}

fn wait_said(lab: &Lab, router: &str, question: &[&str], words: &str) -> Result<()> {
    wait_until(DEADLINE, &format!("{words:?} on {router}"), || {
        let said = lab.node(router)?.exec(question)?.stdout;
        ensure!(said.to_lowercase().contains(words), "{said}");
        Ok(())
    })
}

fn established(lab: &Lab, peer: &str) -> Result<u64> {
    let status = Status::of(lab.node("node1")?)?;
    Ok(status.peer(peer)?.established)
}

/// Rules, networks and another peer: nobody's session notices.
fn without_resets(lab: &Lab) -> Result<()> {
    let node1 = lab.node("node1")?;
    // At the start both sides dial: a session may have been given up for the other connection.
    let (bird, frr) = (bird_since(lab)?, frr_sessions(lab)?);
    let ours = PEERS.map(|peer| established(lab, peer));
    rewrite(node1, |text| {
        let network = "    - {cidr: 10.244.1.0/24}\n";
        let more = format!("{network}    - {{cidr: {NEW}}}\n");
        text.replace(network, &more).replace("med: 50", "med: 60")
    })?;
    let question = format!("show bgp ipv4 unicast {NEW}");
    wait_said(lab, "frr", &["vtysh", "-c", &question], "metric 60")?;
    wait_said(
        lab,
        "bird",
        &["birdc", "show", "route", NEW, "all"],
        "med: 60",
    )?;
    rewrite(node1, |text| without_peer(&text, "gobgp"))?;
    wait_until(DEADLINE, "GoBGP's peer is gone", || {
        let status = Status::of(node1)?;
        ensure!(status.peer("gobgp").is_err(), "{status:?}");
        Ok(())
    })?;
    rewrite(node1, |text| {
        text.replace(&format!("    - {{cidr: {NEW}}}\n"), "")
    })?;
    wait_until(DEADLINE, "the network is withdrawn", || {
        let said = lab.node("frr")?.exec(&["vtysh", "-c", &question])?.stdout;
        ensure!(said.contains("not in table"), "{said}");
        Ok(())
    })?;
    ensure!(bird_since(lab)? == bird);
    ensure!(frr_sessions(lab)? == frr);
    for (peer, before) in PEERS.into_iter().zip(ours) {
        let is_there = peer != "gobgp";
        ensure!(
            !is_there || established(lab, peer)? == before?,
            "{peer} was reset"
        );
    }
    Ok(())
}

/// Another hold time: one router is told Other Configuration Change, and the others nothing.
fn one_reset(lab: &Lab) -> Result<()> {
    let node1 = lab.node("node1")?;
    let (bird, frr) = (bird_since(lab)?, frr_sessions(lab)?);
    let ours = |peer: &str| established(lab, peer);
    let (bird_before, openbgpd_before) = (ours("bird")?, ours("openbgpd")?);
    let hold = |text: String, asn: u32| {
        let line = format!("  asNumber: {asn}\n");
        text.replace(&line, &format!("{line}  holdTimeSeconds: 30\n"))
    };
    let (file, candidate) = (node1.check(&["cat", FILE])?, "/tmp/candidate.yaml");
    let write = format!("printf %s \"$1\" > {candidate}");
    node1.check(&["sh", "-c", &write, "sh", &hold(file, 65020)])?;
    let asked = node1.exec(&["rcni-bgp", "check", candidate, "--against-running"])?;
    let wanted = "peer frr: RESET of the session, for another spec.holdTimeSeconds\n";
    ensure!(asked.stdout == wanted, "{asked:?}");
    rewrite(node1, |text| hold(text, 65020))?;
    let question = ["vtysh", "-c", "show bgp neighbors 10.0.2.11"];
    wait_said(lab, "frr", &question, "other configuration change")?;
    wait_until(DEADLINE, "FRR's session is back", || {
        ensure!(frr_sessions(lab)? == frr + 1);
        Ok(())
    })?;
    wait_established(node1, "frr")?;
    ensure!(bird_since(lab)? == bird);
    // And the other way round.
    rewrite(node1, |text| hold(text, 65010))?;
    let question = ["birdc", "show", "protocols", "all", "node1"];
    wait_until(DEADLINE, "BIRD's session is another one", || {
        ensure!(ours("bird")? == bird_before + 1);
        Ok(())
    })?;
    wait_established(node1, "bird")?;
    wait_said(lab, "bird", &question, "hold timer:")?;
    ensure!(frr_sessions(lab)? == frr + 1);
    ensure!(ours("openbgpd")? == openbgpd_before);
    Ok(())
}

pub(crate) fn of_the_node(suite: Suite) -> Result<()> {
    deployed(suite, None, |lab| {
        let node1 = lab.node("node1")?;
        PEERS
            .iter()
            .try_for_each(|peer| wait_established(node1, peer))?;
        without_resets(lab)?;
        one_reset(lab)
    })
}
