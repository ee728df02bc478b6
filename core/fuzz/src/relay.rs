//! `protocol::relay`: what a stranger answers.

use azall_core::protocol::address::Address;
use azall_core::protocol::relay::version2::{
    Api, Cursor, Page, parse_acked, parse_agent, parse_api, parse_blob_head, parse_blob_part, parse_blob_put,
    parse_challenge, parse_listed, parse_page, parse_registered_with_key, parse_sent_batch,
};
use azall_core::protocol::relay::{
    AgentName, Attachment, Content, Payload, RelayError, RelayMessage, Reply, SendOutcome, ServerUrl, Token,
    parse_agents, parse_health, parse_messages, parse_registered, parse_sent, parse_status,
};
use azall_core::protocol::relay_state::RelayState;
use azall_core::protocol::text::for_terminal_line;
use azall_core::protocol::time::Now;
use serde_json::{Value, json};

use super::{choices, text};

fn server() -> ServerUrl {
    ServerUrl::parse("https://relay.example").expect("a URL")
}

/// The body of an answer to `GET /messages`. Nothing that is JSON is lost or told twice, and what was read is read again
/// from an answer made of it.
pub fn relay_messages(data: &[u8]) {
    let reply = Reply { status: 200, headers: &[], body: data };
    let Ok(list) = parse_messages(&server(), reply) else { return };
    assert!((list.messages.len() + list.bad_count) * 2 <= data.len() && list.bad.len() <= list.bad_count);
    if let Some(entries) = entries_for_sure(data) {
        assert_eq!((list.messages.len() + list.bad_count, list.damage), (entries, None));
    }
    let again = json!({"count": list.messages.len(), "messages": list.messages.iter().map(entry).collect::<Value>()});
    let again = again.to_string();
    let reread = parse_messages(&server(), Reply { body: again.as_bytes(), ..reply }).expect("a list");
    let unproblematic = list.messages.into_iter().map(|mut message| {
        message.payload.problems.clear();
        message
    });
    assert_eq!(reread.messages, unproblematic.collect::<Vec<_>>());
    assert_eq!((reread.bad_count, reread.damage), (0, None));
}

fn entry(message: &RelayMessage) -> Value {
    json!({
        "id": message.id, "from": message.from, "to": message.to, "timestamp": message.timestamp,
        "payload": message.payload.to_json(),
    })
}

/// How many entries there are, where it can be said without doubt: good JSON that names `messages` once.
fn entries_for_sure(data: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(data).ok()?;
    if text.contains('\\') || text.matches("messages").count() != 1 {
        return None;
    }
    let answer: Value = serde_json::from_str(text).ok()?;
    answer.get("messages")?.as_array().map(Vec::len)
}

/// The body of an answer to `GET /v2/messages`. What cannot be acknowledged is left there, what cannot be read is kept as it came, and
/// what was read is read again from a page made of it.
pub fn relay_page(data: &[u8]) {
    let reply = Reply { status: 200, headers: &[], body: data };
    let Ok(Page { entries, next, problem, bytes }) = parse_page(&server(), reply) else { return };
    assert!(entries.len() <= 1000 && bytes == data.len() as u64);
    problem.iter().for_each(|problem| is_a_line(problem, 200));
    let cursors: Vec<&Cursor> = entries.iter().map(|entry| &entry.cursor).chain(&next).collect();
    assert!(cursors.iter().all(|cursor| Cursor::parse(cursor.as_str()).as_ref() == Some(*cursor)));
    assert!(entries.iter().all(|entry| entry.message.is_ok() || entry.raw.is_some()));
    let good: Vec<(&Cursor, &RelayMessage)> =
        entries.iter().filter_map(|it| Some((&it.cursor, it.message.as_ref().ok()?))).collect();
    let again: Value = good
        .iter()
        .map(|(cursor, message)| {
            let mut entry = entry(message);
            entry["cursor"] = json!(cursor.as_str());
            entry
        })
        .collect();
    let again = json!({"messages": again, "next": next.as_ref().map(Cursor::as_str)}).to_string();
    let reread = parse_page(&server(), Reply { body: again.as_bytes(), ..reply }).expect("a page");
    assert_eq!((&reread.next, reread.problem), (&next, None));
    for ((cursor, message), again) in good.into_iter().zip(&reread.entries) {
        let mut message = message.clone();
        message.payload.problems.clear();
        assert_eq!((cursor, Ok(&message)), (&again.cursor, again.message.as_ref()));
    }
}

/// Answers to the other calls of version 2, of any status.
pub fn relay_version2(data: &[u8]) {
    let ([low, high, counts], body) = choices::<3>(data);
    let told = text(body.get(..body.len().min(40)).unwrap_or_default()).into_owned();
    let headers = ["Retry-After", "Upload-Offset", "Content-Range"].map(|name| (name.to_owned(), told.clone()));
    let status = u16::from_be_bytes([high, low]);
    for status in [status, 200 + status % 400] {
        let reply = Reply { status, headers: &headers, body };
        let is_success = (200..300).contains(&status);
        if let Ok(challenge) = good(parse_challenge(&server(), reply), is_success) {
            is_a_line(challenge.as_str(), 200);
        }
        let name = AgentName::parse("alice").expect("a name");
        if let Ok(account) = good(parse_registered_with_key(&server(), &name, reply), is_success) {
            assert_eq!(account.address.as_str(), "alice.agenttalk");
        }
        let counts = [usize::from(counts % 4), usize::from(counts / 4 % 4)];
        for receipts in good(parse_sent_batch(&server(), &counts, reply), is_success).into_iter().flatten() {
            for receipt in receipts {
                match receipt {
                    Ok(id) => is_a_line(&id, 200),
                    Err(error) => is_a_line(&error.to_string(), 600),
                }
            }
        }
        let _ = good(parse_acked(&server(), reply), is_success);
        let _ = parse_agent(&server(), reply).map_err(|error| is_a_line(&error.to_string(), 600));
        if let Ok(listed) = good(parse_listed(&server(), reply), is_success) {
            assert!(listed.agents.len() <= 1000);
        }
        if let Ok(Api::Version2(limits)) = parse_api(&server(), reply) {
            assert_eq!(limits.sensible(), limits);
        }
        let _ = parse_blob_head(&server(), reply);
        let _ = parse_blob_put(&server(), reply);
        let length = u64::from(high) + 1;
        if let Ok(Some(part)) = parse_blob_part(&server(), 0, length, reply) {
            assert!(!part.is_empty() && part.len() as u64 <= length);
        }
    }
}

