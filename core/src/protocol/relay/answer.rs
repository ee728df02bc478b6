//! What a relay answers.

use serde_json::{Map, Value};

use super::messages::{MessageList, split_messages};
use super::{Call, RelayError, ServerUrl, Token};
use crate::protocol::address::Address;
use crate::protocol::text;

/// The longest wait that a relay can ask for, in milliseconds: an hour.
const LONGEST_WAIT_MS: u64 = 3_600_000;
/// The longest refusal that is looked into: a relay says one sentence.
pub(super) const LONGEST_REFUSAL: usize = 64 << 10;
/// The most facts of a status that are kept.
const MOST_FACTS: usize = 50;

/// An HTTP answer.
#[derive(Clone, Copy)]
pub struct Reply<'a> {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: &'a [(String, String)],
    /// The body.
    pub body: &'a [u8],
}

impl Reply<'_> {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// A new account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its address.
    pub address: Address,
    /// Its token, which the relay cannot tell a second time.
    pub token: Token,
}

/// A relay's word that it is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The protocol it speaks, safe for a terminal.
    pub protocol: String,
    /// Its time, as it writes it, safe for a terminal.
    pub time: String,
}

/// The answer to [`register`](super::register).
///
/// # Errors
/// [`RelayError`]; `NameTaken` and `Refused` ask for another name.
pub fn parse_registered(server: &ServerUrl, reply: Reply<'_>) -> Result<Registered, RelayError> {
    registered(server, &object(server, Call::Register, reply)?)
}

/// The account in the answer to a registration.
pub(super) fn registered(server: &ServerUrl, answer: &Map<String, Value>) -> Result<Registered, RelayError> {
    let wrong = |what: &str| RelayError::WrongShape { server: server.clone(), what: what.to_owned() };
    let token = answer.get("api_token").and_then(Value::as_str).and_then(Token::parse);
    let address = answer.get("agent_address").and_then(Value::as_str).and_then(|text| Address::parse(text).ok());
    Ok(Registered {
        address: address.ok_or_else(|| wrong("it tells no usable agent_address for the new account"))?,
        token: token.ok_or_else(|| wrong("it tells no usable api_token for the new account"))?,
    })
}

/// The answer to [`send`](super::send): the relay's own id of the message, untrusted and perhaps empty.
///
/// # Errors
/// [`RelayError`]; [`SendOutcome`](super::SendOutcome) sorts it.
pub fn parse_sent(server: &ServerUrl, reply: Reply<'_>) -> Result<String, RelayError> {
    let answer = object(server, Call::Send, reply)?;
    match (answer.get("message_id").and_then(Value::as_str), answer.get("status").and_then(Value::as_str)) {
        (Some(id), _) => Ok(line(id, 200)),
        (None, Some("sent" | "ok")) => Ok(String::new()),
        _ => Err(RelayError::WrongShape {
            server: server.clone(),
            what: "it does not say that the message was sent".to_owned(),
        }),
    }
}

/// The answer to [`messages`](super::messages). An entry that is wrong, and even the end of a list that broke off,
/// costs no other entry.
///
/// # Errors
/// [`RelayError`] when there is no list of messages at all. The body is not to be thrown away then: the relay may have
/// deleted what it meant to hand out.
pub fn parse_messages(server: &ServerUrl, reply: Reply<'_>) -> Result<MessageList, RelayError> {
    if !(200..300).contains(&reply.status) {
        return Err(refusal(server, Call::Messages, reply));
    }
    let body = String::from_utf8_lossy(reply.body);
    let Some(entries) = split_messages(&body) else {
        object(server, Call::Messages, reply)?;
        return Err(RelayError::WrongShape { server: server.clone(), what: "it holds no list of messages".to_owned() });
    };
    Ok(MessageList::of(entries))
}

/// The answer to [`agents`](super::agents): everybody with an account, without what is no address.
///
/// # Errors
/// [`RelayError`].
pub fn parse_agents(server: &ServerUrl, reply: Reply<'_>) -> Result<Vec<Address>, RelayError> {
    let answer = object(server, Call::Agents, reply)?;
    let Some(Value::Array(agents)) = answer.get("agents") else {
        return Err(RelayError::WrongShape { server: server.clone(), what: "it holds no list of agents".to_owned() });
    };
    Ok(agents.iter().filter_map(Value::as_str).filter_map(|agent| Address::parse(agent).ok()).collect())
}

