//! Links: veth pairs made inside the nodes' network namespaces.
//!
//! The host's `ip` does it from within the first end's namespace: made from the host's, a name
//! that the host also has (`eth1`) would be refused, and for a moment the pair would be there.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns};

use super::process::{Output, run};
use crate::topology::LinkSpec;

const DEADLINE: Duration = Duration::from_secs(30);

/// First interface index of a lab's links. Each end of each link has its own, so that nothing
/// works by accident because two nodes count alike.
const FIRST_INDEX: usize = 100;

/// Runs the host's `ip` in the network namespace of `pid` (and in no other namespace of it).
///
/// # Errors
/// The namespace is gone, `ip` is not installed, or it fails.
pub(super) fn ip(pid: i32, arguments: &[&str]) -> Result<String> {
    let path = format!("/proc/{pid}/ns/net");
    let namespace = File::open(&path).with_context(|| path.clone())?;
    let mut command = Command::new("ip");
    command.args(arguments);
    let enter = move || {
        setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET)
            .map_err(|error| std::io::Error::from_raw_os_error(error as i32))
    };
    // SAFETY: between fork and exec only setns(2) is called, which is a plain system call.
    unsafe { command.pre_exec(enter) };
    run(&mut command, b"", DEADLINE)
        .context("is iproute2 installed?")
        .and_then(Output::ok)
}

/// Makes link number `number` of the lab between two nodes, both ends up.
///
/// # Errors
/// The kernel refuses it.
pub(super) fn connect(link: &LinkSpec, number: usize, pids: [i32; 2]) -> Result<()> {
    let [a, b] = &link.ends;
    let mtu = link.mtu.to_string();
    let index = |end: usize| (FIRST_INDEX + 2 * number + end).to_string();
    let peer_namespace = pids[1].to_string();
    ip(
        pids[0],
        &[
            "link",
            "add",
            "name",
            &a.interface,
            "index",
            &index(0),
            "mtu",
            &mtu,
            "type",
            "veth",
            "peer",
            "name",
            &b.interface,
            "index",
            &index(1),
            "mtu",
            &mtu,
            "netns",
            &peer_namespace,
        ],
    )
    .with_context(|| format!("link {a} - {b}"))?;
    for (pid, end) in pids.into_iter().zip(&link.ends) {
        ip(pid, &["link", "set", "dev", &end.interface, "up"])?;
    }
    Ok(())
}
