//! The speakers under test, each as its users run it, with the same policy: take everything, pass
//! everything on, write it to the kernel.
//!
//! ```text
//!  feed AS 65010 --10.99.1.0/24-- dut AS 65001 --10.99.2.0/24-- sink AS 65020
//!               --fd99:0:0:1::/64--            --fd99:0:0:2::/64--
//!
//! Sessions are over IPv4, whatever family their routes have.
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::measure::processes;
use super::peer::Family;
use super::peer::session::{Identity, Session};
use crate::lab::process::ProcessId;
use crate::{Lab, Node, Options, wait_until};

/// Address of the subject towards the feed.
const DUT_FEED: Ipv4Addr = Ipv4Addr::new(10, 99, 1, 1);
const DUT_SINK: Ipv4Addr = Ipv4Addr::new(10, 99, 2, 1);
/// The peer that announces.
pub const FEED: Identity = Identity {
    asn: 65010,
    address: Ipv4Addr::new(10, 99, 1, 2),
    family: Family::V4,
};
/// The peer that listens.
pub const SINK: Identity = Identity {
    asn: 65020,
    address: Ipv4Addr::new(10, 99, 2, 2),
    family: Family::V4,
};
const DUT_FEED_V6: Ipv6Addr = Ipv6Addr::new(0xfd99, 0, 0, 1, 0, 0, 0, 1);
const DUT_SINK_V6: Ipv6Addr = Ipv6Addr::new(0xfd99, 0, 0, 2, 0, 0, 0, 1);
const FEED_V6: Ipv6Addr = Ipv6Addr::new(0xfd99, 0, 0, 1, 0, 0, 0, 2);
const SINK_V6: Ipv6Addr = Ipv6Addr::new(0xfd99, 0, 0, 2, 0, 0, 0, 2);

/// What one of the two peers says how it is reached.
#[must_use]
pub fn next_hop(me: Identity) -> IpAddr {
    match me.family {
        Family::V4 => me.address.into(),
        Family::V6 if me.asn == FEED.asn => FEED_V6.into(),
        Family::V6 => SINK_V6.into(),
    }
}

/// A program, or several that are one together.
#[derive(Debug)]
pub struct Subject {
    /// In tables.
    pub name: &'static str,
    /// Container image of the node.
    image: &'static str,
    /// Programs whose memory and CPU count.
    pub programs: &'static [&'static str],
    /// What prints the version; none for the kernel.
    version: &'static [&'static str],
    /// Path in the node, content.
    files: &'static [(&'static str, &'static str)],
}

