//! What labs with two nodes of two uplinks each share.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use rcni_tests::{Lab, Node, Pod};

use super::{add_pod, fetch_in};

const UPLINKS: [&str; 2] = ["eth1", "eth2"];
/// Enough that all of them on one of two equal uplinks is out of the question (2^-31).
const CONNECTIONS: u32 = 32;

pub(crate) fn node(lab: &Lab, number: u8) -> Result<&Node> {
    lab.node(&format!("node{number}"))
}

pub(crate) fn pods(lab: &Lab) -> Result<(Pod, Pod)> {
    Ok((
        add_pod(lab, "node1", "alice")?,
        add_pod(lab, "node2", "bob")?,
    ))
}

/// Connections between the same two addresses, of different ports, take both uplinks.
pub(crate) fn spread(from: &Pod, server: SocketAddr) -> Result<()> {
    let count = |link: &str| -> Result<u64> {
        let path = format!("/sys/class/net/{link}/statistics/tx_packets");
        let text = from.node().check(&["cat", &path])?;
        text.trim().parse().with_context(|| path)
    };
    let before = [count(UPLINKS[0])?, count(UPLINKS[1])?];
    for _ in 0..CONNECTIONS {
        fetch_in(from, server, 0)?;
    }
    for (link, before) in UPLINKS.into_iter().zip(before) {
        // A connection is five packets or more of the client; BGP sends one in three seconds.
        let sent = count(link)? - before;
        ensure!(
            sent >= 20,
            "{link} carried {sent} packets of {CONNECTIONS} connections"
        );
    }
    Ok(())
}
