//! Version 2: accounts that own a key, batches, pages, acknowledgements, the long poll and the doorbell.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use azall_core::protocol::identity::Identity;
use azall_relay::options::Options;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::{Answer, Live};

fn challenge(relay: &Live) -> String {
    relay.call("POST", "/v2/challenge", "", "").field("challenge")
}

fn signature(identity: &Identity, name: &str, challenge: &str) -> String {
    let signed = [b"\xffagentazall relay register 2\n", name.as_bytes(), b"\n", challenge.as_bytes(), b"\n"].concat();
    STANDARD.encode(identity.sign(&signed))
}

fn register_with_key(relay: &Live, identity: &Identity, name: &str) -> Answer {
    let challenge = challenge(relay);
    let signature = signature(identity, &name.to_lowercase(), &challenge);
    let body = json!({
        "agent_name": name, "public_key": identity.public_key_b64(), "challenge": challenge, "signature": signature,
    });
    relay.call("POST", "/v2/register", "", &body.to_string())
}

fn post(relay: &Live, path: &str, token: &str, body: &Value) -> Answer {
    relay.call("POST", path, token, &body.to_string())
}

fn send(relay: &Live, token: &str, to: &[&str], payload: &str) -> Value {
    let answer = post(relay, "/v2/messages", token, &json!({ "messages": [{ "to": to, "payload": payload }] }));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["messages"][0]["recipients"].clone()
}

