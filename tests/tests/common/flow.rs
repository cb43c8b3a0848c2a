//! Packets of a pod in the background while something happens to the network.

use std::net::IpAddr;

use anyhow::{Context, Result};
use rcni_tests::lab::node::Daemon;
use rcni_tests::{Pod, wait_until};

use super::DEADLINE;

/// 200 packets a second for 15 seconds: longer than kill, restart and new session together.
pub(crate) const PACKETS: u32 = 3000;
const INTERVAL: &str = "0.005";

/// A flow that runs in the background; its numbers are read at its end.
pub(crate) struct Flow {
    pod: Pod,
    daemon: Daemon,
}

impl Flow {
    pub(crate) fn start(from: &Pod, to: IpAddr) -> Result<Self> {
        let (count, target) = (PACKETS.to_string(), to.to_string());
        let argv = [
            "ping", "-n", "-c", &count, "-i", INTERVAL, "-W", "2", &target,
        ];
        let daemon = from.spawn("flow", &argv)?;
        Ok(Self {
            pod: from.clone(),
            daemon,
        })
    }

    pub(crate) fn runs(&self) -> bool {
        self.daemon.id.is_alive()
    }

    /// Sent and received.
    pub(crate) fn finish(self) -> Result<(u32, u32)> {
        wait_until(DEADLINE, "the end of the flow", || {
            if self.runs() {
                Err("it still runs")
            } else {
                Ok(())
            }
        })?;
        let path = self
            .pod
            .node()
            .log_folder()
            .join(format!("{}.log", self.daemon.name));
        let text = std::fs::read_to_string(&path)?;
        let line = text
            .lines()
            .find(|line| line.contains("packets transmitted"));
        let line = line.with_context(|| format!("no summary in {text}"))?;
        let number = |word: &str| {
            let part = line.split(',').find(|part| part.contains(word));
            part.and_then(|part| part.split_whitespace().next()?.parse().ok())
        };
        let sent = number("transmitted").with_context(|| line.to_owned())?;
        Ok((sent, number("received").with_context(|| line.to_owned())?))
    }
}
