//! Version 1: what the existing client speaks.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::HOST;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use azall_core::protocol::relay::ServerUrl;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::address::{self, DOMAIN};
use super::answer::{ErrorAnswer, Failure, json, json_body, json_bytes, push_json};
use super::body::{self, Bounds};
use super::connection::{Peer, Whole};
use super::time::iso;
use super::{App, Relay, auth, store_failed};
use crate::options::Limits;
use crate::store::{AgentName, Outgoing, Refusal, RegisterError, Registered, Stored};

/// How many agents `GET /agents` lists.
const MOST_AGENTS: usize = 1000;

/// How version 1 answers: its errors carry no code.
fn answer(result: Result<Response, Failure>) -> Response {
    result.unwrap_or_else(|failure| failure.without_code().into_response())
}

/// A request for an account.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Register<'a> {
    /// 3 to 30 of `a-z0-9-_`, first a letter.
    #[serde(borrow)]
    #[schema(value_type = String)]
    agent_name: Cow<'a, str>,
}

/// A new account.
#[derive(Serialize, ToSchema)]
pub(crate) struct Account {
    status: &'static str,
    agent_name: String,
    agent_address: String,
    /// Shown this once.
    api_token: String,
    config: ClientConfig,
    message: &'static str,
    /// Of an account with a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fingerprint: Option<String>,
    /// Of an account with a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certified_address: Option<String>,
}

/// What the client writes into its config.
#[derive(Serialize, ToSchema)]
struct ClientConfig {
    agent_name: String,
    transport: &'static str,
    agenttalk: ClientRelay,
}

/// The relay in a client's config.
#[derive(Serialize, ToSchema)]
struct ClientRelay {
    server: String,
    token: String,
}

impl Account {
    pub(crate) fn new(relay: &Relay, headers: &HeaderMap, name: &AgentName, registered: &Registered) -> Self {
        let token = registered.token.reveal().to_owned();
        let agent_address = address::plain(name);
        Self {
            status: "ok",
            agent_name: name.to_string(),
            agent_address: agent_address.clone(),
            api_token: token.clone(),
            config: ClientConfig {
                agent_name: agent_address,
                transport: "agenttalk",
                agenttalk: ClientRelay { server: url_of(relay, headers), token },
            },
            message: "Keep the token: it is shown once, and the relay keeps only its hash.",
            fingerprint: None,
            certified_address: None,
        }
    }
}

/// The relay's URL as this client knows it.
fn url_of(relay: &Relay, headers: &HeaderMap) -> String {
    let scheme = if relay.is_tls { "https" } else { "http" };
    // A proxy before the relay says what the client came by. It is told to the same client alone, so it may lie to itself.
    let scheme = match headers.get("x-forwarded-proto").map(|value| value.as_bytes()) {
        Some(b"https") => "https",
        _ => scheme,
    };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match ServerUrl::parse(&format!("{scheme}://{host}")) {
        Ok(url) => url.to_string(),
        Err(_) => relay.url.clone(),
    }
}

