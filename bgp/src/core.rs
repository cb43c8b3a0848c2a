//! The one owner of the [`Speaker`]: inputs in, outputs carried out.

mod bfd;
mod connections;
mod drain;
mod fib;
mod hint;
mod home;
mod links;
mod work;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcni_bgp_proto::fsm::State;
use rcni_bgp_proto::speaker::{
    ConnId, EventKind, Input, NextHop, Order, Output, PeerId, Speaker, StopMode,
};
use rcni_config::Security;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tracing::info;

use crate::bfd::{Changes, Distance, Watching};
use crate::control::asker::CoreQuery;
use crate::control::orders;
use crate::discovery::{LinkPeer, link_peers};
use crate::log::Log;
use crate::reload::plan::Plan;
use crate::tasks::{self, Wire};
use crate::transport::Event;
use crate::transport::dialler::Dial;
use crate::transport::gate::Gate;
use crate::transport::interfaces::Interfaces;
use crate::transport::origin::Origin;
use crate::transport::silence;
use crate::transport::socket::Options;
use connections::Connection;
pub use drain::Marks;
use fib::ForFib;
pub use home::Home;
pub use links::{FoundLinks, with_found};
use work::Work;

/// [`PeerSettings::send_hold`] of what belongs to nobody.
const SEND_HOLD: Duration = Duration::from_secs(480);
/// An unanswered dial is given up after so long at most.
const DIAL_PATIENCE: Duration = Duration::from_secs(10);

/// What the transport must know of a peer.
#[derive(Clone, Debug)]
pub struct PeerSettings {
    /// For the log.
    pub name: String,
    /// Where it is.
    pub place: Whence,
    /// For its sockets.
    pub options: Options,
    /// A write that makes no progress for so long ends the connection (RFC 9687 §3).
    pub send_hold: Duration,
    /// ConnectRetryTime.
    pub connect_retry: Duration,
    /// How its segments are signed.
    pub security: Security,
    /// To which port BFD speaks.
    pub distance: Distance,
}

/// Where a peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whence {
    /// At an address, or in a range.
    From(Origin),
    /// On links, where it is yet to be found; who is found has its own settings with its address.
    Link(LinkPeer),
}

impl PeerSettings {
    fn range(&self) -> Option<Origin> {
        match self.place {
            Whence::From(origin) => Some(origin).filter(Origin::is_range),
            Whence::Link(_) => None,
        }
    }

    /// What its segments must have.
    fn wants(&self) -> silence::Own {
        silence::Own::new(&self.security, self.options.min_ttl)
    }

    /// Shorter than the shortest jittered ConnectRetry, so that "no answer" is told as such.
    fn patience(&self) -> Duration {
        DIAL_PATIENCE.min(self.connect_retry * 3 / 5)
    }
}

/// The state; one method per input, `carry_out` for the outputs.
pub struct Core {
    speaker: Speaker,
    /// By their networks, as the gate finds them.
    peers: HashMap<Origin, PeerSettings>,
    links: FoundLinks,
    gate: Arc<Gate>,
    connections: HashMap<ConnId, Connection>,
    /// With the address that is dialled.
    dials: HashMap<ConnId, (AbortHandle, NextHop)>,
    /// The tasks of `connections` and of those that are not through with their last words.
    wire: Wire,
    events: mpsc::Sender<Event>,
    fib: ForFib,
    stopped: bool,
    marks: Marks,
    interfaces: Interfaces,
    home: Option<Home>,
    silence: silence::Watch,
    watching: Watching,
    work: Work,
    log: Log,
}

fn by_network(peers: Vec<PeerSettings>) -> HashMap<Origin, PeerSettings> {
    let peers = peers.into_iter().filter_map(|peer| match peer.place {
        Whence::From(origin) => Some((origin, peer)),
        Whence::Link(_) => None,
    });
    peers.collect()
}

