//! What the server asks core, fib task, BFD and reloader, and puts together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcni_bgp_proto::speaker::{Order, PeerId, SpeakerStatus};
use rcni_control::events::Events;
use rcni_control::health::Check;
use rcni_control::log::Levels;
use tokio::sync::{mpsc, oneshot};

use super::drain::{DrainError, DrainOrder, DrainStatus};
use super::metrics::{self, Exposition};
use super::model::{Listener, Parts, Status};
use super::orders::PeerOrder;
use super::ready;
use super::routes::{Found, NoRoutes, Route, RoutesPage, RoutesRequest, Wanted};
use crate::bfd::{ByPeer, Changes};
use crate::discovery::Links;
use crate::fib::{self, FibStatus, Ownership, Prefix};
use crate::reload::Request;
use crate::reload::report::Report;
use crate::reload::state::State as FileState;
use crate::transport::gate::Gate;

/// Routes in a page; a part more where one ends it.
const PAGE: usize = 4096;
/// A page that few routes are found for ends after so long.
const PAGE_TIME: Duration = Duration::from_millis(500);

/// A question to the core, or an order.
#[derive(Debug)]
pub enum CoreQuery {
    /// About sessions.
    Status(StatusQuery),
    /// To take the node out of use, or into use again.
    Drain {
        /// What.
        order: DrainOrder,
        /// How far it is now.
        answer: oneshot::Sender<Result<DrainStatus, DrainError>>,
    },
    /// About routes.
    Routes(RoutesQuery),
    /// To one peer.
    Order {
        /// Its name.
        peer: String,
        /// What.
        order: Order,
        /// What has been done, or the names that there are.
        answer: oneshot::Sender<Result<String, Vec<String>>>,
    },
}

/// About sessions.
#[derive(Debug)]
pub struct StatusQuery {
    /// Wanted prefixes that are not in the kernel, as the fib task says.
    pub unsettled: Vec<Prefix>,
    /// Where the answer goes.
    pub answer: oneshot::Sender<CoreAnswer>,
}

/// About routes: a part of them.
#[derive(Debug)]
pub struct RoutesQuery {
    /// Which prefixes.
    pub wanted: Wanted,
    /// After this one.
    pub after: Option<Prefix>,
    /// Only of the peer with this name.
    pub peer: Option<String>,
    /// What this one is told of them.
    pub to: Option<String>,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Result<Part, NoRoutes>>,
}

/// A part of the routes: paths, and what the next part comes after, if there is one.
pub type Part = (Vec<Found>, Option<Prefix>);

/// The core's answer.
#[derive(Debug)]
pub struct CoreAnswer {
    /// The speaker's own snapshot.
    pub speaker: SpeakerStatus,
    /// Per peer, how many of its best routes are among the unsettled: IPv4, IPv6.
    pub not_installed: Vec<[usize; 2]>,
    /// Per peer, why it may be down.
    pub hints: BTreeMap<PeerId, String>,
    /// The longest time that the core was busy with one thing.
    pub slowest: Duration,
    /// Why somebody out of a range may not become a peer.
    pub range_hints: Vec<String>,
    /// Whether the node is in use.
    pub drain: DrainStatus,
    /// Which peer has which session of BFD.
    pub watched: ByPeer,
    /// What is known of links.
    pub links: Links,
}

/// Whom to ask, and what never changes.
#[derive(Clone, Debug)]
pub struct Asker {
    /// The core's queue.
    pub core: mpsc::Sender<CoreQuery>,
    /// The fib task's queue.
    pub fib: mpsc::Sender<fib::task::Query>,
    /// Configured.
    pub owner: Ownership,
    /// Configured.
    pub install: bool,
    /// When the daemon started.
    pub started: Instant,
    /// Who may connect, and who was turned away.
    pub gate: Arc<Gate>,
    /// BFD's thread.
    pub bfd: Changes,
    /// The reloader's queue.
    pub reload: mpsc::Sender<Request>,
    /// What it says of the file.
    pub configuration: Arc<FileState>,
    /// What has happened.
    pub events: Events,
    /// What is logged.
    pub levels: Levels,
}

