//! What goes on in the background while something happens to the network: numbered packets, and one
//! connection.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rcni_tests::lab::node::Daemon;
use rcni_tests::lab::node::ExecOptions;
use rcni_tests::{Node, Pod, wait_until};

use super::DEADLINE;

/// 200 packets a second.
const INTERVAL: &str = "0.005";
/// How many answers after an event show that it is over.
const AFTERWARDS: u32 = 100;

/// A flow that runs in the background until [`Flow::finish`]; its numbers are read at its end.
pub(crate) struct Flow {
    node: Node,
    daemon: Daemon,
}

fn ping(options: &[&str], to: IpAddr) -> Vec<String> {
    let fixed = ["ping", "-n", "-i", INTERVAL, "-W", "2"];
    let words = fixed.iter().chain(options).map(|word| (*word).to_owned());
    words.chain([to.to_string()]).collect()
}

impl Flow {
    /// Starts it and waits for its first answers.
    pub(crate) fn start(from: &Pod, to: IpAddr) -> Result<Self> {
        let daemon = from.spawn(&format!("flow-{to}"), &ping(&[], to))?;
        Self::begun(from.node(), daemon)
    }

    /// The same from a node, with an address of its own.
    pub(crate) fn from_node(from: &Node, source: &str, to: IpAddr) -> Result<Self> {
        let name = format!("flow-{source}-{to}");
        let daemon = from.spawn(&name, &ping(&["-I", source], to), &ExecOptions::default())?;
        Self::begun(from, daemon)
    }

    fn begun(node: &Node, daemon: Daemon) -> Result<Self> {
        let flow = Self {
            node: node.clone(),
            daemon,
        };
        flow.wait_answer(1)?;
        Ok(flow)
    }

    /// From where, and whither.
    pub(crate) fn name(&self) -> &str {
        &self.daemon.name
    }

    /// Waits until packets are answered that were sent after this was called, or nearly so.
    pub(crate) fn goes_on(&self) -> Result<()> {
        let last = self.answered()?.last().copied().unwrap_or(0);
        self.wait_answer(last + AFTERWARDS)
    }

    fn text(&self) -> Result<String> {
        let name = format!("{}.log", self.daemon.name);
        Ok(std::fs::read_to_string(self.node.log_folder().join(name))?)
    }

    /// The numbers of all answered packets. The last line may be half written.
    fn answered(&self) -> Result<BTreeSet<u32>> {
        let text = self.text()?;
        let number = |line: &str| {
            let (_, rest) = line.split_once("icmp_seq=")?;
            let (number, rest) = rest.split_once(' ')?;
            rest.ends_with("ms").then(|| number.parse().ok())?
        };
        let lines = text.lines().filter(|line| line.contains("bytes from"));
        Ok(lines.filter_map(number).collect())
    }

    /// Waits until a packet with that number or a later one has been answered.
    fn wait_answer(&self, number: u32) -> Result<()> {
        wait_until(DEADLINE, "answers of the flow", || -> Result<()> {
            let last = self.answered()?.last().copied().unwrap_or(0);
            ensure!(last >= number, "the last answer is to packet {last}");
            Ok(())
        })
    }

    /// Waits until packets are answered again, or still, and ends it. How many packets were sent
    /// up to the last one that was answered, and how many were answered.
    pub(crate) fn finish(self) -> Result<(u32, u32)> {
        self.goes_on()?;
        if !self.daemon.id.is_alive() {
            bail!("the flow has ended by itself: {}", self.text()?);
        }
        kill(Pid::from_raw(self.daemon.id.pid), Signal::SIGINT)?;
        wait_until(DEADLINE, "the end of the flow", || {
            if self.daemon.id.is_alive() {
                Err("it still runs")
            } else {
                Ok(())
            }
        })?;
        let answered = self.answered()?;
        let sent = *answered.last().context("no answer at all")?;
        Ok((sent, u32::try_from(answered.len())?))
    }
}

/// How many lines after an event show that a connection goes on.
const LINES: usize = 20;

/// One TCP connection of a pod, in which something is said and answered 50 times a second.
pub(crate) struct Talk {
    pod: Pod,
    daemon: Daemon,
}

impl Talk {
    /// Connects; `name` is its own.
    pub(crate) fn start(from: &Pod, name: &str, server: SocketAddr) -> Result<Self> {
        let argv = ["rcni-lab", "talk", &server.to_string()];
        let talk = Self {
            pod: from.clone(),
            daemon: from.spawn(name, &argv)?,
        };
        talk.goes_on()?;
        Ok(talk)
    }

    fn lines(&self) -> Result<Vec<String>> {
        let name = format!("{}.log", self.daemon.name);
        let text = std::fs::read_to_string(self.pod.node().log_folder().join(name))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// The address that the server sees.
    pub(crate) fn seen(&self) -> Result<IpAddr> {
        let lines = self.lines()?;
        let first: SocketAddr = lines.first().context("no line")?.parse()?;
        Ok(first.ip())
    }

    /// Waits until some more is answered, over the same connection.
    pub(crate) fn goes_on(&self) -> Result<()> {
        let before = self.lines()?.len();
        wait_until(DEADLINE, "answers in the connection", || -> Result<()> {
            let lines = self.lines()?;
            ensure!(
                self.daemon.id.is_alive(),
                "it has ended: {:?}",
                lines.last()
            );
            ensure!(lines.len() >= before + LINES, "{} lines", lines.len());
            Ok(())
        })
    }
}
