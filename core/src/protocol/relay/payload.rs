//! What a relay message carries: JSON in a string, or plain text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::messages::parse_lenient;
use super::version2::{BlobName, BlobRef};

/// The subject of a message that has none.
pub const UNTITLED: &str = "(AgentTalk message)";
/// The name of an attachment that has none.
const UNNAMED: &str = "attachment.bin";

/// The most problems of a message that are told. A hostile one holds one in every second byte.
const MOST_PROBLEMS: usize = 20;

/// A file that came with a message. The name is untrusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Its name, as the sender wrote it.
    pub name: String,
    /// Its content, or where that is.
    pub content: Content,
}

/// The content of an attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// In the message.
    Inline(Vec<u8>),
    /// In a blob of the relay that brings the message.
    Blob(BlobRef),
}

/// A part of a payload that could not be read; the rest of it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadProblem {
    /// `attachments` is no list.
    #[error("the message's attachments are no list and were left out")]
    NoList,
    /// An attachment is no object with text `data`, and names no blob.
    #[error("attachment {index} ({name:?}) has no data and was left out")]
    NoData {
        /// Its place in the list, from 0.
        index: usize,
        /// Its name.
        name: String,
    },
    /// An attachment's `data` is not base64.
    #[error("attachment {index} ({name:?}) is not base64 and was left out: {why}")]
    NotBase64 {
        /// Its place in the list, from 0.
        index: usize,
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// A message as the sender put it together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// The subject; [`UNTITLED`] where there was none. Untrusted: it may hold line breaks.
    pub subject: String,
    /// The text.
    pub body: String,
    /// Who the sender says that it is; the relay's own word counts for more. Empty if it does not say.
    pub from: String,
    /// The files.
    pub attachments: Vec<Attachment>,
    /// What could not be read, the first 20 of it. Not sent.
    pub problems: Vec<PayloadProblem>,
}

impl Payload {
    /// Reads a payload. What is no JSON object is plain text, so that nothing is lost.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        // Only an object or a string in JSON is not taken as it is.
        let may_be_json = text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with(['{', '"']);
        match may_be_json.then(|| parse_lenient(text)) {
            Some(Ok(Value::Object(fields))) => Self::from_fields(fields),
            Some(Ok(Value::String(body))) => Self::plain(body),
            _ => Self::plain(text.to_owned()),
        }
    }

    /// Reads a payload that came as an object instead of a string, as the small server passes it on.
    pub(super) fn from_value(value: Value) -> Self {
        match value {
            Value::Object(fields) => Self::from_fields(fields),
            other => Self::plain(other.to_string()),
        }
    }

    /// The payload as it is sent. `from` and `attachments` are left out where there are none.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut fields = Map::new();
        fields.insert("subject".to_owned(), json!(self.subject));
        fields.insert("body".to_owned(), json!(self.body));
        if !self.from.is_empty() {
            fields.insert("from".to_owned(), json!(self.from));
        }
        if !self.attachments.is_empty() {
            let entry = |a: &Attachment| match &a.content {
                Content::Inline(data) => json!({"name": a.name, "data": STANDARD.encode(data)}),
                Content::Blob(blob) => json!({"name": a.name, "blob": blob.name.to_string(), "size": blob.size}),
            };
            fields.insert("attachments".to_owned(), self.attachments.iter().map(entry).collect());
        }
        // Not escaped to ASCII as the reference does it: that would more than double a Chinese text against the
        // relay's limit, and every JSON reader takes both.
        Value::Object(fields).to_string()
    }

    fn plain(body: String) -> Self {
        Self { subject: UNTITLED.to_owned(), body, ..Self::default() }
    }

    fn from_fields(mut fields: Map<String, Value>) -> Self {
        let mut take = |name: &str| fields.shift_remove(name).map(into_text).unwrap_or_default();
        let subject =
            Some(take("subject")).filter(|subject| !subject.is_empty()).unwrap_or_else(|| UNTITLED.to_owned());
        let mut payload = Self { subject, body: take("body"), from: take("from"), ..Self::default() };
        match fields.shift_remove("attachments") {
            None | Some(Value::Null) => {}
            Some(Value::Array(entries)) => payload.take_attachments(entries),
            Some(_) => payload.problems.push(PayloadProblem::NoList),
        }
        payload
    }

    fn take_attachments(&mut self, entries: Vec<Value>) {
        for (index, mut entry) in entries.into_iter().enumerate() {
            let mut take = |name: &str| entry.get_mut(name).map(Value::take);
            let name =
                take("name").map(into_text).filter(|name| !name.is_empty()).unwrap_or_else(|| UNNAMED.to_owned());
            match (take("data"), blob_of(&entry)) {
                (Some(Value::String(data)), _) => match decode_base64(&data) {
                    Ok(data) => self.attachments.push(Attachment { name, content: Content::Inline(data) }),
                    Err(why) => self.report(PayloadProblem::NotBase64 { index, name, why }),
                },
                (_, Some(blob)) => self.attachments.push(Attachment { name, content: Content::Blob(blob) }),
                _ => self.report(PayloadProblem::NoData { index, name }),
            }
        }
    }

    fn report(&mut self, problem: PayloadProblem) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

