//! What holds in both families, said once.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, ensure};
use rcni_tests::{Node, Pod};

use super::{fetch_in, serve_at};

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

/// Of a topology with both.
pub(crate) const BOTH: &[Family] = &[Family::V4, Family::V6];
/// Of a topology whose IPv6 lines are taken away.
pub(crate) const V4_ONLY: &[Family] = &[Family::V4];
/// Of its variant without IPv4.
pub(crate) const V6_ONLY: &[Family] = &[Family::V6];

impl Family {
    /// One of two words.
    pub(crate) fn pick<T>(self, v4: T, v6: T) -> T {
        if self == Self::V4 { v4 } else { v6 }
    }

    /// The block that node number `node` gives its pods addresses from, in every topology.
    pub(crate) fn block(self, node: u8) -> String {
        self.pick(
            format!("10.244.{node}.0/24"),
            format!("fd00:10:244:{node}::/64"),
        )
    }

    /// The default route, as `ip route show exact` takes it.
    pub(crate) fn default(self) -> &'static str {
        self.pick("0.0.0.0/0", "::/0")
    }

    /// The pod's address, by the plugin's result.
    pub(crate) fn ip(self, pod: &Pod) -> Result<IpAddr> {
        match self {
            Self::V4 => pod.ipv4(),
            Self::V6 => pod.ipv6(),
        }
    }

    /// The host that stands for the internet.
    pub(crate) fn internet(self) -> &'static str {
        self.pick("203.0.113.10", "2001:db8:cafe::10")
    }

    /// A server in the pod.
    pub(crate) fn serve(self, pod: &Pod) -> Result<SocketAddr> {
        serve_at(pod, self.ip(pod)?)
    }

    /// The pod's own address as `server` sees it, after a transfer in both directions.
    pub(crate) fn seen(self, from: &Pod, server: SocketAddr) -> Result<IpAddr> {
        let (transfer, own) = (fetch_in(from, server, 1)?, self.ip(from)?);
        // What a pod believes of itself is what was asked for, whatever arrives elsewhere.
        ensure!(
            transfer.local.ip() == own,
            "{} sent from {}",
            from.name(),
            transfer.local
        );
        Ok(transfer.seen_ip())
    }
}

/// The very first packet to `target` is answered, and within a second.
pub(crate) fn first_packet(from: &Pod, target: &str) -> Result<()> {
    let argv = ["ping", "-n", "-c", "1", "-W", "1", target];
    from.exec(&argv)?
        .ok()
        .with_context(|| format!("the first packet from {} to {target}", from.name()))
        .map(drop)
}

/// No address and no route of IPv4 on the node, or in a pod of it.
pub(crate) fn no_ipv4(node: &Node, pod: Option<&Pod>) -> Result<()> {
    nothing(
        node,
        pod,
        &["ip -4 -o address show scope global", "ip -4 route"],
    )
}

/// The same of IPv6, except for what every link has by itself.
pub(crate) fn no_ipv6(node: &Node, pod: Option<&Pod>) -> Result<()> {
    let routes = "ip -6 route | grep -v ^fe80::/64 || true";
    nothing(node, pod, &["ip -6 -o address show scope global", routes])
}

fn nothing(node: &Node, pod: Option<&Pod>, questions: &[&str]) -> Result<()> {
    for question in questions {
        let said = match pod {
            Some(pod) => pod.exec(&["sh", "-c", question])?.ok()?,
            None => node.shell(question)?,
        };
        ensure!(said.is_empty(), "{question} on {}: {said}", node.name());
    }
    Ok(())
}
