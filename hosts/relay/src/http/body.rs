//! Reading the body of a request: bounded in size and time.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, EXPECT};
use axum::http::{HeaderMap, StatusCode};
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use serde::Deserialize;

use super::answer::Failure;
use super::limits::{Held, Memory};

/// How much of a body that is too large is still read, so that a client that sends before it listens hears why.
const DRAINED: u64 = 16 << 20;

/// A body that was read, and its part of the memory that large ones share.
pub(crate) struct Read {
    pub(crate) bytes: Bytes,
    _held: Held,
}

/// The bounds of a body.
#[derive(Clone, Copy)]
pub(crate) struct Bounds<'a> {
    /// Its size.
    pub(crate) bytes: u64,
    /// How long it may take to come.
    pub(crate) time: Duration,
    /// The memory that large ones share.
    pub(crate) memory: &'a Memory,
}

/// Reads a body.
///
/// # Errors
/// 413 when it is too large, 408 when it is too slow, 400 when it breaks off.
pub(crate) async fn read(headers: &HeaderMap, mut body: Body, bounds: Bounds<'_>) -> Result<Read, Failure> {
    let stated = stated_length(headers);
    if stated.is_some_and(|length| length > bounds.bytes) {
        discard(headers, &mut body, bounds.time).await;
        return Err(Failure::too_large("the request", bounds.bytes));
    }
    let held = bounds.memory.hold(stated.unwrap_or(bounds.bytes)).await?;
    let gathered = tokio::time::timeout(bounds.time, gather(&mut body, stated, bounds.bytes)).await;
    let bytes = gathered.unwrap_or_else(|_| Err(too_slow()))?;
    Ok(Read { bytes, _held: held })
}

/// The length that the head of a request states.
pub(crate) fn stated_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

pub(crate) fn too_slow() -> Failure {
    Failure::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the body of the request came too slowly")
}

pub(crate) fn broken_off() -> Failure {
    Failure::bad_request("the body of the request broke off or is not well-formed")
}

async fn gather(body: &mut Body, stated: Option<u64>, limit: u64) -> Result<Bytes, Failure> {
    // Most bodies come in one piece, which is then not copied.
    let Some(first) = next(body).await? else { return Ok(Bytes::new()) };
    if body.is_end_stream() {
        return within(first, limit);
    }
    let Some(second) = next(body).await? else { return within(first, limit) };
    let room = usize::try_from(stated.unwrap_or(0)).unwrap_or(0).max(first.len() + second.len());
    let mut whole = BytesMut::with_capacity(room);
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&second);
    while let Some(part) = next(body).await? {
        if (whole.len() + part.len()) as u64 > limit {
            let _ = drain(body, DRAINED).await;
            return Err(Failure::too_large("the request", limit));
        }
        whole.extend_from_slice(&part);
    }
    within(whole.freeze(), limit)
}

fn within(bytes: Bytes, limit: u64) -> Result<Bytes, Failure> {
    if bytes.len() as u64 > limit { Err(Failure::too_large("the request", limit)) } else { Ok(bytes) }
}

/// The next part of a body.
pub(crate) async fn next(body: &mut Body) -> Result<Option<Bytes>, Failure> {
    while let Some(frame) = body.frame().await {
        // Trailers say nothing that is wanted.
        if let Ok(part) = frame.map_err(|_| broken_off())?.into_data()
            && !part.is_empty()
        {
            return Ok(Some(part));
        }
    }
    Ok(None)
}

/// Reads what is left of a body for a while, unless its client has asked first whether to send it.
pub(crate) async fn discard(headers: &HeaderMap, body: &mut Body, time: Duration) {
    if !headers.contains_key(EXPECT) {
        let _ = tokio::time::timeout(time, drain(body, DRAINED)).await;
    }
}

async fn drain(body: &mut Body, mut most: u64) -> Result<(), Failure> {
    while let Some(part) = next(body).await? {
        most = most.saturating_sub(part.len() as u64);
        if most == 0 {
            break;
        }
    }
    Ok(())
}

/// Understands JSON, which may hold fields of another version. It is nested 128 levels deep at most.
///
/// # Errors
/// 400 that says where it stops making sense, without repeating what is there.
pub(crate) fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let what = match error.classify() {
            serde_json::error::Category::Data => "it is not of the form that this call takes",
            _ => "it is not JSON",
        };
        Failure::bad_request(format!("the body of the request cannot be used: {what} (line {line}, column {column})"))
    })
}
