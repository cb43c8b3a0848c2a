//! `tests/topologies/policies` with `limits.yaml`: BIRD, FRR, GoBGP and OpenBGPD announce more than
//! they may, and each limit has another action; then the node is too much for BIRD and FRR.

use std::time::Duration;

use anyhow::{Result, ensure};
use rcni_tests::status::{ESTABLISHED, Peer, Status};
use rcni_tests::{Lab, wait_until};

use super::policies::{PEERS, deployed};
use super::{Suite, gobgp};
use crate::common::{DEADLINE, routes, wait_established, wait_no_route};

/// Longer than it takes a session to come back by itself.
const AWHILE: Duration = Duration::from_secs(5);

fn peer(lab: &Lab, name: &str) -> Result<Peer> {
    Ok(Status::of(lab.node("node1")?)?.peer(name)?.clone())
}

/// The session has ended, for its limit.
fn wait_ended(lab: &Lab, name: &str) -> Result<()> {
    wait_until(DEADLINE, &format!("{name} is over its limit"), || {
        let peer = peer(lab, name)?;
        let class = peer.last_error.as_ref().map(|error| error.class.as_str());
        ensure!(class == Some("max-prefixes"), "{}", peer.describe());
        Ok(())
    })
}

/// `Restart`, with BIRD: down, and up again when it is not too much any more.
fn restart(lab: &Lab) -> Result<()> {
    let (node1, bird) = (lab.node("node1")?, lab.node("bird")?);
    bird.check(&["birdc", "enable", "surplus"])?;
    wait_ended(lab, "bird")?;
    wait_no_route(node1, "198.18.1.0/24")?;
    wait_until(DEADLINE, "BIRD has heard why", || -> Result<()> {
        let said = bird.check(&["birdc", "show", "protocols", "all", "node1"])?;
        let said = said.to_lowercase();
        // BIRD 2 does not look into a Hard Reset, which it does not offer either.
        ensure!(said.contains("maximum number of prefixes"), "{said}");
        Ok(())
    })?;
    bird.check(&["birdc", "disable", "surplus"])?;
    wait_until(DEADLINE, "BIRD's session is back, and stays", || {
        let peer = peer(lab, "bird")?;
        let lasts = peer.state == ESTABLISHED && peer.since_seconds > 2.5;
        ensure!(lasts && peer.established > 1, "{}", peer.describe());
        Ok(())
    })
}

/// `Shutdown`, with FRR: down until somebody starts it.
fn shutdown(lab: &Lab) -> Result<()> {
    let (node1, frr) = (lab.node("node1")?, lab.node("frr")?);
    let redistribute = |no: &str| {
        let line = format!("{no}redistribute static");
        let family = "address-family ipv4 unicast";
        let mut argv: Vec<String> = ["vtysh", "-c", "configure terminal"].map(Into::into).into();
        for host in 1..=20 {
            let route = format!("ip route 198.51.100.{host}/32 blackhole");
            argv.extend(["-c".to_owned(), route]);
        }
        for line in ["router bgp 65020", family, &line] {
            argv.extend(["-c", line].map(str::to_owned));
        }
        frr.check(&argv).map(drop)
    };
    redistribute("")?;
    wait_ended(lab, "frr")?;
    let said = frr.check(&["vtysh", "-c", "show bgp neighbors 10.0.2.11"])?;
    let told = ["Maximum Number of Prefixes", "Hard Reset"];
    ensure!(told.iter().any(|words| said.contains(words)), "{said}");
    redistribute("no ")?;
    std::thread::sleep(AWHILE);
    let down = peer(lab, "frr")?;
    ensure!(down.state != ESTABLISHED, "{}", down.describe());
    ensure!(routes(node1, "198.18.2.0/24")?.is_empty(), "kept");
    node1.check(&["rcni-bgp", "peer", "start", "frr"])?;
    wait_established(node1, "frr")
}