/// The answer to [`status`](super::status): its facts, name and value, safe for a terminal.
///
/// # Errors
/// [`RelayError`].
pub fn parse_status(server: &ServerUrl, reply: Reply<'_>) -> Result<Vec<(String, String)>, RelayError> {
    let answer = object(server, Call::Status, reply)?;
    let fact = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::String(text) => line(text, 200),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return None,
        };
        Some((line(name, 60), value))
    };
    Ok(answer.iter().filter_map(fact).take(MOST_FACTS).collect())
}

/// The answer to [`health`](super::health).
///
/// # Errors
/// [`RelayError`]; also when the relay says that it is not well.
pub fn parse_health(server: &ServerUrl, reply: Reply<'_>) -> Result<Health, RelayError> {
    let answer = object(server, Call::Health, reply)?;
    let field = |name: &str| answer.get(name).and_then(Value::as_str).map(|text| line(text, 60)).unwrap_or_default();
    let status = field("status");
    if status != "ok" {
        let what = format!("its health is {status:?}, not \"ok\"");
        return Err(RelayError::WrongShape { server: server.clone(), what });
    }
    Ok(Health { protocol: field("protocol"), time: field("time") })
}

/// The JSON object of a good answer.
pub(super) fn object(server: &ServerUrl, call: Call, reply: Reply<'_>) -> Result<Map<String, Value>, RelayError> {
    if !(200..300).contains(&reply.status) {
        return Err(refusal(server, call, reply));
    }
    match serde_json::from_slice(reply.body) {
        Ok(Value::Object(answer)) => Ok(answer),
        Ok(_) => Err(RelayError::WrongShape { server: server.clone(), what: "it is no object".to_owned() }),
        Err(_) => Err(not_json(server, reply)),
    }
}

fn not_json(server: &ServerUrl, reply: Reply<'_>) -> RelayError {
    RelayError::NotJson { server: server.clone(), status: reply.status, start: start(reply.body, 80) }
}

/// What a status other than success means.
pub(super) fn refusal(server: &ServerUrl, call: Call, reply: Reply<'_>) -> RelayError {
    let server = server.clone();
    let status = reply.status;
    let body = Some(reply.body).filter(|body| body.len() <= LONGEST_REFUSAL);
    let error = body.and_then(|body| serde_json::from_slice::<Value>(body).ok());
    let error = error.as_ref().and_then(|answer| answer.get("error")).and_then(Value::as_str);
    // Only a relay says {"error": ...}; what a proxy or another service says of a path is not about the message.
    let from_relay = error.is_some();
    let said = error.map_or_else(|| start(reply.body, 80), |error| line(error, 200));
    let said = if said.is_empty() { format!("status {status}") } else { said };
    match status {
        300..=399 => {
            RelayError::Redirect { server, location: line(reply.header("location").unwrap_or("nowhere"), 200) }
        }
        401 | 403 => RelayError::Unauthorized { server, said },
        404 if call == Call::Send && from_relay => RelayError::UnknownRecipient { server, said },
        409 if call == Call::Register => RelayError::NameTaken { server, said },
        413 => RelayError::TooLarge { server, said },
        429 | 503 => RelayError::Busy { server, retry_after_ms: retry_after_ms(&reply), said },
        507 => RelayError::InboxFull { server, said },
        408 | 425 | 500.. => RelayError::ServerFault { server, status, said },
        _ if from_relay => RelayError::Refused { server, status, said },
        _ => not_json(&server, reply),
    }
}

/// `Retry-After` in seconds (RFC 9110 section 10.2.3), as milliseconds; its other form, a date, is not worth a clock.
fn retry_after_ms(reply: &Reply<'_>) -> Option<u64> {
    let seconds: u64 = text::strip(reply.header("retry-after")?).parse().ok()?;
    Some(seconds.saturating_mul(1000).min(LONGEST_WAIT_MS))
}

