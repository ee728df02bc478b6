//! Clients that are slow, greedy, or pages in a browser.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::time::Duration;

use azall_relay::options::{Limits, Options};
use serde_json::json;
use support::Live;

fn relay(change: impl FnOnce(&mut Limits)) -> Live {
    let mut options = Options::in_memory();
    change(&mut options.limits);
    Live::with(options)
}

#[test]
fn a_slow_head_is_cut_off() {
    let relay = relay(|limits| limits.head_time = Duration::from_millis(100));
    let mut silent = relay.connect();
    assert!(silent.is_closed());
    let mut slow = relay.connect();
    slow.send(b"GET /health HTTP/1.1\r\nHost: x\r\n");
    assert!(slow.try_answer("GET").is_none_or(|answer| answer.status == 408));
    let mut idle = relay.connect();
    assert_eq!(idle.call("GET", "/health", "", "").status, 200);
    assert!(idle.is_closed());
}

#[test]
fn a_slow_body_is_cut_off() {
    let relay = relay(|limits| limits.body_time = Duration::from_millis(100));
    let anna = relay.register("anna");
    for (method, path) in [("POST", "/send"), ("POST", "/v2/messages"), ("POST", "/register"), ("POST", "/v2/ack")] {
        let mut slow = relay.connect();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {anna}\r\nContent-Length: 50\r\n\r\n"
        );
        slow.send(format!("{head}{{\"").as_bytes());
        assert_eq!(slow.answer().status, 408, "{path}");
    }
    let mut slow = relay.connect();
    let path = format!("/v2/blobs/{}", "a".repeat(64));
    slow.send(
        format!("PUT {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {anna}\r\nContent-Length: 9\r\n\r\nabc")
            .as_bytes(),
    );
    let answer = slow.answer();
    assert_eq!((answer.status, answer.header("upload-offset")), (408, Some("3")));
}