/// `Drop`, with GoBGP: so many and no more; others when there is room.
fn drop_surplus(lab: &Lab) -> Result<()> {
    let (node1, gobgpd) = (lab.node("node1")?, lab.node("gobgp")?);
    let prefix = |number: u32| format!("198.51.101.{number}/32");
    let change = |verb: &str, numbers: std::ops::Range<u32>| {
        numbers
            .map(prefix)
            .try_for_each(|prefix| gobgpd.check(&gobgp(verb, &prefix, "")).map(drop))
    };
    let taken = || -> Result<Vec<u32>> {
        let mut taken = Vec::new();
        for number in 1..6 {
            if !routes(node1, &prefix(number))?.is_empty() {
                taken.push(number);
            }
        }
        Ok(taken)
    };
    let wait_taken = |wanted: &[u32]| {
        wait_until(DEADLINE, &format!("{wanted:?} of GoBGP's"), || {
            let seen = taken()?;
            ensure!(seen == wanted, "{seen:?}");
            Ok(())
        })
    };
    change("add", 1..6)?;
    wait_taken(&[1, 2, 3])?;
    change("del", 1..4)?;
    wait_taken(&[4, 5])?;
    // With another limit in the file, what was too much is asked for; GoBGP says nothing by itself.
    change("add", 1..4)?;
    wait_taken(&[1, 4, 5])?;
    let raised = "sed '/peerIP: 10.0.3.1$/,/^---/ s/ipv4: 3/ipv4: 9/' /etc/rcni/bgp.yaml >/tmp/raised && \
                  cat /tmp/raised >/etc/rcni/bgp.yaml && rcni-bgp reload";
    let said = node1.check(&["sh", "-c", raised])?;
    ensure!(said.contains("maximumPrefixes"), "{said}");
    wait_taken(&[1, 2, 3, 4, 5])?;
    let peer = peer(lab, "gobgp")?;
    ensure!(peer.established == 1, "{}", peer.describe());
    Ok(())
}

/// `Warn`, with OpenBGPD: all is taken.
fn warn(lab: &Lab) -> Result<()> {
    let openbgpd = lab.node("openbgpd")?;
    for number in 1..5 {
        let prefix = format!("198.51.102.{number}/32");
        openbgpd.check(&["bgpctl", "network", "add", &prefix])?;
    }
    wait_until(DEADLINE, "all of OpenBGPD's", || -> Result<()> {
        let peer = peer(lab, "openbgpd")?;
        ensure!(peer.prefixes.accepted == 5, "{:?}", peer.prefixes);
        ensure!(peer.established == 1, "{}", peer.describe());
        Ok(())
    })?;
    let said = lab.node("node1")?.exec(&["rcni-bgp", "status"])?.stdout;
    ensure!(said.contains("5 of at most 3"), "{said}");
    Ok(())
}

/// FRR's and BIRD's own limits, which are one less than what the node announces.
fn theirs(lab: &Lab) -> Result<()> {
    let (node1, frr, bird) = (lab.node("node1")?, lab.node("frr")?, lab.node("bird")?);
    let limit = |no: &str| {
        let line = format!("{no}neighbor 10.0.2.11 maximum-prefix 1");
        let lines = [
            "configure terminal",
            "router bgp 65020",
            "address-family ipv4 unicast",
            &line,
            "end",
            "clear bgp 10.0.2.11",
        ];
        let words = lines.iter().flat_map(|line| ["-c", line]);
        let argv: Vec<&str> = ["vtysh"].into_iter().chain(words).collect();
        frr.check(&argv).map(drop)
    };
    let configured = "sed 's/import all;/import all; receive limit 1 action disable;/' \
                      /etc/bird/bird.conf >/run/bird/limited.conf && \
                      birdc configure '\"/run/bird/limited.conf\"'";
    limit("")?;
    bird.check(&["sh", "-c", configured])?;
    for name in ["frr", "bird"] {
        wait_ended(lab, name)?;
        let error = peer(lab, name)?.last_error;
        let text = error.map(|error| error.text).unwrap_or_default();
        ensure!(text.starts_with("received"), "{name}: {text}");
    }
    let text = node1.exec(&["rcni-bgp", "status"])?.stdout;
    // Who says the limit is understood; BIRD does not.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    ensure!(text.contains("(6/1): at most 1 of ipv4 unicast"), "{text}");
    limit("no ")?;
    bird.check(&["birdc", "configure", "\"/etc/bird/bird.conf\""])?;
    bird.check(&["birdc", "enable", "node1"])?;
    wait_established(node1, "frr")?;
    wait_established(node1, "bird")
}

pub(crate) fn four_actions(suite: Suite) -> Result<()> {
    deployed(suite, Some("limits.yaml"), |lab| {
        let node1 = lab.node("node1")?;
        PEERS
            .iter()
            .try_for_each(|peer| wait_established(node1, peer))?;
        warn(lab)?;
        drop_surplus(lab)?;
        restart(lab)?;
        shutdown(lab)?;
        theirs(lab)
    })
}
