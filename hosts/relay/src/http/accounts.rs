//! Accounts in version 2: those that own a key, who is here, tokens, and the end of an account.

use std::borrow::Cow;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::HOST;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use azall_core::protocol::id::Fingerprint;
use azall_core::protocol::relay::AgentName as SignedName;
use azall_core::protocol::relay::version2::{Challenge, signed_bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::answer::{ErrorAnswer, Failure, json};
use super::messages::query;
use super::once::Purpose;
use super::v1::{Account, register_failed};
use super::{App, Relay, address, auth, body, store_failed};
use crate::options::Limits;
use crate::store::{Agent, AgentName};

/// The longest host that a challenge names: with it a challenge has at most 200 characters.
const LONGEST_HOST: usize = 100;

/// A challenge.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChallengeAnswer {
    challenge: String,
    expires_ms: u64,
}

/// Makes a challenge for a registration, good once, within five minutes.
#[utoipa::path(post, path = "/v2/challenge", tag = "Accounts", responses(
    (status = 200, description = "The challenge", body = ChallengeAnswer)))]
pub(crate) async fn challenge(State(relay): App, headers: HeaderMap) -> Result<Response, Failure> {
    let issued = relay.once.issue(Purpose::Challenge, 0, relay.now_ms()).map_err(super::no_randomness)?;
    let challenge = match host(&relay, &headers) {
        Some(host) => format!("{}@{host}", issued.text),
        None => issued.text,
    };
    Ok(json(StatusCode::OK, &ChallengeAnswer { challenge, expires_ms: issued.expires_ms }))
}

/// The host that this relay is to whoever asks: the one that the operator named, else the one that the request names. Who signs a
/// challenge sees in it which relay the signature is for.
fn host<'a>(relay: &'a Relay, headers: &'a HeaderMap) -> Option<&'a str> {
    let asked = || headers.get(HOST)?.to_str().ok();
    let is_plain = |host: &&str| {
        (1..=LONGEST_HOST).contains(&host.len()) && host.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'@')
    };
    relay.host.as_deref().or_else(asked).filter(is_plain)
}

/// A request for an account that owns a key.
#[derive(Deserialize, ToSchema)]
pub(crate) struct RegisterWithKey<'a> {
    /// 3 to 30 of `a-z0-9-_`, first a letter.
    #[serde(borrow)]
    #[schema(value_type = String)]
    agent_name: Cow<'a, str>,
    /// Ed25519, base64 of 32 bytes.
    #[serde(borrow)]
    #[schema(value_type = String)]
    public_key: Cow<'a, str>,
    /// From `POST /v2/challenge`.
    #[serde(borrow)]
    #[schema(value_type = String)]
    challenge: Cow<'a, str>,
    /// Base64 of 64 bytes; over the byte 0xFF, `agentazall relay register 2`, LF, the lower-cased name, LF, the challenge, LF.
    #[serde(borrow)]
    #[schema(value_type = String)]
    signature: Cow<'a, str>,
}

