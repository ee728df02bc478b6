//! The list of messages that a relay hands out, and has deleted by doing so: whatever can be read of it is read.

use serde_json::Value;

use super::payload::{Payload, repair_surrogates};
use crate::protocol::text;

/// The most entries that are described when they are no messages. A hostile answer holds one in every second byte.
const MOST_BAD: usize = 20;

/// The messages of one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageList {
    /// The messages in the relay's order; two may have the same id.
    pub messages: Vec<RelayMessage>,
    /// The first entries that are no messages.
    pub bad: Vec<BadMessage>,
    /// How many entries are no messages.
    pub bad_count: usize,
    /// Where the answer breaks off, when it does: there may have been more.
    pub damage: Option<String>,
}

impl MessageList {
    /// Reads the entries one after the other, so that a list of many small ones costs no memory but for its messages.
    pub(super) fn of(mut entries: Entries<'_>) -> Self {
        let mut list = Self { messages: Vec::new(), bad: Vec::new(), bad_count: 0, damage: None };
        for (index, raw) in entries.by_ref().enumerate() {
            match RelayMessage::parse(raw) {
                Ok(message) => list.messages.push(message),
                Err(why) => {
                    list.bad_count += 1;
                    if list.bad.len() < MOST_BAD {
                        list.bad.push(BadMessage { index, why });
                    }
                }
            }
        }
        if !entries.is_complete {
            let count = list.messages.len() + list.bad_count;
            let messages = text::count(count, "message", "messages");
            list.damage = Some(format!("the relay's answer breaks off after {messages}"));
        }
        list
    }
}

/// One message as the relay hands it out. All texts are untrusted: whoever writes them into a file, a path or a terminal
/// passes them through the validator for that place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayMessage {
    /// The relay's own id of it; empty if it does not say.
    pub id: String,
    /// The account that sent it, by the relay's word.
    pub from: String,
    /// The account that it was sent to; empty if the relay does not say.
    pub to: String,
    /// When the relay took it, as it writes it; empty if it does not say.
    pub timestamp: String,
    /// What was sent.
    pub payload: Payload,
}

impl RelayMessage {
    /// Reads one entry.
    pub(super) fn parse(raw: &str) -> Result<Self, String> {
        let mut entry = match parse_lenient(raw) {
            Ok(Value::Object(entry)) => entry,
            Ok(_) => return Err("it is no object".to_owned()),
            Err(error) => return Err(format!("it is no JSON: {error}")),
        };
        if matches!(entry.get("id"), Some(Value::Array(_) | Value::Object(_) | Value::Bool(_))) {
            return Err("its id is no text".to_owned());
        }
        let mut text = |name: &str| match entry.shift_remove(name) {
            Some(Value::String(text)) => Some(text),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        let id = text("id").unwrap_or_default();
        let from = text("from").filter(|from| !from.is_empty()).ok_or("it has no sender")?;
        let to = text("to").unwrap_or_default();
        let timestamp = text("timestamp").unwrap_or_default();
        let payload = match entry.shift_remove("payload") {
            Some(Value::String(payload)) => Payload::parse(&payload),
            Some(payload @ Value::Object(_)) => Payload::from_value(payload),
            _ => return Err("it has no payload".to_owned()),
        };
        Ok(Self { id, from, to, timestamp, payload })
    }
}

/// Reads JSON; where that fails, once more with half surrogate pairs, which Python writes and Rust refuses, as U+FFFD.
pub(super) fn parse_lenient(json: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(json).or_else(|error| match repair_surrogates(json) {
        Some(repaired) => serde_json::from_str(&repaired),
        None => Err(error),
    })
}

/// An entry that is no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {index} of the relay's messages cannot be read: {why}")]
pub struct BadMessage {
    /// Its place in the list, from 0.
    pub index: usize,
    /// What is wrong with it.
    pub why: String,
}

/// Finds the entries of the list `messages` of the outermost object, without judging them: so one that is too deep,
/// not UTF-16 or cut off does not cost the others. `None` when there is no such list.
pub(super) fn split_messages(body: &str) -> Option<Entries<'_>> {
    let mut scanner = Scanner { text: body, at: 0 };
    scanner.expect(b'{')?;
    loop {
        let key = scanner.value()?;
        scanner.expect(b':')?;
        if key == "\"messages\"" && scanner.expect(b'[').is_some() {
            return Some(Entries::of(scanner));
        }
        scanner.value()?;
        scanner.expect(b',')?;
    }
}

