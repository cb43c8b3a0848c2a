//! What is tested of `containerlab/unnumbered`, with whatever FRR and BIRD there is.
#![allow(dead_code, reason = "every test file uses another part")]

pub(crate) mod bfd;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rcni_tests::status::{ESTABLISHED, Status};
use rcni_tests::{Lab, Node, Pod, wait_until};

use crate::common::family::{BOTH, Family, first_packet};
use crate::common::flow::Flow;
use crate::common::paths::{hops, next_hops};
use crate::common::two_nodes::{node, pods, spread};
use crate::common::{DEADLINE, fetch_on, in_patched_lab, routes, serve_on, wait_established};

const NODES: [u8; 2] = [1, 2];
const UPLINKS: [&str; 2] = ["eth1", "eth2"];

fn in_lab(frr: &str, test: impl FnOnce(&Lab) -> Result<()>) -> Result<()> {
    let image = format!("frrouting/frr:{frr}");
    let patch = ("topology.clab.yml", "frrouting/frr:v8.4.0", image.as_str());
    in_patched_lab("unnumbered", &[patch], test)
}

/// The address that a node has on `lo`.
fn own(family: Family, node: u8) -> String {
    family.pick(format!("10.255.1.{node}"), format!("fd00:10:255::{node}"))
}

/// The only address of a link.
fn link_local(node: &Node, link: &str) -> Result<String> {
    let said = node.check(&[
        "ip", "-6", "-o", "address", "show", "dev", link, "scope", "link",
    ])?;
    let address = said
        .split_whitespace()
        .skip_while(|word| *word != "inet6")
        .nth(1);
    let address = address.and_then(|address| address.split('/').next());
    Ok(address
        .with_context(|| format!("{link}: {said}"))?
        .to_owned())
}

/// Waits until the next hops are the link-local addresses of these links of others.
fn wait_ways(node: &Node, prefix: &str, others: &[(&Node, &str)]) -> Result<()> {
    let wanted = others.iter().map(|(other, link)| link_local(other, link));
    let wanted = wanted.collect::<Result<BTreeSet<_>>>()?;
    let what = format!("{prefix} via {wanted:?} in the kernel of {}", node.name());
    wait_until(DEADLINE, &what, || -> Result<()> {
        let seen = next_hops(node, prefix)?;
        ensure!(seen == wanted, "next hops {seen:?}");
        Ok(())
    })
}

/// Waits until a router has these links for a prefix: FRR 8.4 gives an IPv4 route through an IPv6 next hop
/// a stand-in (169.254.0.1) with the neighbour's MAC address, newer ones the next hop itself.
fn wait_links(router: &Node, prefix: &str, links: &[&str]) -> Result<()> {
    let what = format!("{prefix} by {links:?} in the kernel of {}", router.name());
    wait_until(DEADLINE, &what, || -> Result<()> {
        let said = routes(router, prefix)?;
        let mut words = said.split_whitespace();
        let mut found = BTreeSet::new();
        while words.any(|word| word == "dev") {
            found.extend(words.next());
        }
        ensure!(found == links.iter().copied().collect(), "{said}");
        Ok(())
    })
}

fn wait_fabric(lab: &Lab) -> Result<()> {
    let (a, b, core) = (lab.node("tor-a")?, lab.node("tor-b")?, lab.node("core")?);
    for number in NODES {
        for uplink in UPLINKS {
            wait_established(node(lab, number)?, &format!("tor/{uplink}"))?;
        }
        let (port, other) = (format!("eth{}", number + 1), 3 - number);
        for &family in BOTH {
            let mine = node(lab, number)?;
            for prefix in [&family.block(other), family.default(), &own(family, other)] {
                wait_ways(mine, prefix, &[(a, &port), (b, &port)])?;
            }
            wait_links(a, &family.block(number), &[&port])?;
            wait_links(b, &family.block(number), &[&port])?;
            wait_links(core, &own(family, number), &["eth1", "eth2"])?;
        }
    }
    Ok(())
}

