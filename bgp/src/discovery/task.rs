//! Follows the links of the kernel, has those looked at that are meant, and tells who is there.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use rcni_bgp_proto::discovery::Verdict;
use rcni_bgp_proto::speaker::{Interface, NextHop};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, interval_at, sleep};
use tracing::{info, warn};

use super::before::Before;
use super::kernel::{Kernel, KernelLink, KernelLinks};
use super::link::{News, Own, Seen, Watched};
use super::router::{self, Accepting, Restored};
use super::{Interest, LinkPeer, Links, Report, State, on_link};
use crate::tasks;
use rcni_control::jitter::jitter;

/// What links have to say, before it is looked at.
const SEEN: usize = 16;
/// After a reading that failed.
const PAUSE: Duration = Duration::from_secs(5);
/// What is not told (sysctls) is looked at so often.
const LOOK: Duration = Duration::from_secs(60);

/// A link that is looked at.
struct Looked {
    name: String,
    own: watch::Sender<Own>,
    task: AbortHandle,
    seen: Seen,
    accepting: Accepting,
}

impl Drop for Looked {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// See the [module](self).
pub struct Discovery {
    kernel: Kernel,
    links: KernelLinks,
    looked: BTreeMap<u32, Looked>,
    before: Before,
    interest: watch::Receiver<Interest>,
    news: mpsc::Receiver<News>,
    tell: mpsc::Sender<News>,
    told: Links,
}

impl Discovery {
    /// Reads the links. In the namespace, and the runtime, where it is to run. `before`: what runs before
    /// this have found.
    ///
    /// # Errors
    /// The kernel's.
    pub async fn open(interest: watch::Receiver<Interest>, before: Before) -> io::Result<Self> {
        let (tell, news) = mpsc::channel(SEEN);
        let mut kernel = Kernel::open()?;
        let links = kernel.read().await?;
        let mut discovery = Self {
            kernel,
            links,
            looked: BTreeMap::new(),
            before,
            interest,
            news,
            tell,
            told: Links::default(),
        };
        discovery.look();
        discovery.told = discovery.report();
        Ok(discovery)
    }

    /// What was told last.
    #[must_use]
    pub fn told(&self) -> &Links {
        &self.told
    }

    /// Tells of every change; ends when nobody hears it.
    pub async fn run(mut self, out: mpsc::Sender<Links>) {
        let mut looks = interval_at(Instant::now() + LOOK, LOOK);
        loop {
            tokio::select! {
                () = self.kernel.changed() => self.read().await,
                _ = looks.tick() => self.read().await,
                changed = self.interest.changed() => if changed.is_err() {
                    return;
                },
                Some((index, seen)) = self.news.recv() => {
                    if let Some(looked) = self.looked.get_mut(&index) {
                        looked.seen = seen;
                    }
                }
            }
            self.look();
            let now = self.report();
            if now != self.told {
                self.log(&now);
                self.told = now.clone();
                if out.send(now).await.is_err() {
                    return;
                }
            }
        }
    }

    async fn read(&mut self) {
        match self.kernel.read().await {
            Ok(links) => self.links = links,
            Err(error) => {
                warn!(%error, "cannot read the links of this node; will be tried again");
                sleep(jitter(PAUSE)).await;
            }
        }
    }

