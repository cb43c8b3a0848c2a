//! The speaker: owner of peers and RIBs. All inputs go in here, all outputs come out.
//!
//! ```text
//!  Input --> handle --> fsm::Peer --> Up, Down, Routes --> rib --> Fib --+
//!                          |                                |            +--> poll_output
//!                          +-- Dial, Close, WantSend, Event +- marks ----+
//!                                                           v
//!                                           adj_out --> poll_transmit
//! ```
//!
//! After every call of [`Speaker::handle`] call [`Speaker::poll_output`] until it is empty, then
//! wait until [`Speaker::poll_timeout`] at the latest. While [`Speaker::has_work`], do a slice of it
//! ([`Speaker::work`], then the outputs) whenever no input waits: what concerns whole tables is done
//! there, so that no input takes longer than its own size. The result depends on the configuration
//! (with its seed) and on the inputs and slices with their times, and on nothing else.
//!
//! Invariants: no input panics or grows memory by more than itself; an UPDATE is encoded only when
//! it can be sent; `Fib` is never said for an own network; between `Stop` and `Start` no `Fib` is
//! said at all: the routes in the kernel outlive the speaker.

mod api;
mod bfd;
mod conflict;
pub mod difference;
mod drain;
mod dynamic;
mod event;
mod import;
mod keep;
mod limits;
mod links;
mod listing;
mod neighbor;
mod neighbors;
mod next_hops;
mod own;
mod policies;
mod reconfigure;
mod refresh;
pub mod restart;
mod routes;
mod status;
mod telling;
mod terms;
mod work;

#[cfg(test)]
mod tests;

pub use crate::rib::{Knobs, NextHopMode, RemovePrivate};
pub use crate::validate::RemoteAs;
pub use crate::validate::{AddPath, Offer, Role};
pub use api::{
    CloseCause, ConnId, ConnectError, Drain, Event, EventKind, FibChange, GracefulRestartConfig,
    Input, LinkState, NextHop, Order, Output, PeerConfig, PeerId, Remote, SpeakerConfig, StopMode,
    Timers, Watch,
};
pub use conflict::{CONFLICTS_SHOWN, Conflict};
pub use difference::Difference;
pub use drain::{DrainState, Return};
pub use limits::{Crossing, Gauged, LimitAction, LimitNews, LimitStatus, MaximumPrefixes};
pub use listing::{Listed, Listing};
pub use next_hops::NextHops;
pub(crate) use own::is_link_local;
pub use own::{Interface, OwnAddresses};
pub use status::{
    KeptStatus, PeerKind, PeerPrefixes, PeerStatus, PrefixCounts, RangeStatus, RouteStatus,
    SessionStatus, SpeakerStatus,
};
pub use telling::Telling;

use std::collections::{BTreeMap, VecDeque};
use std::net::{SocketAddr, SocketAddrV6};
use std::time::Instant;

use bytes::Bytes;

use crate::fsm::{Cause, ConnIds, Context, PeerInput, PeerOutput};
use crate::iana::{Family, cease_subcode, error_code};
use crate::rib::{AdjRibOut, Outgoing, Rib};
use neighbor::{Link, Neighbor};
use neighbors::Neighbors;
use restart::{Deferral, Progress};

/// A BGP speaker without IO. See the [module](self) for how to drive it.
///
/// [`Output::FibSynced`] comes once per `Start`: at once on a cold start
/// ([`SpeakerConfig::restarting`] false), else when every peer has sent End-of-RIB or is not
/// worth waiting for any more ([`restart`] has the rule), always after the `Fib`s of the routes
/// that were learned until then.
#[derive(Debug)]
pub struct Speaker {
    config: SpeakerConfig,
    neighbors: Neighbors,
    links: BTreeMap<ConnId, Link>,
    rib: Rib,
    deferral: Deferral,
    /// When it was started, while it runs.
    started: Option<Instant>,
    /// The next `Start` follows an earlier run whose routes are in the kernel.
    restarting: bool,
    drain: DrainState,
    ids: ConnIds,
    outputs: VecDeque<Output>,
    /// What gone peers had been told.
    discarded: VecDeque<AdjRibOut>,
    /// Some `poll_transmit` ended before its work did.
    unfinished: bool,
    /// Prefixes in a slice of [`Speaker::work`].
    slice: usize,
}

