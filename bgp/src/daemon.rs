//! The daemon: starts everything or says in one line why not, runs, and stops.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcni_bgp_proto::speaker::Speaker;
use rcni_config::{Remote, SpeakerConfig};
use rcni_control::cli::ServeOptions;
use rcni_control::events::Events;
use rcni_control::log::Levels;
use rcni_control::server::listen;
use rcni_control::socket::{self, SocketError};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout};
use tracing::{debug, info, warn};

use crate::bfd::{Changes, Distance};
use crate::control::PROGRAM;
use crate::control::asker::{Asker, CoreQuery};
use crate::core::{Core, FoundLinks, Home, Marks, PeerSettings, Whence, with_found};
use crate::discovery::before::Before;
use crate::discovery::task::Discovery;
use crate::discovery::{Interest, LinkPeer, Links, link_peers};
use crate::drained::Drained;
use crate::fib::Ownership;
use crate::fib::former::Former;
use crate::fib::task::{Command, Fib};
use crate::marker::Marker;
use crate::reload::state::State;
use crate::reload::{Change, Reloader};
use crate::tasks::Doors;
use crate::transport::Event;
use crate::transport::interfaces::{Interfaces, Watcher};
use crate::transport::listener::ListenError;
use crate::transport::listening::{Listening, Wanted};
use crate::transport::socket::Options;
use crate::{convert, memory, tasks};
use rcni_control::jitter::random;

/// For last words at a stop.
const STOP: Duration = Duration::from_secs(3);
/// Between the send hold timer and the kernel's own.
const SLACK: Duration = Duration::from_secs(5);
/// A timer that fires so much too late means that the machine stood still: what came meanwhile
/// is looked at before anybody is declared dead.
const LATE: Duration = Duration::from_millis(250);

/// Why the daemon does not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The BGP port.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The control socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The address for those who measure.
    #[error("{0}")]
    Metrics(String),
    /// EPERM from netlink.
    #[error(
        "not allowed to install routes: run as root or with CAP_NET_ADMIN; \
         or set spec.kernel.install to false to only exchange routes"
    )]
    NotPermitted,
    /// Netlink, otherwise.
    #[error("cannot work with the kernel's routes over netlink: {0}")]
    Netlink(io::Error),
    /// The task that owns kernel routes ended.
    #[error("the kernel's notifications broke off: {0}; routes stay, start rcni-bgp again")]
    FibEnded(String),
    /// No second thread.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// Signal handlers.
    #[error("cannot handle signals: {0}")]
    Signals(io::Error),
}

/// What a daemon has beside its configuration.
#[derive(Debug)]
pub struct Own<'a> {
    /// Where it is asked; marks are beside it.
    pub socket: &'a Path,
    /// Who but root may ask there, and where else.
    pub serve: &'a ServeOptions,
    /// What is logged.
    pub levels: Levels,
    /// What was.
    pub events: Events,
}

/// All that ends up in the core's one `select!`.
struct Inlets {
    events: mpsc::Receiver<Event>,
    queries: mpsc::Receiver<CoreQuery>,
    changes: mpsc::Receiver<Change>,
    links: mpsc::Receiver<Links>,
    door: Door,
    fib: mpsc::Sender<Command>,
    fib_task: JoinHandle<io::Result<()>>,
    paths: Changes,
    terminate: Signal,
    interrupt: Signal,
    _side: tasks::Side,
    _wire: tasks::Side,
}

/// Who may connect, and where.
struct Door {
    /// As configured, without those that are found on links.
    settings: Vec<PeerSettings>,
    listening: Listening,
}

/// Runs until SIGTERM or SIGINT. Both are a stop as for an upgrade: sessions are closed without a
/// NOTIFICATION and kernel routes stay, so that traffic flows until the next start adopts them.
///
/// `config` was read from `file`, which is watched from now on.
pub async fn run(config: &SpeakerConfig, file: &Path, own: Own<'_>) -> Result<(), DaemonError> {
    let (mut core, mut inlets) = start(config, file, own).await?;
    core.start();
    if let Err(error) = memory::forget_start() {
        debug!(%error, "pages of the program that only a start needs stay");
    }
    let result = serve(&mut core, &mut inlets).await;
    core.stop();
    // Readers must get rid of what they have, or they never end.
    let emptied = async { while inlets.events.recv().await.is_some() {} };
    tokio::select! {
        stopped = timeout(STOP, core.stopped()) => if stopped.is_err() {
            warn!("some connections could not be closed in order");
        },
        () = emptied => {}
    }
    core.end_bfd().await;
    if result.is_ok() {
        info!("stopped; kernel routes stay");
    }
    result
}

