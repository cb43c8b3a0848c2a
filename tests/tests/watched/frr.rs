//! FRR's bfdd.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rcni_tests::status::{ESTABLISHED, Status};
use rcni_tests::{Lab, Node, wait_until};

use super::{CUT, MEND, bfd, settle, tor, wait_bfd, wait_up};
use crate::common::flow::Flow;
use crate::common::{DEADLINE, add_pod, in_patched_lab, wait_established, wait_route};

const NODE1_BGP: &str = "../two-node/configs/node1/bgp.yaml";
const TOPOLOGY: &str = "topology.clab.yml";
const FRR_CONF: &str = "configs/tor/frr.conf";
const DAEMONS: &str = "configs/tor/daemons";
const NEIGHBOR: &str = "neighbor 10.0.1.11 remote-as 65001\n neighbor 10.0.1.11 peer-group NODES";

/// Patches for `two-node-frr`: node1 and FRR watch each other, with these times (transmit, receive in ms,
/// multiplier).
fn patches(
    ours: (u32, u32, u8),
    frrs: (u32, u32, u8),
) -> [(&'static str, &'static str, String); 5] {
    let (transmit, receive, multiplier) = ours;
    let profile = format!(
        "  bfdProfile: fast\n  filters: [from-fabric]\n---\napiVersion: rcni.io/v1alpha1\nkind: BFDProfile\n\
         metadata: {{name: fast}}\nspec: {{transmitIntervalMilliseconds: {transmit}, \
         receiveIntervalMilliseconds: {receive}, detectMultiplier: {multiplier}}}\n"
    );
    let (transmit, receive, multiplier) = frrs;
    let bfd = format!(
        "bfd\n profile fast\n  transmit-interval {transmit}\n  receive-interval {receive}\n  \
         detect-multiplier {multiplier}\n !\n!\nrouter bgp 65000\n"
    );
    [
        (NODE1_BGP, "  filters: [from-fabric]\n", profile),
        // To be written by tests.
        (TOPOLOGY, "bgp.yaml:ro", "bgp.yaml".to_owned()),
        (DAEMONS, "bfdd=no", "bfdd=yes".to_owned()),
        (FRR_CONF, "router bgp 65000\n", bfd),
        (
            FRR_CONF,
            NEIGHBOR,
            format!("{NEIGHBOR}\n neighbor 10.0.1.11 bfd profile fast"),
        ),
    ]
}

fn in_watched_lab(
    frr: &str,
    ours: (u32, u32, u8),
    frrs: (u32, u32, u8),
    test: impl FnOnce(&Lab) -> Result<()>,
) -> Result<()> {
    let patches = patches(ours, frrs);
    let image = format!("frrouting/frr:{frr}");
    let version = (TOPOLOGY, "frrouting/frr:v8.4.0", image.as_str());
    let patches = patches
        .iter()
        .map(|(file, old, new)| (*file, *old, new.as_str()));
    let patches: Vec<_> = patches.chain([version]).collect();
    in_patched_lab("two-node-frr", &patches, test)
}

/// What bfdd says of its session with node1.
fn frrs(tor: &Node) -> Result<String> {
    tor.check(&["vtysh", "-c", "show bfd peer 10.0.1.11 json"])
}

fn frrs_number(tor: &Node, field: &str) -> Result<u64> {
    let text = frrs(tor)?;
    let json: serde_json::Value = serde_json::from_str(&text)?;
    json[field]
        .as_u64()
        .with_context(|| format!("{field} in {text}"))
}

