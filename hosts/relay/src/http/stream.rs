//! The doorbell: server-sent events that tell of messages, and the tickets that open it.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::answer::{ErrorAnswer, Failure, json};
use super::messages::{cursor, query};
use super::once::Purpose;
use super::{App, auth};
use crate::store::{AccountId, Cursor, Doorbell, Waiting};

/// How often a stream says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A comment, which clients pass over.
const COMMENT: Bytes = Bytes::from_static(b": heartbeat\n\n");

/// How many messages are told of one by one; of more only the newest.
const TOLD: usize = 1000;

/// A ticket.
#[derive(Serialize, ToSchema)]
pub(crate) struct TicketAnswer {
    ticket: String,
    expires_ms: u64,
}

/// Makes a ticket: it opens the stream once, within a minute, for an `EventSource`, which cannot send headers.
#[utoipa::path(post, path = "/v2/ticket", tag = "Messages", security(("token" = [])), responses(
    (status = 200, description = "The ticket", body = TicketAnswer),
    (status = 401, description = "`unauthorized`", body = ErrorAnswer<'_>)))]
pub(crate) async fn ticket(State(relay): App, request: Request) -> Result<Response, Failure> {
    let account = auth::account(&relay, request.headers())?;
    let issued = relay.once.issue(Purpose::Ticket, account.number(), relay.now_ms()).map_err(super::no_randomness)?;
    Ok(json(StatusCode::OK, &TicketAnswer { ticket: issued.text, expires_ms: issued.expires_ms }))
}

/// How the stream is opened.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Opening {
    /// In place of the token.
    ticket: Option<String>,
    /// Tell only of what came after this cursor; the header `Last-Event-ID` goes before it.
    after: Option<String>,
}

/// Tells of messages as they come: `event: message`, `id: CURSOR`, `data: {"id", "cursor"}`, after those that wait already.
#[utoipa::path(get, path = "/v2/stream", tag = "Messages", security(("token" = [])), params(Opening,
        ("Last-Event-ID" = Option<String>, Header, description = "The cursor of the last event that was seen")),
    responses(
        (status = 200, description = "Events, with a comment every 15 seconds", content_type = "text/event-stream",
            body = String),
        (status = 400, description = "`bad_request`", body = ErrorAnswer<'_>),
        (status = 401, description = "`unauthorized`", body = ErrorAnswer<'_>)))]
pub(crate) async fn stream(State(relay): App, request: Request) -> Result<Response, Failure> {
    let opening: Opening = query(&request)?;
    let after = last_event(request.headers()).or(opening.after.as_deref()).map(cursor).transpose()?;
    let account = match &opening.ticket {
        None => auth::account(&relay, request.headers())?,
        Some(ticket) => {
            let account = relay.once.redeem(Purpose::Ticket, ticket, relay.now_ms()).and_then(AccountId::from_number);
            account.filter(|account| relay.store.agent_of(*account).is_some()).ok_or_else(Failure::unauthorized)?
        }
    };
    // The doorbell first, so that nothing comes unheard between the first look and it.
    let doorbell = relay.store.doorbell(account);
    let teller = Teller { relay, account, doorbell, last: after, state: TellerState::Opened };
    let events = stream::unfold(teller, Teller::next);
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that gather answers before they pass them on know this to mean that they should not.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn last_event(headers: &HeaderMap) -> Option<&str> {
    headers.get("last-event-id")?.to_str().ok().filter(|id| !id.is_empty())
}

/// Writes the events of one stream.
struct Teller {
    relay: std::sync::Arc<super::Relay>,
    account: AccountId,
    doorbell: Doorbell,
    /// The newest that was told of.
    last: Option<Cursor>,
    state: TellerState,
}

#[derive(PartialEq)]
enum TellerState {
    /// What waits is to be told.
    Opened,
    Listening,
}

impl Teller {
    /// The next piece of the stream; `None` at its end, when the relay stops or the account is gone.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if self.state == TellerState::Opened {
            self.state = TellerState::Listening;
            let events = self.events().await?;
            let events = if events.is_empty() { COMMENT } else { events };
            return Some((Ok(events), self));
        }
        loop {
            let relay = &self.relay;
            let rung = tokio::select! {
                rung = self.doorbell.rung() => Some(rung?),
                () = tokio::time::sleep(HEARTBEAT) => None,
                () = relay.stops() => return None,
            };
            let Some(newest) = rung else { return Some((Ok(COMMENT), self)) };
            if self.last.is_none_or(|last| newest.cursor > last) {
                self.last = Some(newest.cursor);
                return Some((Ok(event(&newest).into()), self));
            }
        }
    }

    /// Events for all that waits and was not told of.
    async fn events(&mut self) -> Option<Bytes> {
        let waiting = self.relay.store.waiting(self.account, self.last, TOLD).await.ok()?;
        self.last = waiting.last().map(|newest| newest.cursor).or(self.last);
        Some(waiting.iter().map(event).collect::<String>().into())
    }
}

fn event(message: &Waiting) -> String {
    let Waiting { cursor, id } = message;
    format!("event: message\nid: {cursor}\ndata: {{\"id\":\"{id}\",\"cursor\":\"{cursor}\"}}\n\n")
}
