//! One execution of a plugin, as a runtime does it: no shell, `posix_spawn`, configuration on
//! standard input. The clock runs from before the spawn to after the wait.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::memfd::{MFdFlags, memfd_create};
use serde_json::Value;

use super::{Attach, Pod};

/// A plugin with its configuration.
#[derive(Debug)]
pub(super) struct Plugin {
    /// Path in the node.
    pub(super) program: &'static str,
    /// `CNI_PATH`.
    pub(super) path: &'static str,
    /// Network configuration.
    pub(super) conf: Value,
}

impl Attach for Plugin {
    fn add(&mut self, pod: &Pod) -> Result<Duration> {
        let (took, said) = self.execute("ADD", pod)?;
        let result: Value = serde_json::from_str(&said).with_context(|| said.clone())?;
        let address = result.pointer("/ips/0/address");
        address.with_context(|| format!("{}: no address: {said}", self.program))?;
        Ok(took)
    }

    fn del(&mut self, pod: &Pod) -> Result<Duration> {
        Ok(self.execute("DEL", pod)?.0)
    }
}

impl Plugin {
    fn execute(&self, command: &str, pod: &Pod) -> Result<(Duration, String)> {
        let run = Execution {
            program: self.program,
            command,
            path: self.path,
            input: &self.conf.to_string(),
        };
        run.time(pod)
    }
}

/// A program that does nothing, executed in the same way.
#[derive(Debug)]
pub(super) struct Nothing {
    /// Path in the node.
    pub(super) program: &'static str,
}

impl Attach for Nothing {
    fn add(&mut self, pod: &Pod) -> Result<Duration> {
        let run = Execution {
            program: self.program,
            command: "ADD",
            path: "/",
            input: "{}",
        };
        Ok(run.time(pod)?.0)
    }

    fn del(&mut self, pod: &Pod) -> Result<Duration> {
        self.add(pod)
    }
}

struct Execution<'a> {
    program: &'static str,
    command: &'a str,
    path: &'static str,
    input: &'a str,
}

impl Execution<'_> {
    /// How long it took, and what it said.
    fn time(&self, pod: &Pod) -> Result<(Duration, String)> {
        let memory = |name: &str| memfd_create(name, MFdFlags::MFD_CLOEXEC).map(File::from);
        let (mut stdin, mut stdout) = (memory("in")?, memory("out")?);
        stdin.write_all(self.input.as_bytes())?;
        stdin.rewind()?;
        let mut command = Command::new(self.program);
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("CNI_COMMAND", self.command)
            .env("CNI_CONTAINERID", &pod.id)
            .env("CNI_NETNS", &pod.netns)
            .env("CNI_IFNAME", "eth0")
            .env("CNI_PATH", self.path)
            .env(
                "CNI_ARGS",
                format!(
                    "IgnoreUnknown=1;K8S_POD_NAMESPACE=bench;K8S_POD_NAME={}",
                    pod.name
                ),
            )
            .stdin(stdin)
            .stdout(stdout.try_clone()?)
            .stderr(Stdio::from(stdout.try_clone()?));
        let start = Instant::now();
        let status = command.spawn().context(self.program)?.wait()?;
        let took = start.elapsed();
        let mut said = String::new();
        stdout.rewind()?;
        stdout.read_to_string(&mut said)?;
        if !status.success() {
            bail!("{} {}: {status}\n{said}", self.program, self.command);
        }
        Ok((took, said))
    }
}
