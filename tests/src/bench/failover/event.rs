//! What can happen to a fabric, and how it is undone.

use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::fabric::Fabric;
use super::{Setup, Speaker};
use crate::Node;
use crate::lab::process::check;

/// Something that fails, or is taken out of use; always at node1 or tor-a.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Nothing comes out of tor-a any more; links stay up.
    RouterSilent,
    /// tor-a's daemons are killed; its kernel forwards.
    RouterKilled,
    /// tor-a's link to node1 goes down.
    LinkDown,
    /// tor-a is drained, and its sessions are shut down.
    RouterDrained,
    /// The speaker is killed, and started 2 s later.
    SpeakerKilled,
    /// The speaker is ended and started anew.
    SpeakerUpgraded,
    /// felix-lite is ended and started anew.
    AgentRestarted,
}

use Event::{
    AgentRestarted, LinkDown, RouterDrained, RouterKilled, RouterSilent, SpeakerKilled,
    SpeakerUpgraded,
};

/// Between the end of a daemon and its start, where it is a crash.
const DOWN: Duration = Duration::from_secs(2);
/// tor-a.
const TOR: &str = "router bgp 65001";
const SILENCE: &str = "table inet silence {
  chain in { type filter hook prerouting priority -400; policy drop; }
  chain out { type filter hook output priority -400; policy drop; }
}";

impl Event {
    /// All that is measured of a fabric: without BFD only what BFD is about.
    pub fn of(setup: Setup) -> impl Iterator<Item = Self> {
        let all: &[Self] = match (setup.bfd, setup.speaker) {
            (true, Speaker::Rcni) => &[
                RouterSilent,
                RouterKilled,
                LinkDown,
                RouterDrained,
                SpeakerKilled,
                SpeakerUpgraded,
                AgentRestarted,
            ],
            (true, Speaker::Bird) => &[
                RouterSilent,
                RouterKilled,
                LinkDown,
                RouterDrained,
                SpeakerKilled,
                SpeakerUpgraded,
            ],
            (false, _) => &[RouterSilent, RouterKilled],
        };
        all.iter().copied()
    }

    /// For people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            RouterSilent => "a ToR falls silent",
            RouterKilled => "a ToR's daemons are killed",
            LinkDown => "a ToR's link goes down",
            RouterDrained => "a ToR is drained",
            SpeakerKilled => "the speaker is killed",
            SpeakerUpgraded => "the speaker is upgraded",
            AgentRestarted => "felix-lite restarts",
        }
    }

    /// Whether traffic leaves tor-a for it, and only then may it be undone.
    pub(super) fn moves_traffic(self) -> bool {
        matches!(self, RouterSilent | LinkDown | RouterDrained)
    }

    /// Makes it happen.
    pub(super) fn begin(self, fabric: &Fabric) -> Result<()> {
        let (tor, node) = (fabric.node("tor-a")?, fabric.node("node1")?);
        match self {
            RouterSilent => nft(tor, SILENCE),
            RouterKilled => {
                for daemon in ["bgpd", "bfdd"] {
                    tor.kill(daemon)?;
                }
                std::thread::sleep(DOWN);
                Ok(())
            }
            LinkDown => tor.shell("ip link set eth2 down").map(drop),
            RouterDrained => {
                configure(tor, &["bgp graceful-shutdown"])?;
                fabric.wait_unused()?;
                let away = ["neighbor NODES shutdown", "neighbor CORE shutdown"];
                configure(tor, &away)
            }
            SpeakerKilled | SpeakerUpgraded => fabric.restart_speaker(self == SpeakerKilled, DOWN),
            AgentRestarted => {
                let old = node.daemon("felix-lite")?;
                kill(Pid::from_raw(old.id.pid), Signal::SIGTERM)?;
                old.id.wait_gone()?;
                node.start_again(&old).map(drop)
            }
        }
    }

    /// Makes it undone.
    pub(super) fn end(self, fabric: &Fabric) -> Result<()> {
        let tor = fabric.node("tor-a")?;
        match self {
            RouterSilent => nft(tor, "delete table inet silence"),
            RouterKilled => {
                for daemon in ["bgpd", "bfdd"] {
                    tor.shell(&format!(
                        "/usr/lib/frr/{daemon} -d -A 127.0.0.1 -f /etc/frr/frr.conf >/var/log/{daemon} 2>&1"
                    ))?;
                }
                Ok(())
            }
            LinkDown => tor.shell("ip link set eth2 up").map(drop),
            RouterDrained => {
                let back = ["no neighbor NODES shutdown", "no neighbor CORE shutdown"];
                configure(tor, &back)?;
                // Used again when it knows every way itself.
                fabric.wait_router()?;
                configure(tor, &["no bgp graceful-shutdown"])
            }
            SpeakerKilled | SpeakerUpgraded | AgentRestarted => Ok(()),
        }
    }
}

/// The routers' tree has no nft: the machine's, in the router's network.
fn nft(node: &Node, rules: &str) -> Result<()> {
    let network = format!("--net=/proc/{}/ns/net", node.init().pid);
    check("nsenter", &[&network, "nft", rules]).map(drop)
}

fn configure(tor: &Node, lines: &[&str]) -> Result<()> {
    let mut argv = vec!["vtysh", "-c", "configure terminal", "-c", TOR];
    for line in lines {
        argv.extend(["-c", line]);
    }
    tor.check(&argv).map(drop)
}
