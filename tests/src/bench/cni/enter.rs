//! Threads that are in a node of the lab, and so are the plugins that they start.
//!
//! The harness itself stays outside: the node's root may be another system than the one that it
//! was built for.

use std::fs::File;
use std::os::fd::AsFd;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns, unshare};

use crate::lab::process::ProcessId;

/// A network namespace that stands for a host, in a node.
#[derive(Debug)]
pub(super) struct Host {
    node: ProcessId,
    netns: File,
}

impl Host {
    /// Makes one of its own: it ends with its last user.
    pub(super) fn make(node: ProcessId) -> Result<Self> {
        let make = || -> Result<File> {
            unshare(CloneFlags::CLONE_NEWNET).context("a network namespace")?;
            File::open("/proc/thread-self/ns/net").context("own network namespace")
        };
        let made = std::thread::scope(|scope| scope.spawn(make).join());
        let netns = made.map_err(|_| anyhow::anyhow!("a thread has panicked"))??;
        Ok(Self { node, netns })
    }

    /// The namespace, for a thread that leaves it for a moment.
    pub(super) fn netns(&self) -> Result<File> {
        self.netns.try_clone().context("dup")
    }

    /// Moves the calling thread, for good, into the node's mounts and PID namespace and into
    /// this network. It must not start threads any more; processes that it starts are there too.
    pub(super) fn enter(&self) -> Result<()> {
        let open = |name: &str| {
            let path = format!("/proc/{}/ns/{name}", self.node.pid);
            File::open(&path).context(path)
        };
        let (mounts, pids) = (open("mnt")?, open("pid")?);
        setns(self.netns.as_fd(), CloneFlags::CLONE_NEWNET).context("entering a network")?;
        // A root of its own comes before one that is different from the other threads'.
        unshare(CloneFlags::CLONE_FS).context("unshare")?;
        setns(mounts.as_fd(), CloneFlags::CLONE_NEWNS).context("entering the node's mounts")?;
        setns(pids.as_fd(), CloneFlags::CLONE_NEWPID).context("entering the node's processes")
    }
}
