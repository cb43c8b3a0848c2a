//! What is done to a speaker.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use socket2::{Domain, Socket, Type};

use super::Scale;
use super::peers::{Reader, knock};
use crate::bench::netns;
use crate::bench::peer::session::{BGP_PORT, Reached};
use crate::bench::peer::{Plan, wire};
use crate::bench::subjects::{Bench, FEED, SINK};

/// For a million routes and back.
const DEADLINE: Duration = Duration::from_secs(300);
/// What a slow reader reads, bytes a second.
const SLOW: usize = 100_000;
/// Who has no business here.
const STRANGER: Ipv4Addr = Ipv4Addr::new(10, 99, 1, 99);
/// Those of a configured range, that say nothing: so many addresses from here on.
const RANGE: Ipv4Addr = Ipv4Addr::new(10, 99, 1, 200);
const RANGE_SIZE: u32 = 16;

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Nothing.
    Idle,
    /// A million routes from one peer, into the kernel and on to another; then the peer is gone.
    ManyRoutes,
    /// Routes come while writes to the kernel stand still.
    BlockedKernel,
    /// The second peer reads slowly.
    SlowReader,
    /// The second peer reads nothing.
    NeverReads,
    /// Connections from an address that no peer has.
    Strangers,
    /// Connections from a configured range that say nothing.
    HalfOpen,
}

/// All of them.
pub(super) const ALL: [Scenario; 7] = [
    Scenario::Idle,
    Scenario::ManyRoutes,
    Scenario::BlockedKernel,
    Scenario::SlowReader,
    Scenario::NeverReads,
    Scenario::Strangers,
    Scenario::HalfOpen,
];

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Idle => "idle",
            Self::ManyRoutes => "many routes, then lost",
            Self::BlockedKernel => "kernel blocked",
            Self::SlowReader => "slow reader",
            Self::NeverReads => "reads nothing",
            Self::Strangers => "strangers",
            Self::HalfOpen => "says nothing",
        })
    }
}

impl Scenario {
    /// Whether it can be done to every speaker: not where one thread does everything.
    pub(super) fn suits_all(self) -> bool {
        self != Self::BlockedKernel
    }

    /// Does it. What there is to say about it.
    pub(super) fn play(self, bench: &Bench, scale: Scale) -> Result<String> {
        match self {
            Self::Idle => {
                std::thread::sleep(scale.time);
                Ok(String::new())
            }
            Self::ManyRoutes => many(bench, scale.many),
            Self::BlockedKernel => blocked(bench, scale.routes),
            Self::SlowReader => unread(bench, scale, SLOW),
            Self::NeverReads => unread(bench, scale, 0),
            Self::Strangers => strangers(bench, scale),
            Self::HalfOpen => half_open(bench, scale),
        }
    }
}

fn plan(routes: u32) -> Plan {
    Plan {
        routes,
        per_update: 4,
        asn: FEED.asn,
        next_hop: FEED.address.into(),
    }
}

fn many(bench: &Bench, routes: u32) -> Result<String> {
    let messages = wire::announcements(&plan(routes));
    let (feed, sink) = bench.sessions(routes)?;
    std::thread::sleep(Duration::from_secs(1));
    let start = feed.write(&messages)?;
    let Reached::All(there) = sink.next(DEADLINE)? else {
        bail!("not all routes came");
    };
    // The feed's own side is done; its kernel routes may not be.
    let lost = Instant::now();
    drop(feed);
    let Reached::None(gone) = sink.next(DEADLINE)? else {
        bail!("not all routes went");
    };
    std::thread::sleep(Duration::from_secs(2));
    Ok(format!(
        "{routes} routes passed on in {:.1} s, withdrawn in {:.1} s",
        (there - start).as_secs_f64(),
        (gone - lost).as_secs_f64()
    ))
}

