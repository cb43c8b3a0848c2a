//! The daemon's end of the control socket.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::error::Elapsed;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::asker::Asker;
use super::drain::DrainOrder;
use super::metrics;
use super::orders::{self, PeerOrder};
use super::routes::{NoRoutes, RoutesRequest};
use super::socket::ControlSocket;
use crate::jitter::jitter;
use crate::reload::Request;
use crate::reload::report::{Candidate, Report};

/// Requests that are served at one time.
const CLIENTS: usize = 16;
/// For a whole request with its answer.
const REQUEST: Duration = Duration::from_secs(10);
/// For the request's head.
const HEADER: Duration = Duration::from_secs(2);
/// For core and fib task together; the kernel's own deadline is 5 s.
const ANSWER: Duration = Duration::from_secs(6);
/// Of a candidate in JSON: more than twice what a file may have.
const CANDIDATE_BYTES: usize = 16 * 1024 * 1024;
/// After a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

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