/// rcni's own.
pub const RCNI: Subject = Subject {
    name: "rcni-bgp",
    image: "rcni/node",
    programs: &["rcni-bgp"],
    version: &["rcni-bgp", "--version"],
    files: &[("/etc/rcni/bgp.yaml", include_str!("configs/bgp.yaml"))],
};
/// The same with the node agent beside it.
pub const RCNI_WITH_FELIX: Subject = Subject {
    name: "felix-lite",
    programs: &["felix-lite"],
    version: &["felix-lite", "--version"],
    files: &[
        ("/etc/rcni/bgp.yaml", include_str!("configs/bgp.yaml")),
        ("/etc/rcni/felix.yaml", include_str!("configs/felix.yaml")),
    ],
    ..RCNI
};
/// The named peer.
pub const BIRD: Subject = Subject {
    name: "BIRD",
    image: "bird",
    programs: &["bird"],
    version: &["bird", "--version"],
    files: &[("/etc/bird/bird.conf", include_str!("configs/bird.conf"))],
};
/// rcni with a peer more that only listens, and a range.
pub const RCNI_OVERLOADED: Subject = Subject {
    files: &[("/etc/rcni/bgp.yaml", include_str!("configs/overload.yaml"))],
    ..RCNI
};
/// The named peer with the same.
pub const BIRD_OVERLOADED: Subject = Subject {
    files: &[("/etc/bird/bird.conf", include_str!("configs/overload.conf"))],
    ..BIRD
};
/// The other one.
pub const FRR: Subject = Subject {
    name: "FRR",
    image: "frrouting/frr",
    programs: &["zebra", "bgpd"],
    version: &["/usr/lib/frr/bgpd", "--version"],
    files: &[
        ("/etc/frr/frr.conf", include_str!("configs/frr.conf")),
        ("/etc/frr/daemons", include_str!("configs/daemons")),
    ],
};
/// rcni without the kernel, for two feeds and a sink.
pub const RCNI_FEEDS: Subject = Subject {
    files: &[(
        "/etc/rcni/bgp.yaml",
        include_str!("configs/scale/feeds.yaml"),
    )],
    ..RCNI
};
/// The named peer with the same.
pub const BIRD_FEEDS: Subject = Subject {
    files: &[(
        "/etc/bird/bird.conf",
        include_str!("configs/scale/feeds.conf"),
    )],
    ..BIRD
};
/// A speaker of many threads with the same; it never writes to the kernel.
pub const GOBGP_FEEDS: Subject = Subject {
    name: "GoBGP",
    image: "osrg/gobgp",
    programs: &["gobgpd"],
    version: &["gobgpd", "--version"],
    files: &[(
        "/etc/gobgp/gobgp.yml",
        include_str!("configs/scale/feeds-gobgp.yml"),
    )],
};
/// rcni as a route reflector.
pub const RCNI_REFLECTOR: Subject = Subject {
    files: &[(
        "/etc/rcni/bgp.yaml",
        include_str!("configs/scale/reflector.yaml"),
    )],
    ..RCNI
};
/// The named peer as one.
pub const BIRD_REFLECTOR: Subject = Subject {
    files: &[(
        "/etc/bird/bird.conf",
        include_str!("configs/scale/reflector.conf"),
    )],
    ..BIRD
};
/// The one of many threads as one.
pub const GOBGP_REFLECTOR: Subject = Subject {
    files: &[(
        "/etc/gobgp/gobgp.yml",
        include_str!("configs/scale/reflector-gobgp.yml"),
    )],
    ..GOBGP_FEEDS
};
/// A node without a speaker, for the kernel's own floor.
pub const KERNEL: Subject = Subject {
    name: "kernel",
    image: "alpine",
    programs: &[],
    version: &[],
    files: &[],
};

/// What the programs say of themselves, as a sentence.
///
/// # Errors
/// One does not run.
pub fn versions() -> Result<String> {
    let mut all = Vec::new();
    for subject in [&RCNI, &BIRD, &FRR, &GOBGP_FEEDS] {
        all.push(subject.version(&subject.deploy()?)?);
    }
    Ok(all.join(", "))
}

/// A subject between its two peers. Ends with its value, sessions first.
#[derive(Debug)]
pub struct Bench {
    lab: Lab,
    _folder: TempDir,
}

impl Subject {
    /// Brings it up between two nodes without anything in them.
    ///
    /// # Errors
    /// As [`Lab::deploy`].
    pub fn deploy(&self) -> Result<Bench> {
        let folder = tempfile::tempdir().context("a folder for the topology")?;
        let binds = self.write_files(folder.path())?;
        let text = format!(
            "name: bench\n\
             topology:\n  \
               defaults: {{kind: linux, network-mode: none, image: alpine}}\n  \
               nodes:\n    \
                 dut:\n      \
                   image: {}\n      \
                   sysctls: {{net.ipv4.ip_forward: 1, net.ipv6.conf.all.forwarding: 1}}\n{binds}      \
                   exec:\n        \
                     - ip address add {DUT_FEED}/24 dev eth1\n        \
                     - ip address add {DUT_SINK}/24 dev eth2\n        \
                         - ip address add {DUT_FEED_V6}/64 dev eth1 nodad\n        \
                         - ip address add {DUT_SINK_V6}/64 dev eth2 nodad\n    \
                 feed: {{exec: [ip address add {}/24 dev eth1, ip address add {FEED_V6}/64 dev eth1 nodad]}}\n    \
                 sink: {{exec: [ip address add {}/24 dev eth1, ip address add {SINK_V6}/64 dev eth1 nodad]}}\n  \
               links:\n    \
                 - {{endpoints: [\"dut:eth1\", \"feed:eth1\"], mtu: 1500}}\n    \
                 - {{endpoints: [\"dut:eth2\", \"sink:eth1\"], mtu: 1500}}\n",
            self.image, FEED.address, SINK.address
        );
        let file = folder.path().join("bench.clab.yml");
        std::fs::write(&file, text)?;
        let lab = Lab::deploy(&file, &Options::default())
            .with_context(|| format!("a lab for {}", self.name))?;
        Ok(Bench {
            lab,
            _folder: folder,
        })
    }

