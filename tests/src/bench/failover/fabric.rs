//! The fabric while it runs, and the traffic through it.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::{Event, SETTLE, Sample, Setup, Speaker};
use crate::lab::node::ExecOptions;
use crate::lab::process::check;
use crate::status::{ESTABLISHED, Status};
use crate::traffic::stream::{Told, now};
use crate::{Lab, Node, Options, Pod, peers, ready, wait_until};

const DEADLINE: Duration = Duration::from_secs(120);
const PORT: u16 = 9_000;
/// First of the core's routes, /28 each.
const FIRST: u32 = u32::from_be_bytes([100, 64, 0, 0]);
const INTERNET: &str = "203.0.113.10:9001";
/// What a log says where a connection ends; another one is made then.
const BROKEN: &str = "broken";
const FEED: &str = "feed/routes.conf";

/// A lab in which everything is as configured.
pub(super) struct Fabric {
    setup: Setup,
    lab: Lab,
    alice: Pod,
    bob: Pod,
    _files: TempDir,
}

/// What is measured all the time; the names of the logs that tell it.
pub(super) struct Traffic {
    to_bob: [String; 2],
    to_alice: [String; 2],
    /// Of the connection to the outside.
    talk: String,
}

impl Fabric {
    /// Brings it up.
    pub(super) fn deploy(setup: Setup) -> Result<Self> {
        let files = files(setup)?;
        let path = files.path().join("failover/topology.clab.yml");
        let lab = Lab::deploy(&path, &Options::default())?;
        ready::addresses(lab.nodes(), DEADLINE)?;
        ready::plugin_lists(lab.nodes(), DEADLINE, &|_| ())?;
        for name in ["node1", "node2"] {
            start_speaker(lab.node(name)?, setup.speaker, false)?;
        }
        let (alice, bob) = (
            Pod::add(lab.node("node1")?, "alice")?,
            Pod::add(lab.node("node2")?, "bob")?,
        );
        let fabric = Self {
            setup,
            lab,
            alice,
            bob,
            _files: files,
        };
        fabric.wait_whole().inspect_err(|_| fabric.show())?;
        Ok(fabric)
    }

    #[expect(clippy::print_stderr, reason = "beside the error that it explains")]
    fn show(&self) {
        eprintln!("{}", self.report());
    }

    pub(super) fn report(&self) -> String {
        self.lab.report()
    }

    pub(super) fn node(&self, name: &str) -> Result<&Node> {
        self.lab.node(name)
    }

    /// Starts what runs until the end.
    pub(super) fn traffic(&self) -> Result<Traffic> {
        let spawn = |pod: &Pod, name: &str, argv: &[&str]| -> Result<String> {
            let daemon = pod.spawn(name, argv)?;
            let log = format!("{}.log", daemon.name);
            Ok(pod.node().log_folder().join(log).display().to_string())
        };
        let stream =
            |pod: &Pod, what: &str, to: &str| spawn(pod, what, &["rcni-lab", "stream", what, to]);
        let any = format!("0.0.0.0:{PORT}");
        let (at_alice, at_bob) = (
            stream(&self.alice, "receive", &any)?,
            stream(&self.bob, "receive", &any)?,
        );
        let internet = self.node("internet")?;
        let serve = ["rcni-lab", "serve", INTERNET];
        internet.spawn("serve", &serve, &ExecOptions::default())?;
        let talk = format!("while :; do rcni-lab talk {INTERNET}; echo {BROKEN}; sleep 0.02; done");
        std::thread::sleep(SETTLE);
        let to = |pod: &Pod| -> Result<String> { Ok(format!("{}:{PORT}", pod.ip()?)) };
        let traffic = Traffic {
            to_bob: [stream(&self.alice, "send", &to(&self.bob)?)?, at_bob],
            to_alice: [stream(&self.bob, "send", &to(&self.alice)?)?, at_alice],
            talk: spawn(&self.alice, "talk", &["sh", "-c", &talk])?,
        };
        let begun = now()?;
        traffic.goes_on()?;
        // The first packet of a path may wait for a neighbour's address.
        let (from, to) = traffic.lost(begun + nanos(SETTLE), now()? + nanos(SETTLE))?;
        ensure!(
            from + to == 0,
            "{from} and {to} packets are lost while nothing happens"
        );
        Ok(traffic)
    }