/// The whole of it, with this FRR.
pub(crate) fn everything(frr: &str) -> Result<()> {
    in_lab(frr, |lab| {
        let (alice, bob) = pods(lab)?;
        wait_fabric(lab)?;
        no_addresses(lab)?;
        for &family in BOTH {
            first_packet(&alice, &family.ip(&bob)?.to_string())?;
            let (at_alice, at_bob) = (family.serve(&alice)?, family.serve(&bob)?);
            assert_eq!(family.seen(&alice, at_bob)?, family.ip(&alice)?);
            assert_eq!(family.seen(&bob, at_alice)?, family.ip(&bob)?);
            // A node is reached at its own address, and what it sends itself comes from there.
            let at_node2 = serve_on(node(lab, 2)?, &own(family, 2))?;
            let seen = fetch_on(node(lab, 1)?, at_node2, 1)?;
            ensure!(seen.is_untranslated());
            assert_eq!(family.seen(&alice, at_node2)?, family.ip(&alice)?);
            let internet = serve_on(lab.node("internet")?, family.internet())?;
            let wanted: IpAddr = match family {
                Family::V4 => own(family, 1).parse()?,
                Family::V6 => family.ip(&alice)?,
            };
            assert_eq!(family.seen(&alice, internet)?, wanted);
            spread(&alice, at_bob)?;
        }
        routers_answer(lab, &alice)?;
        in_frr(lab)
    })
}

/// No IPv4 address on any link of the fabric, no default by an advertisement, and nobody listens to any.
fn no_addresses(lab: &Lab) -> Result<()> {
    for number in NODES {
        let node = node(lab, number)?;
        for uplink in UPLINKS {
            let v4 = node.check(&["ip", "-4", "-o", "address", "show", "dev", uplink])?;
            ensure!(v4.is_empty(), "{v4}");
            let global = [
                "ip", "-6", "-o", "address", "show", "dev", uplink, "scope", "global",
            ];
            let global = node.check(&global)?;
            ensure!(global.is_empty(), "{global}");
            let setting = format!("/proc/sys/net/ipv6/conf/{uplink}/accept_ra");
            let accepts = node.check(&["cat", &setting])?;
            ensure!(accepts.trim() == "0", "{uplink}: accept_ra {accepts}");
        }
        let learned = node.check(&["ip", "-6", "route", "show", "proto", "ra"])?;
        ensure!(learned.is_empty(), "{learned}");
        let default = routes(node, "0.0.0.0/0")?;
        ensure!(default.contains(" fe80:"), "{default}");
        ensure!(default.contains("src 10.255.1."), "{default}");
    }
    Ok(())
}

/// Routers without an address on the way say who they are (ICMP), the node first.
fn routers_answer(lab: &Lab, alice: &Pod) -> Result<()> {
    let internet = Family::V4.internet().parse()?;
    let passed = hops(alice, internet)?;
    ensure!(passed.len() == 3, "{passed:?}");
    ensure!(passed[0] == own(Family::V4, 1), "{passed:?}");
    ensure!(passed[1].starts_with("10.255.0.1"), "{passed:?}");
    ensure!(passed[2] == "10.255.0.1", "{passed:?}");
    // Nobody has this one, and the core says so.
    let said = alice
        .exec(&["ping", "-n", "-c", "1", "-W", "2", "10.244.77.1"])?
        .stdout;
    ensure!(said.contains("Unreachable"), "{said}");
    let _ = lab;
    Ok(())
}

/// The router's own view: its neighbours have the names of its links, IPv4 goes over IPv6.
fn in_frr(lab: &Lab) -> Result<()> {
    let tor = lab.node("tor-a")?;
    let said = tor.check(&["vtysh", "-c", "show bgp neighbors eth2 json"])?;
    let said: serde_json::Value = serde_json::from_str(&said)?;
    let neighbour = &said["eth2"];
    ensure!(neighbour["bgpState"] == ESTABLISHED, "{neighbour}");
    let capability = &neighbour["neighborCapabilities"]["extendedNexthop"];
    ensure!(capability == "advertisedAndReceived", "{neighbour}");
    let route = tor.check(&["vtysh", "-c", "show ip route 10.244.1.0/24 json"])?;
    let route: serde_json::Value = serde_json::from_str(&route)?;
    let hop = &route["10.244.1.0/24"][0]["nexthops"][0];
    ensure!(
        hop["afi"] == "ipv6" && hop["interfaceName"] == "eth2",
        "{route}"
    );
    Ok(())
}

