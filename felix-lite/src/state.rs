//! What `felix-lite` changed and how it was before: one small file, written before each change, so
//! that `felix-lite clean` can put it back also after a crash.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A setting that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// The value from before.
    pub old: String,
    /// The value that was written.
    pub new: String,
    /// Other settings that the kernel changes together with this one, with their values from
    /// before.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub along: BTreeMap<String, String>,
}

/// The file's content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Which boot and which network namespace the kernel's values belong to: after a reboot they
    /// are gone by themselves, and what was there before means nothing.
    pub epoch: String,
    /// By name below /proc/sys.
    pub settings: BTreeMap<String, Saved>,
    /// Tables that did not exist before; `nft` only.
    pub tables: Vec<String>,
    /// The network configuration that was written.
    pub conflist: Option<PathBuf>,
}

/// Why the state is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The folder cannot be made or opened.
    #[error("cannot use the state folder {path} (see --state-dir): {source}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process works on this node.
    #[error("another felix-lite is running on this node (it holds {0}): stop it first")]
    Held(PathBuf),
    /// Not a record.
    #[error(
        "{path} is damaged ({source}): correct it, or move it away and lose the settings' old \
         values"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// Reading or writing failed.
    #[error("cannot keep a record in {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The record and the right to change it: at most one process per folder has it.
#[derive(Debug)]
pub struct State {
    /// What is known.
    pub record: Record,
    path: PathBuf,
    folder: PathBuf,
    _lock: File,
}

const FILE: &str = "changes.json";

impl State {
    /// Opens (or makes) the folder and reads the record. The kernel's values of another boot or
    /// namespace are forgotten.
    ///
    /// # Errors
    /// See [`StateError`].
    pub fn open(folder: &Path, epoch: &str) -> Result<Self, StateError> {
        let failed = |source| StateError::Folder {
            path: folder.to_owned(),
            source,
        };
        fs::create_dir_all(folder).map_err(failed)?;
        let lock = File::open(folder).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StateError::Held(folder.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let path = folder.join(FILE);
        let mut record = read(&path)?;
        if record.epoch != epoch {
            record.settings.clear();
            record.tables.clear();
            epoch.clone_into(&mut record.epoch);
        }
        Ok(Self {
            record,
            path,
            folder: folder.to_owned(),
            _lock: lock,
        })
    }

    /// Writes the record: whole or not at all, and to the disk.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn store(&self) -> Result<(), StateError> {
        let failed = |source: io::Error| StateError::Io {
            path: self.path.clone(),
            source,
        };
        let mut text =
            serde_json::to_string_pretty(&self.record).map_err(|error| failed(error.into()))?;
        text.push('\n');
        replace_file(&self.path, &text).map_err(failed)
    }

    /// Removes the record and, if nothing else is in it, the folder.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn remove(&mut self) -> Result<(), StateError> {
        self.record = Record::default();
        match fs::remove_file(&self.path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(StateError::Io {
                    path: self.path.clone(),
                    source,
                });
            }
            _ => {}
        }
        // Not empty, or somebody's mount: it stays.
        let _ = fs::remove_dir(&self.folder);
        Ok(())
    }
}

fn read(path: &Path) -> Result<Record, StateError> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|source| StateError::Damaged {
            path: path.to_owned(),
            source,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Record::default()),
        Err(source) => Err(StateError::Io {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Puts `text` at `path` by way of a hidden file beside it and a rename: readers see the old content
/// or the new, never a part.
///
/// # Errors
/// The folder cannot be written to; then nothing has changed.
pub fn replace_file(path: &Path, text: &str) -> io::Result<()> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "a path without a file name");
    let name = path.file_name().ok_or_else(invalid)?.to_string_lossy();
    let folder = path.parent().ok_or_else(invalid)?;
    // Not `.conf`, `.conflist` or `.json`: a runtime must not take it for a configuration.
    let temporary = folder.join(format!(".{name}.tmp"));
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&temporary, path));
    if renamed.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    renamed?;
    File::open(folder)?.sync_all()
}

/// The current boot and network namespace.
#[must_use]
pub fn current_epoch() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = fs::read_link("/proc/self/ns/net").unwrap_or_default();
    format!("{} {}", boot.trim(), namespace.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved() -> Saved {
        Saved {
            old: "0".to_owned(),
            new: "1".to_owned(),
            along: BTreeMap::new(),
        }
    }

    #[test]
    fn a_record_survives_and_another_boot_s_values_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        let mut state = State::open(&folder, "boot 1").unwrap();
        state.record.settings.insert("x".to_owned(), saved());
        state.record.tables.push("nat".to_owned());
        state.record.conflist = Some(PathBuf::from("/c"));
        state.store().unwrap();
        drop(state);
        let state = State::open(&folder, "boot 1").unwrap();
        assert_eq!(state.record.settings["x"], saved());
        drop(state);
        let state = State::open(&folder, "boot 2").unwrap();
        assert!(state.record.settings.is_empty());
        assert!(state.record.tables.is_empty());
        assert_eq!(state.record.conflist, Some(PathBuf::from("/c")));
    }

    #[test]
    fn two_processes_cannot_have_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = State::open(dir.path(), "x").unwrap();
        let second = State::open(dir.path(), "x").unwrap_err();
        assert!(matches!(second, StateError::Held(_)), "{second}");
        first.remove().unwrap();
        drop(first);
        State::open(dir.path(), "x").unwrap();
    }

    #[test]
    fn a_damaged_record_is_kept_and_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "{\"settings\": 3}").unwrap();
        let error = State::open(dir.path(), "x").unwrap_err().to_string();
        assert!(error.contains("changes.json is damaged"), "{error}");
        assert!(dir.path().join(FILE).exists());
    }

    #[test]
    fn a_file_is_replaced_without_leftovers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("10.conflist");
        replace_file(&path, "one").unwrap();
        replace_file(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(replace_file(Path::new("/proc/none/x"), "a").is_err());
    }
}