/// The raw JSON of each entry of a list. An unreadable rest is an entry as well, the last one: a person may still make
/// something of it.
pub(super) struct Entries<'a> {
    scanner: Scanner<'a>,
    is_over: bool,
    /// Whether the list has not broken off so far.
    is_complete: bool,
}

impl<'a> Entries<'a> {
    /// The entries after `[`.
    fn of(mut scanner: Scanner<'a>) -> Self {
        let is_over = scanner.expect(b']').is_some();
        Self { scanner, is_over, is_complete: true }
    }

    /// Whether the list did not break off before its end, as far as it was looked at.
    pub(super) const fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Steps over what follows an entry.
    fn step(&mut self) {
        self.is_over = self.scanner.expect(b']').is_some();
        self.is_complete = self.is_over || self.scanner.expect(b',').is_some();
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.is_over {
            return None;
        }
        if self.is_complete {
            if let Some(entry) = self.scanner.value() {
                self.step();
                return Some(entry);
            }
            // A comma before the end is no damage.
            if self.scanner.expect(b']').is_some() {
                self.is_over = true;
                return None;
            }
        }
        (self.is_over, self.is_complete) = (true, false);
        self.scanner.rest()
    }
}

/// Steps over JSON values by their brackets and quotes alone, in linear time and without recursion.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    /// The text of the value that begins here; `None` at its end or where it is cut off.
    fn value(&mut self) -> Option<&'a str> {
        let first = self.peek()?;
        let start = self.at;
        let end = match first {
            b'"' => self.end_of_string(start)?,
            b'{' | b'[' => self.end_of_brackets()?,
            b',' | b':' | b'}' | b']' => return None,
            _ => {
                let is_end = |b: &u8| matches!(b, b',' | b':' | b'}' | b']') || b.is_ascii_whitespace();
                self.bytes_from(start).position(|b| is_end(&b)).map_or(self.text.len(), |length| start + length)
            }
        };
        self.at = end;
        self.text.get(start..end)
    }

    /// The place after the bracket that closes the one here.
    fn end_of_brackets(&self) -> Option<usize> {
        let mut depth = 0_usize;
        let mut at = self.at;
        loop {
            at += memchr_any(self.text.get(at..)?.as_bytes())?;
            match self.text.as_bytes().get(at)? {
                b'"' => {
                    at = self.end_of_string(at)?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                _ => depth -= 1,
            }
            at += 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }

    /// The place after the quote that closes the one at `start`.
    fn end_of_string(&self, start: usize) -> Option<usize> {
        let mut at = start + 1;
        loop {
            at += memchr::memchr2(b'"', b'\\', self.text.as_bytes().get(at..)?)?;
            if self.text.as_bytes().get(at) == Some(&b'"') {
                return Some(at + 1);
            }
            at += 2;
        }
    }

    /// What is left, unless it is nothing.
    fn rest(&mut self) -> Option<&'a str> {
        let rest = self.text.get(self.at..).map(str::trim).filter(|rest| !rest.is_empty());
        self.at = self.text.len();
        rest
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        let skipped = self.bytes_from(self.at).position(|b| !b.is_ascii_whitespace())?;
        self.at += skipped;
        self.text.as_bytes().get(self.at).copied()
    }

    fn bytes_from(&self, start: usize) -> impl Iterator<Item = u8> + use<'a> {
        self.text.as_bytes().get(start..).unwrap_or_default().iter().copied()
    }
}