/// What is remembered of relays: what was read is read again from what is written.
pub fn relay_state(data: &[u8]) {
    let Ok(mut state) = RelayState::parse(data) else { return };
    assert_eq!(RelayState::parse(&state.to_json()).as_ref(), Ok(&state));
    let now = Now::utc(1_773_239_400_000);
    let _ = state.api(&server(), now);
    state.learn(&server(), Api::Version1, now);
    assert_eq!(state.api(&server(), now), Some((Api::Version1, false)));
    assert_eq!(RelayState::parse(&state.to_json()), Ok(state));
}

/// Answers to all other calls of version 1, of any status: short, and safe for a terminal.
pub fn relay_answers(data: &[u8]) {
    let ([low, high], body) = choices::<2>(data);
    let header = ("Retry-After".to_owned(), text(&body[..body.len().min(20)]).into_owned());
    let moved = ("Location".to_owned(), text(body).into_owned());
    let status = u16::from_be_bytes([high, low]);
    for status in [status, 200 + status % 400] {
        let reply = Reply { status, headers: &[header.clone(), moved.clone()], body };
        let is_success = (200..300).contains(&status);
        if let Ok(registered) = good(parse_registered(&server(), reply), is_success) {
            assert_eq!(Address::parse(registered.address.as_str()), Ok(registered.address));
            assert_eq!(Token::parse(registered.token.expose()), Some(registered.token));
        }
        let sent = good(parse_sent(&server(), reply), is_success);
        if let Ok(id) = &sent {
            is_a_line(id, 200);
        }
        match SendOutcome::from(sent) {
            SendOutcome::Retry { after_ms, error } => assert!(after_ms <= Some(3_600_000) && !error.is_permanent()),
            SendOutcome::Permanent { error } => assert!(error.is_permanent()),
            SendOutcome::Accepted { .. } => {}
        }
        for agent in good(parse_agents(&server(), reply), is_success).into_iter().flatten() {
            assert_eq!(Address::parse(agent.as_str()), Ok(agent));
        }
        let facts = good(parse_status(&server(), reply), is_success).unwrap_or_default();
        assert!(facts.len() <= 50);
        facts.iter().for_each(|(name, value)| {
            is_a_line(name, 60);
            is_a_line(value, 200);
        });
        if let Ok(health) = good(parse_health(&server(), reply), is_success) {
            is_a_line(&health.protocol, 60);
            is_a_line(&health.time, 60);
        }
        let _ = good(parse_messages(&server(), reply), is_success);
    }
}

/// An error tells the relay, stays short, and cannot act on a terminal; only a success is one.
fn good<T>(result: Result<T, RelayError>, is_success: bool) -> Result<T, RelayError> {
    match &result {
        Ok(_) => assert!(is_success),
        Err(error) => {
            let told = error.to_string();
            assert!(told.contains("https://relay.example"));
            is_a_line(&told, 600);
        }
    }
    result
}

fn is_a_line(text: &str, limit: usize) {
    assert_eq!(for_terminal_line(text), text);
    assert!(text.chars().count() <= limit, "{text:?}");
}

/// A payload as a string: what was read is read again from what is written of it.
pub fn payload(data: &[u8]) {
    let text = text(data);
    let mut payload = Payload::parse(&text);
    assert!(!payload.subject.is_empty() && payload.attachments.iter().all(|file| !file.name.is_empty()));
    let inline = |file: &Attachment| match &file.content {
        Content::Inline(data) => data.len(),
        Content::Blob(blob) => blob.name.to_string().len(),
    };
    let files: usize = payload.attachments.iter().map(inline).sum();
    assert!(payload.subject.len() + payload.body.len() + payload.from.len() + files <= text.len() * 2 + 100);
    payload.problems.clear();
    assert_eq!(Payload::parse(&payload.to_json()), payload);
}

/// URLs, names and tokens: one that is accepted has one spelling, and cannot break a header.
pub fn relay_account(data: &[u8]) {
    let text = text(data);
    if let Ok(url) = ServerUrl::parse(&text) {
        assert_eq!(ServerUrl::parse(url.as_str()).as_ref(), Ok(&url));
        assert!(url.as_str().bytes().all(|byte| byte.is_ascii_graphic()) && !url.as_str().contains('@'));
        assert_eq!(url.require_private(false).is_ok(), url.is_https() || url.is_loopback());
    }
    for name in [AgentName::parse(&text), AgentName::parse_for_small_server(&text)].into_iter().flatten() {
        assert!((2..=30).contains(&name.as_str().len()));
        assert_eq!(AgentName::parse_for_small_server(name.as_str()), Ok(name.clone()));
        assert!(Address::parse(&format!("{name}.agenttalk")).is_ok());
    }
    if let Some(token) = Token::parse(&text) {
        assert!(token.expose().bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!(Token::parse(token.expose()), Some(token));
    }
}
