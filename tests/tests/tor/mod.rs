//! `tests/topologies/tor`: one node behind each router, in every Debian suite that has a tree.
#![allow(dead_code, reason = "every test file uses another part")]

pub(crate) mod beside;
pub(crate) mod cases;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use rcni_tests::lab::node::Daemon;
use rcni_tests::lab::process::check;
use rcni_tests::{Lab, Node, Options, wait_until};

use crate::common::DEADLINE;

/// What the router announces when it is told to, and what the edge announces.
pub(crate) const OF_ROUTER: &str = "198.18.0.0/24";
pub(crate) const OF_EDGE: &str = "198.19.0.0/24";
/// The network of the host behind the router, which the router always announces.
pub(crate) const HOSTS: &str = "198.51.100.0/24";
pub(crate) const HOST: &str = "198.51.100.10";
/// What the node announces.
pub(crate) const PODS: &str = "10.244.1.0/24";
pub(crate) const TOR: &str = "10.0.1.1";
pub(crate) const NODE: &str = "10.0.1.11";

/// Who is the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Router {
    pub(crate) kind: Kind,
    pub(crate) suite: Suite,
}

/// The programs that play it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Frr,
    Bird,
    Gobgp,
    Openbgpd,
}

/// Where their packages are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    Bookworm,
    Trixie,
    Sid,
}

impl Suite {
    /// The name of its tree.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Suite::Bookworm => "bookworm",
            Suite::Trixie => "trixie",
            Suite::Sid => "sid",
        }
    }
}

use Kind::{Bird, Frr, Gobgp, Openbgpd};

