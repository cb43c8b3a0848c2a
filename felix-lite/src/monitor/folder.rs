//! Changes in the conflist's folder, by inotify.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Event;

/// One folder that is listened to.
#[derive(Debug)]
pub struct Folder {
    inotify: AsyncFd<OwnedFd>,
    gone: bool,
}

impl Folder {
    /// Starts to listen.
    ///
    /// # Errors
    /// There is no such folder, or the node's limit of inotify instances is reached.
    pub fn open(path: &Path) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let events = WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        inotify::add_watch(&inotify, path, events)?;
        // SAFETY: an `OwnedFd` is one descriptor, open for as long as it lives, and is never
        // exchanged.
        let inotify = unsafe { AsyncFd::register_with_interest(inotify, Interest::READABLE)? };
        Ok(Self {
            inotify,
            gone: false,
        })
    }

    /// Whether the folder was removed or renamed: there will be no more events.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// The next event. Cancel safe.
    pub async fn next(&mut self) -> Event {
        if self.gone {
            return std::future::pending().await;
        }
        let Ok(mut ready) = self.inotify.readable().await else {
            self.gone = true;
            return Event::Lost;
        };
        let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
        let mut reader = Reader::new(ready.get_inner(), &mut buffer);
        let ends = ReadFlags::IGNORED | ReadFlags::MOVE_SELF | ReadFlags::DELETE_SELF;
        let mut gone = false;
        // Bounded, so that somebody who writes there without end cannot hold us here.
        for _ in 0..1024 {
            match reader.next() {
                Ok(event) => gone |= event.events().intersects(ends),
                Err(_) => break,
            }
        }
        ready.clear_ready();
        self.gone = gone;
        Event::Conflist
    }
}