    /// One event, from a whole fabric to a whole one.
    pub(super) fn measure(&self, event: Event, traffic: &Traffic) -> Result<Sample> {
        let breaks = traffic.breaks()?;
        let begun = now()?;
        event.begin(self)?;
        if event.moves_traffic() {
            self.wait_moved()?;
        }
        std::thread::sleep(SETTLE);
        let undone = now()?;
        event.end(self)?;
        self.wait_whole()?;
        std::thread::sleep(SETTLE);
        let over = now()?;
        traffic.goes_on()?;
        let (from_node, to_node) = traffic.lost(begun, undone)?;
        let (back_from, back_to) = traffic.lost(undone, over)?;
        Ok(Sample {
            from_node,
            to_node,
            back: back_from + back_to,
            held: traffic.breaks()? == breaks,
        })
    }

    /// Waits until nobody but tor-b is used between the nodes.
    pub(super) fn wait_moved(&self) -> Result<()> {
        // A link takes only its own node away.
        wait_until(
            DEADLINE,
            "traffic of node1 on tor-b alone",
            || -> Result<()> {
                let used = gateways(self.node("node1")?, "10.244.2.0/24")?;
                ensure!(used == ["10.2.1.0"], "{used:?}");
                Ok(())
            },
        )
    }

    /// Waits until nobody sends to tor-a any more: nodes, and the core.
    pub(super) fn wait_unused(&self) -> Result<()> {
        wait_until(DEADLINE, "tor-a out of use", || -> Result<()> {
            for (node, prefix, gateway) in [
                ("node1", "10.244.2.0/24", "10.2.1.0"),
                ("node1", "default", "10.2.1.0"),
                ("node2", "10.244.1.0/24", "10.2.2.0"),
                ("core", "10.244.1.0/24", "10.0.20.1"),
                ("core", "10.255.1.1", "10.0.20.1"),
            ] {
                self.has_ways(node, prefix, &[gateway])?;
            }
            Ok(())
        })
    }

    /// Waits until tor-a itself knows every way.
    pub(super) fn wait_router(&self) -> Result<()> {
        wait_until(DEADLINE, "all routes on tor-a", || -> Result<()> {
            self.has_ways("tor-a", "default", &["10.0.10.0"])?;
            self.has_ways("tor-a", "10.244.1.0/24", &["10.1.1.1"])?;
            self.has_ways("tor-a", "10.244.2.0/24", &["10.1.2.1"])?;
            self.has_routes("tor-a")
        })
    }

    fn wait_sessions(&self) -> Result<()> {
        wait_until(DEADLINE, "all sessions", || -> Result<()> {
            for name in ["node1", "node2"] {
                self.has_sessions(self.node(name)?)?;
            }
            Ok(())
        })
    }

    fn has_ways(&self, node: &str, prefix: &str, wanted: &[&str]) -> Result<()> {
        let used = gateways(self.node(node)?, prefix)?;
        ensure!(used == wanted, "{prefix} on {node} via {used:?}");
        Ok(())
    }

    fn has_routes(&self, node: &str) -> Result<()> {
        // A plain multipath route has more lines, that begin with a tab.
        let count = "ip route show root 100.64.0.0/10 | grep -c ^100 || :";
        let count: u32 = self.node(node)?.shell(count)?.trim().parse()?;
        let wanted = self.setup.routes;
        ensure!(count == wanted, "{count} of {wanted} routes on {node}");
        Ok(())
    }