impl Router {
    pub(crate) fn name(self) -> &'static str {
        match self.kind {
            Frr => "frr",
            Bird => "bird",
            Gobgp => "gobgp",
            Openbgpd => "openbgpd",
        }
    }

    fn repository(self) -> &'static str {
        match self.kind {
            Frr => "frrouting/frr",
            Bird => "bird",
            Gobgp => "osrg/gobgp",
            Openbgpd => "openbgpd/openbgpd",
        }
    }

    /// Major and minor number that the suite has, or had when it was last looked at.
    fn version(self) -> (u32, u32) {
        let versions = match self.kind {
            Frr => [(8, 4), (10, 3), (10, 7)],
            Bird => [(2, 0), (3, 1), (3, 4)],
            Gobgp => [(3, 10), (3, 36), (4, 8)],
            Openbgpd => [(7, 7), (8, 8), (9, 3)],
        };
        versions[self.suite as usize]
    }

    fn topology(self) -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("topologies/tor");
        folder.join(format!("{}.clab.yml", self.name()))
    }

    /// The protocol of its kernel routes, as `ip route` names it; none if it writes no routes.
    pub(crate) fn kernel_protocol(self) -> Option<&'static str> {
        match (self.kind, self.suite) {
            (Frr, _) => Some("bgp"),
            (Bird, _) => Some("bird"),
            // On Linux since version 8, and with FRR's number.
            (Openbgpd, Suite::Trixie | Suite::Sid) => Some("bgp"),
            (Openbgpd, Suite::Bookworm) | (Gobgp, _) => None,
        }
    }

    /// Deploys the topology with the router of that suite. If the test fails, logs and routes are
    /// shown before the lab is gone.
    pub(crate) fn in_lab(self, test: impl FnOnce(&Lab) -> Result<()>) -> Result<()> {
        let file = self.topology();
        let folder = file.parent().context("the topology's folder")?.join(".");
        let copy = tempfile::tempdir()?;
        check(
            "cp",
            &[
                "-r",
                &folder.to_string_lossy(),
                &copy.path().to_string_lossy(),
            ],
        )?;
        let file = copy.path().join(file.file_name().context("a name")?);
        let text = std::fs::read_to_string(&file)?;
        let wanted = format!("image: {}:", self.repository());
        let line = text.lines().find(|line| line.contains(&wanted));
        let line = line.with_context(|| format!("no image {}", self.repository()))?;
        let (major, minor) = self.version();
        let image = format!("      image: {}:{major}.{minor}", self.repository());
        let mut text = text.replacen(line, &image, 1);
        if self.kernel_protocol().is_some() {
            // What the router writes itself must not be there before.
            let own = |line: &&str| !line.contains(&format!("via {NODE}"));
            text = text.lines().filter(own).collect::<Vec<_>>().join("\n");
        }
        std::fs::write(&file, text)?;
        let lab = Lab::deploy(&file, &Options::default())?;
        self.check_version(lab.node("tor")?)
            .and_then(|()| test(&lab))
            .inspect_err(|_| show(&lab.report()))
    }

    /// That what runs is what was asked for. Debian's stable suites stay at one version.
    fn check_version(self, tor: &Node) -> Result<()> {
        let argv = match self.kind {
            Frr => ["/usr/lib/frr/bgpd", "--version"],
            Bird => ["/usr/sbin/bird", "--version"],
            Gobgp => ["/usr/bin/gobgpd", "--version"],
            Openbgpd => ["/usr/sbin/bgpd", "-V"],
        };
        let said = tor.exec(&argv)?;
        let text = format!("{}{}", said.stdout, said.stderr);
        let digits = text.split(|c: char| !c.is_ascii_digit() && c != '.');
        let found = digits.filter(|word| word.contains('.')).find_map(|word| {
            let mut numbers = word.split('.').map(str::parse::<u32>);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        });
        let found = found.with_context(|| format!("no version in {text}"))?;
        let wanted = self.version();
        let right = match self.suite {
            Suite::Sid => found >= wanted,
            Suite::Bookworm | Suite::Trixie => found == wanted,
        };
        ensure!(right, "{found:?} runs, not {wanted:?}: {text}");
        Ok(())
    }

    /// What the router itself says of its session with the node.
    fn session(self, tor: &Node) -> Result<String> {
        let said = match self.kind {
            Frr => tor.check(&["vtysh", "-c", &format!("show bgp neighbors {NODE}")])?,
            Bird => tor.check(&["birdc", "show", "protocols", "all", "node1"])?,
            Gobgp => tor.check(&["gobgp", "neighbor", NODE])?,
            Openbgpd => tor.check(&["bgpctl", "show", "neighbor", NODE])?,
        };
        let state = said.lines().find(|line| line.contains("BGP state"));
        let state = state.with_context(|| format!("no state in {said}"))?;
        Ok(state.trim().to_lowercase())
    }

    /// Waits until the router itself says that its session with the node is up, or is not.
    pub(crate) fn wait_session(self, tor: &Node, up: bool) -> Result<()> {
        let what = format!("{}'s session with the node up: {up}", self.name());
        wait_until(DEADLINE, &what, || -> Result<()> {
            let state = self.session(tor)?;
            ensure!(state.contains("established") == up, "{state}");
            Ok(())
        })
    }

    /// What the router's RIB says of exactly that prefix; nothing if it does not have it.
    fn rib(self, tor: &Node, prefix: &str) -> Result<String> {
        let said = match self.kind {
            Frr => {
                let command = format!("show bgp ipv4 unicast {prefix}");
                tor.exec(&["vtysh", "-c", &command])?
            }
            Bird => tor.exec(&["birdc", "show", "route", prefix])?,
            Gobgp => tor.exec(&["gobgp", "global", "rib", prefix])?,
            Openbgpd => tor.exec(&["bgpctl", "show", "rib", prefix])?,
        };
        let text = format!("{}{}", said.stdout, said.stderr);
        // Nothing is said differently by each; that the router answers at all is said alike.
        let (nothing, something) = match self.kind {
            Frr => ("Network not in table", "BGP routing table entry for"),
            Bird => ("Network not found", prefix),
            Gobgp => ("Network not in table", prefix),
            Openbgpd => ("vs destination", prefix),
        };
        if text.contains(something) {
            Ok(text)
        } else if text.contains(nothing) {
            Ok(String::new())
        } else {
            bail!("neither {something:?} nor {nothing:?}: {text}")
        }
    }

    /// Whether the prefix is where the router puts what it learns: its kernel, or else its RIB.
    /// An error says what is there instead.
    pub(crate) fn has(self, tor: &Node, prefix: &str) -> Result<()> {
        let rib = self.rib(tor, prefix)?;
        ensure!(rib.contains(NODE), "RIB for {prefix}: {rib:?}");
        if let Some(protocol) = self.kernel_protocol() {
            let routes = crate::common::routes(tor, prefix)?;
            let right = [format!("via {NODE} "), format!("proto {protocol} ")];
            ensure!(
                right.iter().all(|wanted| routes.contains(wanted)),
                "kernel for {prefix}: {routes:?}; RIB: {rib}"
            );
        }
        Ok(())
    }

    /// Whether it is neither in the kernel nor in the RIB.
    pub(crate) fn lacks(self, tor: &Node, prefix: &str) -> Result<()> {
        if self.kernel_protocol().is_some() {
            let routes = crate::common::routes(tor, prefix)?;
            ensure!(routes.trim().is_empty(), "kernel for {prefix}: {routes:?}");
        }
        let rib = self.rib(tor, prefix)?;
        ensure!(rib.is_empty(), "RIB for {prefix}: {rib}");
        Ok(())
    }

    /// Announces [`OF_ROUTER`], or withdraws it.
    pub(crate) fn announce(self, tor: &Node, announce: bool) -> Result<()> {
        let said = match self.kind {
            Frr => {
                let no = if announce { "" } else { "no " };
                let mut argv = vec!["vtysh".to_owned(), "-c".into(), "configure terminal".into()];
                for line in [
                    format!("ip route {OF_ROUTER} blackhole"),
                    "router bgp 65000".into(),
                    "address-family ipv4 unicast".into(),
                    format!("{no}network {OF_ROUTER}"),
                ] {
                    argv.extend(["-c".to_owned(), line]);
                }
                tor.check(&argv)?
            }
            Bird => {
                let verb = if announce { "enable" } else { "disable" };
                tor.check(&["birdc", verb, "extra4"])?
            }
            Gobgp => {
                let verb = if announce { "add" } else { "del" };
                tor.check(&["gobgp", "global", "rib", verb, OF_ROUTER])?
            }
            Openbgpd => {
                let verb = if announce { "add" } else { "delete" };
                tor.check(&["bgpctl", "network", verb, OF_ROUTER])?
            }
        };
        ensure!(!said.contains("error"), "{said}");
        Ok(())
    }

    /// Tells a router that has no file for it what it originates.
    pub(crate) fn originate(self, tor: &Node) -> Result<()> {
        if self.kind == Gobgp {
            wait_until(DEADLINE, "gobgpd", || {
                tor.check(&["gobgp", "global", "rib", "add", HOSTS])
            })?;
        }
        Ok(())
    }

    /// Programs that it consists of, in the order in which they start; not every version has all.
    fn programs(self) -> &'static [&'static str] {
        match self.kind {
            Frr => &["mgmtd", "zebra", "staticd", "bgpd"],
            Bird => &["bird"],
            Gobgp => &["gobgpd"],
            Openbgpd => &["bgpd"],
        }
    }

    /// Ends all of it with SIGKILL; what must be started to have it again.
    pub(crate) fn kill(self, tor: &Node) -> Result<Vec<Daemon>> {
        let mut killed = Vec::new();
        for name in self.programs() {
            let daemons = tor.daemons(name)?;
            daemons
                .iter()
                .try_for_each(|daemon| daemon.id.signal_kill())?;
            daemons
                .iter()
                .try_for_each(|daemon| daemon.id.wait_gone())?;
            // OpenBGPD's parent starts the others; it is the one that reads a file.
            let is_first = |daemon: &Daemon| {
                self.kind != Openbgpd || daemon.argv.iter().any(|word| word.ends_with(".conf"))
            };
            killed.extend(daemons.into_iter().filter(is_first));
        }
        ensure!(!killed.is_empty(), "{} did not run", self.name());
        Ok(killed)
    }

    /// Starts again what [`Router::kill`] has ended.
    pub(crate) fn start(self, tor: &Node, killed: &[Daemon]) -> Result<()> {
        for daemon in killed {
            tor.start_again(daemon)?;
        }
        self.originate(tor)
    }
}