/// Nothing of a flow is lost while the daemon of a node restarts, and a flapping link comes back.
pub(crate) fn flaps_and_restarts(frr: &str) -> Result<()> {
    in_lab(frr, |lab| {
        let (alice, bob) = pods(lab)?;
        wait_fabric(lab)?;
        let flows = BOTH.iter().map(|family| {
            first_packet(&alice, &family.ip(&bob)?.to_string())?;
            Flow::start(&alice, family.ip(&bob)?)
        });
        let flows = flows.collect::<Result<Vec<_>>>()?;
        let one = node(lab, 1)?;
        let old = Status::of(one)?.pid;
        let killed = one.kill("rcni-bgp")?;
        std::thread::sleep(Duration::from_secs(2));
        one.start_again(&killed)?;
        wait_until(DEADLINE, "the new speaker", || -> Result<()> {
            ensure!(Status::of(one)?.pid != old, "still the old one");
            Ok(())
        })?;
        wait_fabric(lab)?;
        for flow in flows {
            let (sent, received) = flow.finish()?;
            ensure!(received == sent, "{sent} sent, {received} received");
        }
        // The other end of a link goes down and up; then our own.
        for (name, link) in [("tor-a", "eth2"), ("node1", "eth1")] {
            let end = lab.node(name)?;
            end.check(&["ip", "link", "set", "dev", link, "down"])?;
            wait_ways(one, &Family::V4.block(2), &[(lab.node("tor-b")?, "eth2")])?;
            // The other side's way back is the routers' matter.
            wait_until(DEADLINE, "an answer on the other way", || {
                first_packet(&alice, &Family::V4.ip(&bob)?.to_string())
            })?;
            end.check(&["ip", "link", "set", "dev", link, "up"])?;
            wait_until(DEADLINE, "an address again", || link_local(end, link))?;
            wait_fabric(lab)?;
        }
        for &family in BOTH {
            first_packet(&alice, &family.ip(&bob)?.to_string())?;
        }
        Ok(())
    })
}

/// A node behind BIRD, which wants the neighbour's address, and says nothing of itself by advertisements:
/// so it is written on both sides.
const BIRD: &str = "
name: unnumbered-bird
topology:
  defaults: {kind: linux, network-mode: none}
  nodes:
    tor:
      image: bird:VERSION
      binds: [bird.conf:/etc/bird/bird.conf:ro]
      sysctls: {net.ipv4.ip_forward: 1, net.ipv6.conf.all.forwarding: 1}
      exec:
        - ip link set dev eth1 addrgenmode none
        - ip -6 address flush dev eth1
        - ip address add fe80::1/64 dev eth1 nodad
        - ip address add 10.255.0.1/32 dev lo
    node1:
      image: rcni/node
      binds: [bgp.yaml:/etc/rcni/bgp.yaml:ro]
      env: {RCNI_WAIT_FOR: lo}
      exec:
        - ip link set dev eth1 addrgenmode none
        - ip -6 address flush dev eth1
        - ip address add fe80::11/64 dev eth1 nodad
        - ip address add 10.255.1.1/32 dev lo
  links:
    - {endpoints: [\"tor:eth1\", \"node1:eth1\"], mtu: 1500}
";

const BIRD_CONF: &str = "
router id 10.255.0.1;
log \"/var/log/bird.log\" all;
protocol device {}
protocol kernel { ipv4 { export all; }; }
protocol kernel { ipv6 { export all; }; }
protocol static { ipv4; route 198.18.0.0/24 blackhole; }
protocol static { ipv6; route 2001:db8:18::/48 blackhole; }
protocol bgp node1 {
  local as 65000;
  neighbor fe80::11%eth1 as 65001;
  connect delay time 1;
  ipv4 { import all; export all; extended next hop on; };
  ipv6 { import all; export all; };
}
";

const BIRD_NODE: &str = "
apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {name: default}
spec:
  asNumber: 65001
  routerID: 10.255.1.1
  networks: [{cidr: 10.244.1.0/24}, {cidr: 'fd00:10:244:1::/64'}]
  nodeAddresses: [10.255.1.1]
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {name: tor}
spec: {peerIP: 'fe80::1%eth1', asNumber: 65000, filters: [all]}
---
apiVersion: rcni.io/v1alpha1
kind: BGPFilter
metadata: {name: all}
spec: {importV4: [{action: Accept}], importV6: [{action: Accept}]}
";

/// With this BIRD.
pub(crate) fn bird(version: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("topology.clab.yml");
    std::fs::write(&file, BIRD.replace("VERSION", version))?;
    std::fs::write(folder.path().join("bird.conf"), BIRD_CONF)?;
    std::fs::write(folder.path().join("bgp.yaml"), BIRD_NODE)?;
    let lab = Lab::deploy(&file, &rcni_tests::Options::default())?;
    let (tor, node) = (lab.node("tor")?, lab.node("node1")?);
    wait_established(node, "tor")?;
    for (prefix, own) in [
        ("198.18.0.0/24", "10.244.1.0/24"),
        ("2001:db8:18::/48", "fd00:10:244:1::/64"),
    ] {
        wait_until(DEADLINE, prefix, || -> Result<()> {
            ensure!(next_hops(node, prefix)? == BTreeSet::from(["fe80::1".to_owned()]));
            ensure!(next_hops(tor, own)? == BTreeSet::from(["fe80::11".to_owned()]));
            Ok(())
        })?;
    }
    Ok(())
}
