//! The daemon's end of the control socket.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::jitter::jitter;
use crate::socket::ControlSocket;

/// Requests that are served at one time.
const CLIENTS: usize = 16;
/// For a whole request with its answer.
const REQUEST: Duration = Duration::from_secs(10);
/// For the request's head.
const HEADER: Duration = Duration::from_secs(2);
/// For what the daemon's parts have to say; the kernel's own deadline is 5 s.
pub const ANSWER: Duration = Duration::from_secs(6);
/// Of a request's body, unless a route says otherwise.
const BODY_BYTES: usize = 64 * 1024;
/// After a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves `router` on the control socket until the daemon ends. A body has 64 KiB at most, unless a route
/// of the router has a limit of its own.
pub async fn serve(socket: ControlSocket, router: Router) {
    let ControlSocket {
        listener,
        file: _file,
    } = socket;
    let router = router.layer(DefaultBodyLimit::max(BODY_BYTES));
    let places = Arc::new(Semaphore::new(CLIENTS));
    // Closed only with the daemon.
    while let Ok(place) = places.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(client(stream, router.clone(), place));
            }
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

/// What the daemon's parts say within [`ANSWER`]; else the answer for whoever asked: the daemon stops, or
/// is busy.
///
/// # Errors
/// The answer instead, 503.
pub async fn within<T>(answer: impl Future<Output = Option<T>>) -> Result<T, Response> {
    let text = match timeout(ANSWER, answer).await {
        Ok(Some(answer)) => return Ok(answer),
        Ok(None) => "the daemon is stopping\n",
        Err(_) => "the daemon is busy: no answer within 6 s\n",
    };
    Err((StatusCode::SERVICE_UNAVAILABLE, text).into_response())
}
