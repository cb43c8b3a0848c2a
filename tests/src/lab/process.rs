//! Running a program to its end, with a deadline, and knowing processes again later.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// What a finished program said.
#[derive(Clone, Debug)]
pub struct Output {
    /// The command, for messages.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// Whether the exit status is 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.status.success()
    }

    /// Standard output of a command that succeeded.
    ///
    /// # Errors
    /// It did not; the message holds all that it said.
    pub fn ok(self) -> Result<String> {
        if self.success() {
            return Ok(self.stdout);
        }
        bail!(
            "{}: {}\n{}{}",
            self.command,
            self.status,
            self.stdout,
            self.stderr
        )
    }
}

/// Runs `command` to its end or to `deadline`, then kills it.
///
/// Output goes to memory files, not to pipes: a daemon that kept a pipe open would hang the
/// caller for ever.
///
/// # Errors
/// It cannot be started, or did not end in time; the message holds what it said until then.
pub fn run(command: &mut Command, input: &[u8], deadline: Duration) -> Result<Output> {
    let text = describe(command);
    let memory = |name: &str| memfd_create(name, MFdFlags::MFD_CLOEXEC).map(File::from);
    let (mut stdin, mut stdout, mut stderr) = (memory("in")?, memory("out")?, memory("err")?);
    std::io::Write::write_all(&mut stdin, input)?;
    stdin.rewind()?;
    let mut child = command
        .stdin(stdin)
        .stdout(stdout.try_clone()?)
        .stderr(stderr.try_clone()?)
        .spawn()
        .with_context(|| text.clone())?;
    let start = Instant::now();
    let mut pause = Duration::from_micros(500);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if start.elapsed() > deadline {
            child.kill()?;
            child.wait()?;
            break None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    };
    let (stdout, stderr) = (read(&mut stdout)?, read(&mut stderr)?);
    match status {
        Some(status) => Ok(Output {
            command: text,
            status,
            stdout,
            stderr,
        }),
        None => bail!("{text}: still running after {deadline:?}, killed\n{stdout}{stderr}"),
    }
}

fn read(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn describe(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(|word| word.to_string_lossy()));
    // The way into a node is not interesting, the command in it is.
    match words.iter().position(|word| word == "--") {
        Some(at) if words.get(1).is_some_and(|word| word == "node-enter") => {
            words.split_off(at + 1)
        }
        _ => words,
    }
    .join(" ")
}

/// A program of the host that must succeed.
///
/// # Errors
/// As [`run`], and if it fails.
pub fn check(program: &str, arguments: &[&str]) -> Result<String> {
    run(
        Command::new(program).args(arguments),
        b"",
        Duration::from_secs(30),
    )?
    .ok()
}

/// A process that cannot be mistaken for a later one with the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its number on the host.
    pub pid: i32,
    /// Its start, in clock ticks since boot (field 22 of /proc/PID/stat).
    pub start: u64,
}

impl ProcessId {
    /// The running process `pid`; `None` if there is none or it is a zombie, with all of its threads: one that
    /// is still in the kernel keeps the process's sockets and files open.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name is in parentheses and may hold anything, also parentheses.
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace();
        if matches!(fields.next()?, "Z" | "X") && !has_live_thread(pid) {
            return None;
        }
        Some(Self {
            pid,
            start: fields.nth(18)?.parse().ok()?,
        })
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Ends it at once, if it still runs, and waits until it is gone.
    ///
    /// # Errors
    /// It cannot be signalled, or stays in the kernel.
    pub fn kill(self) -> Result<()> {
        self.signal_kill()?;
        self.wait_gone()
    }

    /// Only asks for the end.
    ///
    /// # Errors
    /// It cannot be signalled.
    pub fn signal_kill(self) -> Result<()> {
        if !self.is_alive() {
            return Ok(());
        }
        match kill(Pid::from_raw(self.pid), Signal::SIGKILL) {
            Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
            Err(error) => bail!("killing process {}: {error}", self.pid),
        }
    }

    /// Waits for the end that was asked for.
    ///
    /// # Errors
    /// The process stays in the kernel.
    pub fn wait_gone(self) -> Result<()> {
        crate::wait::wait_until(
            Duration::from_secs(20),
            "the end of a killed process",
            || {
                if self.is_alive() {
                    Err(format!("process {} still runs", self.pid))
                } else {
                    Ok(())
                }
            },
        )
    }
}

/// Whether a process whose first thread has ended has another one that has not.
fn has_live_thread(pid: i32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return false;
    };
    threads.flatten().any(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
        state.is_some_and(|state| !state.starts_with(['Z', 'X']))
    })
}

/// `/dev/null` for a child's standard input.
#[must_use]
pub fn nothing() -> Stdio {
    Stdio::null()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_hangs_is_killed_and_its_words_are_kept() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo before; exec sleep 60"]);
        let error = run(&mut command, b"", Duration::from_millis(300))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("still running") && error.contains("before"),
            "{error}"
        );
    }

    #[test]
    fn a_recycled_number_is_another_process() {
        let me = ProcessId::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(me.is_alive());
        let earlier = ProcessId {
            start: me.start - 1,
            ..me
        };
        assert!(!earlier.is_alive());
        earlier.kill().unwrap();
    }

    #[test]
    fn a_process_lives_as_long_as_one_of_its_threads() {
        // SAFETY: the child starts a thread and ends its own first one; it shares nothing with the other tests.
        let child = match unsafe { nix::unistd::fork() }.unwrap() {
            nix::unistd::ForkResult::Parent { child } => child,
            nix::unistd::ForkResult::Child => {
                std::thread::spawn(|| std::thread::sleep(Duration::from_secs(600)));
                // SAFETY: exit(2) ends this thread alone, and nothing of it is used any more.
                unsafe { libc::syscall(libc::SYS_exit, 0) };
                unreachable!("the thread has ended")
            }
        };
        let pid = child.as_raw();
        let zombie = crate::wait::wait_until(Duration::from_secs(20), "a zombie", || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            if stat.contains(") Z ") {
                Ok(())
            } else {
                Err(stat)
            }
        });
        let seen = ProcessId::of(pid);
        kill(child, Signal::SIGKILL).unwrap();
        nix::sys::wait::waitpid(child, None).unwrap();
        zombie.unwrap();
        assert!(seen.is_some(), "its other thread runs");
        assert_eq!(ProcessId::of(pid), None);
    }
}
