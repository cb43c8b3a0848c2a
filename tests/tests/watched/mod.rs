//! BFD with a router at the other end, of whatever version.
#![allow(dead_code, reason = "every test file uses another part")]

pub(crate) mod bird;
pub(crate) mod frr;

use anyhow::{Context, Result, ensure};
use rcni_tests::status::{Bfd, Peer, Status};
use rcni_tests::{Lab, Node, wait_until};

use crate::common::{DEADLINE, wait_watched};

pub(super) fn tor(node: &Node) -> Result<Peer> {
    let peers = Status::of(node)?.peers;
    peers
        .into_iter()
        .find(|peer| peer.name == "tor")
        .context("tor")
}

pub(super) fn bfd(node: &Node) -> Result<Bfd> {
    tor(node)?.bfd.context("not watched")
}

pub(super) fn wait_bfd(node: &Node, what: &str, is_it: impl Fn(&Bfd) -> bool) -> Result<Bfd> {
    wait_until(DEADLINE, what, || -> Result<Bfd> {
        let bfd = bfd(node)?;
        ensure!(is_it(&bfd), "{bfd:?}");
        Ok(bfd)
    })
}

pub(super) fn wait_up(node: &Node) -> Result<Bfd> {
    wait_bfd(node, "BFD up", |bfd| bfd.state == "Up")
}

/// Both are up and stay so.
pub(super) fn settle(lab: &Lab) -> Result<Peer> {
    wait_watched(lab.node("node1")?, "tor")
}

/// Nothing gets through node1's uplink any more, and nobody is told.
pub(super) const CUT: &str = "nft 'table inet cut { chain in { type filter hook prerouting priority -400; \
                   iifname eth1 drop; }; }; table netdev cut { chain out { type filter hook egress \
                   device eth1 priority 0; drop; }; }'";
pub(super) const MEND: &str = "nft delete table inet cut; nft delete table netdev cut";
