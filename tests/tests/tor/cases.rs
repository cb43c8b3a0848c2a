//! What is expected of every router.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use rcni_tests::status::{ESTABLISHED, Status};
use rcni_tests::{Lab, Node, Pod, wait_until};

use super::{HOST, HOSTS, OF_EDGE, OF_ROUTER, PODS, Router, TOR, show};
use crate::common::{DEADLINE, add_pod, routes, wait_established, wait_no_route, wait_route};

/// How soon a withdrawal must be on the other side.
const WITHDRAWN_WITHIN: Duration = Duration::from_secs(1);
/// How often it may take longer on a machine that does other things at the same time.
const TRIES: u32 = 3;

/// Established as both ends see it, and what follows from it in both.
fn wait_fabric(router: Router, lab: &Lab) -> Result<()> {
    let (tor, node1) = (lab.node("tor")?, lab.node("node1")?);
    wait_established(node1, "tor")?;
    router.wait_session(tor, true)?;
    wait_route(node1, HOSTS, TOR)?;
    wait_has(router, tor, PODS)
}

fn wait_has(router: Router, tor: &Node, prefix: &str) -> Result<()> {
    wait_until(DEADLINE, &format!("{prefix} in {}", router.name()), || {
        router.has(tor, prefix)
    })
}

fn wait_lacks(router: Router, tor: &Node, prefix: &str) -> Result<()> {
    let what = format!("no {prefix} in {}", router.name());
    wait_until(DEADLINE, &what, || router.lacks(tor, prefix))
}

/// From the pod to the host and from the host to the pod.
fn ping(lab: &Lab, pod: &Pod) -> Result<()> {
    let options = ["ping", "-n", "-c", "2", "-i", "0.2", "-W", "2"];
    let with = |target: &str| -> Vec<String> {
        let argv = options.iter().copied().chain([target]);
        argv.map(str::to_owned).collect()
    };
    pod.exec(&with(HOST))?.ok()?;
    lab.node("host")?.check(&with(&pod.ip()?.to_string()))?;
    Ok(())
}

/// The time from the order to withdraw until it is done on the other side: once is enough.
fn within_a_second(what: &str, mut once: impl FnMut() -> Result<Duration>) -> Result<()> {
    let mut all = Vec::new();
    for _ in 0..TRIES {
        let took = once()?;
        all.push(took);
        if took < WITHDRAWN_WITHIN {
            show(&format!("{what}: withdrawn after {all:?}"));
            return Ok(());
        }
    }
    bail!("{what}: withdrawn after {all:?}, not within {WITHDRAWN_WITHIN:?}")
}

/// Sessions, routes both ways, packets both ways, withdrawals both ways.
pub(crate) fn talks(router: Router) -> Result<()> {
    router.in_lab(|lab| {
        let (tor, node1, edge) = (lab.node("tor")?, lab.node("node1")?, lab.node("edge")?);
        router.originate(tor)?;
        let pod = add_pod(lab, "node1", "alice")?;
        wait_fabric(router, lab)?;
        ensure!(routes(node1, HOSTS)?.contains("proto rcni"), "ours by name");
        ping(lab, &pod)?;

        within_a_second(router.name(), || {
            router.announce(tor, true)?;
            wait_route(node1, OF_ROUTER, TOR)?;
            let start = Instant::now();
            router.announce(tor, false)?;
            wait_no_route(node1, OF_ROUTER)?;
            Ok(start.elapsed())
        })?;
        wait_established(node1, "edge")?;
        let edge_rib = |verb| edge.check(&["gobgp", "global", "rib", verb, OF_EDGE]);
        within_a_second(&format!("rcni, at {}", router.name()), || {
            edge_rib("add")?;
            wait_has(router, tor, OF_EDGE)?;
            let start = Instant::now();
            edge_rib("del")?;
            wait_lacks(router, tor, OF_EDGE)?;
            Ok(start.elapsed())
        })?;
        // Nothing else went with it.
        wait_fabric(router, lab)?;
        ping(lab, &pod)
    })
}

/// The router is killed and comes back, then the node's speaker.
pub(crate) fn comes_back(router: Router) -> Result<()> {
    router.in_lab(|lab| {
        let (tor, node1) = (lab.node("tor")?, lab.node("node1")?);
        router.originate(tor)?;
        let pod = add_pod(lab, "node1", "alice")?;
        wait_fabric(router, lab)?;

        let before = Status::of(node1)?.pid;
        let killed = router.kill(tor)?;
        wait_until(DEADLINE, "the node sees it", || -> Result<()> {
            let status = Status::of(node1)?;
            let peer = status.peer("tor")?;
            ensure!(peer.state != ESTABLISHED, "{}", peer.describe());
            let error = peer.describe();
            ensure!(peer.last_error.is_some(), "no cause: {error}");
            Ok(())
        })?;
        router.start(tor, &killed)?;
        wait_fabric(router, lab)?;
        ensure!(Status::of(node1)?.pid == before, "rcni-bgp has restarted");
        ping(lab, &pod)?;

        let killed = node1.kill("rcni-bgp")?;
        router.wait_session(tor, false)?;
        // All four are helpers of a restart (RFC 4724 §4.2), and pods' packets go on meanwhile.
        router.has(tor, PODS)?;
        ping(lab, &pod)?;
        node1.start_again(&killed)?;
        wait_fabric(router, lab)?;
        ensure!(Status::of(node1)?.pid != before, "it is the old one");
        ping(lab, &pod)
    })
}
