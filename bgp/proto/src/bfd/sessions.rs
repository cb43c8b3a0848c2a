//! All sessions: which one a packet is for (RFC 5880 §6.3, RFC 5881 §3), and whose turn it is to send.
//!
//! A packet belongs to the session that Your Discriminator names, and must come from its peer; without
//! one, to the session with the address (and interface, where the address says nothing without it). Where it
//! is known over which link the peer is reached, what comes over another is not from it.
//! Nobody else is answered.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::packet::{Diagnostic, LEN, Packet, State};
use super::session::{Counts, Down, Intervals, Profile, Session};
use super::{Discard, Discards};
use crate::speaker::is_link_local;

/// So many sessions there are at most.
pub const MAX_SESSIONS: usize = 4096;

/// RFC 5881 §5.
const TTL: u8 = 255;

/// Names a session; whoever adds one chooses, each name once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// Who is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The peer's address.
    pub peer: IpAddr,
    /// Index of the interface that a link-local address is on; 0 for others.
    pub interface: u32,
}

/// How a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// Over the link, port 3784.
    Single,
    /// Over routers, port 4784.
    Multi,
}

/// How a session's packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hops {
    /// So and not otherwise.
    Only(Hop),
    /// So, unless the peer does otherwise: internal peers on one link, for which some speakers take
    /// the one and some the other.
    First(Hop),
}

/// A session to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Who is watched.
    pub key: Key,
    /// How.
    pub hops: Hops,
    /// Index of the interface that packets come in on, if they do not come over routers and it is known.
    pub over: Option<u32>,
    /// With which times.
    pub profile: Profile,
}

/// What is known of a packet besides its octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// From whom, in its own family.
    pub from: IpAddr,
    /// On which interface.
    pub interface: u32,
    /// TTL or hop limit; `None`: the system did not say.
    pub ttl: Option<u8>,
    /// To which port.
    pub hop: Hop,
}

/// A packet to be sent, with TTL 255.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// For which session.
    pub id: SessionId,
    /// To which port.
    pub hop: Hop,
    /// The octets.
    pub octets: [u8; LEN],
}

/// What has become of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The peer is there, and not up yet.
    Heard,
    /// Both hear each other.
    Up,
    /// It was up.
    Down(Down),
    /// The peer has switched BFD off and was not up before: it will not come up.
    PeerOff,
}

/// [`News`] of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which.
    pub id: SessionId,
    /// What.
    pub news: News,
}

/// For people and scripts.
#[derive(Clone, Copy, Debug)]
pub struct SessionStatus {
    /// Who is watched.
    pub key: Key,
    /// How its packets go.
    pub hop: Hop,
    /// Own state.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// The peer's, as it said last.
    pub remote_state: State,
    /// Own, and the peer's.
    pub diagnostics: (Diagnostic, Diagnostic),
    /// Own, and the peer's (0: unknown).
    pub discriminators: (u32, u32),
    /// In use.
    pub intervals: Intervals,
    /// Configured.
    pub profile: Profile,
    /// Packets, and how often it came and went.
    pub counts: Counts,
    /// Why packets that seemed to be for it were dropped.
    pub discards: Discards,
}

#[derive(Debug)]
struct Entry {
    session: Session,
    key: Key,
    hops: Hops,
    hop: Hop,
    over: Option<u32>,
    discards: Discards,
    /// When it is looked at next, as it stands in `due`.
    due: Option<Instant>,
    /// It says that it is switched off until then.
    leaving: Option<Instant>,
    heard: bool,
}

/// See the [module](self).
#[derive(Debug)]
pub struct Sessions {
    entries: BTreeMap<SessionId, Entry>,
    by_peer: HashMap<Key, SessionId>,
    by_discriminator: HashMap<u32, SessionId>,
    due: BTreeSet<(Instant, SessionId)>,
    events: VecDeque<Event>,
    discards: Discards,
    received: u64,
    rng: SmallRng,
}

