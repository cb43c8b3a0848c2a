//! Who may connect, and how many at a time.
//!
//! ```text
//!  accepted --> whose is it? --nobody's--> reset, counted, the core never hears of it
//!                  |  its own BGPPeer, else the most specific peerRange
//!                  v
//!               TTL of the SYN (RFC 5082) --too far--> reset, counted
//!                  v
//!               4 from one address --more--> reset, counted
//!                  v
//!               64 of a range, 256 of all without a valid OPEN --more--> the oldest one goes
//!                  v
//!                Place --> core, connection task
//! ```
//!
//! Whoever connects from a range and says nothing can so keep nobody out: he has only as long as it
//! takes others to come, while a peer that means it says its OPEN within a round trip. Where there is
//! room, RFC 4271's 240 s stay. Of the 256, those from ranges go first: a configured address waits for
//! no crowd.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ipnetwork::IpNetwork;
use rcni_bgp_proto::speaker::NextHop;
use rcni_config::Cidr;
use tokio::sync::oneshot;
use tracing::warn;

use super::origin::Origin;
use super::socket::Options;

/// Accepted connections from one address at a time: one that lives, one that collides, and some whose
/// end is not through yet.
pub const PER_ADDRESS: usize = 4;
/// Without a valid OPEN, of one range.
pub const WAITING_OF_RANGE: usize = 64;
/// Without a valid OPEN, of all.
pub const WAITING: usize = 256;
/// Refused connections are logged at most so often, with their number.
const LOG_APART: Duration = Duration::from_secs(10);

/// Somebody who may connect.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// One address, or a range.
    pub network: Origin,
    /// For its connections.
    pub options: Options,
}

impl Entry {
    fn is_range(&self) -> bool {
        self.network.is_range()
    }
}

/// What has become of connections since the start.
#[derive(Debug, Default)]
pub struct Counters {
    accepted: AtomicU64,
    strangers: AtomicU64,
    too_many: AtomicU64,
    too_far: AtomicU64,
    dropped: AtomicU64,
}

/// A reading of [`Counters`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Handed to the core.
    pub accepted: u64,
    /// From addresses that nobody has.
    pub strangers: u64,
    /// Beyond [`PER_ADDRESS`].
    pub too_many: u64,
    /// Beyond the hops of ttlSecurity.
    pub too_far: u64,
    /// Without a valid OPEN when others came.
    pub dropped: u64,
    /// Without a valid OPEN at this moment.
    pub waiting: usize,
}

/// Why a connection is closed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Neither a peer's address nor in a range.
    #[error("no peer has this address")]
    Stranger,
    /// [`PER_ADDRESS`].
    #[error("this address has too many connections open")]
    TooMany,
    /// RFC 5082.
    #[error("it comes from further away than spec.ttlSecurity")]
    TooFar,
}

/// The entries by their networks.
#[derive(Debug, Default)]
struct Lookup {
    by_network: HashMap<Origin, Entry>,
    /// Prefix lengths that there are, by family.
    lengths: [BTreeSet<u8>; 2],
}

impl Lookup {
    fn new(entries: &[Entry]) -> Self {
        let mut lookup = Self::default();
        for entry in entries {
            lookup.by_network.insert(entry.network, *entry);
            if entry.network.link.is_some() {
                continue;
            }
            let [v4, v6] = &mut lookup.lengths;
            let lengths = if entry.network.is_ipv4() { v4 } else { v6 };
            lengths.insert(entry.network.network.prefix_len());
        }
        lookup
    }

    fn find(&self, from: NextHop) -> Option<Entry> {
        if from.interface.is_some() {
            return self.by_network.get(&Origin::host(from)).copied();
        }
        let address = from.address;
        let [v4, v6] = &self.lengths;
        let lengths = if address.is_ipv4() { v4 } else { v6 };
        lengths.iter().rev().find_map(|length| {
            let network = IpNetwork::new(address, *length).ok()?;
            self.by_network.get(&Cidr::masked(network).into()).copied()
        })
    }
}

/// A connection that has not said a valid OPEN.
#[derive(Debug)]
struct Waiting {
    network: Origin,
    range: bool,
    /// Sent: it may stay. Dropped: it has to go.
    stay: oneshot::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    addresses: HashMap<NextHop, usize>,
    /// By age.
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
    logged: Option<Instant>,
}

/// See the [module](self). One for all listening sockets.
#[derive(Debug)]
pub struct Gate {
    lookup: RwLock<Arc<Lookup>>,
    counters: Counters,
    state: Mutex<State>,
}

impl Gate {
    /// For these.
    #[must_use]
    pub fn new(entries: &[Entry]) -> Arc<Self> {
        Arc::new(Self {
            lookup: RwLock::new(Arc::new(Lookup::new(entries))),
            counters: Counters::default(),
            state: Mutex::default(),
        })
    }

    /// From now on these may connect, all at once: nobody is judged by half of it. Who is here stays.
    pub fn replace(&self, entries: &[Entry]) {
        let lookup = Arc::new(Lookup::new(entries));
        *self.lookup.write().unwrap_or_else(PoisonError::into_inner) = lookup;
    }