/// Makes an account that owns a key, or gives it back, with a new token, to who holds the key.
#[utoipa::path(post, path = "/v2/register", tag = "Accounts", request_body = RegisterWithKey<'_>, responses(
    (status = 200, description = "The account that was there, with a new token", body = Account),
    (status = 201, description = "A new account", body = Account),
    (status = 400, description = "`bad_name`, `bad_key`, `bad_challenge` or `bad_request`", body = ErrorAnswer<'_>),
    (status = 403, description = "`bad_signature`", body = ErrorAnswer<'_>),
    (status = 409, description = "`name_taken`", body = ErrorAnswer<'_>)))]
pub(crate) async fn register(State(relay): App, request: Request) -> Result<Response, Failure> {
    let (head, body) = request.into_parts();
    let read = body::read(&head.headers, body, relay.small_body()).await?;
    let (name, key) = proven(&relay, host(&relay, &head.headers), &body::parse(&read.bytes)?)?;
    let registered = relay.store.register(name, Some(key)).await.map_err(register_failed)?;
    let mut account = Account::new(&relay, &head.headers, &name, &registered);
    account.fingerprint = Some(Fingerprint::of_key(&key).to_string());
    account.certified_address = Some(address::certified(&name, &key));
    if registered.is_new {
        relay.metrics.registered.inc();
    }
    Ok(json(if registered.is_new { StatusCode::CREATED } else { StatusCode::OK }, &account))
}

/// The name and the key, once the signature proves that the key's owner asks.
fn proven(relay: &Relay, host: Option<&str>, asked: &RegisterWithKey<'_>) -> Result<(AgentName, [u8; 32]), Failure> {
    let bad = |code, error: &'static str| Failure::new(StatusCode::BAD_REQUEST, code, error);
    let name = address::new_name(&asked.agent_name)?;
    let key = bytes::<32>(&asked.public_key).and_then(|key| VerifyingKey::from_bytes(&key).ok());
    // A weak key is one under which anything verifies.
    let key = key.filter(|key| !key.is_weak());
    let key = key.ok_or_else(|| bad("bad_key", "public_key must be an Ed25519 key, base64 of 32 bytes"))?;
    let bad_challenge = || bad("bad_challenge", "the challenge was used already, is too old, or is not of this relay");
    let challenge = Challenge::parse(&asked.challenge).ok_or_else(bad_challenge)?;
    let (once, named) = challenge.parts();
    if named != host || !relay.once.is_good(Purpose::Challenge, once, relay.now_ms()) {
        return Err(bad_challenge());
    }
    let signer = SignedName::parse(name.as_str()).map_err(|_| bad("bad_name", "agent_name is no name"))?;
    let signed = signed_bytes(&signer, &challenge);
    let signature = bytes::<64>(&asked.signature).map(|signature| Signature::from_bytes(&signature));
    let is_signed = |signature: &Signature| key.verify_strict(&signed, signature).is_ok();
    if signature.as_ref().is_none_or(|signature| !is_signed(signature)) {
        let error = "the signature is not that of this key over this name and this challenge";
        return Err(Failure::new(StatusCode::FORBIDDEN, "bad_signature", error));
    }
    // Only who could use it uses it up.
    relay.once.redeem(Purpose::Challenge, once, relay.now_ms()).ok_or_else(bad_challenge)?;
    Ok((name, key.to_bytes()))
}

/// So many bytes in base64.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    STANDARD.decode(text.trim()).ok()?.try_into().ok()
}

/// An agent of this relay.
#[derive(Serialize, ToSchema)]
pub(crate) struct AgentAnswer {
    agent_name: String,
    agent_address: String,
    /// `null` for an account without a key.
    certified_address: Option<String>,
    /// Base64; `null` for an account without a key.
    public_key: Option<String>,
    /// `null` for an account without a key.
    fingerprint: Option<String>,
}

/// Tells an agent's key, so that the first contact needs no luck.
#[utoipa::path(get, path = "/v2/agents/{name}", tag = "Accounts",
    params(("name" = String, Path, description = "`name`, `name.agenttalk` or `name.<fingerprint>.agenttalk`")),
    responses(
        (status = 200, description = "The agent", body = AgentAnswer),
        (status = 404, description = "`no_such_agent`", body = ErrorAnswer<'_>)))]
pub(crate) async fn agent(State(relay): App, name: Result<Path<String>, PathRejection>) -> Result<Response, Failure> {
    let Path(name) = name.map_err(|_| Failure::no_such_agent())?;
    let Agent { name, key, .. } = address::find(&relay, &name).map_err(|_| Failure::no_such_agent())?;
    Ok(json(
        StatusCode::OK,
        &AgentAnswer {
            agent_name: name.to_string(),
            agent_address: address::plain(&name),
            certified_address: key.map(|key| address::certified(&name, &key)),
            public_key: key.map(|key| STANDARD.encode(key)),
            fingerprint: key.map(|key| Fingerprint::of_key(&key).to_string()),
        },
    ))
}

/// Which agents are wanted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WantedAgents {
    /// Only those after this name; from the first when left out.
    after: Option<String>,
    /// At most so many, of 1,000.
    limit: Option<usize>,
}

/// A page of the agents of this relay.
#[derive(Serialize, ToSchema)]
pub(crate) struct AgentsAnswer {
    agents: Vec<ListedAgent>,
    /// What to give as `after` for the next page; `null` at the end.
    next: Option<String>,
}

/// An agent in a list.
#[derive(Serialize, ToSchema)]
struct ListedAgent {
    agent_name: String,
    agent_address: String,
    /// `null` for an account without a key.
    fingerprint: Option<String>,
}

/// Lists the agents in the order of their names, page by page.
#[utoipa::path(get, path = "/v2/agents", tag = "Accounts", params(WantedAgents), responses(
    (status = 200, description = "A page of them", body = AgentsAnswer),
    (status = 400, description = "`bad_request`", body = ErrorAnswer<'_>)))]
pub(crate) async fn agents(State(relay): App, request: Request) -> Result<Response, Failure> {
    let wanted: WantedAgents = query(&request)?;
    let after = wanted.after.as_deref().map(AgentName::parse).transpose();
    let after = after.map_err(|_| Failure::bad_request("`after` must be the name of an agent"))?;
    let limit = wanted.limit.unwrap_or(Limits::PAGE_MESSAGES).clamp(1, Limits::PAGE_MESSAGES);
    let mut agents = relay.store.agents(after.as_ref(), limit + 1).map_err(store_failed)?;
    let more = agents.len() > limit;
    agents.truncate(limit);
    let next = agents.last().filter(|_| more).map(|agent| agent.name.to_string());
    let agents = agents.iter().map(|agent| ListedAgent {
        agent_name: agent.name.to_string(),
        agent_address: address::plain(&agent.name),
        fingerprint: agent.key.map(|key| Fingerprint::of_key(&key).to_string()),
    });
    Ok(json(StatusCode::OK, &AgentsAnswer { agents: agents.collect(), next }))
}

/// A new token.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenAnswer {
    api_token: String,
}

/// Gives the account a new token; the old one is dead when the answer is there.
#[utoipa::path(post, path = "/v2/token", tag = "Accounts", security(("token" = [])), responses(
    (status = 200, description = "The new token", body = TokenAnswer),
    (status = 401, description = "`unauthorized`", body = ErrorAnswer<'_>)))]
pub(crate) async fn token(State(relay): App, request: Request) -> Result<Response, Failure> {
    let account = auth::account(&relay, request.headers())?;
    let token = relay.store.rotate_token(account).await.map_err(store_failed)?;
    Ok(json(StatusCode::OK, &TokenAnswer { api_token: token.reveal().to_owned() }))
}

/// Deletes the account and all that is kept about it.
#[utoipa::path(delete, path = "/v2/account", tag = "Accounts", security(("token" = [])), responses(
    (status = 204, description = "All of it is gone from the data files"),
    (status = 401, description = "`unauthorized`", body = ErrorAnswer<'_>)))]
pub(crate) async fn delete(State(relay): App, request: Request) -> Result<Response, Failure> {
    let account = auth::account(&relay, request.headers())?;
    relay.store.delete_account(account).await.map_err(store_failed)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