async fn start(
    config: &SpeakerConfig,
    file: &Path,
    Own {
        socket,
        serve,
        levels,
        events: kept,
    }: Own<'_>,
) -> Result<(Core, Inlets), DaemonError> {
    let started = Instant::now();
    let (terminate, interrupt, hangup) = signals().map_err(DaemonError::Signals)?;
    let side = tasks::Side::start("rcni-bgp-side").map_err(DaemonError::Thread)?;
    let wire = tasks::Side::start(tasks::WIRE).map_err(DaemonError::Thread)?;
    let control = side.within(|| doors(socket, serve))?;
    raise_descriptors();
    let settings = settings(config);
    let (found, link_inlet) = look_at_links(config, socket)
        .await
        .map_err(DaemonError::Netlink)?;
    let known = with_found(&settings, found.links());
    let (events, event_inlet) = mpsc::channel(tasks::EVENTS);
    let listening = Listening::start(Wanted::new(config, &known), events.clone())?;
    let gate = listening.gate().clone();
    let (watcher, interfaces) = own_addresses().await.map_err(DaemonError::Netlink)?;
    warn_of_absent(config, &interfaces);
    let owner = convert::ownership(&config.kernel);
    let former = former(socket, config.kernel.install.then_some(owner));
    let (fib, adopted) = open_fib(&side, config).await?;
    let (queries, query_inlet) = mpsc::channel(tasks::QUERIES);
    let (fib_queries, fib_query_inlet) = mpsc::channel(tasks::QUERIES);
    let (fib_commands, fib_command_inlet) = mpsc::channel(tasks::FIB_COMMANDS);
    tasks::spawn_addresses(watcher, interfaces.clone(), events.clone());
    let (reloads, reload_inlet) = mpsc::channel(tasks::QUERIES);
    let (changes, change_inlet) = mpsc::channel(1);
    let state = Arc::new(State::new(file, config, started));
    let reloader = Reloader::new(file, config.clone(), changes, state.clone());
    tasks::spawn_reload(&side, reloader, reload_inlet, hangup);
    let (home, marks) = home(config, socket, adopted, &interfaces);
    let speaker = Speaker::new(home.config(), started);
    let core = Core::new(speaker, known, gate.clone(), events, tasks::Wire::on(&wire))
        .on(interfaces)
        .at(home)
        .linked(found)
        .marked(marks);
    let asker = Asker {
        bfd: core.paths(),
        reload: reloads,
        configuration: state,
        core: queries,
        fib: fib_queries,
        owner,
        install: config.kernel.install,
        started,
        gate,
        events: kept,
        levels,
    };
    tasks::spawn_control(&side, control, asker);
    say_what_runs(config, adopted, socket);
    let inlets = Inlets {
        paths: core.paths(),
        events: event_inlet,
        queries: query_inlet,
        changes: change_inlet,
        links: link_inlet,
        door: Door {
            settings,
            listening,
        },
        fib: fib_commands,
        fib_task: tasks::spawn_fib(&side, fib, former, fib_command_inlet, fib_query_inlet),
        terminate,
        interrupt,
        _side: side,
        _wire: wire,
    };
    Ok((core, inlets))
}

/// Where the daemon is asked.
fn doors(path: &Path, serve: &ServeOptions) -> Result<Doors, DaemonError> {
    let group = serve.socket_group.as_deref();
    let metrics = serve.metrics_address.map(listen).transpose();
    Ok(Doors {
        socket: socket::bind(path, PROGRAM, group)?,
        metrics: metrics.map_err(DaemonError::Metrics)?,
    })
}

/// SIGTERM, SIGINT, SIGHUP.
fn signals() -> io::Result<(Signal, Signal, Signal)> {
    Ok((
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
        signal(SignalKind::hangup())?,
    ))
}

/// What the speaker is told, with what the runs before have left.
fn home(config: &SpeakerConfig, socket: &Path, adopted: usize, here: &Interfaces) -> (Home, Marks) {
    let marker = Marker::beside(socket)
        .inspect_err(|error| warn!("cannot tell a restart from a first start: {error}"))
        .ok();
    let restarting = adopted > 0 || is_kept_by_peers(config, marker.as_ref());
    let drained = Drained::beside(socket).ok();
    let speaker = convert::speaker(config, restarting, random());
    let home = Home::new(config.node_addresses, speaker, here);
    (home, Marks::new(marker, drained))
}