    fn has_sessions(&self, node: &Node) -> Result<()> {
        match self.setup.speaker {
            Speaker::Rcni => {
                for peer in &Status::of(node)?.peers {
                    ensure!(peer.state == ESTABLISHED, "{}", peer.describe());
                }
            }
            Speaker::Bird => {
                let said = node.check(&["start-beside", "birdc", "show", "protocols"])?;
                let up = said.lines().filter(|line| line.contains("Established"));
                ensure!(up.count() == 2, "{said}");
            }
        }
        Ok(())
    }

    /// Waits until everything is used that there is, and all routes are everywhere.
    pub(super) fn wait_whole(&self) -> Result<()> {
        self.wait_sessions()?;
        wait_until(DEADLINE, "the whole fabric", || -> Result<()> {
            for (name, block, wanted) in [
                ("node1", "10.244.2.0/24", &["10.1.1.0", "10.2.1.0"][..]),
                ("node2", "10.244.1.0/24", &["10.1.2.0", "10.2.2.0"]),
                ("node1", "default", &["10.1.1.0", "10.2.1.0"]),
                ("core", "10.244.1.0/24", &["10.0.10.1", "10.0.20.1"]),
                ("core", "10.255.1.1", &["10.0.10.1", "10.0.20.1"]),
                ("tor-a", "10.244.1.0/24", &["10.1.1.1"]),
                ("tor-b", "10.244.1.0/24", &["10.2.1.1"]),
                ("tor-a", "10.244.2.0/24", &["10.1.2.1"]),
                ("tor-b", "10.244.2.0/24", &["10.2.2.1"]),
            ] {
                self.has_ways(name, block, wanted)?;
            }
            for name in ["tor-a", "tor-b", "node1", "node2"] {
                self.has_routes(name)?;
            }
            // The last of them has both ways.
            let last = Ipv4Addr::from(FIRST + (self.setup.routes - 1) * 16);
            self.has_ways("node1", &format!("{last}/28"), &["10.1.1.0", "10.2.1.0"])?;
            Ok(())
        })
    }

    /// Ends node1's speaker, and starts it anew after a pause if it was a crash.
    pub(super) fn restart_speaker(&self, crash: bool, pause: Duration) -> Result<()> {
        let node = self.node("node1")?;
        let name = match self.setup.speaker {
            Speaker::Rcni => "rcni-bgp",
            Speaker::Bird => "bird",
        };
        let old = node.daemon(name)?;
        if crash {
            old.id.kill()?;
            std::thread::sleep(pause);
        } else {
            match self.setup.speaker {
                Speaker::Rcni => kill(Pid::from_raw(old.id.pid), Signal::SIGTERM)?,
                // SIGTERM would tell the ToRs that it goes for good.
                Speaker::Bird => {
                    node.check(&["start-beside", "birdc", "graceful", "restart"])?;
                }
            }
            old.id.wait_gone()?;
        }
        start_speaker(node, self.setup.speaker, true)
    }
}

fn start_speaker(node: &Node, speaker: Speaker, again: bool) -> Result<()> {
    match speaker {
        Speaker::Rcni => {
            let argv = ["rcni-bgp", "run", "--config", "/etc/rcni/later/bgp.yaml"];
            node.spawn("rcni-bgp", &argv, &ExecOptions::default())?;
        }
        Speaker::Bird => {
            let mut argv = vec![
                "start-beside",
                "/usr/sbin/bird",
                "-f",
                "-c",
                "/etc/bird/bird.conf",
            ];
            if again {
                argv.push("-R");
            }
            node.spawn("bird", &argv, &ExecOptions::default())?;
        }
    }
    Ok(())
}

