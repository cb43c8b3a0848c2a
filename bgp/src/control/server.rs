//! The daemon's end of the control socket.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rcni_bgp_proto::speaker::{Order, PeerId, SpeakerStatus};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::error::Elapsed;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::drain::{DrainError, DrainOrder, DrainStatus};
use super::metrics::{self, Exposition};
use super::model::{Listener, Parts, Status};
use super::orders::{self, PeerOrder};
use super::routes::{Found, NoRoutes, Route, RoutesPage, RoutesRequest, Wanted};
use crate::bfd::{ByPeer, Changes};
use crate::discovery::Links;
use crate::fib::{self, FibStatus, Ownership, Prefix};
use crate::jitter::jitter;
use crate::reload::Request;
use crate::reload::report::{Candidate, Report};
use crate::reload::state::State as FileState;
use crate::transport::gate::Gate;

/// Requests that are served at one time.
const CLIENTS: usize = 16;
/// For a whole request with its answer.
const REQUEST: Duration = Duration::from_secs(10);
/// For the request's head.
const HEADER: Duration = Duration::from_secs(2);
/// For core and fib task together; the kernel's own deadline is 5 s.
const ANSWER: Duration = Duration::from_secs(6);
/// Routes in a page; a part more where one ends it.
const PAGE: usize = 4096;
/// A page that few routes are found for ends after so long.
const PAGE_TIME: Duration = Duration::from_millis(500);
/// Of a candidate in JSON: more than twice what a file may have.
const CANDIDATE_BYTES: usize = 16 * 1024 * 1024;
/// After a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Somebody answers there.
    #[error(
        "another rcni-bgp answers on {0}: stop that one first, or give this one its own --socket"
    )]
    Live(PathBuf),
    /// A file, a folder, … is there.
    #[error("{0} exists and is not a socket: remove it, or use another --socket")]
    NotASocket(PathBuf),
    /// Permissions, a read-only file system, a path that is too long, …
    #[error(
        "cannot make the control socket {path}: {source}; give a path in a writable folder \
         with --socket"
    )]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A bound socket; its file goes when this is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    file: SocketFile,
}

#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Device and inode: by the end, another daemon's socket may be at the path.
    identity: Option<(u64, u64)>,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let data = std::fs::symlink_metadata(path).ok()?;
    Some((data.dev(), data.ino()))
}

/// Binds `path` with mode 0600. A socket that nobody answers on is replaced, in one step.
///
/// # Errors
/// [`SocketError`].
pub fn bind(path: &Path) -> Result<ControlSocket, SocketError> {
    let failed = |source| SocketError::Io {
        path: path.to_owned(),
        source,
    };
    if let Ok(data) = std::fs::symlink_metadata(path) {
        if !data.file_type().is_socket() {
            return Err(SocketError::NotASocket(path.to_owned()));
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(SocketError::Live(path.to_owned()));
        }
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    // Under a name of its own first: the path always shows a socket that answers, or none.
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}", std::process::id()));
    let fresh = PathBuf::from(fresh);
    let _ = std::fs::remove_file(&fresh);
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(&fresh);
    rustix::process::umask(before);
    let listener = listener.map_err(failed)?;
    if let Err(source) = std::fs::rename(&fresh, path) {
        let _ = std::fs::remove_file(&fresh);
        return Err(failed(source));
    }
    let file = SocketFile {
        path: path.to_owned(),
        identity: identity(path),
    };
    Ok(ControlSocket { listener, file })
}

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
}

impl Asker {
    async fn status(&self) -> Option<Status> {
        let fib = self.fib_status().await?;
        let core = self.core_answer(fib.unsettled.clone()).await?;
        let bfd = self.bfd.report().await;
        let parts = Parts {
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
        };
        Some(Status::new(parts, Instant::now()))
    }

    async fn order(&self, request: PeerOrder) -> Option<Result<String, Vec<String>>> {
        let (answer, done) = oneshot::channel();
        let query = CoreQuery::Order {
            peer: request.peer,
            order: request.order.with(request.message),
            answer,
        };
        self.core.send(query).await.ok()?;
        done.await.ok()
    }

    async fn drain(&self, order: DrainOrder) -> Option<Result<DrainStatus, DrainError>> {
        let (answer, done) = oneshot::channel();
        let query = CoreQuery::Drain { order, answer };
        self.core.send(query).await.ok()?;
        done.await.ok()
    }