/// As if the kernel answered nobody: all threads but those of the sessions stand still, so nothing is
/// taken out of the queue of route changes.
fn blocked(bench: &Bench, routes: u32) -> Result<String> {
    const BLOCKED: Duration = Duration::from_secs(5);
    let messages = wire::announcements(&plan(routes));
    let pid = bench.dut()?.daemon("rcni-bgp")?.id.pid;
    let (feed, sink) = bench.sessions(routes)?;
    std::thread::sleep(Duration::from_secs(1));
    let mut threads = Vec::new();
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let thread = thread?;
        let name = std::fs::read_to_string(thread.path().join("comm"))?;
        let thread: i32 = thread.file_name().to_string_lossy().parse()?;
        if thread != pid && name.trim() != "rcni-bgp-wire" {
            threads.push(Pid::from_raw(thread));
        }
    }
    for thread in &threads {
        ptrace::seize(*thread, ptrace::Options::empty())?;
        ptrace::interrupt(*thread)?;
        waitpid(*thread, Some(WaitPidFlag::__WALL))?;
    }
    let start = feed.write(&messages)?;
    let passed_on = sink.next(BLOCKED * 4);
    std::thread::sleep(BLOCKED.saturating_sub(start.elapsed()));
    let stood = start.elapsed();
    for thread in &threads {
        ptrace::detach(*thread, None)?;
    }
    let Reached::All(there) = passed_on? else {
        bail!("not all routes came");
    };
    std::thread::sleep(Duration::from_secs(2));
    Ok(format!(
        "{routes} routes passed on in {:.1} s, while {} threads stood still for {:.1} s",
        (there - start).as_secs_f64(),
        threads.len(),
        stood.as_secs_f64()
    ))
}

fn unread(bench: &Bench, scale: Scale, rate: usize) -> Result<String> {
    let sink = Reader::begin(bench, SINK, rate)?;
    let feed = bench.feed(scale.routes)?;
    let begin = Instant::now();
    let mut times = 0;
    // All of it changes, again and again: what is not read must not be kept.
    while begin.elapsed() < scale.time {
        for asn in 0..2 {
            let changed = Plan {
                next_hop: FEED.address.into(),
                per_update: 4 + asn,
                ..plan(scale.routes)
            };
            feed.write(&wire::announcements(&changed))?;
        }
        times += 2;
        std::thread::sleep(Duration::from_millis(500));
    }
    let read = sink.end().unwrap_or_default();
    Ok(format!(
        "{} routes told {times} times, {read} bytes read",
        scale.routes
    ))
}

fn strangers(bench: &Bench, scale: Scale) -> Result<String> {
    bench.add_address("feed", STRANGER)?;
    let pid = bench.pid("feed")?;
    let to = bench.towards("feed");
    let (opened, _) = netns::within(pid, || {
        knock(|_| from(STRANGER, to), scale.rate, scale.time, false)
    })?;
    Ok(format!("{opened} connections"))
}

fn half_open(bench: &Bench, scale: Scale) -> Result<String> {
    let first = u32::from(RANGE);
    for number in 0..RANGE_SIZE {
        bench.add_address("feed", Ipv4Addr::from(first + number))?;
    }
    let pid = bench.pid("feed")?;
    let to = bench.towards("feed");
    let (opened, kept) = netns::within(pid, || {
        let open = |number: u32| from(Ipv4Addr::from(first + number % RANGE_SIZE), to);
        knock(open, scale.rate, scale.time, true)
    })?;
    Ok(format!("{opened} connections, {kept} open at the end"))
}

fn from(address: Ipv4Addr, to: Ipv4Addr) -> Result<TcpStream> {
    const PATIENCE: Duration = Duration::from_millis(200);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((address, 0)).into())?;
    socket.connect_timeout(&SocketAddr::from((to, BGP_PORT)).into(), PATIENCE)?;
    Ok(socket.into())
}

/// What rcni says of itself.
pub(super) fn counters(bench: &Bench) -> Option<String> {
    let said = bench
        .dut()
        .ok()?
        .exec(&["rcni-bgp", "status", "-o", "json"])
        .ok()?;
    let status: serde_json::Value = serde_json::from_str(&said.stdout).context("JSON").ok()?;
    let slowest = status["slowestStepMicros"].as_u64()?;
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let slowest = slowest as f64 / 1e3;
    let listener = match &status["listener"] {
        serde_json::Value::Object(counts) => {
            let counts = counts.iter().filter(|(_, count)| count.as_u64() != Some(0));
            let counts = counts.filter(|(_, count)| count.is_u64());
            let counts = counts.map(|(name, count)| format!("{name} {count}"));
            counts.collect::<Vec<_>>().join(", ")
        }
        _ => String::new(),
    };
    Some(format!("longest step {slowest:.1} ms; {listener}"))
}