pub(crate) fn both_come_up_and_silence_ends_the_session_within_the_detection_time(
    frr: &str,
) -> Result<()> {
    in_watched_lab(frr, (100, 100, 3), (100, 100, 3), |lab| {
        let (node1, frr) = (lab.node("node1")?, lab.node("tor")?);
        let before = settle(lab)?;
        ensure!(!bfd(node1)?.multihop);
        wait_route(node1, "10.244.2.0/24", "10.0.1.1")?;
        // The times that were agreed on are in use as soon as the polls are answered.
        wait_bfd(node1, "three times 100 ms", |bfd| {
            bfd.intervals.transmit_micros == Some(100_000)
                && bfd.intervals.detection_micros == Some(300_000)
        })?;
        ensure!(frrs(frr)?.contains("\"status\":\"up\""), "{}", frrs(frr)?);

        node1.shell(CUT)?;
        let cut = Instant::now();
        // The default route has nobody else: it is gone.
        wait_until(DEADLINE, "the route to be gone", || -> Result<()> {
            let route = node1.check(&["ip", "route", "show", "10.244.2.0/24"])?;
            ensure!(route.is_empty(), "{route}");
            Ok(())
        })?;
        let gone = cut.elapsed();
        let peer = tor(node1)?;
        let error = peer.last_error.context("no error")?;
        ensure!(error.class == "bfd-down", "{error:?}");
        ensure!(
            error.text.contains("control detection time expired"),
            "{error:?}"
        );
        ensure!(peer.state != ESTABLISHED);
        // With room for a machine that is busy with other tests.
        ensure!(gone < Duration::from_millis(1500), "{gone:?}");
        wait_until(DEADLINE, "FRR to notice", || -> Result<()> {
            let said = frrs(frr)?;
            ensure!(said.contains("\"status\":\"down\""), "{said}");
            Ok(())
        })?;

        node1.shell(MEND)?;
        wait_up(node1)?;
        wait_established(node1, "tor")?;
        wait_route(node1, "10.244.2.0/24", "10.0.1.1")?;
        ensure!(tor(node1)?.established == before.established + 1);
        Ok(())
    })
}

pub(crate) fn the_slower_side_counts_and_times_change_while_it_is_up(frr: &str) -> Result<()> {
    in_watched_lab(frr, (50, 400, 3), (300, 60, 5), |lab| {
        let (node1, frr) = (lab.node("node1")?, lab.node("tor")?);
        let begun = settle(lab)?;
        let before = bfd(node1)?;
        // We send every 60, since FRR takes no more; FRR every 400, since we take no more; times 5.
        wait_bfd(node1, "what both agreed on", |bfd| {
            bfd.intervals.transmit_micros == Some(60_000)
                && bfd.intervals.receive_micros == 400_000
                && bfd.intervals.detection_micros == Some(2_000_000)
        })?;
        // On our side, by another profile.
        let config = "/etc/rcni/bgp.yaml";
        node1.shell(&format!(
            "sed -e 's/transmitIntervalMilliseconds: 50/transmitIntervalMilliseconds: 700/' \
             -e 's/receiveIntervalMilliseconds: 400/receiveIntervalMilliseconds: 200/' {config} \
             > /tmp/new && cat /tmp/new > {config} && rcni-bgp reload"
        ))?;
        wait_bfd(node1, "our new times", |bfd| {
            bfd.intervals.transmit_micros == Some(700_000)
                && bfd.intervals.detection_micros == Some(1_500_000)
        })?;
        ensure!(frrs_number(frr, "remote-transmit-interval")? == 700);
        // And on FRR's.
        frr.check(&[
            "vtysh",
            "-c",
            "configure",
            "-c",
            "bfd",
            "-c",
            "profile fast",
            "-c",
            "transmit-interval 1000",
            "-c",
            "receive-interval 900",
        ])?;
        wait_bfd(node1, "FRR's new times", |bfd| {
            bfd.intervals.transmit_micros == Some(900_000)
                && bfd.intervals.detection_micros == Some(5_000_000)
        })?;
        let now = bfd(node1)?;
        ensure!(
            (now.ups, now.downs) == (before.ups, before.downs),
            "{now:?}"
        );
        ensure!(tor(node1)?.established == begun.established);
        Ok(())
    })
}

