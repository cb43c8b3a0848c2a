//! A mark beside the control socket: a speaker has had sessions here, in this boot and this
//! network namespace.
//!
//! Whoever starts after it is a restarting speaker (RFC 4724 §4.1) even if no learned route is
//! in the kernel: the node's own prefixes are forwarded by the plugin's pod routes, which no stop
//! of this daemon touches, and peers that kept them as stale must be told so (F bit).

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use crate::transport::option;

/// See the [module](self).
#[derive(Debug)]
pub struct Marker {
    path: PathBuf,
    text: String,
}

impl Marker {
    /// The mark that belongs to the daemon with this control socket.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn beside(socket: &Path) -> io::Result<Self> {
        Ok(Self {
            path: Self::path_beside(socket),
            text: format!("{}\n", place()?),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path_beside(socket: &Path) -> PathBuf {
        let mut path = socket.as_os_str().to_owned();
        path.push(".ran");
        path.into()
    }

    /// Whether an earlier speaker has left it.
    #[must_use]
    pub fn is_left(&self) -> bool {
        std::fs::read_to_string(&self.path).is_ok_and(|text| text == self.text)
    }

    /// Takes it away: nothing of this run is left that the next one could go on with.
    pub fn remove(&self) {
        // Where it cannot be removed the next start waits for End-of-RIB, and no more.
        let _ = std::fs::remove_file(&self.path);
    }

    /// Leaves it. It is there at every moment after the first time: who is killed while he does it
    /// again has not made a cold start of the next one.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn leave(&self) -> io::Result<()> {
        if self.is_left() {
            return Ok(());
        }
        crate::drained::replace(&self.path, &self.text)
    }
}

/// This boot and this network namespace, as a line of a mark: a container that is started again may keep
/// its files, and has a fresh, empty kernel.
///
/// # Errors
/// `/proc` cannot be read.
pub fn place() -> io::Result<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let namespace = std::fs::metadata("/proc/self/ns/net")?.ino();
    // The number is given to the next namespace when this one is gone, the cookie never again.
    // Before Linux 5.14 there is none.
    let cookie = UnixDatagram::unbound().and_then(|socket| {
        let mut cookie = [0; 8];
        option::get_bytes(
            &socket,
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            &mut cookie,
        )?;
        Ok(u64::from_ne_bytes(cookie))
    });
    let boot = boot.trim();
    Ok(match cookie {
        Ok(cookie) => format!("{boot} {namespace} {cookie}"),
        Err(_) => format!("{boot} {namespace}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_mark_of_this_boot_and_namespace_counts() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("bgp.sock");
        let marker = Marker::beside(&socket).unwrap();
        assert!(!marker.is_left());
        marker.leave().unwrap();
        assert!(Marker::beside(&socket).unwrap().is_left());
        std::fs::write(folder.path().join("bgp.sock.ran"), "another boot 1\n").unwrap();
        assert!(!marker.is_left());
    }
}
