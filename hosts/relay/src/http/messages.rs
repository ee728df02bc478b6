//! Messages in version 2: batches, pages that stay until they are acknowledged, the long poll.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use super::address;
use super::answer::{ErrorAnswer, Failure, json, json_body, push_json};
use super::connection::Whole;
use super::v1::{into_bytes, push_common};
use super::{App, Relay, auth, body, store_failed};
use crate::options::Limits;
use crate::store::{AccountId, AgentName, Cursor, IdempotencyKey, MessageId, Outgoing, Page, Refusal};

/// A text of a request, where it can be a part of it.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A batch of messages.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Batch<'a> {
    /// At most 1,000.
    #[serde(borrow)]
    messages: Vec<BatchMessage<'a>>,
}

/// A message to some agents.
#[derive(Deserialize, ToSchema)]
struct BatchMessage<'a> {
    /// `name`, `name.agenttalk` or `name.<fingerprint>.agenttalk` of each.
    #[serde(borrow)]
    #[schema(value_type = Vec<String>)]
    to: Vec<Text<'a>>,
    /// Never looked into.
    #[serde(borrow)]
    #[schema(value_type = String)]
    payload: Cow<'a, str>,
    /// Makes it harmless to send the message again: 1 to 128 visible ASCII characters.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    idempotency_key: Option<Text<'a>>,
}

/// What became of a batch.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is written by hand")]
pub(crate) struct BatchAnswer {
    /// In the order of the request.
    messages: Vec<BatchMessageAnswer>,
}

/// What became of a message.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is written by hand")]
struct BatchMessageAnswer {
    /// In the order of the request.
    recipients: Vec<RecipientAnswer>,
}

/// What became of a message for one recipient.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is written by hand")]
struct RecipientAnswer {
    /// As in the request.
    to: String,
    /// `sent` or `refused`.
    status: String,
    /// When sent.
    message_id: Option<String>,
    /// When refused: `no_such_agent`, `too_large`, `inbox_full` or `bad_address`.
    code: Option<String>,
    /// When refused.
    error: Option<String>,
}

