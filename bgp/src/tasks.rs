//! Every task of the daemon is spawned here. Three threads run them: the main one has the core and
//! nothing that takes long, so that keepalives are on time; the wire has the connections; the side has
//! kernel routes and answers to people.
//!
//! ```text
//!                        accept (one per listening socket)
//!   addresses (one) -------+
//!   dial (one per attempt) |        connection (one per TCP connection: reader + writer)
//!             |            |            |    ^
//!             | Dialled    | Accepted   |    | Bytes, 32 per connection; Room when it was full
//!             |            |            | Received, Room, Closed
//!             v            v            v    |
//!          [ transport::Event, 32 ]--------> core (owns the Speaker; runs in main's own future)
//!                                               |  ^           |
//!      signals: SIGTERM, SIGINT ----------------|->+           | fib::Command, 2 chunks;
//!                                               |              | before that a map that keeps
//!   discovery (one) -- discovery::Links, 1 -----+              |
//!      ^  [ Seen, 16 ] from links (one each)     |              |
//!      +-- Interest, the last one only ----------+              |
//!   reload (one) -- reload::Change, 1 ----------+              | only the last word per prefix
//!      ^  file, SIGHUP                          |              |
//!      +-- reload::Request, 16 --+              |              |
//!   control (one) --> client (16 at most)       |              |
//!                       | CoreQuery, 16 --------+              v
//!                       | fib Query, 16 ------------------->  fib (owns kernel routes)
//!                                                              ^
//!                                        kernel notifications -+
//! ```
//!
//! Beside them, from the first peer that is watched on: bfd, whose wishes and news are each a map that keeps
//! the last word per session, and which waits for nobody. It goes before all others.
//!
//! On the wire: connection. On the side: fib, control, client, reload; and a thread more that makes
//! large writes to the kernel, and one that writes the log. Nobody waits for the core in a circle: the core itself never waits for a queue but in its one
//! `select!`. If the fib task ends, the daemon ends.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rcni_bgp_proto::speaker::ConnId;
use rcni_control::server::{serve, serve_tcp};
use rcni_control::socket::ControlSocket;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::Signal;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use crate::control::asker::Asker;
use crate::control::server::{public, router};
use crate::discovery::Links;
use crate::discovery::link::Watched;
use crate::discovery::task::Discovery;
use crate::fib::former::Former;
use crate::fib::netlink::Job;
use crate::fib::task::{Command, Fib, Query, run_without_kernel};
use crate::reload::{Reloader, Request};
use crate::transport::connection::{self, Handle};
use crate::transport::dialler::{Dial, dial};
use crate::transport::gate::{Evicted, Gate, Seat};
use crate::transport::interfaces::{Interfaces, Watcher};
use crate::transport::socket::close_cause;
use crate::transport::{Event, listener};

/// Name of BFD's thread.
pub const BFD: &str = "rcni-bgp-bfd";
/// Name of the connections' thread.
pub const WIRE: &str = "rcni-bgp-wire";
/// Events of all connections that wait for the core.
pub const EVENTS: usize = 32;
/// Chunks of route changes that wait for the fib task. What waits before them does so in half the room, and is
/// only the last word per prefix.
pub const FIB_COMMANDS: usize = 2;
/// Questions that wait.
pub const QUERIES: usize = 16;
/// News about neighbours of links that wait: what comes meanwhile is joined.
pub const LINKS: usize = 1;

/// One per listening socket; the gate is one for all. Aborting it leaves the socket to its other owner.
#[must_use]
pub fn spawn_accept(
    listener: Arc<TcpListener>,
    gate: Arc<Gate>,
    events: mpsc::Sender<Event>,
) -> JoinHandle<()> {
    tokio::spawn(listener::accept(listener, gate, events))
}

/// The configuration's file, read on threads of its own.
pub fn spawn_reload(
    side: &Side,
    reloader: Reloader,
    requests: mpsc::Receiver<Request>,
    hangup: Signal,
) {
    side.tasks.spawn(reloader.run(requests, hangup));
}

/// The neighbours of links.
pub fn spawn_discovery(discovery: Discovery, out: mpsc::Sender<Links>) {
    tokio::spawn(discovery.run(out));
}

/// One link; aborting it closes its socket.
#[must_use]
pub fn spawn_link(link: Watched) -> AbortHandle {
    tokio::spawn(link.run()).abort_handle()
}

/// The own addresses; `known` is what the core starts with.
pub fn spawn_addresses(watcher: Watcher, known: Interfaces, events: mpsc::Sender<Event>) {
    tokio::spawn(watcher.run(known, events));
}

/// One attempt to connect; aborting it closes the socket.
#[must_use]
pub fn spawn_dial(conn: ConnId, attempt: Dial, events: mpsc::Sender<Event>) -> AbortHandle {
    let task = async move {
        let result = dial(attempt).await;
        // The core is gone: so is the wish.
        let _ = events.send(Event::Dialled { conn, result }).await;
    };
    tokio::spawn(task).abort_handle()
}

/// The connections' tasks, which run on a thread of their own: what the kernel does for a socket, it
/// does on the time of whoever asks.
pub struct Wire {
    tasks: tokio::runtime::Handle,
    running: JoinSet<()>,
}

impl Wire {
    /// No connections yet, on this thread.
    #[must_use]
    pub fn on(thread: &Side) -> Self {
        Self {
            tasks: thread.tasks.clone(),
            running: JoinSet::new(),
        }
    }

