//! The file of the control socket.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Somebody answers there.
    #[error(
        "another rcni-bgp answers on {0}: stop that one first, or give this one its own --socket"
    )]
    Live(PathBuf),
    /// A file, a folder, … is there.
    #[error("{0} exists and is not a socket: remove it, or use another --socket")]
    NotASocket(PathBuf),
    /// Permissions, a read-only file system, a path that is too long, …
    #[error(
        "cannot make the control socket {path}: {source}; give a path in a writable folder \
         with --socket"
    )]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A bound socket; its file goes when this is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    pub(super) listener: UnixListener,
    pub(super) file: SocketFile,
}

#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode: by the end, another daemon's socket may be at the path.
    identity: Option<(u64, u64)>,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let data = std::fs::symlink_metadata(path).ok()?;
    Some((data.dev(), data.ino()))
}

/// Binds `path` with mode 0600. A socket that nobody answers on is replaced, in one step.
///
/// # Errors
/// [`SocketError`].
pub fn bind(path: &Path) -> Result<ControlSocket, SocketError> {
    let failed = |source| SocketError::Io {
        path: path.to_owned(),
        source,
    };
    if let Ok(data) = std::fs::symlink_metadata(path) {
        if !data.file_type().is_socket() {
            return Err(SocketError::NotASocket(path.to_owned()));
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(SocketError::Live(path.to_owned()));
        }
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    // Under a name of its own first: the path always shows a socket that answers, or none.
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}", std::process::id()));
    let fresh = PathBuf::from(fresh);
    let _ = std::fs::remove_file(&fresh);
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(&fresh);
    rustix::process::umask(before);
    let listener = listener.map_err(failed)?;
    if let Err(source) = std::fs::rename(&fresh, path) {
        let _ = std::fs::remove_file(&fresh);
        return Err(failed(source));
    }
    let file = SocketFile {
        path: path.to_owned(),
        identity: identity(path),
    };
    Ok(ControlSocket { listener, file })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("bgp.sock");
        let first = bind(&path).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let text = bind(&path).unwrap_err().to_string();
        assert!(text.contains("another rcni-bgp answers"), "{text}");

        // As after SIGKILL: the file stays, nobody listens.
        let ControlSocket { listener, file } = first;
        drop(listener);
        assert!(path.exists());
        let second = bind(&path).unwrap();
        // The first one's end must not take the second one's file.
        drop(file);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_is_not_a_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(bind(&path), Err(SocketError::NotASocket(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        let text = bind(&path.join("below")).unwrap_err().to_string();
        assert!(text.contains("--socket"), "{text}");
    }
}
