//! `protocol::relay`: what a stranger answers.

use azall_core::protocol::address::Address;
use azall_core::protocol::relay::{
    AgentName, Attachment, Content, Payload, RelayError, RelayMessage, Reply, SendOutcome, ServerUrl, Token, parse_agents, parse_health,
    parse_messages, parse_registered, parse_sent, parse_status,
};
use azall_core::protocol::text::for_terminal_line;
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

/// Answers to all other calls, of any status: short, and safe for a terminal.
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
