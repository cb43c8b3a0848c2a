//! `rcni-bgp drain` and `undrain` before routers that would keep routes for long if they were allowed to
//! (`tests/topologies/long-lived`): all are told GRACEFUL_SHUTDOWN first, and nothing is kept after.

use anyhow::{Result, ensure};
use rcni_tests::status::Status;
use rcni_tests::{Lab, wait_until};

use super::Suite;
use super::long_lived::{PODS, ROUTERS, in_lab, originate, shown, wait_block, wait_routes};
use crate::common::DEADLINE;
use crate::common::paths::next_hops;

/// Waits until what each router says of the node's block is so.
fn wait_shown(lab: &Lab, what: &str, is_so: impl Fn(&str) -> bool) -> Result<()> {
    for (router, ..) in ROUTERS {
        wait_until(DEADLINE, &format!("{PODS} on {router}: {what}"), || {
            let said = shown(lab, router)?;
            ensure!(is_so(&said), "{said}");
            Ok(())
        })?;
    }
    Ok(())
}

/// Each router's words for a prefix that it has not.
fn is_gone(said: &str) -> bool {
    let said = said.to_lowercase();
    said.contains("network not found") || said.contains("network not in table")
}

/// In each router's words.
fn is_marked(said: &str) -> bool {
    ["(65535,0)", "graceful-shutdown", "planned-shut"]
        .iter()
        .any(|word| said.contains(word))
}

pub(crate) fn and_back(suite: Suite) -> Result<()> {
    in_lab(suite, |lab| {
        let node1 = lab.node("node1")?;
        originate(lab.node("gobgp")?)?;
        wait_routes(lab)?;
        wait_block(lab, false)?;
        wait_shown(lab, "without the community", |said| !is_marked(said))?;

        // Interrupted while it waits: told, and still there.
        let begun = node1.exec(&[
            "timeout", "-s", "INT", "3", "rcni-bgp", "drain", "--wait", "60",
        ])?;
        ensure!(begun.stdout.contains("to 3 peers"), "{begun:?}");
        wait_shown(lab, "with the community", is_marked)?;
        wait_routes(lab)?;

        let said = node1.check(&["rcni-bgp", "drain", "--wait", "1", "--message", "rack 7"])?;
        ensure!(said.contains("drained"), "{said}");
        wait_shown(lab, "gone", is_gone)?;
        for (_, _, network, _) in ROUTERS {
            ensure!(next_hops(node1, network)?.is_empty(), "{network} is there");
        }
        // Nor does it come back by itself.
        std::thread::sleep(std::time::Duration::from_secs(5));
        wait_shown(lab, "gone", is_gone)?;
        let up = Status::of(node1)?.peers.into_iter();
        let up = up.filter(|peer| peer.state != "Idle").count();
        ensure!(up == 0, "{up} are up");

        node1.check(&["rcni-bgp", "undrain"])?;
        wait_routes(lab)?;
        wait_block(lab, false)?;
        wait_shown(lab, "without the community", |said| !is_marked(said))
    })
}
