//! What the command line asks of a running daemon.

use std::path::Path;

use bytes::Bytes;
use rcni_control::client::Client;
use rcni_control::events::{EventsPage, EventsRequest};
use serde::de::DeserializeOwned;

use super::PROGRAM;
use super::drain::{DrainOrder, DrainStatus};
use super::model::Status;
use super::orders::PeerOrder;
use super::routes::{RoutesPage, RoutesRequest};
use crate::reload::report::{Candidate, Report};

pub use rcni_control::client::AskError;

fn at(path: &Path) -> Client<'_> {
    Client::new(PROGRAM, path)
}

/// Asks for the status; also returns the answer's text as it came.
///
/// # Errors
/// [`AskError`].
pub async fn status(path: &Path) -> Result<(Status, Bytes), AskError> {
    understood(path, at(path).get("/v1/status").await?)
}

/// Asks for the metrics, as Prometheus reads them.
///
/// # Errors
/// [`AskError`].
pub async fn metrics(path: &Path) -> Result<Bytes, AskError> {
    at(path).get("/metrics").await
}

/// Asks for a page of routes.
///
/// # Errors
/// [`AskError`]; [`AskError::Rejected`] if there is no such peer.
pub async fn routes(path: &Path, request: &RoutesRequest) -> Result<RoutesPage, AskError> {
    // A query that cannot be made would be a mistake of ours: the whole table is asked for then.
    let query = serde_urlencoded::to_string(request).unwrap_or_default();
    let answer = at(path).get(&format!("/v1/routes?{query}")).await?;
    at(path).read(&answer)
}

/// Asks for what has happened; also returns the answer's text as it came.
///
/// # Errors
/// [`AskError`]; [`AskError::Rejected`] if `since` is no time.
pub async fn events(path: &Path, request: &EventsRequest) -> Result<(EventsPage, Bytes), AskError> {
    understood(path, at(path).get(&request.uri()).await?)
}

/// Gives an order; what the daemon says to it.
///
/// # Errors
/// [`AskError`]; [`AskError::Rejected`] if there is no such peer, or the message is too long.
pub async fn order(path: &Path, order: &PeerOrder) -> Result<String, AskError> {
    let said = at(path).post("/v1/peer", order).await?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// Takes the node out of use, or into use again; how far it is then.
///
/// # Errors
/// [`AskError`]; [`AskError::Rejected`] if it cannot be done.
pub async fn drain(path: &Path, order: &DrainOrder) -> Result<DrainStatus, AskError> {
    let said = at(path).post("/v1/drain", order).await?;
    at(path).read(&said)
}

/// Has the file read again; what came of it, also as it came.
///
/// # Errors
/// [`AskError`]; [`AskError::Rejected`] with all errors of a file that is refused.
pub async fn reload(path: &Path) -> Result<(Report, Bytes), AskError> {
    understood(path, at(path).post("/v1/reload", &()).await?)
}

/// What a candidate would change.
///
/// # Errors
/// Like [`reload`].
pub async fn compare(path: &Path, candidate: &Candidate) -> Result<(Report, Bytes), AskError> {
    understood(path, at(path).post("/v1/compare", candidate).await?)
}

fn understood<T: DeserializeOwned>(path: &Path, answer: Bytes) -> Result<(T, Bytes), AskError> {
    Ok((at(path).read(&answer)?, answer))
}