impl Asker {
    pub(super) async fn status(&self) -> Option<Status> {
        Some(Status::new(self.parts().await?, Instant::now()))
    }

    async fn parts(&self) -> Option<Parts> {
        let fib = self.fib_status().await?;
        let core = self.core_answer(fib.unsettled.clone()).await?;
        let bfd = self.bfd.report().await;
        Some(Parts {
            bfd,
            watched: core.watched,
            drain: core.drain,
            links: core.links,
            speaker: core.speaker,
            not_installed: core.not_installed,
            hints: core.hints,
            slowest: core.slowest,
            fib,
            owner: self.owner,
            install: self.install,
            started: self.started,
            listener: Listener::new(self.gate.counts(), core.range_hints),
            configuration: self.configuration.status(Instant::now()),
        })
    }

    pub(super) async fn order(&self, request: PeerOrder) -> Option<Result<String, Vec<String>>> {
        let (answer, done) = oneshot::channel();
        let query = CoreQuery::Order {
            peer: request.peer,
            order: request.order.with(request.message),
            answer,
        };
        self.core.send(query).await.ok()?;
        done.await.ok()
    }

    pub(super) async fn drain(&self, order: DrainOrder) -> Option<Result<DrainStatus, DrainError>> {
        let (answer, done) = oneshot::channel();
        let query = CoreQuery::Drain { order, answer };
        self.core.send(query).await.ok()?;
        done.await.ok()
    }

    /// As many parts as make a page.
    pub(super) async fn routes(
        &self,
        (wanted, mut after): (Wanted, Option<Prefix>),
        request: &RoutesRequest,
    ) -> Option<Result<RoutesPage, NoRoutes>> {
        let mut routes: Vec<Route> = Vec::new();
        let begun = Instant::now();
        loop {
            let (answer, part) = oneshot::channel();
            let query = CoreQuery::Routes(RoutesQuery {
                wanted,
                after,
                peer: request.peer.clone(),
                to: request.to.clone(),
                answer,
            });
            self.core.send(query).await.ok()?;
            let (found, next) = match part.await.ok()? {
                Ok(part) => part,
                Err(none) => return Some(Err(none)),
            };
            let found = found.into_iter().map(Route::from);
            routes.extend(found.filter(|route| request.wants(route)));
            after = next;
            if after.is_none() || routes.len() >= PAGE || begun.elapsed() >= PAGE_TIME {
                return Some(Ok(RoutesPage {
                    version: super::routes::VERSION,
                    routes,
                    next: after.map(|prefix| prefix.to_string()),
                }));
            }
        }
    }

    pub(super) async fn reload(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<Report, String>>) -> Request,
    ) -> Option<Result<Report, String>> {
        let (answer, done) = oneshot::channel();
        self.reload.send(request(answer)).await.ok()?;
        done.await.ok()
    }

    async fn core_answer(&self, unsettled: Vec<Prefix>) -> Option<CoreAnswer> {
        let (answer, core) = oneshot::channel();
        let query = CoreQuery::Status(StatusQuery { unsettled, answer });
        self.core.send(query).await.ok()?;
        core.await.ok()
    }

    pub(super) async fn numbers(&self) -> Option<Exposition> {
        let parts = self.parts().await?;
        let mut out = Exposition::default();
        metrics::kernel(&mut out, self.install, &parts.fib);
        metrics::bfd(&mut out, &parts.bfd);
        metrics::links(&mut out, &parts.links);
        metrics::sessions(&mut out, &Status::new(parts, Instant::now()));
        Some(out)
    }

    /// What must be as it should for the node to be used.
    pub(super) async fn checks(&self) -> Option<Vec<Check>> {
        Some(ready::checks(&self.status().await?))
    }

    async fn fib_status(&self) -> Option<FibStatus> {
        let (query, answer) = oneshot::channel();
        self.fib.send(query).await.ok()?;
        answer.await.ok()
    }
}