impl Core {
    /// Not started. The gate's entries are those of `peers`; `events` is handed to every connection
    /// and dial; `wire` runs the connections.
    #[must_use]
    pub fn new(
        speaker: Speaker,
        peers: Vec<PeerSettings>,
        gate: Arc<Gate>,
        events: mpsc::Sender<Event>,
        wire: Wire,
    ) -> Self {
        Self {
            speaker,
            peers: by_network(peers),
            links: FoundLinks::default(),
            gate,
            connections: HashMap::new(),
            dials: HashMap::new(),
            wire,
            events,
            fib: ForFib::default(),
            stopped: false,
            marks: Marks::default(),
            interfaces: Interfaces::default(),
            home: None,
            silence: silence::Watch::default(),
            watching: Watching::new(),
            work: Work::default(),
            log: Log::default(),
        }
    }

    /// The own addresses at the start.
    #[must_use]
    pub fn on(mut self, interfaces: Interfaces) -> Self {
        self.interfaces = interfaces;
        self
    }

    /// The own addresses now.
    #[must_use]
    pub fn interfaces(&self) -> &Interfaces {
        &self.interfaces
    }

    /// Begins to dial and to accept.
    pub fn start(&mut self) {
        self.silence.look(Instant::now());
        self.input(Input::Start);
    }

