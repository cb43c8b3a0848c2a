//! BFD with FRR's bfdd and with BIRD at the other end, and with ourselves.

mod common;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use common::flow::Flow;
use common::{DEADLINE, add_pod, in_patched_lab, wait_established, wait_route, write};
use rcni_tests::status::{Bfd, ESTABLISHED, Peer, Status};
use rcni_tests::{Lab, Node, Options, wait_until};

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
    ours: (u32, u32, u8),
    frrs: (u32, u32, u8),
    test: impl FnOnce(&Lab) -> Result<()>,
) -> Result<()> {
    let patches = patches(ours, frrs);
    let patches = patches
        .each_ref()
        .map(|(file, old, new)| (*file, *old, new.as_str()));
    in_patched_lab("two-node-frr", &patches, test)
}

fn tor(node: &Node) -> Result<Peer> {
    let peers = Status::of(node)?.peers;
    peers
        .into_iter()
        .find(|peer| peer.name == "tor")
        .context("tor")
}

fn bfd(node: &Node) -> Result<Bfd> {
    tor(node)?.bfd.context("not watched")
}

fn wait_bfd(node: &Node, what: &str, is_it: impl Fn(&Bfd) -> bool) -> Result<Bfd> {
    wait_until(DEADLINE, what, || -> Result<Bfd> {
        let bfd = bfd(node)?;
        ensure!(is_it(&bfd), "{bfd:?}");
        Ok(bfd)
    })
}

fn wait_up(node: &Node) -> Result<Bfd> {
    wait_bfd(node, "BFD up", |bfd| bfd.state == "Up")
}

/// Both are up and stay so. FRR 8.4 begins its session of BFD anew, and ends that of BGP, when that has come
/// up for the first time.
fn settle(lab: &Lab) -> Result<Peer> {
    let node1 = lab.node("node1")?;
    wait_until(DEADLINE, "both to be up for a while", || -> Result<Peer> {
        let peer = tor(node1)?;
        let bfd = peer.bfd.as_ref().context("not watched")?;
        let up = bfd.state == "Up" && bfd.since_seconds >= 3;
        ensure!(
            up && peer.state == ESTABLISHED && peer.since_seconds >= 3.0,
            "{peer:?}"
        );
        Ok(peer)
    })
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

/// Nothing gets through node1's uplink any more, and nobody is told.
const CUT: &str = "nft 'table inet cut { chain in { type filter hook prerouting priority -400; \
                   iifname eth1 drop; }; }; table netdev cut { chain out { type filter hook egress \
                   device eth1 priority 0; drop; }; }'";
const MEND: &str = "nft delete table inet cut; nft delete table netdev cut";

#[test]
fn both_come_up_and_silence_ends_the_session_within_the_detection_time() -> Result<()> {
    in_watched_lab((100, 100, 3), (100, 100, 3), |lab| {
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

#[test]
fn the_slower_side_counts_and_times_change_while_it_is_up() -> Result<()> {
    in_watched_lab((50, 400, 3), (300, 60, 5), |lab| {
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
#[test]
fn bfd_comes_and_goes_and_the_session_stays() -> Result<()> {
    in_watched_lab((100, 100, 3), (100, 100, 3), |lab| {
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
fn no_packet_is_lost(stop: &str) -> Result<()> {
    in_watched_lab((100, 100, 3), (100, 100, 3), |lab| {
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

#[test]
fn no_packet_is_lost_in_an_upgrade() -> Result<()> {
    no_packet_is_lost("TERM")
}

#[test]
fn no_packet_is_lost_after_a_crash() -> Result<()> {
    no_packet_is_lost("KILL")
}

const BIRD_TOPOLOGY: &str = "name: bird-bfd
topology:
  defaults: {kind: linux, network-mode: none}
  nodes:
    tor:
      image: bird:2.0.12
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
fn with_bird(asn: u32, peer: &str, test: impl FnOnce(&Lab) -> Result<()>) -> Result<()> {
    let (folder, file) = write(BIRD_TOPOLOGY)?;
    for (name, text) in [
        ("bird.conf", BIRD_CONF.replace("SESSION", &asn.to_string())),
        ("bgp.yaml", OURS.replace("PEER", peer)),
        ("felix.yaml", FELIX.to_owned()),
    ] {
        std::fs::write(folder.path().join(name), text)?;
    }
    let lab = Lab::deploy(&file, &Options::default())?;
    // Its sockets want the address, which came after it had begun.
    lab.node("tor")?.check(&["birdc", "restart", "watch"])?;
    test(&lab).with_context(|| lab.report())
}

fn birds_session(tor: &Node) -> Result<String> {
    tor.check(&["birdc", "show", "bfd", "sessions"])
}

#[test]
fn bird_on_the_link() -> Result<()> {
    with_bird(65001, "asNumber: 65000", |lab| {
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
#[test]
fn bird_as_an_internal_peer() -> Result<()> {
    let peer = "asNumber: internal, localASNumber: 65000";
    with_bird(65000, peer, |lab| {
        let peer = settle(lab)?;
        ensure!(peer.bfd.context("not watched")?.multihop);
        Ok(())
    })
}

#[test]
fn bird_keeps_routes_in_an_upgrade_and_after_a_crash() -> Result<()> {
    with_bird(65001, "asNumber: 65000", |lab| {
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