/// A text from outside as one short line.
pub(super) fn line(from_outside: &str, limit: usize) -> String {
    text::strip(&text::for_terminal_line(text::prefix(from_outside, limit))).to_owned()
}

/// The first characters of a body.
fn start(body: &[u8], limit: usize) -> String {
    let head = body.get(..limit * 4).unwrap_or(body);
    line(&String::from_utf8_lossy(head), limit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use serde_json::json;

    use super::super::{Payload, RelayMessage, SendOutcome};
    use super::*;
    use crate::protocol::relay::testing::{reply, server};

    fn outcome(status: u16, body: &str) -> SendOutcome {
        parse_sent(&server(), reply(status, body)).into()
    }

    #[test]
    fn the_small_servers_answers_are_read() {
        let registered = parse_registered(
            &server(),
            reply(
                201,
                r#"{"status": "ok", "agent_name": "bob", "agent_address": "bob.agenttalk", "api_token": "AuWt-_A", "config": {}}"#,
            ),
        );
        let registered = registered.unwrap();
        assert_eq!((registered.address.as_str(), registered.token.expose()), ("bob.agenttalk", "AuWt-_A"));

        let sent = r#"{"status": "sent", "message_id": "1795392327798_alice_7accc2a3"}"#;
        assert_eq!(outcome(200, sent), SendOutcome::Accepted { id: "1795392327798_alice_7accc2a3".to_owned() });

        let agents =
            parse_agents(&server(), reply(200, r#"{"agents": ["a.agenttalk", "../x", 5, "b.agenttalk"], "count": 4}"#));
        assert_eq!(agents.unwrap().iter().map(Address::as_str).collect::<Vec<_>>(), ["a.agenttalk", "b.agenttalk"]);

        let facts =
            parse_status(&server(), reply(200, r#"{"server": "Local\u001b[31m", "accounts_active": 6, "api": {}}"#));
        let fact = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(facts.unwrap(), [fact("server", "Local\u{fffd}[31m"), fact("accounts_active", "6")]);

        let health = parse_health(
            &server(),
            reply(200, r#"{"status": "ok", "protocol": "AgentTalk", "time": "2026-11-23T00:07:12"}"#),
        );
        assert_eq!(health.unwrap().protocol, "AgentTalk");
        assert!(parse_health(&server(), reply(200, r#"{"status": "draining"}"#)).is_err());
    }

    #[test]
    fn a_refusal_is_sorted() {
        for (status, body) in
            [(404, r#"{"error": "Recipient 'x' not found"}"#), (413, "<html>"), (400, r#"{"error": "bad"}"#)]
        {
            assert!(matches!(outcome(status, body), SendOutcome::Permanent { .. }), "{status} {body}");
        }
        for (status, body) in [
            (401, r#"{"error": "Unauthorized"}"#),
            (404, "<html>no such page</html>"),
            (400, "Bad Request"),
            (302, ""),
            (429, ""),
            (500, ""),
            (502, "<html>"),
            (503, ""),
            (507, r#"{"error": "Inbox full"}"#),
            (200, "<html>log in to the wifi</html>"),
            (200, "{\"status\": \"se"),
            (200, "[]"),
            (200, "{}"),
            (0, ""),
            (999, ""),
        ] {
            assert!(matches!(outcome(status, body), SendOutcome::Retry { .. }), "{status} {body}");
        }
    }

    #[test]
    fn errors_say_where_what_and_what_to_do() {
        for (status, body, words) in [
            (401, r#"{"error": "Unauthorized"}"#, ["does not accept the token", "Unauthorized", "register"]),
            (404, r#"{"error": "Recipient 'x' not found"}"#, ["no such recipient", "Recipient 'x'", "directory"]),
            (200, "<html>\u{1b}[2Jhi", ["no AgentTalk", "<html>\\u{fffd}[2Jhi", "URL"]),
        ] {
            let error = parse_sent(&server(), reply(status, body)).unwrap_err().to_string();
            for word in words.into_iter().chain(["https://relay.example"]) {
                assert!(error.contains(word) || error.contains(&word.replace("\\u{fffd}", "\u{fffd}")), "{error}");
            }
        }
        let taken = parse_registered(&server(), reply(409, r#"{"error": "Agent 'bob' already exists"}"#));
        assert!(matches!(taken, Err(RelayError::NameTaken { .. })));
        let headers = [("Location".to_owned(), "https://evil.example/\r\n".to_owned())];
        let moved = parse_sent(&server(), Reply { status: 301, headers: &headers, body: b"" }).unwrap_err();
        assert!(matches!(moved, RelayError::Redirect { location, .. } if location == "https://evil.example/\u{fffd}"));
    }

    #[test]
    fn a_busy_relay_names_its_time() {
        for (value, wait) in
            [("7", Some(7000)), ("999999999999999999", Some(3_600_000)), ("Wed, 21 Oct 2026 07:28:00 GMT", None)]
        {
            let headers = [("retry-after".to_owned(), value.to_owned())];
            let error = parse_sent(&server(), Reply { status: 429, headers: &headers, body: b"" }).unwrap_err();
            assert_eq!(error.retry_after_ms(), wait, "{value}");
        }
    }

    #[test]
    fn a_new_account_must_have_a_usable_token_and_address() {
        for body in [
            "{}",
            r#"{"agent_address": "a.agenttalk", "api_token": "a\r\nb"}"#,
            r#"{"agent_address": "../a", "api_token": "t"}"#,
            r#"{"agent_address": "a.agenttalk", "api_token": 5}"#,
        ] {
            assert!(
                matches!(parse_registered(&server(), reply(201, body)), Err(RelayError::WrongShape { .. })),
                "{body}"
            );
        }
    }

    #[test]
    fn no_list_of_messages_is_an_error() {
        for body in ["", "<html>", "null", "[]", "{}", "{\"messages\": 5}", "{\"count\": 0", &"[".repeat(100_000)] {
            assert!(parse_messages(&server(), reply(200, body)).is_err(), "{}", text::prefix(body, 40));
        }
        assert!(matches!(parse_messages(&server(), reply(401, "{}")), Err(RelayError::Unauthorized { .. })));
    }

    proptest! {
        #[test]
        fn messages_are_read_as_they_are_written(
            entries in proptest::collection::vec((".{0,9}", ".{1,9}", ".{0,9}", ".{1,9}", any::<String>()), 0..5),
        ) {
            let entry = |(id, from, timestamp, subject, body): &(String, String, String, String, String)| RelayMessage {
                id: id.clone(),
                from: from.clone(),
                to: String::new(),
                timestamp: timestamp.clone(),
                payload: Payload { subject: subject.clone(), body: body.clone(), ..Payload::default() },
            };
            let messages: Vec<RelayMessage> = entries.iter().map(entry).collect();
            let written = |m: &RelayMessage| {
                json!({"id": m.id, "from": m.from, "timestamp": m.timestamp, "payload": m.payload.to_json()})
            };
            let body = json!({"messages": messages.iter().map(written).collect::<Value>()}).to_string();
            let list = parse_messages(&server(), reply(200, &body)).unwrap();
            prop_assert_eq!((list.messages, list.bad_count, list.damage), (messages, 0, None));
        }

        #[test]
        fn an_account_is_read_as_it_is_written(name in "[a-z]{3,9}", token in "[!-~]{1,40}") {
            let body = json!({"agent_address": format!("{name}.agenttalk"), "api_token": token}).to_string();
            let account = parse_registered(&server(), reply(201, &body)).unwrap();
            prop_assert_eq!((account.address.relay_account(), account.token.expose()), (Some(&*name), &*token));
        }

        #[test]
        fn any_answer_is_safe(status: u16, body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let reply = Reply { status, headers: &[], body: &body };
            let _ = parse_registered(&server(), reply);
            let _ = parse_sent(&server(), reply);
            let _ = parse_messages(&server(), reply);
            let _ = parse_agents(&server(), reply);
            let _ = parse_status(&server(), reply);
            let _ = parse_health(&server(), reply);
        }
    }
}
