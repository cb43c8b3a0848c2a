//! The thread that makes large sends, in the order in which they are given: the kernel works within them.
//!
//! It begins with the first and ends with its owner; a send that the kernel is at then is finished by
//! the kernel.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::super::wire::Wire;
use crate::tasks::spawn_sender;

/// The bytes back, and how it went.
pub(super) type Sent = (Vec<u8>, io::Result<()>);
/// An error if the thread is gone.
pub(super) type Sending = oneshot::Receiver<Sent>;

/// Between two looks whether sends that nobody waits for any more are over; the kernel has stood still.
const LOOK: Duration = Duration::from_millis(10);

/// One send.
pub(crate) struct Job {
    wire: Arc<dyn Wire>,
    bytes: Vec<u8>,
    done: oneshot::Sender<Sent>,
    busy: Busy,
}

impl Job {
    /// Makes it.
    pub(crate) fn work(self) {
        let sent = self.wire.send(&self.bytes);
        // Who hears of it may send at once.
        drop(self.busy);
        // Whoever waited may have given up.
        let _ = self.done.send((self.bytes, sent));
    }
}

/// Counts sends that are not over.
struct Busy(Arc<AtomicUsize>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// See the [module](self).
#[derive(Default)]
pub(super) struct Sender {
    jobs: Option<mpsc::Sender<Job>>,
    busy: Arc<AtomicUsize>,
}

impl Sender {
    /// Sends `bytes` after all that was given before.
    pub(super) fn send(&mut self, wire: &Arc<dyn Wire>, bytes: Vec<u8>) -> Sending {
        self.busy.fetch_add(1, Ordering::Acquire);
        let (done, sending) = oneshot::channel();
        let job = Job {
            wire: Arc::clone(wire),
            bytes,
            done,
            busy: Busy(Arc::clone(&self.busy)),
        };
        if self.jobs.is_none() {
            self.jobs = spawn_sender().ok();
        }
        match &self.jobs {
            Some(jobs) => {
                if let Err(mpsc::SendError(job)) = jobs.send(job) {
                    // It has panicked: another one next time.
                    self.jobs = None;
                    job.work();
                }
            }
            // No thread to be had.
            None => job.work(),
        }
        sending
    }

    /// Whether something is on its way.
    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Acquire) > 0
    }

    /// Until nothing is: of two sends at once the kernel might hear the later one first.
    ///
    /// # Errors
    /// `ETIMEDOUT`.
    pub(super) async fn idle(&self, deadline: Instant) -> io::Result<()> {
        while self.is_busy() {
            if Instant::now() >= deadline {
                return Err(io::Error::from_raw_os_error(libc::ETIMEDOUT));
            }
            sleep(LOOK).await;
        }
        Ok(())
    }
}

/// Nobody knows how far it came.
pub(super) fn gone() -> io::Error {
    io::Error::other("the thread that writes routes has panicked")
}
