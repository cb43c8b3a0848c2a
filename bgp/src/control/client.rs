//! The command line's end of the control socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::http::request::Builder;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::drain::{DrainOrder, DrainStatus};
use super::model::Status;
use super::orders::PeerOrder;
use super::routes::{RoutesPage, RoutesRequest};
use crate::reload::report::{Candidate, Report};

/// For the whole question; longer than the daemon's own deadline.
const PATIENCE: Duration = Duration::from_secs(8);
/// The longest answer that is read, bytes.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Why there is no answer. Each names the socket and what to do.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No such file.
    #[error(
        "the daemon is not running: there is no socket {0}; start it with \
         `rcni-bgp run --config FILE --socket {0}`, or name its socket with --socket"
    )]
    Absent(PathBuf),
    /// The file is there, nobody listens.
    #[error(
        "the daemon is not running: nobody answers on {0}; its log says why it ended, \
         `rcni-bgp run --config FILE --socket {0}` starts it again"
    )]
    Dead(PathBuf),
    /// EACCES.
    #[error("not allowed to open {0}: ask as root")]
    Forbidden(PathBuf),
    /// Nothing came in time.
    #[error("the daemon does not answer on {0} within 8 s; see its log")]
    Silent(PathBuf),
    /// The order cannot be carried out; the daemon says why.
    #[error("{0}")]
    Rejected(String),
    /// An answer that is no status.
    #[error("rcni-bgp on {path} answered {status}: {text}")]
    Refused {
        /// Which socket.
        path: PathBuf,
        /// HTTP.
        status: StatusCode,
        /// The answer's body.
        text: String,
    },
    /// The answer cannot be understood.
    #[error("the answer on {path} is not one of this version of rcni-bgp: {source}")]
    Foreign {
        /// Which socket.
        path: PathBuf,
        /// Where it goes wrong.
        source: serde_json::Error,
    },
    /// Anything else.
    #[error("cannot ask rcni-bgp on {path}: {text}")]
    Other {
        /// Which socket.
        path: PathBuf,
        /// What went wrong.
        text: String,
    },
}

/// Asks for the status; also returns the answer's text as it came.
///
/// # Errors
/// [`AskError`].
pub async fn status(path: &Path) -> Result<(Status, Bytes), AskError> {
    let request = Request::get("/v1/status");
    let body = ask(path, request, Bytes::new()).await?;
    match serde_json::from_slice(&body) {
        Ok(status) => Ok((status, body)),
        Err(source) => Err(AskError::Foreign {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Asks for the metrics, as Prometheus reads them.
///
/// # Errors
/// [`AskError`].
pub async fn metrics(path: &Path) -> Result<Bytes, AskError> {
    ask(path, Request::get("/v1/metrics"), Bytes::new()).await
}

/// Asks for a page of routes.
///
/// # Errors
/// [`AskError`]; [`AskError::Rejected`] if there is no such peer.
pub async fn routes(path: &Path, request: &RoutesRequest) -> Result<RoutesPage, AskError> {
    // A query that cannot be made would be a mistake of ours: the whole table is asked for then.
    let query = serde_urlencoded::to_string(request).unwrap_or_default();
    let request = Request::get(format!("/v1/routes?{query}"));
    let body = ask(path, request, Bytes::new()).await?;
    serde_json::from_slice(&body).map_err(|source| AskError::Foreign {
        path: path.to_owned(),
        source,
    })
}

/// Gives an order; what the daemon says to it.
///
/// # Errors
/// [`AskError`]; [`AskError::Rejected`] if there is no such peer, or the message is too long.
pub async fn order(path: &Path, order: &PeerOrder) -> Result<String, AskError> {
    // Strings always fit.
    let body = serde_json::to_vec(order).unwrap_or_default();
    let request = Request::post("/v1/peer").header(hyper::header::CONTENT_TYPE, "application/json");
    let said = ask(path, request, body.into()).await?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// Takes the node out of use, or into use again; how far it is then.
///
/// # Errors
/// [`AskError`]; [`AskError::Rejected`] if it cannot be done.
pub async fn drain(path: &Path, order: &DrainOrder) -> Result<DrainStatus, AskError> {
    // Strings always fit.
    let body = serde_json::to_vec(order).unwrap_or_default();
    let request =
        Request::post("/v1/drain").header(hyper::header::CONTENT_TYPE, "application/json");
    let said = ask(path, request, body.into()).await?;
    serde_json::from_slice(&said).map_err(|source| AskError::Foreign {
        path: path.to_owned(),
        source,
    })
}

/// Has the file read again; what came of it, also as it came.
///
/// # Errors
/// [`AskError`]; [`AskError::Rejected`] with all errors of a file that is refused.
pub async fn reload(path: &Path) -> Result<(Report, Bytes), AskError> {
    report(path, Request::post("/v1/reload"), Bytes::new()).await
}

/// What a candidate would change.
///
/// # Errors
/// Like [`reload`].
pub async fn compare(path: &Path, candidate: &Candidate) -> Result<(Report, Bytes), AskError> {
    // Strings always fit.
    let body = serde_json::to_vec(candidate).unwrap_or_default();
    let request =
        Request::post("/v1/compare").header(hyper::header::CONTENT_TYPE, "application/json");
    report(path, request, body.into()).await
}

async fn report(path: &Path, request: Builder, body: Bytes) -> Result<(Report, Bytes), AskError> {
    let body = ask(path, request, body).await?;
    match serde_json::from_slice(&body) {
        Ok(report) => Ok((report, body)),
        Err(source) => Err(AskError::Foreign {
            path: path.to_owned(),
            source,
        }),
    }
}

async fn ask(path: &Path, request: Builder, body: Bytes) -> Result<Bytes, AskError> {
    match timeout(PATIENCE, exchange(path, request, body)).await {
        Ok(answer) => answer,
        Err(_) => Err(AskError::Silent(path.to_owned())),
    }
}

async fn exchange(path: &Path, request: Builder, body: Bytes) -> Result<Bytes, AskError> {
    let other = |text: String| AskError::Other {
        path: path.to_owned(),
        text,
    };
    let stream = UnixStream::connect(path)
        .await
        .map_err(|error| connect_error(path, &error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| other(error.to_string()))?;
    let request = request
        .header(hyper::header::HOST, "rcni-bgp")
        .body(Full::new(body))
        .map_err(|error| other(error.to_string()))?;
    let exchange = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| other(error.to_string()))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES)
            .collect()
            .await
            .map_err(|error| other(error.to_string()))?
            .to_bytes();
        if status == StatusCode::OK {
            return Ok(body);
        }
        let text = String::from_utf8_lossy(&body).trim_end().to_owned();
        if matches!(
            status,
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST | StatusCode::CONFLICT
        ) {
            return Err(AskError::Rejected(text));
        }
        Err(AskError::Refused {
            path: path.to_owned(),
            status,
            text,
        })
    };
    tokio::pin!(exchange);
    // The connection moves the bytes; when it ends, the answer is there or an error is.
    tokio::select! {
        answer = &mut exchange => answer,
        _ = connection => exchange.await,
    }
}

fn connect_error(path: &Path, error: &io::Error) -> AskError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound => AskError::Absent(path),
        io::ErrorKind::ConnectionRefused => AskError::Dead(path),
        io::ErrorKind::PermissionDenied => AskError::Forbidden(path),
        _ => AskError::Other {
            path,
            text: error.to_string(),
        },
    }
}