/// That it is switched off says nothing about the way (RFC 5882 §3.2), nor does adding it.
pub(crate) fn bfd_comes_and_goes_and_the_session_stays(frr: &str) -> Result<()> {
    in_watched_lab(frr, (100, 100, 3), (100, 100, 3), |lab| {
        let (node1, frr) = (lab.node("node1")?, lab.node("tor")?);
        let before = settle(lab)?;
        let vtysh = |line: &str| {
            frr.check(&[
                "vtysh",
                "-c",
                "configure",
                "-c",
                "router bgp 65000",
                "-c",
                line,
            ])
        };
        vtysh("no neighbor 10.0.1.11 bfd profile fast")?;
        vtysh("no neighbor 10.0.1.11 bfd")?;
        wait_bfd(node1, "FRR's BFD off", |bfd| bfd.state == "Down")?;
        std::thread::sleep(Duration::from_secs(2));
        let without = tor(node1)?;
        ensure!(without.state == ESTABLISHED, "{without:?}");
        ensure!(without.established == before.established, "{without:?}");
        // Ours goes and comes. (FRR 8.4 takes AdminDown for a failure: with its BFD on, the session would end.)
        let config = "/etc/rcni/bgp.yaml";
        node1.shell(&format!(
            "cp {config} /tmp/with && grep -v bfdProfile /tmp/with > /tmp/without && \
             cat /tmp/without > {config} && rcni-bgp reload"
        ))?;
        ensure!(tor(node1)?.bfd.is_none());
        node1.shell(&format!("cat /tmp/with > {config} && rcni-bgp reload"))?;
        std::thread::sleep(Duration::from_secs(2));
        let alone = tor(node1)?;
        ensure!(alone.state == ESTABLISHED, "{alone:?}");
        ensure!(alone.established == before.established, "{alone:?}");
        vtysh("neighbor 10.0.1.11 bfd profile fast")?;
        wait_up(node1).map(drop)
    })
}

/// Kills or stops the speaker on node1 and starts it again: FRR keeps its routes, and no packet is lost.
fn no_packet_is_lost(frr: &str, stop: &str) -> Result<()> {
    in_watched_lab(frr, (100, 100, 3), (100, 100, 3), |lab| {
        let (node1, frr) = (lab.node("node1")?, lab.node("tor")?);
        let alice = add_pod(lab, "node1", "alice")?;
        let bob = add_pod(lab, "node2", "bob")?;
        settle(lab)?;
        wait_established(lab.node("node2")?, "tor")?;
        wait_route(frr, "10.244.1.0/24", "10.0.1.11")?;
        wait_route(node1, "10.244.2.0/24", "10.0.1.1")?;
        let target = bob.ip()?.to_string();
        wait_until(DEADLINE, "the first answer", || {
            alice.exec(&["ping", "-c", "1", "-W", "1", &target])?.ok()
        })?;
        let flow = Flow::start(&alice, bob.ip()?)?;
        let daemon = node1.daemon("rcni-bgp")?;
        node1.shell(&format!("kill -{stop} {}", Status::of(node1)?.pid))?;
        // Longer than the detection time.
        std::thread::sleep(Duration::from_secs(2));
        wait_route(frr, "10.244.1.0/24", "10.0.1.11")?;
        node1.start_again(&daemon)?;
        wait_until(DEADLINE, "the new speaker", || -> Result<()> {
            Status::of(node1).map(drop)
        })?;
        wait_established(node1, "tor")?;
        wait_up(node1)?;
        std::thread::sleep(Duration::from_secs(2));
        let (sent, received) = flow.finish()?;
        ensure!(received == sent, "{sent} sent, {received} received");
        let peer = tor(node1)?;
        ensure!(
            peer.established == 1,
            "the fresh session was lost: {peer:?}"
        );
        ensure!(bfd(node1)?.downs == 0, "{:?}", bfd(node1)?);
        Ok(())
    })
}

pub(crate) fn no_packet_is_lost_in_an_upgrade(frr: &str) -> Result<()> {
    no_packet_is_lost(frr, "TERM")
}

pub(crate) fn no_packet_is_lost_after_a_crash(frr: &str) -> Result<()> {
    no_packet_is_lost(frr, "KILL")
}
