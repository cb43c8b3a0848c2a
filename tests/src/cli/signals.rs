//! Ctrl-C while a lab is up: remove it, then end.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};

use crate::interrupt;
use crate::lab::process::ProcessId;
use crate::lab::state;

/// Exit status after SIGINT, as shells have it.
const INTERRUPTED: i32 = 130;
/// How often what is still there is looked for, and the pause between.
const ROUNDS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// From now on SIGINT, SIGTERM and SIGHUP remove this process's labs and end it. The signals
/// are taken by a thread of their own, so that no code is interrupted at a bad place.
///
/// # Errors
/// The signals cannot be blocked.
pub(crate) fn remove_labs_on_interrupt() -> Result<()> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block().context("sigprocmask")?;
    std::thread::spawn(move || {
        if signals.wait().is_ok() {
            interrupt::begin();
            remove_all_own();
            // Nothing is left to do if even this cannot be written.
            let _ = writeln!(std::io::stderr(), "interrupted, everything removed");
            std::process::exit(INTERRUPTED);
        }
    });
    Ok(())
}

/// Until nothing is found twice: the other thread may just be making one, and goes no further
/// than to the next [`interrupt::hold`].
fn remove_all_own() {
    let mut nothing = 0;
    for _ in 0..ROUNDS {
        nothing = if remove_own() == 0 { nothing + 1 } else { 0 };
        if nothing == 2 {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Removes this process's labs; how many there were.
fn remove_own() -> usize {
    let own = i32::try_from(std::process::id())
        .ok()
        .and_then(ProcessId::of);
    let labs = state::all().unwrap_or_default();
    let mut count = 0;
    for lab in labs.iter().filter(|lab| Some(lab.owner) == own) {
        // What cannot be removed now is removed by the next run.
        let _ = lab.remove();
        count += 1;
    }
    count
}
