//! What is expected of every router.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rcni_tests::status::{ESTABLISHED, Status};
use rcni_tests::{Lab, Node, Pod, wait_until};

use super::{HOST, HOSTS, OF_EDGE, OF_ROUTER, PODS, Router, edge_announces, show, tor_for};
use crate::common::{DEADLINE, add_pod, routes, wait_established, wait_no_route, wait_route};

/// How soon a withdrawal must be on the other side.
const WITHDRAWN_WITHIN: Duration = Duration::from_secs(1);
/// How often it is tried.
const TRIES: u32 = 3;

/// Established as both ends see it, and what follows from it in both.
fn wait_fabric(router: Router, lab: &Lab) -> Result<()> {
    let (tor, node1) = (lab.node("tor")?, lab.node("node1")?);
    wait_established(node1, "tor")?;
    wait_established(node1, "edge")?;
    router.wait_session(tor, true)?;
    // Promised to users in this shape.
    let status = node1.check(&["rcni-bgp", "status", "-o", "json"])?;
    let both = r#""families":["ipv4 unicast","ipv6 unicast"]"#;
    ensure!(status.matches(both).count() == 2, "tor and edge: {status}");
    wait_routes(node1, router.announces(&HOSTS))?;
    wait_has(router, tor, PODS)
}

/// All through the router.
fn wait_routes(node1: &Node, prefixes: &[&str]) -> Result<()> {
    prefixes
        .iter()
        .try_for_each(|prefix| wait_route(node1, prefix, tor_for(prefix)))
}

fn wait_has(router: Router, tor: &Node, prefixes: [&str; 2]) -> Result<()> {
    let what = format!("{prefixes:?} in {:?}", router.kind);
    wait_until(DEADLINE, &what, || {
        prefixes
            .iter()
            .try_for_each(|prefix| router.has(tor, prefix))
    })
}

fn wait_lacks(router: Router, tor: &Node, prefixes: [&str; 2]) -> Result<()> {
    let what = format!("no {prefixes:?} in {:?}", router.kind);
    wait_until(DEADLINE, &what, || {
        prefixes
            .iter()
            .try_for_each(|prefix| router.lacks(tor, prefix))
    })
}

/// From the pod to the host and from the host to the pod.
fn ping(router: Router, lab: &Lab, pod: &Pod) -> Result<()> {
    let options = ["ping", "-n", "-c", "2", "-i", "0.2", "-W", "2"];
    let with = |target: &str| -> Vec<String> {
        let argv = options.iter().copied().chain([target]);
        argv.map(str::to_owned).collect()
    };
    let pods = [pod.ipv4()?, pod.ipv6()?];
    for (host, pod_ip) in router.announces(&HOST).iter().zip(pods) {
        pod.exec(&with(host))?.ok()?;
        lab.node("host")?.check(&with(&pod_ip.to_string()))?;
    }
    Ok(())
}

/// The time from the order to withdraw until it is done on the other side. Most of the tries must be
/// in time; not all, since the machine may be busy with something else for a moment.
fn within_a_second(what: &str, mut once: impl FnMut() -> Result<Duration>) -> Result<()> {
    let all = (0..TRIES)
        .map(|_| once())
        .collect::<Result<Vec<Duration>>>()?;
    let late = all.iter().filter(|took| **took >= WITHDRAWN_WITHIN).count();
    let said = format!("{what}: withdrawn after {all:?}");
    ensure!(
        late * 2 < all.len(),
        "{said}, not within {WITHDRAWN_WITHIN:?}"
    );
    show(&said);
    Ok(())
}

/// Sessions, routes both ways, packets both ways, withdrawals both ways.
pub(crate) fn talks(router: Router) -> Result<()> {
    router.in_lab(|lab| {
        let (tor, node1, edge) = (lab.node("tor")?, lab.node("node1")?, lab.node("edge")?);
        router.originate(tor)?;
        let pod = add_pod(lab, "node1", "alice")?;
        wait_fabric(router, lab)?;
        for prefix in router.announces(&HOSTS) {
            let ours = routes(node1, prefix)?;
            ensure!(ours.contains("proto rcni"), "{ours}");
        }
        ping(router, lab, &pod)?;

        let announced = router.announces(&OF_ROUTER);
        within_a_second(router.name(), || {
            router.announce(tor, true)?;
            wait_routes(node1, announced)?;
            let start = Instant::now();
            router.announce(tor, false)?;
            for prefix in announced {
                wait_no_route(node1, prefix)?;
            }
            Ok(start.elapsed())
        })?;
        within_a_second(&format!("rcni, at {}", router.name()), || {
            edge_announces(edge, true)?;
            wait_has(router, tor, OF_EDGE)?;
            let start = Instant::now();
            edge_announces(edge, false)?;
            wait_lacks(router, tor, OF_EDGE)?;
            Ok(start.elapsed())
        })?;
        // Nothing else went with it.
        wait_fabric(router, lab)?;
        ping(router, lab, &pod)
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
        ping(router, lab, &pod)?;

        let killed = node1.kill("rcni-bgp")?;
        router.wait_session(tor, false)?;
        // All four are helpers of a restart (RFC 4724 §4.2), and pods' packets go on meanwhile.
        for prefix in PODS {
            router.has(tor, prefix)?;
        }
        ping(router, lab, &pod)?;
        node1.start_again(&killed)?;
        wait_fabric(router, lab)?;
        ensure!(Status::of(node1)?.pid != before, "it is the old one");
        ping(router, lab, &pod)
    })
}