    /// When [`Core::tick`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let timers = self.speaker.poll_timeout();
        timers.into_iter().chain(self.log.due()).min()
    }

    /// A deadline passed.
    pub fn tick(&mut self) {
        self.silence.look(Instant::now());
        self.spare_the_unheard();
        self.log.tick(Instant::now());
        self.input(Input::Tick);
        // The time to come back may be over for a neighbour.
        self.tell_of_sessions();
    }

    /// Something happened on the network.
    pub fn event(&mut self, event: Event) {
        // Tasks that ended are forgotten.
        self.wire.tidy();
        match event {
            Event::Dialled { conn, result } => self.dialled(conn, result),
            Event::Accepted { stream, place } => self.accepted(stream, place),
            Event::Interfaces(interfaces) => self.readdress(interfaces),
            Event::Heard { conn, messages } => {
                let connection = self.connections.get(&conn);
                if let Some(connection) = connection {
                    connection.handle.took();
                }
                if connection.is_some_and(|connection| !connection.closing) {
                    self.input(Input::Heard { conn, messages });
                }
            }
            Event::Room { conn } => self.send_soon(conn),
            Event::Stalled { conn } => self.input(Input::SendHoldExpired { conn }),
            Event::Closed { conn, cause } => {
                if self.connections.contains_key(&conn) {
                    self.input(Input::Closed { conn, cause });
                    self.connections.remove(&conn);
                }
            }
        }
    }

    fn settings_at(&self, neighbor: NextHop) -> Option<&PeerSettings> {
        self.peers.get(&self.gate.find(neighbor)?)
    }

    fn input(&mut self, input: Input<'_>) {
        self.speaker.handle(input, Instant::now());
        self.carry_out_all();
    }

    fn carry_out_all(&mut self) {
        while let Some(output) = self.speaker.poll_output() {
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Dial {
                conn,
                remote,
                local,
                ..
            } => {
                let Some(settings) = self.settings_at(remote.into()) else {
                    return;
                };
                let of_node = self
                    .home
                    .as_ref()
                    .and_then(|home| home.source(remote.ip(), settings.distance, &self.interfaces));
                let attempt = Dial {
                    remote,
                    local: local.or(of_node),
                    options: settings.options,
                    security: settings.security.clone(),
                    patience: settings.patience(),
                };
                let task = tasks::spawn_dial(conn, attempt, self.events.clone());
                self.dials.insert(conn, (task, remote.into()));
            }
            Output::Opened { conn, terms } => {
                let Some(connection) = self.connections.get_mut(&conn) else {
                    return;
                };
                connection.handle.opened(terms);
                if let Some(visit) = connection.visit.take() {
                    visit.opened();
                }
            }
            Output::WantSend { conn } => self.send_soon(conn),
            Output::Close { conn } => {
                if let Some((dial, _)) = self.dials.remove(&conn) {
                    dial.abort();
                }
                if let Some(connection) = self.connections.get_mut(&conn) {
                    connection.closing = true;
                    connection.handle.hurry();
                    self.send_last_words(conn);
                }
            }
            // After a stop the kernel keeps what it has; and BFD goes on until connections are closed.
            Output::Fib(_)
            | Output::FibSynced
            | Output::Settle
            | Output::Lost { .. }
            | Output::Watch { .. }
                if self.stopped => {}
            Output::Watch { peer, watch } => self.watch(peer, watch),
            Output::Fib(change) => {
                self.fib.changes.insert(change.prefix, change.next_hops);
            }
            Output::Lost { neighbor } => {
                self.fib.lost.insert(neighbor);
            }
            Output::FibSynced => self.fib.synced = true,
            Output::Settle => self.fib.settle(),
            Output::Event(event) => {
                self.follow(event.peer, &event.kind);
                self.log.event(&event);
            }
        }
    }

    /// What of the speaker's news is of interest beside the log.
    fn follow(&mut self, peer: Option<PeerId>, news: &EventKind) {
        match news {
            EventKind::StateChange { from, to, .. } => self.changed(peer, *from, *to),
            EventKind::Returned { .. } => self.returned(),
            EventKind::StaleFlushed(_) => self.tell_of_sessions(),
            _ => {}
        }
    }

    /// The state of a session.
    fn changed(&mut self, peer: Option<PeerId>, from: State, to: State) {
        if to == State::Established {
            self.mark();
        }
        if [from, to].contains(&State::Established) {
            self.tell_of_sessions();
        }
        if from == State::Established {
            self.watch_anew(peer);
        }
    }

    /// Answers a question about sessions, or carries an order out.
    pub fn answer(&mut self, query: CoreQuery) {
        match query {
            CoreQuery::Status(query) => self.inform(query),
            CoreQuery::Drain { order, answer } => {
                let _ = answer.send(self.drain(order));
            }
            CoreQuery::Routes(query) => self.list(query),
            CoreQuery::Order {
                peer,
                order,
                answer,
            } => {
                // Whoever asked may have given up.
                let _ = answer.send(self.order(&peer, order));
            }
        }
    }

    /// What has been done, or the names that there are.
    fn order(&mut self, name: &str, order: Order) -> Result<String, Vec<String>> {
        let Some(peer) = self.speaker.find(name) else {
            if order == Order::Start && self.speaker.start_absent(name) {
                info!(peer = name, "by command: {order}, when it is found");
                return Ok(orders::started_absent(name));
            }
            return Err(self.speaker.names().map(str::to_owned).collect());
        };
        info!(peer = name, "by command: {order}");
        let done = orders::done(name, &order, self.speaker.is_shut_down(peer));
        self.input(Input::Order { peer, order });
        self.tell_of_sessions();
        Ok(done)
    }

    /// Another configuration; the gate has its entries already.
    pub fn reconfigure(&mut self, plan: Plan, settings: Vec<PeerSettings>) {
        self.peers = by_network(settings);
        let config = self.furnished(plan.speaker);
        self.input(Input::Reconfigure {
            config: Box::new(config),
            sockets: plan.sockets,
        });
        self.look_for(link_peers(&plan.config));
    }

    /// Ends all sessions like for an upgrade: no Cease, and the kernel's routes stay, so that
    /// peers with graceful restart go on using us.
    pub fn stop(&mut self) {
        self.stopped = true;
        self.fib = ForFib::default();
        self.input(Input::Stop(StopMode::Restart));
        for (_, (dial, _)) in self.dials.drain() {
            dial.abort();
        }
        self.connections.clear();
    }

    /// Until the readers have had a turn each, and more.
    pub async fn let_read(&self, turns: usize) {
        self.wire.turns(turns).await;
    }

    /// Ends when the last connection has said its last words.
    pub async fn stopped(&mut self) {
        self.wire.ended().await;
    }

    /// What [`Core::hear_of_paths`] waits for.
    #[must_use]
    pub fn paths(&self) -> Changes {
        self.watching.changes()
    }

    /// Peers are told that BFD is switched off: after their connections were closed, or they would take
    /// it for a failure of the way and not for the beginning of a restart.
    pub async fn end_bfd(&mut self) {
        self.watching.end().await;
    }
}