    /// Begins to look at links that are meant, and ends to look at others.
    fn look(&mut self) {
        let interest = self.interest.borrow_and_update().clone();
        let wanted = |name: &str| {
            let owners = on_link(interest.peers.iter(), name);
            owners.iter().any(|peer| peer.address.is_none())
        };
        let links = &self.links;
        self.looked.retain(|index, looked| {
            let link = links.get(index);
            link.is_some_and(|link| link.name == looked.name && wanted(&link.name))
        });
        for (interface, restored) in self.before.put_back(links, wanted) {
            let text = restored.describe(&interface);
            match restored {
                Restored::Failed(..) => warn!("{text}"),
                _ => info!("{text}: no peer is looked for there any more"),
            }
        }
        for (index, link) in links.iter().filter(|(_, link)| wanted(&link.name)) {
            let looked = self.looked.entry(*index);
            let looked = looked.or_insert_with(|| begin(*index, &link.name, &self.tell));
            let note = |was: &str| self.before.note(*index, was);
            let accepting = match router::switch_off(&link.name, note) {
                // What it was is said as long as it is looked at.
                Accepting::Off => self
                    .before
                    .of(*index)
                    .map_or(Accepting::Off, |was| Accepting::SwitchedOff(was.to_owned())),
                other => other,
            };
            if accepting != looked.accepting
                && let Some(note) = accepting.note(&link.name)
            {
                info!("{note}");
            }
            looked.accepting = accepting;
            let own = Own {
                address: link.link_local.filter(|_| link.up && link.running),
                carrier_changes: link.carrier_changes,
                link_layer: link.link_layer,
                established: on(&interest.established, *index).or(on(&interest.restarting, *index)),
            };
            looked.own.send_if_modified(|before| {
                let differs = *before != own;
                *before = own;
                differs
            });
        }
    }

    fn report(&self) -> Links {
        let interest = self.interest.borrow();
        let mut reports = Vec::new();
        for (index, link) in &self.links {
            for peer in on_link(interest.peers.iter(), &link.name) {
                let restarting = on(&interest.restarting, *index);
                reports.push(self.report_link(peer, *index, link, restarting));
            }
        }
        // A name that nobody has; a pattern may mean nothing for now.
        for peer in &interest.peers {
            if !self
                .links
                .values()
                .any(|link| peer.links.matches(&link.name))
            {
                reports.push(absent(peer));
            }
        }
        let key = |report: &Report| {
            let interface = report
                .interface
                .as_ref()
                .map(|interface| interface.name.clone());
            (report.peer.clone(), interface)
        };
        reports.sort_by_cached_key(key);
        Links {
            generation: interest.generation,
            reports,
        }
    }

    fn report_link(
        &self,
        peer: &LinkPeer,
        index: u32,
        link: &KernelLink,
        restarting: Option<Ipv6Addr>,
    ) -> Report {
        let looked = self.looked.get(&index);
        let seen = looked.map(|looked| looked.seen.clone()).unwrap_or_default();
        let neighbor = peer.address.or(seen.verdict.neighbor());
        let (state, text) = state(peer, link, &seen, restarting);
        let others = match &seen.verdict {
            _ if peer.address.is_some() => Vec::new(),
            Verdict::Neighbor(_, others) | Verdict::Several(others) => others.clone(),
            Verdict::Waiting => Vec::new(),
        };
        let accepting = looked.and_then(|looked| looked.accepting.note(&link.name));
        let route = looked.filter(|_| link.default_route).map(|_| {
            format!(
                "the kernel has a default route of a router advertisement on {0}, of before accept_ra was 0: \
                 it ends with its lifetime, or by `ip -6 route delete default proto ra dev {0}`",
                link.name
            )
        });
        let dropped = seen.last_dropped.map(|last| {
            format!(
                "{} router advertisements or solicitations on {} were dropped; the last: {last}",
                seen.dropped, link.name
            )
        });
        Report {
            peer: peer.name.clone(),
            links: peer.links.to_string(),
            interface: Some(Interface {
                index,
                name: link.name.clone(),
            }),
            state,
            text,
            neighbor,
            others,
            notes: accepting.into_iter().chain(route).chain(dropped).collect(),
            dropped: seen.dropped,
        }
    }

