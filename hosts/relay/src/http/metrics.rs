//! What is counted, for Prometheus; and whether the relay is ready.

use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{ErrorAnswer, Failure, json};
use super::{App, Relay, stopping};

/// The type of the text that Prometheus reads.
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// All that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    /// Answers by the first digit of their status.
    answers: [Counter; 5],
    pub(crate) registered: Counter,
    pub(crate) sent: Counter,
    pub(crate) refused: Counter,
    pub(crate) delivered: Counter,
    pub(crate) shown: Counter,
    pub(crate) delayed: Counter,
    pub(crate) throttled: Counter,
    pub(crate) blob_bytes_in: Counter,
    pub(crate) blob_bytes_out: Counter,
    durable: Histogram,
    gauges: Gauges,
}

/// What is looked up when somebody asks.
#[derive(Default)]
struct Gauges {
    connections: Gauge,
    load: Gauge,
    accounts: Gauge,
    messages: Gauge,
    message_bytes: Gauge,
    blobs: Gauge,
    blob_bytes: Gauge,
    commits: Gauge,
    queued: Gauge,
    doorbells: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Class {
    status: &'static str,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("azall_relay");
        let answers = Family::<Class, Counter>::default();
        registry.register("answers", "Requests answered, by the class of the status", answers.clone());
        let metrics = Self {
            answers: ["1xx", "2xx", "3xx", "4xx", "5xx"].map(|status| answers.get_or_create_owned(&Class { status })),
            registered: Counter::default(),
            sent: Counter::default(),
            refused: Counter::default(),
            delivered: Counter::default(),
            shown: Counter::default(),
            delayed: Counter::default(),
            throttled: Counter::default(),
            blob_bytes_in: Counter::default(),
            blob_bytes_out: Counter::default(),
            durable: Histogram::new(exponential_buckets(0.000_25, 2.0, 14)),
            gauges: Gauges::default(),
            registry,
        };
        metrics.registered_all()
    }

    fn registered_all(mut self) -> Self {
        let registry = &mut self.registry;
        for (name, help, counter) in [
            ("registered", "Accounts made", &self.registered),
            ("sent", "Messages taken and on disk, one for each recipient", &self.sent),
            ("refused", "Messages that were refused", &self.refused),
            ("delivered", "Messages handed out for good or acknowledged", &self.delivered),
            ("shown", "Messages shown by version 2, as often as they were", &self.shown),
            ("delayed", "Requests that had to wait because of the load", &self.delayed),
            ("throttled", "Requests that were told to come again later because of the load", &self.throttled),
            ("blob_bytes_in", "Bytes of blobs taken", &self.blob_bytes_in),
            ("blob_bytes_out", "Bytes of blobs handed out", &self.blob_bytes_out),
        ] {
            registry.register(name, help, counter.clone());
        }
        let seconds = "How long messages take from being understood to being on disk";
        registry.register("durable_seconds", seconds, self.durable.clone());
        let gauges = &self.gauges;
        for (name, help, gauge) in [
            ("connections", "Connections", &gauges.connections),
            (
                "load_permille",
                "Load, in thousandths of what is allowed; from 750 on somebody may be slowed",
                &gauges.load,
            ),
            ("accounts", "Accounts", &gauges.accounts),
            ("messages", "Messages that wait", &gauges.messages),
            ("message_bytes", "Bytes of payloads that wait", &gauges.message_bytes),
            ("blobs", "Blobs that are kept", &gauges.blobs),
            ("blob_bytes", "Bytes of blobs that are kept", &gauges.blob_bytes),
            ("commits", "Commits since the start", &gauges.commits),
            ("queued", "Requests that wait for a commit", &gauges.queued),
            ("waiting_clients", "Accounts whose client waits for messages", &gauges.doorbells),
        ] {
            registry.register(name, help, gauge.clone());
        }
        self
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, status: StatusCode) {
        if let Some(counter) = self.answers.get(usize::from(status.as_u16() / 100).wrapping_sub(1)) {
            counter.inc();
        }
    }

    /// Begins to measure how long messages take to be on disk.
    pub(crate) fn send_timer(&self) -> SendTimer<'_> {
        SendTimer { histogram: &self.durable, from: Instant::now() }
    }

    fn look(&self, relay: &Relay) {
        let facts = relay.store.facts();
        let gauges = &self.gauges;
        let set = |gauge: &Gauge, value: u64| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        set(&gauges.connections, relay.connections.open().into());
        set(&gauges.load, relay.throttle.load().into());
        set(&gauges.accounts, facts.accounts);
        set(&gauges.messages, facts.messages);
        set(&gauges.message_bytes, facts.message_bytes);
        set(&gauges.blobs, facts.blobs);
        set(&gauges.blob_bytes, facts.blob_bytes);
        set(&gauges.commits, facts.commits);
        set(&gauges.queued, facts.queued);
        set(&gauges.doorbells, facts.doorbells);
    }
}

/// Measures one send.
pub(crate) struct SendTimer<'a> {
    histogram: &'a Histogram,
    from: Instant,
}

impl SendTimer<'_> {
    /// It is on disk.
    pub(crate) fn stop(self) {
        self.histogram.observe(self.from.elapsed().as_secs_f64());
    }
}

/// What is counted and measured, in the text form of OpenMetrics.
#[utoipa::path(get, path = "/metrics", tag = "Operation", responses(
    (status = 200, description = "The numbers", content_type = "application/openmetrics-text", body = String)))]
pub(crate) async fn metrics(State(relay): App) -> Response {
    relay.metrics.look(&relay);
    let mut text = String::new();
    if encode(&mut text, &relay.metrics.registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, OPEN_METRICS);
    response
}

/// That messages can be taken.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ready {
    /// `ready`
    status: &'static str,
}

/// Tells whether messages can be taken: the store can be written, and the relay is not stopping.
#[utoipa::path(get, path = "/ready", tag = "Operation", responses(
    (status = 200, description = "They can", body = Ready),
    (status = 503, description = "They cannot", body = ErrorAnswer<'_>)))]
pub(crate) async fn ready(State(relay): App) -> Result<Response, Failure> {
    if relay.is_stopping() {
        return Err(stopping().without_code());
    }
    if !relay.store.is_writable() {
        return Err(Failure::unavailable("the store cannot be written", 10).without_code());
    }
    Ok(json(StatusCode::OK, &Ready { status: "ready" }))
}