impl Speaker {
    /// A speaker that is not started.
    #[must_use]
    pub fn new(config: SpeakerConfig, now: Instant) -> Self {
        let neighbors = Neighbors::new(&config, now);
        Self {
            links: BTreeMap::new(),
            rib: Rib::new(&config.networks, neighbors.len(), config.multipath()),
            neighbors,
            deferral: Deferral::Stopped,
            started: None,
            restarting: config.restarting,
            drain: DrainState::Off,
            ids: ConnIds::default(),
            outputs: VecDeque::new(),
            discarded: VecDeque::new(),
            unfinished: false,
            slice: work::SLICE,
            config,
        }
    }

    /// A fresh name for an accepted connection.
    pub fn new_conn(&mut self) -> ConnId {
        self.ids.fresh()
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input<'_>, now: Instant) {
        match input {
            Input::Start => self.start(now),
            Input::Stop(mode) => self.stop(&mode, now),
            Input::Connected {
                conn,
                local,
                remote,
            } => {
                if !self.feed_peer_of(conn, PeerInput::Connected(conn, local, remote), now) {
                    self.outputs.push_back(Output::Close { conn });
                }
            }
            Input::ConnectFailed { conn, cause } => {
                self.feed_peer_of(conn, PeerInput::ConnectFailed(conn, cause), now);
                self.links.remove(&conn);
            }
            Input::Accepted {
                conn,
                local,
                remote,
            } => self.accept(conn, local, remote, now),
            Input::OwnAddresses { conn, own } => self.own_addresses(conn, own),
            Input::Received { conn, bytes } => {
                self.feed_peer_of(conn, PeerInput::Received(conn, bytes), now);
            }
            Input::Heard { conn, messages } => {
                self.feed_peer_of(conn, PeerInput::Heard(conn, messages), now);
            }
            Input::Unread { conn } => {
                self.feed_peer_of(conn, PeerInput::Unread(conn), now);
            }
            Input::SendHoldExpired { conn } => {
                self.feed_peer_of(conn, PeerInput::Stalled(conn), now);
            }
            Input::Closed { conn, cause } => {
                self.feed_peer_of(conn, PeerInput::Closed(conn, cause), now);
                self.links.remove(&conn);
            }
            Input::Bfd { peer, news } => self.hear_of_path(peer, news, now),
            Input::Drain(drain) => self.drain(&drain, now),
            Input::Settled => self.settled(now),
            Input::Links(links) => self.relink(links, now),
            Input::Order { peer, order } => self.order(peer, order, now),
            Input::Policies {
                peer,
                import,
                export,
            } => self.set_policies(peer, &import, &export),
            Input::RequestRefresh { peer } => self.request_refresh(peer),
            Input::Reconfigure { config, sockets } => self.reconfigure(*config, &sockets, now),
            Input::Tick => self.tick(now),
        }
        self.settle(now);
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to tick. Costs a look at every peer.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let machines = self
            .neighbors
            .iter()
            .filter_map(|n| n.machine.next_timeout());
        let helpers = self
            .neighbors
            .iter()
            .filter_map(|n| n.helper.next_timeout());
        let ups = self.neighbors.iter().filter_map(|n| n.up.as_ref());
        let refreshes = ups.filter_map(|up| up.refreshing.next_timeout());
        machines
            .chain(helpers)
            .chain(refreshes)
            .chain(self.rib.next_timeout())
            .chain(self.deferred_until())
            .chain(self.returns_at())
            .min()
    }

