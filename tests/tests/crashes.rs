//! The speaker dies again while it is coming back (`bgp/README.md`, "Restart or first start?"), with
//! FRR, BIRD and another one of its kind as the helper: no packet is lost, no route that is still told
//! is touched, and what nobody tells any more is gone in the end.

mod common;
mod tor;

use std::time::Duration;

use anyhow::{Result, ensure};
use common::flow::Flow;
use common::watch::Watch;
use common::{DEADLINE, add_pod, in_lab, routes, wait_established, wait_no_route, wait_route};
use rcni_tests::lab::node::Daemon;
use rcni_tests::status::Status;
use rcni_tests::{Lab, Node, wait_until};
use tor::{Kind, Router, Suite};

/// Of an earlier run, as it looks: nobody announces it.
const LEFT_OVER: &str = "10.244.9.0/24";

/// A restart ends with this word: End-of-RIB has come from everybody, or nobody waits any more.
fn is_synced(node: &Node) -> Result<bool> {
    // Ends with 1 while a session is down.
    let said = node.exec(&["rcni-bgp", "status", "-o", "json"])?;
    Ok(said.stdout.contains(r#""synced":true"#))
}

fn start(node: &Node, killed: &Daemon) -> Result<()> {
    node.start_again(killed)?;
    wait_until(DEADLINE, "the new speaker", || Status::of(node).map(drop))
}

fn has(node: &Node, prefix: &str) -> Result<bool> {
    Ok(!routes(node, prefix)?.trim().is_empty())
}

/// Dies at these times after its start, each time with what the last one has not finished; then
/// it may live. `learned` is told by the router `tor` at `via` all the time.
fn crash(node: &Node, lives: &[Duration], learned: &str, via: &str) -> Result<()> {
    let watch = Watch::start(node)?;
    let mut killed = node.kill("rcni-bgp")?;
    node.shell(&format!(
        "ip route add {LEFT_OVER} via {via} proto 77 metric 77"
    ))?;
    for life in lives {
        node.start_again(&killed)?;
        std::thread::sleep(*life);
        killed = node.kill("rcni-bgp")?;
        ensure!(has(node, learned)?, "{learned} is gone after {life:?}");
    }
    start(node, &killed)?;
    wait_established(node, "tor")?;
    wait_until(DEADLINE, "the end of the restart", || -> Result<()> {
        ensure!(is_synced(node)?, "still waiting");
        Ok(())
    })?;
    wait_no_route(node, LEFT_OVER)?;
    wait_route(node, learned, via)?;
    let events = watch.events(learned)?;
    ensure!(events.is_empty(), "{events:#?}");
    Ok(())
}

const MS: Duration = Duration::from_millis(1);

fn wait_fabric(lab: &Lab) -> Result<()> {
    let (node1, node2) = (lab.node("node1")?, lab.node("node2")?);
    wait_established(node1, "tor")?;
    wait_established(node2, "tor")?;
    wait_route(node1, "10.244.2.0/24", "10.0.1.1")?;
    wait_route(node2, "10.244.1.0/24", "10.0.2.1")
}

/// Two pods that talk all the time.
fn between_pods(topology: &str, test: impl FnOnce(&Lab) -> Result<()>) -> Result<()> {
    in_lab(topology, |lab| {
        let alice = add_pod(lab, "node1", "alice")?;
        let bob = add_pod(lab, "node2", "bob")?;
        wait_fabric(lab)?;
        let target = bob.ip()?.to_string();
        wait_until(DEADLINE, "the first answer", || {
            alice.exec(&["ping", "-c", "1", "-W", "1", &target])?.ok()
        })?;
        let flow = Flow::start(&alice, bob.ip()?)?;
        test(lab)?;
        let (sent, received) = flow.finish()?;
        ensure!(received == sent, "{sent} sent, {received} received");
        wait_fabric(lab)
    })
}

#[test]
fn again_and_again_with_frr() -> Result<()> {
    between_pods("two-node-frr", |lab| {
        let lives = [500 * MS, 2000 * MS, 50 * MS];
        crash(lab.node("node1")?, &lives, "10.244.2.0/24", "10.0.1.1")
    })
}

#[test]
fn again_and_again_with_ourselves() -> Result<()> {
    between_pods("two-node", |lab| {
        let lives = [500 * MS, 2000 * MS, 50 * MS];
        crash(lab.node("node1")?, &lives, "10.244.2.0/24", "10.0.1.1")
    })
}

#[test]
fn again_and_again_with_bird() -> Result<()> {
    let (kind, suite) = (Kind::Bird, Suite::Bookworm);
    Router { kind, suite }.in_lab(|lab| {
        let node = lab.node("node1")?;
        let pod = add_pod(lab, "node1", "alice")?;
        let host = "198.51.100.10";
        wait_route(node, "198.51.100.0/24", "10.0.1.1")?;
        wait_until(DEADLINE, "the first answer", || {
            pod.exec(&["ping", "-c", "1", "-W", "1", host])?.ok()
        })?;
        let flow = Flow::start(&pod, host.parse()?)?;
        let lives = [500 * MS, 2000 * MS, 50 * MS];
        crash(node, &lives, "198.51.100.0/24", "10.0.1.1")?;
        let (sent, received) = flow.finish()?;
        ensure!(received == sent, "{sent} sent, {received} received");
        Ok(())
    })
}

/// Before any End-of-RIB: the router's daemon stands still meanwhile.
#[test]
fn before_the_first_end_of_rib_nothing_is_swept() -> Result<()> {
    between_pods("two-node-frr", |lab| {
        let (node, tor) = (lab.node("node1")?, lab.node("tor")?);
        let killed = node.kill("rcni-bgp")?;
        node.shell(&format!(
            "ip route add {LEFT_OVER} via 10.0.1.1 proto 77 metric 77"
        ))?;
        tor.shell("kill -STOP $(pidof bgpd)")?;
        let watch = Watch::start(node)?;
        let mut killed = killed;
        for _ in 0..2 {
            start(node, &killed)?;
            std::thread::sleep(1000 * MS);
            ensure!(!is_synced(node)?, "nobody has said anything");
            killed = node.kill("rcni-bgp")?;
            ensure!(has(node, LEFT_OVER)?, "swept before anybody has spoken");
        }
        tor.shell("kill -CONT $(pidof bgpd)")?;
        start(node, &killed)?;
        wait_established(node, "tor")?;
        wait_no_route(node, LEFT_OVER)?;
        let events = watch.events("10.244.2.0/24")?;
        ensure!(events.is_empty(), "{events:#?}");
        Ok(())
    })
}
