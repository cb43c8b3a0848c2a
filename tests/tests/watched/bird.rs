//! BIRD's.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rcni_tests::status::Status;
use rcni_tests::{Lab, Node, Options, wait_until};

use super::{CUT, MEND, settle, tor, wait_bfd};
use crate::common::{DEADLINE, wait_route, write};

const BIRD_TOPOLOGY: &str = "name: bird-bfd
topology:
  defaults: {kind: linux, network-mode: none}
  nodes:
    tor:
      image: bird:VERSION
      binds: [bird.conf:/etc/bird/bird.conf]
      exec: [ip address add 10.0.1.1/24 dev eth1]
    node1:
      image: rcni/node
      env: {RCNI_WAIT_FOR: eth1}
      binds: [bgp.yaml:/etc/rcni/bgp.yaml, felix.yaml:/etc/rcni/felix.yaml]
      exec: [ip address add 10.0.1.11/24 dev eth1]
  links:
    - {endpoints: [\"tor:eth1\", \"node1:eth1\"], mtu: 1500}
";
/// Without what BIRD calls its neighbour.
const BIRD_CONF: &str = "log stderr all;
router id 10.0.1.1;
protocol device {}
protocol static { ipv4; route 10.244.9.0/24 blackhole; }
protocol bfd watch {
  interface \"eth1\" { min rx interval 100 ms; min tx interval 100 ms; multiplier 3; };
  multihop { min rx interval 100 ms; min tx interval 100 ms; multiplier 3; };
}
protocol bgp node1 {
  local 10.0.1.1 as 65000;
  neighbor 10.0.1.11 as SESSION;
  # Not `bfd on`: then BIRD ends a graceful restart when BFD goes down, although our C bit is 0.
  bfd graceful;
  graceful restart on;
  connect delay time 1;
  error wait time 1, 2;
  ipv4 { import all; export all; };
}
";
/// Without what we call BIRD.
const OURS: &str = "apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {name: default}
spec: {asNumber: 65001, routerID: 10.0.1.11, networks: [{cidr: 10.244.1.0/24}]}
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {name: tor}
spec: {peerIP: 10.0.1.1, PEER, bfdProfile: fast, filters: [all]}
---
apiVersion: rcni.io/v1alpha1
kind: BFDProfile
metadata: {name: fast}
spec: {transmitIntervalMilliseconds: 50, receiveIntervalMilliseconds: 200, detectMultiplier: 4,
       minimumTTL: 64}
---
apiVersion: rcni.io/v1alpha1
kind: BGPFilter
metadata: {name: all}
spec: {importV4: [{action: Accept}]}
";
const FELIX: &str = "apiVersion: rcni.io/v1alpha1
kind: FelixConfiguration
metadata: {name: default}
spec: {podCIDRs: [10.244.1.0/24], clusterCIDRs: [10.244.0.0/16]}
";

/// BIRD and node1 on a link; `asn` is what BIRD wants us to have, `peer` what we say of BIRD.
fn with_bird(
    version: &str,
    asn: u32,
    peer: &str,
    test: impl FnOnce(&Lab) -> Result<()>,
) -> Result<()> {
    let (folder, file) = write(&BIRD_TOPOLOGY.replace("VERSION", version))?;
    for (name, text) in [
        ("bird.conf", BIRD_CONF.replace("SESSION", &asn.to_string())),
        ("bgp.yaml", OURS.replace("PEER", peer)),
        ("felix.yaml", FELIX.to_owned()),
    ] {
        std::fs::write(folder.path().join(name), text)?;
    }
    let lab = Lab::deploy(&file, &Options::default())?;
    // Its sockets want the address, which came after it had begun.
    let tor = lab.node("tor")?;
    wait_until(DEADLINE, "BIRD to listen", || {
        tor.check(&["birdc", "restart", "watch"]).map(drop)
    })?;
    test(&lab).with_context(|| lab.report())
}

fn birds_session(tor: &Node) -> Result<String> {
    tor.check(&["birdc", "show", "bfd", "sessions"])
}

pub(crate) fn bird_on_the_link(version: &str) -> Result<()> {
    with_bird(version, 65001, "asNumber: 65000", |lab| {
        let (node1, bird) = (lab.node("node1")?, lab.node("tor")?);
        settle(lab)?;
        wait_route(node1, "10.244.9.0/24", "10.0.1.1")?;
        // The slower of ours and BIRD's, in each direction; BIRD's multiplier is 3, ours 4.
        wait_bfd(node1, "what both agreed on", |bfd| {
            bfd.intervals.transmit_micros == Some(100_000)
                && bfd.intervals.detection_micros == Some(600_000)
        })?;
        ensure!(
            birds_session(bird)?.contains("0.400"),
            "{}",
            birds_session(bird)?
        );
        node1.shell(CUT)?;
        wait_until(DEADLINE, "the route to be gone", || -> Result<()> {
            let route = node1.check(&["ip", "route", "show", "10.244.9.0/24"])?;
            ensure!(route.is_empty(), "{route}");
            Ok(())
        })?;
        let error = tor(node1)?.last_error.context("no error")?;
        ensure!(error.class == "bfd-down", "{error:?}");
        node1.shell(MEND)?;
        settle(lab)?;
        Ok(())
    })
}

/// BIRD takes the port of multihop sessions for all internal peers, and a TTL of 64.
pub(crate) fn bird_as_an_internal_peer(version: &str) -> Result<()> {
    let peer = "asNumber: internal, localASNumber: 65000";
    with_bird(version, 65000, peer, |lab| {
        let peer = settle(lab)?;
        ensure!(peer.bfd.context("not watched")?.multihop);
        Ok(())
    })
}

pub(crate) fn bird_keeps_routes_in_an_upgrade_and_after_a_crash(version: &str) -> Result<()> {
    with_bird(version, 65001, "asNumber: 65000", |lab| {
        let (node1, bird) = (lab.node("node1")?, lab.node("tor")?);
        for stop in ["TERM", "KILL"] {
            settle(lab)?;
            let daemon = node1.daemon("rcni-bgp")?;
            node1.shell(&format!("kill -{stop} {}", Status::of(node1)?.pid))?;
            std::thread::sleep(Duration::from_secs(2));
            let kept = bird.check(&["birdc", "show", "route", "10.244.1.0/24"])?;
            ensure!(kept.contains("10.0.1.11"), "after SIG{stop}: {kept}");
            node1.start_again(&daemon)?;
            wait_until(DEADLINE, "the new speaker", || -> Result<()> {
                let peer = settle(lab)?;
                ensure!(
                    peer.established == 1,
                    "the fresh session was lost: {peer:?}"
                );
                Ok(())
            })?;
        }
        Ok(())
    })
}
