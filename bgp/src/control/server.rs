//! The daemon's answers on the control socket.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use rcni_control::events::EventsRequest;
use rcni_control::health;
use rcni_control::log::LevelOrder;
use rcni_control::server::within;
use rcni_control::text::escape;

use super::asker::Asker;
use super::drain::DrainOrder;
use super::metrics;
use super::orders::{self, PeerOrder};
use super::routes::{NoRoutes, RoutesRequest};
use crate::reload::Request;
use crate::reload::report::{Candidate, Report};

/// Of a candidate in JSON: more than twice what a file may have.
const CANDIDATE_BYTES: usize = 16 * 1024 * 1024;

/// All that can be asked and ordered.
pub fn router(asker: Arc<Asker>) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/routes", get(routes))
        .route("/v1/events", get(events))
        .route("/v1/peer", post(peer))
        .route("/v1/drain", post(drain))
        .route("/v1/reload", post(reload))
        .route(
            "/v1/compare",
            post(compare).layer(DefaultBodyLimit::max(CANDIDATE_BYTES)),
        )
        .route("/v1/log", get(level).post(set_level))
        .with_state(asker.clone())
        .merge(public(asker))
}

/// What tells nothing that is secret, and changes nothing.
pub fn public(asker: Arc<Asker>) -> Router {
    Router::new()
        .route("/metrics", get(numbers))
        .route("/healthz", get(lives))
        .route("/readyz", get(ready))
        .with_state(asker)
}

async fn status(State(asker): State<Arc<Asker>>) -> Response {
    match within(asker.status()).await {
        Ok(status) => Json(status).into_response(),
        Err(instead) => instead,
    }
}

async fn numbers(State(asker): State<Arc<Asker>>) -> Response {
    match within(asker.numbers()).await {
        Ok(out) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], out.into_text()).into_response(),
        Err(instead) => instead,
    }
}

/// The sessions' thread answers, so it lives.
async fn lives(State(asker): State<Arc<Asker>>) -> Response {
    match within(asker.status()).await {
        Ok(_) => "ok\n".into_response(),
        Err(instead) => instead,
    }
}

async fn ready(State(asker): State<Arc<Asker>>) -> Response {
    match within(asker.checks()).await {
        Ok(checks) => health::answer(&checks),
        Err(instead) => instead,
    }
}

async fn events(State(asker): State<Arc<Asker>>, Query(request): Query<EventsRequest>) -> Response {
    match asker.events.page(&request).await {
        Ok(page) => Json(page).into_response(),
        Err(text) => (StatusCode::BAD_REQUEST, text).into_response(),
    }
}

async fn level(State(asker): State<Arc<Asker>>) -> Response {
    Json(asker.levels.status()).into_response()
}

async fn set_level(State(asker): State<Arc<Asker>>, Json(order): Json<LevelOrder>) -> Response {
    match asker.levels.order(&order) {
        Ok(status) => Json(status).into_response(),
        Err(text) => (StatusCode::BAD_REQUEST, text).into_response(),
    }
}

async fn routes(State(asker): State<Arc<Asker>>, Query(request): Query<RoutesRequest>) -> Response {
    let wanted = match request.check() {
        Ok(wanted) => wanted,
        Err(text) => return (StatusCode::BAD_REQUEST, text).into_response(),
    };
    match within(asker.routes(wanted, &request)).await {
        Ok(Ok(page)) => Json(page).into_response(),
        Ok(Err(NoRoutes::NoPeer(name, names))) => {
            let text = orders::no_such_peer(&name, &names);
            (StatusCode::NOT_FOUND, text).into_response()
        }
        Ok(Err(NoRoutes::NoSession(name))) => {
            let name = escape(&name);
            let text = format!("{name} has no session: it is told nothing\n");
            (StatusCode::CONFLICT, text).into_response()
        }
        Err(instead) => instead,
    }
}

async fn reload(State(asker): State<Arc<Asker>>) -> Response {
    outcome(within(asker.reload(|answer| Request::Reload { answer })).await)
}

async fn compare(
    State(asker): State<Arc<Asker>>,
    Json(Candidate { name, text }): Json<Candidate>,
) -> Response {
    let request = |answer| Request::Compare { name, text, answer };
    outcome(within(asker.reload(request)).await)
}

fn outcome(outcome: Result<Result<Report, String>, Response>) -> Response {
    match outcome {
        Ok(Ok(report)) => Json(report).into_response(),
        Ok(Err(text)) => (StatusCode::BAD_REQUEST, text).into_response(),
        Err(instead) => instead,
    }
}

async fn peer(State(asker): State<Arc<Asker>>, Json(request): Json<PeerOrder>) -> Response {
    if let Err(text) = request.check() {
        return (StatusCode::BAD_REQUEST, text).into_response();
    }
    let name = request.peer.clone();
    match within(asker.order(request)).await {
        Ok(Ok(done)) => done.into_response(),
        Ok(Err(names)) => {
            let text = orders::no_such_peer(&name, &names);
            (StatusCode::NOT_FOUND, text).into_response()
        }
        Err(instead) => instead,
    }
}

async fn drain(State(asker): State<Arc<Asker>>, Json(order): Json<DrainOrder>) -> Response {
    if let Err(text) = order.check() {
        return (StatusCode::BAD_REQUEST, text).into_response();
    }
    match within(asker.drain(order)).await {
        Ok(Ok(status)) => Json(status).into_response(),
        Ok(Err(error)) => (StatusCode::CONFLICT, format!("{error}\n")).into_response(),
        Err(instead) => instead,
    }
}
