//! The file of the control socket.

use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::Gid;
use tokio::net::UnixListener;

use crate::Program;
use crate::text::escape;

/// How long one that accepts may be silent. A killed process keeps its sockets open until its last thread
/// has left the kernel, which takes as long as others keep the lock that it waits for.
const SILENCE: Duration = Duration::from_secs(5);

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Somebody answers there.
    #[error(
        "another {program} answers on {path}: stop that one first, or give this one its own --socket"
    )]
    Live {
        /// Who wants to.
        program: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// There is no such group.
    #[error("--socket-group {0}: there is no such group in /etc/group; give a name or a number")]
    NoGroup(String),
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
    pub(crate) listener: UnixListener,
    pub(crate) file: SocketFile,
}

#[derive(Debug)]
pub(crate) struct SocketFile {
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

/// Binds `path` for root alone (mode 0600), or for the members of `group`, a name or a number, too (0660):
/// whoever may open it may also drain the node. A socket that nobody answers on is replaced, in one step.
///
/// Blocks for up to 5 s if somebody accepts connections there and does not answer.
///
/// # Errors
/// [`SocketError`].
pub fn bind(
    path: &Path,
    program: Program,
    group: Option<&str>,
) -> Result<ControlSocket, SocketError> {
    let group = group.map(find_group).transpose()?;
    let failed = |source| SocketError::Io {
        path: path.to_owned(),
        source,
    };
    if let Ok(data) = std::fs::symlink_metadata(path) {
        if !data.file_type().is_socket() {
            return Err(SocketError::NotASocket(path.to_owned()));
        }
        if is_answered(path) {
            return Err(SocketError::Live {
                program: program.name,
                path: path.to_owned(),
            });
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
    if let Some(group) = group
        && let Err(source) = share(&fresh, group)
    {
        let _ = std::fs::remove_file(&fresh);
        return Err(failed(source));
    }
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

/// Whether a live process holds the socket: it answers, or is silent for longer than one that ends.
fn is_answered(path: &Path) -> bool {
    let deadline = Instant::now() + SILENCE;
    while let Some(left) = deadline.checked_duration_since(Instant::now()) {
        let Ok(mut stream) = UnixStream::connect(path) else {
            return false;
        };
        let asked = stream
            .set_read_timeout(Some(left.max(Duration::from_millis(1))))
            .and_then(|()| {
                stream
                    .write_all(b"GET /healthz HTTP/1.1\r\nHost: rcni\r\nConnection: close\r\n\r\n")
            });
        if asked.is_ok() && matches!(stream.read(&mut [0]), Ok(1)) {
            return true;
        }
        // Reset or closed: whoever it was has gone, or is about to.
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// First the group, then its rights: never another group's.
fn share(path: &Path, group: Gid) -> io::Result<()> {
    rustix::fs::chown(path, None, Some(group))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))
}

/// By /etc/group alone: a static program has no name service.
fn find_group(group: &str) -> Result<Gid, SocketError> {
    let unknown = || SocketError::NoGroup(escape(group));
    let number = match group.parse() {
        Ok(number) => number,
        Err(_) => {
            let text = std::fs::read_to_string("/etc/group").map_err(|_| unknown())?;
            named(&text, group).ok_or_else(unknown)?
        }
    };
    // All ones would mean "do not change it" (chown(2)).
    if number == u32::MAX {
        return Err(unknown());
    }
    Ok(Gid::from_raw(number))
}

/// `name:password:number:members` (group(5)).
fn named(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next() == Some(name);
        found.then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: Program = Program {
        name: "rcni-bgp",
        start: "rcni-bgp run",
    };

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("bgp.sock");
        let first = bind(&path, PROGRAM, None).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let listener = first.listener.into_std().unwrap();
        listener.set_nonblocking(false).unwrap();
        let server = std::thread::spawn(move || {
            listener.accept().unwrap().0.write_all(b"HTTP").unwrap();
            listener
        });
        let text = bind(&path, PROGRAM, None).unwrap_err().to_string();
        assert!(text.contains("another rcni-bgp answers"), "{text}");
        let (listener, file) = (server.join().unwrap(), first.file);

        // As after SIGKILL: the file stays, nobody listens.
        drop(listener);
        assert!(path.exists());
        let second = bind(&path, PROGRAM, None).unwrap();
        // The first one's end must not take the second one's file.
        drop(file);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn one_that_accepts_and_is_silent_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bgp.sock");
        // As a process that was killed and is not out of the kernel yet.
        let dying = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let end = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            drop(dying);
        });
        bind(&path, PROGRAM, None).unwrap();
        end.join().unwrap();
        // And one that hangs is somebody's.
        let _hangs = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(matches!(
            bind(&path, PROGRAM, None),
            Err(SocketError::Live { .. })
        ));
    }

    #[tokio::test]
    async fn what_is_not_a_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(
            bind(&path, PROGRAM, None),
            Err(SocketError::NotASocket(_))
        ));
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        let text = bind(&path.join("below"), PROGRAM, None)
            .unwrap_err()
            .to_string();
        assert!(text.contains("--socket"), "{text}");
    }

    #[tokio::test]
    async fn a_group_may_be_given_by_number_and_a_wrong_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bgp.sock");
        // Its own: anybody may give that.
        let own = std::fs::metadata(folder.path()).unwrap().gid();
        let bound = bind(&path, PROGRAM, Some(&own.to_string())).unwrap();
        let data = std::fs::metadata(&path).unwrap();
        assert_eq!((data.mode() & 0o777, data.gid()), (0o660, own));
        drop(bound);
        let error = bind(&path, PROGRAM, Some("no-such:group")).unwrap_err();
        assert!(error.to_string().contains("no-such:group"), "{error}");
        assert!(bind(&path, PROGRAM, Some("4294967295")).is_err());
        assert!(!path.exists());
    }

    #[test]
    fn groups_are_found_by_their_whole_names() {
        let groups = "root:x:0:\nadmins:x:1042:a,b\nadmin:x:1043:\nbroken\n";
        assert_eq!(named(groups, "admins"), Some(1042));
        assert_eq!(named(groups, "admin"), Some(1043));
        assert_eq!(named(groups, "broken"), None);
        assert_eq!(named(groups, "adm"), None);
    }
}
