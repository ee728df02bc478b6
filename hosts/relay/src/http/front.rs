//! What every request passes before its handler sees it, and every answer on its way out.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method};
use axum::response::Response;
use hyper::body::Incoming;
use tower::Service as _;

use super::answer::Failure;
use super::connection::Peer;
use super::throttle::{self, Verdict};
use super::{Relay, cors, of_version, stopping};

/// The one call that is answered however busy the relay is.
const HEALTH: &str = "/health";

/// The call that hands messages out for good, once they are written to the connection.
const HANDS_OUT: &str = "/messages";

/// Answers one request.
pub(crate) async fn answer(
    relay: &Relay,
    router: &Router,
    peer: &Arc<Peer>,
    request: hyper::Request<Incoming>,
) -> Result<Response, Infallible> {
    let is_from_page = request.headers().contains_key(ORIGIN);
    let mut response =
        if request.method() == Method::OPTIONS { cors::preflight() } else { pass(relay, router, peer, request).await };
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if is_from_page {
        cors::allow(headers);
    }
    relay.metrics.answered(response.status());
    Ok(response)
}

async fn pass(relay: &Relay, router: &Router, peer: &Arc<Peer>, request: hyper::Request<Incoming>) -> Response {
    if let Err(failure) = admit(relay, peer, &request).await {
        return of_version(request.uri(), failure);
    }
    let _working = relay.throttle.work();
    let mut request = request.map(Body::new);
    // Of all handlers one alone wants to know whose connection it is, and telling costs two allocations.
    if request.uri().path() == HANDS_OUT {
        request.extensions_mut().insert(Arc::clone(peer));
    }
    let method = tracing::enabled!(tracing::Level::DEBUG).then(|| request.method().clone());
    let response = match router.clone().call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    if let Some(method) = method {
        // Neither the path nor any header: they may hold a ticket, a token or a name.
        tracing::debug!(%method, status = response.status().as_u16(), "answered");
    }
    response
}

/// Lets a request in, after a while if it must wait.
async fn admit(relay: &Relay, peer: &Peer, request: &hyper::Request<Incoming>) -> Result<(), Failure> {
    if relay.is_stopping() {
        return Err(stopping());
    }
    let authorization = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
    match relay.throttle.judge(peer.origin, authorization) {
        Verdict::Go => Ok(()),
        Verdict::Full if request.uri().path() == HEALTH => Ok(()),
        Verdict::Wait(delay) => {
            relay.metrics.delayed.inc();
            tokio::select! {
                () = tokio::time::sleep(delay) => Ok(()),
                () = relay.stops() => Err(stopping()),
            }
        }
        Verdict::Later(seconds) => {
            relay.metrics.throttled.inc();
            Err(throttle::later(seconds))
        }
        Verdict::Full => {
            relay.metrics.throttled.inc();
            Err(Failure::unavailable("the relay is working on as many requests as it can", 1))
        }
    }
}

/// The answer to a connection that there is no place for.
pub(crate) const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n\
Content-Type: application/json\r\nContent-Length: 64\r\n\r\n{\"error\":\"the relay has too many connections\",\"code\":\"too_many\"}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_in_the_hand_written_answer_is_right() {
        let text = std::str::from_utf8(NO_PLACE).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{}", body.len());
    }
}
