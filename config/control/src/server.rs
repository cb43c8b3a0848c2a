//! The daemon's end: the control socket, and a TCP address for those who measure.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::jitter::jitter;
use crate::socket::ControlSocket;

/// Requests that are served at one time, of each listener.
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
                tokio::spawn(client(TokioIo::new(stream), router.clone(), place));
            }
            Err(error) => {
                warn!(%error, "cannot accept on the control socket");
                sleep(jitter(ACCEPT_PAUSE)).await;
            }
        }
    }
}

/// The same on a TCP address, where everybody may ask who reaches it: the router must tell no secrets, and
/// change nothing.
pub async fn serve_tcp(listener: TcpListener, router: Router) {
    let router = router.layer(DefaultBodyLimit::max(0));
    let places = Arc::new(Semaphore::new(CLIENTS));
    // As above.
    while let Ok(place) = places.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(client(TokioIo::new(stream), router.clone(), place));
            }
            Err(error) => {
                warn!(%error, "cannot accept on the metrics address");
                sleep(jitter(ACCEPT_PAUSE)).await;
            }
        }
    }
}

/// Listens on `address`. Must be called within a runtime.
///
/// # Errors
/// A sentence that names the address and what to do.
pub fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    let bound = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    });
    bound.map_err(|error| {
        format!(
            "cannot listen on --metrics-address {address}: {error}; give it a free port, and an address \
             that this node has"
        )
    })
}

async fn client<S>(stream: TokioIo<S>, router: Router, _place: OwnedSemaphorePermit)
where
    TokioIo<S>: Read + Write + Unpin + Send + 'static,
{
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .keep_alive(false)
        .serve_connection(stream, TowerToHyperService::new(router));
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