impl Sessions {
    /// None. `seed` decides jitter and discriminators.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            entries: BTreeMap::new(),
            by_peer: HashMap::new(),
            by_discriminator: HashMap::new(),
            due: BTreeSet::new(),
            events: VecDeque::new(),
            discards: Discards::default(),
            received: 0,
            rng: SmallRng::seed_from_u64(seed),
        }
    }

    /// Begins to watch. False: there are too many, or somebody is watched there already.
    pub fn add(&mut self, id: SessionId, wanted: Wanted, now: Instant) -> bool {
        let taken = self.by_peer.contains_key(&wanted.key) || self.entries.contains_key(&id);
        if taken || self.by_peer.len() >= MAX_SESSIONS {
            return false;
        }
        let discriminator = self.free_discriminator();
        let session = Session::new(wanted.profile, discriminator, self.rng.random(), now);
        self.by_discriminator.insert(discriminator, id);
        self.by_peer.insert(wanted.key, id);
        let (Hops::Only(hop) | Hops::First(hop)) = wanted.hops;
        self.entries.insert(
            id,
            Entry {
                session,
                key: wanted.key,
                hops: wanted.hops,
                hop,
                over: wanted.over,
                discards: Discards::default(),
                due: None,
                leaving: None,
                heard: false,
            },
        );
        self.requeue(id);
        true
    }

    /// Other times, and over another link, while it goes on.
    pub fn change(&mut self, id: SessionId, profile: Profile, over: Option<u32>, now: Instant) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.over = over;
            entry.session.set_profile(profile, now);
            self.requeue(id);
        }
    }

    /// Watches no longer: the peer is told for its detection time that this side is switched off, and
    /// another session with it may begin at once.
    pub fn remove(&mut self, id: SessionId, now: Instant) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        if entry.leaving.is_some() {
            return;
        }
        let told = entry.session.switch_off(now);
        entry.leaving = Some(now + told);
        self.by_peer.remove(&entry.key);
        self.requeue(id);
    }

    /// All are switched off; the next packets say so.
    pub fn stop(&mut self, now: Instant) {
        let ids: Vec<SessionId> = self.entries.keys().copied().collect();
        for id in ids {
            self.remove(id, now);
        }
    }

    /// A packet from each, whenever its turn is: the last words, more than once.
    pub fn farewell(&mut self) -> Vec<Transmit> {
        let entries = self.entries.iter_mut();
        let packets = entries.map(|(id, entry)| Transmit {
            id: *id,
            hop: entry.hop,
            octets: entry.session.now().encode(),
        });
        packets.collect()
    }

    /// One packet. Dropped ones are counted.
    pub fn receive(&mut self, octets: &[u8], meta: &Meta, now: Instant) {
        if let Err(discard) = self.take(octets, meta, now) {
            self.discards.count(discard);
            let key = key_of(meta);
            let id = self.by_peer.get(&key);
            if let Some(entry) = id.and_then(|id| self.entries.get_mut(id)) {
                entry.discards.count(discard);
            }
        }
    }

    fn take(&mut self, octets: &[u8], meta: &Meta, now: Instant) -> Result<(), Discard> {
        if meta.hop == Hop::Single && meta.ttl != Some(TTL) {
            return Err(Discard::Ttl);
        }
        let packet = Packet::decode(octets)?;
        let key = key_of(meta);
        let id = match packet.your_discriminator {
            0 if !matches!(packet.state, State::Down | State::AdminDown) => {
                return Err(Discard::State);
            }
            0 => *self.by_peer.get(&key).ok_or(Discard::UnknownPeer)?,
            yours => {
                let id = self.by_discriminator.get(&yours);
                *id.ok_or(Discard::YourDiscriminator)?
            }
        };
        let entry = self
            .entries
            .get_mut(&id)
            .ok_or(Discard::YourDiscriminator)?;
        // TTL 255 is what a neighbour on any link can say, a pod of this node for one, in the name of another.
        let elsewhere =
            meta.hop == Hop::Single && entry.over.is_some_and(|it| it != meta.interface);
        if entry.key != key || elsewhere {
            return Err(Discard::WrongPeer);
        }
        let session = &mut entry.session;
        let minimum_ttl = session.profile().minimum_ttl;
        if meta.hop == Hop::Multi && meta.ttl.is_none_or(|ttl| ttl < minimum_ttl) {
            return Err(Discard::Ttl);
        }
        if meta.hop != entry.hop {
            if matches!(entry.hops, Hops::Only(_)) || session.state() == State::Up {
                return Err(Discard::WrongPeer);
            }
            entry.hop = meta.hop;
        }
        let before = session.state();
        let down = session.receive(&packet, now)?;
        self.received += 1;
        let news = match (down, before, session.state()) {
            (Some(down), ..) => Some(News::Down(down)),
            (None, State::Down | State::Init, State::Up) => Some(News::Up),
            (None, State::Down | State::Init, _) if packet.state == State::AdminDown => {
                (!entry.heard).then_some(News::PeerOff)
            }
            (None, State::Down, _) if !entry.heard => Some(News::Heard),
            _ => None,
        };
        entry.heard = true;
        self.events.extend(news.map(|news| Event { id, news }));
        self.requeue(id);
        Ok(())
    }

    /// The next packet that is due, and what time has brought meanwhile; until it returns `None`.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        while let Some((at, id)) = self.due.first().copied() {
            if at > now {
                break;
            }
            self.due.pop_first();
            let Some(entry) = self.entries.get_mut(&id) else {
                continue;
            };
            entry.due = None;
            if entry.leaving.is_some_and(|until| until <= now) {
                self.forget(id);
                continue;
            }
            let down = entry.session.tick(now);
            entry.heard &= entry.session.is_heard();
            if entry.leaving.is_none() {
                let down = down.map(News::Down);
                self.events.extend(down.map(|news| Event { id, news }));
            }
            let packet = entry.session.poll_transmit(now);
            let hop = entry.hop;
            self.requeue(id);
            if let Some(packet) = packet {
                let octets = packet.encode();
                return Some(Transmit { id, hop, octets });
            }
        }
        None
    }

    /// What has happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Sessions::poll_transmit`] is to be asked again.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Whether anybody is watched, or told that he is not any more.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many there are, those that are leaving included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is such a session, leaving or not.
    #[must_use]
    pub fn contains(&self, id: SessionId) -> bool {
        self.entries.contains_key(&id)
    }

    /// How many packets were taken.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Why packets were dropped, whoever sent them.
    #[must_use]
    pub fn discards(&self) -> Discards {
        self.discards
    }

    /// Those who are watched.
    pub fn status(&self) -> impl Iterator<Item = (SessionId, SessionStatus)> + '_ {
        let entries = self.entries.iter();
        let watched = entries.filter(|(_, entry)| entry.leaving.is_none());
        watched.map(|(id, entry)| (*id, entry.status()))
    }

    fn forget(&mut self, id: SessionId) {
        if let Some(entry) = self.entries.remove(&id) {
            self.by_discriminator.remove(&entry.session.discriminator());
        }
    }

    /// Puts it where its next deadline is.
    fn requeue(&mut self, id: SessionId) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let timeouts = [entry.session.next_timeout(), entry.leaving];
        let due = timeouts.into_iter().flatten().min();
        if due != entry.due {
            if let Some(before) = std::mem::replace(&mut entry.due, due) {
                self.due.remove(&(before, id));
            }
            self.due.extend(due.map(|at| (at, id)));
        }
    }

    fn free_discriminator(&mut self) -> u32 {
        loop {
            let discriminator = self.rng.random_range(1..=u32::MAX);
            if !self.by_discriminator.contains_key(&discriminator) {
                return discriminator;
            }
        }
    }
}

impl Entry {
    fn status(&self) -> SessionStatus {
        let session = &self.session;
        SessionStatus {
            key: self.key,
            hop: self.hop,
            state: session.state(),
            since: session.since(),
            remote_state: session.remote_state(),
            diagnostics: session.diagnostics(),
            discriminators: (session.discriminator(), session.remote_discriminator()),
            intervals: session.intervals(),
            profile: session.profile(),
            counts: session.counts(),
            discards: self.discards,
        }
    }
}

fn key_of(meta: &Meta) -> Key {
    let local = is_link_local(meta.from);
    Key {
        peer: meta.from,
        interface: if local { meta.interface } else { 0 },
    }
}
