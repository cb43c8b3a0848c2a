//! A mark beside the control socket: this node was taken out of use, and stays so until somebody
//! takes it back, however often the daemon starts; and until it is back, a start is one on the way there.
//!
//! Not so after a reboot (the mark names the boot, and `/run` is empty then): a node whose only way to
//! the world is BGP can be had back by switching it off and on.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcni_bgp_proto::speaker::Drain;

/// See the [module](self).
#[derive(Clone, Debug)]
pub struct Drained {
    path: PathBuf,
    boot: String,
}

/// What the mark says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// How far it has come; [`Drain::Off`]: it is coming back.
    pub step: Drain,
    /// Since when, to the second.
    pub since: SystemTime,
}

impl Drained {
    /// The mark of the daemon with this control socket.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn beside(socket: &Path) -> io::Result<Self> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        Ok(Self {
            path: Self::path_beside(socket),
            boot: boot.trim().to_owned(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path_beside(socket: &Path) -> PathBuf {
        let mut path = socket.as_os_str().to_owned();
        path.push(".drained");
        path.into()
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is there, if it is of this boot.
    ///
    /// # Errors
    /// It is there and cannot be read or understood.
    pub fn read(&self) -> io::Result<Option<Mark>> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let (head, message) = text.split_once('\n').unwrap_or((&text, ""));
        let words: Vec<&str> = head.split(' ').collect();
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "it is not such a mark");
        let [boot, step, since] = words[..] else {
            return Err(broken());
        };
        let step = match step {
            "draining" => Drain::Announce,
            "drained" => Drain::Close(message.to_owned()),
            "returning" => Drain::Off,
            _ => return Err(broken()),
        };
        let secs = since.parse().map_err(|_| broken())?;
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
        Ok((boot == self.boot).then_some(Mark { step, since }))
    }

    /// Leaves the mark in place of another, or takes it away.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, mark: Option<&Mark>) -> io::Result<()> {
        let step = match mark.map(|mark| &mark.step) {
            None => return self.remove(),
            Some(Drain::Off) => "returning",
            Some(Drain::Announce) => "draining",
            Some(Drain::Close(_)) => "drained",
        };
        let message = match mark.map(|mark| &mark.step) {
            Some(Drain::Close(text)) => text,
            _ => "",
        };
        let since = mark.and_then(|mark| mark.since.duration_since(SystemTime::UNIX_EPOCH).ok());
        let secs = since.unwrap_or_default().as_secs();
        replace(
            &self.path,
            &format!("{} {step} {secs}\n{message}", self.boot),
        )
    }

    fn remove(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Writes a small file so that there is the old one or the new one at any moment.
///
/// # Errors
/// The folder cannot be written.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}", std::process::id()));
    let fresh = PathBuf::from(fresh);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options
        .open(&fresh)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| std::fs::rename(&fresh, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&fresh);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_far_it_has_come_and_only_in_this_boot() {
        let folder = tempfile::tempdir().unwrap();
        let mark = Drained::beside(&folder.path().join("bgp.sock")).unwrap();
        assert_eq!(mark.read().unwrap(), None);
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        for step in [
            Drain::Announce,
            Drain::Off,
            Drain::Close("rack 7\nmoves".to_owned()),
            Drain::Close(String::new()),
        ] {
            let said = Mark { step, since };
            mark.write(Some(&said)).unwrap();
            assert_eq!(mark.read().unwrap(), Some(said));
        }
        let other = Drained {
            boot: "another".to_owned(),
            ..mark.clone()
        };
        assert_eq!(other.read().unwrap(), None);
        // What cannot be understood is no reason to go into use again without a word.
        std::fs::write(mark.path(), "what is this").unwrap();
        assert!(mark.read().is_err());
        mark.write(None).unwrap();
        mark.write(None).unwrap();
        assert_eq!(mark.read().unwrap(), None);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
