//! Pods attached and detached: `rcni` beside `ptp` with `host-local`, an execution that does
//! nothing, and the kernel's own floor.
//!
//! ```text
//! node (rcni's programs and Debian's plugins)
//!   one network namespace as a host per contender: nobody carries another's links or rules
//!   pods' namespaces, all made beforehand
//! serial:   pod 0: every contender once, in turn; pod 1: ...     then DEL in the same way
//! parallel: one contender after the other, N threads; repeated
//! ```

mod enter;
mod floor;
mod plugin;
mod report;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tempfile::TempDir;

use super::stats::Samples;
use crate::lab::node::ExecOptions;
use crate::lab::process::check;
use crate::{Lab, Options};
use enter::Host;
use floor::Floor;
use plugin::{Nothing, Plugin};

pub use report::tables;

/// Where the execution that does nothing is in the node.
const NOTHING: &str = "/usr/local/bin/nothing";
/// Debian's plugins.
const PLUGINS: &str = "/usr/lib/cni";
/// For all pods to be made or removed at once.
const DEADLINE: Duration = Duration::from_secs(120);

/// Who attaches pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contender {
    /// `rcni` with its own IPAM.
    Rcni,
    /// Debian's `ptp` with `host-local`.
    Ptp,
    /// The same with `ipMasq`.
    PtpMasquerade,
    /// Netlink messages without a process.
    Floor,
    /// A process without netlink messages.
    Nothing,
}

/// All of them.
pub const CONTENDERS: [Contender; 5] = [
    Contender::Rcni,
    Contender::Ptp,
    Contender::PtpMasquerade,
    Contender::Floor,
    Contender::Nothing,
];

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Pods of each contender.
    pub pods: u32,
    /// At once, in the parallel part.
    pub parallel: usize,
    /// Rounds of the parallel part.
    pub rounds: usize,
}

/// Times of one contender.
#[derive(Clone, Debug, Default)]
pub struct Times {
    /// Every serial ADD, seconds.
    pub add: Vec<f64>,
    /// Every serial DEL, seconds.
    pub del: Vec<f64>,
    /// ADDs a second in parallel, one value a round.
    pub add_rate: Vec<f64>,
    /// DELs a second in parallel.
    pub del_rate: Vec<f64>,
}

impl Times {
    /// Samples of one of the fields.
    #[must_use]
    pub fn samples(values: &[f64]) -> Samples {
        values.iter().copied().collect()
    }
}

/// What an attachment is told.
#[derive(Debug)]
struct Pod {
    number: u32,
    name: String,
    /// Path of its namespace in the node.
    netns: String,
    /// Container id.
    id: String,
}

/// Attaches and detaches pods, and says how long that took.
trait Attach {
    fn add(&mut self, pod: &Pod) -> Result<Duration>;
    fn del(&mut self, pod: &Pod) -> Result<Duration>;
}

#[derive(Clone, Copy, Debug)]
enum Verb {
    Add,
    Del,
}

fn act(attach: &mut dyn Attach, verb: Verb, pod: &Pod) -> Result<Duration> {
    match verb {
        Verb::Add => attach.add(pod),
        Verb::Del => attach.del(pod),
    }
    .with_context(|| format!("{verb:?} of {}", pod.name))
}

