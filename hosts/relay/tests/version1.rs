//! Version 1, as the existing client speaks it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use azall_relay::options::Options;
use serde_json::{Value, json};
use support::Live;

fn small() -> Options {
    let mut options = Options::in_memory();
    options.limits.store.message_bytes = 1000;
    options.limits.store.inbox_bytes = 2500;
    options
}

fn send(relay: &Live, token: &str, to: &str, payload: &str) -> support::Answer {
    relay.call("POST", "/send", token, &json!({ "to": to, "payload": payload }).to_string())
}

fn payloads(relay: &Live, token: &str) -> Vec<Value> {
    let answer = relay.call("GET", "/messages", token, "");
    assert_eq!(answer.status, 200, "{answer:?}");
    let json = answer.json();
    let messages = json["messages"].as_array().unwrap();
    assert_eq!(json["count"], messages.len());
    messages.iter().map(|message| message["payload"].clone()).collect()
}

#[test]
fn an_account_is_made_once() {
    let relay = Live::new();
    let answer = relay.call("POST", "/register", "", r#"{"agent_name": "Alice"}"#);
    assert_eq!(answer.status, 201);
    let account = answer.json();
    let token = account["api_token"].as_str().unwrap();
    assert_eq!(token.len(), 43);
    assert_eq!(account["status"], "ok");
    assert_eq!(account["agent_name"], "alice");
    assert_eq!(account["agent_address"], "alice.agenttalk");
    assert_eq!(account["config"]["agent_name"], "alice.agenttalk");
    assert_eq!(account["config"]["transport"], "agenttalk");
    assert_eq!(account["config"]["agenttalk"], json!({ "server": "http://relay.test", "token": token }));
    let again = relay.call("POST", "/register", "", r#"{"agent_name": "alice"}"#);
    assert_eq!((again.status, again.json().as_object().unwrap().len()), (409, 1));
    for name in ["", "ab", "1abc", "a b c", "admin", "Relay", "a.b.c", "\u{e4}bc", "x\r\ny", &"a".repeat(31)] {
        let body = json!({ "agent_name": name }).to_string();
        assert_eq!(relay.call("POST", "/register", "", &body).status, 400, "{name:?}");
    }
    for body in ["", "{", "[]", "null", r#"{"name": "bob"}"#, r#"{"agent_name": 7}"#, "\u{feff}{}"] {
        let answer = relay.call("POST", "/register", "", body);
        assert_eq!((answer.status, answer.json()["code"].is_null()), (400, true), "{body:?}");
    }
}

#[test]
fn a_message_goes_from_one_to_the_other_once() {
    let relay = Live::new();
    let (anna, bob) = (relay.register("anna"), relay.register("bob"));
    for (to, payload) in
        [("bob", "one"), ("bob.agenttalk", "Gr\u{fc}\u{df}e \"\u{1F30D}\"\n\u{0}\u{7f}\\"), ("BOB", "")]
    {
        let sent = send(&relay, &anna, to, payload);
        assert_eq!((sent.status, sent.field("status").as_str()), (200, "sent"));
        assert!(sent.field("message_id").contains("_anna_"));
    }
    let answer = relay.call("GET", "/messages", &bob, "").json();
    assert_eq!((answer["agent"].as_str(), answer["count"].as_u64()), (Some("bob.agenttalk"), Some(3)));
    let first = answer["messages"][0].as_object().unwrap();
    assert_eq!(first.keys().collect::<Vec<_>>(), ["id", "from", "to", "timestamp", "payload"]);
    assert_eq!((first["from"].as_str(), first["to"].as_str()), (Some("anna.agenttalk"), Some("bob.agenttalk")));
    assert!(first["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(answer["messages"][1]["payload"], "Gr\u{fc}\u{df}e \"\u{1F30D}\"\n\u{0}\u{7f}\\");
    assert_eq!(payloads(&relay, &bob), Vec::<Value>::new());
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let relay = Live::with(small());
    let (anna, bob) = (relay.register("anna"), relay.register("bob"));
    assert_eq!(send(&relay, "", "bob", "x").status, 401);
    assert_eq!(send(&relay, &bob.to_uppercase(), "bob", "x").status, 401);
    let unauthorized = send(&relay, "nonsense", "bob", "x");
    assert_eq!(unauthorized.header("www-authenticate"), Some("Bearer"));
    for nobody in ["carol", "bob@localhost", "", "../bob", "bob.3430f3e127705937.agenttalk"] {
        assert_eq!(send(&relay, &anna, nobody, "x").status, 404, "{nobody:?}");
    }
    for body in ["", "{}", r#"{"to": "bob"}"#, r#"{"payload": "x"}"#, r#"{"to": "bob", "payload": {}}"#, "\u{0}"] {
        assert_eq!(relay.call("POST", "/send", &anna, body).status, 400, "{body:?}");
    }
    assert_eq!(send(&relay, &anna, "bob", &"x".repeat(1001)).status, 413);
    assert_eq!(send(&relay, &anna, "bob", &"x".repeat(1000)).status, 200);
    assert_eq!(send(&relay, &anna, "bob", &"x".repeat(1000)).status, 200);
    assert_eq!(send(&relay, &anna, "bob", &"x".repeat(1000)).status, 507);
    assert_eq!(payloads(&relay, &bob).len(), 2);
    // Its room is free as soon as the messages are gone, which the answer does not wait for.
    while send(&relay, &anna, "bob", &"x".repeat(1000)).status == 507 {}
}

#[test]
fn messages_of_an_answer_that_was_not_read_come_again() {
    let mut options = Options::in_memory();
    options.limits.body_time = std::time::Duration::from_millis(200);
    let relay = Live::with(options);
    let (anna, bob) = (relay.register("anna"), relay.register("bob"));
    // More than the system's buffers take, so that an answer needs a reader.
    let payload = "x".repeat(256 << 10);
    for _ in 0..16 {
        assert_eq!(send(&relay, &anna, "bob", &payload).status, 200);
    }
    let mut client = support::Client::over(connect_with_little_room(&relay));
    let bearer = format!("Bearer {bob}");
    client.request("GET", "/messages", &[("Authorization", &bearer)], b"");
    // The first bytes are there: the messages are on their way, and in nobody else's answer.
    assert!(client.line().is_some());
    let meanwhile = payloads(&relay, &bob).len();
    assert_eq!(meanwhile, 0);
    drop(client);
    let mut got = 0;
    while got < 16 {
        got += payloads(&relay, &bob).len();
    }
    assert_eq!((got, payloads(&relay, &bob).len()), (16, 0));
}

/// A connection to which the relay cannot write much before somebody reads.
fn connect_with_little_room(relay: &Live) -> std::net::TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(relay.address).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream
}

#[test]
fn facts_and_lists_need_no_token() {
    let relay = Live::new();
    relay.register("bob");
    relay.register("anna");
    let agents = relay.call("GET", "/agents", "", "").json();
    assert_eq!(agents, json!({ "agents": ["anna.agenttalk", "bob.agenttalk"], "count": 2 }));
    let status = relay.call("GET", "/status", "", "").json();
    assert_eq!(status["api"], json!({ "v1": true, "v2": true }));
    assert_eq!(status["accounts_active"], 2);
    assert_eq!(status["v2"]["message_bytes"], 256 << 10);
    assert_eq!(status["v2"]["longest_wait_s"], 55);
    let health = relay.call("GET", "/health", "", "").json();
    assert_eq!((health["status"].as_str(), health["protocol"].as_str()), (Some("ok"), Some("AgentTalk")));
    assert_eq!(relay.call("GET", "/ready", "", "").status, 200);
    assert!(relay.call("GET", "/metrics", "", "").text().contains("azall_relay_registered_total 2"));
    assert!(relay.call("GET", "/docs", "", "").text().starts_with("<!doctype html>"));
    assert_eq!(relay.call("GET", "/openapi.json", "", "").json()["info"]["title"], "AgentTalk relay");
}

#[test]
fn what_is_no_call_is_told_so() {
    let relay = Live::new();
    let mut client = relay.connect();
    for (method, path, status) in [
        ("GET", "/", 404),
        ("GET", "/nothing", 404),
        ("GET", "/v2/nothing", 404),
        ("GET", "/send", 405),
        ("DELETE", "/v2/messages", 405),
        ("PATCH", "/v2/messages", 405),
        ("GET", "/v2/agents/%ff", 404),
        ("GET", "//", 404),
    ] {
        let answer = client.call(method, path, "", "");
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.json()["code"].is_string(), path.starts_with("/v2/"), "{method} {path}");
    }
    let head = client.call("HEAD", "/health", "", "");
    assert_eq!(head.status, 200);
    assert_eq!(client.call("GET", "/health", "", "").status, 200, "the connection is good still");
}
