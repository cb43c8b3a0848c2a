//! What is done to a speaker.

use std::fmt;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Scale;
use crate::bench::peer::session::{Identity, Reached, Session};
use crate::bench::peer::{Family, Plan, wire};
use crate::bench::subjects::{Bench, FEED, SINK};

/// For everything to arrive: who has not done it ten times as late as others is not waited for.
const DEADLINE: Duration = Duration::from_secs(120);
/// Between Established and the first route.
const SETTLE: Duration = Duration::from_secs(1);
/// Prefixes that share an UPDATE, and so their attributes.
const PER_UPDATE: u32 = 4;
/// The same where they are few.
const SHARED: u32 = 500;

/// The other peer that announces, in the feed's node.
const SECOND: Identity = Identity {
    asn: 65011,
    address: Ipv4Addr::new(10, 99, 1, 3),
    family: Family::V4,
};
/// AS of the reflector and its clients.
const AS: u32 = 65001;
/// The reflector towards them.
const REFLECTOR: Ipv4Addr = Ipv4Addr::new(10, 99, 64, 1);
/// The first client; the others follow. They have 10.99.72.0/21.
const CLIENT: u32 = u32::from_be_bytes([10, 99, 72, 1]);

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// All prefixes from one peer, and on to another.
    OnePeer,
    /// The same, with few different attributes.
    FewPaths,
    /// The same prefixes from two peers, and on to a third.
    TwoPeers,
    /// A prefix of each of many clients, to all others.
    Reflector,
}

/// All of them.
pub const ALL: [Scenario; 4] = [
    Scenario::OnePeer,
    Scenario::FewPaths,
    Scenario::TwoPeers,
    Scenario::Reflector,
];

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::OnePeer => "one peer",
            Self::FewPaths => "few attributes",
            Self::TwoPeers => "two peers",
            Self::Reflector => "reflector",
        })
    }
}

/// Established sessions, before anything is told.
pub(super) struct Players {
    /// Who tells what.
    tellers: Vec<(Session, Vec<u8>)>,
    /// Who listens besides.
    sink: Option<Session>,
}

impl Scenario {
    /// Brings the sessions up.
    pub(super) fn enter(self, bench: &Bench, scale: &Scale) -> Result<Players> {
        let players = match self {
            Self::OnePeer => feeds(bench, scale.routes, PER_UPDATE, &[FEED]),
            Self::FewPaths => feeds(bench, scale.routes, SHARED, &[FEED]),
            Self::TwoPeers => feeds(bench, scale.routes, PER_UPDATE, &[FEED, SECOND]),
            Self::Reflector => clients(bench, scale),
        }?;
        std::thread::sleep(SETTLE);
        Ok(players)
    }
}

/// Each has a prefix of its own behind the others: when the sink has it, all of them were taken.
fn feeds(bench: &Bench, routes: u32, per_update: u32, peers: &[Identity]) -> Result<Players> {
    bench.add_address("feed", SECOND.address)?;
    let plan = routes + 2;
    let mut tellers = Vec::new();
    for (number, me) in (0..).zip(peers) {
        let common = Plan {
            routes,
            per_update,
            asn: me.asn,
            next_hop: me.address.into(),
        };
        let mut messages = wire::announcements(&common);
        messages.extend(wire::announcement(&common, routes + number));
        let session =
            Session::establish_among(bench.pid("feed")?, *me, bench.towards("feed"), plan, plan)?;
        tellers.push((session, messages));
    }
    let all = routes + u32::try_from(peers.len())?;
    let (pid, to) = (bench.pid("sink")?, bench.towards("sink"));
    let sink = Some(Session::establish_among(pid, SINK, to, plan, all)?);
    Ok(Players { tellers, sink })
}

fn clients(bench: &Bench, scale: &Scale) -> Result<Players> {
    // Addresses that the node answers for without having them one by one.
    bench
        .node("dut")?
        .shell(&format!("ip address add {REFLECTOR}/20 dev eth1"))?;
    bench.node("feed")?.shell(
        "ip route add 10.99.64.0/21 dev eth1 && ip route add local 10.99.72.0/21 dev eth1",
    )?;
    let pid = bench.pid("feed")?;
    let mut tellers = Vec::new();
    for number in 0..scale.clients {
        let me = Identity {
            asn: AS,
            address: Ipv4Addr::from(CLIENT + number),
            family: Family::V4,
        };
        let others = scale.clients - 1;
        let session = Session::establish_among(pid, me, REFLECTOR, scale.clients, others)
            .with_context(|| format!("client {number}"))?;
        tellers.push((session, wire::internal(number, me.address)));
    }
    Ok(Players {
        tellers,
        sink: None,
    })
}

impl Players {
    /// Tells everything, until everybody has it who is to have it.
    pub(super) fn play(&mut self) -> Result<Duration> {
        let start = Instant::now();
        std::thread::scope(|scope| -> Result<()> {
            let mut writers = Vec::new();
            for (session, messages) in &mut self.tellers {
                // Small ones fit into any socket's buffer.
                if messages.len() < wire::MESSAGE_MAX {
                    session.write(messages)?;
                } else {
                    writers.push(scope.spawn(move || session.write(messages)));
                }
            }
            for writer in writers {
                match writer.join() {
                    Ok(written) => written?,
                    Err(_) => bail!("a writer has panicked"),
                };
            }
            Ok(())
        })?;
        let mut last = start;
        let waiting: Vec<&Session> = match &self.sink {
            Some(sink) => vec![sink],
            None => self.tellers.iter().map(|(session, _)| session).collect(),
        };
        for session in waiting {
            match session.next(DEADLINE)? {
                Reached::All(at) => last = last.max(at),
                Reached::None(_) => bail!("withdrawn again"),
            }
        }
        Ok(last - start)
    }
}
