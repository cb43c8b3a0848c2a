//! What pods leave on a node.

use anyhow::{Result, ensure};
use rcni_tests::{Node, wait_until};

use crate::common::{DEADLINE, names};

/// Everything on a node that a pod may leave there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Traces {
    links: Vec<String>,
    routes: Vec<String>,
    reservations: Vec<String>,
    records: Vec<String>,
    /// Kept by the runtimes' library.
    results: Vec<String>,
    namespaces: Vec<String>,
}

impl Traces {
    pub(crate) fn of(node: &Node) -> Result<Self> {
        let lines = |argv: &[&str]| -> Result<Vec<String>> {
            let mut lines: Vec<String> = node.check(argv)?.lines().map(str::to_owned).collect();
            lines.sort();
            Ok(lines)
        };
        let folder = |path: &str| names(&node.path(path));
        let mut routes = lines(&["ip", "route", "show", "scope", "link"])?;
        routes.extend(lines(&["ip", "-6", "route", "show", "proto", "77"])?);
        // IPv4 and IPv6: what leads to single addresses, and nothing that other nodes announce.
        routes.retain(|line| line.contains("dev rcni"));
        let mut reservations = folder("/var/lib/cni/networks/rcni");
        reservations.retain(|name| name != "lock" && !name.starts_with("last_reserved_ip"));
        let mut links = lines(&["ip", "-br", "link", "show", "type", "veth"])?;
        links.retain(|line| line.starts_with("rcni"));
        Ok(Self {
            links,
            routes,
            reservations,
            records: folder("/var/lib/cni/rcni/rcni"),
            results: folder("/var/lib/cni/results"),
            namespaces: folder("/run/netns"),
        })
    }

    /// Attachments that are there, by what the node has of them; all kinds agree.
    pub(crate) fn count(&self, families: usize) -> Result<usize> {
        let count = self.links.len();
        ensure!(
            self.routes.len() == count * families
                && self.reservations.len() == count * families
                && self.records.len() == count,
            "{self:#?}"
        );
        Ok(count)
    }

    fn is_empty(&self) -> bool {
        let Self {
            links,
            routes,
            reservations,
            records,
            results,
            namespaces,
        } = self;
        let all = [links, routes, reservations, records, results, namespaces];
        all.iter().all(|one| one.is_empty())
    }

    /// Waits until there is nothing: runtimes clean up after the command that ended a container.
    pub(crate) fn wait_none(node: &Node) -> Result<()> {
        wait_until(
            DEADLINE,
            "nothing is left of containers",
            || -> Result<()> {
                let traces = Self::of(node)?;
                ensure!(traces.is_empty(), "{traces:#?}");
                Ok(())
            },
        )
    }
}
