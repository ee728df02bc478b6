//! The relay's API over HTTP, as `docs/relay-api.md` describes it.
//!
//! [`front`] is what every request passes; behind it a handler for each route: [`v1`], what the existing client speaks, and
//! version 2 in [`accounts`], [`messages`], [`stream`] and [`blobs`].

mod accounts;
mod address;
mod answer;
mod auth;
mod blobs;
mod body;
pub(crate) mod connection;
mod cors;
pub(crate) mod front;
pub(crate) mod limits;
mod messages;
mod metrics;
mod once;
mod openapi;
mod stream;
pub(crate) mod throttle;
mod time;
pub mod tls;
mod v1;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, head, post, put};
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use crate::options::Limits;
use crate::store::{AccountId, AgentName, Store, StoreError};
use answer::Failure;
use connection::Settling;
use limits::{Connections, Memory};
use metrics::Metrics;
use once::Once;
use throttle::Throttle;

/// How long a large request or answer waits for room in memory.
const MEMORY_TURN: Duration = Duration::from_secs(5);

/// How many answers with messages are made at the same time.
const PAGES_AT_ONCE: usize = 64;

/// A relay, as its handlers know it.
pub(crate) struct Relay {
    pub(crate) store: Store,
    pub(crate) limits: Limits,
    pub(crate) throttle: Throttle,
    pub(crate) connections: Arc<Connections>,
    pub(crate) settling: Settling,
    /// The URL for clients that do not say by which they came.
    url: String,
    is_tls: bool,
    /// The host that clients reach the relay by, where the operator says it.
    host: Option<String>,
    started: Instant,
    memory: Memory,
    pages: Semaphore,
    once: Once,
    metrics: Metrics,
    stopping: watch::Receiver<bool>,
}

/// How a handler gets at the relay.
pub(crate) type App = State<Arc<Relay>>;

/// The right to make one of the answers with messages.
pub(crate) type PageTurn<'a> = SemaphorePermit<'a>;

impl Relay {
    /// A relay over this store, until `stopping` becomes true.
    ///
    /// # Errors
    /// The system's, when it has no randomness to give.
    pub(crate) fn new(
        store: Store,
        limits: Limits,
        url: String,
        host: Option<String>,
        stopping: watch::Receiver<bool>,
    ) -> Result<Self, getrandom::Error> {
        let connections = Connections::new(limits.connections, limits.connections_per_address);
        Ok(Self {
            store,
            throttle: Throttle::new(limits.requests_at_once, Arc::clone(&connections)),
            connections,
            settling: Settling::default(),
            is_tls: url.starts_with("https:"),
            url,
            host,
            started: Instant::now(),
            memory: Memory::new(limits.memory_bytes, MEMORY_TURN),
            pages: Semaphore::new(PAGES_AT_ONCE),
            once: Once::new()?,
            metrics: Metrics::new(),
            stopping,
            limits,
        })
    }

    /// Returns when the relay is told to stop.
    pub(crate) async fn stops(&self) {
        // Who told it has gone: that is the end as well.
        let _ = self.stopping.clone().wait_for(|stopping| *stopping).await;
    }

    /// Whether the relay has been told to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// The right to make an answer with messages, once there is one.
    async fn page_turn(&self) -> Result<PageTurn<'_>, Failure> {
        self.pages.acquire().await.map_err(|_| stopping())
    }

    fn name_of(&self, account: AccountId) -> Result<AgentName, Failure> {
        self.store.agent_of(account).map(|agent| agent.name).ok_or_else(Failure::unauthorized)
    }
}

/// Makes the table of routes and the router of it.
macro_rules! routes {
    ($($method:ident $path:literal => $handler:path;)*) => {
        /// Every route: method and path.
        #[cfg(test)]
        const ROUTES: &[(&str, &str)] = &[$((stringify!($method), $path)),*];

        /// All handlers.
        pub(crate) fn router(relay: Arc<Relay>) -> Router {
            Router::new()
                $(.route($path, $method($handler)))*
                .fallback(not_found)
                .method_not_allowed_fallback(method_not_allowed)
                .with_state(relay)
        }
    };
}

routes! {
    post "/register" => v1::register;
    post "/send" => v1::send;
    get "/messages" => v1::messages;
    get "/agents" => v1::agents;
    get "/status" => v1::status;
    get "/health" => v1::health;
    post "/v2/challenge" => accounts::challenge;
    post "/v2/register" => accounts::register;
    get "/v2/agents" => accounts::agents;
    get "/v2/agents/{name}" => accounts::agent;
    post "/v2/token" => accounts::token;
    delete "/v2/account" => accounts::delete;
    post "/v2/messages" => messages::send;
    get "/v2/messages" => messages::page;
    post "/v2/ack" => messages::ack;
    get "/v2/stream" => stream::stream;
    post "/v2/ticket" => stream::ticket;
    put "/v2/blobs/{sha256}" => blobs::upload;
    head "/v2/blobs/{sha256}" => blobs::look;
    get "/v2/blobs/{sha256}" => blobs::download;
    get "/ready" => metrics::ready;
    get "/metrics" => metrics::metrics;
    get "/openapi.json" => openapi::document;
    get "/docs" => openapi::page;
}

async fn not_found(uri: Uri) -> Response {
    of_version(&uri, Failure::new(StatusCode::NOT_FOUND, "no_such_call", "there is no such call; GET /docs lists them"))
}

async fn method_not_allowed(uri: Uri) -> Response {
    let error = "this call has another method; GET /docs lists them";
    of_version(&uri, Failure::new(StatusCode::METHOD_NOT_ALLOWED, "no_such_call", error))
}

/// A failure as the version of this path tells it.
fn of_version(uri: &Uri, failure: Failure) -> Response {
    if uri.path().starts_with("/v2/") { failure } else { failure.without_code() }.into_response()
}

/// What the store's error means to who asked.
fn store_failed(error: StoreError) -> Failure {
    match error {
        StoreError::NoSuchAccount => Failure::unauthorized(),
        StoreError::Closed => stopping(),
        StoreError::DiskFull => {
            tracing::error!("the disk is full");
            Failure::new(StatusCode::INSUFFICIENT_STORAGE, "disk_full", "the disk of the relay is full").retry_after(60)
        }
        error => {
            tracing::error!(%error, "the store failed");
            Failure::unavailable("the store of the relay failed; try again later", 10)
        }
    }
}

fn stopping() -> Failure {
    Failure::unavailable("the relay is stopping", 5)
}

fn no_randomness(error: getrandom::Error) -> Failure {
    tracing::error!(%error, "the system has no randomness to give");
    Failure::unavailable("the relay cannot do this now", 10)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn openapi_names_every_route_and_no_other() {
        let document = serde_json::to_value(openapi::description()).unwrap();
        let mut described = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                described.insert((method.clone(), path.clone()));
            }
        }
        let routes: BTreeSet<_> = ROUTES.iter().map(|(method, path)| (method.to_string(), path.to_string())).collect();
        assert_eq!(described, routes);
    }
}
