//! Answers: JSON, and failures.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

/// The type of every answer in JSON.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What is handed to one client is nobody else's.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// How far the relay has got with a blob.
pub(crate) const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");

/// JSON that is written already.
pub(crate) fn json_bytes(status: StatusCode, json: impl Into<Bytes>) -> Response {
    json_body(status, Body::from(json.into()))
}

/// JSON that a body of its own kind hands out.
pub(crate) fn json_body(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, NO_STORE);
    response
}

/// A value as JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(text) => json_bytes(status, text),
        // Our own answers are structs with text keys, which always can be written.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A text as a JSON string, at the end of what is there.
pub(crate) fn push_json(out: &mut Vec<u8>, text: &str) {
    // Writing into memory never fails.
    let _ = serde_json::to_writer(out, text);
}

/// An error as version 2 tells it; version 1 leaves the code out.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorAnswer<'a> {
    /// What is wrong, for people.
    #[schema(value_type = String)]
    error: &'a str,
    /// What is wrong, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
}

/// Why a request is not done.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    code: &'static str,
    error: Cow<'static, str>,
    retry_after: Option<u64>,
    upload_offset: Option<u64>,
    /// Whether the answer names the code: it does in version 2.
    is_coded: bool,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, code: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, error: error.into(), retry_after: None, upload_offset: None, is_coded: true }
    }

    pub(crate) fn bad_request(error: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", error)
    }

    pub(crate) fn unauthorized() -> Self {
        let error = "this needs the header `Authorization: Bearer TOKEN` with the token of an account of this relay";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", error)
    }

    pub(crate) fn no_such_agent() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_such_agent", "no agent of this name has an account here")
    }

    pub(crate) fn too_large(what: &str, limit: u64) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("{what} is too large: at most {limit} bytes are allowed"),
        )
    }

    /// The relay cannot do it now.
    pub(crate) fn unavailable(error: impl Into<Cow<'static, str>>, seconds: u64) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error).retry_after(seconds)
    }

    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    pub(crate) fn upload_offset(self, offset: u64) -> Self {
        Self { upload_offset: Some(offset), ..self }
    }

    /// The same as version 1 tells it.
    pub(crate) fn without_code(self) -> Self {
        Self { is_coded: false, ..self }
    }

    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let code = self.is_coded.then_some(self.code);
        let mut response = json(self.status, &ErrorAnswer { error: &self.error, code });
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if let Some(offset) = self.upload_offset {
            headers.insert(UPLOAD_OFFSET, offset.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
