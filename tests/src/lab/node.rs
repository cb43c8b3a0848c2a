//! A node of a running lab: commands, daemons and files in it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::process::{Output, ProcessId, nothing, run};
use super::state::NodeState;
use crate::programs::lab_program;

/// How long a command may take if the caller does not say.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// File in a node's folder where its first process notes whose end it has seen.
pub(super) const ENDED: &str = "ended";

/// A node. Cheap to clone; does not keep the lab alive.
#[derive(Clone, Debug)]
pub struct Node {
    name: String,
    init: ProcessId,
    env: BTreeMap<String, String>,
    folder: PathBuf,
}

/// A process in a node, with what is needed to start it again.
#[derive(Clone, Debug)]
pub struct Daemon {
    /// As the host numbers it.
    pub id: ProcessId,
    /// Base name of its program.
    pub name: String,
    /// Its command line.
    pub argv: Vec<String>,
}

/// Where in a node a command runs, and with what.
#[derive(Debug, Default)]
pub struct ExecOptions<'a> {
    /// Network namespace of a pod, as a path in the node.
    pub netns: Option<&'a str>,
    /// More environment.
    pub env: Vec<(String, String)>,
    /// Standard input.
    pub input: &'a [u8],
    /// [`DEADLINE`] if none.
    pub deadline: Option<Duration>,
}

impl Node {
    pub(super) fn new(state: &NodeState, lab_folder: &Path) -> Self {
        Self {
            name: state.name.clone(),
            init: state.init,
            env: state.env.clone(),
            folder: lab_folder.join(&state.name),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its first process.
    #[must_use]
    pub fn init(&self) -> ProcessId {
        self.init
    }

    /// Its `/var/log`, on the host.
    #[must_use]
    pub fn log_folder(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// A path in the node as a path of the host.
    #[must_use]
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.init.pid)).join(inside.trim_start_matches('/'))
    }

    /// Runs a command in the node to its end.
    ///
    /// # Errors
    /// It could not be started or did not end in time. That it failed is in the [`Output`].
    pub fn exec<S: AsRef<str>>(&self, argv: &[S]) -> Result<Output> {
        self.exec_with(argv, &ExecOptions::default())
    }

    /// As [`Node::exec`], for a command that must succeed; its standard output.
    ///
    /// # Errors
    /// As [`Node::exec`], and if it fails.
    pub fn check<S: AsRef<str>>(&self, argv: &[S]) -> Result<String> {
        self.exec(argv)?
            .ok()
            .with_context(|| format!("on {}", self.name))
    }

    /// Runs a shell command line that must succeed; its standard output.
    ///
    /// # Errors
    /// As [`Node::check`].
    pub fn shell(&self, line: &str) -> Result<String> {
        self.check(&["sh", "-c", line])
    }

    /// As [`Node::exec`], in another place or with another deadline.
    ///
    /// # Errors
    /// As [`Node::exec`].
    pub fn exec_with<S: AsRef<str>>(
        &self,
        argv: &[S],
        options: &ExecOptions<'_>,
    ) -> Result<Output> {
        let mut command = self.enter(argv, options, false)?;
        run(
            &mut command,
            options.input,
            options.deadline.unwrap_or(DEADLINE),
        )
        .with_context(|| format!("on {}", self.name))
    }

    /// Runs a command on the caller's terminal; its exit status.
    ///
    /// # Errors
    /// It could not be started.
    pub fn interactive<S: AsRef<str>>(&self, argv: &[S], options: &ExecOptions<'_>) -> Result<i32> {
        let mut options_env = options.env.clone();
        for name in ["TERM", "LANG"] {
            if let Ok(value) = std::env::var(name) {
                options_env.push((name.to_owned(), value));
            }
        }
        let options = ExecOptions {
            netns: options.netns,
            env: options_env,
            ..Default::default()
        };
        let status = self.enter(argv, &options, false)?.status()?;
        Ok(status.code().unwrap_or(1))
    }

    /// Starts a daemon, which then belongs to the node. Its output goes to `NAME.log` in the
    /// node's `/var/log`.
    ///
    /// # Errors
    /// The node is gone, or the program cannot be executed.
    pub fn spawn<S: AsRef<str>>(
        &self,
        name: &str,
        argv: &[S],
        options: &ExecOptions<'_>,
    ) -> Result<Daemon> {
        let pid = self.start(name, argv, options)?;
        // One that has ended already (a script that starts daemons) has no start time any more.
        let id = self
            .by_inner_pid(pid)?
            .unwrap_or(ProcessId { pid: 0, start: 0 });
        let argv = argv.iter().map(|word| word.as_ref().to_owned()).collect();
        Ok(Daemon {
            id,
            name: name.to_owned(),
            argv,
        })
    }

