//! BFD with neighbours that nobody has written down: they are found on links.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rcni_tests::status::{ESTABLISHED, Peer, Status};
use rcni_tests::{Lab, Node, wait_until};

use super::{Family, UPLINKS, link_local, node, wait_fabric, wait_ways};
use crate::common::{DEADLINE, in_patched_lab, wait_watched};

const FILTERS: &str = "  filters: [from-fabric]\n";
const WATCHED: &str = "  filters: [from-fabric]\n  bfdProfile: fast\n---\n\
                       apiVersion: rcni.io/v1alpha1\nkind: BFDProfile\nmetadata: {name: fast}\n\
                       spec: {transmitIntervalMilliseconds: 100, receiveIntervalMilliseconds: 100, \
                       detectMultiplier: 3}\n";
const GROUP: &str = " neighbor NODES timers connect 5\n";
const GROUP_WATCHED: &str = " neighbor NODES timers connect 5\n neighbor NODES bfd profile fast\n";
const PROFILE: &str = "bfd\n profile fast\n  transmit-interval 100\n  receive-interval 100\n  \
                       detect-multiplier 3\n !\n!\n";

fn in_watched_lab(frr: &str, test: impl FnOnce(&Lab) -> Result<()>) -> Result<()> {
    let image = format!("frrouting/frr:{frr}");
    let profile = |asn: u16| format!("{PROFILE}router bgp {asn}\n");
    let (a, b) = (profile(65001), profile(65002));
    let patches = [
        ("topology.clab.yml", "frrouting/frr:v8.4.0", image.as_str()),
        ("configs/daemons", "bfdd=no", "bfdd=yes"),
        ("configs/node1/bgp.yaml", FILTERS, WATCHED),
        ("configs/node2/bgp.yaml", FILTERS, WATCHED),
        ("configs/tor-a/frr.conf", "router bgp 65001\n", &a),
        ("configs/tor-b/frr.conf", "router bgp 65002\n", &b),
        ("configs/tor-a/frr.conf", GROUP, GROUP_WATCHED),
        ("configs/tor-b/frr.conf", GROUP, GROUP_WATCHED),
    ];
    in_patched_lab("unnumbered", &patches, test)
}

fn peer(node: &Node, uplink: &str) -> Result<Peer> {
    let name = format!("tor/{uplink}");
    Ok(Status::of(node)?.peer(&name)?.clone())
}

/// BFD and BGP are up, and have been for a while.
fn settle(node: &Node, uplink: &str) -> Result<Peer> {
    wait_watched(node, &format!("tor/{uplink}"))
}

/// Nothing gets through node1's link to tor-a, and it stays up.
const CUT: &str = "nft 'table inet cut { chain in { type filter hook prerouting priority -400; \
                   iifname eth1 drop; }; }; table netdev cut { chain out { type filter hook egress \
                   device eth1 priority 0; drop; }; }'";
const MEND: &str = "nft delete table inet cut; nft delete table netdev cut";

/// A router that falls silent is left within the detection time, and not after the hold time (9 s).
pub(crate) fn silence(frr: &str) -> Result<()> {
    in_watched_lab(frr, |lab| {
        let (one, a, b) = (node(lab, 1)?, lab.node("tor-a")?, lab.node("tor-b")?);
        wait_fabric(lab)?;
        let [before, other] = UPLINKS.map(|uplink| settle(one, uplink));
        let (before, other) = (before?, other?);
        let bfd = before.bfd.as_ref().context("not watched")?;
        ensure!(!bfd.multihop, "{bfd:?}");
        wait_until(DEADLINE, "three times 100 ms", || -> Result<()> {
            let bfd = peer(one, "eth1")?.bfd.context("not watched")?;
            let detection = bfd.intervals.detection_micros;
            ensure!(detection == Some(300_000), "{bfd:?}");
            Ok(())
        })?;

        one.shell(CUT)?;
        let cut = Instant::now();
        wait_ways(one, &Family::V4.block(2), &[(b, "eth2")])?;
        let gone = cut.elapsed();
        // With room for a machine that is busy with other tests.
        ensure!(gone < Duration::from_millis(1500), "{gone:?}");
        let lost = peer(one, "eth1")?;
        ensure!(lost.state != ESTABLISHED, "{lost:?}");
        let error = lost.last_error.as_ref().context("no error")?;
        ensure!(error.class == "bfd-down", "{error:?}");
        let cause = "control detection time expired";
        ensure!(error.text.contains(cause), "{error:?}");
        let told = one.exec(&["rcni-bgp", "status"])?.stdout;
        ensure!(told.contains(cause), "{told}");
        wait_until(DEADLINE, "FRR to notice", || -> Result<()> {
            let said = a.check(&["vtysh", "-c", "show bfd peers brief json"])?;
            let said: serde_json::Value = serde_json::from_str(&said)?;
            let ours = link_local(one, "eth1")?;
            let mut all = said.as_array().context("no list")?.iter();
            let it = all.find(|peer| peer["peer"] == ours.as_str());
            let it = it.with_context(|| format!("{ours}: {said}"))?;
            ensure!(it["status"] == "down", "{it}");
            Ok(())
        })?;

        one.shell(MEND)?;
        let back = settle(one, "eth1")?;
        ensure!(back.established == before.established + 1, "{back:?}");
        ensure!(back.address == before.address, "{back:?}");
        wait_fabric(lab)?;
        let there = peer(one, "eth2")?;
        ensure!(there.established == other.established, "{there:?}");
        Ok(())
    })
}
