//! Sessions are ended on either side, with a text for the other one, and come back.

mod common;
mod tor;

use anyhow::{Result, ensure};
use common::{DEADLINE, wait_established};
use rcni_tests::wait_until;
use rcni_tests::{Lab, Node};
use tor::{Kind, NODE, Router, Suite};

const OURS: &str = "new line card, back at 5";
const THEIRS: &str = "moving to rack 9";

fn vtysh(tor: &Node, line: &str) -> Result<String> {
    let argv = [
        "vtysh",
        "-c",
        "configure terminal",
        "-c",
        "router bgp 65000",
        "-c",
        line,
    ];
    tor.check(&argv)
}

/// What the node's status says of the router.
fn status(lab: &Lab) -> Result<String> {
    // Ends with 1 while a session is down.
    let said = lab.node("node1")?.exec(&["rcni-bgp", "status"])?;
    Ok(said.stdout.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn wait_status(lab: &Lab, words: &[&str]) -> Result<()> {
    wait_until(DEADLINE, &format!("{words:?} in status"), || {
        let said = status(lab)?;
        for word in words {
            ensure!(said.contains(word), "{said}");
        }
        Ok(())
    })
}

/// In what it shows of its neighbour, or in its log.
fn wait_router_says(tor: &Node, words: &str) -> Result<()> {
    wait_until(DEADLINE, words, || {
        let shown = tor.check(&["vtysh", "-c", &format!("show bgp neighbors {NODE}")])?;
        let logged = tor.check(&["cat", "/var/log/frr/frr.log"])?;
        ensure!(
            shown.contains(words) || logged.contains(words),
            "{shown}\n{logged}"
        );
        Ok(())
    })
}

#[test]
fn shutdown_start_and_reset_with_words_that_frr_shows_and_the_other_way_round() -> Result<()> {
    let (kind, suite) = (Kind::Frr, Suite::Bookworm);
    Router { kind, suite }.in_lab(|lab| {
        let (tor, node) = (lab.node("tor")?, lab.node("node1")?);
        wait_established(node, "tor")?;
        // Without, its log says nothing of NOTIFICATIONs.
        vtysh(tor, "bgp log-neighbor-changes")?;

        let said = node.check(&["rcni-bgp", "peer", "shutdown", "tor", "--message", OURS])?;
        ensure!(said.contains("rcni-bgp peer start tor"), "{said}");
        wait_router_says(tor, OURS)?;
        wait_status(
            lab,
            &[
                "ShutDown",
                "admin-shutdown",
                OURS,
                "peer start tor` starts it",
            ],
        )?;
        // The router tries again and again, is let in no more, and still shows why.
        std::thread::sleep(std::time::Duration::from_secs(5));
        wait_router_says(tor, OURS)?;
        wait_status(lab, &["ShutDown"])?;
        node.check(&["rcni-bgp", "peer", "start", "tor"])?;
        wait_established(node, "tor")?;

        node.check(&["rcni-bgp", "peer", "reset", "tor", "--message", "once more"])?;
        wait_router_says(tor, "once more")?;
        wait_established(node, "tor")?;

        vtysh(tor, &format!("neighbor {NODE} shutdown message {THEIRS}"))?;
        wait_status(lab, &["admin-shutdown", THEIRS])?;
        vtysh(tor, &format!("no neighbor {NODE} shutdown"))?;
        wait_established(node, "tor")?;

        let refused = node.exec(&["rcni-bgp", "peer", "reset", "tro"])?;
        ensure!(refused.status.code() == Some(2), "{refused:?}");
        ensure!(
            refused.stderr.contains("there are edge, tor"),
            "{refused:?}"
        );
        let long = "x".repeat(256);
        let refused = node.exec(&["rcni-bgp", "peer", "reset", "tor", "--message", &long])?;
        ensure!(refused.status.code() == Some(2), "{refused:?}");
        ensure!(refused.stderr.contains("256 octets"), "{refused:?}");
        wait_established(node, "tor")
    })
}