    /// As [`Node::spawn`]; the number that the process has in the node.
    pub(super) fn start<S: AsRef<str>>(
        &self,
        name: &str,
        argv: &[S],
        options: &ExecOptions<'_>,
    ) -> Result<i32> {
        let path = self.log_folder().join(format!("{name}.log"));
        let log = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| path.display().to_string())?;
        let mut child = self
            .enter(argv, options, true)?
            .stdin(nothing())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let mut said = String::new();
        if let Some(out) = child.stdout.as_mut() {
            out.read_to_string(&mut said)?;
        }
        child.wait()?;
        said.trim().parse().with_context(|| {
            let log = self.log_tail(name, 1);
            format!("{name} on {}: cannot be started: {log}", self.name)
        })
    }

    /// How a process that [`Node::start`] has started ended, as a shell would number it; none
    /// while it runs.
    pub(super) fn ended(&self, pid: i32) -> Result<Option<i32>> {
        let path = self.folder.join(ENDED);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let of_line = |line: &str| {
            let (who, status) = line.split_once(' ')?;
            (who.parse() == Ok(pid)).then(|| status.parse().ok())?
        };
        Ok(text.lines().find_map(of_line))
    }

    /// The last lines of a daemon's log.
    pub(super) fn log_tail(&self, name: &str, count: usize) -> String {
        let bytes = std::fs::read(self.log_folder().join(format!("{name}.log")));
        let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }

    fn enter<S: AsRef<str>>(
        &self,
        argv: &[S],
        options: &ExecOptions<'_>,
        detach: bool,
    ) -> Result<Command> {
        if !self.init.is_alive() {
            bail!("node {} does not run any more", self.name);
        }
        let mut command = Command::new(lab_program()?);
        command
            .env_clear()
            .args(["node-enter", "--pid", &self.init.pid.to_string()]);
        if let Some(netns) = options.netns {
            command.args(["--netns", netns]);
        }
        let own = self
            .env
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let more = options
            .env
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        for entry in own.chain(more) {
            command.arg(format!("--env={entry}"));
        }
        if detach {
            command.arg("--detach");
        }
        command.arg("--").args(argv.iter().map(AsRef::as_ref));
        Ok(command)
    }

    /// The processes of the node whose program has that base name.
    ///
    /// # Errors
    /// The node is gone.
    pub fn daemons(&self, name: &str) -> Result<Vec<Daemon>> {
        let mut found = Vec::new();
        for pid in self.pids()? {
            let (Some(id), Some(argv)) = (ProcessId::of(pid), argv_of(pid)) else {
                continue;
            };
            let program = argv.first().and_then(|path| path.rsplit('/').next());
            if program == Some(name) {
                found.push(Daemon {
                    id,
                    name: name.to_owned(),
                    argv,
                });
            }
        }
        Ok(found)
    }

    /// All processes of the node, as the host numbers them.
    fn pids(&self) -> Result<Vec<i32>> {
        let namespace = |pid: i32| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        let own =
            namespace(self.init.pid).with_context(|| format!("node {} is gone", self.name))?;
        let entries = std::fs::read_dir("/proc")?.flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        Ok(pids
            .filter(|pid| namespace(*pid).as_ref() == Some(&own))
            .collect())
    }

    fn by_inner_pid(&self, inner: i32) -> Result<Option<ProcessId>> {
        let inner = inner.to_string();
        let is_it = |pid: &i32| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
            line.and_then(|pids| pids.split_ascii_whitespace().last()) == Some(inner.as_str())
        };
        Ok(self.pids()?.into_iter().find(is_it).and_then(ProcessId::of))
    }

    /// The one process with that program name.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub fn daemon(&self, name: &str) -> Result<Daemon> {
        let mut found = self.daemons(name)?;
        match (found.pop(), found.len()) {
            (Some(daemon), 0) => Ok(daemon),
            (last, rest) => {
                let count = rest + usize::from(last.is_some());
                bail!("{}: {count} processes are called {name}, not 1", self.name)
            }
        }
    }

    /// Ends the one process with that program name with SIGKILL and waits until it is gone.
    ///
    /// # Errors
    /// There is not exactly one.
    pub fn kill(&self, name: &str) -> Result<Daemon> {
        let daemon = self.daemon(name)?;
        daemon.id.kill()?;
        Ok(daemon)
    }

    /// Starts a killed daemon again with the same command line.
    ///
    /// # Errors
    /// As [`Node::spawn`].
    pub fn start_again(&self, daemon: &Daemon) -> Result<Daemon> {
        self.spawn(&daemon.name, &daemon.argv, &ExecOptions::default())
    }
}

fn argv_of(pid: i32) -> Option<Vec<String>> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    Some(
        text.trim_end_matches('\0')
            .split('\0')
            .map(str::to_owned)
            .collect(),
    )
}
