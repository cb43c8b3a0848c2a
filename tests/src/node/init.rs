//! The first process of a node (PID 1 in it).
//!
//! ```text
//! owner --stdin--> outer --fork--> init (PID 1 of the node's namespaces)
//!   spec\n            "pid N\n"  ->  mounts, pivot_root, "ready\n"
//!   (kept open)       waits          reaps orphans; ends when stdin closes
//!   "keep\n"                         from here on outlives the owner
//! ```
//!
//! The pipe is the lifeline: whatever ends the owner closes it, the init ends, and with it the
//! kernel ends every process of the node and removes its namespaces and links.

use std::fs::File;
use std::io::{BufRead, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe2, sethostname, setsid};

use super::{InitSpec, InitSysctl, mounts};

/// What the owner writes to let the node outlive it.
pub const KEEP: &str = "keep";
/// What the init writes when the node can be entered.
pub const READY: &str = "ready";

/// Runs as the hidden `rcni-lab node-init`.
///
/// # Errors
/// What could not be set up; the owner reads it from the node's log.
pub fn run() -> Result<ExitCode> {
    setsid().context("setsid")?;
    let mut line = String::new();
    // Nothing follows until the owner has seen `ready`, so the buffer is empty at the fork.
    std::io::stdin().read_line(&mut line).context("stdin")?;
    let spec: InitSpec = serde_json::from_str(&line).context("the owner's specification")?;
    unshare(
        CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWUTS,
    )
    .context("unshare: making namespaces needs root")?;
    // Both talk to the owner: the init only when the other has done.
    let (told, telling) = pipe2(OFlag::O_CLOEXEC).context("pipe")?;
    // SAFETY: this program has not started any thread, so the child may do whatever it likes.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Parent { child } => outer(child, telling),
        ForkResult::Child => {
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).context("prctl")?;
            drop(telling);
            File::from(told)
                .read_to_end(&mut Vec::new())
                .context("pipe")?;
            init(&spec)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn outer(child: Pid, telling: OwnedFd) -> Result<ExitCode> {
    let mut out = std::io::stdout();
    writeln!(out, "pid {child}")?;
    out.flush()?;
    drop(telling);
    detach_stdout()?;
    loop {
        match waitpid(child, None) {
            Err(nix::errno::Errno::EINTR) => {}
            Ok(WaitStatus::Exited(_, 0)) => return Ok(ExitCode::SUCCESS),
            Ok(_) => return Ok(ExitCode::FAILURE),
            Err(error) => bail!("waiting for the node: {error}"),
        }
    }
}

fn init(spec: &InitSpec) -> Result<()> {
    SigSet::empty().thread_set_mask().context("sigprocmask")?;
    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    children.thread_block().context("sigprocmask")?;
    let signals = SignalFd::with_flags(&children, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .context("signalfd")?;
    let mut ended = Ended::create(spec)?;
    sethostname(&spec.name).context("sethostname")?;
    mounts::enter_root(spec)?;
    write_sysctls(spec)?;
    println_ready()?;
    detach_stdout()?;
    let mut lifeline = Some(std::io::stdin().lock());
    loop {
        let alive = wait(lifeline.is_some().then(|| stdin_fd()), &signals)?;
        reap(&signals, &mut ended)?;
        if let (true, Some(reader)) = (alive, lifeline.as_mut()) {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(read) if read > 0 && line.trim() == KEEP => lifeline = None,
                // Closed: the owner is gone.
                _ => return Ok(()),
            }
        }
    }
}

fn stdin_fd() -> BorrowedFd<'static> {
    // SAFETY: descriptor 0 was open at the start and nothing here closes it.
    unsafe { BorrowedFd::borrow_raw(0) }
}

/// Waits for a child's end or the lifeline; true if the lifeline has something to say.
fn wait(lifeline: Option<BorrowedFd<'static>>, signals: &SignalFd) -> Result<bool> {
    let mut fds = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
    if let Some(fd) = lifeline {
        fds.push(PollFd::new(fd, PollFlags::POLLIN));
    }
    match poll(&mut fds, PollTimeout::NONE) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => {}
        Err(error) => bail!("poll: {error}"),
    }
    Ok(fds.get(1).and_then(PollFd::any).unwrap_or(false))
}

/// Where the owner reads how commands of the node have ended.
struct Ended {
    file: File,
    /// Bytes that may still be written: a node may run for ever, its owner only asks about
    /// what it has started first.
    room: usize,
}

impl Ended {
    fn create(spec: &InitSpec) -> Result<Self> {
        let file = File::create(&spec.ended).with_context(|| spec.ended.display().to_string())?;
        Ok(Self {
            file,
            room: 64 * 1024,
        })
    }

    fn note(&mut self, pid: Pid, status: i32) {
        let line = format!("{pid} {status}\n");
        if let Some(room) = self.room.checked_sub(line.len()) {
            self.room = room;
            // The node goes on without its owner's knowing, as it does without its owner.
            let _ = self.file.write_all(line.as_bytes());
        }
    }
}

fn reap(signals: &SignalFd, ended: &mut Ended) -> Result<()> {
    while signals.read_signal().context("signalfd")?.is_some() {}
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(nix::errno::Errno::ECHILD) => return Ok(()),
            Ok(WaitStatus::Exited(pid, status)) => ended.note(pid, status),
            Ok(WaitStatus::Signaled(pid, signal, _)) => ended.note(pid, 128 + signal as i32),
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => bail!("waitpid: {error}"),
        }
    }
}

fn write_sysctls(spec: &InitSpec) -> Result<()> {
    for InitSysctl { key, value, place } in &spec.sysctls {
        let path = format!("/proc/sys/{}", key.replace('.', "/"));
        std::fs::write(&path, value)
            .with_context(|| format!("{place}: sysctl {key}={value} ({path})"))?;
    }
    Ok(())
}

fn println_ready() -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{READY}")?;
    out.flush()?;
    Ok(())
}

/// The owner's pipe must not stay open in a process that outlives the conversation.
fn detach_stdout() -> Result<()> {
    let null = File::options()
        .write(true)
        .open("/dev/null")
        .context("/dev/null")?;
    nix::unistd::dup2_stdout(&null).context("dup2")?;
    Ok(())
}