    /// Connections whose peers the next tick declares dead. If bytes of one wait somewhere, say so
    /// first ([`Input::Unread`]).
    pub fn expiring(&self, now: Instant) -> impl Iterator<Item = ConnId> + '_ {
        let machines = self.neighbors.iter().map(|neighbor| &neighbor.machine);
        machines.flat_map(move |machine| machine.expiring(now))
    }

    /// The next message for the wire that is none about routes: at once, while what
    /// [`Speaker::poll_transmit`] takes may wait for its turn.
    pub fn poll_control(&mut self, conn: ConnId) -> Option<Bytes> {
        self.links.get_mut(&conn)?.pop()
    }

    /// The next complete message for the wire; `None`: nothing until the next `WantSend`. Call it
    /// only while there is room to write: what is not asked for is not encoded.
    pub fn poll_transmit(&mut self, conn: ConnId, _now: Instant) -> Option<Bytes> {
        self.poll_outgoing(conn).map(Outgoing::into_bytes)
    }

    /// The same, for a caller that encodes it elsewhere.
    pub fn poll_outgoing(&mut self, conn: ConnId) -> Option<Outgoing> {
        let link = self.links.get_mut(&conn)?;
        if let Some(message) = link.pop() {
            return Some(Outgoing::Message(message));
        }
        if link.closing {
            self.links.remove(&conn);
            return None;
        }
        let complete = self.deferral == Deferral::Done;
        let neighbor = self.neighbors.get_mut(link.peer.index());
        let message = neighbor.and_then(|neighbor| {
            let up = neighbor.up.as_mut().filter(|up| up.session.conn == conn)?;
            let message = up.adj_out.next_message(&self.rib, &up.target, complete);
            self.unfinished |= message.is_none() && up.adj_out.has_work(complete);
            if message.is_some() {
                neighbor.machine.count_update();
            }
            message
        });
        if message.is_none() {
            link.asked = false;
        }
        message
    }

    /// A snapshot.
    #[must_use]
    pub fn status(&self, now: Instant) -> SpeakerStatus {
        let mut own: Vec<Family> = self.config.networks.iter().map(Family::of).collect();
        own.sort_unstable();
        own.dedup();
        let adj_in = self.rib.adj_in();
        let peers = self.neighbors.known().into_iter();
        let peers = peers.map(|neighbor| neighbor.status(adj_in, &own));
        SpeakerStatus {
            asn: self.config.asn,
            router_id: self.config.router_id,
            synced: self.deferral == Deferral::Done,
            learning: self.learning(now),
            drain: self.drain,
            prefixes: self.rib.loc().len(),
            peers: peers.collect(),
            ranges: self.ranges(),
            conflicts: self.conflicts(),
        }
    }

    fn learning(&self, now: Instant) -> Vec<String> {
        let since = self.started.into_iter();
        let names = since.flat_map(|since| self.expected(since, now));
        names.map(str::to_owned).collect()
    }

    fn start(&mut self, now: Instant) {
        if self.deferral != Deferral::Stopped {
            return;
        }
        self.started = Some(now);
        // Own networks are known from the beginning; what peers say comes after this.
        self.deferral = Deferral::Waiting(now);
        if !self.restarting || self.drain == DrainState::Closed {
            self.finish_deferral(now);
        }
        for id in self.neighbors.configured().to_vec() {
            self.hold_back(id, now);
        }
        for index in 0..self.neighbors.len() {
            self.feed_peer(index, PeerInput::Start, now);
        }
    }

    fn stop(&mut self, mode: &StopMode, now: Instant) {
        if self.deferral == Deferral::Stopped {
            return;
        }
        self.deferral = Deferral::Stopped;
        self.started = None;
        for index in 0..self.neighbors.len() {
            self.feed_peer(index, PeerInput::Stop(mode), now);
        }
        // Forgotten here, kept in the kernel.
        self.neighbors.forget_dynamic();
        let peers = self.neighbors.len();
        self.rib = Rib::new(&self.config.networks, peers, self.config.multipath());
        self.discarded.clear();
        for neighbor in self.neighbors.iter_mut() {
            neighbor.helper.stop();
            neighbor.progress = Progress::default();
        }
        self.restarting = true;
    }

    fn tick(&mut self, now: Instant) {
        for network in self.rib.forget_networks(now) {
            self.judge_within(network);
        }
        for index in 0..self.neighbors.len() {
            let Some(neighbor) = self.neighbors.get_mut(index) else {
                continue;
            };
            let (id, machine_due) = (
                neighbor.id,
                neighbor.machine.next_timeout().is_some_and(|at| at <= now),
            );
            for due in neighbor.helper.take_due(now) {
                self.end_of_keeping(id, due, now);
            }
            self.end_late_refreshes(id, now);
            if machine_due {
                self.feed_peer(index, PeerInput::Tick, now);
            }
        }
    }

    fn accept(&mut self, conn: ConnId, local: SocketAddr, remote: SocketAddr, now: Instant) {
        let from = NextHop::from(remote);
        let on = local.ip().to_canonical();
        if self.links.contains_key(&conn) {
            return;
        }
        if self.drain == DrainState::Closed {
            // Without a word, as to who is shut down.
            self.outputs.push_back(Output::Close { conn });
            return;
        }
        let running = self.deferral != Deferral::Stopped;
        match running.then(|| self.peer_at(from, on, now)).flatten() {
            Some(id) => {
                self.links.insert(conn, Link::new(id));
                let local = SocketAddr::new(on, local.port());
                self.feed_peer(id.index(), PeerInput::Accepted(conn, local, remote), now);
            }
            None => {
                self.event(now, None, EventKind::Refused(remote));
                self.outputs.push_back(Output::Close { conn });
            }
        }
    }

    /// False if the connection is not (or no longer) known.
    fn feed_peer_of(&mut self, conn: ConnId, input: PeerInput<'_>, now: Instant) -> bool {
        let peer = self
            .links
            .get(&conn)
            .filter(|link| !link.closing)
            .map(|link| link.peer);
        if let Some(peer) = peer {
            self.feed_peer(peer.index(), input, now);
        }
        peer.is_some()
    }

    fn feed_peer(&mut self, index: usize, input: PeerInput<'_>, now: Instant) {
        if self.drain == DrainState::Closed && matches!(input, PeerInput::Start) {
            return;
        }
        let waiting = matches!(self.deferral, Deferral::Waiting(_) | Deferral::Deciding(_));
        let has_room = u32::try_from(index).is_ok_and(|id| self.neighbors.has_room(PeerId(id)));
        let Some(neighbor) = self.neighbors.get_mut(index) else {
            return;
        };
        let mut ctx = Context {
            has_room,
            now,
            ids: &mut self.ids,
            restarting: self.restarting && waiting,
            // On a cold start there is nothing that could have been kept; later sessions of a
            // running speaker have their forwarding state.
            forwarding_kept: self.restarting || neighbor.machine.established_count() > 0,
        };
        let outputs = neighbor.machine.handle(input, &mut ctx);
        let id = neighbor.id;
        let turned_away = !has_room && outputs.iter().any(is_rejection);
        self.neighbors.observe(id, turned_away);
        for output in outputs {
            self.act_on(id, output, now);
        }
        self.watch(id, now);
    }

    fn act_on(&mut self, id: PeerId, output: PeerOutput, now: Instant) {
        match output {
            PeerOutput::Dial(conn) => self.dial(id, conn),
            PeerOutput::Opened(conn, terms) => {
                self.outputs.push_back(Output::Opened { conn, terms });
            }
            PeerOutput::Send(conn, message) => {
                if let Some(link) = self.links.get_mut(&conn) {
                    link.push(&message);
                    if !std::mem::replace(&mut link.asked, true) {
                        self.outputs.push_back(Output::WantSend { conn });
                    }
                }
            }
            PeerOutput::Close(conn) => self.close(conn),
            PeerOutput::Up(session) => self.session_up(id, *session, now),
            PeerOutput::Down(conn, cause) => self.session_down(id, conn, &cause, now),
            PeerOutput::Routes(update) => self.import(id, update, now),
            PeerOutput::Refresh(refresh) => self.refresh(id, refresh, now),
            PeerOutput::Ended(Cause::Received(n)) => {
                self.event(now, Some(id), EventKind::NotificationReceived(n));
            }
            PeerOutput::Ended(cause) => {
                if let Some(n) = cause.last_words() {
                    self.event(now, Some(id), EventKind::NotificationSent(n));
                }
            }
            PeerOutput::State { from, to, cause } => {
                self.event(now, Some(id), EventKind::StateChange { from, to, cause });
            }
        }
    }

    fn dial(&mut self, id: PeerId, conn: ConnId) {
        let Some(neighbor) = self.neighbors.get(id.index()) else {
            return;
        };
        let remote = match &neighbor.config.remote {
            Remote::Address { address, port } => SocketAddr::new(*address, *port),
            Remote::Neighbor {
                address,
                interface,
                port,
            } => SocketAddrV6::new(*address, *port, 0, interface.index).into(),
            Remote::Range { .. } | Remote::Link { .. } => return,
        };
        self.links.insert(conn, Link::new(id));
        self.outputs.push_back(Output::Dial {
            conn,
            peer: id,
            remote,
            local: neighbor.config.local_address,
            external: neighbor.is_external(),
        });
    }

    /// The link stays while there are last words to send.
    fn close(&mut self, conn: ConnId) {
        if let Some(link) = self.links.get_mut(&conn) {
            link.closing = true;
            if !link.has_control() {
                self.links.remove(&conn);
            }
        }
        self.outputs.push_back(Output::Close { conn });
    }

    fn event(&mut self, at: Instant, peer: Option<PeerId>, kind: EventKind) {
        let known = peer.and_then(|id| self.neighbors.get(id.index()));
        let name = known.map(|neighbor| neighbor.config.name.clone());
        // Guests come and go: what they do is told of their range.
        let peer = match known.and_then(Neighbor::dynamic) {
            Some(guest) if !guest.admitted => Some(guest.range),
            _ => peer,
        };
        self.outputs.push_back(Output::Event(Event {
            at,
            peer,
            name,
            kind,
        }));
    }
}

fn is_rejection(output: &PeerOutput) -> bool {
    let reason = (error_code::CEASE, cease_subcode::CONNECTION_REJECTED);
    matches!(output, PeerOutput::Ended(Cause::Sent(n)) if (n.code, n.subcode) == reason)
}
