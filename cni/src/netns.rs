//! The pod's network namespace: found, told apart from our own, entered to open a socket.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::CniError;

const OWN: &str = "/proc/thread-self/ns/net";

/// An open network namespace.
#[derive(Debug)]
pub struct Netns {
    file: File,
    path: PathBuf,
    /// The one of the thread that opened it, to come back to.
    own: File,
}

impl Netns {
    /// Opens the namespace at `path`: a bind mount or `/proc/PID/ns/net`.
    ///
    /// # Errors
    /// If nothing can be opened there. Whether it is a network namespace shows in [`Self::enter`].
    pub fn open(path: &Path) -> Result<Self, CniError> {
        // Not blocking: what is there might be a FIFO.
        let file = File::options()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .map_err(|error| unusable(path, &error))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            own: File::open(OWN).map_err(|error| unusable(Path::new(OWN), &error))?,
        })
    }

    /// The open file, for netlink's `IFLA_NET_NS_FD`.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Runs `work` inside the namespace and comes back. Only the calling thread moves; it must be the
    /// one that opened it.
    ///
    /// # Errors
    /// If this is no network namespace, may not be entered, or `work` fails.
    pub fn enter<T>(&self, work: impl FnOnce() -> Result<T, CniError>) -> Result<T, CniError> {
        move_to(&self.file).map_err(|error| unusable(&self.path, &error))?;
        let outcome = work();
        move_to(&self.own).map_err(|error| unusable(Path::new(OWN), &error))?;
        outcome
    }
}

/// Whether `path` is the network namespace that this thread is in. Whatever cannot be looked at is
/// not ours.
#[must_use]
pub fn is_own(path: &Path) -> bool {
    are_same(path, Path::new(OWN))
}

/// Whether both paths lead to the same namespace. What cannot be looked at is not the same.
#[must_use]
pub fn are_same(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| {
        std::fs::metadata(path)
            .ok()
            .map(|found| (found.dev(), found.ino()))
    };
    match (identity(one), identity(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

fn move_to(namespace: &File) -> io::Result<()> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
    Ok(())
}

fn unusable(path: &Path, error: &io::Error) -> CniError {
    let reason = match error.raw_os_error() {
        Some(libc::EINVAL) => "it is not a network namespace".to_owned(),
        _ => error.to_string(),
    };
    CniError::environment(
        format!("CNI_NETNS {}: {reason}", path.display()),
        "give the path of the pod's network namespace, such as /run/netns/NAME or \
         /proc/PID/ns/net; if the pod has ended, run DEL",
    )
}