/// The first quote or bracket.
fn memchr_any(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|b| matches!(b, b'"' | b'{' | b'[' | b'}' | b']'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::payload::Content;
    use super::*;

    fn entries(body: &str) -> (Vec<&str>, bool) {
        let mut split = split_messages(body).unwrap();
        (split.by_ref().collect(), split.is_complete)
    }

    fn list(body: &str) -> MessageList {
        MessageList::of(split_messages(body).unwrap())
    }

    #[test]
    fn entries_are_found_whatever_they_hold() {
        let body = r#" {"agent": "b", "count": 2, "x": {"messages": [0]}, "messages": [ {"a": "]},{\"\\"} , [1, [2]], 5, "s" ], "y": 1}"#;
        assert_eq!(entries(body), (vec![r#"{"a": "]},{\"\\"}"#, "[1, [2]]", "5", "\"s\""], true));
        assert_eq!(entries("{\"messages\": [ ]}"), (vec![], true));
        assert_eq!(entries("{\"messages\": [1, ]}"), (vec!["1"], true));
    }

    #[test]
    fn a_list_that_breaks_off_keeps_what_came() {
        for (body, kept) in [
            ("{\"messages\": [{\"a\": 1}, {\"b\": \"x", vec!["{\"a\": 1}", "{\"b\": \"x"]),
            ("{\"messages\": [{\"a\": 1},", vec!["{\"a\": 1}"]),
            ("{\"messages\": [{\"a\": 1}", vec!["{\"a\": 1}"]),
            ("{\"messages\": [", vec![]),
            ("{\"messages\": [{\"a\": 1} {\"b\": 2}]}", vec!["{\"a\": 1}", "{\"b\": 2}]}"]),
            ("{\"messages\": [1,,2]}", vec!["1", ",2]}"]),
        ] {
            assert_eq!(entries(body), (kept, false), "{body}");
        }
        assert!(list("{\"messages\": [").damage.is_some());
    }

    #[test]
    fn messages_are_read_as_the_small_server_writes_them() {
        let body = r#"{"agent": "bob.agenttalk", "count": 2, "messages": [{"id": "1795392327798_alice_7accc2a3", "from": "alice.agenttalk", "to": "bob.agenttalk", "timestamp": "2026-11-23T00:07:10.845580", "payload": "{\"subject\": \"H\\u00e9\", \"body\": \"body \\u00fc\", \"from\": \"alice.agenttalk\", \"attachments\": [{\"name\": \"a.bin\", \"data\": \"aGVsbG//AGJpbg==\"}]}"}, {"id": "2", "from": "x", "payload": {"subject": "obj"}}]}"#;
        let list = list(body);
        let first = &list.messages[0];
        assert_eq!(
            (first.id.as_str(), first.timestamp.as_str()),
            ("1795392327798_alice_7accc2a3", "2026-11-23T00:07:10.845580")
        );
        assert_eq!((first.payload.subject.as_str(), first.payload.body.as_str()), ("H\u{e9}", "body \u{fc}"));
        assert_eq!(first.payload.attachments[0].content, Content::Inline(b"hello\xff\x00bin".to_vec()));
        assert_eq!(list.messages[1].payload.subject, "obj");
        assert_eq!(list.damage, None);
    }

    #[test]
    fn one_bad_entry_costs_no_other() {
        let good = r#"{"id": "../../x", "from": "a", "payload": "hi"}"#;
        let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
        for bad in [
            "5",
            "null",
            "{}",
            r#"{"id": "1", "from": "a"}"#,
            r#"{"id": [], "from": "a", "payload": "p"}"#,
            "{nonsense}",
            &deep,
        ] {
            let list = list(&format!("{{\"messages\": [{good}, {bad}, {good}]}}"));
            assert_eq!((list.messages.len(), list.bad_count), (2, 1), "{}", crate::protocol::text::prefix(bad, 40));
            assert_eq!((list.bad[0].index, list.messages[0].id.as_str()), (1, "../../x"));
        }
    }

    #[test]
    fn half_surrogate_pairs_are_replaced() {
        let list =
            list(r#"{"messages": [{"id": "1", "from": "a", "payload": "x \ud83d \ud83d\ude00 \ude00 \\ud83d"}]}"#);
        assert_eq!(list.messages[0].payload.body, "x \u{fffd} \u{1f600} \u{fffd} \\ud83d");
    }

    #[test]
    fn time_is_linear() {
        for unit in ["[", "{", "\"", "\\", "[]", "{\"", ",", "\"\\", "1,", "{},", " "] {
            let body = format!("{{\"messages\": [{}", unit.repeat((1 << 20) / unit.len()));
            assert!(split_messages(&body).unwrap().count() <= body.len());
        }
    }

    #[test]
    fn many_bad_entries_are_counted_and_few_are_told() {
        let list = list(&format!("{{\"messages\": [{}]}}", "1,".repeat(100_000)));
        assert_eq!((list.messages.len(), list.bad.len(), list.bad_count), (0, MOST_BAD, 100_000));
        assert_eq!((list.bad[19].index, list.damage), (19, None));
    }

    proptest! {
        #[test]
        fn any_text_is_safe(text in "\\{\"messages\": ?\\[[\\[\\]{}\",:\\\\a1 é]{0,60}") {
            let list = list(&text);
            prop_assert!(list.messages.len() + list.bad_count <= text.len());
        }

        #[test]
        fn what_serde_writes_is_split_alike(items in proptest::collection::vec((".{0,20}", any::<i64>()), 0..6)) {
            let items: Vec<Value> = items.into_iter().map(|(text, number)| json!({&text: [number, {"t": text}]})).collect();
            let body = json!({"count": items.len(), "messages": items}).to_string();
            let texts: Vec<String> = items.iter().map(ToString::to_string).collect();
            let (found, complete) = entries(&body);
            prop_assert!(complete);
            prop_assert_eq!(found, texts);
        }
    }
}