    /// As many parts as make a page.
    async fn routes(
        &self,
        (wanted, mut after): (Wanted, Option<Prefix>),
        peer: Option<String>,
        to: Option<String>,
    ) -> Option<Result<RoutesPage, NoRoutes>> {
        let mut routes: Vec<Route> = Vec::new();
        let begun = Instant::now();
        loop {
            let (answer, part) = oneshot::channel();
            let query = CoreQuery::Routes(RoutesQuery {
                wanted,
                after,
                peer: peer.clone(),
                to: to.clone(),
                answer,
            });
            self.core.send(query).await.ok()?;
            let (found, next) = match part.await.ok()? {
                Ok(part) => part,
                Err(none) => return Some(Err(none)),
            };
            routes.extend(found.into_iter().map(Route::from));
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

    async fn reload(
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

    async fn numbers(&self) -> Option<Exposition> {
        let fib = self.fib_status().await?;
        let core = self.core_answer(Vec::new()).await?;
        let mut out = Exposition::default();
        metrics::kernel(&mut out, self.install, &fib);
        metrics::bfd(&mut out, &self.bfd.report().await);
        metrics::links(&mut out, &core.links);
        Some(out)
    }

    async fn fib_status(&self) -> Option<FibStatus> {
        let (query, answer) = oneshot::channel();
        self.fib.send(query).await.ok()?;
        answer.await.ok()
    }
}

/// Serves until the daemon ends.
pub async fn serve(socket: ControlSocket, asker: Asker) {
    let ControlSocket {
        listener,
        file: _file,
    } = socket;
    let router = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/metrics", get(metrics))
        .route("/v1/routes", get(routes))
        .route("/v1/peer", post(peer))
        .route("/v1/drain", post(drain))
        .route("/v1/reload", post(reload))
        .route("/v1/compare", post(compare))
        .layer(DefaultBodyLimit::max(CANDIDATE_BYTES))
        .with_state(Arc::new(asker));
    let places = Arc::new(Semaphore::new(CLIENTS));
    loop {
        // Closed only with the daemon.
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => crate::tasks::spawn_client(client(stream, router.clone(), place)),
            Err(error) => {
                warn!(%error, "cannot accept on the control socket");
                sleep(jitter(ACCEPT_PAUSE)).await;
            }
        }
    }
}

async fn client(stream: UnixStream, router: Router, _place: OwnedSemaphorePermit) {
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    match timeout(REQUEST, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "control request failed"),
        Err(_) => debug!("control request took too long"),
    }
}

async fn status(State(asker): State<Arc<Asker>>) -> Response {
    match timeout(ANSWER, asker.status()).await {
        Ok(Some(status)) => Json(status).into_response(),
        Ok(None) => (StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping\n").into_response(),
        Err(_) => {
            let text = "the daemon is busy: no answer within 6 s\n";
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

async fn metrics(State(asker): State<Arc<Asker>>) -> Response {
    match timeout(ANSWER, asker.numbers()).await {
        Ok(Some(out)) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], out.into_text()).into_response(),
        Ok(None) => (StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping\n").into_response(),
        Err(_) => {
            let text = "the daemon is busy: no answer within 6 s\n";
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

async fn routes(State(asker): State<Arc<Asker>>, Query(request): Query<RoutesRequest>) -> Response {
    let wanted = match request.check() {
        Ok(wanted) => wanted,
        Err(text) => return (StatusCode::BAD_REQUEST, text).into_response(),
    };
    match timeout(ANSWER, asker.routes(wanted, request.peer, request.to)).await {
        Ok(Some(Ok(page))) => Json(page).into_response(),
        Ok(Some(Err(NoRoutes::NoPeer(name, names)))) => {
            let text = orders::no_such_peer(&name, &names);
            (StatusCode::NOT_FOUND, text).into_response()
        }
        Ok(Some(Err(NoRoutes::NoSession(name)))) => {
            let name = crate::text::escape(&name);
            let text = format!("{name} has no session: it is told nothing\n");
            (StatusCode::CONFLICT, text).into_response()
        }
        Ok(None) => (StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping\n").into_response(),
        Err(_) => {
            let text = "the daemon is busy: no answer within 6 s\n";
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

async fn reload(State(asker): State<Arc<Asker>>) -> Response {
    outcome(timeout(ANSWER, asker.reload(|answer| Request::Reload { answer })).await)
}

async fn compare(
    State(asker): State<Arc<Asker>>,
    Json(Candidate { name, text }): Json<Candidate>,
) -> Response {
    let request = |answer| Request::Compare { name, text, answer };
    outcome(timeout(ANSWER, asker.reload(request)).await)
}

fn outcome(outcome: Result<Option<Result<Report, String>>, Elapsed>) -> Response {
    match outcome {
        Ok(Some(Ok(report))) => Json(report).into_response(),
        Ok(Some(Err(text))) => (StatusCode::BAD_REQUEST, text).into_response(),
        Ok(None) => (StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping\n").into_response(),
        Err(_) => {
            let text = "the daemon is busy: no answer within 6 s\n";
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

async fn peer(State(asker): State<Arc<Asker>>, Json(request): Json<PeerOrder>) -> Response {
    if let Err(text) = request.check() {
        return (StatusCode::BAD_REQUEST, text).into_response();
    }
    let name = request.peer.clone();
    match timeout(ANSWER, asker.order(request)).await {
        Ok(Some(Ok(done))) => done.into_response(),
        Ok(Some(Err(names))) => {
            let text = orders::no_such_peer(&name, &names);
            (StatusCode::NOT_FOUND, text).into_response()
        }
        Ok(None) => (StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping\n").into_response(),
        Err(_) => {
            let text = "the daemon is busy: no answer within 6 s\n";
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

async fn drain(State(asker): State<Arc<Asker>>, Json(order): Json<DrainOrder>) -> Response {
    if let Err(text) = order.check() {
        return (StatusCode::BAD_REQUEST, text).into_response();
    }
    match timeout(ANSWER, asker.drain(order)).await {
        Ok(Some(Ok(status))) => Json(status).into_response(),
        Ok(Some(Err(error))) => (StatusCode::CONFLICT, format!("{error}\n")).into_response(),
        Ok(None) => (StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping\n").into_response(),
        Err(_) => {
            let text = "the daemon is busy: no answer within 6 s\n";
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("bgp.sock");
        let first = bind(&path).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let text = bind(&path).unwrap_err().to_string();
        assert!(text.contains("another rcni-bgp answers"), "{text}");

        // As after SIGKILL: the file stays, nobody listens.
        let ControlSocket { listener, file } = first;
        drop(listener);
        assert!(path.exists());
        let second = bind(&path).unwrap();
        // The first one's end must not take the second one's file.
        drop(file);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_is_not_a_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(bind(&path), Err(SocketError::NotASocket(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        let text = bind(&path.join("below")).unwrap_err().to_string();
        assert!(text.contains("--socket"), "{text}");
    }
}