/// The blob that an attachment names.
fn blob_of(entry: &Value) -> Option<BlobRef> {
    let name = BlobName::parse(entry.get("blob")?.as_str()?)?;
    Some(BlobRef { name, size: entry.get("size")?.as_u64()? })
}

/// A field as text; what is of another type is kept as its JSON.
fn into_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Decodes as Python's `b64decode` does, which skips every character outside the alphabet and stops at the padding;
/// in addition, missing padding is no error. A text without any base64 in it is.
fn decode_base64(text: &str) -> Result<Vec<u8>, &'static str> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut count, mut padding) = (0_u32, 0_usize, 0_usize);
    for byte in text.bytes() {
        let Some(sextet) = sextet(byte) else {
            padding += usize::from(byte == b'=');
            if count % 4 >= 2 && count % 4 + padding >= 4 {
                break;
            }
            continue;
        };
        padding = 0;
        bits = (bits << 6) | u32::from(sextet);
        count += 1;
        if count % 4 == 0 {
            bytes.extend(bits.to_be_bytes().into_iter().skip(1));
            bits = 0;
        }
    }
    match count % 4 {
        0 if count == 0 && !text.trim().is_empty() => return Err("none of its characters belong to base64"),
        0 => {}
        1 => return Err("it breaks off inside a byte"),
        rest => bytes.extend((bits << (6 * (4 - rest))).to_be_bytes().into_iter().skip(1).take(rest - 1)),
    }
    Ok(bytes)
}

const fn sextet(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

/// JSON with the escapes of half surrogate pairs as `\ufffd`; `None` when it has none.
pub(super) fn repair_surrogates(json: &str) -> Option<String> {
    const REPLACEMENT: &str = "\\ufffd";
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    let mut repaired = false;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        let (before, escape) = rest.split_at_checked(at)?;
        out.push_str(before);
        let (kept, length) = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => (escape.get(..12)?, 12),
            (Some(0xd800..0xe000), _) => {
                repaired = true;
                (REPLACEMENT, 6)
            }
            // A backslash and the character after it, so that `\\` is not taken for the beginning of an escape.
            _ => {
                let length = 1 + escape.chars().nth(1).map_or(0, char::len_utf8);
                (escape.get(..length)?, length)
            }
        };
        out.push_str(kept);
        rest = escape.get(length..)?;
    }
    out.push_str(rest);
    repaired.then_some(out)
}