    fn lookup(&self) -> Arc<Lookup> {
        let lookup = self.lookup.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&lookup)
    }

    /// Whose a connection from this address is: the network of his entry.
    #[must_use]
    pub fn find(&self, from: NextHop) -> Option<Origin> {
        self.lookup().find(from).map(|entry| entry.network)
    }

    /// The least and the greatest TTL that entries of one family want at least.
    #[must_use]
    pub fn min_ttls(&self, v4: bool) -> (u8, u8) {
        let lookup = self.lookup();
        let entries = lookup.by_network.values();
        let entries = entries.filter(|entry| entry.network.is_ipv4() == v4);
        let ttls = entries.map(|entry| entry.options.min_ttl);
        let (least, most) = (ttls.clone().min(), ttls.max());
        (least.unwrap_or(0), most.unwrap_or(0))
    }

    /// Lets a connection in, with the options that its socket shall have. `syn_ttl`: of its first
    /// packet, if it is known.
    ///
    /// # Errors
    /// Why not; counted, and logged now and then.
    pub fn admit(
        self: &Arc<Self>,
        remote: SocketAddr,
        syn_ttl: Option<u8>,
    ) -> Result<(Place, Options), Refusal> {
        self.place(remote.into(), syn_ttl).inspect_err(|refusal| {
            let counter = match refusal {
                Refusal::Stranger => &self.counters.strangers,
                Refusal::TooMany => &self.counters.too_many,
                Refusal::TooFar => &self.counters.too_far,
            };
            let refused = counter.fetch_add(1, Ordering::Relaxed) + 1;
            let logged = &mut self.state().logged;
            if logged.is_none_or(|at| at.elapsed() >= LOG_APART) {
                *logged = Some(Instant::now());
                warn!(%remote, refused, "closed a connection: {refusal}");
            }
        })
    }

    fn place(
        self: &Arc<Self>,
        address: NextHop,
        syn_ttl: Option<u8>,
    ) -> Result<(Place, Options), Refusal> {
        let entry = self.lookup().find(address).ok_or(Refusal::Stranger)?;
        if syn_ttl.is_some_and(|ttl| ttl < entry.options.min_ttl) {
            return Err(Refusal::TooFar);
        }
        let (stay, evicted) = oneshot::channel();
        let mut state = self.state();
        let open = state.addresses.entry(address).or_default();
        if *open >= PER_ADDRESS {
            return Err(Refusal::TooMany);
        }
        *open += 1;
        let range = entry.is_range();
        let dropped = make_room(&mut state.waiting, entry.network, range);
        self.counters.dropped.fetch_add(dropped, Ordering::Relaxed);
        self.counters.accepted.fetch_add(1, Ordering::Relaxed);
        let id = state.next;
        state.next += 1;
        let waiting = Waiting {
            network: entry.network,
            range,
            stay,
        };
        state.waiting.insert(id, waiting);
        let seat = Seat {
            gate: Arc::clone(self),
            id,
            address,
        };
        let visit = Visit {
            gate: Arc::clone(self),
            id,
        };
        let place = Place {
            visit,
            seat,
            evicted: Evicted(evicted),
        };
        Ok((place, entry.options))
    }

    /// Of all sockets.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            accepted: read(&self.counters.accepted),
            strangers: read(&self.counters.strangers),
            too_many: read(&self.counters.too_many),
            too_far: read(&self.counters.too_far),
            dropped: read(&self.counters.dropped),
            waiting: self.state().waiting.len(),
        }
    }

    /// Nothing panics while it is held.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends those that have waited longest, if there are too many.
fn make_room(waiting: &mut BTreeMap<u64, Waiting>, network: Origin, range: bool) -> u64 {
    let mut dropped = 0;
    let of_entry = |waiting: &Waiting| waiting.network == network;
    if range && waiting.values().filter(|one| of_entry(one)).count() >= WAITING_OF_RANGE {
        dropped += drop_oldest(waiting, of_entry);
    }
    if waiting.len() >= WAITING {
        dropped += match drop_oldest(waiting, |one| one.range) {
            0 => drop_oldest(waiting, |_| true),
            dropped => dropped,
        };
    }
    dropped
}

fn drop_oldest(waiting: &mut BTreeMap<u64, Waiting>, which: impl Fn(&Waiting) -> bool) -> u64 {
    let oldest = waiting.iter().find(|(_, one)| which(one));
    let oldest = oldest.map(|(id, _)| *id);
    oldest.map_or(0, |id| u64::from(waiting.remove(&id).is_some()))
}

/// An accepted connection's place, from here through the core to its task.
#[derive(Debug)]
pub struct Place {
    /// The core's part.
    pub visit: Visit,
    /// The task's part.
    pub seat: Seat,
    /// Fires when the connection has to go.
    pub evicted: Evicted,
}

/// Tells the gate that the peer has said a valid OPEN.
#[derive(Debug)]
pub struct Visit {
    gate: Arc<Gate>,
    id: u64,
}

impl Visit {
    /// It has; from now on nobody else's coming ends this connection.
    pub fn opened(self) {
        // Too late, perhaps: then its end is on its way.
        if let Some(waiting) = self.gate.state().waiting.remove(&self.id) {
            let _ = waiting.stay.send(());
        }
    }
}

/// As long as it is there, the connection counts.
#[derive(Debug)]
pub struct Seat {
    gate: Arc<Gate>,
    id: u64,
    address: NextHop,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        state.waiting.remove(&self.id);
        if let Some(open) = state.addresses.get_mut(&self.address) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                state.addresses.remove(&self.address);
            }
        }
    }
}

/// See [`Place::evicted`].
#[derive(Debug)]
pub struct Evicted(oneshot::Receiver<()>);

impl Evicted {
    /// Ends when the connection has to go.
    pub async fn wait(self) {
        if self.0.await.is_ok() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests;
