//! Blobs: attachments too large for a message, streamed in and out without being held in memory.

use std::io::SeekFrom;
use std::ops::Range;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use serde::Serialize;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::time::{Instant, timeout, timeout_at};
use utoipa::ToSchema;

use super::answer::{ErrorAnswer, Failure, UPLOAD_OFFSET, json};
use super::{App, Relay, auth, body, store_failed};
use crate::store::{AccountId, BlobError, BlobInfo, BlobName, BlobProgress, BlobPut, BlobUpload};

/// A blob is read from disk by so many bytes at a time.
const CHUNK: usize = 128 << 10;

/// The fewest bytes a second, on average, that an upload must bring.
const SLOWEST: u64 = 16 << 10;

/// A blob that is kept.
#[derive(Serialize, ToSchema)]
pub(crate) struct BlobAnswer {
    sha256: String,
    size: u64,
    expires_ms: i64,
}

/// How far an upload has got.
#[derive(Serialize, ToSchema)]
pub(crate) struct PartAnswer {
    sha256: String,
    /// The next byte that is wanted; also in `Upload-Offset`.
    offset: u64,
}

/// Uploads a blob, whole or a part of it.
#[utoipa::path(put, path = "/v2/blobs/{sha256}", tag = "Blobs", security(("token" = [])),
    params(("sha256" = String, Path, description = "64 hex digits in lower case"),
        ("Content-Range" = Option<String>, Header,
            description = "`bytes FIRST-LAST/TOTAL` of a part, which begins where the relay has got to")),
    request_body(content = String, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "It was there already; its expiry begins anew", body = BlobAnswer),
        (status = 201, description = "All is there, verified and on disk", body = BlobAnswer),
        (status = 202, description = "The part is there; `Upload-Offset` says where to go on", body = PartAnswer),
        (status = 400, description = "`bad_name`, `bad_range` or `bad_request`", body = ErrorAnswer<'_>),
        (status = 401, description = "`unauthorized`", body = ErrorAnswer<'_>),
        (status = 409, description = "`wrong_offset`, with `Upload-Offset`, or `busy`", body = ErrorAnswer<'_>),
        (status = 411, description = "`length_required`", body = ErrorAnswer<'_>),
        (status = 413, description = "`too_large`", body = ErrorAnswer<'_>),
        (status = 422, description = "`wrong_hash`: all that came is thrown away", body = ErrorAnswer<'_>),
        (status = 507, description = "`quota`", body = ErrorAnswer<'_>)))]
pub(crate) async fn upload(
    State(relay): App,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Failure> {
    let (head, mut body) = request.into_parts();
    let account = auth::account(&relay, &head.headers)?;
    let begun = begin(&relay, account, name, &head.headers).await;
    let result = match begun {
        Ok((name, BlobPut::Upload(upload), part)) => receive(&relay, name, upload, &mut body, part).await,
        Ok((name, BlobPut::There(info), _)) => Ok(kept(StatusCode::OK, &name, info)),
        Err(failure) => Err(failure),
    };
    // Whatever is left of the body is read, so that a client that sends before it listens hears the answer.
    let is_too_slow = result.as_ref().is_err_and(|failure| failure.status() == StatusCode::REQUEST_TIMEOUT);
    if !is_too_slow {
        body::discard(&head.headers, &mut body, relay.limits.body_time).await;
    }
    result
}

/// Finds out which part of which blob comes, and whether it is wanted.
async fn begin(
    relay: &Relay,
    account: AccountId,
    name: Result<Path<String>, PathRejection>,
    headers: &HeaderMap,
) -> Result<(BlobName, BlobPut, Part), Failure> {
    let name = blob_name(name)?;
    let part = Part::of(headers)?;
    let put = relay.store.put_blob(account, name, part.first, part.total).await;
    Ok((name, put.map_err(|error| blob_failed(error, relay))?, part))
}

/// Takes the bytes of an upload.
async fn receive(
    relay: &Relay,
    name: BlobName,
    mut upload: BlobUpload,
    body: &mut Body,
    part: Part,
) -> Result<Response, Failure> {
    let failed = |error| blob_failed(error, relay);
    let pause = relay.limits.body_time;
    let until = Instant::now() + 2 * pause + Duration::from_secs(part.length / SLOWEST);
    let mut left = part.length;
    let mut broken = None;
    while left > 0 {
        let next = timeout_at(until, timeout(pause, body::next(body))).await;
        match next {
            Ok(Ok(Ok(Some(bytes)))) => {
                let length = bytes.len() as u64;
                if length > left {
                    return Err(bad_range("the body is longer than Content-Range or Content-Length says"));
                }
                upload.write(bytes).await.map_err(failed)?;
                relay.metrics.blob_bytes_in.inc_by(length);
                left -= length;
            }
            Ok(Ok(Ok(None))) => break,
            Ok(Ok(Err(failure))) => broken = Some(failure),
            Ok(Err(_)) | Err(_) => broken = Some(body::too_slow()),
        }
        if broken.is_some() {
            break;
        }
    }
    // What came is kept, also of an upload that broke off.
    match (upload.finish().await.map_err(failed)?, broken) {
        (BlobProgress::Whole(info), _) => Ok(kept(StatusCode::CREATED, &name, info)),
        (BlobProgress::Part { offset }, Some(failure)) => Err(failure.upload_offset(offset)),
        (BlobProgress::Part { offset }, None) => {
            let mut response = json(StatusCode::ACCEPTED, &PartAnswer { sha256: name.to_string(), offset });
            response.headers_mut().insert(UPLOAD_OFFSET, offset.into());
            Ok(response)
        }
    }
}

fn kept(status: StatusCode, name: &BlobName, info: BlobInfo) -> Response {
    json(status, &BlobAnswer { sha256: name.to_string(), size: info.size, expires_ms: info.expires_ms })
}

/// Tells whether a blob is there, or how far this account's upload of it has got.
#[utoipa::path(head, path = "/v2/blobs/{sha256}", tag = "Blobs", security(("token" = [])),
    params(("sha256" = String, Path, description = "64 hex digits in lower case")),
    responses(
        (status = 200, description = "It is there; `Content-Length` is its size"),
        (status = 401, description = "No token, or one of no account"),
        (status = 404, description = "It is not; `Upload-Offset` if this account has uploaded a part of it")))]
pub(crate) async fn look(
    State(relay): App,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Failure> {
    let account = auth::account(&relay, request.headers())?;
    let name = blob_name(name)?;
    if let Some(info) = relay.store.blob(&name) {
        return Ok(headed(Body::empty(), info.size));
    }
    let offset = relay.store.blob_offset(account, &name).map_err(store_failed)?;
    Err(match offset {
        Some(offset) => no_such_blob().upload_offset(offset),
        None => no_such_blob(),
    })
}

/// Hands out a blob, or the part that `Range` asks for.
#[utoipa::path(get, path = "/v2/blobs/{sha256}", tag = "Blobs", security(("token" = [])),
    params(("sha256" = String, Path, description = "64 hex digits in lower case"),
        ("Range" = Option<String>, Header, description = "One range: `bytes=FIRST-LAST`, `bytes=FIRST-` or `bytes=-LENGTH`")),
    responses(
        (status = 200, description = "The blob", content_type = "application/octet-stream", body = String),
        (status = 206, description = "The part", content_type = "application/octet-stream", body = String),
        (status = 401, description = "`unauthorized`", body = ErrorAnswer<'_>),
        (status = 404, description = "`no_such_blob`", body = ErrorAnswer<'_>),
        (status = 416, description = "`bad_range`", body = ErrorAnswer<'_>)))]
pub(crate) async fn download(
    State(relay): App,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Failure> {
    auth::account(&relay, request.headers())?;
    let opened = relay.store.open_blob(&blob_name(name)?).await.map_err(store_failed)?;
    let blob = opened.ok_or_else(no_such_blob)?;
    let size = blob.info.size;
    let range =
        match request.headers().get(RANGE).and_then(|range| range.to_str().ok()).map(|range| wanted(range, size)) {
            None | Some(Wanted::Everything) => None,
            Some(Wanted::Part(range)) => Some(range),
            Some(Wanted::Nothing) => return Ok(not_satisfiable(size)),
        };
    let Range { start, end } = range.clone().unwrap_or(0..size);
    let mut file = File::from_std(blob.file);
    if start > 0 {
        file.seek(SeekFrom::Start(start)).await.map_err(|error| store_failed(error.into()))?;
    }
    relay.metrics.blob_bytes_out.inc_by(end - start);
    let mut response = headed(Body::from_stream(stream::try_unfold((file, end - start), read_chunk)), end - start);
    if range.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        response.headers_mut().insert(CONTENT_RANGE, value(format!("bytes {start}-{}/{size}", end - 1)));
    }
    Ok(response)
}

/// The next bytes of a file; nothing more when all that was promised is out.
async fn read_chunk((mut file, left): (File, u64)) -> std::io::Result<Option<(Bytes, (File, u64))>> {
    if left == 0 {
        return Ok(None);
    }
    let mut buffer = BytesMut::with_capacity(CHUNK.min(usize::try_from(left).unwrap_or(CHUNK)));
    let most = usize::try_from(left).unwrap_or(usize::MAX);
    let read = (&mut file).take(most as u64).read_buf(&mut buffer).await?;
    if read == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Some((buffer.freeze(), (file, left.saturating_sub(read as u64)))))
}

fn headed(body: Body, length: u64) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_LENGTH, length.into());
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Whatever the bytes are, a browser does not show them as a page of this relay.
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    response
}

fn not_satisfiable(size: u64) -> Response {
    let error = format!("the blob has {size} bytes; ask for a range within it");
    let mut response = Failure::new(StatusCode::RANGE_NOT_SATISFIABLE, "bad_range", error).into_response();
    response.headers_mut().insert(CONTENT_RANGE, value(format!("bytes */{size}")));
    response
}

/// A header made of digits and a few signs, which always is one.
fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

fn blob_name(name: Result<Path<String>, PathRejection>) -> Result<BlobName, Failure> {
    let bad = || {
        let error = "a blob is named by its SHA-256: 64 hex digits in lower case";
        Failure::new(StatusCode::BAD_REQUEST, "bad_name", error)
    };
    let Path(name) = name.map_err(|_| bad())?;
    BlobName::parse(&name).ok_or_else(bad)
}

fn no_such_blob() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, "no_such_blob", "there is no such blob; it may have expired")
}

fn bad_range(error: &'static str) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, "bad_range", error)
}

fn blob_failed(error: BlobError, relay: &Relay) -> Failure {
    let text = error.to_string();
    match error {
        BlobError::WrongOffset { expected } => {
            Failure::new(StatusCode::CONFLICT, "wrong_offset", text).upload_offset(expected)
        }
        BlobError::Busy => Failure::new(StatusCode::CONFLICT, "busy", text).retry_after(1),
        BlobError::WrongHash => Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "wrong_hash", text),
        BlobError::TooLarge => Failure::too_large("the blob", relay.limits.store.blob_bytes),
        BlobError::Quota => Failure::new(StatusCode::INSUFFICIENT_STORAGE, "quota", text),
        BlobError::Store(error) => store_failed(error),
    }
}

/// Which part of a blob a request brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    first: u64,
    length: u64,
    total: u64,
}

impl Part {
    fn of(headers: &HeaderMap) -> Result<Self, Failure> {
        let length = body::stated_length(headers);
        let Some(range) = headers.get(CONTENT_RANGE) else {
            let error = "an upload needs Content-Length or Content-Range";
            let missing = || Failure::new(StatusCode::LENGTH_REQUIRED, "length_required", error);
            let total = length.ok_or_else(missing)?;
            return Ok(Self { first: 0, length: total, total });
        };
        let part = range.to_str().ok().and_then(Self::parse);
        let part = part.ok_or_else(|| bad_range("Content-Range must be `bytes FIRST-LAST/TOTAL`"))?;
        match length {
            Some(length) if length != part.length => Err(bad_range("Content-Length and Content-Range do not agree")),
            _ => Ok(part),
        }
    }

    fn parse(range: &str) -> Option<Self> {
        let (span, total) = range.strip_prefix("bytes ")?.trim().split_once('/')?;
        let (first, last) = span.split_once('-')?;
        let (first, last, total) = (number(first)?, number(last)?, number(total)?);
        (first <= last && last < total).then(|| Self { first, length: last - first + 1, total })
    }
}

/// What `Range` asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Everything,
    Part(Range<u64>),
    Nothing,
}

/// One range of bytes (RFC 9110 section 14.2); what is none, or several, is passed over.
fn wanted(range: &str, size: u64) -> Wanted {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|span| span.split_once('-')) else {
        return Wanted::Everything;
    };
    let (first, last) = (first.trim(), last.trim());
    let part = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..size.min(last.saturating_add(1)),
        (Some(first), None) if last.is_empty() => first..size,
        (None, Some(length)) if first.is_empty() => size.saturating_sub(length)..size,
        _ => return Wanted::Everything,
    };
    if part.is_empty() { Wanted::Nothing } else { Wanted::Part(part) }
}

/// Digits and nothing else.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_uploads_are_strict() {
        assert_eq!(Part::parse("bytes 0-9/10"), Some(Part { first: 0, length: 10, total: 10 }));
        assert_eq!(Part::parse("bytes 5-7/10"), Some(Part { first: 5, length: 3, total: 10 }));
        for bad in [
            "",
            "bytes",
            "bytes 0-9",
            "bytes 0-10/10",
            "bytes 9-0/10",
            "bytes */10",
            "bytes 0-9/*",
            "items 0-9/10",
            "bytes +0-9/10",
            "bytes 0-99999999999999999999/10",
            "bytes -9/10",
        ] {
            assert_eq!(Part::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn ranges_of_downloads_are_one_or_none() {
        for (range, expected) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=2-", Wanted::Part(2..10)),
            ("bytes=2-99", Wanted::Part(2..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-99", Wanted::Part(0..10)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=0-18446744073709551615", Wanted::Part(0..10)),
            ("bytes=3-2", Wanted::Everything),
            ("bytes=0-1,3-4", Wanted::Everything),
            ("bytes=-", Wanted::Everything),
            ("lines=1-2", Wanted::Everything),
        ] {
            assert_eq!(wanted(range, 10), expected, "{range}");
        }
        assert_eq!(wanted("bytes=0-", 0), Wanted::Nothing);
    }
}
