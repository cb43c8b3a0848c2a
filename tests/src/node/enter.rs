//! The way into a node: `rcni-lab node-enter --pid N … -- CMD`.
//!
//! ```text
//! owner --spawn--> enter --setns, fork--> CMD in the node                  (attached)
//!                                 fork--> writes the pid --fork--> CMD      (detached)
//! ```
//! Attached, `enter` waits and passes on the exit status; if it is killed, so is CMD. Detached,
//! CMD's pid (as the node numbers it) is written, and CMD belongs to the node's first process.

use std::ffi::CString;
use std::fs::File;
use std::io::{PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, chdir, execvpe, fork, setsid};

/// What `node-enter` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The node's first process.
    #[arg(long)]
    pid: i32,
    /// A network namespace to enter instead of the node's, as a path in the node.
    #[arg(long)]
    netns: Option<PathBuf>,
    /// NAME=VALUE: the environment, and nothing else but a default PATH.
    #[arg(long)]
    env: Vec<String>,
    /// Leave the command running and print its pid in the node.
    #[arg(long)]
    detach: bool,
    /// The command.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// Exit status for a file that is there but no program, as a shell has it.
pub const NOT_EXECUTABLE: u8 = 126;
/// Exit status for a command that could not be started, as a shell has it.
pub const CANNOT_EXECUTE: u8 = 127;

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs as the hidden `rcni-lab node-enter`.
///
/// # Errors
/// The node is gone, or the namespace in it does not exist.
pub fn run(args: &Args) -> Result<ExitCode> {
    let argv = c_strings(&args.command)?;
    let mut environment = args.env.clone();
    if !environment.iter().any(|entry| entry.starts_with("PATH=")) {
        environment.push(PATH.to_owned());
    }
    let environment = c_strings(&environment)?;
    // execvpe searches our own PATH; the node's is the one that counts.
    // SAFETY: this program has no other thread that could read the environment.
    unsafe { std::env::set_var("PATH", path_of(&environment)) };
    enter_namespaces(args)?;
    if args.detach {
        return detached(args, &argv, &environment);
    }
    // SAFETY: single-threaded, see above.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Child => become_command(args, &argv, &environment, None),
        ForkResult::Parent { child } => wait(child),
    }
}

/// Forks twice. An orphan goes to the first process of its *parent's* PID namespace: only the
/// child of a process that is in the node itself becomes the node's.
fn detached(args: &Args, argv: &[CString], environment: &[CString]) -> Result<ExitCode> {
    // SAFETY: single-threaded, see `run`.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Parent { child } => wait(child),
        // The pid is only told when the child has become its command.
        ForkResult::Child => {
            let (mut failed, fails) = std::io::pipe().context("pipe")?;
            // SAFETY: the same.
            match unsafe { fork() }.context("fork")? {
                ForkResult::Child => become_command(args, argv, environment, Some(fails)),
                ForkResult::Parent { child } => {
                    drop(fails);
                    // Ends when the child's end of the pipe is closed: by exec, or by its own end.
                    let mut status = [0];
                    if failed.read(&mut status).context("pipe")? > 0 {
                        let [status] = status;
                        return Ok(ExitCode::from(status));
                    }
                    let mut out = std::io::stdout();
                    writeln!(out, "{child}")?;
                    Ok(ExitCode::SUCCESS)
                }
            }
        }
    }
}

/// Never returns: the process becomes the command, or says why not and ends.
fn become_command(
    args: &Args,
    argv: &[CString],
    environment: &[CString],
    fails: Option<PipeWriter>,
) -> ! {
    let error = child(args, argv, environment);
    let status = match error.downcast_ref::<Errno>() {
        Some(Errno::EACCES | Errno::ENOEXEC) => NOT_EXECUTABLE,
        _ => CANNOT_EXECUTE,
    };
    // The only thing left to do: say it where the command's own errors would be.
    let _ = writeln!(std::io::stderr(), "{}: {error:#}", args.command.join(" "));
    if let Some(mut fails) = fails {
        let _ = fails.write_all(&[status]);
    }
    std::process::exit(i32::from(status));
}

fn c_strings(texts: &[String]) -> Result<Vec<CString>> {
    texts
        .iter()
        .map(|text| CString::new(text.as_str()).context("NUL in an argument"))
        .collect()
}

fn path_of(environment: &[CString]) -> std::ffi::OsString {
    let path = environment
        .iter()
        .find_map(|entry| entry.to_bytes().strip_prefix(b"PATH="));
    std::ffi::OsStr::from_bytes(path.unwrap_or(b"/usr/sbin:/usr/bin")).to_owned()
}

fn enter_namespaces(args: &Args) -> Result<()> {
    // Opened before the mount namespace changes: afterwards /proc is the node's.
    let kinds = [
        ("uts", CloneFlags::CLONE_NEWUTS),
        ("net", CloneFlags::CLONE_NEWNET),
        ("pid", CloneFlags::CLONE_NEWPID),
        ("mnt", CloneFlags::CLONE_NEWNS),
    ];
    let mut files = Vec::new();
    for (name, flag) in kinds {
        let path = format!("/proc/{}/ns/{name}", args.pid);
        files.push((
            name,
            flag,
            File::open(&path).with_context(|| format!("{path}: no such node"))?,
        ));
    }
    for (name, flag, file) in &files {
        setns(file.as_fd(), *flag)
            .with_context(|| format!("entering the node's {name} namespace"))?;
    }
    chdir("/").context("chdir /")?;
    if let Some(path) = &args.netns {
        let file = File::open(path).with_context(|| format!("{}: no such pod", path.display()))?;
        setns(file.as_fd(), CloneFlags::CLONE_NEWNET).context("entering the pod's network")?;
    }
    Ok(())
}

fn child(args: &Args, argv: &[CString], environment: &[CString]) -> anyhow::Error {
    let prepared = if args.detach {
        setsid().map(|_| ())
    } else {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)
    };
    let prepared = prepared.and_then(|()| SigSet::empty().thread_set_mask());
    if let Err(error) = prepared {
        return error.into();
    }
    if args.detach
        && let Err(error) = leave_stdout()
    {
        return error;
    }
    let Some(program) = argv.first() else {
        return anyhow::anyhow!("no command");
    };
    match execvpe(program, argv, environment) {
        Ok(never) => match never {},
        Err(Errno::ENOENT) => anyhow::anyhow!("no such program in the node"),
        Err(error) => error.into(),
    }
}

/// Standard output is where the owner reads the pid; the command writes to its log only.
fn leave_stdout() -> Result<()> {
    nix::unistd::dup2_stdout(std::io::stderr()).context("dup2")?;
    Ok(())
}

fn wait(child: Pid) -> Result<ExitCode> {
    loop {
        match waitpid(child, None) {
            Err(Errno::EINTR) => {}
            Ok(WaitStatus::Exited(_, status)) => {
                return Ok(ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX)));
            }
            Ok(WaitStatus::Signaled(_, signal, _)) => {
                let number = 128 + i32::from(signal as u8);
                return Ok(ExitCode::from(u8::try_from(number).unwrap_or(u8::MAX)));
            }
            Ok(_) => {}
            Err(error) => bail!("waitpid: {error}"),
        }
    }
}