/// All tests of a suite, in a module of its name.
macro_rules! tests_of {
    ($name:ident, $suite:expr) => {
        mod $name {
            use crate::tor::beside::{Neighbour, leave_each_other_alone};
            use crate::tor::{Kind, Router, Suite, cases};
            use anyhow::Result;

            const fn router(kind: Kind) -> Router {
                let suite = $suite;
                Router { kind, suite }
            }

            #[test]
            fn frr_talks() -> Result<()> {
                cases::talks(router(Kind::Frr))
            }

            #[test]
            fn frr_comes_back() -> Result<()> {
                cases::comes_back(router(Kind::Frr))
            }

            #[test]
            fn bird_talks() -> Result<()> {
                cases::talks(router(Kind::Bird))
            }

            #[test]
            fn bird_comes_back() -> Result<()> {
                cases::comes_back(router(Kind::Bird))
            }

            #[test]
            fn gobgp_talks() -> Result<()> {
                cases::talks(router(Kind::Gobgp))
            }

            #[test]
            fn gobgp_comes_back() -> Result<()> {
                cases::comes_back(router(Kind::Gobgp))
            }

            #[test]
            fn openbgpd_talks() -> Result<()> {
                cases::talks(router(Kind::Openbgpd))
            }

            #[test]
            fn openbgpd_comes_back() -> Result<()> {
                cases::comes_back(router(Kind::Openbgpd))
            }

            #[test]
            fn frr_on_the_same_node() -> Result<()> {
                leave_each_other_alone(Neighbour::Frr, $suite)
            }

            #[test]
            fn bird_on_the_same_node() -> Result<()> {
                leave_each_other_alone(Neighbour::Bird, $suite)
            }

            #[test]
            fn bird_that_learns_on_the_same_node() -> Result<()> {
                leave_each_other_alone(Neighbour::BirdLearn, $suite)
            }
        }
    };
}
pub(crate) use tests_of;

#[expect(
    clippy::print_stderr,
    reason = "shown by the test runner, with the test that failed"
)]
fn show(text: &str) {
    eprintln!("{text}");
}
