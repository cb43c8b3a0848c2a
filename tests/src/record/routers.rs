//! The routers that are recorded, and how each is told what to do.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::Node;

/// Who is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Router {
    /// FRR's bgpd.
    Frr,
    /// BIRD.
    Bird,
    /// GoBGP.
    Gobgp,
    /// OpenBGPD.
    Openbgpd,
}

use Router::{Bird, Frr, Gobgp, Openbgpd};

/// What a session ends with when the router is told to (RFC 9003).
const FAREWELL: &str = "maintenance, back in 2 h";

impl Router {
    /// All of them.
    pub const ALL: [Self; 4] = [Frr, Bird, Gobgp, Openbgpd];

    /// As files are named.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Frr => "frr",
            Bird => "bird",
            Gobgp => "gobgp",
            Openbgpd => "openbgpd",
        }
    }

    /// The topology with it.
    #[must_use]
    pub fn topology(self) -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("topologies/recorded");
        folder.join(format!("{}.clab.yml", self.name()))
    }

    /// The version that runs, as it says itself.
    ///
    /// # Errors
    /// It does not say.
    pub fn version(self, tor: &Node) -> Result<String> {
        let argv = match self {
            Frr => ["/usr/lib/frr/bgpd", "--version"],
            Bird => ["/usr/sbin/bird", "--version"],
            Gobgp => ["/usr/bin/gobgpd", "--version"],
            Openbgpd => ["/usr/sbin/bgpd", "-V"],
        };
        let said = tor.exec(&argv)?;
        let text = format!("{}{}", said.stdout, said.stderr);
        let words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
        let mut numbers = words.filter(|word| word.contains('.') && !word.starts_with('.'));
        let found = numbers
            .next()
            .with_context(|| format!("no version in {text}"))?;
        Ok(found.trim_end_matches('.').to_owned())
    }

    /// Tells a router that has no file for it what it originates.
    ///
    /// # Errors
    /// It does not answer.
    pub fn originate(self, tor: &Node) -> Result<()> {
        if self != Gobgp {
            return Ok(());
        }
        let attributes =
            "med 50 community 65000:100,65000:200 large-community 65000:1:2 rt 65000:7";
        tor.shell(&format!(
            "gobgp global rib add 198.51.100.0/24 {attributes} && \
             gobgp global rib add 198.51.101.0/24 aspath 65010,65010 && \
             gobgp global rib add -a ipv6 2001:db8:100::/48 nexthop fd00:10:0:1::1 {attributes}"
        ))
        .map(drop)
    }

    /// Announces 198.51.102.0/24, or withdraws it.
    ///
    /// # Errors
    /// It refuses.
    pub fn extra(self, tor: &Node, announce: bool) -> Result<()> {
        let prefix = "198.51.102.0/24";
        let line = match (self, announce) {
            (Frr, _) => {
                let no = if announce { "" } else { "no " };
                format!(
                    "vtysh -c 'configure terminal' -c 'router bgp 65000' \
                     -c 'address-family ipv4 unicast' -c '{no}network {prefix}'"
                )
            }
            (Bird, true) => "birdc enable extra4".to_owned(),
            (Bird, false) => "birdc disable extra4".to_owned(),
            (Gobgp, true) => format!("gobgp global rib add {prefix}"),
            (Gobgp, false) => format!("gobgp global rib del {prefix}"),
            (Openbgpd, true) => format!("bgpctl network add {prefix}"),
            (Openbgpd, false) => format!("bgpctl network delete {prefix}"),
        };
        tor.shell(&line).map(drop)
    }

    /// Ends the session with 10.0.1.11 by Cease/Administrative Shutdown and a text.
    ///
    /// # Errors
    /// It refuses.
    pub fn farewell(self, tor: &Node) -> Result<()> {
        let line = match self {
            Frr => format!(
                "vtysh -c 'configure terminal' -c 'router bgp 65000' \
                 -c 'neighbor 10.0.1.11 shutdown message {FAREWELL}'"
            ),
            Bird => format!("birdc disable node1 '\"{FAREWELL}\"'"),
            Gobgp => format!("gobgp neighbor 10.0.1.11 shutdown '{FAREWELL}'"),
            Openbgpd => format!("bgpctl neighbor 10.0.1.11 down '{FAREWELL}'"),
        };
        tor.shell(&line).map(drop)
    }

    /// Ends all of it with SIGKILL and starts it again.
    ///
    /// # Errors
    /// It does not run.
    pub fn crash(self, tor: &Node) -> Result<()> {
        let programs: &[&str] = match self {
            Frr => &["bgpd"],
            Bird => &["bird"],
            Gobgp => &["gobgpd"],
            Openbgpd => &["bgpd"],
        };
        let mut again = Vec::new();
        for name in programs {
            let daemons = tor.daemons(name)?;
            for daemon in &daemons {
                daemon.id.signal_kill()?;
            }
            for daemon in &daemons {
                daemon.id.wait_gone()?;
            }
            // OpenBGPD's parent starts the others; it is the one that reads a file.
            let first = |argv: &[String]| argv.iter().any(|word| word.ends_with(".conf"));
            again.extend(
                daemons
                    .into_iter()
                    .filter(|daemon| self != Openbgpd || first(&daemon.argv)),
            );
        }
        if again.is_empty() {
            bail!("{} did not run", self.name());
        }
        again
            .iter()
            .try_for_each(|daemon| tor.start_again(daemon).map(drop))
    }
}