/// A copy of the topology, and of the one that it takes a file of, with what is made for this setup.
fn files(setup: Setup) -> Result<TempDir> {
    let copy = tempfile::tempdir()?;
    let topologies = Path::new(env!("CARGO_MANIFEST_DIR")).join("topologies");
    let [failover, beside] = ["failover", "beside"].map(|name| topologies.join(name));
    check(
        "cp",
        &[
            "-r",
            &failover.to_string_lossy(),
            &beside.to_string_lossy(),
            &copy.path().to_string_lossy(),
        ],
    )?;
    let folder = copy.path().join("failover");
    std::os::unix::fs::symlink(peers::find("bookworm")?, folder.join("routers"))?;
    let mut routes = String::new();
    for number in 0..setup.routes {
        let prefix = Ipv4Addr::from(FIRST + number * 16);
        writeln!(routes, "route {prefix}/28 blackhole;")?;
    }
    let configs = folder.join("configs");
    std::fs::write(configs.join(FEED), routes)?;
    for file in [
        "core/frr.conf",
        "tor-a/frr.conf",
        "tor-b/frr.conf",
        "node1/bgp.yaml",
        "node2/bgp.yaml",
        "node1/bird.conf",
        "node2/bird.conf",
    ] {
        let path = configs.join(file);
        let text = std::fs::read_to_string(&path)?;
        std::fs::write(&path, marked(&text, setup.bfd))?;
    }
    Ok(copy)
}

/// Lines that are about BFD stay, without their mark, or go.
fn marked(text: &str, bfd: bool) -> String {
    let line = |line: &str| {
        let marked = line
            .strip_suffix(" ! bfd")
            .or_else(|| line.strip_suffix(" # bfd"));
        match marked {
            Some(rest) if bfd => Some(format!("{rest}\n")),
            Some(_) => None,
            None => Some(format!("{line}\n")),
        }
    };
    text.lines().filter_map(line).collect()
}

/// The gateways of a route in the kernel, sorted.
fn gateways(node: &Node, prefix: &str) -> Result<Vec<String>> {
    let mut said = node.check(&["ip", "route", "show", prefix])?;
    if let Some(id) = after(&said, "nhid") {
        let group = node.check(&["ip", "nexthop", "show", "id", &id])?;
        let members = after(&group, "group").unwrap_or(id);
        said = String::new();
        for member in members.split('/') {
            let id = member.split(',').next().unwrap_or(member);
            said += &node.check(&["ip", "nexthop", "show", "id", id])?;
        }
    }
    let mut words = said.split_whitespace();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        if word == "via" {
            found.extend(words.next().map(str::to_owned));
        }
    }
    found.sort();
    Ok(found)
}

fn after(text: &str, word: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    words.find(|found| *found == word)?;
    words.next().map(str::to_owned)
}

impl Traffic {
    /// Packets of alice and to her that were sent between two times and lost; waits until that is known.
    fn lost(&self, from: u64, to: u64) -> Result<(u64, u64)> {
        let count = |logs: &[String; 2]| {
            wait_until(DEADLINE, "packets after that", || -> Result<u64> {
                let [sender, receiver] = logs;
                let told = Told::read(
                    &std::fs::read_to_string(sender)?,
                    &std::fs::read_to_string(receiver)?,
                )?;
                told.lost_between(from, to).context("not known yet")
            })
        };
        Ok((count(&self.to_bob)?, count(&self.to_alice)?))
    }

    /// How often the connection to the outside has ended.
    fn breaks(&self) -> Result<usize> {
        let log = std::fs::read_to_string(&self.talk)?;
        Ok(log.lines().filter(|line| *line == BROKEN).count())
    }

    /// How many numbers were said and answered in it.
    fn answers(&self) -> Result<usize> {
        let log = std::fs::read_to_string(&self.talk)?;
        Ok(log
            .lines()
            .filter(|line| line.parse::<u64>().is_ok())
            .count())
    }

    /// Waits until something is said and answered in the connection to the outside.
    fn goes_on(&self) -> Result<()> {
        let before = self.answers()?;
        wait_until(
            DEADLINE,
            "the connection to the outside",
            || -> Result<()> {
                // The first may be to what was said before.
                ensure!(self.answers()? >= before + 2, "nothing was said since");
                Ok(())
            },
        )
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