fn page(relay: &Live, token: &str, query: &str) -> Value {
    let answer = relay.call("GET", &format!("/v2/messages{query}"), token, "");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn payloads(page: &Value) -> Vec<&str> {
    page["messages"].as_array().unwrap().iter().map(|message| message["payload"].as_str().unwrap()).collect()
}

#[test]
fn who_holds_the_key_owns_the_account() {
    let relay = Live::new();
    let (anna, mallory) = (Identity::from_seed([1; 32]), Identity::from_seed([2; 32]));
    let made = register_with_key(&relay, &anna, "Anna");
    assert_eq!(made.status, 201);
    assert_eq!(made.field("fingerprint"), anna.fingerprint().as_str());
    let certified = format!("anna.{}.agenttalk", anna.fingerprint());
    assert_eq!(made.field("certified_address"), certified);
    let first = made.field("api_token");

    assert_eq!(register_with_key(&relay, &mallory, "anna").code(), (409, "name_taken".to_owned()));
    assert_eq!(post(&relay, "/register", "", &json!({ "agent_name": "anna" })).status, 409);

    let back = register_with_key(&relay, &anna, "anna");
    assert_eq!(back.status, 200);
    assert_eq!(relay.call("GET", "/v2/messages", &first, "").status, 401);
    assert_eq!(relay.call("GET", "/v2/messages", &back.field("api_token"), "").status, 200);

    for name in ["anna", "ANNA.agenttalk", &certified] {
        let agent = relay.call("GET", &format!("/v2/agents/{name}"), "", "").json();
        assert_eq!(agent["public_key"], anna.public_key_b64());
        assert_eq!(agent["certified_address"], certified);
    }
    for name in ["bob", "anna.3430f3e127705937.agenttalk", "anna%2f", "..", "anna.agenttalk.agenttalk"] {
        let answer = relay.call("GET", &format!("/v2/agents/{name}"), "", "");
        assert_eq!(answer.code(), (404, "no_such_agent".to_owned()), "{name}");
    }
}

#[test]
fn a_registration_must_prove_the_key() {
    let relay = Live::new();
    let anna = Identity::from_seed([1; 32]);
    let used = challenge(&relay);
    let good = |challenge: &str| {
        json!({
            "agent_name": "anna", "public_key": anna.public_key_b64(), "challenge": challenge,
            "signature": signature(&anna, "anna", challenge),
        })
    };
    let with = |field: &str, value: &str| {
        let mut body = good(&challenge(&relay));
        body[field] = value.into();
        body
    };
    let zeros = STANDARD.encode([0; 32]);
    let fresh = challenge(&relay);
    // Who signs it sees which relay it is for.
    assert!(fresh.split_once('@').is_some_and(|(_, host)| !host.is_empty()), "{fresh}");
    let other_name = signature(&anna, "bob", &fresh);
    let mut wrong_name = good(&fresh);
    wrong_name["signature"] = other_name.into();
    for (body, status, code) in [
        (with("agent_name", "a"), 400, "bad_name"),
        (with("agent_name", "postmaster"), 400, "bad_name"),
        (with("public_key", "AAAA"), 400, "bad_key"),
        (with("public_key", &zeros), 400, "bad_key"),
        (with("challenge", "AAAA"), 400, "bad_challenge"),
        (with("challenge", fresh.replace('@', "@other.").as_str()), 400, "bad_challenge"),
        (with("challenge", fresh.split('@').next().unwrap()), 400, "bad_challenge"),
        (with("challenge", &fresh), 403, "bad_signature"),
        (with("signature", "AAAA"), 403, "bad_signature"),
        (with("signature", &STANDARD.encode([0; 64])), 403, "bad_signature"),
        (wrong_name, 403, "bad_signature"),
        (json!({ "agent_name": "anna" }), 400, "bad_request"),
        (json!([]), 400, "bad_request"),
    ] {
        assert_eq!(post(&relay, "/v2/register", "", &body).code(), (status, code.to_owned()), "{body}");
    }
    assert_eq!(post(&relay, "/v2/register", "", &good(&used)).status, 201);
    assert_eq!(post(&relay, "/v2/register", "", &good(&used)).code(), (400, "bad_challenge".to_owned()));
}

#[test]
fn agents_are_listed_page_by_page() {
    let relay = Live::new();
    for name in ["dora", "anna", "carl", "bob"] {
        relay.register(name);
    }
    let mut names = Vec::new();
    let mut after = String::new();
    loop {
        let list = relay.call("GET", &format!("/v2/agents?limit=2{after}"), "", "").json();
        names.extend(list["agents"].as_array().unwrap().iter().map(|agent| agent["agent_name"].clone()));
        let Some(next) = list["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(names, ["anna", "bob", "carl", "dora"]);
    assert_eq!(relay.call("GET", "/v2/agents?after=%00", "", "").status, 400);
    assert_eq!(relay.call("GET", "/v2/agents?limit=x", "", "").status, 400);
}

#[test]
fn a_token_can_be_changed_and_an_account_deleted() {
    let relay = Live::new();
    let (anna, bob) = (relay.register("anna"), relay.register("bob"));
    let new = relay.call("POST", "/v2/token", &anna, "").field("api_token");
    assert_eq!(relay.call("GET", "/v2/messages", &anna, "").code(), (401, "unauthorized".to_owned()));
    send(&relay, &bob, &["anna"], "for anna");
    assert_eq!(payloads(&page(&relay, &new, "")), ["for anna"]);
    let ticket = relay.call("POST", "/v2/ticket", &new, "").field("ticket");
    assert_eq!(relay.call("DELETE", "/v2/account", &new, "").status, 204);
    assert_eq!(relay.call("DELETE", "/v2/account", &new, "").status, 401);
    assert_eq!(relay.call("GET", &format!("/v2/stream?ticket={ticket}"), "", "").status, 401);
    assert_eq!(relay.call("GET", "/v2/agents/anna", "", "").status, 404);
    assert_eq!(send(&relay, &bob, &["anna"], "x")[0]["code"], "no_such_agent");
    assert_eq!(payloads(&page(&relay, &relay.register("anna"), "")), Vec::<&str>::new());
}

#[test]
fn a_batch_is_answered_recipient_by_recipient() {
    let mut options = Options::in_memory();
    options.limits.store.message_bytes = 100;
    options.limits.store.inbox_bytes = 250;
    let relay = Live::with(options);
    let (anna, bob) = (relay.register("anna"), relay.register("bob"));
    relay.register("carl");
    let answer = post(
        &relay,
        "/v2/messages",
        &anna,
        &json!({ "messages": [
            { "to": ["bob", "nobody", "carl.agenttalk", "bob@x"], "payload": "x".repeat(100) },
            { "to": ["bob"], "payload": "y".repeat(101) },
            { "to": ["bob"], "payload": "\u{1F30D}\u{0}\"" },
            { "to": ["bob", "carl"], "payload": "z".repeat(100) },
            { "to": ["carl"], "payload": "z".repeat(100) },
        ]}),
    );
    assert_eq!(answer.status, 200);
    let json = answer.json();
    let told: Vec<Vec<String>> = json["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| {
            let recipients = message["recipients"].as_array().unwrap().iter();
            recipients.map(|one| one["code"].as_str().or(one["status"].as_str()).unwrap().to_owned()).collect()
        })
        .collect();
    assert_eq!(
        told,
        [
            vec!["sent", "no_such_agent", "sent", "bad_address"],
            vec!["too_large"],
            vec!["sent"],
            vec!["sent", "sent"],
            vec!["inbox_full"],
        ]
    );
    assert_eq!(json["messages"][0]["recipients"][3]["to"], "bob@x");
    let page = page(&relay, &bob, "");
    assert_eq!(payloads(&page), ["x".repeat(100).as_str(), "\u{1F30D}\u{0}\"", "z".repeat(100).as_str()]);
    assert_eq!(page["messages"][0]["from"], "anna.agenttalk");
}

#[test]
fn a_whole_batch_may_be_refused() {
    let relay = Live::new();
    let anna = relay.register("anna");
    let many: Vec<Value> = (0..1001).map(|_| json!({ "to": ["anna"], "payload": "" })).collect();
    for body in [
        json!({ "messages": many }),
        json!({ "messages": [{ "to": [], "payload": "x" }] }),
        json!({ "messages": [{ "to": "anna", "payload": "x" }] }),
        json!({ "messages": [{ "to": ["anna"], "payload": 7 }] }),
        json!({ "messages": [{ "to": ["anna"], "payload": "x", "idempotency_key": "" }] }),
        json!({ "messages": [{ "to": ["anna"], "payload": "x", "idempotency_key": "a b" }] }),
        json!({ "messages": [{ "to": vec!["anna"; 10_001], "payload": "x" }] }),
        json!({}),
        json!([]),
    ] {
        assert_eq!(post(&relay, "/v2/messages", &anna, &body).code(), (400, "bad_request".to_owned()));
    }
    assert_eq!(post(&relay, "/v2/messages", "", &json!({ "messages": [] })).code(), (401, "unauthorized".to_owned()));
    assert_eq!(post(&relay, "/v2/messages", &anna, &json!({ "messages": [] })).json(), json!({ "messages": [] }));
    assert_eq!(page(&relay, &anna, "")["messages"], json!([]));
}

#[test]
fn a_message_that_is_sent_again_is_stored_once() {
    let relay = Live::new();
    let (anna, bob) = (relay.register("anna"), relay.register("bob"));
    let body = json!({ "messages": [{ "to": ["bob", "late"], "payload": "x", "idempotency_key": "key-1" }] });
    let first = post(&relay, "/v2/messages", &anna, &body).json();
    let late = relay.register("late");
    let second = post(&relay, "/v2/messages", &anna, &body).json();
    let recipients = |answer: &Value| answer["messages"][0]["recipients"].clone();
    assert_eq!(recipients(&first)[0], recipients(&second)[0]);
    assert_eq!(
        (&recipients(&first)[1]["status"], &recipients(&second)[1]["status"]),
        (&json!("refused"), &json!("sent"))
    );
    assert_eq!(payloads(&page(&relay, &bob, "")), ["x"]);
    assert_eq!(payloads(&page(&relay, &late, "")), ["x"]);
    assert_ne!(recipients(&post(&relay, "/v2/messages", &bob, &body).json())[0], recipients(&first)[0]);
}

#[test]
fn messages_stay_until_they_are_acknowledged() {
    let relay = Live::new();
    let anna = Identity::from_seed([1; 32]);
    let (anna_token, bob) = (register_with_key(&relay, &anna, "anna").field("api_token"), relay.register("bob"));
    for payload in ["one", "two", "three"] {
        send(&relay, &anna_token, &["bob"], payload);
    }
    let all = page(&relay, &bob, "");
    assert_eq!(payloads(&all), ["one", "two", "three"]);
    assert_eq!(all["messages"][0]["from_certified"], format!("anna.{}.agenttalk", anna.fingerprint()));
    assert_eq!(page(&relay, &bob, ""), all);
    let first = page(&relay, &bob, "?limit=1");
    assert_eq!(payloads(&first), ["one"]);
    let next = first["next"].as_str().unwrap();
    assert_eq!(payloads(&page(&relay, &bob, &format!("?after={next}"))), ["two", "three"]);
    assert_eq!(page(&relay, &bob, &format!("?after={}", all["next"].as_str().unwrap()))["next"], all["next"]);

    let cursors = [&all["messages"][0]["cursor"], &all["messages"][2]["cursor"], &json!("99999")];
    let acked = post(&relay, "/v2/ack", &bob, &json!({ "cursors": cursors }));
    assert_eq!(acked.json(), json!({ "deleted": 2 }));
    assert_eq!(post(&relay, "/v2/ack", &bob, &json!({ "cursors": cursors })).json(), json!({ "deleted": 0 }));
    assert_eq!(payloads(&page(&relay, &bob, "")), ["two"]);
    for body in
        [json!({ "cursors": ["x"] }), json!({ "cursors": [1] }), json!({ "cursors": vec!["1"; 1001] }), json!({})]
    {
        assert_eq!(post(&relay, "/v2/ack", &bob, &body).status, 400);
    }
    for query in ["?after=x", "?after=-1", "?after=184467440737095516160", "?limit=-1", "?wait=x"] {
        assert_eq!(relay.call("GET", &format!("/v2/messages{query}"), &bob, "").status, 400, "{query}");
    }
}

#[test]
fn a_long_poll_is_woken() {
    let relay = Live::new();
    let (anna, bob) = (relay.register("anna"), relay.register("bob"));
    let mut waiting = relay.connect();
    let bearer = format!("Bearer {bob}");
    waiting.request("GET", "/v2/messages?wait=55", &[("Authorization", &bearer)], b"");
    // The relay counts whom it keeps waiting.
    while !relay.call("GET", "/metrics", "", "").text().contains("azall_relay_waiting_clients 1\n") {}
    send(&relay, &anna, &["bob"], "wake up");
    assert_eq!(payloads(&waiting.answer().json()), ["wake up"]);
    assert_eq!(page(&relay, &anna, "?wait=0")["messages"], json!([]));
    assert_eq!(page(&relay, &anna, "?wait=1")["messages"], json!([]));
}

/// Reads events until one of this data is there; the cursors seen.
fn read_events(client: &mut support::Client, until: usize) -> Vec<String> {
    let mut cursors = Vec::new();
    while cursors.len() < until {
        let line = client.line().expect("the stream ended");
        if let Some(id) = line.strip_prefix("id: ") {
            cursors.push(id.to_owned());
        }
    }
    cursors
}

#[test]
fn the_doorbell_rings_and_resumes() {
    let relay = Live::new();
    let (anna, bob) = (relay.register("anna"), relay.register("bob"));
    send(&relay, &anna, &["bob"], "one");
    send(&relay, &anna, &["bob"], "two");
    let bearer = format!("Bearer {bob}");
    let mut stream = relay.connect();
    stream.request("GET", "/v2/stream", &[("Authorization", &bearer)], b"");
    let (status, headers) = stream.head().unwrap();
    assert_eq!(status, 200);
    assert!(headers.contains(&("content-type".to_owned(), "text/event-stream".to_owned())));
    let waiting = read_events(&mut stream, 2);
    send(&relay, &anna, &["bob"], "three");
    let third = read_events(&mut stream, 1);
    let all = page(&relay, &bob, "");
    let cursors: Vec<_> = all["messages"].as_array().unwrap().iter().map(|message| message["cursor"].clone()).collect();
    assert_eq!(cursors, [waiting.clone(), third.clone()].concat());

    let mut resumed = relay.connect();
    let last = ("Last-Event-ID", waiting[1].as_str());
    resumed.request("GET", "/v2/stream?after=0", &[("Authorization", &bearer), last], b"");
    assert_eq!(resumed.head().unwrap().0, 200);
    assert_eq!(read_events(&mut resumed, 1), third);

    let ticket = relay.call("POST", "/v2/ticket", &bob, "").field("ticket");
    let mut page = relay.connect();
    page.request("GET", &format!("/v2/stream?ticket={ticket}&after={}", third[0]), &[("Origin", "https://x")], b"");
    let (status, headers) = page.head().unwrap();
    assert_eq!(status, 200);
    assert!(headers.contains(&("access-control-allow-origin".to_owned(), "*".to_owned())));
    assert!(page.line().is_some_and(|chunk| !chunk.is_empty()));
    assert_eq!(page.line().as_deref(), Some(": heartbeat"));
    for path in [&format!("/v2/stream?ticket={ticket}"), "/v2/stream?ticket=x", "/v2/stream"] {
        assert_eq!(relay.call("GET", path, "", "").status, 401, "{path}");
    }
    assert_eq!(relay.call("GET", "/v2/stream?after=x", &bob, "").status, 400);
}
