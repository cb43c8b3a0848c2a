//! Sockets of other network namespaces. A socket belongs to the namespace in which it was made,
//! whoever uses it later: only its making needs a thread that is there.

use std::fs::File;
use std::os::fd::AsFd;

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns};

/// Runs `make` in the network namespace of process `pid`, on a thread that ends with it.
///
/// # Errors
/// The process is gone, or `make` fails.
pub fn within<T: Send>(pid: i32, make: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let path = format!("/proc/{pid}/ns/net");
    let namespace = File::open(&path).with_context(|| path.clone())?;
    let in_there = || -> Result<T> {
        setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET).with_context(|| path.clone())?;
        make()
    };
    std::thread::scope(|scope| match scope.spawn(in_there).join() {
        Ok(made) => made,
        Err(_) => bail!("a thread in {path} has panicked"),
    })
}
