//! The agent's answers on its control socket.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use rcni_control::events::{Events, EventsRequest};
use rcni_control::exposition;
use rcni_control::health;
use rcni_control::log::{LevelOrder, Levels};

use super::explain::ExplainRequest;
use super::metrics;
use super::told::Told;

/// Whom the server asks.
#[derive(Clone, Debug)]
pub struct Known {
    /// What the last pass found.
    pub told: Told,
    /// What has happened.
    pub events: Events,
    /// What is logged.
    pub levels: Levels,
}

/// All that can be asked; only the log level can be changed.
pub fn router(known: Known) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/events", get(events))
        .route("/v1/explain", get(explain))
        .route("/v1/log", get(level).post(set_level))
        .with_state(Arc::new(known.clone()))
        .merge(public(known))
}

/// What tells nothing that is secret, and changes nothing.
pub fn public(known: Known) -> Router {
    Router::new()
        .route("/metrics", get(numbers))
        .route("/healthz", get(lives))
        .route("/readyz", get(ready))
        .with_state(Arc::new(known))
}

async fn status(State(known): State<Arc<Known>>) -> Response {
    Json(known.told.status(Instant::now())).into_response()
}

async fn numbers(State(known): State<Arc<Known>>) -> Response {
    let out = metrics::all(&known.told.status(Instant::now()));
    ([(CONTENT_TYPE, exposition::CONTENT_TYPE)], out.into_text()).into_response()
}

/// It answers, so it lives: the agent is on the same thread.
async fn lives() -> Response {
    "ok\n".into_response()
}

async fn ready(State(known): State<Arc<Known>>) -> Response {
    health::answer(&known.told.checks(Instant::now()))
}

async fn explain(
    State(known): State<Arc<Known>>,
    Query(request): Query<ExplainRequest>,
) -> Response {
    match request.address() {
        Ok(address) => Json(known.told.explain(address, Instant::now())).into_response(),
        Err(text) => (StatusCode::BAD_REQUEST, text).into_response(),
    }
}

async fn events(State(known): State<Arc<Known>>, Query(request): Query<EventsRequest>) -> Response {
    match known.events.page(&request).await {
        Ok(page) => Json(page).into_response(),
        Err(text) => (StatusCode::BAD_REQUEST, text).into_response(),
    }
}

async fn level(State(known): State<Arc<Known>>) -> Response {
    Json(known.levels.status()).into_response()
}

async fn set_level(State(known): State<Arc<Known>>, Json(order): Json<LevelOrder>) -> Response {
    match known.levels.order(&order) {
        Ok(status) => Json(status).into_response(),
        Err(text) => (StatusCode::BAD_REQUEST, text).into_response(),
    }
}
