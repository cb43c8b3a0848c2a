//! The lock of one network's store: a flock on host-local's own lock file, waited for with a bound.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{IpamError, Store};
use crate::jitter::jitter;

/// Others hold the lock for parts of a millisecond: as long as it may be some of them one after the
/// other, it is looked at often; beyond it is one that hangs.
const CROWD: Duration = Duration::from_millis(50);

/// The store of one network, locked until this is dropped. The kernel drops the lock of a process
/// that dies.
#[derive(Debug)]
pub struct Locked<'a> {
    pub(super) store: &'a Store,
    _file: File,
}

impl Store {
    /// Locks the store, making its folders if they are not there.
    ///
    /// # Errors
    /// [`IpamError::Busy`] after `wait`, or a file error.
    pub fn lock(&self, wait: Duration) -> Result<Locked<'_>, IpamError> {
        for folder in [self.folder(), self.record_folder()] {
            fs::create_dir_all(folder)
                .map_err(|error| IpamError::file("create the folder", folder, error))?;
        }
        let path = self.folder().join("lock");
        let file = open(&path).map_err(|error| IpamError::file("open", &path, error))?;
        self.wait_for(path, file, wait)
    }

    /// Locks the store if there is one: without a folder nothing can be reserved.
    ///
    /// # Errors
    /// As [`Self::lock`].
    pub fn lock_existing(&self, wait: Duration) -> Result<Option<Locked<'_>>, IpamError> {
        let path = self.folder().join("lock");
        match open(&path) {
            Ok(file) => self.wait_for(path, file, wait).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(IpamError::file("open", &path, error)),
        }
    }

    fn wait_for(&self, path: PathBuf, file: File, wait: Duration) -> Result<Locked<'_>, IpamError> {
        let start = Instant::now();
        let mut pause = Duration::from_micros(200);
        loop {
            match file.try_lock() {
                Ok(()) => {
                    return Ok(Locked {
                        store: self,
                        _file: file,
                    });
                }
                Err(TryLockError::WouldBlock) if start.elapsed() < wait => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(IpamError::Busy {
                        path,
                        waited_secs: wait.as_secs(),
                    });
                }
                Err(TryLockError::Error(error)) => {
                    return Err(IpamError::file("lock", &path, error));
                }
            }
            sleep(pause.mul_f64(jitter()));
            if start.elapsed() > CROWD {
                pause = (pause * 2).min(Duration::from_millis(5));
            }
        }
    }
}

fn open(path: &std::path::Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}
