//! What happens to routes of a node while a test does other things.

use anyhow::{Result, ensure};
use rcni_tests::lab::node::ExecOptions;
use rcni_tests::{Node, wait_until};

use super::DEADLINE;

/// Nobody's: seen in the log, all that came before it was seen, too.
const MARKER: &str = "192.0.2.254";

/// `ip monitor route` on a node, from [`Watch::start`] on.
pub(crate) struct Watch {
    node: Node,
}

impl Watch {
    /// Returns when the monitor listens.
    pub(crate) fn start(node: &Node) -> Result<Self> {
        let argv = ["ip", "monitor", "route"];
        node.spawn("watch", &argv, &ExecOptions::default())?;
        let watch = Self { node: node.clone() };
        watch.lines()?;
        Ok(watch)
    }

    /// All that has happened so far.
    fn lines(&self) -> Result<Vec<String>> {
        let log = self.node.log_folder().join("watch.log");
        let read = || std::fs::read_to_string(&log);
        let marks = |text: &str| text.matches(&format!("blackhole {MARKER} ")).count();
        let before = marks(&read()?);
        let text = wait_until(DEADLINE, "the monitor", || -> Result<String> {
            let route = format!("blackhole {MARKER}/32");
            self.node
                .shell(&format!("ip route add {route} && ip route del {route}"))?;
            let text = read()?;
            ensure!(marks(&text) > before, "{text:?}");
            Ok(text)
        })?;
        let told = text.lines().filter(|line| !line.contains(MARKER));
        Ok(told.map(str::to_owned).collect())
    }

    /// What has happened to exactly that prefix.
    pub(crate) fn events(&self, prefix: &str) -> Result<Vec<String>> {
        let mut lines = self.lines()?;
        lines.retain(|line| line.split_whitespace().any(|word| word == prefix));
        Ok(lines)
    }
}