/// The UTF-16 unit of the escape `\uXXXX` at the beginning.
fn unit(escape: &str) -> Option<u16> {
    let digits = escape.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn payloads_are_read_as_the_reference_reads_them() {
        for (text, subject, body) in [
            (r#"{"subject": "s", "body": "b"}"#, "s", "b"),
            (r#" {"subject": "s", "body": "b"}"#, "s", "b"),
            (r#"{"body": "b"}"#, UNTITLED, "b"),
            (r#"{"subject": "", "body": "b"}"#, UNTITLED, "b"),
            (r#"{"subject": "s"}"#, "s", ""),
            (r#"{"x": 1}"#, UNTITLED, ""),
            ("plain text", UNTITLED, "plain text"),
            ("", UNTITLED, ""),
            ("\"hi\"", UNTITLED, "hi"),
            ("5", UNTITLED, "5"),
            ("[1,2]", UNTITLED, "[1,2]"),
            (r#"{"subject": "s", "bo"#, UNTITLED, r#"{"subject": "s", "bo"#),
            (r#"{"subject": 5, "body": null}"#, "5", ""),
            (r#"{"subject": ["a"], "body": {"b": 1}}"#, r#"["a"]"#, r#"{"b":1}"#),
            (r#"{"body": "half \ud83d pair"}"#, UNTITLED, "half \u{fffd} pair"),
        ] {
            let payload = Payload::parse(text);
            assert_eq!((payload.subject.as_str(), payload.body.as_str()), (subject, body), "{text}");
            assert_eq!(payload.problems, []);
        }
        let deep = "[".repeat(100_000);
        assert_eq!(Payload::parse(&deep).body, deep);
    }

    #[test]
    fn a_bad_attachment_costs_no_other() {
        let text = r#"{"body": "b", "attachments": [{"name": "ok.txt", "data": "aGk="}, {"name": "../bad", "data": "a"}, {"data": "aGk="},
            {"name": "none"}, 5, {"name": "garbage", "data": "!?"}]}"#;
        let payload = Payload::parse(text);
        let names: Vec<&str> = payload.attachments.iter().map(|a| a.name.as_str()).collect();
        assert_eq!((names, payload.body.as_str()), (vec!["ok.txt", UNNAMED], "b"));
        let told: Vec<String> = payload.problems.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(told[0].contains("../bad") && told[0].contains("base64"), "{told:?}");
        assert_eq!(Payload::parse(r#"{"attachments": {}}"#).problems, [PayloadProblem::NoList]);
        let many = format!("{{\"attachments\": [{}0]}}", "0,".repeat(10_000));
        assert_eq!(Payload::parse(&many).problems.len(), MOST_PROBLEMS);
    }

    #[test]
    fn an_attachment_may_lie_in_a_blob() {
        let hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        let of = |entry: &str| Payload::parse(&format!("{{\"attachments\": [{entry}]}}"));
        let payload = of(&format!(r#"{{"name": "a", "blob": "{hash}", "size": 5}}"#));
        let blob = BlobRef { name: BlobName::of(b"hello"), size: 5 };
        assert_eq!(payload.attachments, [Attachment { name: "a".to_owned(), content: Content::Blob(blob) }]);
        assert!(payload.to_json().ends_with(&format!(r#"[{{"name":"a","blob":"{hash}","size":5}}]}}"#)));
        for bad in [
            r#"{"name": "a", "blob": "../x", "size": 5}"#.to_owned(),
            format!(r#"{{"name": "a", "blob": "{hash}"}}"#),
            format!(r#"{{"name": "a", "blob": "{hash}", "size": -1}}"#),
            format!(r#"{{"name": "a", "blob": "{}", "size": 5}}"#, hash.to_uppercase()),
        ] {
            assert_eq!(of(&bad).problems.len(), 1, "{bad}");
        }
    }

    #[test]
    fn base64_is_pythons() {
        for (text, bytes) in [
            ("aGk=", "hi"),
            ("aG\nk=!", "hi"),
            ("aGk", "hi"),
            ("aGk=aGk=", "hi"),
            ("aG=k", "hi"),
            ("=aGk=", "hi"),
            ("aGkh", "hi!"),
            ("aA==", "h"),
            ("", ""),
        ] {
            assert_eq!(decode_base64(text), Ok(bytes.as_bytes().to_vec()), "{text}");
        }
        for text in ["a", "aGkha", "!!", "===="] {
            assert!(decode_base64(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_fields_are_those_of_the_reference() {
        let mut payload = Payload { subject: "H\u{e9}".to_owned(), body: "line\ntwo".to_owned(), ..Payload::default() };
        assert_eq!(payload.to_json(), "{\"subject\":\"H\u{e9}\",\"body\":\"line\\ntwo\"}");
        payload.from = "alice.agenttalk".to_owned();
        payload.attachments.push(Attachment { name: "a.bin".to_owned(), content: Content::Inline(vec![0, 255]) });
        assert!(
            payload.to_json().ends_with(r#","from":"alice.agenttalk","attachments":[{"name":"a.bin","data":"AP8="}]}"#)
        );
    }

    proptest! {
        #[test]
        fn any_text_is_safe(text in ".{0,60}") {
            prop_assert!(!Payload::parse(&text).subject.is_empty());
            prop_assert_eq!(repair_surrogates(&text).is_some_and(|repaired| repaired == text), false);
        }

        #[test]
        fn what_is_written_is_read(subject in ".{1,20}", body: String, from: String, files in proptest::collection::vec((".{1,9}", any::<Vec<u8>>()), 0..3)) {
            let content = |data: Vec<u8>| match data.first() {
                Some(0..100) => Content::Blob(BlobRef { name: BlobName::of(&data), size: data.len() as u64 }),
                _ => Content::Inline(data),
            };
            let attachments = files.into_iter().map(|(name, data)| Attachment { name, content: content(data) }).collect();
            let payload = Payload { subject, body, from, attachments, problems: Vec::new() };
            prop_assert_eq!(Payload::parse(&payload.to_json()), payload);
        }

        #[test]
        fn base64_round_trips(data: Vec<u8>) {
            prop_assert_eq!(decode_base64(&STANDARD.encode(&data)).unwrap(), data);
        }

        #[test]
        fn repairs_leave_no_half_pair(text in "([a-z]|\\\\\\\\|\\\\u(d83d|de00|00e9)|\\\\n){0,12}") {
            let repaired = repair_surrogates(&text).unwrap_or(text);
            prop_assert!(serde_json::from_str::<Value>(&format!("\"{repaired}\"")).is_ok(), "{}", repaired);
        }
    }
}