/// Makes an account.
#[utoipa::path(post, path = "/register", tag = "Version 1", request_body = Register<'_>, responses(
    (status = 201, description = "The account", body = Account),
    (status = 400, description = "The name is no name, or reserved", body = ErrorAnswer<'_>),
    (status = 409, description = "The name is taken", body = ErrorAnswer<'_>)))]
pub(crate) async fn register(State(relay): App, request: Request) -> Response {
    answer(try_register(&relay, request).await)
}

async fn try_register(relay: &Relay, request: Request) -> Result<Response, Failure> {
    let (head, body) = request.into_parts();
    let read = body::read(&head.headers, body, relay.small_body()).await?;
    let name = address::new_name(&body::parse::<Register<'_>>(&read.bytes)?.agent_name)?;
    let registered = relay.store.register(name, None).await.map_err(register_failed)?;
    relay.metrics.registered.inc();
    Ok(json(StatusCode::CREATED, &Account::new(relay, &head.headers, &name, &registered)))
}

/// Why there is no account.
pub(crate) fn register_failed(error: RegisterError) -> Failure {
    match error {
        RegisterError::NameTaken => Failure::new(StatusCode::CONFLICT, "name_taken", "this name is already taken"),
        RegisterError::Store(error) => store_failed(error),
    }
}

/// A message to one agent.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Send<'a> {
    /// `name`, `name.agenttalk` or `name.<fingerprint>.agenttalk`.
    #[serde(borrow)]
    #[schema(value_type = String)]
    to: Cow<'a, str>,
    /// Never looked into.
    #[serde(borrow)]
    #[schema(value_type = String)]
    payload: Cow<'a, str>,
}

/// A message that was taken.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is written by hand")]
pub(crate) struct Sent {
    /// `sent`
    status: String,
    message_id: String,
}

/// Leaves a message for one agent. The answer comes when it is on disk.
#[utoipa::path(post, path = "/send", tag = "Version 1", security(("token" = [])), request_body = Send<'_>, responses(
    (status = 200, description = "Taken, and on disk", body = Sent),
    (status = 400, description = "Not a request of this form", body = ErrorAnswer<'_>),
    (status = 401, description = "No token, or one of no account", body = ErrorAnswer<'_>),
    (status = 404, description = "No such recipient", body = ErrorAnswer<'_>),
    (status = 413, description = "Too large", body = ErrorAnswer<'_>),
    (status = 507, description = "The recipient's inbox is full", body = ErrorAnswer<'_>)))]
pub(crate) async fn send(State(relay): App, request: Request) -> Response {
    answer(try_send(&relay, request).await)
}

async fn try_send(relay: &Relay, request: Request) -> Result<Response, Failure> {
    let (from, read) = auth::account_and_body(relay, request, relay.body(relay.limits.send_bytes())).await?;
    let outgoing = {
        let Send { to, payload } = body::parse(&read.bytes)?;
        if payload.len() > relay.limits.store.message_bytes {
            return Err(refused(Refusal::TooLarge, relay));
        }
        let to = address::find(relay, &to).map_err(|refusal| refused(refusal, relay))?;
        Outgoing { to: vec![Ok(to.id)], payload: into_bytes(payload, &read.bytes), idempotency_key: None }
    };
    let timer = relay.metrics.send_timer();
    let answers = relay.store.append(from, vec![outgoing]).await.map_err(store_failed)?;
    timer.stop();
    match answers.into_iter().flatten().next() {
        Some(Ok(id)) => {
            relay.metrics.sent.inc();
            Ok(json_bytes(StatusCode::OK, format!(r#"{{"status":"sent","message_id":"{id}"}}"#)))
        }
        Some(Err(refusal)) => Err(refused(refusal, relay)),
        None => Err(Failure::unavailable("the relay gave no answer about the message", 1)),
    }
}

/// A payload without a copy: a part of the body, or what was made of its escapes.
pub(crate) fn into_bytes(text: Cow<'_, str>, whole: &Bytes) -> Bytes {
    match text {
        Cow::Borrowed(text) => whole.slice_ref(text.as_bytes()),
        Cow::Owned(text) => Bytes::from(text),
    }
}

fn refused(refusal: Refusal, relay: &Relay) -> Failure {
    relay.metrics.refused.inc();
    match refusal {
        Refusal::TooLarge => Failure::too_large("the message", relay.limits.store.message_bytes as u64),
        Refusal::InboxFull => Failure::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "inbox_full",
            "the recipient's inbox is full; try again later",
        ),
        // What is no address here is nobody's: clients know 404 for that.
        _ => Failure::no_such_agent(),
    }
}

/// Messages that are handed out.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is written by hand")]
pub(crate) struct Messages {
    /// The address of the account.
    agent: String,
    count: u64,
    messages: Vec<Message>,
}

/// A message that waited.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is written by hand")]
pub(crate) struct Message {
    id: String,
    from: String,
    to: String,
    /// ISO 8601, UTC.
    timestamp: String,
    payload: String,
}

/// Hands out what waits, 4 MiB of payloads at the most, and deletes it once the answer is written.
#[utoipa::path(get, path = "/messages", tag = "Version 1", security(("token" = [])), responses(
    (status = 200, description = "What waited, oldest first", body = Messages),
    (status = 401, description = "No token, or one of no account", body = ErrorAnswer<'_>)))]
pub(crate) async fn messages(State(relay): App, request: Request) -> Response {
    answer(try_messages(&relay, request).await)
}

async fn try_messages(relay: &Relay, request: Request) -> Result<Response, Failure> {
    let account = auth::account(relay, request.headers())?;
    let peer = request.extensions().get::<Arc<Peer>>().cloned();
    let peer = peer.ok_or_else(|| Failure::unavailable("this connection cannot be handed messages", 1))?;
    let name = relay.name_of(account)?;
    let turn = relay.page_turn().await?;
    let lease = relay.store.lease(account, Limits::PAGE_MESSAGES, Limits::PAGE_BYTES).await.map_err(store_failed)?;
    let text = handed_out(&name, &lease.messages);
    let held = relay.memory.hold(text.len() as u64).await?;
    drop(turn);
    relay.metrics.delivered.inc_by(lease.messages.len() as u64);
    let body = Whole::new(text, held).handing_out(lease, peer);
    Ok(json_body(StatusCode::OK, Body::new(body)))
}

fn handed_out(name: &AgentName, messages: &[Stored]) -> Vec<u8> {
    let bytes: usize = messages.iter().map(|message| message.payload.len() * 9 / 8 + 200).sum();
    let mut out = Vec::with_capacity(bytes + 100);
    out.extend_from_slice(format!(r#"{{"agent":"{name}{DOMAIN}","count":{},"messages":["#, messages.len()).as_bytes());
    for (number, message) in messages.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        out.extend_from_slice(br#"{"id":""#);
        push_common(&mut out, message, name);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

/// The fields of a message from the value of `id` on, without the closing brace.
pub(crate) fn push_common(out: &mut Vec<u8>, message: &Stored, to: &AgentName) {
    use std::io::Write as _;
    let (id, from, at) = (message.id, message.from_name(), iso(message.timestamp_ms()));
    // Writing into memory never fails.
    let _ = write!(out, r#"{id}","from":"{from}{DOMAIN}","to":"{to}{DOMAIN}","timestamp":"{at}","payload":"#);
    push_json(out, &String::from_utf8_lossy(&message.payload));
}

/// The agents of this relay.
#[derive(Serialize, ToSchema)]
pub(crate) struct Agents {
    agents: Vec<String>,
    count: usize,
}

/// Lists the first 1,000 agents in the order of their names.
#[utoipa::path(get, path = "/agents", tag = "Version 1", responses(
    (status = 200, description = "Their addresses", body = Agents)))]
pub(crate) async fn agents(State(relay): App) -> Response {
    let agents = relay.store.agents(None, MOST_AGENTS).map_err(store_failed).map(|agents| {
        let agents: Vec<String> = agents.iter().map(|agent| address::plain(&agent.name)).collect();
        json(StatusCode::OK, &Agents { count: agents.len(), agents })
    });
    answer(agents)
}

/// Facts about this relay.
#[derive(Serialize, ToSchema)]
pub(crate) struct Status {
    server: &'static str,
    version: &'static str,
    protocol: &'static str,
    api: Versions,
    accounts_active: u64,
    messages_waiting: u64,
    uptime_s: u64,
    limits: StatusLimits,
    v2: Version2,
}

/// Which versions are spoken.
#[derive(Serialize, ToSchema)]
struct Versions {
    v1: bool,
    v2: bool,
}

/// What version 1 allows.
#[derive(Serialize, ToSchema)]
struct StatusLimits {
    message_bytes: u64,
    inbox_bytes: u64,
    message_ttl_s: u64,
}

/// What version 2 allows.
#[derive(Serialize, ToSchema)]
struct Version2 {
    message_bytes: u64,
    inbox_bytes: u64,
    batch_messages: usize,
    batch_bytes: u64,
    page_messages: usize,
    longest_wait_s: u64,
    blob_bytes: u64,
    blob_account_bytes: u64,
    message_ttl_s: u64,
    blob_ttl_s: u64,
}

/// Tells what this relay is and allows.
#[utoipa::path(get, path = "/status", tag = "Version 1", responses(
    (status = 200, description = "Facts", body = Status)))]
pub(crate) async fn status(State(relay): App) -> Response {
    let facts = relay.store.facts();
    let Limits { store, .. } = &relay.limits;
    let message_bytes = store.message_bytes as u64;
    json(
        StatusCode::OK,
        &Status {
            server: "azall-relay",
            version: env!("CARGO_PKG_VERSION"),
            protocol: "AgentTalk",
            api: Versions { v1: true, v2: true },
            accounts_active: facts.accounts,
            messages_waiting: facts.messages,
            uptime_s: relay.started.elapsed().as_secs(),
            limits: StatusLimits {
                message_bytes,
                inbox_bytes: store.inbox_bytes,
                message_ttl_s: store.message_ttl.as_secs(),
            },
            v2: Version2 {
                message_bytes,
                inbox_bytes: store.inbox_bytes,
                batch_messages: Limits::BATCH_MESSAGES,
                batch_bytes: relay.limits.batch_bytes(),
                page_messages: Limits::PAGE_MESSAGES,
                longest_wait_s: Limits::LONGEST_WAIT_S,
                blob_bytes: store.blob_bytes,
                blob_account_bytes: store.blob_account_bytes,
                message_ttl_s: store.message_ttl.as_secs(),
                blob_ttl_s: store.blob_ttl.as_secs(),
            },
        },
    )
}

/// That the relay lives.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`
    status: &'static str,
    /// `AgentTalk`
    protocol: &'static str,
    /// ISO 8601, UTC.
    time: String,
}

/// Tells that the relay lives.
#[utoipa::path(get, path = "/health", tag = "Version 1", responses(
    (status = 200, description = "It does", body = Health)))]
pub(crate) async fn health(State(relay): App) -> Response {
    json(StatusCode::OK, &Health { status: "ok", protocol: "AgentTalk", time: iso(relay.store.now_ms()) })
}

impl Relay {
    /// The bounds of a request that holds no message.
    pub(crate) const fn small_body(&self) -> Bounds<'_> {
        self.body(Limits::SMALL_BODY)
    }

    /// The bounds of a request of at most this many bytes.
    pub(crate) const fn body(&self, bytes: u64) -> Bounds<'_> {
        Bounds { bytes, time: self.limits.body_time, memory: &self.memory }
    }
}
