//! Whatever bytes come, there is an answer, and the relay goes on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::net::Shutdown;
use std::sync::OnceLock;

use proptest::prelude::*;
use support::Live;

/// One relay for all tests of this file, with an account; it ends with the process.
fn relay() -> &'static (Live, String) {
    static RELAY: OnceLock<(Live, String)> = OnceLock::new();
    RELAY.get_or_init(|| {
        let relay = Live::new();
        let token = relay.register("anna");
        (relay, token)
    })
}

const CALLS: [(&str, &str); 10] = [
    ("POST", "/register"),
    ("POST", "/send"),
    ("POST", "/v2/register"),
    ("POST", "/v2/messages"),
    ("POST", "/v2/ack"),
    ("POST", "/v2/challenge"),
    ("POST", "/v2/ticket"),
    ("PUT", "/v2/blobs/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
    ("PUT", "/v2/blobs/x"),
    ("DELETE", "/v2/nothing"),
];

/// JSON that is nearly what a call takes.
fn nearly() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        "[ -~]{0,20}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        Just(r#""anna""#.to_owned()),
        Just(r#"["anna", "nobody"]"#.to_owned()),
        Just(r#""\ud800""#.to_owned()),
        Just(r#""\u0000\u001f""#.to_owned()),
        Just(r#"[{"to": ["anna"], "payload": "x"}]"#.to_owned()),
        Just(r#"[{"to": ["anna"], "payload": "x", "idempotency_key": "k"}]"#.to_owned()),
        Just("[[[[[[]]]]]]".to_owned()),
        Just("1e999".to_owned()),
    ];
    let key = prop::sample::select(vec![
        "to",
        "payload",
        "agent_name",
        "messages",
        "cursors",
        "public_key",
        "challenge",
        "signature",
        "x",
        "idempotency_key",
    ]);
    prop::collection::vec((key, value), 0..5).prop_map(|fields| {
        let fields: Vec<_> = fields.iter().map(|(key, value)| format!("{key:?}: {value}")).collect();
        format!("{{{}}}", fields.join(", "))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_body_is_answered(call in prop::sample::select(&CALLS[..]), body: Vec<u8>) {
        let (relay, token) = relay();
        let answer = relay.connect().call_with(call.0, call.1, token, &[], &body);
        prop_assert!(matches!(answer.status, 200..=299 | 400..=499 | 507), "{:?}", answer);
        prop_assert!(answer.status < 400 || answer.json()["error"].is_string());
    }

    #[test]
    fn nearly_good_json_is_answered(call in prop::sample::select(&CALLS[..]), body in nearly()) {
        let (relay, token) = relay();
        let mut client = relay.connect();
        let answer = client.call_with(call.0, call.1, token, &[], body.as_bytes());
        prop_assert!(matches!(answer.status, 200..=299 | 400..=499 | 507), "{:?}", answer);
        prop_assert_eq!(client.call("GET", "/health", "", "").status, 200);
    }

    #[test]
    fn any_query_and_header_is_answered(
        path in prop::sample::select(vec!["/v2/messages", "/v2/agents", "/v2/agents/", "/v2/stream", "/v2/blobs/", "/messages", "/"]),
        tail in "[!-~&&[^#]]{0,40}",
        value in "[ -~]{0,60}",
        header in prop::sample::select(vec!["Authorization", "Range", "Content-Range", "Last-Event-ID", "Origin", "X-Forwarded-Proto"]),
    ) {
        let (relay, _) = relay();
        let mut client = relay.connect();
        client.request("GET", &format!("{path}{tail}"), &[(header, &value)], b"");
        let answer = client.answer();
        prop_assert!(matches!(answer.status, 200..=499), "{:?}", answer);
    }

    #[test]
    fn bytes_that_are_no_request_are_answered_or_cut_off(bytes: Vec<u8>) {
        let (relay, _) = relay();
        let mut client = relay.connect();
        client.send(&bytes);
        client.stream.get_ref().shutdown(Shutdown::Write).unwrap();
        if let Some(answer) = client.try_answer("GET") {
            prop_assert!(matches!(answer.status, 400..=499), "{:?}", answer);
        }
        prop_assert_eq!(relay.call("GET", "/health", "", "").status, 200);
    }
}