/// Leaves messages for agents. The answer comes when all of it is on disk.
#[utoipa::path(post, path = "/v2/messages", tag = "Messages", security(("token" = [])), request_body = Batch<'_>, responses(
    (status = 200, description = "What became of each", body = BatchAnswer),
    (status = 400, description = "`bad_request`", body = ErrorAnswer<'_>),
    (status = 401, description = "`unauthorized`", body = ErrorAnswer<'_>),
    (status = 413, description = "`too_large`: the whole request", body = ErrorAnswer<'_>)))]
pub(crate) async fn send(State(relay): App, request: Request) -> Result<Response, Failure> {
    let (from, read) = auth::account_and_body(&relay, request, relay.body(relay.limits.batch_bytes())).await?;
    let batch: Batch<'_> = body::parse(&read.bytes)?;
    check(&batch)?;
    let mut asked: Vec<Vec<Text<'_>>> = Vec::with_capacity(batch.messages.len());
    let mut outgoing = Vec::with_capacity(batch.messages.len());
    for message in batch.messages {
        let key = message.idempotency_key.map(|key| IdempotencyKey::parse(&key.0)).transpose();
        let key = key.map_err(|error| Failure::bad_request(error.to_string()))?;
        let to = message.to.iter().map(|to| address::find(&relay, &to.0).map(|agent| agent.id)).collect();
        outgoing.push(Outgoing { to, payload: into_bytes(message.payload, &read.bytes), idempotency_key: key });
        asked.push(message.to);
    }
    let timer = relay.metrics.send_timer();
    let answers = relay.store.append(from, outgoing).await.map_err(store_failed)?;
    timer.stop();
    let mut sent = 0;
    let text = told(&asked, &answers, &mut sent);
    relay.metrics.sent.inc_by(sent);
    Ok(json_body(StatusCode::OK, Body::from(text)))
}

fn check(batch: &Batch<'_>) -> Result<(), Failure> {
    if batch.messages.len() > Limits::BATCH_MESSAGES {
        return Err(Failure::bad_request(format!("a batch has at most {} messages", Limits::BATCH_MESSAGES)));
    }
    if batch.messages.iter().map(|message| message.to.len()).sum::<usize>() > Limits::BATCH_RECIPIENTS {
        return Err(Failure::bad_request(format!("a batch has at most {} recipients", Limits::BATCH_RECIPIENTS)));
    }
    if batch.messages.iter().any(|message| message.to.is_empty()) {
        return Err(Failure::bad_request("every message of a batch needs a recipient"));
    }
    Ok(())
}

fn told(asked: &[Vec<Text<'_>>], answers: &[Vec<Result<MessageId, Refusal>>], sent: &mut u64) -> Vec<u8> {
    use std::io::Write as _;
    let recipients: usize = asked.iter().map(Vec::len).sum();
    let mut out = Vec::with_capacity(40 + asked.len() * 20 + recipients * 120);
    out.extend_from_slice(br#"{"messages":["#);
    for (number, (to, results)) in asked.iter().zip(answers).enumerate() {
        out.extend_from_slice(if number > 0 { br#",{"recipients":["# } else { br#"{"recipients":["# });
        for (number, (to, result)) in to.iter().zip(results).enumerate() {
            out.extend_from_slice(if number > 0 { br#",{"to":"# } else { br#"{"to":"# });
            push_json(&mut out, &to.0);
            // Writing into memory never fails.
            let _ = match result {
                Ok(id) => {
                    *sent += 1;
                    write!(out, r#","status":"sent","message_id":"{id}"}}"#)
                }
                Err(refusal) => {
                    write!(out, r#","status":"refused","code":"{}","error":"{refusal}"}}"#, code(*refusal))
                }
            };
        }
        out.extend_from_slice(b"]}");
    }
    out.extend_from_slice(b"]}");
    out
}

const fn code(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::InboxFull => "inbox_full",
        Refusal::TooLarge => "too_large",
        Refusal::NoSuchAgent => "no_such_agent",
        Refusal::BadAddress => "bad_address",
    }
}

/// Which messages are wanted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Only what came after this cursor; from the oldest when left out.
    after: Option<String>,
    /// At most so many, of 1,000; 100 when left out.
    limit: Option<usize>,
    /// If there are none, wait so many seconds for one, 55 at the most.
    wait: Option<u64>,
}

/// A page of messages.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is written by hand")]
pub(crate) struct PageAnswer {
    /// Oldest first.
    messages: Vec<PageMessage>,
    /// The cursor to go on with.
    next: String,
}

/// A message that waits.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is written by hand")]
struct PageMessage {
    cursor: String,
    id: String,
    from: String,
    /// Of a sender whose account has a key.
    from_certified: Option<String>,
    to: String,
    /// ISO 8601, UTC.
    timestamp: String,
    payload: String,
}

/// Shows what waits, 4 MiB of payloads at the most, and deletes nothing; waits for something if nothing does.
#[utoipa::path(get, path = "/v2/messages", tag = "Messages", security(("token" = [])), params(Wanted), responses(
    (status = 200, description = "What waits after the cursor", body = PageAnswer),
    (status = 400, description = "`bad_request`", body = ErrorAnswer<'_>),
    (status = 401, description = "`unauthorized`", body = ErrorAnswer<'_>)))]
pub(crate) async fn page(State(relay): App, request: Request) -> Result<Response, Failure> {
    let account = auth::account(&relay, request.headers())?;
    let wanted: Wanted = query(&request)?;
    let name = relay.name_of(account)?;
    let after = wanted.after.as_deref().map(cursor).transpose()?;
    let limit = wanted.limit.unwrap_or(Limits::PAGE_DEFAULT).clamp(1, Limits::PAGE_MESSAGES);
    let wait = Duration::from_secs(wanted.wait.unwrap_or(0).min(Limits::LONGEST_WAIT_S));
    let (page, turn) = first_page(&relay, account, after, limit, wait).await?;
    let text = shown(&name, &page);
    let held = relay.memory.hold(text.len() as u64).await?;
    drop(turn);
    relay.metrics.shown.inc_by(page.messages.len() as u64);
    Ok(json_body(StatusCode::OK, Body::new(Whole::new(text, held))))
}

/// The query of a request.
pub(crate) fn query<T: serde::de::DeserializeOwned>(request: &Request) -> Result<T, Failure> {
    Query::try_from_uri(request.uri())
        .map(|Query(query)| query)
        .map_err(|_| Failure::bad_request("the part of the URL behind the ? is not of the form that this call takes"))
}

pub(crate) fn cursor(text: &str) -> Result<Cursor, Failure> {
    text.parse().map_err(|_| Failure::bad_request("this is no cursor: use one that this relay gave"))
}

/// What waits, or is the first to come in this time.
async fn first_page<'a>(
    relay: &'a Relay,
    account: AccountId,
    after: Option<Cursor>,
    limit: usize,
    wait: Duration,
) -> Result<(Page, super::PageTurn<'a>), Failure> {
    let until = Instant::now() + wait;
    // Before the first look, so that nothing comes unheard in between.
    let mut doorbell = (!wait.is_zero()).then(|| relay.store.doorbell(account));
    loop {
        let turn = relay.page_turn().await?;
        let page = relay.store.page(account, after, limit, Limits::PAGE_BYTES).await.map_err(store_failed)?;
        let Some(doorbell) = doorbell.as_mut().filter(|_| page.messages.is_empty()) else { return Ok((page, turn)) };
        drop(turn);
        let resting = relay.throttle.rest();
        let rung = tokio::select! {
            rung = doorbell.rung() => rung.is_some(),
            () = tokio::time::sleep_until(until) => false,
            () = relay.stops() => false,
        };
        drop(resting);
        if !rung {
            return Ok((page, relay.page_turn().await?));
        }
    }
}

fn shown(name: &AgentName, page: &Page) -> Vec<u8> {
    use std::io::Write as _;
    let bytes: usize = page.messages.iter().map(|message| message.payload.len() * 9 / 8 + 300).sum();
    let mut out = Vec::with_capacity(bytes + 100);
    out.extend_from_slice(br#"{"messages":["#);
    for (number, message) in page.messages.iter().enumerate() {
        // Writing into memory never fails.
        let comma = if number > 0 { "," } else { "" };
        let _ = write!(out, r#"{comma}{{"cursor":"{}","#, message.cursor);
        if let Some(key) = &message.from_key {
            let _ = write!(out, r#""from_certified":"{}","#, address::certified(&message.from_name(), key));
        }
        out.extend_from_slice(br#""id":""#);
        push_common(&mut out, message, name);
        out.push(b'}');
    }
    let _ = write!(out, r#"],"next":"{}"}}"#, page.next);
    out
}

/// Messages that are kept safe elsewhere.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Ack<'a> {
    /// At most 1,000.
    #[serde(borrow)]
    #[schema(value_type = Vec<String>)]
    cursors: Vec<Text<'a>>,
}

/// How many messages are gone.
#[derive(Serialize, ToSchema)]
pub(crate) struct Acked {
    deleted: usize,
}

/// Deletes messages. The answer comes when that is on disk.
#[utoipa::path(post, path = "/v2/ack", tag = "Messages", security(("token" = [])), request_body = Ack<'_>, responses(
    (status = 200, description = "Those that were there are deleted", body = Acked),
    (status = 400, description = "`bad_request`", body = ErrorAnswer<'_>),
    (status = 401, description = "`unauthorized`", body = ErrorAnswer<'_>)))]
pub(crate) async fn ack(State(relay): App, request: Request) -> Result<Response, Failure> {
    let (account, read) = auth::account_and_body(&relay, request, relay.small_body()).await?;
    let ack: Ack<'_> = body::parse(&read.bytes)?;
    if ack.cursors.len() > Limits::BATCH_MESSAGES {
        return Err(Failure::bad_request(format!("at most {} cursors at once", Limits::BATCH_MESSAGES)));
    }
    let cursors = ack.cursors.iter().map(|text| cursor(&text.0)).collect::<Result<_, _>>()?;
    let deleted = relay.store.ack(account, cursors).await.map_err(store_failed)?;
    relay.metrics.delivered.inc_by(deleted as u64);
    Ok(json(StatusCode::OK, &Acked { deleted }))
}