    /// One connection; `place` is given back when it ends.
    #[must_use]
    pub fn spawn(
        &mut self,
        conn: ConnId,
        stream: TcpStream,
        place: Option<(Seat, Evicted)>,
        events: mpsc::Sender<Event>,
        send_hold: Duration,
    ) -> Handle {
        let (handle, tail) = connection::pair();
        // It was made here; there it is waited for.
        let stream = stream.into_std();
        let task = async move {
            let stream = match stream.and_then(TcpStream::from_std) {
                Ok(stream) => stream,
                Err(error) => {
                    let cause = close_cause(&error);
                    let _ = events.send(Event::Closed { conn, cause }).await;
                    return;
                }
            };
            let (seat, evicted) = place.unzip();
            let evicted = async {
                match evicted {
                    Some(evicted) => evicted.wait().await,
                    None => std::future::pending().await,
                }
            };
            connection::run(conn, stream, tail, events, send_hold, evicted).await;
            drop(seat);
        };
        self.running.spawn_on(task, &self.tasks);
        handle
    }

    /// Those that ended are forgotten.
    pub fn tidy(&mut self) {
        while self.running.try_join_next().is_some() {}
    }

    /// Until all have said their last words.
    pub async fn ended(&mut self) {
        while self.running.join_next().await.is_some() {}
    }

    /// So many times everybody there has had a turn, with what the sockets had.
    pub async fn turns(&self, count: usize) {
        let turns = self.tasks.spawn(async move {
            for _ in 0..count {
                tokio::task::yield_now().await;
            }
        });
        // It fails only if the thread ends, and the daemon with it.
        let _ = turns.await;
    }
}

/// For its tasks at the end.
const SIDE_ENDS: Duration = Duration::from_secs(1);

/// A thread beside the main one.
pub struct Side {
    tasks: tokio::runtime::Handle,
    /// It ends with this.
    alive: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Side {
    /// What its tasks own (the control socket's file) is gone when the process ends.
    fn drop(&mut self) {
        drop(self.alive.take());
        if let Some(thread) = self.thread.take() {
            // It has panicked: then that was told already.
            let _ = thread.join();
        }
    }
}

impl Side {
    /// Starts it, in the caller's namespaces; the name has 15 octets at most.
    ///
    /// # Errors
    /// No thread, or no epoll.
    pub fn start(name: &str) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let tasks = runtime.handle().clone();
        let (alive, gone) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // Never said, only dropped.
                let _ = runtime.block_on(gone);
                // A write that the kernel is at is finished by the kernel.
                runtime.shutdown_timeout(SIDE_ENDS);
            })?;
        Ok(Self {
            tasks,
            alive: Some(alive),
            thread: Some(thread),
        })
    }

    /// Makes sockets that are to be used there.
    pub fn within<T>(&self, make: impl FnOnce() -> T) -> T {
        let _within = self.tasks.enter();
        make()
    }

    /// Does something there.
    ///
    /// # Errors
    /// Its own.
    pub async fn run<T: Send + 'static>(
        &self,
        what: impl Future<Output = io::Result<T>> + Send + 'static,
    ) -> io::Result<T> {
        self.tasks.spawn(what).await?
    }
}

/// Nine times the share of a thread that asks for nothing.
const SENDER_NICE: i32 = -10;

/// The thread that writes routes, until the other end is gone.
///
/// # Errors
/// No thread to be had.
pub(crate) fn spawn_sender() -> io::Result<std::sync::mpsc::Sender<Job>> {
    let (jobs, next) = std::sync::mpsc::channel::<Job>();
    std::thread::Builder::new()
        .name("rcni-bgp-send".to_owned())
        .spawn(move || {
            // It only works in the kernel: where cores are few, what is written counts for more than what
            // is learned meanwhile, and two cores are then enough for both. Who may not ask for it goes without.
            let _ = rustix::process::setpriority_process(None, SENDER_NICE);
            while let Ok(job) = next.recv() {
                job.work();
            }
        })?;
    Ok(jobs)
}

/// The ways to peers, in the caller's namespaces. A few packets a second and session, each of them in time:
/// who may not ask for the priority goes without.
///
/// # Errors
/// No thread.
pub fn spawn_bfd(work: impl FnOnce() + Send + 'static) -> io::Result<std::thread::JoinHandle<()>> {
    let thread = std::thread::Builder::new().name(BFD.to_owned());
    thread.spawn(move || {
        let _ = rustix::process::setpriority_process(None, -15);
        work();
    })
}

/// The owner of kernel routes; `None`: routes are not installed. `former`: marks of earlier runs, whose
/// routes go.
#[must_use]
pub fn spawn_fib(
    side: &Side,
    fib: Option<Fib>,
    former: Option<Former>,
    commands: mpsc::Receiver<Command>,
    queries: mpsc::Receiver<Query>,
) -> JoinHandle<io::Result<()>> {
    match fib {
        Some(fib) => side.tasks.spawn(fib.after(former).run(commands, queries)),
        None => side
            .tasks
            .spawn(run_without_kernel(former, commands, queries)),
    }
}

/// Where the daemon is asked.
#[derive(Debug)]
pub struct Doors {
    /// All that can be asked and ordered.
    pub socket: ControlSocket,
    /// Numbers and readiness, over TCP.
    pub metrics: Option<TcpListener>,
}

/// What is answered there.
pub fn spawn_control(side: &Side, doors: Doors, asker: Asker) {
    let asker = Arc::new(asker);
    if let Some(listener) = doors.metrics {
        side.tasks.spawn(serve_tcp(listener, public(asker.clone())));
    }
    side.tasks.spawn(serve(doors.socket, router(asker)));
}
