//! Whether this process has been told to end and a thread is removing its labs.
//!
//! What any other thread sees from then on is the removal and not a failure: before it tells
//! one, makes something new or ends the process, it calls [`hold`].

use std::sync::atomic::{AtomicBool, Ordering};

static REMOVING: AtomicBool = AtomicBool::new(false);

/// From now on [`hold`] does not return.
pub(crate) fn begin() {
    REMOVING.store(true, Ordering::SeqCst);
}

/// Returns at once, or, when labs are being removed, never: whoever removes them ends the
/// process.
pub fn hold() {
    while REMOVING.load(Ordering::SeqCst) {
        std::thread::park();
    }
}
