//! A page of waiting messages: nothing in it is deleted before it is acknowledged.

use std::fmt;

use serde_json::Value;

use super::super::answer;
use super::super::messages::{RelayMessage, parse_lenient, split_messages};
use super::super::{Call, RelayError, Reply, ServerUrl};
use super::Limits;
use super::answer::refused;
use crate::protocol::text;

/// The most entries of a page that are read: as many as were asked for.
const MOST_ENTRIES: usize = 1000;

/// A relay's own name for a place in an inbox: 1 to 20 digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor(String);

impl Cursor {
    /// Checks a text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let good = (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        good.then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The cursor of an entry, or the one to go on with.
    fn of(value: Option<&Value>) -> Option<Self> {
        match value? {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => Self::parse(&number.to_string()),
            _ => None,
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An entry of a page that can be acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageEntry {
    /// What it is acknowledged by.
    pub cursor: Cursor,
    /// The message, or why it is none.
    pub message: Result<RelayMessage, String>,
    /// The entry as it came, where not all of it could be read: a person may still make something of it.
    pub raw: Option<String>,
}

/// The most bytes of payloads in a page, unless it is a single one.
const MOST_PAYLOAD_BYTES: u64 = 4 << 20;

/// Messages that wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The entries, oldest first.
    pub entries: Vec<PageEntry>,
    /// Where to go on; `None` when it is not told, as in an answer that broke off.
    pub next: Option<Cursor>,
    /// How many bytes it took.
    pub bytes: u64,
    /// What is wrong with the page as a whole: entries without a cursor, an end that is missing.
    pub problem: Option<String>,
}

impl Page {
    /// Whether there was nothing more: another message would have had its place in it.
    #[must_use]
    pub fn is_last(&self, limits: &Limits) -> bool {
        let has_room = (self.entries.len() as u64) < limits.page_messages;
        self.entries.is_empty() || (has_room && self.bytes.saturating_add(limits.message_bytes) < MOST_PAYLOAD_BYTES)
    }
}

/// The answer to [`page`](super::page). An entry that is wrong, and even the end of a page that broke off, costs no other
/// entry.
///
/// # Errors
/// [`RelayError`] when there is no list of messages at all.
pub fn parse_page(server: &ServerUrl, reply: Reply<'_>) -> Result<Page, RelayError> {
    if !(200..300).contains(&reply.status) {
        return Err(refused(server, reply));
    }
    let body = text::decode(reply.body);
    let Some(mut raw_entries) = split_messages(&body) else {
        answer::object(server, Call::Version2, reply)?;
        return Err(RelayError::WrongShape { server: server.clone(), what: "it holds no list of messages".to_owned() });
    };
    let mut page = Page { entries: Vec::new(), next: None, bytes: reply.body.len() as u64, problem: None };
    for raw in raw_entries.by_ref().take(MOST_ENTRIES) {
        match entry(raw) {
            Some(entry) => page.entries.push(entry),
            None => page.problem = Some("it hands out something without a cursor, which was left there".to_owned()),
        }
    }
    if raw_entries.is_complete() {
        page.next = Cursor::of(serde_json::from_str::<Next>(&body).ok().as_ref().and_then(|it| it.next.as_ref()));
    } else {
        page.problem = Some("its answer breaks off; the rest is asked for again".to_owned());
    }
    Ok(page)
}

/// What stands beside the messages.
#[derive(serde::Deserialize)]
struct Next {
    #[serde(default)]
    next: Option<Value>,
}

fn entry(raw: &str) -> Option<PageEntry> {
    let read = parse_lenient(raw);
    let cursor = Cursor::of(read.as_ref().ok().and_then(|entry| entry.get("cursor")))?;
    let message = RelayMessage::parse(raw);
    let is_whole = message.as_ref().is_ok_and(|message| message.payload.problems.is_empty());
    Some(PageEntry { cursor, message, raw: (!is_whole).then(|| raw.to_owned()) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::protocol::relay::testing::{reply, server};

    fn page(body: &str) -> Page {
        parse_page(&server(), reply(200, body)).unwrap()
    }

    fn cursors(page: &Page) -> Vec<&str> {
        page.entries.iter().map(|entry| entry.cursor.as_str()).collect()
    }

    #[test]
    fn pages_are_read_with_their_cursors() {
        let page = page(
            r#"{"messages": [{"id": "1_a_9f", "cursor": "7", "from": "a.agenttalk", "to": "b.agenttalk", "timestamp": "2026-03-11T14:30:00Z",
                "payload": "{\"subject\": \"s\", \"body\": \"b\"}"}, {"id": "2", "cursor": 8, "from": "x", "payload": "hi"}], "next": "8"}"#,
        );
        assert_eq!((cursors(&page), page.problem.as_deref()), (vec!["7", "8"], None));
        assert_eq!(page.entries[0].message.as_ref().unwrap().payload.subject, "s");
        assert_eq!(page.next, Cursor::parse("8"));
    }

    #[test]
    fn what_cannot_be_read_is_kept_as_it_came() {
        let page = page(
            r#"{"messages": [{"cursor": "1"}, {"cursor": "2", "from": "a", "payload": {"attachments": [5]}}, 5, {"cursor": "../x"},
                {"cursor": "3", "from": "a", "payload": "x"}], "next": "3"}"#,
        );
        assert_eq!(cursors(&page), ["1", "2", "3"]);
        let kept: Vec<bool> = page.entries.iter().map(|entry| entry.raw.is_some()).collect();
        assert_eq!((kept, page.problem.is_some()), (vec![true, true, false], true));
        assert!(page.entries[0].message.is_err() && page.entries[1].message.is_ok());
    }

    #[test]
    fn a_page_that_breaks_off_gives_what_came_whole() {
        let page =
            page(r#"{"messages": [{"cursor": "1", "from": "a", "payload": "x"}, {"cursor": "2", "from": "a", "payl"#);
        assert_eq!((cursors(&page), page.next.as_ref()), (vec!["1"], None));
        assert!(page.problem.is_some());
    }

    #[test]
    fn no_more_than_was_asked_for_is_read() {
        let one = json!({"cursor": "1", "from": "a", "payload": "x"}).to_string();
        let many = page(&format!(r#"{{"messages": [{}]}}"#, vec![one; 1200].join(",")));
        assert_eq!(many.entries.len(), MOST_ENTRIES);
        let of = |status, body: &str| parse_page(&server(), reply(status, body));
        assert!(matches!(of(404, r#"{"error": "x"}"#), Err(RelayError::NotVersion2 { .. })));
        assert!(of(200, "{}").is_err() && of(200, "<html>").is_err() && of(401, "{}").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_safe(text in "\\{\"messages\": ?\\[[\\[\\]{}\",:\\\\a1 é]{0,60}") {
            let page = page(&text);
            prop_assert!(page.entries.len() <= text.len());
        }

        #[test]
        fn every_cursor_is_safe_in_a_url(text in ".{0,30}|[0-9]{0,30}") {
            if let Some(cursor) = Cursor::parse(&text) {
                prop_assert!(cursor.as_str().len() <= 20 && cursor.as_str().bytes().all(|b| b.is_ascii_digit()));
            }
        }
    }
}
