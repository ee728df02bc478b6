//! Calls of a relay as effects: those of version 1, and what they have in common with [version 2](super::version2_call).

use crate::engine::cx::Cx;
use crate::engine::effect::{Http, HttpAnswer, IoError, IoErrorKind};
use crate::protocol::address::Address;
use crate::protocol::config::RelayAccount;
use crate::protocol::relay::version2::{self, Api};
use crate::protocol::relay::{
    self, ANSWER_LIMIT, AgentName, MESSAGES_LIMIT, Registered, RelayError, Reply, Request, ServerUrl, Token,
};

/// How long a relay may take for a call.
pub(super) const CALL_TIMEOUT_MS: u64 = 30_000;

/// How long it may take for a part of something large, a few MiB: enough for a slow line.
pub(super) const PART_TIMEOUT_MS: u64 = 120_000;

/// How long it may take to hand out an inbox: what it has handed out it has deleted, so giving up early loses messages.
const FETCH_TIMEOUT_MS: u64 = 120_000;

/// Makes a call and gives the answer, whatever its status, if all of it came.
pub(super) async fn call(
    cx: &Cx,
    server: &ServerUrl,
    request: Request,
    limit: u64,
    timeout_ms: u64,
) -> Result<HttpAnswer, RelayError> {
    let answer = call_for_what_comes(cx, server, request, limit, timeout_ms).await?;
    match &answer.broken {
        Some(error) => Err(unreachable(server, error)),
        None => Ok(answer),
    }
}

/// The same, also where only a part of the body came.
async fn call_for_what_comes(
    cx: &Cx,
    server: &ServerUrl,
    request: Request,
    limit: u64,
    timeout_ms: u64,
) -> Result<HttpAnswer, RelayError> {
    let Request { method, url, headers, body } = request;
    let effect = Http { method: method.to_owned(), url, headers, body, limit, timeout_ms };
    cx.http(effect).await.map_err(|error| unreachable(server, &error))
}

fn unreachable(server: &ServerUrl, error: &IoError) -> RelayError {
    let why = match error.kind {
        IoErrorKind::TimedOut => format!("no whole answer in time ({error})"),
        IoErrorKind::TooLarge => format!("its answer is larger than azall accepts ({error})"),
        IoErrorKind::Tls => format!("its certificate is not accepted ({error})"),
        _ => error.to_string(),
    };
    RelayError::Unreachable { server: server.clone(), why }
}

pub(super) fn reply(answer: &HttpAnswer) -> Reply<'_> {
    Reply { status: answer.status, headers: &answer.headers, body: &answer.body }
}

/// The token of an account.
pub(super) fn token(account: &RelayAccount) -> Result<&Token, RelayError> {
    account.token.as_ref().ok_or_else(|| RelayError::Unauthorized {
        server: account.server.clone(),
        said: "the config has no token for it".to_owned(),
    })
}

/// Sends a message to one recipient, and gives the relay's id for it, which may be empty.
///
/// # Errors
/// What the relay says, or that it cannot be reached.
pub async fn send(cx: &Cx, account: &RelayAccount, to: &Address, payload: &str) -> Result<String, RelayError> {
    // A relay of version 1 knows accounts by their names alone.
    let to = to.uncertified().unwrap_or_else(|| to.clone());
    let request = relay::send(&account.server, token(account)?, &to, payload);
    let answer = call(cx, &account.server, request, ANSWER_LIMIT, CALL_TIMEOUT_MS).await?;
    relay::parse_sent(&account.server, reply(&answer))
}

/// Whether a relay of version 1 accepts the account's token. Nothing is changed there.
///
/// # Errors
/// That it does not, or that it cannot be reached.
pub async fn check_token(cx: &Cx, account: &RelayAccount) -> Result<(), RelayError> {
    let server = &account.server;
    let request = relay::send_to_nobody(server, token(account)?);
    let answer = call(cx, server, request, ANSWER_LIMIT, CALL_TIMEOUT_MS).await?;
    match relay::parse_sent(server, reply(&answer)) {
        Err(error @ RelayError::Unauthorized { .. }) => Err(error),
        // That there is no such recipient, in words of its own.
        _ => Ok(()),
    }
}

/// What a relay of version 1 handed out, and has deleted by then.
pub struct HandedOut {
    /// The body of its answer, or what came of it.
    pub body: Vec<u8>,
    /// Why the rest did not come.
    pub broken: Option<RelayError>,
}

/// Fetches what waits at a relay. An answer that is a refusal, or no JSON object (a login page, say), is an error: it hands out
/// nothing.
///
/// # Errors
/// What the relay says, or that it cannot be reached.
pub async fn messages(cx: &Cx, account: &RelayAccount) -> Result<HandedOut, RelayError> {
    let server = &account.server;
    let request = relay::messages(server, token(account)?);
    let answer = call_for_what_comes(cx, server, request, MESSAGES_LIMIT, FETCH_TIMEOUT_MS).await?;
    let broken = answer.broken.as_ref().map(|error| unreachable(server, error));
    let is_object = (200..300).contains(&answer.status) && answer.body.trim_ascii_start().starts_with(b"{");
    match broken {
        broken if is_object => Ok(HandedOut { body: answer.body, broken }),
        Some(error) => Err(error),
        None => relay::parse_messages(server, reply(&answer)).map(|_| HandedOut { body: answer.body, broken: None }),
    }
}

/// Makes an account.
///
/// # Errors
/// What the relay says, or that it cannot be reached.
pub async fn register(cx: &Cx, server: &ServerUrl, name: &AgentName) -> Result<Registered, RelayError> {
    let answer = call(cx, server, relay::register(server, name), ANSWER_LIMIT, CALL_TIMEOUT_MS).await?;
    relay::parse_registered(server, reply(&answer))
}

/// Everybody with an account.
///
/// # Errors
/// What the relay says, or that it cannot be reached.
pub async fn agents(cx: &Cx, server: &ServerUrl) -> Result<Vec<Address>, RelayError> {
    let answer = call(cx, server, relay::agents(server), ANSWER_LIMIT, CALL_TIMEOUT_MS).await?;
    relay::parse_agents(server, reply(&answer))
}

/// A relay's facts about itself, name and value, and which API it speaks.
///
/// # Errors
/// What the relay says, or that it cannot be reached.
pub async fn status(cx: &Cx, server: &ServerUrl) -> Result<(Vec<(String, String)>, Api), RelayError> {
    let answer = call(cx, server, relay::status(server), ANSWER_LIMIT, CALL_TIMEOUT_MS).await?;
    let facts = relay::parse_status(server, reply(&answer))?;
    Ok((facts, version2::parse_api(server, reply(&answer))?))
}

/// Which API a relay speaks.
///
/// # Errors
/// What the relay says, or that it cannot be reached.
pub async fn api(cx: &Cx, server: &ServerUrl) -> Result<Api, RelayError> {
    let answer = call(cx, server, relay::status(server), ANSWER_LIMIT, CALL_TIMEOUT_MS).await?;
    version2::parse_api(server, reply(&answer))
}