fn say_what_runs(config: &SpeakerConfig, adopted: usize, socket: &Path) {
    info!(
        asn = %config.asn, router_id = %config.router_id, port = config.listen_port,
        peers = config.peers.len(), adopted, socket = %socket.display(),
        "rcni-bgp {} runs", env!("CARGO_PKG_VERSION"),
    );
}

/// What is there already, and what will come.
async fn look_at_links(
    config: &SpeakerConfig,
    socket: &Path,
) -> io::Result<(FoundLinks, mpsc::Receiver<Links>)> {
    let before = Before::beside(socket).unwrap_or_else(|error| {
        warn!("what accept_ra of links was is known to this run only: {error}");
        Before::default()
    });
    let (interest, looked_for) = watch::channel(Interest {
        peers: link_peers(config),
        ..Interest::default()
    });
    let discovery = Discovery::open(looked_for, before).await?;
    let found = FoundLinks::new(discovery.told().clone(), interest);
    let (links, inlet) = mpsc::channel(tasks::LINKS);
    tasks::spawn_discovery(discovery, links);
    Ok((found, inlet))
}

async fn own_addresses() -> io::Result<(Watcher, Interfaces)> {
    let mut watcher = Watcher::open()?;
    let interfaces = watcher.read().await?;
    Ok((watcher, interfaces))
}

/// What earlier runs have marked their routes with; from now on with these marks, too.
fn former(socket: &Path, owner: Option<Ownership>) -> Option<Former> {
    let former = Former::beside(socket).and_then(|mut former| {
        former.begin(owner)?;
        Ok(former)
    });
    former
        .inspect_err(|error| {
            warn!("another spec.kernel will leave the routes of this one: {error}");
        })
        .ok()
}

/// Whether peers may have what a run before has told: none does without graceful restart, and nobody
/// gains by a wait then.
fn is_kept_by_peers(config: &SpeakerConfig, marker: Option<&Marker>) -> bool {
    config.graceful_restart.restart_secs > 0 && marker.is_some_and(Marker::is_left)
}

/// The kernel's routes, if they are ours to change, and how many an earlier run has left.
async fn open_fib(
    side: &tasks::Side,
    config: &SpeakerConfig,
) -> Result<(Option<Fib>, usize), DaemonError> {
    if !config.kernel.install {
        return Ok((None, 0));
    }
    let opened = side.run(Fib::open(convert::fib(config))).await;
    let (fib, adopted) = opened.map_err(netlink_error)?;
    Ok((Some(fib), adopted))
}

fn netlink_error(error: io::Error) -> DaemonError {
    match error.kind() {
        io::ErrorKind::PermissionDenied => DaemonError::NotPermitted,
        _ => DaemonError::Netlink(error),
    }
}

/// A connection is a file descriptor, and the usual limit of 1,024 is less than a range may have peers.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        debug!(%error, "cannot raise the limit of file descriptors");
    }
}

/// What the transport must know of all peers, in their order.
#[must_use]
pub fn settings(config: &SpeakerConfig) -> Vec<PeerSettings> {
    let secs = |secs: u32| Duration::from_secs(u64::from(secs));
    let settings = |peer: &rcni_config::PeerConfig| {
        let timers = peer.timers;
        PeerSettings {
            name: peer.name.clone(),
            place: place(peer),
            options: options(peer, !peer.is_internal(config.asn)),
            send_hold: secs(timers.send_hold_secs),
            connect_retry: secs(timers.connect_retry_secs.into()),
            security: peer.security.clone(),
            distance: distance(peer, peer.is_internal(config.asn)),
        }
    };
    config.peers.iter().map(settings).collect()
}

/// How far away it is for BFD.
fn distance(peer: &rcni_config::PeerConfig, internal: bool) -> Distance {
    use rcni_config::Ttl::{Default, Multihop, Security};
    match peer.ttl {
        Default if internal => Distance::Either,
        Default | Security(1) => Distance::Link,
        Multihop(_) | Security(_) => Distance::Routers,
    }
}

fn place(peer: &rcni_config::PeerConfig) -> Whence {
    match &peer.remote {
        Remote::Address { address, .. } => Whence::From((*address).into()),
        Remote::Range { network, .. } => Whence::From((*network).into()),
        Remote::Link { links, address, .. } => Whence::Link(LinkPeer {
            name: peer.name.clone(),
            links: links.clone(),
            address: *address,
        }),
    }
}

