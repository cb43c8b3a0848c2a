//! When a lab can be used: plugin lists are written, sessions are Established.
//!
//! What a node must have is told by the configurations in it, not by its name.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::lab::node::Node;
use crate::status::{ESTABLISHED, Status};
use crate::{images, runtime, wait_until};

/// How long a lab may take until all of it is ready.
pub const DEADLINE: Duration = Duration::from_secs(90);

/// Told every step of a wait as it is done.
pub type Progress<'a> = &'a dyn Fn(&str);

/// Whether the node's entry point starts the daemon with that configuration.
fn runs(node: &Node, configuration: &str) -> bool {
    node.path(images::ENTRYPOINT_PATH).exists() && node.path(configuration).exists()
}

/// Waits until every node with a felix-lite has its plugin list.
///
/// # Errors
/// One has none in time.
pub fn plugin_lists<'n>(
    nodes: impl Iterator<Item = &'n Node>,
    deadline: Duration,
    say: Progress<'_>,
) -> Result<()> {
    for node in nodes.filter(|node| runs(node, "/etc/rcni/felix.yaml")) {
        let name = node.name();
        wait_until(deadline, "felix-lite's plugin list", || {
            if runtime::is_ready(node) {
                Ok(())
            } else {
                Err(format!("{name} has none"))
            }
        })
        .with_context(|| log(node, "felix-lite"))?;
        say(&format!("{name}: felix-lite has written the plugin list"));
    }
    Ok(())
}

/// Waits until no address of any node is tentative (RFC 4862 §5.4). For about two seconds after a
/// link comes up its link-local address is, and a node without one asks for no neighbour.
///
/// # Errors
/// One still is when the time is over; that is a duplicate, too.
pub fn addresses<'n>(nodes: impl Iterator<Item = &'n Node>, deadline: Duration) -> Result<()> {
    for node in nodes {
        wait_until(deadline, "no tentative address", || -> Result<()> {
            let question = ["ip", "-6", "-o", "address", "show", "tentative"];
            let said = node.check(&question)?;
            if said.is_empty() {
                Ok(())
            } else {
                bail!("{}: {said}", node.name())
            }
        })?;
    }
    Ok(())
}

/// Waits until every session of every rcni-bgp is Established.
///
/// # Errors
/// One is not in time, or a speaker does not answer; with what was seen last.
pub fn sessions<'n>(
    nodes: impl Iterator<Item = &'n Node>,
    deadline: Duration,
    say: Progress<'_>,
) -> Result<()> {
    let speakers: Vec<&Node> = nodes
        .filter(|node| runs(node, "/etc/rcni/bgp.yaml"))
        .collect();
    let mut told = Vec::new();
    wait_until(deadline, "every session Established", || -> Result<()> {
        let mut missing = Vec::new();
        for node in &speakers {
            let status = match Status::of(node) {
                Ok(status) => status,
                Err(error) => {
                    missing.push(format!("{error:#}; {}", log(node, "rcni-bgp")));
                    continue;
                }
            };
            for link in status.links.iter().filter(|link| link.neighbor.is_none()) {
                let (name, peer) = (node.name(), &link.peer);
                missing.push(format!("{name} - {peer}: {} on {}", link.state, link.links));
            }
            for peer in &status.peers {
                let session = format!("{} - {} (AS {})", node.name(), peer.name, peer.asn);
                if peer.state != ESTABLISHED {
                    missing.push(format!("{session}: {}", peer.describe()));
                } else if !told.contains(&session) {
                    say(&format!("BGP Established: {session}"));
                    told.push(session);
                }
            }
        }
        if missing.is_empty() {
            Ok(())
        } else {
            bail!("{}", missing.join("\n"))
        }
    })
}

fn log(node: &Node, daemon: &str) -> String {
    let path = node.log_folder().join(format!("rcni/{daemon}.log"));
    format!("see the log {}", path.display())
}
