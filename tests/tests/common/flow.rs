//! Packets of a pod in the background while something happens to the network.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rcni_tests::lab::node::Daemon;
use rcni_tests::{Pod, wait_until};

use super::DEADLINE;

/// 200 packets a second.
const INTERVAL: &str = "0.005";
/// How many answers after an event show that it is over.
const AFTERWARDS: u32 = 100;

/// A flow that runs in the background until [`Flow::finish`]; its numbers are read at its end.
pub(crate) struct Flow {
    pod: Pod,
    daemon: Daemon,
}

impl Flow {
    /// Starts it and waits for its first answers.
    pub(crate) fn start(from: &Pod, to: IpAddr) -> Result<Self> {
        let target = to.to_string();
        let argv = ["ping", "-n", "-i", INTERVAL, "-W", "2", &target];
        let daemon = from.spawn(&format!("flow-{target}"), &argv)?;
        let flow = Self {
            pod: from.clone(),
            daemon,
        };
        flow.wait_answer(1)?;
        Ok(flow)
    }

    fn text(&self) -> Result<String> {
        let name = format!("{}.log", self.daemon.name);
        Ok(std::fs::read_to_string(
            self.pod.node().log_folder().join(name),
        )?)
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
        let last = self.answered()?.last().copied().unwrap_or(0);
        self.wait_answer(last + AFTERWARDS)?;
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