/// The kernel ends a connection whose peer takes nothing after the same time as one whose peer is
/// gone. The hold timers tell these apart: they come first.
fn options(peer: &rcni_config::PeerConfig, external: bool) -> Options {
    let options = Options::new(peer.ttl, external, peer.timers.hold_time);
    let send_hold = Duration::from_secs(peer.timers.send_hold_secs.into()) + SLACK;
    let user_timeout = options.user_timeout.map(|timeout| timeout.max(send_hold));
    Options {
        user_timeout,
        ..options
    }
}

/// Addresses to listen on that nobody can reach, for now or because they are mistyped.
fn warn_of_absent(config: &SpeakerConfig, interfaces: &Interfaces) {
    for address in &config.bind_addresses {
        if !address.is_loopback() && !interfaces.has(*address) {
            warn!(
                %address,
                "spec.bindAddresses has an address that this node has not: nobody can connect to it \
                 until it comes; `ip -br address` shows what there is"
            );
        }
    }
}

/// Until a signal.
async fn serve(core: &mut Core, inlets: &mut Inlets) -> Result<(), DaemonError> {
    loop {
        let deadline = core.deadline();
        if let Some(deadline) = deadline
            && deadline <= Instant::now()
        {
            catch_up(core, &mut inlets.events, deadline).await;
            core.timed(Core::tick);
            continue;
        }
        // Not biased: a busy peer must not keep questions and timers waiting.
        tokio::select! {
            Some(event) = inlets.events.recv() => core.timed(|core| core.event(event)),
            Some(query) = inlets.queries.recv() => core.timed(|core| core.answer(query)),
            () = inlets.paths.changed() => core.timed(Core::hear_of_paths),
            Some(change) = inlets.changes.recv() => {
                reconfigure(core, &mut inlets.door, change).await;
            }
            Some(links) = inlets.links.recv() => relink(core, &mut inlets.door, links).await,
            Ok(place) = inlets.fib.reserve(), if core.has_fib_command() => {
                core.timed(|core| place.send(core.next_fib_command()));
            }
            () = core.settles() => core.timed(Core::settled),
            () = until(deadline) => {}
            () = std::future::ready(()), if core.has_work() => {
                core.timed(Core::work);
                // Everybody else first, before the next slice.
                tokio::task::yield_now().await;
            }
            ended = &mut inlets.fib_task => return Err(fib_ended(ended)),
            _ = inlets.terminate.recv() => return Ok(()),
            _ = inlets.interrupt.recv() => return Ok(()),
        }
    }
}

/// First what may be refused: then nothing has changed.
async fn reconfigure(core: &mut Core, door: &mut Door, change: Change) {
    let listening = &mut door.listening;
    let Change {
        plan,
        settings,
        answer,
    } = change;
    let known = with_found(&settings, core.links());
    let wanted = Wanted::new(&plan.config, &known);
    let before = listening.addresses().clone();
    let done = listening.change(wanted).await;
    let done = done.map_err(|error| error.to_string());
    if done.is_ok() {
        if listening.addresses() != &before {
            warn_of_absent(&plan.config, core.interfaces());
        }
        door.settings = settings;
        core.timed(|core| core.reconfigure(*plan, known));
    }
    // Nobody asks who does not wait.
    let _ = answer.send(done);
}

/// Who is on links now. Who may connect, first.
async fn relink(core: &mut Core, door: &mut Door, links: Links) {
    // By another configuration; what this one finds comes next.
    if !core.is_current(&links) {
        return;
    }
    let known = with_found(&door.settings, &links);
    if let Err(error) = door.listening.change_peers(&known).await {
        warn!(%error, "neighbours that were found on links cannot connect; they are dialled");
    }
    core.timed(|core| core.relink(links, known));
}

/// Before timers fire. A peer that has spoken is not dead, wherever its words are: who is about to
/// be declared so is read from once more ([`Core::tick`] sees that there is something). After a
/// standstill what the readers have is heard, too.
async fn catch_up(core: &mut Core, events: &mut mpsc::Receiver<Event>, deadline: Instant) {
    if core.is_anybody_expiring() {
        // So many tasks run between two turns of one.
        core.let_read(core.connections() / 32 + 2).await;
    }
    if deadline.elapsed() < LATE {
        return;
    }
    core.let_read(2).await;
    for _ in 0..tasks::EVENTS {
        let Ok(event) = events.try_recv() else {
            return;
        };
        core.timed(|core| core.event(event));
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

fn fib_ended(ended: Result<io::Result<()>, tokio::task::JoinError>) -> DaemonError {
    DaemonError::FibEnded(match ended {
        Ok(Ok(())) => "the task ended by itself".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    })
}
