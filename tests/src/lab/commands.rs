//! What nodes run: the image's command first, the `exec` lines when it runs, as in containerlab.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::node::{ExecOptions, Node};
use super::{Lab, process};
use crate::images::{self, Image};
use crate::topology::{NodeSpec, Topology};
use crate::wait_until;

/// How long an `exec` line may take.
const EXEC_DEADLINE: Duration = Duration::from_secs(60);
/// How long at least a command is looked at: one that fails at once needs a moment for that.
const GRACE: Duration = Duration::from_millis(200);
/// How much of the log of a command that has failed is told, in lines.
const LOG_TAIL: usize = 10;
/// Name of a command's log.
const LOG: &str = "command";

/// A command that has been started.
struct Started<'l> {
    node: &'l Node,
    /// As the node numbers it.
    pid: i32,
    /// Line of the file that asks for it.
    line: u64,
    argv: Vec<String>,
    /// [`Image::settled`], of an image that runs its own command.
    settled: &'static [&'static str],
}

impl Lab {
    pub(super) fn start_commands(&self, topology: &Topology) -> Result<()> {
        let file = topology.file.display();
        let mut started = Vec::new();
        for spec in &topology.nodes {
            let Some(image) = images::find(&spec.image) else {
                continue;
            };
            let (line, argv) = command(spec, image);
            if argv.is_empty() {
                continue;
            }
            let node = self.node(&spec.name)?;
            let pid = node
                .start(LOG, &argv, &ExecOptions::default())
                .with_context(|| format!("{file}:{line}"))?;
            started.push(Started {
                node,
                pid,
                line,
                argv,
                settled: if spec.entrypoint.is_none() && spec.cmd.is_none() {
                    image.settled
                } else {
                    &[]
                },
            });
        }
        let start = Instant::now();
        let done = self
            .settle(&started)
            .and_then(|()| self.run_exec_lines(topology));
        // Told first: an `exec` line may have failed because of it.
        check(&topology.file, &started, start)?;
        done
    }

    /// Waits until what has been started can be worked with.
    fn settle(&self, started: &[Started<'_>]) -> Result<()> {
        for one in started.iter().filter(|one| !one.settled.is_empty()) {
            wait_until(EXEC_DEADLINE, "the image's command", || {
                // One that has failed is told by its own words.
                match one.node.ended(one.pid) {
                    Ok(None | Some(0)) => one.node.check(one.settled).map(drop),
                    _ => Ok(()),
                }
            })?;
        }
        Ok(())
    }

    fn run_exec_lines(&self, topology: &Topology) -> Result<()> {
        for spec in &topology.nodes {
            let node = self.node(&spec.name)?;
            for line in &spec.exec {
                let options = ExecOptions {
                    deadline: Some(EXEC_DEADLINE),
                    ..Default::default()
                };
                node.exec_with(&line.argv, &options)
                    .and_then(process::Output::ok)
                    .with_context(|| format!("{}:{}", topology.file.display(), line.line))?;
            }
        }
        Ok(())
    }
}

/// What a node runs, and the line that says so.
fn command(spec: &NodeSpec, image: &Image) -> (u64, Vec<String>) {
    let words = |default: &[&str]| default.iter().map(ToString::to_string).collect();
    // An overridden entry point drops the image's command too, as engines do.
    let default_cmd = if spec.entrypoint.is_some() {
        &[]
    } else {
        image.cmd
    };
    let own = |own: &Option<crate::topology::ExecSpec>, default: &[&str]| {
        own.as_ref()
            .map_or_else(|| words(default), |own| own.argv.clone())
    };
    let mut argv = own(&spec.entrypoint, image.entrypoint);
    argv.extend(own(&spec.cmd, default_cmd));
    let said = spec.entrypoint.as_ref().or(spec.cmd.as_ref());
    (said.map_or(spec.line, |said| said.line), argv)
}

/// A command that has ended with 0 may be a script that has started daemons; one that has ended
/// otherwise is a node that does not do what the file asks for.
fn check(file: &Path, started: &[Started<'_>], start: Instant) -> Result<()> {
    loop {
        let last = start.elapsed() >= GRACE || started.is_empty();
        for one in started {
            match one.node.ended(one.pid)? {
                None | Some(0) => {}
                Some(status) => bail!(
                    "{}:{}: node {}: `{}` has ended with status {status}\n{}",
                    file.display(),
                    one.line,
                    one.node.name(),
                    one.argv.join(" "),
                    one.node.log_tail(LOG, LOG_TAIL)
                ),
            }
        }
        if last {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