#[test]
fn a_body_that_is_too_large_is_told_so() {
    let relay = relay(|limits| limits.store.message_bytes = 1000);
    let anna = relay.register("anna");
    let body = json!({ "to": "anna", "payload": "x".repeat(100_000) }).to_string();
    let mut client = relay.connect();
    assert_eq!(client.call("POST", "/send", &anna, &body).status, 413);
    assert_eq!(client.call("GET", "/health", "", "").status, 200, "what was left of the body was read");
    let mut chunked = relay.connect();
    let head =
        format!("POST /send HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {anna}\r\nTransfer-Encoding: chunked\r\n\r\n");
    chunked.send(format!("{head}{:x}\r\n{body}\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len(), body.len()).as_bytes());
    assert_eq!(chunked.answer().status, 413);
    let mut polite = relay.connect();
    let head =
        format!("POST /send HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {anna}\r\nContent-Length: 99999999\r\n");
    polite.send(format!("{head}Expect: 100-continue\r\n\r\n").as_bytes());
    assert_eq!(polite.answer().status, 413, "before anything was sent");
    let large = "x".repeat(70_000);
    assert_eq!(relay.call("POST", "/register", "", &large).status, 413);
    assert_eq!(relay.call("POST", "/v2/messages", &anna, &"x".repeat(5 << 20)).code(), (413, "too_large".to_owned()));
}

#[test]
fn heads_are_bounded() {
    let relay = Live::new();
    for head in [
        format!("GET /health HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(100_000)),
        format!("GET /health HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-Many: 1\r\n".repeat(100)),
        format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(100_000)),
    ] {
        let mut client = relay.connect();
        client.send(head.as_bytes());
        let status = client.answer().status;
        assert!(matches!(status, 431 | 414), "{status}");
    }
}

#[test]
fn json_is_bounded_in_depth() {
    let relay = Live::new();
    let anna = relay.register("anna");
    for path in ["/send", "/v2/messages", "/v2/ack", "/register", "/v2/register"] {
        let deep = format!("{{\"x\": {}{}", "[".repeat(30_000), "]".repeat(30_000));
        assert_eq!(relay.call("POST", path, &anna, &deep).status, 400, "{path}");
    }
}

#[test]
fn there_are_so_many_connections_and_no_more() {
    let relay = relay(|limits| limits.connections_per_address = 3);
    let mut held: Vec<_> = (0..3).map(|_| relay.connect()).collect();
    for client in &mut held {
        assert_eq!(client.call("GET", "/health", "", "").status, 200);
    }
    let refused = relay.connect().answer();
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
    held.pop();
    // The relay may take a moment to see that one has gone.
    loop {
        let mut client = relay.connect();
        client.request("GET", "/health", &[], b"");
        if client.try_answer("GET").is_some_and(|answer| answer.status == 200) {
            break;
        }
    }
}

/// Requests whose bodies do not come, which keep the relay busy.
fn busy(relay: &Live, token: &str, number: usize) -> Vec<support::Client> {
    let head = format!("POST /send HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 9\r\n\r\n");
    let one = |_| {
        let mut client = relay.connect();
        client.send(head.as_bytes());
        client
    };
    (0..number).map(one).collect()
}

#[test]
fn a_relay_with_enough_to_do_says_so() {
    let relay = relay(|limits| limits.requests_at_once = 10);
    let anna = relay.register("anna");
    let busy = busy(&relay, &anna, 10);
    let mut client = relay.connect();
    let full = loop {
        let answer = client.call("GET", "/v2/messages", &anna, "");
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!((full.code(), full.header("retry-after")), ((503, "unavailable".to_owned()), Some("1")));
    assert_eq!(client.call("GET", "/health", "", "").status, 200);
    drop(busy);
    while client.call("GET", "/v2/messages", &anna, "").status != 200 {}
}

#[test]
fn who_asks_for_too_much_has_to_wait_and_others_do_not() {
    let relay = relay(|limits| limits.requests_at_once = 100);
    let (busy_one, greedy, modest) = (relay.register("busy"), relay.register("greedy"), relay.register("modest"));
    let _busy = busy(&relay, &busy_one, 95);
    while !relay.call("GET", "/metrics", "", "").text().contains("azall_relay_load_permille 96") {}
    let bearer = format!("Bearer {greedy}");
    let mut told_to_wait = None;
    while told_to_wait.is_none() {
        let mut clients: Vec<_> = (0..300).map(|_| relay.connect()).collect();
        for client in &mut clients {
            client.request("GET", "/v2/messages", &[("Authorization", &bearer)], b"");
        }
        for client in &mut clients {
            let answer = client.answer();
            assert!(matches!(answer.status, 200 | 429 | 503), "{answer:?}");
            if answer.status == 429 {
                told_to_wait = Some(answer);
            }
        }
    }
    let told_to_wait = told_to_wait.unwrap();
    assert_eq!(told_to_wait.code().1, "throttled");
    assert!(told_to_wait.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1);
    let answer = relay.call("GET", "/v2/messages", &modest, "");
    assert!(matches!(answer.status, 200 | 503), "{answer:?}");
}

#[test]
fn a_page_in_a_browser_is_a_client() {
    let relay = Live::new();
    let paths = relay.call("GET", "/openapi.json", "", "").json()["paths"].clone();
    let mut client = relay.connect();
    for path in paths.as_object().unwrap().keys().map(String::as_str).chain(["/nothing"]) {
        let asks = [("Origin", "https://page.example"), ("Access-Control-Request-Method", "PUT")];
        client.request("OPTIONS", path, &asks, b"");
        let answer = client.try_answer("OPTIONS").unwrap();
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some("*")), "{path}");
        let headers = answer.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
        for header in ["authorization", "content-type", "content-range", "range", "last-event-id"] {
            assert!(headers.contains(header), "{path}: {header}");
        }
        for method in ["GET", "POST", "PUT", "DELETE", "HEAD"] {
            assert!(answer.header("access-control-allow-methods").unwrap().contains(method), "{path}: {method}");
        }
        client.request("GET", path, &[("Origin", "https://page.example")], b"");
        let Some((status, headers)) = client.head() else { panic!("{path}: no answer") };
        assert!(
            status != 500 && headers.contains(&("access-control-allow-origin".to_owned(), "*".to_owned())),
            "{path}"
        );
        let shown = headers.iter().find(|(name, _)| name == "access-control-expose-headers").unwrap();
        assert!(shown.1.contains("Upload-Offset") && shown.1.contains("Retry-After"), "{path}");
        client = relay.connect();
    }
    let plain = client.call("GET", "/health", "", "");
    assert_eq!(plain.header("access-control-allow-origin"), None);
    assert_eq!(plain.header("x-content-type-options"), Some("nosniff"));
}