    /// What is news for people.
    fn log(&self, now: &Links) {
        for report in &now.reports {
            let same = |before: &&Report| {
                (&before.peer, &before.interface) == (&report.peer, &report.interface)
            };
            let before = self.told.reports.iter().find(same);
            let what = |report: &Report| (report.state, report.neighbor, report.others.clone());
            if before.map(what) == Some(what(report)) {
                continue;
            }
            let interface = report.interface.as_ref();
            let link = interface.map_or(report.links.as_str(), |interface| &interface.name);
            match (report.state, report.neighbor) {
                (State::Found, Some(neighbor)) if report.others.is_empty() => {
                    info!(peer = report.peer, link, %neighbor, "the neighbour of the link is known");
                }
                (State::Found | State::Several, _) => {
                    warn!(peer = report.peer, link, "{}", report.text);
                }
                _ => info!(peer = report.peer, link, "{}", report.text),
            }
        }
    }
}

fn begin(index: u32, name: &str, tell: &mpsc::Sender<News>) -> Looked {
    let (own, own_inlet) = watch::channel(Own::default());
    let watched = Watched::new(name.to_owned(), index, own_inlet, tell.clone());
    Looked {
        name: name.to_owned(),
        own,
        task: tasks::spawn_link(watched),
        seen: Seen::default(),
        accepting: Accepting::Off,
    }
}

/// Who of them is on the link.
fn on(neighbors: &BTreeSet<NextHop>, index: u32) -> Option<Ipv6Addr> {
    let mut neighbors = neighbors.iter();
    neighbors.find_map(|neighbor: &NextHop| match neighbor.address {
        IpAddr::V6(address) if neighbor.interface == Some(index) => Some(address),
        _ => None,
    })
}

fn absent(peer: &LinkPeer) -> Report {
    let links = peer.links.to_string();
    let text = if peer.links.is_pattern() {
        format!("no interface of this node is called {links}: it is waited for (`ip link show`)")
    } else {
        format!("this node has no interface {links} yet: it is waited for (`ip link show`)")
    };
    Report {
        peer: peer.name.clone(),
        links,
        interface: None,
        state: State::NoInterface,
        text,
        neighbor: None,
        others: Vec::new(),
        notes: Vec::new(),
        dropped: 0,
    }
}

fn state(
    peer: &LinkPeer,
    link: &KernelLink,
    seen: &Seen,
    restarting: Option<Ipv6Addr>,
) -> (State, String) {
    let name = &link.name;
    if !link.up {
        let text = format!("{name} is switched off: `ip link set dev {name} up`");
        return (State::Down, text);
    }
    if !link.running {
        let text = format!("{name} has no carrier: look at the cable and the other end");
        return (State::NoCarrier, text);
    }
    if link.link_local.is_none() {
        return (State::NoAddress, router::no_address(name, link.unsure));
    }
    if peer.address.is_some() {
        return (State::Found, String::new());
    }
    if let Some(trouble) = &seen.trouble {
        return (State::NoSocket, trouble.clone());
    }
    match &seen.verdict {
        Verdict::Waiting => {
            let text = format!(
                "no router advertisement came on {name} yet: the other end must peer by interface, too \
                 (FRR: `neighbor {name} interface remote-as external` with its own name of the link), or \
                 write its address here (peerIP: fe80::…%{name})"
            );
            (State::Waiting, text)
        }
        Verdict::Neighbor(_, others) if others.is_empty() => (State::Found, String::new()),
        Verdict::Neighbor(neighbor, others) => {
            let why = if restarting == Some(*neighbor) {
                format!("keeps the routes of {neighbor}, which may be restarting")
            } else {
                format!("has a session with {neighbor}")
            };
            let text = format!(
                "{name} {why}, and {} advertises itself there, too: a link has one \
                 neighbour; find out who it is, or write both as peerIP with %{name}",
                listed(others)
            );
            (State::Found, text)
        }
        Verdict::Several(all) => {
            let text = format!(
                "{} routers advertise themselves on {name}: {}; a link has one neighbour, so there is no \
                 session until all but one are silent; or write them as peerIP with %{name}",
                all.len(),
                listed(all)
            );
            (State::Several, text)
        }
    }
}

fn listed(addresses: &[Ipv6Addr]) -> String {
    let all: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    all.join(" and ")
}
