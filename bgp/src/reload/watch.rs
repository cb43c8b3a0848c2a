//! The configuration's file, watched: by its folder, so that it is seen however it is written.
//!
//! | how it is written | what the folder tells |
//! | --- | --- |
//! | in place | modified, closed |
//! | another file is renamed over it | moved there |
//! | a Kubernetes ConfigMap: `bgp.yaml -> ..data/bgp.yaml`, `..data -> ..2026_11_21` | `..data` moved there |
//! | removed and made again | deleted, created |
//! | in place, and mounted from elsewhere as a single file | nothing: the file itself is watched, too |
//!
//! Every symbolic link on the way is looked for in its own folder. A folder that is not there is waited
//! for in the nearest one that is.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

/// Links on the way to a file: as many as the kernel follows.
const LINKS: usize = 40;
/// Of events, at a time.
const BUFFER: usize = 4096;

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(Option<[i64; 7]>);

impl Stamp {
    /// As it is now; also of no file at all.
    #[must_use]
    pub fn of(file: &Path) -> Self {
        let data = std::fs::metadata(file).ok();
        Self(data.map(|data| {
            [
                data.dev().cast_signed(),
                data.ino().cast_signed(),
                data.size().cast_signed(),
                data.mtime(),
                data.mtime_nsec(),
                data.ctime(),
                data.ctime_nsec(),
            ]
        }))
    }
}

/// An inotify instance.
#[derive(Debug)]
pub struct Watch {
    events: AsyncFd<OwnedFd>,
    /// By watch: the names in that folder that matter.
    names: BTreeMap<i32, BTreeSet<OsString>>,
}

impl Watch {
    /// Of nothing yet.
    ///
    /// # Errors
    /// No inotify instance is left (`fs.inotify.max_user_instances`).
    pub fn open() -> io::Result<Self> {
        let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        // SAFETY: the descriptor is owned by what it is put into, and stays the same until that is gone.
        let events = unsafe { AsyncFd::register(events) }?;
        Ok(Self {
            events,
            names: BTreeMap::new(),
        })
    }

    /// Watches what the path goes through now. What cannot be watched is not: there is a look now and
    /// then, too.
    pub fn follow(&mut self, file: &Path) {
        let flags = WatchFlags::CREATE
            | WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVED_FROM
            | WatchFlags::DELETE
            | WatchFlags::ATTRIB
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        let mut names: BTreeMap<i32, BTreeSet<OsString>> = BTreeMap::new();
        for (folder, name) in way(file) {
            if let Ok(watch) = inotify::add_watch(self.events.get_ref(), &folder, flags) {
                names.entry(watch).or_default().insert(name);
            }
        }
        // A file that is mounted tells its own folder, wherever that is, and not the one seen here.
        let flags = flags - WatchFlags::ONLYDIR;
        if let Ok(watch) = inotify::add_watch(self.events.get_ref(), file, flags) {
            names.entry(watch).or_default();
        }
        for watch in self.names.keys() {
            if !names.contains_key(watch) {
                // It may be gone with its folder.
                let _ = inotify::remove_watch(self.events.get_ref(), *watch);
            }
        }
        self.names = names;
    }

    /// Ends when something has happened on the way to the file.
    pub async fn changed(&mut self) {
        loop {
            let Ok(mut ready) = self.events.readable().await else {
                return std::future::pending().await;
            };
            let found = drain(self.events.get_ref(), &self.names);
            ready.clear_ready();
            if found {
                return;
            }
        }
    }
}

/// Takes all events. Did one matter?
fn drain(events: &OwnedFd, names: &BTreeMap<i32, BTreeSet<OsString>>) -> bool {
    let mut buffer = [MaybeUninit::uninit(); BUFFER];
    let mut reader = inotify::Reader::new(events, &mut buffer);
    let mut found = false;
    loop {
        match reader.next() {
            Ok(event) => {
                let name = event.file_name();
                let name = name.map(|name| OsStr::from_bytes(name.to_bytes()));
                let lost = event.events().contains(ReadFlags::QUEUE_OVERFLOW);
                let known = names.get(&event.wd());
                // Without a name it is the folder itself.
                let matters = |name: &OsStr| known.is_some_and(|known| known.contains(name));
                found |= lost || known.is_some() && name.is_none_or(matters);
            }
            Err(Errno::INTR) => {}
            Err(_) => return found,
        }
    }
}

/// Each name on the way to a file that is the file itself or a link, with the folder that it is in; of
/// what is not there, the first name that is missing.
fn way(file: &Path) -> Vec<(PathBuf, OsString)> {
    let mut here = match file.is_absolute() {
        true => PathBuf::from("/"),
        false => PathBuf::from("."),
    };
    let mut left: Vec<OsString> = names(file);
    let (mut found, mut links) = (Vec::new(), 0);
    while let Some(name) = left.pop() {
        if name == ".." {
            here.push(name);
            continue;
        }
        let there = here.join(&name);
        let target = std::fs::read_link(&there).ok();
        let missing = target.is_none() && std::fs::symlink_metadata(&there).is_err();
        if left.is_empty() || target.is_some() || missing {
            found.push((here.clone(), name));
        }
        if missing {
            break;
        }
        match target {
            Some(target) => {
                links += 1;
                if links > LINKS {
                    break;
                }
                if target.is_absolute() {
                    here = PathBuf::from("/");
                }
                left.extend(names(&target));
            }
            None => here = there,
        }
    }
    found
}

/// The last one first.
fn names(path: &Path) -> Vec<OsString> {
    let names = path.components().rev();
    let names = names.filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    });
    names.collect()
}

#[cfg(test)]
mod tests;