impl Contender {
    /// In tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rcni => "rcni",
            Self::Ptp => "ptp + host-local",
            Self::PtpMasquerade => "ptp + host-local, ipMasq",
            Self::Floor => "kernel (netlink alone)",
            Self::Nothing => "empty static program",
        }
    }

    /// In names of pods and networks.
    fn label(self) -> &'static str {
        match self {
            Self::Rcni => "rcni",
            Self::Ptp => "ptp",
            Self::PtpMasquerade => "masq",
            Self::Floor => "floor",
            Self::Nothing => "nothing",
        }
    }

    fn pod(self, number: u32, round: usize) -> Pod {
        let name = format!("{}-{number}", self.label());
        let id = format!("{:04x}{round:04x}{number:056x}", self as u8);
        Pod {
            number,
            netns: format!("/run/netns/{name}"),
            name,
            id,
        }
    }

    /// To be called by a thread that is where the plugins are to run.
    fn attach(self, host: &Host) -> Result<Box<dyn Attach>> {
        let plugin = |kind: &str, ipam: &str, masquerade: bool| {
            let mut conf = json!({
                "cniVersion": "1.0.0",
                "name": self.label(),
                "type": kind,
                "mtu": 1500,
                "ipam": {
                    "type": ipam,
                    "ranges": [[{"subnet": "10.1.0.0/16"}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            });
            if masquerade && let Some(conf) = conf.as_object_mut() {
                conf.insert("ipMasq".to_owned(), json!(true));
            }
            conf
        };
        let ptp = |masquerade| Plugin {
            program: "/usr/lib/cni/ptp",
            path: PLUGINS,
            conf: plugin("ptp", "host-local", masquerade),
        };
        Ok(match self {
            Self::Rcni => Box::new(Plugin {
                program: "/opt/cni/bin/rcni",
                path: "/opt/cni/bin",
                conf: plugin("rcni", "rcni", false),
            }),
            Self::Ptp => Box::new(ptp(false)),
            Self::PtpMasquerade => Box::new(ptp(true)),
            Self::Floor => Box::new(Floor::new(host.netns()?)?),
            Self::Nothing => Box::new(Nothing { program: NOTHING }),
        })
    }
}

/// Measures all contenders.
///
/// # Errors
/// A plugin refuses, or does not leave what it should.
pub fn run(scale: Scale) -> Result<BTreeMap<Contender, Times>> {
    let (lab, _folder) = deploy()?;
    let node = lab.node("node")?;
    let netns = |verb: &str| -> Result<()> {
        let mut lines = String::new();
        for contender in CONTENDERS {
            for number in 0..scale.pods {
                let _ = writeln!(lines, "netns {verb} {}", contender.pod(number, 0).name);
            }
        }
        let options = ExecOptions {
            input: lines.as_bytes(),
            deadline: Some(DEADLINE),
            ..Default::default()
        };
        node.exec_with(&["ip", "-batch", "-"], &options)?.ok()?;
        Ok(())
    };
    netns("add").context("namespaces of pods")?;
    let mut hosts = BTreeMap::new();
    for contender in CONTENDERS {
        hosts.insert(contender, Host::make(node.init())?);
    }
    let mut times: BTreeMap<Contender, Times> = BTreeMap::new();
    serial(&hosts, scale, &mut times).context("one after the other")?;
    for round in 1..=scale.rounds {
        for (contender, host) in &hosts {
            let time = |verb| {
                parallel(*contender, host, scale, round, verb)
                    .with_context(|| format!("{} in parallel", contender.name()))
            };
            let (add, del) = (time(Verb::Add)?, time(Verb::Del)?);
            let times = times.entry(*contender).or_default();
            times
                .add_rate
                .push(f64::from(scale.pods) / add.as_secs_f64());
            times
                .del_rate
                .push(f64::from(scale.pods) / del.as_secs_f64());
        }
    }
    Ok(times)
}

/// A node with all plugins, and a program that does nothing.
fn deploy() -> Result<(Lab, TempDir)> {
    let folder = tempfile::tempdir().context("a folder for the topology")?;
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    std::fs::write(path("nothing.c"), "int main(void) { return 0; }\n")?;
    check(
        "cc",
        &["-O2", "-static", "-o", &path("nothing"), &path("nothing.c")],
    )
    .context("compiling a program that does nothing")?;
    let text = format!(
        "name: bench-cni\n\
         topology:\n  \
           nodes:\n    \
             node:\n      \
               kind: linux\n      \
               network-mode: none\n      \
               image: rcni/node-runtimes\n      \
               binds: [\"nothing:{NOTHING}:ro\"]\n"
    );
    let file = folder.path().join("bench.clab.yml");
    std::fs::write(&file, text)?;
    Ok((Lab::deploy(&file, &Options::default())?, folder))
}

/// Every contender in a thread of its own, one at a time.
fn serial(
    hosts: &BTreeMap<Contender, Host>,
    scale: Scale,
    times: &mut BTreeMap<Contender, Times>,
) -> Result<()> {
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for (contender, host) in hosts {
            let (orders, asked) = sync_channel(0);
            let (answers, answered) = sync_channel(0);
            scope.spawn(move || serve(*contender, host, &asked, &answers));
            threads.push((*contender, orders, answered));
        }
        for verb in [Verb::Add, Verb::Del] {
            for number in 0..scale.pods {
                // Another one begins with each pod: what the one before left behind is everybody's.
                let turn = threads.iter().cycle().skip(number as usize);
                for (contender, orders, answered) in turn.take(threads.len()) {
                    // A thread that has ended has said why before.
                    let _ = orders.send(Order::Act(verb, number));
                    let took = answered.recv().context("a thread has ended")??;
                    let times = times.entry(*contender).or_default();
                    match verb {
                        Verb::Add => times.add.push(took.as_secs_f64()),
                        Verb::Del => times.del.push(took.as_secs_f64()),
                    }
                }
            }
            for (contender, orders, answered) in &threads {
                let wanted = match (verb, contender) {
                    (Verb::Del, _) | (_, Contender::Nothing) => 0,
                    (Verb::Add, _) => scale.pods,
                };
                let _ = orders.send(Order::Links(wanted));
                answered.recv().context("a thread has ended")??;
            }
        }
        Ok(())
    })
}

