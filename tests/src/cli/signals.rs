//! Ctrl-C while a lab is up: remove it, then end.

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};

use crate::lab::process::ProcessId;
use crate::lab::state;

/// Exit status after SIGINT, as shells have it.
const INTERRUPTED: i32 = 130;

/// From now on SIGINT, SIGTERM and SIGHUP remove this process's labs and end it. The signals
/// are taken by a thread of their own, so that no code is interrupted at a bad place.
///
/// # Errors
/// The signals cannot be blocked.
pub(super) fn remove_labs_on_interrupt() -> Result<()> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block().context("sigprocmask")?;
    std::thread::spawn(move || {
        if signals.wait().is_ok() {
            remove_own();
            std::process::exit(INTERRUPTED);
        }
    });
    Ok(())
}

fn remove_own() {
    let own = i32::try_from(std::process::id())
        .ok()
        .and_then(ProcessId::of);
    for lab in state::all().unwrap_or_default() {
        if Some(lab.owner) == own {
            // What cannot be removed now is removed by the next run.
            let _ = lab.remove();
        }
    }
}