    fn write_files(&self, folder: &Path) -> Result<String> {
        let mut binds = String::new();
        for (number, (target, content)) in self.files.iter().enumerate() {
            let name = format!("file{number}");
            std::fs::write(folder.join(&name), content)?;
            if number == 0 {
                binds.push_str("      binds:\n");
            }
            binds.push_str(&format!("        - {name}:{target}:ro\n"));
        }
        Ok(binds)
    }

    /// Its version, as it says itself.
    ///
    /// # Errors
    /// It does not run.
    pub fn version(&self, bench: &Bench) -> Result<String> {
        let said = bench.dut()?.exec(self.version)?;
        // BIRD writes it to standard error.
        let text = format!("{}{}", said.stdout, said.stderr);
        Ok(text.lines().next().unwrap_or_default().trim().to_owned())
    }

    /// Its processes, all of them.
    ///
    /// # Errors
    /// One of its programs does not run (yet).
    pub fn processes(&self, bench: &Bench) -> Result<Vec<ProcessId>> {
        wait_until(super::DEADLINE, &format!("{} runs", self.name), || {
            processes(bench.dut()?, self.programs)
        })
    }
}

impl Bench {
    /// The node of the subject.
    ///
    /// # Errors
    /// It is gone.
    pub fn dut(&self) -> Result<&Node> {
        self.lab.node("dut")
    }

    /// Any node.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn node(&self, name: &str) -> Result<&Node> {
        self.lab.node(name)
    }

    /// What the subject's log says.
    #[must_use]
    pub fn report(&self) -> String {
        self.lab.report()
    }

    /// Process in the namespace of a node.
    ///
    /// # Errors
    /// There is no such node.
    pub fn pid(&self, node: &str) -> Result<i32> {
        Ok(self.lab.node(node)?.init().pid)
    }

    /// The subject's address towards a node.
    #[must_use]
    pub fn towards(&self, node: &str) -> Ipv4Addr {
        if node == "feed" { DUT_FEED } else { DUT_SINK }
    }

    /// One more address for a node.
    ///
    /// # Errors
    /// It has it already.
    pub fn add_address(&self, node: &str, address: Ipv4Addr) -> Result<()> {
        let node = self.lab.node(node)?;
        node.check(&[
            "ip",
            "address",
            "add",
            &format!("{address}/24"),
            "dev",
            "eth1",
        ])?;
        Ok(())
    }

    /// The session that announces alone.
    ///
    /// # Errors
    /// As [`Session::establish`].
    pub fn feed(&self, routes: u32) -> Result<Session> {
        Session::establish(self.pid("feed")?, FEED, DUT_FEED, routes)
    }

    /// Both sessions, Established; `routes` of IPv4 are what they count to.
    ///
    /// # Errors
    /// As [`Session::establish`].
    pub fn sessions(&self, routes: u32) -> Result<(Session, Session)> {
        self.sessions_for(Family::V4, routes, routes)
    }

    /// Both sessions, Established, where `plan` prefixes of a family may come, of which `routes`
    /// are what they count to.
    ///
    /// # Errors
    /// As [`Session::establish`].
    pub fn sessions_for(
        &self,
        family: Family,
        plan: u32,
        routes: u32,
    ) -> Result<(Session, Session)> {
        let establish = |name: &str, me, subject| {
            let pid = self.lab.node(name)?.init().pid;
            let me = Identity { family, ..me };
            Session::establish_among(pid, me, subject, plan, routes)
                .with_context(|| format!("as {name}\n{}", self.lab.report()))
        };
        Ok((
            establish("feed", FEED, DUT_FEED)?,
            establish("sink", SINK, DUT_SINK)?,
        ))
    }
}
