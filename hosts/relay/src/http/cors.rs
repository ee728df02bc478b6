//! A page in a browser is a client like any other: it may come from anywhere, for who it speaks for is told by a token
//! in a header and never by a cookie.

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;

const ANYBODY: HeaderValue = HeaderValue::from_static("*");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, OPTIONS");
const TAKEN: HeaderValue = HeaderValue::from_static(
    "Authorization, Content-Type, Content-Range, Range, Last-Event-ID, Cache-Control, X-Requested-With",
);
const SHOWN: HeaderValue = HeaderValue::from_static(
    "Upload-Offset, Retry-After, Content-Range, Content-Length, Accept-Ranges, WWW-Authenticate",
);
const A_DAY: HeaderValue = HeaderValue::from_static("86400");

/// The answer to `OPTIONS`, which asks what a page may ask; the same on every route.
pub(crate) fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, TAKEN);
    headers.insert(ACCESS_CONTROL_MAX_AGE, A_DAY);
    response
}

/// Lets a page see an answer.
pub(crate) fn allow(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANYBODY);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, SHOWN);
}