enum Order {
    Act(Verb, u32),
    /// So many veths there must be.
    Links(u32),
}

fn serve(
    contender: Contender,
    host: &Host,
    asked: &Receiver<Order>,
    answers: &SyncSender<Result<Duration>>,
) {
    let entered = host.enter().and_then(|()| contender.attach(host));
    let mut attach = match entered {
        Ok(attach) => attach,
        Err(error) => {
            let _ = answers.send(Err(error));
            return;
        }
    };
    for order in asked {
        let answer = match order {
            Order::Act(verb, number) => act(&mut *attach, verb, &contender.pod(number, 0)),
            Order::Links(wanted) => links(wanted).with_context(|| contender.name()),
        };
        if answers.send(answer).is_err() {
            return;
        }
    }
}

/// Looks at the host itself: nobody is believed to have done what it says.
fn links(wanted: u32) -> Result<Duration> {
    let said = Command::new("ip")
        .args(["-o", "link", "show", "type", "veth"])
        .output()
        .context("ip")?;
    let found = String::from_utf8_lossy(&said.stdout).lines().count();
    ensure!(
        u32::try_from(found) == Ok(wanted),
        "{found} veths on the host, not {wanted}"
    );
    Ok(Duration::ZERO)
}

/// All pods of one contender, several at once; from the first start to the last end.
fn parallel(
    contender: Contender,
    host: &Host,
    scale: Scale,
    round: usize,
    verb: Verb,
) -> Result<Duration> {
    let (next, barrier) = (AtomicUsize::new(0), Barrier::new(scale.parallel + 1));
    let work = || -> Result<()> {
        let entered = host.enter().and_then(|()| contender.attach(host));
        barrier.wait();
        let mut attach = entered?;
        loop {
            let number = u32::try_from(next.fetch_add(1, Ordering::Relaxed))?;
            if number >= scale.pods {
                return Ok(());
            }
            act(&mut *attach, verb, &contender.pod(number, round))?;
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..scale.parallel).map(|_| scope.spawn(work)).collect();
        barrier.wait();
        let start = Instant::now();
        for thread in threads {
            let ended = thread.join();
            ended.map_err(|_| anyhow::anyhow!("a thread has panicked"))??;
        }
        Ok(start.elapsed())
    })
}
